//! The publisher: renders the affected feeds, builds the next edition, and swaps it in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rayon::prelude::*;

use super::mirror::{self, MirrorPlan};
use super::record_cache::RecordCache;
use crate::catalog::{Affected, Catalog, Entries};
use crate::config::Config;
use crate::edition::{Edition, Representation};
use crate::feed::{self, About, LogicalFeed, Selection, Tally};
use crate::render::{self, Format, Publication, RenderError, html, opml};
use crate::seed::Timestamp;
use crate::text::slug;

/// The edition that is served.
pub type CurrentEdition = Arc<ArcSwap<Edition>>;

/// Makes editions, one after the other.
#[derive(Debug)]
pub struct Publisher {
    config: Arc<Config>,
    publication: Publication,
    current: CurrentEdition,
    /// The slugs of all topics that ever had a feed: a feed without entries stays, for its subscribers.
    topics: BTreeSet<Arc<str>>,
    /// The next time at which an entry becomes too old for a named selection, by its name.
    due: BTreeMap<Arc<str>, Timestamp>,
    /// The description of each named selection as of the last edition.
    abouts: BTreeMap<Arc<str>, About>,
    /// The size of the feed of each named selection.
    tallies: BTreeMap<Arc<str>, Tally>,
    records: RecordCache,
    has_published: bool,
}

/// A new edition, and the difference to the one before.
#[derive(Debug)]
pub struct Published {
    /// The number of the edition.
    pub edition: u64,
    /// The hash of the edition.
    pub hash: u128,
    /// The number of addresses with new bytes, archive documents aside.
    pub changed: usize,
    /// The number of addresses that were removed, archive documents aside.
    pub removed: usize,
    /// The feeds that could not be rendered. They keep their previous representations.
    pub failed: Vec<RenderError>,
    /// The files that the mirror has to check.
    pub plan: MirrorPlan,
}

/// A document in one format, or a page.
struct RenderedDocument {
    path: String,
    media_type: &'static str,
    url: String,
    page: Option<String>,
    body: Result<Vec<u8>, RenderError>,
}

impl Publisher {
    /// Creates a publisher that has not published yet.
    pub fn new(config: Arc<Config>) -> Self {
        let current = Arc::new(ArcSwap::from_pointee(Edition::empty(config.clone())));
        Self::after(current, config)
    }

    /// Creates a publisher that continues from the edition of another one, under another configuration.
    pub fn after(current: CurrentEdition, config: Arc<Config>) -> Self {
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
            records: RecordCache::new(),
            has_published: false,
        }
    }

    /// Returns a shared pointer to the edition that is served.
    pub fn current(&self) -> CurrentEdition {
        self.current.clone()
    }

    /// Returns the time at which the next edition is due even if no seed changes.
    pub fn next_due(&self, catalog: &Catalog) -> Option<Timestamp> {
        self.due.values().copied().chain(catalog.next_due()).min()
    }

    /// Returns `true` if an entry has become too old for a selection since the last edition.
    pub fn is_due(&self, catalog: &Catalog) -> bool {
        self.due.values().any(|due| *due <= catalog.now())
    }

    /// Returns the seeds of the records that feeds show, and that are
    /// [not complete](crate::seed::PackedRecord::is_complete).
    pub fn incomplete_seeds(&self, catalog: &Catalog) -> BTreeSet<Arc<str>> {
        let (config, entries) = (&self.config, catalog.entries());
        let topics = entries.topics().map(|(slug, ..)| slug).filter(|slug| has_feed(config, slug));
        let topics = topics.map(|slug| LogicalFeed::topic(config, entries, slug));
        let named = config.selections.iter();
        let named = named.map(|selection| LogicalFeed::named(config, entries, selection, catalog.now()));
        let feeds = [LogicalFeed::all(config, entries)].into_iter().chain(topics).chain(named);
        let mut incomplete = BTreeSet::new();
        for feed in feeds {
            let shown = feed.shown().map(|entry| &entry.record);
            incomplete.extend(shown.filter(|record| !record.is_complete()).map(|record| record.path.clone()));
        }
        incomplete
    }

    /// Publishes the catalog, given the feeds that changes affected. The first edition renders every feed, and takes
    /// the times of the last changes from the mirror.
    pub fn publish(&mut self, catalog: &Catalog, affected: &Affected, now: SystemTime) -> Published {
        let before = self.current.load_full();
        let is_first = !std::mem::replace(&mut self.has_published, true);
        let entries = catalog.entries();
        let mut next = Edition { config: self.config.clone(), ..Edition::clone(&before) };
        let mut plan = MirrorPlan { everything: is_first, ..MirrorPlan::default() };
        if is_first || !affected.is_empty() {
            next.entries = entries.clone();
            next.generation += 1;
            next.since = now.max(before.since + Duration::from_secs(1));
        }
        if is_first {
            self.topics.extend(entries.topics().map(|(slug, ..)| slug.clone()));
        } else {
            self.topics.extend(affected.topics.keys().cloned());
        }
        let feeds = self.affected_feeds(catalog, affected, is_first, &mut plan);
        // The home page and the OPML list show the size of every feed.
        let needs_lists = is_first || !feeds.is_empty();
        let mut documents: Vec<_> = feeds.par_iter().flat_map_iter(|feed| self.render(feed)).collect();
        drop(feeds);
        if needs_lists {
            documents.extend(self.lists(entries));
        }

        let rendered: BTreeSet<String> = documents.iter().map(|document| document.path.clone()).collect();
        let (mut changed, mut failed) = (0, Vec::new());
        let represented = documents.into_par_iter().map(|document| self.represent(document, &before, now));
        for represented in represented.collect::<Vec<_>>() {
            match represented {
                Ok(Some((path, representation, is_new))) => {
                    changed += usize::from(is_new);
                    plan.paths.insert(path.clone());
                    next.insert(&path, Arc::new(representation));
                }
                Ok(None) => {}
                Err(error) => failed.push(error),
            }
        }
        let mut removed = 0;
        if is_first {
            for path in before.representations.keys().filter(|path| !rendered.contains(&***path)) {
                removed += usize::from(next.remove(path));
            }
        }

        // An edition in which only `next_due` differs keeps its number.
        if before.number == 0 || changed + removed > 0 || !affected.is_empty() {
            (next.number, next.published) = (next.number + 1, now);
        }
        next.next_due = self.next_due(catalog);
        let (edition, hash) = (next.number, next.hash());
        self.current.store(Arc::new(next));
        Published { edition, hash, changed, removed, failed, plan }
    }

    /// Returns the feeds whose subscription documents may have changed, and adds the archive documents that may have
    /// changed to the plan.
    fn affected_feeds<'a>(
        &mut self,
        catalog: &'a Catalog,
        affected: &Affected,
        is_first: bool,
        plan: &mut MirrorPlan,
    ) -> Vec<LogicalFeed<'a>> {
        let (entries, mut feeds) = (catalog.entries(), Vec::new());
        let topics: Vec<_> =
            if is_first { self.topics.iter().collect() } else { affected.topics.keys().collect() };
        for slug in topics.into_iter().filter(|slug| has_feed(&self.config, slug)) {
            let months = affected.topics.get(slug).filter(|_| !is_first);
            plan.archives.insert(Selection::Topic(slug.clone()), months.cloned());
            feeds.push(LogicalFeed::topic(&self.config, entries, slug));
        }
        if is_first || !affected.is_empty() {
            plan.archives.insert(Selection::All, (!is_first).then(|| affected.all.clone()));
            feeds.push(LogicalFeed::all(&self.config, entries));
        }
        for selection in &self.config.selections {
            let is_due = self.due.get(&selection.name).is_some_and(|due| *due <= catalog.now());
            // The description names topics, which other feeds may have renamed.
            let about = feed::about(&self.config, entries, selection);
            let is_same = self.abouts.get(&selection.name) == Some(&about);
            let matches = |entry| feed::mismatch(&self.config, selection, entry, catalog.now()).is_none();
            let is_affected = || affected.entries.iter().any(|entry| matches(entry));
            if !(is_first || is_due || !is_same || is_affected()) {
                continue;
            }
            self.abouts.insert(selection.name.clone(), about);
            let feed = LogicalFeed::named(&self.config, entries, selection, catalog.now());
            match feed.due() {
                Some(due) => drop(self.due.insert(selection.name.clone(), due)),
                None => drop(self.due.remove(&selection.name)),
            }
            self.tallies.insert(selection.name.clone(), feed.tally());
            plan.archives
                .insert(feed.selection().clone(), (is_same && !is_first).then(|| affected.all.clone()));
            feeds.push(feed);
        }
        feeds
    }

    /// Renders the subscription document of a feed in every format.
    fn render(&self, feed: &LogicalFeed<'_>) -> Vec<RenderedDocument> {
        let document = feed.subscription_unpacked(&|record| self.records.get(record));
        let page = render::document_path(&document.selection, None, Format::Html);
        let rendered = Format::ALL.iter().map(|&format| RenderedDocument {
            path: render::document_path(&document.selection, None, format),
            media_type: format.media_type(),
            url: self.publication.document_url(&document, format),
            page: (format != Format::Html).then(|| page.clone()),
            body: format.render(&document, &self.publication),
        });
        rendered.collect()
    }

    /// Returns the path and the new representation of a document, and `true` if its bytes changed; `None` if the
    /// representation before can stay.
    fn represent(
        &self,
        document: RenderedDocument,
        before: &Edition,
        now: SystemTime,
    ) -> Result<Option<(Arc<str>, Representation, bool)>, RenderError> {
        let RenderedDocument { path, media_type, url, page, body } = document;
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

    /// Renders the list of all feeds as OPML and as the home page, and the files that pages use.
    fn lists(&self, entries: &Entries) -> Vec<RenderedDocument> {
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
            RenderedDocument {
                url: render::address(&self.publication.url, url),
                path,
                media_type,
                page: None,
                body,
            }
        };
        lists.into_iter().chain(html::FILES.map(file)).map(rendered).collect()
    }

    /// Returns the time of the first publication of new bytes: now, unless an earlier process published them. It is at
    /// least a second after that of the bytes before, so that `If-Modified-Since` never misses the change.
    fn last_modified(&self, path: &str, body: &[u8], old: Option<SystemTime>, now: SystemTime) -> SystemTime {
        let feeds: Option<&PathBuf> = self.config.feeds.as_ref();
        let mirrored = || feeds.and_then(|feeds| mirror::last_modified(feeds, path, body));
        match old {
            Some(old) => now.max(old + Duration::from_secs(1)),
            None => mirrored().unwrap_or(now).min(now),
        }
    }

    /// Updates the time at which the next edition is due, which may change while no feed does.
    pub fn update_due(&self, catalog: &Catalog) {
        let before = self.current.load();
        let next_due = self.next_due(catalog);
        if before.next_due != next_due {
            self.current.store(Arc::new(Edition { next_due, ..Edition::clone(&before) }));
        }
    }
}

/// Returns the slug of the topic whose feed is at a path (`topics/SLUG.atom`).
fn topic_at(path: &str) -> Option<&str> {
    let topic = path.strip_prefix("topics/")?;
    let topic = Format::FEEDS.iter().find_map(|format| topic.strip_suffix(format.ending()))?;
    (slug(topic) == topic).then_some(topic)
}

/// Returns `true` if a topic has a feed at its slug: it is neither retired nor moved.
fn has_feed(config: &Config, slug: &str) -> bool {
    !config.topics.is_retired(slug) && config.topics.moved(slug).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::archive::{ArchiveAddress, Archives};
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
            let affected = self.catalog.apply([(path, change)], "2025-01-01T00:00:00Z".parse().unwrap());
            let mut published = self.publisher.publish(&self.catalog, &affected, at(second));
            if let Some(mirror) = &mut self.mirror {
                mirror.update(&self.publisher.current().load(), &mut published.plan, &|| false).unwrap();
            }
            published
        }

        /// Renders an archive document of the current edition.
        fn archive(&self, path: &str) -> Option<String> {
            let edition = self.publisher.current().load_full();
            let address = ArchiveAddress::parse(path).unwrap();
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
    fn empty_catalog_is_published() {
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
    fn outdated_entry_leaves_a_selection_by_age() {
        let mut run = Run::configured("selections: [{name: recent, age: 24h}]", None);
        let now: Timestamp = "2024-01-01T12:00:00Z".parse().unwrap();
        let path: Arc<str> = "a.md".into();
        let text = b"---\ntitle: A\ntopics: t\ndate: 2024-01-01\n---\n";
        let change = Change::Read(seed::read(&Rules::sample(), &path, text));
        let affected = run.catalog.apply([(path, change)], now);
        run.publisher.publish(&run.catalog, &affected, at(0));
        let body =
            |run: &Run| run.publisher.current().load().representations["selections/recent.rss"].body.clone();
        let shown = body(&run);
        let due = "2024-01-02T00:00:00Z".parse().ok();
        assert_eq!(run.publisher.current().load().next_due, due);
        assert!(!run.publisher.is_due(&run.catalog));
        let affected = run.catalog.apply([], due.unwrap());
        assert!(affected.is_empty() && run.publisher.is_due(&run.catalog));
        let published = run.publisher.publish(&run.catalog, &affected, at(1));
        assert_eq!((published.changed, run.publisher.next_due(&run.catalog)), (Format::ALL.len() + 1, None));
        assert!(body(&run).len() < shown.len());
    }

    #[test]
    fn renamed_topic_is_renamed_in_every_document_of_a_selection() {
        let mut run = Run::configured("entries: 1\nselections: [{name: s, any: [one, two]}]", None);
        let now: Timestamp = "2025-01-01T00:00:00Z".parse().unwrap();
        let mut publish = |path: &str, topic: &str, month: u8| {
            let text = format!("---\ntitle: A\ntopics: {topic}\ndate: 2024-0{month}-01\n---\n");
            let path: Arc<str> = path.into();
            let change = Change::Read(seed::read(&Rules::sample(), &path, text.as_bytes()));
            let affected = run.catalog.apply([(path, change)], now);
            let published = run.publisher.publish(&run.catalog, &affected, at(0));
            let looked_at = published.plan.archives.get(&Selection::at("selections/s").unwrap()).cloned();
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
    fn archives_are_published_unless_disabled() {
        for (archives, expected) in [("true", true), ("false", false)] {
            let mut run = Run::configured(&format!("entries: 1\narchives: {archives}"), None);
            run.publish("a.md", Some("one"), 0);
            run.publish("b.md", Some("one"), 1);
            let feed = run.publisher.current().load().representations["topics/one.atom"].body.clone();
            let leads_back = String::from_utf8_lossy(&feed).contains("prev-archive");
            let exists = run.archive("topics/one/2024-01.atom").is_some();
            assert_eq!((leads_back, exists), (expected, expected), "{archives}");
        }
    }

    #[test]
    fn page_stays_when_its_archives_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let mut run = Run::configured("entries: 1", Some(directory.path()));
        let exists = |path: &str| directory.path().join("topics/one").join(path).exists();
        run.publish("a.md", Some("one"), 0);
        run.publish("b.md", Some("one"), 1);
        assert!(run.archive("topics/one/2024-01.atom").is_some());
        assert!(exists("2024-01.atom") && exists("index.html"));
        run.publish("b.md", None, 2);
        assert!(run.archive("topics/one/2024-01.atom").is_none());
        assert!(!exists("2024-01.atom") && exists("index.html"));
    }

    #[test]
    fn selection_is_rendered_only_if_its_entries_changed() {
        let mut run = Run::configured("selections: [{name: s, any: [one]}]", None);
        run.publish("a.md", Some("one"), 0);
        let published = run.publish("b.md", Some("two"), 1);
        assert!(!published.plan.archives.contains_key(&Selection::at("selections/s").unwrap()));
        for topic in [Some("one"), None] {
            let published = run.publish("b.md", topic, 2);
            assert!(published.plan.paths.contains("selections/s.atom"), "{topic:?}");
        }
    }

    #[test]
    fn edition_hash_depends_on_its_content_alone() {
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
    fn last_modified_survives_a_restart_and_is_never_in_the_future() {
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
