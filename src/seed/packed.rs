//! Packed records: what feeds are made by, and the rest in as few bytes as it takes. There may be a
//! hundred thousand of them, of which a feed shows fifty.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::content::unmade::Unmade;
use super::date::{Timestamp, seconds};
use super::record::{Held, Hidden, Record, Standing, Topic};
use crate::text::slug;

/// More bytes than most records take beside their bodies.
const MUCH_BESIDE_BODY: usize = 512;

/// A record, packed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Packed {
    /// The seed it was read from, relative to the seed directory.
    #[serde(skip)]
    pub path: Arc<str>,
    /// What the entry is known by for ever: an IRI.
    pub id: Arc<str>,
    /// Whether the id is made of the date and the file's name, for want of anything better.
    pub id_by_name: bool,
    /// When it was or will be published.
    #[serde(with = "seconds")]
    pub published: Option<Timestamp>,
    /// When it last changed: never before it was published.
    #[serde(with = "seconds")]
    pub updated: Option<Timestamp>,
    /// When it is not to be shown any more.
    #[serde(with = "seconds")]
    pub expires: Option<Timestamp>,
    /// Why its writer does not want it shown.
    pub hidden: Option<Hidden>,
    /// How good it is said to be; 0 if nothing is said.
    pub quality: f64,
    /// How much it is talked about; 0 if nothing is said.
    pub heat: f64,
    /// What it is sorted and picked by.
    #[serde(skip)]
    pub facets: Arc<Facets>,
    /// A hash of all that it is shown from, its body as it is held; 0 if the record is not whole.
    pub hash: u128,
    /// The record. Nothing, if what only feeds show of it was left out.
    #[serde(skip)]
    rest: Bytes,
}

/// What selections sort and pick records by, the last four spelled as criteria spell them. Many records have all of
/// it in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facets {
    /// At least one, each slug once, in the order of the seed.
    pub topics: Arc<[Topic]>,
    /// What it is written in (RFC 5646), if it says.
    pub language: Option<Arc<str>>,
    /// Slug of its type.
    pub kind: Option<Arc<str>>,
    /// Slug of its category.
    pub category: Option<Arc<str>>,
    /// Host of its provider.
    pub host: Option<Arc<str>>,
    /// Slug of its provider's name.
    pub provider: Option<Arc<str>>,
}

/// What many records have in common, each such thing held once.
#[derive(Debug, Default)]
pub struct Common(RwLock<Shared>);

#[derive(Debug, Default)]
struct Shared {
    facets: HashSet<Arc<Facets>>,
    texts: HashSet<Arc<str>>,
}

impl Common {
    /// Has whoever holds these hold them in common with each other, and with those before them.
    pub fn share<'a>(&self, facets: impl Iterator<Item = &'a mut Arc<Facets>>) {
        // Locked once for all of them: nearly always every one is held.
        let shared = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut new = Vec::new();
        for facets in facets {
            match shared.facets.get(facets) {
                Some(shared) => facets.clone_from(shared),
                None => new.push(facets),
            }
        }
        drop(shared);
        if new.is_empty() {
            return;
        }
        let mut shared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for facets in new {
            shared.take(facets);
        }
    }

    /// Forgets what nobody else holds any more.
    pub fn forget_unused(&self) {
        let mut shared = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shared.facets.retain(|facets| Arc::strong_count(facets) > 1);
        shared.texts.retain(|text| Arc::strong_count(text) > 1);
    }
}

impl Shared {
    fn take(&mut self, facets: &mut Arc<Facets>) {
        if let Some(shared) = self.facets.get(facets) {
            facets.clone_from(shared);
            return;
        }
        for text in Arc::make_mut(facets).texts() {
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

    /// All texts that are not shared with others.
    fn texts(&mut self) -> impl Iterator<Item = &mut Arc<str>> {
        let Self { topics, language, kind, category, host, provider } = self;
        let topics = Arc::get_mut(topics).into_iter().flatten();
        let others = [language, kind, category, host, provider].into_iter().flatten();
        topics.flat_map(|topic| [&mut topic.slug, &mut topic.name]).chain(others)
    }
}

impl Packed {
    /// Packs a record, and its body if that is left unmade.
    pub(super) fn of(record: Record, body: Option<Unmade<'_>>) -> Self {
        let text = Vec::with_capacity(body.map_or(0, |body| body.length()) + MUCH_BESIDE_BODY);
        #[expect(clippy::expect_used, reason = "every part of a record has a length that is known")]
        let rest = postcard::to_extend(&(&record, body), text).expect("serializable");
        let mut hash = Xxh3::new();
        hash.update(&rest);
        let packed = Self::in_part(record);
        let names = packed.facets.topics.iter().flat_map(|topic| [&topic.slug, &topic.name]);
        for text in names.chain([&packed.id]) {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
        Self { hash: hash.digest128(), rest: rest.into_boxed_slice().into(), ..packed }
    }

    /// A record without what only feeds show of it, which is not whole.
    pub(super) fn in_part(record: Record) -> Self {
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
            rest: Bytes::new(),
        }
    }

    /// The record.
    ///
    /// # Panics
    ///
    /// It is not [whole](Self::is_whole).
    pub fn record(&self) -> Record {
        let (mut record, body) = self.unpacked();
        if let Some(body) = body {
            body.complete(&mut record);
        }
        record
    }

    /// The record, whose content and summary may lack what its body says.
    ///
    /// # Panics
    ///
    /// It is not [whole](Self::is_whole).
    pub fn without_body(&self) -> Record {
        self.unpacked().0
    }

    fn unpacked(&self) -> (Record, Option<Unmade<'_>>) {
        #[expect(clippy::expect_used, reason = "this is what was packed, by this very program")]
        let (record, body): (Record, _) = postcard::from_bytes(&self.rest).expect("a whole record");
        let (path, id, topics) = (self.path.clone(), self.id.clone(), self.facets.topics.to_vec());
        (Record { path, id, topics, ..record }, body)
    }

    /// Whether all that a feed shows of it is there.
    pub fn is_whole(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Has records hold their texts as parts of one piece of memory, with no gaps between them.
    pub fn hold_together(records: &mut [&mut Self]) {
        let mut texts = Vec::with_capacity(records.iter().map(|record| record.rest.len()).sum());
        for record in records.iter() {
            texts.extend_from_slice(&record.rest);
        }
        let mut texts = Bytes::from(texts);
        for record in records {
            record.rest = texts.split_to(record.rest.len());
        }
    }

    /// The record, as it is written to where it is remembered: all but its fields here.
    pub(crate) fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// The same with where it was read from, and what was written beside it.
    pub(crate) fn at(self, path: Arc<str>, facets: Arc<Facets>, rest: Bytes) -> Self {
        Self { path, facets, rest, ..self }
    }

    /// Whether the record is shown at an instant. With `unpublished`, what its writer hides is
    /// shown too, for preview.
    pub fn standing(&self, now: Timestamp, unpublished: bool) -> Standing {
        let held = |held, until| Standing { shown: Err(held), until };
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
            Standing { shown: Ok(published), until: self.expires }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let record = super::super::tests::record(
            "title: A\ntopics: [t, u]\nprovider: {name: P, domain: p.example}\nimages: [{url: 'https://p.example/i.png', width: 3}]\n\
             date: 2024-01-01\nexcerpt: Short\nwebUrl: https://p.example/a\nquality: 0.5\n",
        );
        assert_eq!(Packed::of(record.clone(), None).record(), record);
    }

    #[test]
    fn what_is_in_common_is_held_once() {
        let packed = |yaml: &str| Packed::of(super::super::tests::record(yaml), None);
        let read = || {
            ["t", "t", "u, v", "t, u"].map(|topics| {
                packed(&format!("title: {topics}\ntopics: [{topics}]\nlanguage: en\nprovider: {{name: P}}\n"))
            })
        };
        let mut records = read();
        let common = Common::default();
        let (early, late) = records.split_at_mut(2);
        for some in [early, late] {
            common.share(some.iter_mut().map(|record| &mut record.facets));
        }
        assert_eq!(records, read());
        let [one, another, more, most] = records.map(|record| record.facets);
        assert!(Arc::ptr_eq(&one, &another) && !Arc::ptr_eq(&one, &most));
        assert!(Arc::ptr_eq(&one.topics[0].slug, &most.topics[0].slug));
        assert!(Arc::ptr_eq(&more.topics[0].name, &most.topics[1].name));
        let language = |facets: &Facets| facets.language.clone().unwrap();
        assert!(Arc::ptr_eq(&language(&one), &language(&more)));

        drop((one, more, most));
        common.forget_unused();
        let shared = common.0.read().unwrap();
        assert_eq!(shared.facets.iter().collect::<Vec<_>>(), [&another]);
        assert!(shared.texts.contains("t") && !shared.texts.contains("u"));
    }

    #[test]
    fn what_is_shown_when() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let shown = |published: Option<i64>, expires: Option<i64>, hidden, unpublished| {
            let record = Record {
                published: published.map(at),
                expires: expires.map(at),
                hidden,
                ..super::super::tests::record("title: A\ntopics: t\n")
            };
            let standing = Packed::of(record, None).standing(at(100), unpublished);
            (standing.shown.map(|at| at.timestamp()), standing.until.map(|at| at.timestamp()))
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
