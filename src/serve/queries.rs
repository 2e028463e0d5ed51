//! Selections that addresses spell: made when they are asked for, and kept for a while.
//!
//! Anyone may ask for anything, so what is kept is bounded by its weight, and how much is made at
//! once by a number.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use http::HeaderValue;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;
use tracing::error;
use xxhash_rust::xxh3::xxh3_128;

use crate::coding::Coding;
use crate::criteria::Criteria;
use crate::edition::{Edition, Representation};
use crate::feed::LogicalFeed;
use crate::render::{Format, Publication};
use crate::seed::Timestamp;

/// Most bytes that are kept.
const CAPACITY: u64 = 32 << 20;
/// What one thing that is kept costs beside its bytes.
const OVERHEAD: u64 = 1 << 10;
/// Most queries of which it is remembered when their bytes changed.
const MOST_REMEMBERED: usize = 4096;
/// How much is made at once: serving goes on beside it.
const AT_ONCE: usize = 2;
/// How long somebody waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Selections that addresses spell.
pub(super) struct Queries {
    kept: Cache<Key, Made, Weight>,
    /// Since when the bytes of a canonical query, by its hash, are what they are, by the entity tag.
    changed: Cache<(u128, Format), (HeaderValue, SystemTime)>,
    turns: Arc<Semaphore>,
}

/// The generation of the entries, the canonical query, the format.
type Key = (u64, Arc<str>, Format);

#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) representation: Arc<Representation>,
    /// When its first entry is too old to stay.
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

/// Why a selection was not made.
#[derive(Debug)]
pub(super) enum NotMade {
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
        Self { kept, changed: Cache::new(MOST_REMEMBERED), turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// What criteria pick of an edition's entries, in one format.
    pub(super) async fn get(
        &self,
        edition: &Edition,
        criteria: &Criteria,
        format: Format,
        now: SystemTime,
    ) -> Result<Made, NotMade> {
        let query: Arc<str> = criteria.query().into();
        let key = (edition.generation, query.clone(), format);
        if self.kept.get(&key).is_some_and(|made| made.is_over(now)) {
            self.kept.remove(&key);
        }
        let make = async {
            let made = self.make(edition, criteria.clone(), format, now).await?;
            Ok(self.unless_changed((xxh3_128(query.as_bytes()), format), made))
        };
        // Whoever waits for what another makes waits no longer than for a turn of its own.
        let made = tokio::time::timeout(PATIENCE, self.kept.get_or_insert_async(&key, make)).await;
        made.unwrap_or(Err(NotMade::Busy))
    }

    /// The same, modified when bytes like these were made first: most changes are of no entry that
    /// a query picks.
    fn unless_changed(&self, key: (u128, Format), made: Made) -> Made {
        let entity_tag = made.representation.entity_tag(Coding::Identity).clone();
        match self.changed.get(&key) {
            Some((before, since)) if before == entity_tag => {
                let representation = made.representation.modified(since);
                Made { representation: Arc::new(representation), ..made }
            }
            _ => {
                self.changed.insert(key, (entity_tag, made.representation.last_modified));
                made
            }
        }
    }

    async fn make(
        &self,
        edition: &Edition,
        criteria: Criteria,
        format: Format,
        now: SystemTime,
    ) -> Result<Made, NotMade> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| NotMade::Busy)?;
        let (config, entries, since) = (edition.config.clone(), edition.entries.clone(), edition.since);
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let publication = Publication::new(&config);
            let logical =
                LogicalFeed::query(&config, &entries, &criteria, chrono::DateTime::<Utc>::from(now));
            let feed = logical.subscription();
            let until = logical.due(&feed.entries);
            // What time alone changes may have been something else in the second before this one,
            // and in this one too: nobody who asks by date is told that nothing changed.
            let last_modified =
                if criteria.age.is_some() { now.max(since) + Duration::from_secs(1) } else { since };
            let body = format.render(&feed, &publication)?;
            let url = publication.document_url(&feed, format);
            let representation =
                Representation::new(body, format.media_type(), url, last_modified, config.max_age);
            Ok::<_, crate::render::RenderError>(Made { representation: Arc::new(representation), until })
        });
        match made.await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(failed)) => {
                error!("{failed}");
                Err(NotMade::Failed)
            }
            Err(broken) => {
                error!("a selection cannot be made: {broken}");
                Err(NotMade::Failed)
            }
        }
    }
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
    use crate::config::Config;
    use crate::feed::Entries;
    use crate::seed::{self, Change};

    fn edition() -> Edition {
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
        Edition {
            entries: Arc::new(Entries::of(&catalog)),
            generation: 1,
            ..Edition::empty(Arc::new(Config::sample("")))
        }
    }

    fn at(second: u64) -> SystemTime {
        // From when the entries were published.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_704_067_200 + second)
    }

    fn criteria(query: &str) -> Criteria {
        Criteria::from_query(query, 50).unwrap().unwrap()
    }

    #[tokio::test]
    async fn whatever_is_asked_for_what_is_kept_is_bounded() {
        let (queries, edition) = (Queries::new(), edition());
        for number in 0..600_u32 {
            let criteria = criteria(&format!("min_quality=-{number}"));
            let made = queries.get(&edition, &criteria, Format::Atom, at(0)).await.unwrap();
            assert!(made.representation.body.len() > 80_000);
        }
        assert!(queries.kept.weight() <= CAPACITY && !queries.kept.is_empty());
    }

    #[tokio::test]
    async fn what_is_kept_is_asked_for_by_generation_and_until_it_is_over() {
        let (queries, mut edition) = (Queries::new(), edition());
        let young = criteria("age=1h");
        let first = queries.get(&edition, &young, Format::Rss, at(3599)).await.unwrap();
        let again = queries.get(&edition, &young, Format::Rss, at(3599)).await.unwrap();
        assert!(Arc::ptr_eq(&first.representation, &again.representation));
        assert_eq!(first.until.map(SystemTime::from), Some(at(3600)));
        let over = queries.get(&edition, &young, Format::Rss, at(3600)).await.unwrap();
        assert!(over.until.is_none() && over.representation.body.len() < first.representation.body.len());
        edition.generation += 1;
        edition.since = at(7200);
        let same = queries.get(&edition, &young, Format::Rss, at(7200)).await.unwrap();
        assert_eq!(same.representation.last_modified, over.representation.last_modified);
        edition.generation += 1;
        edition.entries = Arc::default();
        let all = criteria("min_quality=0");
        let next = queries.get(&edition, &all, Format::Rss, at(0)).await.unwrap();
        assert!(next.representation.body.len() < first.representation.body.len());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_too_long() {
        let (queries, edition) = (Queries::new(), edition());
        let _turns = queries.turns.acquire_many(2).await.unwrap();
        let (criteria, began) = (criteria("limit=1"), tokio::time::Instant::now());
        let asked = || queries.get(&edition, &criteria, Format::Atom, at(0));
        let answers = tokio::join!(asked(), asked(), asked());
        assert!(matches!(answers, (Err(NotMade::Busy), Err(NotMade::Busy), Err(NotMade::Busy))));
        assert_eq!(began.elapsed(), PATIENCE);
    }
}
