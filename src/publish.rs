//! Publishing: the next edition, of which only what changed is rendered; then the swap; then the
//! mirror.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use rayon::prelude::*;

use crate::catalog::{Catalog, Touched};
use crate::config::Config;
use crate::edition::{Archive, Edition, Representation};
use crate::feed::{self, About, Entries, Family, LogicalFeed, Selection};
use crate::mirror::{Mirror, MirrorError, Mirrored};
use crate::render::{self, Format, Publication, RenderError, html, opml};
use crate::seed::{Month, Timestamp};
use crate::slug::slug;

/// The edition that is served, for whoever serves it.
pub type Current = Arc<ArcSwap<Edition>>;

/// Makes editions, one after the other.
#[derive(Debug)]
pub struct Publisher {
    config: Arc<Config>,
    publication: Publication,
    mirror: Option<Mirror>,
    current: Current,
    /// The slugs of all topics that have a feed: who subscribed to it keeps it, though nothing may
    /// be left in it.
    topics: BTreeSet<Arc<str>>,
    /// When an entry becomes too old for a selection, by the selection's name.
    due: BTreeMap<Arc<str>, Timestamp>,
    /// What the documents of a selection's feed say of it, by the selection's name.
    abouts: BTreeMap<Arc<str>, About>,
    /// Whether anything was published. Before, everything may have changed.
    begun: bool,
}

/// How long an archive document may be kept to which no new entry is expected: those who follow a
/// feed back through its archives need not ask for them again (RFC 5005 §4).
const SETTLED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

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
    /// How long bringing it in step took.
    pub mirroring: Duration,
}

/// A feed that may have changed, and the months whose entries may have.
struct Changed<'a> {
    feed: LogicalFeed<'a>,
    /// The months that are archived now, the newest first.
    archives: Vec<Month>,
    /// None if all may have changed.
    months: Option<&'a BTreeSet<Month>>,
}

/// One document of a changed feed: an archive document by its place, or the subscription document.
struct Document<'a> {
    of: &'a Changed<'a>,
    archive: Option<usize>,
}

/// A document in one format, or a page.
struct Rendered {
    path: String,
    media_type: &'static str,
    url: String,
    page: Option<String>,
    archive: Option<Archive>,
    body: Result<Vec<u8>, RenderError>,
}

impl Publisher {
    /// A publisher that has published nothing.
    pub fn new(config: Arc<Config>, mirror: Option<Mirror>) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(Edition::empty(config.clone())));
        Self::after(current, config, mirror)
    }

    /// A publisher that goes on from an edition of another, with a configuration of its own.
    pub fn after(current: Current, config: Arc<Config>, mut mirror: Option<Mirror>) -> Self {
        let mirrored = mirror.iter_mut().flat_map(Mirror::listed).filter_map(topic_at);
        let configured = config.topics.iter().map(|topic| &*topic.slug);
        let before = current.load_full();
        let served = before.representations.keys().filter_map(|path| topic_at(path));
        let mut topics: BTreeSet<Arc<str>> = served.map(Arc::from).collect();
        topics.extend(mirrored.chain(configured).map(Arc::from));
        let publication = Publication::new(&config);
        let (due, abouts) = (BTreeMap::new(), BTreeMap::new());
        Self { config, publication, mirror, current, topics, due, abouts, begun: false }
    }

    /// The edition that is served, now and later.
    pub fn current(&self) -> Current {
        self.current.clone()
    }

    /// When another edition is due although no seed changes.
    pub fn next_due(&self, catalog: &Catalog) -> Option<Timestamp> {
        self.due.values().copied().chain(catalog.next_due()).min()
    }

    /// Whether a selection lost an entry to age since the last edition.
    pub fn is_due(&self, catalog: &Catalog) -> bool {
        self.due.values().any(|due| *due <= catalog.now())
    }

    /// Publishes what a catalog says now, given the feeds that may have changed. The first edition
    /// takes up the times at which the feeds last changed from the mirror.
    pub fn publish(&mut self, catalog: &Catalog, touched: &Touched, now: SystemTime) -> Published {
        let before = self.current.load_full();
        let first = !std::mem::replace(&mut self.begun, true);
        let mut next = Edition { config: self.config.clone(), ..Edition::clone(&before) };
        if first || !touched.is_empty() {
            next.entries = Arc::new(Entries::of(catalog));
            next.generation += 1;
            next.since = now.max(before.since + Duration::from_secs(1));
        }
        self.topics.extend(touched.topics.keys().cloned());
        let entries = next.entries.clone();
        let changed_feeds = self.changed(catalog, &entries, touched, first);
        let documents: Vec<_> = changed_feeds.iter().flat_map(|changed| changed.documents(&before)).collect();
        let mut rendered: Vec<_> =
            documents.par_iter().flat_map_iter(|document| self.render(document)).collect();
        if first || !touched.is_empty() {
            rendered.extend(self.lists(catalog));
        }

        let gone: Vec<_> = if first {
            let kept: BTreeSet<&str> = rendered.iter().map(|rendered| &*rendered.path).collect();
            before.representations.keys().filter(|path| !kept.contains(path.as_str())).cloned().collect()
        } else {
            changed_feeds.iter().flat_map(|changed| changed.stale(&before)).collect()
        };
        let (mut changed, mut failed) = (0, Vec::new());
        for Rendered { path, media_type, url, page, archive, body } in rendered {
            let old = next.representations.get(&path);
            match body {
                Ok(body) => {
                    let max_age = match archive {
                        Some(archive) if archive.settled => SETTLED.max(self.config.max_age),
                        _ => self.config.max_age,
                    };
                    let same = old.filter(|old| old.body == body);
                    if same
                        .is_some_and(|old| old.archive == archive && old.max_age == max_age && old.url == url)
                    {
                        continue;
                    }
                    changed += usize::from(same.is_none());
                    let last_modified = same.map_or_else(
                        || self.last_modified(&path, &body, old.map(|old| old.last_modified), now),
                        |same| same.last_modified,
                    );
                    let audience = old.map(|old| old.audience.clone());
                    let audience =
                        audience.or_else(|| before.departed.get(&path).cloned()).unwrap_or_default();
                    let mut representation =
                        Representation::new(body, media_type, url, last_modified, max_age);
                    (representation.page, representation.archive) = (page, archive);
                    representation.audience = audience;
                    next.representations.insert(path, Arc::new(representation));
                }
                Err(error) => failed.push(error),
            }
        }
        let removed = gone.len();
        for path in gone {
            if let Some(gone) = next.representations.remove(&path) {
                Arc::make_mut(&mut next.departed).insert(path, gone.audience.clone());
            }
        }
        drop(changed_feeds);

        // Without a change the number stays, though the time at which the next is due may not.
        if before.number == 0 || changed + removed > 0 {
            next.number += 1;
        }
        next.next_due = self.next_due(catalog);
        let edition = next.number;
        self.current.store(Arc::new(next));
        let began = Instant::now();
        let mirror = self.update_mirror();
        Published { edition, changed, removed, failed, mirror, mirroring: began.elapsed() }
    }

    /// The feeds that may have changed. Notes when age changes them next.
    fn changed<'a>(
        &mut self,
        catalog: &'a Catalog,
        entries: &'a Entries,
        touched: &'a Touched,
        first: bool,
    ) -> Vec<Changed<'a>> {
        let mut changed = Vec::new();
        let topics: Vec<_> =
            if first { self.topics.iter().collect() } else { touched.topics.keys().collect() };
        for slug in topics.into_iter().filter(|slug| has_feed(&self.config, slug)) {
            let months = if first { None } else { touched.topics.get(slug) };
            changed.push(Changed::new(LogicalFeed::topic(&self.config, catalog, slug), months));
        }
        let months = if first { None } else { Some(&touched.all) };
        if first || !touched.is_empty() {
            changed.push(Changed::new(LogicalFeed::all(&self.config, catalog), months));
        }
        for selection in &self.config.selections {
            let due = self.due.get(&selection.name).is_some_and(|due| *due <= catalog.now());
            if !(first || due || !touched.is_empty()) {
                continue;
            }
            let feed = LogicalFeed::named(&self.config, entries, selection, catalog.now());
            match feed.due(&feed.subscription().entries) {
                Some(due) => drop(self.due.insert(selection.name.clone(), due)),
                None => drop(self.due.remove(&selection.name)),
            }
            // It may name topics of which a month has no entry.
            let before = self.abouts.insert(selection.name.clone(), feed.about().clone());
            let months = months.filter(|_| before.as_ref() == Some(feed.about()));
            changed.push(Changed::new(feed, months));
        }
        changed
    }

    fn render(&self, document: &Document<'_>) -> Vec<Rendered> {
        let Changed { feed: logical, archives, .. } = document.of;
        let feed = match document.archive {
            None => logical.subscription(),
            Some(place) => logical.archive(archives, place),
        };
        // No new entry is expected in a month after which another has come.
        let settled = feed.next_archive.is_some();
        let rendered = Format::ALL.iter().map(|&format| Rendered {
            path: render::document_path(&feed.selection, feed.archive, format),
            media_type: format.media_type(),
            url: self.publication.document_url(&feed, format),
            page: feed.archive.is_none().then(|| render::page_path(&feed.selection)),
            archive: feed.archive.map(|_| Archive { settled, until: feed.expiry() }),
            body: format.render(&feed, &self.publication),
        });
        let about = document.archive.is_none() && feed.selection != Selection::All;
        let page = about.then(|| {
            let family = Family::of(&self.config, &feed.selection);
            self.page(&feed.selection, html::page(&feed, &family, &self.publication))
        });
        rendered.chain(page).collect()
    }

    /// The page about a selection.
    fn page(&self, selection: &Selection, body: Result<Vec<u8>, RenderError>) -> Rendered {
        Rendered {
            path: render::page_path(selection),
            media_type: html::MEDIA_TYPE,
            url: self.publication.page_url(selection),
            page: None,
            archive: None,
            body,
        }
    }

    /// The list of all feeds, for feed readers and for people, and what pages look like.
    fn lists(&self, catalog: &Catalog) -> [Rendered; 3] {
        let listed = |slug: &str| catalog.count(Some(slug)) > 0 || self.config.topics.get(slug).is_some();
        let topics = self.topics.iter().filter(|slug| has_feed(&self.config, slug) && listed(slug));
        let outlines = feed::outlines(&self.config, catalog, topics);
        let list = Rendered {
            path: opml::PATH.to_owned(),
            media_type: opml::MEDIA_TYPE,
            url: self.publication.list_url(),
            page: None,
            archive: None,
            body: opml::render(&outlines, &self.publication),
        };
        let style = Rendered {
            path: html::STYLE_PATH.to_owned(),
            media_type: html::STYLE_MEDIA_TYPE,
            url: self.publication.style_url(),
            page: None,
            archive: None,
            body: Ok(html::STYLE.into()),
        };
        [list, self.page(&Selection::All, html::home(&outlines, &self.publication)), style]
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
        let next_due = self.next_due(catalog);
        if before.next_due != next_due {
            self.current.store(Arc::new(Edition { next_due, ..Edition::clone(&before) }));
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
}

/// The slug of the topic whose feed is at a path: `topics/SLUG.atom`.
fn topic_at(path: &str) -> Option<&str> {
    let (topic, ending) = path.strip_prefix("topics/")?.rsplit_once('.')?;
    let known = Format::ALL.iter().any(|format| format.ending() == ending);
    (known && slug(topic) == topic).then_some(topic)
}

/// Whether a topic has a feed at its slug: it is not retired, and has not moved.
fn has_feed(config: &Config, slug: &str) -> bool {
    !config.topics.is_retired(slug) && config.topics.moved(slug).is_none()
}

impl<'a> Changed<'a> {
    fn new(feed: LogicalFeed<'a>, months: Option<&'a BTreeSet<Month>>) -> Self {
        Self { archives: feed.archives(), feed, months }
    }

    /// The documents that may have other bytes than before.
    fn documents(&self, before: &Edition) -> Vec<Document<'_>> {
        let places = 0..self.archives.len();
        let archives = places.filter(|&place| self.is_touched(place) || !self.is_in(before, place));
        let archives = archives.map(|place| Document { of: self, archive: Some(place) });
        [Document { of: self, archive: None }].into_iter().chain(archives).collect()
    }

    /// Whether the month at a place may have changed, or one between it and its neighbours, which
    /// may be others than before then.
    fn is_touched(&self, place: usize) -> bool {
        let newer =
            place.checked_sub(1).map_or(Bound::Unbounded, |newer| Bound::Included(self.archives[newer]));
        let older = self.archives.get(place + 1).map_or(Bound::Unbounded, |older| Bound::Included(*older));
        self.months.is_none_or(|months| months.range((older, newer)).next().is_some())
    }

    fn is_in(&self, edition: &Edition, place: usize) -> bool {
        let month = Some(self.archives[place]);
        let path = |format| render::document_path(self.feed.selection(), month, format);
        Format::ALL.into_iter().all(|format| edition.representations.contains_key(&path(format)))
    }

    /// The archive documents that are served and are none any more.
    fn stale(&self, edition: &Edition) -> Vec<String> {
        let selection = self.feed.selection();
        let paths = self.archives.iter().flat_map(|&month| {
            Format::ALL.map(|format| render::document_path(selection, Some(month), format))
        });
        let kept: BTreeSet<String> = paths.chain([render::page_path(selection)]).collect();
        // Below `all/`, `topics/SLUG/` and `selections/NAME/` there is nothing else.
        let below = format!("{}/", selection.path());
        let served = edition.representations.range(below.clone()..).map(|(path, _)| path);
        let served = served.take_while(|path| path.starts_with(&below));
        served.filter(|path| !kept.contains(*path)).cloned().collect()
    }
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
            Self::configured("", mirror)
        }

        fn configured(yaml: &str, mirror: Option<&Path>) -> Self {
            let config = Arc::new(Config::sample(yaml));
            let publisher = Publisher::new(config, mirror.map(|root| Mirror::new(root.to_owned())));
            Self { catalog: Catalog::new(false, Arc::default()), publisher }
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
        assert_eq!((published.edition, published.changed, published.removed), (2, 9, 0));
        let after = run.publisher.current().load_full();
        let same = |path: &str| Arc::ptr_eq(&before.representations[path], &after.representations[path]);
        assert!(same("topics/one.rss") && !same("all.rss"));
        assert_eq!((run.modified("topics/one.rss"), run.modified("all.rss")), (at(0), at(5)));
        let published = run.publish("b.md", None, 9);
        assert_eq!((published.edition, published.changed, published.removed), (3, 9, 0));
        assert_eq!(run.publish("b.md", None, 10).edition, 3, "no change is no edition");
    }

    #[test]
    fn an_empty_catalog_is_published() {
        let mut run = Run::new(None);
        assert_eq!(run.publish("a.md", None, 0).edition, 1);
        let edition = run.publisher.current().load_full();
        assert_eq!(
            edition.representations.keys().collect::<Vec<_>>(),
            ["all.atom", "all.json", "all.rss", "feeds.opml", "index.html", "style.css"]
        );
    }

    #[test]
    fn last_modified_never_goes_backwards() {
        let mut run = Run::new(None);
        run.publish("a.md", Some("one"), 100);
        run.publish("b.md", Some("one"), 50);
        assert_eq!(run.modified("all.rss"), at(101));
    }

    #[test]
    fn what_is_too_old_for_a_selection_leaves_it_by_itself() {
        let mut run = Run::configured("selections: [{name: recent, age: 24h}]", None);
        let now: Timestamp = "2024-01-01T12:00:00Z".parse().unwrap();
        let path: Arc<str> = "a.md".into();
        let text = b"---\ntitle: A\ntopics: t\ndate: 2024-01-01\n---\n";
        let change = Change::Read(seed::read(&Rules::sample(), &path, text));
        let touched = run.catalog.apply([(path, change)], now);
        run.publisher.publish(&run.catalog, &touched, at(0));
        let body =
            |run: &Run| run.publisher.current().load().representations["selections/recent.rss"].body.clone();
        let shown = body(&run);
        let due = "2024-01-02T00:00:00Z".parse().ok();
        assert_eq!(run.publisher.current().load().next_due, due);
        assert!(!run.publisher.is_due(&run.catalog));
        let touched = run.catalog.apply([], due.unwrap());
        assert!(touched.is_empty() && run.publisher.is_due(&run.catalog));
        let published = run.publisher.publish(&run.catalog, &touched, at(1));
        assert_eq!((published.changed, run.publisher.next_due(&run.catalog)), (Format::ALL.len() + 1, None));
        assert!(body(&run).len() < shown.len());
    }

    #[test]
    fn every_document_of_a_selection_calls_its_topics_what_they_are_called_now() {
        let mut run = Run::configured("entries: 1\nselections: [{name: s, any: [one, two]}]", None);
        let now: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        let mut publish = |path: &str, topic: &str, month: u8| {
            let text = format!("---\ntitle: A\ntopics: {topic}\ndate: 2024-0{month}-01\n---\n");
            let path: Arc<str> = path.into();
            let change = Change::Read(seed::read(&Rules::sample(), &path, text.as_bytes()));
            let touched = run.catalog.apply([(path, change)], now);
            run.publisher.publish(&run.catalog, &touched, at(0));
            let edition = run.publisher.current().load_full();
            let archive = edition.representations.get("selections/s/2024-01.json");
            archive.map(|archive| String::from_utf8(archive.body.to_vec()).unwrap())
        };
        publish("a.md", "One", 1);
        publish("b.md", "One", 2);
        for (topic, expected) in [("Two", "A selection: One or Two"), ("two", "A selection: One or two")] {
            let archive = publish("c.md", topic, 3).unwrap();
            assert!(archive.contains(expected), "{archive}");
        }
    }

    #[test]
    fn a_page_stays_when_the_archives_beside_it_go() {
        let mut run = Run::configured("entries: 1", None);
        let page =
            |run: &Run| run.publisher.current().load().representations["topics/one/index.html"].clone();
        let archives = |run: &Run| {
            let edition = run.publisher.current().load_full();
            edition.representations.keys().filter(|path| path.starts_with("topics/one/2024")).count()
        };
        run.publish("a.md", Some("one"), 0);
        let first = page(&run);
        run.publish("b.md", Some("one"), 1);
        assert_eq!(archives(&run), Format::ALL.len());
        run.publish("b.md", None, 2);
        assert_eq!((archives(&run), &page(&run).body), (0, &first.body));
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
