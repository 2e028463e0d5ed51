//! Packed records: the fields that feeds are selected and sorted by, and the rest serialized.
//!
//! There may be 100,000 records, of which a feed shows 50.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::date::{Timestamp, seconds};
use super::deferred::DeferredBody;
use super::record::{Held, Hidden, Record, Topic, Visibility};
use crate::text::slug;

/// Initial capacity for a serialized record beside its body: most records take less.
const CAPACITY_BESIDE_BODY: usize = 512;

/// A packed record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackedRecord {
    /// The path of the seed, relative to the seed directory.
    #[serde(skip)]
    pub path: Arc<str>,
    /// The permanent id of the entry: an IRI.
    pub id: Arc<str>,
    /// Set if the id is made of the date and the file name, because the seed has no `id` and no address.
    pub id_by_name: bool,
    /// The time of publication, past or future.
    #[serde(with = "seconds")]
    pub published: Option<Timestamp>,
    /// The time of the last update, never before publication.
    #[serde(with = "seconds")]
    pub updated: Option<Timestamp>,
    /// The time from which on the record is held.
    #[serde(with = "seconds")]
    pub expires: Option<Timestamp>,
    /// Set if the seed asks not to be shown.
    pub hidden: Option<Hidden>,
    /// The quality, by default 0.
    pub quality: f64,
    /// The popularity, by default 0.
    pub heat: f64,
    /// The fields that many records share.
    #[serde(skip)]
    pub facets: Arc<Facets>,
    /// A hash of everything that a feed shows of the record, with its body as it is stored; 0 if the record is
    /// not [complete](Self::is_complete).
    pub hash: u128,
    /// The serialized record, or nothing if its content was left out.
    #[serde(skip)]
    payload: Bytes,
}

/// The fields that selections use and many records share, spelled as in selection criteria.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facets {
    /// At least one topic, each slug once, in the order of the seed.
    pub topics: Arc<[Topic]>,
    /// The language tag (RFC 5646).
    pub language: Option<Arc<str>>,
    /// The slug of the type.
    pub kind: Option<Arc<str>>,
    /// The slug of the category.
    pub category: Option<Arc<str>>,
    /// The host of the provider.
    pub host: Option<Arc<str>>,
    /// The slug of the name of the provider.
    pub provider: Option<Arc<str>>,
}

/// A pool that stores equal facets, and equal texts in them, once.
#[derive(Debug, Default)]
pub struct FacetPool(RwLock<PoolContent>);

#[derive(Debug, Default)]
struct PoolContent {
    facets: HashSet<Arc<Facets>>,
    texts: HashSet<Arc<str>>,
}

impl FacetPool {
    /// Replaces each of the facets by an equal one from the pool, or adds it to the pool.
    pub fn share<'a>(&self, facets: impl Iterator<Item = &'a mut Arc<Facets>>) {
        // One read lock for all: nearly always the pool has every one.
        let pool = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for facets in facets {
            match pool.facets.get(facets) {
                Some(shared) => facets.clone_from(shared),
                None => new.push(facets),
            }
        }
        drop(pool);
        if new.is_empty() {
            return;
        }
        let mut pool = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for facets in new {
            pool.add(facets);
        }
    }

    /// Removes facets and texts that are used nowhere else.
    pub fn remove_unused(&self) {
        let mut pool = self.0.write().unwrap_or_else(PoisonError::into_inner);
        pool.facets.retain(|facets| Arc::strong_count(facets) > 1);
        pool.texts.retain(|text| Arc::strong_count(text) > 1);
    }
}

impl PoolContent {
    fn add(&mut self, facets: &mut Arc<Facets>) {
        if let Some(shared) = self.facets.get(facets) {
            facets.clone_from(shared);
            return;
        }
        for text in Arc::make_mut(facets).texts_mut() {
            match self.texts.get(text) {
                Some(shared) => text.clone_from(shared),
                None => drop(self.texts.insert(text.clone())),
            }
        }
        self.facets.insert(facets.clone());
    }
}

impl Facets {
    fn of(record: &Record) -> Self {
        let slugged = |name: &str| Arc::from(slug(name));
        let provider = record.provider.as_ref();
        let site = provider.and_then(|provider| provider.site.as_deref());
        Self {
            topics: record.topics.as_slice().into(),
            language: record.language.as_deref().map(Arc::from),
            kind: record.kind.as_deref().map(slugged),
            category: record.category.as_deref().map(slugged),
            host: site.and_then(|site| site.strip_prefix("https://")).map(Arc::from),
            provider: provider.map(|provider| slugged(&provider.name)),
        }
    }

    /// Returns all texts, except topics that are already shared.
    fn texts_mut(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let Self { topics, language, kind, category, host, provider } = self;
        let topics = Arc::get_mut(topics).into_iter().flatten();
        let others = [language, kind, category, host, provider].into_iter().flatten();
        topics.flat_map(|topic| [&mut topic.slug, &mut topic.name]).chain(others)
    }
}

impl PackedRecord {
    /// Packs a record, and its body if that is deferred.
    pub(super) fn new(record: Record, body: Option<DeferredBody<'_>>) -> Self {
        let buffer = Vec::with_capacity(body.map_or(0, |body| body.len()) + CAPACITY_BESIDE_BODY);
        #[expect(clippy::expect_used, reason = "every part of a record has a known length")]
        let payload = postcard::to_extend(&(&record, body), buffer).expect("serializable");
        let mut hash = Xxh3::new();
        hash.update(&payload);
        let packed = Self::without_content(record);
        let names = packed.facets.topics.iter().flat_map(|topic| [&topic.slug, &topic.name]);
        for text in names.chain([&packed.id]) {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
        Self { hash: hash.digest128(), payload: payload.into_boxed_slice().into(), ..packed }
    }

    /// Packs a record without its content, so that it is not complete.
    pub(super) fn without_content(record: Record) -> Self {
        Self {
            facets: Facets::of(&record).into(),
            path: record.path,
            id: record.id,
            id_by_name: record.id_by_name,
            published: record.published,
            updated: record.updated,
            expires: record.expires,
            hidden: record.hidden,
            quality: record.quality,
            heat: record.heat,
            hash: 0,
            payload: Bytes::new(),
        }
    }

    /// Returns the record, with its body rendered.
    ///
    /// # Panics
    ///
    /// The record is not [complete](Self::is_complete).
    pub fn record(&self) -> Record {
        let (mut record, body) = self.unpack();
        if let Some(body) = body {
            body.render_into(&mut record);
        }
        record
    }

    /// Returns the record without its body if that is deferred, and then without a summary taken from it.
    ///
    /// # Panics
    ///
    /// The record is not [complete](Self::is_complete).
    pub fn without_body(&self) -> Record {
        self.unpack().0
    }

    fn unpack(&self) -> (Record, Option<DeferredBody<'_>>) {
        #[expect(clippy::expect_used, reason = "the payload was serialized by the same program")]
        let (record, body): (Record, _) = postcard::from_bytes(&self.payload).expect("a complete record");
        let (path, id, topics) = (self.path.clone(), self.id.clone(), self.facets.topics.to_vec());
        (Record { path, id, topics, ..record }, body)
    }

    /// Returns `true` if the record has its content.
    pub fn is_complete(&self) -> bool {
        !self.payload.is_empty()
    }

    /// Moves the payloads of records into one buffer, without gaps between them.
    pub fn join_payloads(records: &mut [&mut Self]) {
        let mut buffer = Vec::with_capacity(records.iter().map(|record| record.payload.len()).sum());
        for record in records.iter() {
            buffer.extend_from_slice(&record.payload);
        }
        let mut buffer = Bytes::from(buffer);
        for record in records {
            record.payload = buffer.split_to(record.payload.len());
        }
    }

    /// Returns the serialized record, as the cache stores it: everything but the fields of this struct.
    pub(crate) fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Adds the parts that the cache stores separately.
    pub(crate) fn with_parts(self, path: Arc<str>, facets: Arc<Facets>, payload: Bytes) -> Self {
        Self { path, facets, payload, ..self }
    }

    /// Returns the visibility of the record at an instant. With `unpublished`, hidden records are shown too, for
    /// preview.
    pub fn visibility(&self, now: Timestamp, unpublished: bool) -> Visibility {
        let held = |held, until| Visibility { shown: Err(held), until };
        match self.hidden {
            Some(Hidden::Removed) if !unpublished => return held(Held::Removed, None),
            Some(Hidden::Unpublished) if !unpublished => return held(Held::Unpublished, None),
            _ => {}
        }
        let Some(published) = self.published else { return held(Held::Undated, None) };
        if self.expires.is_some_and(|expires| expires <= now) {
            held(Held::Expired, None)
        } else if published > now {
            held(Held::Scheduled, Some(published))
        } else {
            Visibility { shown: Ok(published), until: self.expires }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_record_is_unpacked_unchanged() {
        let record = crate::seed::tests::record(
            "title: A\ntopics: [t, u]\nprovider: {name: P, domain: p.example}\nimages: [{url: 'https://p.example/i.png', width: 3}]\n\
             date: 2024-01-01\nexcerpt: Short\nwebUrl: https://p.example/a\nquality: 0.5\n",
        );
        assert_eq!(PackedRecord::new(record.clone(), None).record(), record);
    }

    #[test]
    fn equal_facets_are_stored_once() {
        let packed = |yaml: &str| PackedRecord::new(crate::seed::tests::record(yaml), None);
        let read = || {
            ["t", "t", "u, v", "t, u"].map(|topics| {
                packed(&format!("title: {topics}\ntopics: [{topics}]\nlanguage: en\nprovider: {{name: P}}\n"))
            })
        };
        let mut records = read();
        let pool = FacetPool::default();
        let (early, late) = records.split_at_mut(2);
        for some in [early, late] {
            pool.share(some.iter_mut().map(|record| &mut record.facets));
        }
        assert_eq!(records, read());
        let [one, another, more, most] = records.map(|record| record.facets);
        assert!(Arc::ptr_eq(&one, &another) && !Arc::ptr_eq(&one, &most));
        assert!(Arc::ptr_eq(&one.topics[0].slug, &most.topics[0].slug));
        assert!(Arc::ptr_eq(&more.topics[0].name, &most.topics[1].name));
        let language = |facets: &Facets| facets.language.clone().unwrap();
        assert!(Arc::ptr_eq(&language(&one), &language(&more)));

        drop((one, more, most));
        pool.remove_unused();
        let shared = pool.0.read().unwrap();
        assert_eq!(shared.facets.iter().collect::<Vec<_>>(), [&another]);
        assert!(shared.texts.contains("t") && !shared.texts.contains("u"));
    }

    #[test]
    fn visibility_depends_on_dates_and_hiding() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let shown = |published: Option<i64>, expires: Option<i64>, hidden, unpublished| {
            let record = Record {
                published: published.map(at),
                expires: expires.map(at),
                hidden,
                ..crate::seed::tests::record("title: A\ntopics: t\n")
            };
            let visibility = PackedRecord::new(record, None).visibility(at(100), unpublished);
            (visibility.shown.map(|at| at.timestamp()), visibility.until.map(|at| at.timestamp()))
        };
        let (unpublished, removed) = (Some(Hidden::Unpublished), Some(Hidden::Removed));
        for (published, expires, hidden, preview, expected) in [
            (Some(50), None, None, false, (Ok(50), None)),
            (Some(100), None, None, false, (Ok(100), None)),
            (Some(50), Some(101), None, false, (Ok(50), Some(101))),
            (Some(50), Some(100), None, false, (Err(Held::Expired), None)),
            (Some(101), None, None, false, (Err(Held::Scheduled), Some(101))),
            (Some(101), Some(99), None, false, (Err(Held::Expired), None)),
            (None, None, None, false, (Err(Held::Undated), None)),
            (Some(50), None, unpublished, false, (Err(Held::Unpublished), None)),
            (Some(50), None, removed, false, (Err(Held::Removed), None)),
            (Some(50), None, unpublished, true, (Ok(50), None)),
            (Some(50), None, removed, true, (Ok(50), None)),
            (Some(101), None, removed, true, (Err(Held::Scheduled), Some(101))),
            (None, None, unpublished, true, (Err(Held::Undated), None)),
        ] {
            assert_eq!(
                shown(published, expires, hidden, preview),
                expected,
                "{published:?} {expires:?} {hidden:?} {preview}"
            );
        }
    }
}
