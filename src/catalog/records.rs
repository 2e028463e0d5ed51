//! Every seed that was read, and the entries made of them.
//!
//! Updates are incremental: their cost grows with the number of changed seeds. The result depends
//! only on the seeds and the instant, never on the order of changes. The one exception is a seed
//! that was good and is broken now: it keeps its last good record.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map};
use std::sync::Arc;

use rayon::prelude::*;

use crate::catalog::entries::{Affected, Entries, EntryChange};
use crate::catalog::entry::Entry;
use crate::catalog::group::{Conditions, Group, GroupUpdate};
use crate::config::Topics;
use crate::seed::{Change, Held, PackedRecord, Reading, Timestamp};
use crate::seed::{Fault, Severity};

/// Every seed that was read, and the entries that are made from them.
#[derive(Debug, Default)]
pub struct Catalog {
    unpublished: bool,
    now: Timestamp,
    seeds: BTreeMap<Arc<str>, Seed>,
    groups: HashMap<Arc<str>, Group>,
    /// The groups whose visibility changes by itself, by time.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    entries: Entries,
}

/// The result of the last reading of one seed.
#[derive(Debug, Default)]
struct Seed {
    record: Option<Arc<PackedRecord>>,
    faults: Vec<Fault>,
    /// Set if the seed is broken and the record is its last good one.
    outdated: bool,
}

impl Seed {
    /// Returns the seed after a change, or `None` if the file is no seed any more.
    fn of(path: &Arc<str>, change: Change, last_good: Option<&Arc<PackedRecord>>) -> Option<Self> {
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
                    help: Some("restore its content, or delete the file to withdraw the entry".to_owned()),
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

/// Numbers of seeds, records, entries and faults.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Census {
    /// Seeds, readable or not.
    pub seeds: usize,
    /// Seeds with a record.
    pub records: usize,
    /// Shown entries.
    pub entries: usize,
    /// Topics with a shown entry.
    pub topics: usize,
    /// Held records, by reason.
    pub held: BTreeMap<Held, usize>,
    /// Records that are merged into the entry of another record with the same id.
    pub duplicates: usize,
    /// Broken seeds that show their last good record.
    pub outdated: usize,
    /// Faults.
    pub faults: usize,
    /// Warnings.
    pub warnings: usize,
}

/// The seeds that share one entry.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Duplicates {
    /// The shared id.
    pub id: Arc<str>,
    /// The seed whose fields are shown.
    pub shown: Arc<str>,
    /// The other seeds.
    pub others: Vec<Arc<str>>,
    /// Set if the id is made of a date and a file name, so that it may be shared by accident.
    pub by_name: bool,
}

impl Catalog {
    /// Creates an empty catalog. With `unpublished`, unpublished and removed records are shown too.
    pub fn new(unpublished: bool, hierarchy: Arc<Topics>) -> Self {
        Self { unpublished, entries: Entries::new(hierarchy), ..Self::default() }
    }

    /// Applies changed seeds, and shows or withdraws the scheduled and expired records that are due
    /// by `now`.
    ///
    /// If the clock was set back, entries that are already shown stay: a group is evaluated again
    /// only when one of its seeds changes or when it is due.
    pub fn apply(
        &mut self,
        changes: impl IntoIterator<Item = (Arc<str>, Change)>,
        now: Timestamp,
    ) -> Affected {
        self.now = now;
        let changes: Vec<_> = changes.into_iter().collect();
        let updates = if self.seeds.is_empty() && changes.is_sorted_by(|(a, _), (b, _)| a < b) {
            self.apply_first(changes)
        } else {
            self.apply_later(changes)
        };
        let mut changes = Vec::with_capacity(updates.len());
        for GroupUpdate { id, old_due, due, removed, inserted } in updates {
            if old_due != due {
                if let Some(old_due) = old_due {
                    self.due.remove(&(old_due, id.clone()));
                }
                self.due.extend(due.map(|due| (due, id)));
            }
            changes.extend(removed.map(EntryChange::Remove));
            changes.extend(inserted.map(EntryChange::Insert));
        }
        self.entries.update(&changes)
    }

    /// Fills an empty catalog. Each path occurs once.
    fn apply_first(&mut self, changes: Vec<(Arc<str>, Change)>) -> Vec<GroupUpdate> {
        let (mut seeds, mut records) = (Vec::with_capacity(changes.len()), Vec::with_capacity(changes.len()));
        for (path, change) in changes {
            if let Some(seed) = Seed::of(&path, change, None) {
                records.extend(seed.record.clone());
                seeds.push((path, seed));
            }
        }
        let (view, groups) = (Conditions::of(self.now, self.unpublished, &self.entries), &mut self.groups);
        // A sorted input makes both maps without searching for the place of each key.
        let (seeds, updates) =
            rayon::join(|| seeds.into_iter().collect(), || group_first(records, groups, view));
        self.seeds = seeds;
        updates
    }

    /// Applies changes to a catalog, and refreshes the groups whose records changed or that are due.
    fn apply_later(&mut self, changes: Vec<(Arc<str>, Change)>) -> Vec<GroupUpdate> {
        let mut stale = Vec::new();
        let is_due = |(due, _): &&(Timestamp, Arc<str>)| *due <= self.now;
        for (_, id) in self.due.iter().take_while(is_due) {
            if let Some(group) = self.groups.get_mut(id) {
                group.mark_stale(id, &mut stale);
            }
        }
        for (path, change) in changes {
            self.apply_change(path, change, &mut stale);
        }
        let groups: Vec<_> = stale.into_iter().filter_map(|id| self.groups.remove_entry(&id)).collect();
        let view = Conditions::of(self.now, self.unpublished, &self.entries);
        let refreshed = groups.into_par_iter().map(|(id, mut group)| (group.refresh(&id, view), group));
        let refreshed: Vec<_> = refreshed.collect();
        let keep = |(update, group): (GroupUpdate, Group)| {
            if !group.records.is_empty() {
                self.groups.insert(update.id.clone(), group);
            }
            update
        };
        refreshed.into_iter().map(keep).collect()
    }

    /// Applies one change, and marks the groups that it concerns as stale.
    fn apply_change(&mut self, path: Arc<str>, change: Change, stale: &mut Vec<Arc<str>>) {
        let old = self.seeds.get(&path).and_then(|seed| seed.record.clone());
        let seed = Seed::of(&path, change, old.as_ref());
        if let Some(old) = old.filter(|_| seed.as_ref().is_none_or(|seed| !seed.outdated))
            && let Some(group) = self.groups.get_mut(&old.id)
        {
            group.records.retain(|record| *record.path != *old.path);
            group.mark_stale(&old.id, stale);
        }
        let Some(seed) = seed else {
            self.seeds.remove(&path);
            return;
        };
        if let Some(new) = seed.record.as_ref().filter(|_| !seed.outdated) {
            let group = self.groups.entry(new.id.clone()).or_default();
            group.push(new.clone());
            group.mark_stale(&new.id, stale);
        }
        self.seeds.insert(path, seed);
    }

    /// Returns the shown entries.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Returns the instant of the last update.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the next time at which an entry appears, changes or expires by itself.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Returns `true` if the catalog contains a seed with this path.
    pub fn contains(&self, path: &str) -> bool {
        self.seeds.contains_key(path)
    }

    /// Returns `true` if the seed at a path is broken and its last good record is shown.
    pub fn is_outdated(&self, path: &str) -> bool {
        self.seeds.get(path).is_some_and(|seed| seed.outdated)
    }

    /// Returns the faults of the seed at a path.
    pub fn faults_of(&self, path: &str) -> &[Fault] {
        self.seeds.get(path).map_or(&[], |seed| &seed.faults)
    }

    /// Returns the record and the faults of the seed at a path.
    pub fn record_and_faults(&self, path: &str) -> Option<(Option<Arc<PackedRecord>>, Vec<Fault>)> {
        self.seeds.get(path).map(|seed| (seed.record.clone(), seed.faults.clone()))
    }

    /// Returns the reason why the record of the seed at a path is held, if it is.
    pub fn held_at(&self, path: &str) -> Option<Held> {
        let record = self.seeds.get(path)?.record.as_ref()?;
        record.visibility(self.now, self.unpublished).shown.err()
    }

    /// Returns the path of every seed that has no record because of a fault.
    pub fn left_out(&self) -> impl Iterator<Item = &Arc<str>> {
        self.seeds.iter().filter(|(_, seed)| seed.record.is_none()).map(|(path, _)| path)
    }

    /// Returns every record, held or not, by path.
    pub fn records(&self) -> impl Iterator<Item = &Arc<PackedRecord>> {
        self.seeds.values().filter_map(|seed| seed.record.as_ref())
    }

    /// Returns the shown entry with an id.
    pub fn entry(&self, id: &str) -> Option<&Arc<Entry>> {
        self.groups.get(id)?.entry.as_ref()
    }

    /// Returns every fault and warning, by path and position.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.seeds.values().flat_map(|seed| &seed.faults)
    }

    /// Returns every held record, with the reason.
    pub fn held(&self) -> impl Iterator<Item = (&Arc<PackedRecord>, Held)> {
        self.seeds.values().filter_map(|seed| {
            let record = seed.record.as_ref()?;
            Some((record, record.visibility(self.now, self.unpublished).shown.err()?))
        })
    }

    /// Returns every entry that is made of several records, by id.
    pub fn duplicates(&self) -> Vec<Duplicates> {
        let groups = self.groups.iter().filter(|(_, group)| group.records.len() > 1);
        let duplicates = groups.filter_map(|(id, group)| {
            let shown = group.entry.as_ref()?.record.path.clone();
            let is_shown =
                |record: &&Arc<PackedRecord>| record.visibility(self.now, self.unpublished).shown.is_ok();
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

    /// Counts seeds, records, entries and faults.
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
        // After the clock was set back, an entry may be shown whose record counts as held.
        let shown = census.records - census.held.values().sum::<usize>();
        census.duplicates = shown.saturating_sub(census.entries);
        census
    }
}

/// Groups the first records by id, on all cores, and returns the update of each group.
fn group_first(
    records: Vec<Arc<PackedRecord>>,
    groups: &mut HashMap<Arc<str>, Group>,
    view: Conditions<'_>,
) -> Vec<GroupUpdate> {
    groups.reserve(records.len());
    // Nearly all records have an id of their own. A group is made for each, in order, so that
    // neighbours lie together in memory; groups that share an id are merged below.
    let (mut updates, mut singles) = (Vec::new(), Vec::new());
    let refresh = |record: Arc<PackedRecord>| {
        let (id, mut group) = (record.id.clone(), Group::default());
        group.push(record);
        (group.refresh(&id, view), (id, group))
    };
    records.into_par_iter().map(refresh).unzip_into_vecs(&mut updates, &mut singles);
    let insert = || {
        let mut shared = BTreeSet::new();
        for (id, group) in singles {
            match groups.entry(id) {
                hash_map::Entry::Vacant(place) => drop(place.insert(group)),
                hash_map::Entry::Occupied(mut place) => {
                    shared.insert(place.key().clone());
                    group.records.into_iter().for_each(|record| place.get_mut().push(record));
                }
            }
        }
        shared
    };
    // The index of entries is filled faster in feed order.
    let newest_first = |update: &GroupUpdate| Reverse(update.inserted.as_ref().map(|entry| entry.published));
    let ((), shared) = rayon::join(|| updates.par_sort_by_cached_key(newest_first), insert);
    updates.retain(|update| !shared.contains(&update.id));
    for id in shared {
        if let Some(group) = groups.get_mut(&id) {
            group.reset();
            updates.push(group.refresh(&id, view));
        }
    }
    updates
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

    /// Returns every feed of a catalog, with its entries as text.
    fn listing(catalog: &Catalog) -> Vec<(String, Vec<String>)> {
        let feed = |name: &str, entries: Vec<&Arc<Entry>>| {
            let shown = entries.iter().map(|entry| {
                let topics: Vec<_> = entry.topics.iter().map(|topic| &*topic.name).collect();
                format!("{} {} {topics:?}", entry.record.path, entry.published)
            });
            (name.to_owned(), shown.collect())
        };
        let mut feeds = vec![feed("*", catalog.entries.all().collect())];
        for (slug, name, count) in catalog.entries.topics() {
            let entries: Vec<_> = catalog.entries.topic(slug).collect();
            assert_eq!(entries.len(), count);
            feeds.push(feed(name, entries));
        }
        feeds
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
    fn change_affects_only_feeds_with_its_topics() {
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([good("a.md", "One", ""), good("b.md", "Two", "")], now());
        let affected = catalog.apply([good("a.md", "[One, Three]", "")], now());
        let january = BTreeSet::from([Month::of("2024-01-01T00:00:00Z".parse().unwrap())]);
        let topics = ["one", "three"].map(|slug| (slug.into(), january.clone()));
        assert_eq!((affected.all, affected.topics), (january, topics.into()));
        assert_eq!(catalog.apply([good("a.md", "[One, Three]", "")], now()), Affected::default());
    }

    #[test]
    fn broken_seed_keeps_its_last_good_record() {
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([good("a.md", "One", "")], now());
        for broken in [read("a.md", "title: [\n"), ("a.md".into(), Change::Read(Reading::Blank))] {
            assert_eq!(catalog.apply([broken], now()), Affected::default());
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
    fn entries_appear_and_expire_with_time() {
        let mut catalog = Catalog::new(false, Arc::default());
        let at = |day: i64| now() + chrono::Duration::days(day);
        let seed =
            format!("title: A\ntopics: t\ndate: {}\nexpires: {}\n", at(1).to_rfc3339(), at(3).to_rfc3339());
        catalog.apply([read("a.md", &seed)], now());
        assert_eq!((catalog.entries.all().count(), catalog.next_due()), (0, Some(at(1))));
        assert!(!catalog.apply([], at(1)).is_empty());
        assert_eq!((catalog.entries.all().count(), catalog.next_due()), (1, Some(at(3))));
        catalog.apply([], at(0));
        assert_eq!(catalog.entries.all().count(), 1, "an entry stays when the clock is set back");
        assert_eq!((catalog.census().entries, catalog.census().duplicates), (1, 0));
        catalog.apply([], at(5));
        assert_eq!((catalog.entries.all().count(), catalog.next_due()), (0, None));
    }

    #[test]
    fn most_frequent_topic_spelling_is_shown() {
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([good("a.md", "json feed", ""), good("b.md", "JSON Feed", "")], now());
        assert_eq!(catalog.entries.topic_name("json-feed"), Some("JSON Feed"));
        catalog.apply([good("d.md", "[JSON Feed, Other]", ""), good("e.md", "json feed", "")], now());
        let affected = catalog.apply([good("c.md", "json feed", "")], now());
        assert_eq!(catalog.entries.topic_name("json-feed"), Some("json feed"));
        assert!(affected.topics.contains_key("other"), "a new topic name affects every feed that shows it");
        catalog.apply(["a.md", "c.md"].map(|path| (path.into(), Change::Gone)), now());
        assert_eq!(catalog.entries.topic_name("json-feed"), Some("JSON Feed"));
    }

    proptest! {
        /// After any history of changes, a catalog equals one that reads the last state at once.
        #[test]
        fn incremental_updates_equal_a_cold_read(
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
            prop_assert_eq!(listing(&catalog), listing(&cold));
            prop_assert_eq!(catalog.census(), cold.census());
            prop_assert_eq!(catalog.next_due(), cold.next_due());
            for catalog in [&mut catalog, &mut cold] {
                catalog.apply([good("0.md", "b", "id: urn:x:1\n")], now() + chrono::Duration::days(5));
            }
            prop_assert_eq!(listing(&catalog), listing(&cold));
            prop_assert_eq!(catalog.next_due(), cold.next_due());
        }
    }
}
