//! Publishing: the next edition, of which only what changed is rendered; then the swap; then the
//! mirror.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rayon::prelude::*;

use crate::catalog::{Catalog, Touched};
use crate::edition::{Edition, Representation};
use crate::feed::{Feed, Selection};
use crate::mirror::{Mirror, MirrorError, Mirrored};
use crate::render::{Format, Publication, RenderError};

/// The edition that is served, for whoever serves it.
pub type Current = Arc<ArcSwap<Edition>>;

/// Makes editions, one after the other.
#[derive(Debug)]
pub struct Publisher {
    publication: Publication,
    entries: usize,
    mirror: Option<Mirror>,
    current: Current,
}

/// What an edition brought.
#[derive(Debug)]
pub struct Published {
    /// The number of the edition that is served now.
    pub edition: u64,
    /// Addresses with other bytes than before, or that are new.
    pub changed: usize,
    /// Addresses that are gone.
    pub removed: usize,
    /// Feeds that could not be written; what was served at their addresses still is.
    pub failed: Vec<RenderError>,
    /// What became of the mirror.
    pub mirror: Result<Mirrored, MirrorError>,
}

impl Publisher {
    /// A publisher that has published nothing, with feeds of at most so many entries.
    pub fn new(publication: Publication, entries: usize, mirror: Option<Mirror>) -> Self {
        Self { publication, entries, mirror, current: Current::default() }
    }

    /// The edition that is served, now and later.
    pub fn current(&self) -> Current {
        self.current.clone()
    }

    /// Publishes what a catalog says now, given the feeds that may have changed. The first edition
    /// takes up the times at which the feeds last changed from the mirror.
    pub fn publish(&mut self, catalog: &Catalog, touched: &Touched, now: SystemTime) -> Published {
        let before = self.current.load_full();
        let first = before.number == 0;
        let mut next = Edition { next_due: catalog.next_due(), ..Edition::clone(&before) };
        let (mut changed, mut removed, mut failed) = (0, 0, Vec::new());

        let all = (touched.all || first).then_some(Selection::All);
        let topics = touched.topics.iter().cloned().map(Selection::Topic);
        let selections: Vec<_> = all.into_iter().chain(topics).collect();
        let rendered: Vec<_> =
            selections.par_iter().flat_map_iter(|selection| self.render(catalog, selection)).collect();
        for Rendered { path, media_type, url, body } in rendered {
            let old = next.representations.get(&path);
            match body {
                Some(Ok(body)) if old.is_some_and(|old| old.body == body) => {}
                Some(Ok(body)) => {
                    changed += 1;
                    let last_modified =
                        self.last_modified(&path, &body, old.map(|old| old.last_modified), now);
                    let representation = Representation::new(body, media_type, url, last_modified);
                    next.representations.insert(path, Arc::new(representation));
                }
                Some(Err(error)) => failed.push(error),
                None => removed += usize::from(next.representations.remove(&path).is_some()),
            }
        }

        // Without a change the number stays, though the time at which the next is due may not.
        if first || changed + removed > 0 {
            next.number += 1;
        }
        let edition = next.number;
        self.current.store(Arc::new(next));
        Published { edition, changed, removed, failed, mirror: self.update_mirror() }
    }

    /// When new bytes were first published: now, unless a process before this one did. Always after
    /// what stood there, to the second, so that nobody who asks by date is told that nothing changed.
    fn last_modified(&self, path: &str, body: &[u8], old: Option<SystemTime>, now: SystemTime) -> SystemTime {
        let mirrored = || self.mirror.as_ref().and_then(|mirror| mirror.last_modified(path, body));
        match old {
            Some(old) => now.max(old + Duration::from_secs(1)),
            None => mirrored().unwrap_or(now).min(now),
        }
    }

    /// Takes note of when the next edition is due, which may change while no feed does.
    pub fn note_due(&self, catalog: &Catalog) {
        let before = self.current.load();
        if before.next_due != catalog.next_due() {
            self.current.store(Arc::new(Edition { next_due: catalog.next_due(), ..Edition::clone(&before) }));
        }
    }

    /// Brings the mirror in step with the edition that is served.
    ///
    /// # Errors
    ///
    /// The first thing that could not be done; the rest is.
    pub fn update_mirror(&mut self) -> Result<Mirrored, MirrorError> {
        let current = self.current.load_full();
        self.mirror.as_mut().map_or(Ok(Mirrored::default()), |mirror| mirror.update(&current))
    }

    fn render(&self, catalog: &Catalog, selection: &Selection) -> Vec<Rendered> {
        let feed = Feed::grow(catalog, selection.clone(), self.entries);
        let rendered = Format::ALL.iter().map(|&format| Rendered {
            path: format!("{}.{}", selection.path(), format.ending()),
            media_type: format.media_type(),
            url: self.publication.feed_url(selection, format),
            body: feed.as_ref().map(|feed| format.render(feed, &self.publication)),
        });
        rendered.collect()
    }
}

/// A feed in one format.
struct Rendered {
    path: String,
    media_type: &'static str,
    url: String,
    /// None if there is no such feed any more.
    body: Option<Result<Vec<u8>, RenderError>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{self, Change, Rules};
    use std::path::Path;

    struct Run {
        catalog: Catalog,
        publisher: Publisher,
    }

    impl Run {
        fn new(mirror: Option<&Path>) -> Self {
            let publication = Publication {
                title: "Feeds".to_owned(),
                url: "https://a.example/".parse().unwrap(),
                language: "en".to_owned(),
                max_age: Duration::from_secs(900),
                copyright: None,
                icon: None,
                logo: None,
            };
            let publisher = Publisher::new(publication, 50, mirror.map(|root| Mirror::new(root.to_owned())));
            Self { catalog: Catalog::new(false), publisher }
        }

        /// Publishes one change at a second of the clock.
        fn publish(&mut self, path: &str, topic: Option<&str>, second: u64) -> Published {
            let rules = Rules::sample();
            let path: Arc<str> = path.into();
            let change = topic.map_or(Change::Gone, |topic| {
                let text = format!("---\ntitle: {path}\ndate: 2024-01-01\ntopics: {topic}\n---\n");
                Change::Read(seed::read(&rules, &path, text.as_bytes()))
            });
            let touched = self.catalog.apply([(path, change)], "2025-01-01T00:00:00Z".parse().unwrap());
            self.publisher.publish(&self.catalog, &touched, at(second))
        }

        fn modified(&self, path: &str) -> SystemTime {
            self.publisher.current().load().representations[path].last_modified
        }
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
    }

    #[test]
    fn untouched_feeds_are_carried_over() {
        let mut run = Run::new(None);
        run.publish("a.md", Some("one"), 0);
        let before = run.publisher.current().load_full();
        let published = run.publish("b.md", Some("two"), 5);
        assert_eq!((published.edition, published.changed, published.removed), (2, 4, 0));
        let after = run.publisher.current().load_full();
        let same = |path: &str| Arc::ptr_eq(&before.representations[path], &after.representations[path]);
        assert!(same("topics/one.rss") && !same("all.rss"));
        assert_eq!((run.modified("topics/one.rss"), run.modified("all.rss")), (at(0), at(5)));
        let published = run.publish("b.md", None, 9);
        assert_eq!((published.edition, published.changed, published.removed), (3, 2, 2));
        assert_eq!(run.publish("b.md", None, 10).edition, 3, "no change is no edition");
    }

    #[test]
    fn an_empty_catalog_is_published() {
        let mut run = Run::new(None);
        assert_eq!(run.publish("a.md", None, 0).edition, 1);
        let edition = run.publisher.current().load_full();
        assert_eq!(edition.representations.keys().collect::<Vec<_>>(), ["all.atom", "all.rss"]);
    }

    #[test]
    fn last_modified_never_goes_backwards() {
        let mut run = Run::new(None);
        run.publish("a.md", Some("one"), 100);
        run.publish("b.md", Some("one"), 50);
        assert_eq!(run.modified("all.rss"), at(101));
    }

    #[test]
    fn last_modified_outlives_a_restart_and_is_never_the_future() {
        let directory = tempfile::tempdir().unwrap();
        Run::new(Some(directory.path())).publish("a.md", Some("one"), 100).mirror.unwrap();
        for (second, expected) in [(500, 100), (40, 40)] {
            let mut run = Run::new(Some(directory.path()));
            run.publish("a.md", Some("one"), second);
            assert_eq!(run.modified("topics/one.atom"), at(expected), "{second}");
        }
        let mut run = Run::new(Some(directory.path()));
        run.publish("a.md", Some("two"), 600);
        assert_eq!(run.modified("all.atom"), at(600), "other bytes are new, whatever the file's time");
    }
}
