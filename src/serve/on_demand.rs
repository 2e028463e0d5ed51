//! Documents rendered on demand: archive documents, and selections in an address.
//!
//! Clients may ask for any number of them, so the cache is bounded by weight, and the number that is rendered at once
//! by [`BlockingLimit`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tracing::error;
use xxhash_rust::xxh3::xxh3_128;

use super::blocking::BlockingLimit;
use super::response::Heads;
use crate::config::Config;
use crate::config::criteria::Criteria;
use crate::edition::{Coding, Edition, Representation};
use crate::feed::{FeedDocument, LogicalFeed, Selection};
use crate::publish::archive::{ArchiveAddress, Archives};
use crate::publish::mirror;
use crate::render::{self, Format, Publication, RenderError};
use crate::seed::Timestamp;

/// The most bytes that are cached.
const CAPACITY: u64 = 32 << 20;
/// The estimated bytes of a cached document beside its body.
const OVERHEAD: u64 = 4 << 10;
/// The most addresses whose last change is remembered.
const MAX_REMEMBERED: usize = 4096;
/// The most documents that are rendered at once; the other threads serve.
const MAX_RENDERS: usize = 2;
/// The longest time that a client waits for a document.
const RENDER_TIMEOUT: Duration = Duration::from_secs(5);
/// The `max-age` of an archive document that no new entry is expected in: a reader that follows a feed back through
/// its archives need not ask for them again (RFC 5005 §4).
const ARCHIVE_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A document that is rendered on demand.
#[derive(Debug, Clone)]
pub(super) enum OnDemand {
    /// The selection of these criteria.
    Selection(Box<Criteria>, Format),
    /// An archive document.
    Archive(ArchiveAddress),
}

impl OnDemand {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Selection(_, format) | Self::Archive(ArchiveAddress { format, .. }) => *format,
        }
    }

    /// Returns the page about the same entries.
    pub(super) fn page(&self) -> Self {
        match self.clone() {
            Self::Selection(criteria, _) => Self::Selection(criteria, Format::Html),
            Self::Archive(address) => Self::Archive(ArchiveAddress { format: Format::Html, ..address }),
        }
    }

    /// Returns its address.
    pub(super) fn url(&self, config: &Config) -> String {
        let url = |selection, month, format| {
            render::address(&config.url, &render::document_path(selection, month, format))
        };
        match self {
            Self::Selection(criteria, format) => {
                format!("{}?{}", url(&Selection::All, None, *format), criteria.query())
            }
            Self::Archive(ArchiveAddress { selection, month, format }) => {
                url(selection, Some(*month), *format)
            }
        }
    }

    fn key(&self, edition: &Edition) -> CacheKey {
        let name = match self {
            Self::Selection(criteria, _) => criteria.query(),
            // A query has no slash that is not encoded.
            Self::Archive(ArchiveAddress { selection, month, format }) => {
                format!("/{}", render::document_path(selection, Some(*month), *format))
            }
        };
        CacheKey { generation: edition.generation, name: name.into(), format: self.format() }
    }
}

/// The key of a document. The generation keeps documents of earlier editions from being found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CacheKey {
    generation: u64,
    /// The canonical query, or the path.
    name: Arc<str>,
    format: Format,
}

/// A rendered document.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    pub(super) representation: Arc<Representation>,
    pub(super) heads: Arc<Heads>,
    /// The time at which it changes by itself.
    pub(super) until: Option<Timestamp>,
}

impl Rendered {
    fn is_expired(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| SystemTime::from(until) <= now)
    }
}

#[derive(Clone)]
struct Weight;

impl Weighter<CacheKey, Rendered> for Weight {
    fn weight(&self, key: &CacheKey, rendered: &Rendered) -> u64 {
        // With the encoded forms that may be asked for.
        (rendered.representation.body.len() / 2 * 3 + key.name.len()) as u64 + OVERHEAD
    }
}

/// Reasons for having no document.
#[derive(Debug)]
pub(super) enum NotRendered {
    /// The edition has no such document.
    NotFound,
    /// Too many documents are being rendered.
    Busy,
    /// Rendering failed. The error is logged.
    Failed,
}

/// The documents that were rendered on demand.
pub(super) struct OnDemandCache {
    documents: Arc<Documents>,
    workers: BlockingLimit,
}

struct Documents {
    cache: Cache<CacheKey, Rendered, Weight>,
    /// By a hash of the name: the last entity tag of a document, and since when it is the same.
    modified: Cache<(u128, Format), (String, SystemTime)>,
}

impl OnDemandCache {
    pub(super) fn new() -> Self {
        #[expect(clippy::expect_used, reason = "every required option is given")]
        let options = OptionsBuilder::new()
            // Each shard has its part of the capacity, and would drop any document that is heavier.
            .shards(1)
            .estimated_items_capacity(1024)
            .weight_capacity(CAPACITY)
            .build()
            .expect("the options are complete");
        let cache =
            Cache::with_options(options, Weight, DefaultHashBuilder::default(), DefaultLifecycle::default());
        let documents = Arc::new(Documents { cache, modified: Cache::new(MAX_REMEMBERED) });
        Self { documents, workers: BlockingLimit::new(MAX_RENDERS) }
    }

    /// Returns a document made of an edition's entries. It is rendered once for all clients that wait for it.
    pub(super) async fn get(
        &self,
        edition: &Arc<Edition>,
        document: &OnDemand,
        now: SystemTime,
    ) -> Result<Rendered, NotRendered> {
        let (key, cache) = (document.key(edition), &self.documents.cache);
        cache.remove_if(&key, |rendered| rendered.is_expired(now));
        let render = self.render(key.clone(), edition.clone(), document.clone(), now);
        let rendered = tokio::time::timeout(RENDER_TIMEOUT, cache.get_or_insert_async(&key, render)).await;
        rendered.unwrap_or(Err(NotRendered::Busy))
    }

    async fn render(
        &self,
        key: CacheKey,
        edition: Arc<Edition>,
        document: OnDemand,
        now: SystemTime,
    ) -> Result<Rendered, NotRendered> {
        let worker = self.workers.acquire().await;
        // The rendering for a client that stopped waiting may have ended meanwhile.
        if let Some(rendered) = self.documents.cache.get(&key) {
            return Ok(rendered);
        }
        let documents = self.documents.clone();
        let rendered = worker.run(move || {
            let rendered = match &document {
                OnDemand::Selection(criteria, format) => {
                    selection(&edition, criteria, *format, now).map(Some)
                }
                OnDemand::Archive(address) => archive(&edition, address),
            };
            // Cached here, since the client may stop waiting: its next request finds the document. An edition that is
            // overdue must not switch the cache off.
            let not_before = Timestamp::from(now + Duration::from_secs(1));
            let until = |until: Option<Timestamp>| until.map(|until| until.max(not_before));
            Ok(rendered?.map(|(document, changes)| documents.insert(key, document, until(changes))))
        });
        match rendered.await {
            Ok(Ok(Some(rendered))) => Ok(rendered),
            Ok(Ok(None)) => Err(NotRendered::NotFound),
            Ok(Err::<_, RenderError>(error)) => {
                error!("{error}");
                Err(NotRendered::Failed)
            }
            Err(failed) => {
                error!("cannot render a document: {failed}");
                Err(NotRendered::Failed)
            }
        }
    }
}

impl Documents {
    /// Caches a document. If its bytes are those of the document before at its address, so is its Last-Modified: most
    /// changes concern none of its entries.
    fn insert(&self, key: CacheKey, representation: Representation, until: Option<Timestamp>) -> Rendered {
        let address = (xxh3_128(key.name.as_bytes()), key.format);
        let entity_tag = representation.entity_tag(Coding::Identity).to_owned();
        let last_modified = match self.modified.get(&address) {
            Some((before, since)) if before == entity_tag => since,
            // Other bytes need a later date, even if the mirror has an earlier one for the same bytes long ago.
            Some((_, since)) => representation.last_modified.max(since + Duration::from_secs(1)),
            None => representation.last_modified,
        };
        self.modified.insert(address, (entity_tag, last_modified));
        let representation = Arc::new(representation.with_last_modified(last_modified));
        let heads = Arc::new(Heads::new(&representation));
        let rendered = Rendered { representation, heads, until };
        self.cache.insert(key, rendered.clone());
        rendered
    }
}

/// Renders a selection, and returns it with the time at which it changes by itself.
fn selection(
    edition: &Edition,
    criteria: &Criteria,
    format: Format,
    now: SystemTime,
) -> Result<(Representation, Option<Timestamp>), RenderError> {
    let Edition { config, entries, since, .. } = edition;
    let publication = Publication::new(config);
    let logical = LogicalFeed::query(config, entries, criteria, chrono::DateTime::<Utc>::from(now));
    let feed = logical.subscription();
    // A selection by age may have changed within this second and the one before, so only a date after both is safe
    // for If-Modified-Since.
    let last_modified =
        if criteria.age.is_some() { now.max(*since) + Duration::from_secs(1) } else { *since };
    let body = format.render(&feed, &publication)?;
    let until = logical.due().into_iter().chain(edition.next_due).min();
    Ok((representation(body, &feed, format, &publication, last_modified, config.max_age), until))
}

/// Renders an archive document, and returns it with the time at which it changes by itself; `None` if the edition has no
/// such document.
fn archive(
    edition: &Edition,
    address: &ArchiveAddress,
) -> Result<Option<(Representation, Option<Timestamp>)>, RenderError> {
    let ArchiveAddress { selection, month, format } = address;
    let feed = Archives::of(edition, selection).and_then(|archives| archives.document(*month));
    let Some(feed) = feed else { return Ok(None) };
    let (config, publication) = (&edition.config, Publication::new(&edition.config));
    let body = format.render(&feed, &publication)?;
    let path = render::document_path(selection, Some(*month), *format);
    let mirrored = config.feeds.as_deref().and_then(|feeds| mirror::last_modified(feeds, &path, &body));
    let last_modified = mirrored.unwrap_or(edition.since);
    // New entries are expected in the latest month alone. A page links to the other months, so it changes with them.
    let is_settled = feed.next_archive.is_some() && *format != Format::Html;
    let max_age = if is_settled { ARCHIVE_MAX_AGE.max(config.max_age) } else { config.max_age };
    // A scheduled record appears in no settled month, but an entry of one may expire.
    let due = edition.next_due.filter(|_| !is_settled);
    let until = feed.expiry().into_iter().chain(due).min();
    Ok(Some((representation(body, &feed, *format, &publication, last_modified, max_age), until)))
}

fn representation(
    body: Vec<u8>,
    feed: &FeedDocument,
    format: Format,
    publication: &Publication,
    last_modified: SystemTime,
    max_age: Duration,
) -> Representation {
    let url = publication.document_url(feed, format);
    let mut representation = Representation::new(body, format.media_type(), url, last_modified, max_age);
    if format == Format::Html {
        representation.policy = Some(publication.policy.clone());
    } else {
        representation.page = Some(render::document_path(&feed.selection, feed.archive, Format::Html));
    }
    representation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::catalog::Entries;
    use crate::seed::{self, Change};

    fn edition() -> Arc<Edition> {
        let mut catalog = Catalog::new(false, Arc::default());
        let seeds = (0..20).map(|number| {
            let path: Arc<str> = format!("{number}.md").into();
            let text = format!(
                "---\ntitle: A\ntopics: t\ndate: 2024-01-01\nquality: {number}\n---\n{}",
                "x".repeat(4096)
            );
            let reading = seed::read(&seed::Rules::sample(), &path, text.as_bytes());
            (path, Change::Read(reading))
        });
        catalog.apply(seeds, "2025-01-01T00:00:00Z".parse().unwrap());
        Arc::new(Edition {
            entries: catalog.entries().clone(),
            generation: 1,
            ..Edition::empty(Arc::new(Config::sample("")))
        })
    }

    fn at(second: u64) -> SystemTime {
        // Since the entries were published.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200 + second)
    }

    fn document(query: &str, format: Format) -> OnDemand {
        OnDemand::Selection(Box::new(Criteria::from_query(query, 50).unwrap().unwrap()), format)
    }

    #[tokio::test]
    async fn cache_is_bounded_under_arbitrary_requests() {
        let (cache, edition) = (OnDemandCache::new(), edition());
        for number in 0..600_u32 {
            let document = document(&format!("min_quality=-{number}"), Format::Atom);
            let rendered = cache.get(&edition, &document, at(0)).await.unwrap();
            assert!(rendered.representation.body.len() > 80_000);
        }
        assert!(cache.documents.cache.weight() <= CAPACITY && !cache.documents.cache.is_empty());
    }

    #[tokio::test]
    async fn cached_document_is_used_until_the_entries_or_time_change_it() {
        let (cache, mut edition) = (OnDemandCache::new(), edition());
        let young = document("age=1h", Format::Rss);
        let first = cache.get(&edition, &young, at(3599)).await.unwrap();
        let again = cache.get(&edition, &young, at(3599)).await.unwrap();
        assert!(Arc::ptr_eq(&first.representation, &again.representation));
        assert_eq!(first.until.map(SystemTime::from), Some(at(3600)));
        let over = cache.get(&edition, &young, at(3600)).await.unwrap();
        assert!(over.until.is_none() && over.representation.body.len() < first.representation.body.len());
        Arc::make_mut(&mut edition).generation += 1;
        Arc::make_mut(&mut edition).since = at(7200);
        let same = cache.get(&edition, &young, at(7200)).await.unwrap();
        assert_eq!(same.representation.last_modified, over.representation.last_modified);
        Arc::make_mut(&mut edition).generation += 1;
        Arc::make_mut(&mut edition).entries = Entries::default();
        let all = document("min_quality=0", Format::Rss);
        let next = cache.get(&edition, &all, at(0)).await.unwrap();
        assert!(next.representation.body.len() < first.representation.body.len());
    }

    #[tokio::test(start_paused = true)]
    async fn client_waits_a_bounded_time_for_a_worker() {
        let (cache, edition) = (OnDemandCache::new(), edition());
        let _all = (cache.workers.acquire().await, cache.workers.acquire().await);
        let (limited, began) = (document("limit=1", Format::Atom), tokio::time::Instant::now());
        let get = || cache.get(&edition, &limited, at(0));
        let results = tokio::join!(get(), get(), get());
        assert!(matches!(results, (Err(NotRendered::Busy), Err(NotRendered::Busy), Err(NotRendered::Busy))));
        assert_eq!(began.elapsed(), RENDER_TIMEOUT);
    }

    #[tokio::test]
    async fn abandoned_rendering_is_cached_for_the_next_client() {
        let (cache, edition) = (OnDemandCache::new(), edition());
        let document = document("limit=1", Format::Atom);
        tokio::select! {
            biased;
            _ = cache.get(&edition, &document, at(0)) => panic!("rendering takes a thread of its own"),
            () = std::future::ready(()) => {}
        }
        let _ended = (cache.workers.acquire().await, cache.workers.acquire().await);
        assert!(cache.documents.cache.get(&document.key(&edition)).is_some());
    }
}
