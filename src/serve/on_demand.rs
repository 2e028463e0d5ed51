//! Selections that addresses spell, and archive documents: made when they are asked for, and kept for
//! a while.
//!
//! Anyone may ask for anything, so what is kept is bounded by its weight, and how much is made at
//! once by a number.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use http::HeaderValue;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tracing::error;
use xxhash_rust::xxh3::xxh3_128;

use super::makers::Makers;
use crate::config::Config;
use crate::config::criteria::Criteria;
use crate::edition::coding::Coding;
use crate::edition::{Edition, Representation};
use crate::feed::{Feed, LogicalFeed, Selection};
use crate::publish::archive::{Address, Archives};
use crate::publish::mirror;
use crate::render::{self, Format, Publication, RenderError};
use crate::seed::Timestamp;

/// Most bytes that are kept.
const CAPACITY: u64 = 32 << 20;
/// What one thing that is kept costs beside its bytes, if all cores have answered with it.
const OVERHEAD: u64 = 12 << 10;
/// Most addresses of which it is remembered when their bytes changed.
const MOST_REMEMBERED: usize = 4096;
/// How much is made at once: serving goes on beside it.
const AT_ONCE: usize = 2;
/// How long somebody waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is made when it is asked for.
pub(super) struct Queries {
    shelf: Arc<Shelf>,
    makers: Makers,
}

/// What was made.
struct Shelf {
    kept: Cache<Key, Made, Weight>,
    /// Since when the bytes of what was asked for, by its hash, are what they are, by the entity tag.
    changed: Cache<(u128, Format), (HeaderValue, SystemTime)>,
}

/// How long an archive document may be kept to which no new entry is expected: those who follow a
/// feed back through its archives need not ask for them again (RFC 5005 §4).
const SETTLED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The generation of the entries, the canonical query or the path, the format.
type Key = (u64, Arc<str>, Format);

/// What can be made.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    /// What criteria pick.
    Query(Box<Criteria>, Format),
    /// An archive document.
    Archive(Address),
}

impl Wanted {
    /// How it is written.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Query(_, format) | Self::Archive(Address { format, .. }) => *format,
        }
    }

    /// The page about the same.
    pub(super) fn page(&self) -> Self {
        match self.clone() {
            Self::Query(criteria, _) => Self::Query(criteria, Format::Html),
            Self::Archive(address) => Self::Archive(Address { format: Format::Html, ..address }),
        }
    }

    /// Its address.
    pub(super) fn url(&self, config: &Config) -> String {
        let address = |archive, selection, format| {
            render::address(&config.url, &render::document_path(selection, archive, format))
        };
        match self {
            Self::Query(criteria, format) => {
                format!("{}?{}", address(None, &Selection::All, *format), criteria.query())
            }
            Self::Archive(Address { selection, month, format }) => address(Some(*month), selection, *format),
        }
    }

    fn key(&self, edition: &Edition) -> Key {
        match self {
            Self::Query(criteria, format) => (edition.generation, criteria.query().into(), *format),
            Self::Archive(Address { selection, month, format }) => {
                // No query has a slash that is not encoded.
                let path = render::document_path(selection, Some(*month), *format);
                (edition.generation, format!("/{path}").into(), *format)
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) representation: Arc<Representation>,
    /// When it changes by itself.
    pub(super) until: Option<Timestamp>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Made> for Weight {
    fn weight(&self, (_, query, _): &Key, made: &Made) -> u64 {
        // With the coded forms that may be asked for.
        (made.representation.body.len() / 2 * 3 + query.len()) as u64 + OVERHEAD
    }
}

/// Why something was not made.
#[derive(Debug)]
pub(super) enum NotMade {
    /// There is no such document.
    Nothing,
    /// Too much is being made already.
    Busy,
    /// It cannot be written.
    Failed,
}

impl Queries {
    pub(super) fn new() -> Self {
        #[expect(clippy::expect_used, reason = "the options that the builder needs are all given")]
        let options = OptionsBuilder::new()
            // Each shard has its part of the weight, and what is heavier than that is not kept.
            .shards(1)
            .estimated_items_capacity(1024)
            .weight_capacity(CAPACITY)
            .build()
            .expect("the options are complete");
        let kept =
            Cache::with_options(options, Weight, DefaultHashBuilder::default(), DefaultLifecycle::default());
        let shelf = Arc::new(Shelf { kept, changed: Cache::new(MOST_REMEMBERED) });
        Self { shelf, makers: Makers::new(AT_ONCE) }
    }

    /// What is wanted, made of an edition's entries.
    pub(super) async fn get(
        &self,
        edition: &Arc<Edition>,
        wanted: &Wanted,
        now: SystemTime,
    ) -> Result<Made, NotMade> {
        let (key, kept) = (wanted.key(edition), &self.shelf.kept);
        if kept.get(&key).is_some_and(|made| made.is_over(now)) {
            kept.remove(&key);
        }
        let make = self.make(key.clone(), edition.clone(), wanted.clone(), now);
        // Whoever waits for what another makes waits no longer than for a turn of its own.
        let made = tokio::time::timeout(PATIENCE, kept.get_or_insert_async(&key, make)).await;
        made.unwrap_or(Err(NotMade::Busy))
    }

    async fn make(
        &self,
        key: Key,
        edition: Arc<Edition>,
        wanted: Wanted,
        now: SystemTime,
    ) -> Result<Made, NotMade> {
        let shelf = self.shelf.clone();
        let made = self.makers.turn().await.make(move || {
            let made = match &wanted {
                Wanted::Query(criteria, format) => query(&edition, criteria, *format, now).map(Some),
                Wanted::Archive(address) => archive(&edition, address),
            };
            // Whether anybody still waits for it or not: who asks again should find it.
            made.map(|made| made.map(|(made, until)| shelf.keep(key, made, until)))
        });
        match made.await {
            Ok(Ok(Some(made))) => Ok(made),
            Ok(Ok(None)) => Err(NotMade::Nothing),
            Ok(Err(failed)) => {
                error!("{failed}");
                Err(NotMade::Failed)
            }
            Err(broken) => {
                error!("a document cannot be made: {broken}");
                Err(NotMade::Failed)
            }
        }
    }
}

impl Shelf {
    /// Keeps what was made, modified when bytes like these were made first: most changes are of no
    /// entry that it has.
    fn keep(&self, key: Key, representation: Representation, until: Option<Timestamp>) -> Made {
        let about = (xxh3_128(key.1.as_bytes()), key.2);
        let entity_tag = representation.entity_tag(Coding::Identity).clone();
        let modified = match self.changed.get(&about) {
            Some((before, since)) if before == entity_tag => since,
            // Nobody who asks by date may be told that nothing changed, though a file in the mirror says
            // when the same bytes were there once before.
            Some((_, since)) => representation.last_modified.max(since + Duration::from_secs(1)),
            None => representation.last_modified,
        };
        self.changed.insert(about, (entity_tag, modified));
        let made = Made { representation: Arc::new(representation.modified(modified)), until };
        self.kept.insert(key, made.clone());
        made
    }
}

/// What criteria pick, in one format, and until when.
fn query(
    edition: &Edition,
    criteria: &Criteria,
    format: Format,
    now: SystemTime,
) -> Result<(Representation, Option<Timestamp>), RenderError> {
    let Edition { config, entries, since, .. } = edition;
    let publication = Publication::new(config);
    let logical = LogicalFeed::query(config, entries, criteria, chrono::DateTime::<Utc>::from(now));
    let feed = logical.subscription();
    let until = logical.due();
    // What time alone changes may have been something else in the second before this one, and in
    // this one too: nobody who asks by date is told that nothing changed.
    let last_modified =
        if criteria.age.is_some() { now.max(*since) + Duration::from_secs(1) } else { *since };
    let body = format.render(&feed, &publication)?;
    let url = publication.document_url(&feed, format);
    let representation = Representation::new(body, format.media_type(), url, last_modified, config.max_age);
    let representation = of_format(representation, &feed, format, &publication);
    let until = until.into_iter().chain(edition.next_due).min();
    Ok((representation, until))
}

/// The archive document at an address, and until when it is that; none if there is none.
fn archive(
    edition: &Edition,
    address: &Address,
) -> Result<Option<(Representation, Option<Timestamp>)>, RenderError> {
    let Address { selection, month, format } = address;
    let document = Archives::of(edition, selection).and_then(|archives| archives.document(*month));
    let Some(feed) = document else { return Ok(None) };
    let (config, publication) = (&edition.config, Publication::new(&edition.config));
    let body = format.render(&feed, &publication)?;
    let path = render::document_path(selection, Some(*month), *format);
    let mirrored = config.feeds.as_deref().and_then(|feeds| mirror::last_modified(feeds, &path, &body));
    let last_modified = mirrored.unwrap_or(edition.since);
    // No new entry is expected in a month after which another has come. A page lists the others.
    let settled = feed.next_archive.is_some() && *format != Format::Html;
    let max_age = if settled { SETTLED.max(config.max_age) } else { config.max_age };
    let url = publication.document_url(&feed, *format);
    let representation = Representation::new(body, format.media_type(), url, last_modified, max_age);
    let representation = of_format(representation, &feed, *format, &publication);
    // What becomes due is of no settled month, or expires there.
    let due = edition.next_due.filter(|_| !settled);
    let until = feed.expiry().into_iter().chain(due).min();
    Ok(Some((representation, until)))
}

/// With what its format adds: browsers that go to a feed are shown a page.
fn of_format(
    mut representation: Representation,
    feed: &Feed,
    format: Format,
    publication: &Publication,
) -> Representation {
    let page = render::document_path(&feed.selection, feed.archive, Format::Html);
    let is_page = format == Format::Html;
    representation.page = (!is_page).then_some(page);
    representation.policy = is_page.then(|| publication.policy.clone());
    representation
}

impl Made {
    fn is_over(&self, now: SystemTime) -> bool {
        self.until.is_some_and(|until| SystemTime::from(until) <= now)
    }
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
        // From when the entries were published.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200 + second)
    }

    fn wanted(query: &str, format: Format) -> Wanted {
        Wanted::Query(Box::new(Criteria::from_query(query, 50).unwrap().unwrap()), format)
    }

    #[tokio::test]
    async fn whatever_is_asked_for_what_is_kept_is_bounded() {
        let (queries, edition) = (Queries::new(), edition());
        for number in 0..600_u32 {
            let wanted = wanted(&format!("min_quality=-{number}"), Format::Atom);
            let made = queries.get(&edition, &wanted, at(0)).await.unwrap();
            assert!(made.representation.body.len() > 80_000);
        }
        assert!(queries.shelf.kept.weight() <= CAPACITY && !queries.shelf.kept.is_empty());
    }

    #[tokio::test]
    async fn what_is_kept_is_asked_for_by_generation_and_until_it_is_over() {
        let (queries, mut edition) = (Queries::new(), edition());
        let young = wanted("age=1h", Format::Rss);
        let first = queries.get(&edition, &young, at(3599)).await.unwrap();
        let again = queries.get(&edition, &young, at(3599)).await.unwrap();
        assert!(Arc::ptr_eq(&first.representation, &again.representation));
        assert_eq!(first.until.map(SystemTime::from), Some(at(3600)));
        let over = queries.get(&edition, &young, at(3600)).await.unwrap();
        assert!(over.until.is_none() && over.representation.body.len() < first.representation.body.len());
        Arc::make_mut(&mut edition).generation += 1;
        Arc::make_mut(&mut edition).since = at(7200);
        let same = queries.get(&edition, &young, at(7200)).await.unwrap();
        assert_eq!(same.representation.last_modified, over.representation.last_modified);
        Arc::make_mut(&mut edition).generation += 1;
        Arc::make_mut(&mut edition).entries = Entries::default();
        let all = wanted("min_quality=0", Format::Rss);
        let next = queries.get(&edition, &all, at(0)).await.unwrap();
        assert!(next.representation.body.len() < first.representation.body.len());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_too_long() {
        let (queries, edition) = (Queries::new(), edition());
        let _turns = queries.makers.turns.acquire_many(2).await.unwrap();
        let (limited, began) = (wanted("limit=1", Format::Atom), tokio::time::Instant::now());
        let asked = || queries.get(&edition, &limited, at(0));
        let answers = tokio::join!(asked(), asked(), asked());
        assert!(matches!(answers, (Err(NotMade::Busy), Err(NotMade::Busy), Err(NotMade::Busy))));
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test]
    async fn what_was_begun_is_there_for_whoever_asks_again() {
        let (queries, edition) = (Queries::new(), edition());
        let wanted = wanted("limit=1", Format::Atom);
        tokio::select! {
            biased;
            _ = queries.get(&edition, &wanted, at(0)) => panic!("it takes a thread of its own"),
            () = std::future::ready(()) => {}
        }
        let _ended = queries.makers.turns.acquire_many(2).await.unwrap();
        assert!(queries.shelf.kept.get(&wanted.key(&edition)).is_some());
    }
}
