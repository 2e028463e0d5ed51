//! Publishing: the next edition, of which only what changed is rendered, and the swap.

pub mod archive;
pub mod mirror;
pub mod mirror_worker;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use rayon::prelude::*;

use crate::catalog::Catalog;
use crate::catalog::{Affected, Entries};
use crate::config::Config;
use crate::edition::{Edition, Representation};
use crate::feed::{self, About, LogicalFeed, Selection, Tally};
use crate::render::{self, Format, Publication, RenderError, html, opml};
use crate::seed::{Packed, Record, Timestamp};
use crate::text::slug;
use mirror::MirrorPlan;

/// The edition that is served, for whoever serves it.
pub type Current = Arc<ArcSwap<Edition>>;

/// Makes editions, one after the other.
#[derive(Debug)]
pub struct Publisher {
    config: Arc<Config>,
    publication: Publication,
    current: Current,
    /// The slugs of all topics that have a feed: who subscribed to it keeps it, though nothing may
    /// be left in it.
    topics: BTreeSet<Arc<str>>,
    /// When an entry becomes too old for a selection, by the selection's name.
    due: BTreeMap<Arc<str>, Timestamp>,
    /// What the documents of a selection's feed say of it, by the selection's name.
    abouts: BTreeMap<Arc<str>, About>,
    /// How much a selection has, by its name.
    tallies: BTreeMap<Arc<str>, Tally>,
    unpacked: Unpacked,
    /// Whether anything was published. Before, everything may have changed.
    begun: bool,
}

/// What an edition brought.
#[derive(Debug)]
pub struct Published {
    /// The number of the edition that is served now.
    pub edition: u64,
    /// The hash of all its addresses and what is there.
    pub hash: u128,
    /// Addresses with other bytes than before, or that are new, archive documents aside.
    pub changed: usize,
    /// Addresses that are gone, archive documents aside.
    pub removed: usize,
    /// Feeds that could not be written; what was served at their addresses still is.
    pub failed: Vec<RenderError>,
    /// What the mirror has to look at.
    pub work: MirrorPlan,
}

/// Most bytes of records that are kept unpacked.
const MOST_UNPACKED: u64 = 16 << 20;

/// Records as feeds showed them last: when one changes, all others of its feeds are shown once more. They are
/// told apart by their hash, which is of all that they are shown from; their paths are not, and may be others.
#[derive(Debug)]
struct Unpacked(Cache<u128, (Arc<Record>, u64), Weight>);

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<u128, (Arc<Record>, u64)> for Weight {
    fn weight(&self, _: &u128, (_, weight): &(Arc<Record>, u64)) -> u64 {
        *weight
    }
}

impl Unpacked {
    fn new() -> Self {
        Self(Cache::with_weighter(4096, MOST_UNPACKED, Weight))
    }

    fn get(&self, record: &Packed) -> Arc<Record> {
        let unpack = || {
            let unpacked = record.record();
            let weight = (record.payload().len() + unpacked.content.weight()) as u64;
            Ok::<_, Infallible>((Arc::new(unpacked), weight))
        };
        let Ok((record, _)) = self.0.get_or_insert_with(&record.hash, unpack);
        record
    }
}

/// A document in one format, or a page.
struct Rendered {
    path: String,
    media_type: &'static str,
    url: String,
    page: Option<String>,
    body: Result<Vec<u8>, RenderError>,
}

impl Publisher {
    /// A publisher that has published nothing.
    pub fn new(config: Arc<Config>) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(Edition::empty(config.clone())));
        Self::after(current, config)
    }

    /// A publisher that goes on from an edition of another, with a configuration of its own.
    pub fn after(current: Current, config: Arc<Config>) -> Self {
        let mirrored = config.feeds.as_deref().map(mirror::listed).unwrap_or_default();
        let configured = config.topics.iter().map(|topic| topic.slug.clone());
        let before = current.load_full();
        let known =
            mirrored.iter().map(|path| &**path).chain(before.representations.keys().map(|path| &**path));
        let topics = known.filter_map(topic_at).map(Arc::from).chain(configured).collect();
        let publication = Publication::new(&config);
        Self {
            config,
            publication,
            current,
            topics,
            due: BTreeMap::new(),
            abouts: BTreeMap::new(),
            tallies: BTreeMap::new(),
            unpacked: Unpacked::new(),
            begun: false,
        }
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

    /// The seeds whose records feeds show, and are [not complete](crate::seed::Packed::is_complete).
    pub fn lacking(&self, catalog: &Catalog) -> BTreeSet<Arc<str>> {
        let (config, entries) = (&self.config, catalog.entries());
        let topics = entries.topics().map(|(slug, ..)| slug).filter(|slug| has_feed(config, slug));
        let topics = topics.map(|slug| LogicalFeed::topic(config, entries, slug));
        let named = config.selections.iter();
        let named = named.map(|selection| LogicalFeed::named(config, entries, selection, catalog.now()));
        let feeds = [LogicalFeed::all(config, entries)].into_iter().chain(topics).chain(named);
        let mut lacking = BTreeSet::new();
        for feed in feeds {
            let shown = feed.shown().map(|entry| &entry.record);
            lacking.extend(shown.filter(|record| !record.is_complete()).map(|record| record.path.clone()));
        }
        lacking
    }

    /// Publishes what a catalog says now, given the feeds that may have changed. In the first edition
    /// any may have, whatever is given; it takes up the times at which documents last changed from the mirror.
    pub fn publish(&mut self, catalog: &Catalog, touched: &Affected, now: SystemTime) -> Published {
        let before = self.current.load_full();
        let first = !std::mem::replace(&mut self.begun, true);
        let entries = catalog.entries();
        let mut next = Edition { config: self.config.clone(), ..Edition::clone(&before) };
        let mut work = MirrorPlan { everything: first, ..MirrorPlan::default() };
        if first || !touched.is_empty() {
            next.entries = entries.clone();
            next.generation += 1;
            next.since = now.max(before.since + Duration::from_secs(1));
        }
        if first {
            self.topics.extend(entries.topics().map(|(slug, ..)| slug.clone()));
        } else {
            self.topics.extend(touched.topics.keys().cloned());
        }
        let feeds = self.changed(catalog, touched, first, &mut work);
        // Whatever a feed has more or less is told by the home page.
        let listed = first || !feeds.is_empty();
        let mut rendered: Vec<_> = feeds.par_iter().flat_map_iter(|feed| self.render(feed)).collect();
        drop(feeds);
        if listed {
            rendered.extend(self.lists(entries));
        }

        let (mut changed, mut failed) = (0, Vec::new());
        let kept: BTreeSet<String> = rendered.iter().map(|rendered| rendered.path.clone()).collect();
        let represented = rendered.into_par_iter().map(|rendered| self.represent(rendered, &before, now));
        for represented in represented.collect::<Vec<_>>() {
            let (path, representation, is_new) = match represented {
                Ok(Some(represented)) => represented,
                Ok(None) => continue,
                Err(error) => {
                    failed.push(error);
                    continue;
                }
            };
            changed += usize::from(is_new);
            work.paths.insert(path.clone());
            next.insert(&path, Arc::new(representation));
        }
        let mut removed = 0;
        if first {
            for path in before.representations.keys().filter(|path| !kept.contains(&***path)) {
                removed += usize::from(next.remove(path));
            }
        }

        // Without a change the number stays, though the time at which the next is due may not.
        if before.number == 0 || changed + removed > 0 || !touched.is_empty() {
            (next.number, next.published) = (next.number + 1, now);
        }
        next.next_due = self.next_due(catalog);
        let (edition, hash) = (next.number, next.hash());
        self.current.store(Arc::new(next));
        Published { edition, hash, changed, removed, failed, work }
    }

    /// The feeds whose subscription documents may have changed. Notes when age changes them next, and
    /// whose archive documents may have changed.
    fn changed<'a>(
        &mut self,
        catalog: &'a Catalog,
        touched: &Affected,
        first: bool,
        work: &mut MirrorPlan,
    ) -> Vec<LogicalFeed<'a>> {
        let (entries, mut changed) = (catalog.entries(), Vec::new());
        let topics: Vec<_> =
            if first { self.topics.iter().collect() } else { touched.topics.keys().collect() };
        for slug in topics.into_iter().filter(|slug| has_feed(&self.config, slug)) {
            let months = touched.topics.get(slug).filter(|_| !first);
            work.archives.insert(Selection::Topic(slug.clone()), months.cloned());
            changed.push(LogicalFeed::topic(&self.config, entries, slug));
        }
        if first || !touched.is_empty() {
            work.archives.insert(Selection::All, (!first).then(|| touched.all.clone()));
            changed.push(LogicalFeed::all(&self.config, entries));
        }
        for selection in &self.config.selections {
            let due = self.due.get(&selection.name).is_some_and(|due| *due <= catalog.now());
            // It may name topics of which it has no entry.
            let about = feed::about(&self.config, entries, selection);
            let same = self.abouts.get(&selection.name) == Some(&about);
            let concerns = |entry| feed::mismatch(&self.config, selection, entry, catalog.now()).is_none();
            let concerned = || touched.entries.iter().any(|entry| concerns(entry));
            if !(first || due || !same || concerned()) {
                continue;
            }
            self.abouts.insert(selection.name.clone(), about);
            let feed = LogicalFeed::named(&self.config, entries, selection, catalog.now());
            match feed.due() {
                Some(due) => drop(self.due.insert(selection.name.clone(), due)),
                None => drop(self.due.remove(&selection.name)),
            }
            self.tallies.insert(selection.name.clone(), feed.tally());
            work.archives.insert(feed.selection().clone(), (same && !first).then(|| touched.all.clone()));
            changed.push(feed);
        }
        changed
    }

    /// The document that people subscribe to, in every format.
    fn render(&self, feed: &LogicalFeed<'_>) -> Vec<Rendered> {
        let document = feed.subscription_unpacked(&|record| self.unpacked.get(record));
        let page = render::document_path(&document.selection, None, Format::Html);
        let rendered = Format::ALL.iter().map(|&format| Rendered {
            path: render::document_path(&document.selection, None, format),
            media_type: format.media_type(),
            url: self.publication.document_url(&document, format),
            page: (format != Format::Html).then(|| page.clone()),
            body: format.render(&document, &self.publication),
        });
        rendered.collect()
    }

    /// What is served at an address instead of what was before, and whether its bytes are others. None if that
    /// may stay.
    fn represent(
        &self,
        rendered: Rendered,
        before: &Edition,
        now: SystemTime,
    ) -> Result<Option<(Arc<str>, Representation, bool)>, RenderError> {
        let Rendered { path, media_type, url, page, body } = rendered;
        let (path, body, max_age) = (Arc::<str>::from(path), body?, self.config.max_age);
        let old = before.representations.get(&path);
        let same = old.filter(|old| old.body == body);
        if same.is_some_and(|old| old.max_age == max_age && old.url == url) {
            return Ok(None);
        }
        let last_modified = same.map_or_else(
            || self.last_modified(&path, &body, old.map(|old| old.last_modified), now),
            |same| same.last_modified,
        );
        let is_new = same.is_none();
        let mut representation = Representation::new(body, media_type, url, last_modified, max_age);
        if representation.is_page() {
            representation.policy = Some(self.publication.policy.clone());
        }
        representation.page = page;
        Ok(Some((path, representation, is_new)))
    }

    /// The list of all feeds, for feed readers and for people, and what pages need beside themselves.
    fn lists(&self, entries: &Entries) -> Vec<Rendered> {
        let listed = |slug: &str| entries.count(Some(slug)) > 0 || self.config.topics.get(slug).is_some();
        let topics = self.topics.iter().filter(|slug| has_feed(&self.config, slug) && listed(slug));
        let outlines = feed::outlines(&self.config, entries, topics, &self.tallies);
        let page = |path: &str, body| (path.to_owned(), Format::Html.media_type(), body);
        let file = |(path, media_type, text): (&str, _, &str)| (path.to_owned(), media_type, Ok(text.into()));
        let lists = [
            (opml::PATH.to_owned(), opml::MEDIA_TYPE, opml::render(&outlines, &self.publication)),
            page(render::HOME, html::home(&outlines, &self.publication)),
            page(html::MISSING, html::missing(&self.publication)),
        ];
        let rendered = |(path, media_type, body): (String, _, _)| {
            let url = if path == render::HOME { "" } else { &path };
            Rendered { url: render::address(&self.publication.url, url), path, media_type, page: None, body }
        };
        lists.into_iter().chain(html::FILES.map(file)).map(rendered).collect()
    }

    /// When new bytes were first published: now, unless a process before this one did. Always after
    /// what stood there, to the second, so that nobody who asks by date is told that nothing changed.
    fn last_modified(&self, path: &str, body: &[u8], old: Option<SystemTime>, now: SystemTime) -> SystemTime {
        let feeds: Option<&PathBuf> = self.config.feeds.as_ref();
        let mirrored = || feeds.and_then(|feeds| mirror::last_modified(feeds, path, body));
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
}

/// The slug of the topic whose feed is at a path: `topics/SLUG.atom`.
fn topic_at(path: &str) -> Option<&str> {
    let topic = path.strip_prefix("topics/")?;
    let topic = Format::FEEDS.iter().find_map(|format| topic.strip_suffix(format.ending()))?;
    (slug(topic) == topic).then_some(topic)
}

/// Whether a topic has a feed at its slug: it is not retired, and has not moved.
fn has_feed(config: &Config, slug: &str) -> bool {
    !config.topics.is_retired(slug) && config.topics.moved(slug).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::archive::{Address, Archives};
    use crate::publish::mirror::Mirror;
    use crate::seed::{self, Change, Rules};
    use std::path::Path;

    struct Run {
        catalog: Catalog,
        publisher: Publisher,
        mirror: Option<Mirror>,
    }

    impl Run {
        fn new(mirror: Option<&Path>) -> Self {
            Self::configured("", mirror)
        }

        fn configured(yaml: &str, mirror: Option<&Path>) -> Self {
            let mut config = Config::sample(yaml);
            config.feeds = mirror.map(Path::to_owned);
            let publisher = Publisher::new(Arc::new(config));
            let mirror = mirror.map(|root| Mirror::new(root.to_owned()));
            Self { catalog: Catalog::new(false, Arc::default()), publisher, mirror }
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
            let mut published = self.publisher.publish(&self.catalog, &touched, at(second));
            if let Some(mirror) = &mut self.mirror {
                mirror.update(&self.publisher.current().load(), &mut published.work, &|| false).unwrap();
            }
            published
        }

        /// An archive document, as it would be made now.
        fn archive(&self, path: &str) -> Option<String> {
            let edition = self.publisher.current().load_full();
            let address = Address::at(path).unwrap();
            let document = Archives::of(&edition, &address.selection)?.document(address.month)?;
            let body = address.format.render(&document, &self.publisher.publication).unwrap();
            String::from_utf8(body).ok()
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
        assert_eq!((published.edition, published.changed, published.removed), (2, 10, 0));
        let after = run.publisher.current().load_full();
        let same = |path: &str| Arc::ptr_eq(&before.representations[path], &after.representations[path]);
        assert!(same("topics/one.rss") && !same("all.rss"));
        assert_eq!((run.modified("topics/one.rss"), run.modified("all.rss")), (at(0), at(5)));
        let published = run.publish("b.md", None, 9);
        assert_eq!((published.edition, published.changed, published.removed), (3, 10, 0));
        assert_eq!(run.publish("b.md", None, 10).edition, 3, "no change is no edition");
    }

    #[test]
    fn an_empty_catalog_is_published() {
        let mut run = Run::new(None);
        assert_eq!(run.publish("a.md", None, 0).edition, 1);
        let edition = run.publisher.current().load_full();
        assert_eq!(
            edition.representations.keys().map(|path| &**path).collect::<Vec<_>>(),
            [
                "404.html",
                "all.atom",
                "all.json",
                "all.rss",
                "all/index.html",
                "feeds.opml",
                "icon.svg",
                "index.html",
                "script.js"
            ]
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
            let published = run.publisher.publish(&run.catalog, &touched, at(0));
            let looked_at = published.work.archives.get(&Selection::at("selections/s").unwrap()).cloned();
            (looked_at, run.archive("selections/s/2024-01.json"))
        };
        publish("a.md", "One", 1);
        publish("b.md", "One", 2);
        for (topic, expected) in [("Two", "A selection: One or Two"), ("two", "A selection: One or two")] {
            let (looked_at, archive) = publish("c.md", topic, 3);
            assert_eq!(looked_at, Some(None), "all months are looked at");
            assert!(archive.as_ref().unwrap().contains(expected), "{archive:?}");
        }
    }

    #[test]
    fn there_are_archives_unless_somebody_does_without() {
        for (archives, expected) in [("true", true), ("false", false)] {
            let mut run = Run::configured(&format!("entries: 1\narchives: {archives}"), None);
            run.publish("a.md", Some("one"), 0);
            run.publish("b.md", Some("one"), 1);
            let feed = run.publisher.current().load().representations["topics/one.atom"].body.clone();
            let leads_back = String::from_utf8_lossy(&feed).contains("prev-archive");
            let is_there = run.archive("topics/one/2024-01.atom").is_some();
            assert_eq!((leads_back, is_there), (expected, expected), "{archives}");
        }
    }

    #[test]
    fn a_page_stays_when_the_archives_beside_it_go() {
        let directory = tempfile::tempdir().unwrap();
        let mut run = Run::configured("entries: 1", Some(directory.path()));
        let is_there = |path: &str| directory.path().join("topics/one").join(path).exists();
        run.publish("a.md", Some("one"), 0);
        run.publish("b.md", Some("one"), 1);
        assert!(run.archive("topics/one/2024-01.atom").is_some());
        assert!(is_there("2024-01.atom") && is_there("index.html"));
        run.publish("b.md", None, 2);
        assert!(run.archive("topics/one/2024-01.atom").is_none());
        assert!(!is_there("2024-01.atom") && is_there("index.html"));
    }

    #[test]
    fn selections_are_looked_at_only_when_something_they_pick_changed() {
        let mut run = Run::configured("selections: [{name: s, any: [one]}]", None);
        run.publish("a.md", Some("one"), 0);
        let published = run.publish("b.md", Some("two"), 1);
        assert!(!published.work.archives.contains_key(&Selection::at("selections/s").unwrap()));
        for topic in [Some("one"), None] {
            let published = run.publish("b.md", topic, 2);
            assert!(published.work.paths.contains("selections/s.atom"), "{topic:?}");
        }
    }

    #[test]
    fn an_edition_is_known_by_what_is_in_it() {
        let hash = |run: &Run| run.publisher.current().load().hash();
        let (mut one, mut other) = (Run::new(None), Run::new(None));
        one.publish("a.md", Some("one"), 0);
        let first = hash(&one);
        one.publish("b.md", Some("one"), 1);
        other.publish("b.md", Some("one"), 5);
        assert_ne!(hash(&one), hash(&other));
        other.publish("a.md", Some("one"), 6);
        assert_eq!(hash(&one), hash(&other));
        one.publish("b.md", None, 2);
        assert_eq!(hash(&one), first);
    }

    #[test]
    fn last_modified_outlives_a_restart_and_is_never_the_future() {
        let directory = tempfile::tempdir().unwrap();
        Run::new(Some(directory.path())).publish("a.md", Some("one"), 100);
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
