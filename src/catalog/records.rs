//! The catalog: every seed that was read, and the entries that are shown of them, by topic.
//!
//! It changes a few seeds at a time, and the work grows with what changed. What it says depends on
//! the seeds and the instant alone, never on the order in which they came: the one exception is a
//! seed that was good and is broken now, which keeps its last good record.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::sync::Arc;

use rayon::prelude::*;

use crate::catalog::{Entries, Entry, Touched, Turn};
use crate::config::Topics;
use crate::seed::{Change, Held, Packed, Reading, Timestamp, Topic};
use crate::seed::{Fault, Severity};

/// Every seed that was read, and the entries that are shown of them.
#[derive(Debug, Default)]
pub struct Catalog {
    unpublished: bool,
    now: Timestamp,
    /// The latest instant that it ever spoke of: clocks are set back, and what was shown by then stays.
    latest: Timestamp,
    seeds: BTreeMap<Arc<str>, Seed>,
    groups: HashMap<Arc<str>, Group>,
    /// When the standing of which group changes by itself.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    entries: Entries,
}

/// What is known of one seed.
#[derive(Debug, Default)]
struct Seed {
    record: Option<Arc<Packed>>,
    faults: Vec<Fault>,
    /// Whether the seed is broken and the record is the last good one.
    outdated: bool,
}

impl Seed {
    /// A seed after a change, of which this is the last good record. None if there is none any more.
    fn of(path: &Arc<str>, change: Change, last_good: Option<&Arc<Packed>>) -> Option<Self> {
        match (change, last_good) {
            (Change::Gone | Change::Read(Reading::NotASeed), _) | (Change::Read(Reading::Blank), None) => {
                None
            }
            (Change::Read(Reading::Blank), Some(last_good)) => {
                let fault = Fault {
                    severity: Severity::Fault,
                    path: path.clone(),
                    place: None,
                    reason: "this seed is empty now".to_owned(),
                    help: Some("mend it, or delete the file to withdraw the entry".to_owned()),
                };
                Some(Self { record: Some(last_good.clone()), faults: vec![fault], outdated: true })
            }
            (Change::Read(Reading::Seed { record: None, faults }), Some(last_good)) => {
                Some(Self { record: Some(last_good.clone()), faults, outdated: true })
            }
            (Change::Read(Reading::Seed { record, faults }), _) => {
                Some(Self { record, faults, outdated: false })
            }
        }
    }
}

/// What decides what is shown of records.
#[derive(Clone, Copy)]
struct View<'a> {
    now: Timestamp,
    unpublished: bool,
    hierarchy: &'a Topics,
}

impl<'a> View<'a> {
    fn of(now: Timestamp, unpublished: bool, entries: &'a Entries) -> Self {
        Self { now, unpublished, hierarchy: entries.hierarchy() }
    }
}

/// The records with one id.
#[derive(Debug, Default)]
struct Group {
    records: Vec<Arc<Packed>>,
    entry: Option<Arc<Entry>>,
    due: Option<Timestamp>,
    /// Whether the entry may not be what the records say it is.
    unsettled: bool,
}

impl Group {
    /// Notes that its entry may have changed, once.
    fn unsettle(&mut self, id: &Arc<str>, unsettled: &mut Vec<Arc<str>>) {
        if !std::mem::replace(&mut self.unsettled, true) {
            unsettled.push(id.clone());
        }
    }

    fn take(&mut self, record: Arc<Packed>) {
        // No longer than it must be: nearly all groups have one record.
        self.records.reserve_exact(1);
        self.records.push(record);
    }

    /// Makes the entry what the records say it is.
    fn settle(&mut self, id: &Arc<str>, view: View<'_>) -> Settled {
        let (mut shown, mut due) = (Vec::new(), None);
        for record in &self.records {
            let visibility = record.visibility(view.now, view.unpublished);
            due = due.into_iter().chain(visibility.until).min();
            if let Ok(published) = visibility.shown {
                shown.push((record, published));
            }
        }
        let entry = merge(shown, view.hierarchy);
        self.unsettled = false;
        let due = (std::mem::replace(&mut self.due, due), due);
        let mut settled = Settled { id: id.clone(), due, withdrawn: None, shown: None };
        if entry.as_ref() != self.entry.as_deref() {
            settled.shown = entry.map(Arc::new);
            settled.withdrawn = std::mem::replace(&mut self.entry, settled.shown.clone());
        }
        settled
    }
}

/// What became of a group.
struct Settled {
    id: Arc<str>,
    /// When its standing changed by itself, and when it does now.
    due: (Option<Timestamp>, Option<Timestamp>),
    withdrawn: Option<Arc<Entry>>,
    shown: Option<Arc<Entry>>,
}

/// The seeds in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Census {
    /// Seeds, readable or not.
    pub seeds: usize,
    /// Those with a record.
    pub records: usize,
    /// Entries shown.
    pub entries: usize,
    /// Topics with an entry shown.
    pub topics: usize,
    /// Records that are held, by reason.
    pub held: BTreeMap<Held, usize>,
    /// Records shown in the entry of another, since they have its id.
    pub duplicates: usize,
    /// Seeds that show their last good record, since they are broken now.
    pub outdated: usize,
    /// Faults.
    pub faults: usize,
    /// Warnings.
    pub warnings: usize,
}

/// The records of one entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Duplicates {
    /// The id that they share.
    pub id: Arc<str>,
    /// The seed whose fields are shown.
    pub shown: Arc<str>,
    /// The other seeds.
    pub others: Vec<Arc<str>>,
    /// Whether the id is made of a date and a file's name, so that they may be the same by chance.
    pub by_name: bool,
}

impl Catalog {
    /// An empty catalog. With `unpublished`, records are shown that their writers hide.
    pub fn new(unpublished: bool, hierarchy: Arc<Topics>) -> Self {
        Self { unpublished, entries: Entries::new(hierarchy), ..Self::default() }
    }

    /// Takes in what changed, and what time changed: scheduled and expired records up to `now`.
    ///
    /// A clock that is set back takes nothing away: what is shown is looked at again when it changes
    /// or is due.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (Arc<str>, Change)>,
        now: Timestamp,
    ) -> Touched {
        (self.now, self.latest) = (now, self.latest.max(now));
        let changes: Vec<_> = changes.into_iter().collect();
        let settled = if self.seeds.is_empty() && changes.is_sorted_by(|(a, _), (b, _)| a < b) {
            self.take_first(changes)
        } else {
            self.take_all(changes)
        };
        let mut turns = Vec::with_capacity(settled.len());
        for Settled { id, due: (before, due), withdrawn, shown } in settled {
            if before != due {
                if let Some(before) = before {
                    self.due.remove(&(before, id.clone()));
                }
                self.due.extend(due.map(|due| (due, id)));
            }
            turns.extend(withdrawn.map(Turn::Withdraw));
            turns.extend(shown.map(Turn::Show));
        }
        self.entries.update(&turns)
    }

    /// Stores what is there to begin with, each path once, and settles every group.
    fn take_first(&mut self, changes: Vec<(Arc<str>, Change)>) -> Vec<Settled> {
        let (mut seeds, mut records) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
        for (path, change) in changes {
            if let Some(seed) = Seed::of(&path, change, None) {
                records.extend(seed.record.clone());
                seeds.push((path, seed));
            }
        }
        let (view, groups) = (View::of(self.now, self.unpublished, &self.entries), &mut self.groups);
        let group = || {
            groups.reserve(records.len());
            // Nearly all have an id of their own, and in their order they lie together in memory.
            let (mut settled, mut alone) = (Vec::new(), Vec::new());
            let settle = |record: Arc<Packed>| {
                let (id, mut group) = (record.id.clone(), Group::default());
                group.take(record);
                (group.settle(&id, view), (id, group))
            };
            records.into_par_iter().map(settle).unzip_into_vecs(&mut settled, &mut alone);
            let store = || {
                let mut shared = BTreeSet::new();
                for (id, group) in alone {
                    match groups.entry(id) {
                        hash_map::Entry::Vacant(place) => drop(place.insert(group)),
                        hash_map::Entry::Occupied(mut place) => {
                            shared.insert(place.key().clone());
                            group.records.into_iter().for_each(|record| place.get_mut().take(record));
                        }
                    }
                }
                shared
            };
            // Feeds take entries sooner that come in their order, as nearly all do then.
            let newest_first =
                |settled: &Settled| Reverse(settled.shown.as_ref().map(|entry| entry.published));
            let ((), shared) = rayon::join(|| settled.par_sort_by_cached_key(newest_first), store);
            settled.retain(|settled| !shared.contains(&settled.id));
            for id in shared {
                if let Some(group) = groups.get_mut(&id) {
                    (group.entry, group.due) = (None, None);
                    settled.push(group.settle(&id, view));
                }
            }
            settled
        };
        // Sorted, they need no look for the place of each.
        let (seeds, settled) = rayon::join(|| seeds.into_iter().collect(), group);
        self.seeds = seeds;
        settled
    }

    /// Stores changes, and settles the groups that they and time concern.
    fn take_all(&mut self, changes: Vec<(Arc<str>, Change)>) -> Vec<Settled> {
        let mut unsettled = Vec::new();
        let is_due = |(due, _): &&(Timestamp, Arc<str>)| *due <= self.now;
        for (_, id) in self.due.iter().take_while(is_due) {
            if let Some(group) = self.groups.get_mut(id) {
                group.unsettle(id, &mut unsettled);
            }
        }
        for (path, change) in changes {
            self.take(path, change, &mut unsettled);
        }
        let groups: Vec<_> = unsettled.into_iter().filter_map(|id| self.groups.remove_entry(&id)).collect();
        let view = View::of(self.now, self.unpublished, &self.entries);
        let settled = groups.into_par_iter().map(|(id, mut group)| (group.settle(&id, view), group));
        let settled: Vec<_> = settled.collect();
        let keep = |(settled, group): (Settled, Group)| {
            if !group.records.is_empty() {
                self.groups.insert(settled.id.clone(), group);
            }
            settled
        };
        settled.into_iter().map(keep).collect()
    }

    /// Stores one change, and notes the ids that it concerns.
    fn take(&mut self, path: Arc<str>, change: Change, unsettled: &mut Vec<Arc<str>>) {
        let known = self.seeds.get(&path).and_then(|seed| seed.record.clone());
        let seed = Seed::of(&path, change, known.as_ref());
        if let Some(old) = known.filter(|_| seed.as_ref().is_none_or(|seed| !seed.outdated))
            && let Some(group) = self.groups.get_mut(&old.id)
        {
            group.records.retain(|record| *record.path != *old.path);
            group.unsettle(&old.id, unsettled);
        }
        let Some(seed) = seed else {
            self.seeds.remove(&path);
            return;
        };
        if let Some(new) = seed.record.as_ref().filter(|_| !seed.outdated) {
            let group = self.groups.entry(new.id.clone()).or_default();
            group.take(new.clone());
            group.unsettle(&new.id, unsettled);
        }
        self.seeds.insert(path, seed);
    }

    /// The entries that are shown.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The instant that the catalog speaks of.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The latest instant that it ever spoke of: what is shown is right from then on.
    pub fn latest(&self) -> Timestamp {
        self.latest
    }

    /// When something will change by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether there is a seed at a path.
    pub fn has(&self, path: &str) -> bool {
        self.seeds.contains_key(path)
    }

    /// Whether the seed at a path is broken and its last good record is shown.
    pub fn is_outdated(&self, path: &str) -> bool {
        self.seeds.get(path).is_some_and(|seed| seed.outdated)
    }

    /// The faults of the seed at a path.
    pub fn faults_of(&self, path: &str) -> &[Fault] {
        self.seeds.get(path).map_or(&[], |seed| &seed.faults)
    }

    /// What is held of the seed at a path: its record, and its faults.
    pub fn held_of(&self, path: &str) -> Option<(Option<Arc<Packed>>, Vec<Fault>)> {
        self.seeds.get(path).map(|seed| (seed.record.clone(), seed.faults.clone()))
    }

    /// Why the record of the seed at a path is held, if it is.
    pub fn held_at(&self, path: &str) -> Option<Held> {
        let record = self.seeds.get(path)?.record.as_ref()?;
        record.visibility(self.now, self.unpublished).shown.err()
    }

    /// Every seed without a record: a fault cost it.
    pub fn left_out(&self) -> impl Iterator<Item = &Arc<str>> {
        self.seeds.iter().filter(|(_, seed)| seed.record.is_none()).map(|(path, _)| path)
    }

    /// Every record, held or not, by path.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Packed>> {
        self.seeds.values().filter_map(|seed| seed.record.as_ref())
    }

    /// The entry with an id, if one is shown.
    pub fn entry(&self, id: &str) -> Option<&Arc<Entry>> {
        self.groups.get(id)?.entry.as_ref()
    }

    /// Every fault and warning, by path and place.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.seeds.values().flat_map(|seed| &seed.faults)
    }

    /// Every record that is held, with the reason.
    pub fn held(&self) -> impl Iterator<Item = (&Arc<Packed>, Held)> {
        self.seeds.values().filter_map(|seed| {
            let record = seed.record.as_ref()?;
            Some((record, record.visibility(self.now, self.unpublished).shown.err()?))
        })
    }

    /// Every entry that is made of several records, by id.
    pub fn duplicates(&self) -> Vec<Duplicates> {
        let duplicates = self.groups.iter().filter_map(|(id, group)| {
            let shown = group.entry.as_ref()?.record.path.clone();
            let is_shown =
                |record: &&Arc<Packed>| record.visibility(self.now, self.unpublished).shown.is_ok();
            let others = group.records.iter().filter(is_shown).map(|record| &record.path);
            let mut others: Vec<_> = others.filter(|path| **path != shown).cloned().collect();
            others.sort();
            let by_name = group.entry.as_ref()?.record.id_by_name;
            (!others.is_empty()).then(|| Duplicates { id: id.clone(), shown, others, by_name })
        });
        let mut duplicates: Vec<_> = duplicates.collect();
        duplicates.sort_by(|a, b| a.id.cmp(&b.id));
        duplicates
    }

    /// The seeds in numbers.
    pub fn census(&self) -> Census {
        let mut census = Census {
            seeds: self.seeds.len(),
            entries: self.entries.count(None),
            topics: self.entries.topic_names().count(),
            ..Census::default()
        };
        for seed in self.seeds.values() {
            census.outdated += usize::from(seed.outdated);
            let faults = seed.faults.iter().filter(|fault| fault.severity == Severity::Fault).count();
            census.faults += faults;
            census.warnings += seed.faults.len() - faults;
            let Some(record) = &seed.record else { continue };
            census.records += 1;
            if let Err(held) = record.visibility(self.now, self.unpublished).shown {
                *census.held.entry(held).or_default() += 1;
            }
        }
        census.duplicates = census.records - census.held.values().sum::<usize>() - census.entries;
        census
    }
}

/// The entry of the records that are shown and have one id.
fn merge(mut records: Vec<(&Arc<Packed>, Timestamp)>, hierarchy: &Topics) -> Option<Entry> {
    records.sort_by(|(a, a_published), (b, b_published)| {
        b.quality.total_cmp(&a.quality).then(b_published.cmp(a_published)).then(a.path.cmp(&b.path))
    });
    let &(best, published) = records.first()?;
    let is_now = |topic: &Topic| hierarchy.now(&topic.slug) == topic.slug;
    let topics: Arc<[Topic]> = if records.len() == 1 && best.facets.topics.iter().all(is_now) {
        best.facets.topics.clone()
    } else {
        let mut topics: Vec<Topic> = Vec::new();
        for topic in records.iter().flat_map(|(record, _)| &*record.facets.topics) {
            let slug = hierarchy.now(&topic.slug);
            if topics.iter().all(|known| known.slug != slug) {
                topics.push(Topic { slug, name: topic.name.clone() });
            }
        }
        topics.into()
    };
    let above = topics.iter().flat_map(|topic| hierarchy.ancestors(&topic.slug));
    let mut within: Vec<_> = topics.iter().map(|topic| &topic.slug).chain(above).cloned().collect();
    within.sort_unstable();
    within.dedup();
    Some(Entry { record: best.clone(), published, topics, within: within.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{self, Month, Rules};
    use proptest::prelude::*;

    fn now() -> Timestamp {
        "2024-06-01T00:00:00Z".parse().unwrap()
    }

    fn read(path: &str, yaml: &str) -> (Arc<str>, Change) {
        let rules = Rules::sample();
        let path: Arc<str> = path.into();
        let reading = seed::read(&rules, &path, format!("---\n{yaml}---\n").as_bytes());
        (path, Change::Read(reading))
    }

    fn good(path: &str, topics: &str, extra: &str) -> (Arc<str>, Change) {
        read(path, &format!("title: {path}\ntopics: {topics}\ndate: 2024-01-01\n{extra}"))
    }

    /// Everything that can be seen of a catalog's entries.
    fn seen(catalog: &Catalog) -> Vec<(String, Vec<String>)> {
        let feed = |name: &str, entries: Vec<&Arc<Entry>>| {
            let shown = entries.iter().map(|entry| {
                let topics: Vec<_> = entry.topics.iter().map(|topic| &*topic.name).collect();
                format!("{} {} {topics:?}", entry.record.path, entry.published)
            });
            (name.to_owned(), shown.collect())
        };
        let mut seen = vec![feed("*", catalog.entries.all().collect())];
        for (slug, name, count) in catalog.entries.topics() {
            let entries: Vec<_> = catalog.entries.topic(slug).collect();
            assert_eq!(entries.len(), count);
            seen.push(feed(name, entries));
        }
        seen
    }

    #[test]
    fn records_with_one_id_are_one_entry() {
        let mut catalog = Catalog::new(false, Arc::default());
        let same = "id: urn:x:1\n";
        catalog.apply(
            [
                good("b.md", "[One, Two]", same),
                good("a.md", "[one, Three]", &format!("{same}quality: 5\n")),
                good("c.md", "Hidden", &format!("{same}quality: 9\npublished: false\n")),
            ],
            now(),
        );
        let entry = catalog.entries.all().next().unwrap();
        let names: Vec<_> = entry.topics.iter().map(|topic| &*topic.name).collect();
        assert_eq!((&*entry.record.path, names), ("a.md", vec!["one", "Three", "Two"]));
        let duplicates = catalog.duplicates();
        assert_eq!((&*duplicates[0].shown, &duplicates[0].others), ("a.md", &vec![Arc::from("b.md")]));
        let census = catalog.census();
        assert_eq!((census.entries, census.duplicates, census.held[&Held::Unpublished]), (1, 1, 1));
        catalog.apply([("a.md".into(), Change::Gone)], now());
        assert_eq!(&*catalog.entries.all().next().unwrap().record.path, "b.md");
        catalog.apply([("b.md".into(), Change::Gone)], now());
        assert_eq!(catalog.entries.all().count() + catalog.entries.topics().count(), 0);
    }

    #[test]
    fn only_feeds_with_a_change_are_touched() {
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([good("a.md", "One", ""), good("b.md", "Two", "")], now());
        let touched = catalog.apply([good("a.md", "[One, Three]", "")], now());
        let january = BTreeSet::from([Month::of("2024-01-01T00:00:00Z".parse().unwrap())]);
        let topics = ["one", "three"].map(|slug| (slug.into(), january.clone()));
        assert_eq!((touched.all, touched.topics), (january, topics.into()));
        assert_eq!(catalog.apply([good("a.md", "[One, Three]", "")], now()), Touched::default());
    }

    #[test]
    fn a_broken_seed_keeps_its_last_good_record() {
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([good("a.md", "One", "")], now());
        for broken in [read("a.md", "title: [\n"), ("a.md".into(), Change::Read(Reading::Blank))] {
            assert_eq!(catalog.apply([broken], now()), Touched::default());
            assert_eq!(
                (catalog.entries.all().count(), catalog.census().outdated, catalog.census().faults),
                (1, 1, 1)
            );
        }
        catalog.apply([good("a.md", "Two", "")], now());
        assert_eq!((catalog.entries.topic("two").count(), catalog.census().faults), (1, 0));
        catalog.apply([read("a.md", "title: [\n")], now());
        catalog.apply([("a.md".into(), Change::Gone)], now());
        assert_eq!((catalog.entries.all().count(), catalog.census().seeds), (0, 0));
        catalog.apply([read("a.md", "title: [\n")], now());
        assert_eq!((catalog.entries.all().count(), catalog.census().outdated), (0, 0));
    }

    #[test]
    fn time_alone_shows_and_withdraws() {
        let mut catalog = Catalog::new(false, Arc::default());
        let at = |day: i64| now() + chrono::Duration::days(day);
        let seed =
            format!("title: A\ntopics: t\ndate: {}\nexpires: {}\n", at(1).to_rfc3339(), at(3).to_rfc3339());
        catalog.apply([read("a.md", &seed)], now());
        assert_eq!((catalog.entries.all().count(), catalog.next_due()), (0, Some(at(1))));
        assert!(!catalog.apply([], at(1)).is_empty());
        assert_eq!((catalog.entries.all().count(), catalog.next_due()), (1, Some(at(3))));
        catalog.apply([], at(0));
        assert_eq!(catalog.entries.all().count(), 1, "a clock set back takes nothing away");
        catalog.apply([], at(5));
        assert_eq!((catalog.entries.all().count(), catalog.next_due()), (0, None));
    }

    #[test]
    fn the_most_frequent_spelling_is_shown() {
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([good("a.md", "json feed", ""), good("b.md", "JSON Feed", "")], now());
        assert_eq!(catalog.entries.topic_name("json-feed"), Some("JSON Feed"));
        catalog.apply([good("d.md", "[JSON Feed, Other]", ""), good("e.md", "json feed", "")], now());
        let touched = catalog.apply([good("c.md", "json feed", "")], now());
        assert_eq!(catalog.entries.topic_name("json-feed"), Some("json feed"));
        assert!(touched.topics.contains_key("other"), "a feed whose entries name the topic changes with it");
        catalog.apply(["a.md", "c.md"].map(|path| (path.into(), Change::Gone)), now());
        assert_eq!(catalog.entries.topic_name("json-feed"), Some("JSON Feed"));
    }

    proptest! {
        /// After any history a catalog says what one says that reads the last state at once.
        #[test]
        fn histories_leave_no_trace(
            steps in proptest::collection::vec((0..6_u8, 0..4_u8, 0..3_u8, 0..3_u8, 0..8_u8), 1..60),
        ) {
            let mut catalog = Catalog::new(false, Arc::default());
            let mut last = BTreeMap::new();
            let mut hours = 0;
            for (path, kind, id, topic, day) in steps {
                hours += i64::from(day);
                let path = format!("{path}.md");
                let yaml = format!("title: A\nid: urn:x:{id}\ntopics: [{}]\nquality: {kind}\n", ["A", "a", "b"][usize::from(topic)]);
                let seed = match kind {
                    0 => None,
                    1 => Some(format!("{yaml}draft: true\n")),
                    _ => Some(format!("{yaml}date: 2024-05-{:02}\nexpires: 2024-06-{:02}\n", 25 + day % 5, 1 + day)),
                };
                let change = match &seed {
                    Some(yaml) => read(&path, yaml),
                    None => (path.as_str().into(), Change::Gone),
                };
                catalog.apply([change], now() + chrono::Duration::hours(hours));
                last.insert(path, seed);
            }
            let mut cold = Catalog::new(false, Arc::default());
            let seeds = last.iter().filter_map(|(path, yaml)| Some(read(path, yaml.as_ref()?)));
            cold.apply(seeds, catalog.now);
            catalog.apply([], cold.now);
            prop_assert_eq!(seen(&catalog), seen(&cold));
            prop_assert_eq!(catalog.census(), cold.census());
            prop_assert_eq!(catalog.next_due(), cold.next_due());
            for catalog in [&mut catalog, &mut cold] {
                catalog.apply([good("0.md", "b", "id: urn:x:1\n")], now() + chrono::Duration::days(5));
            }
            prop_assert_eq!(seen(&catalog), seen(&cold));
            prop_assert_eq!(catalog.next_due(), cold.next_due());
        }
    }
}
