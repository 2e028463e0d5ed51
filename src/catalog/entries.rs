//! The shown entries, in feed order.
//!
//! The index is a persistent data structure: snapshots of different instants share everything that
//! did not change between them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use rayon::prelude::*;

use crate::catalog::entry::Entry;
use crate::config::Topics;
use crate::seed::{Month, Timestamp};

/// One change to the set of shown entries. An entry that changed is removed and inserted.
#[derive(Debug, Clone)]
pub(super) enum EntryChange {
    Remove(Arc<Entry>),
    Insert(Arc<Entry>),
}

impl EntryChange {
    fn entry(&self) -> &Arc<Entry> {
        match self {
            Self::Remove(entry) | Self::Insert(entry) => entry,
        }
    }
}

/// Updates the number of entries per key, and returns every key that the changes name, including
/// those whose number stayed the same.
fn update_counts<'a, K: Ord + Clone>(
    counts: &mut OrdMap<K, usize>,
    changes: impl Iterator<Item = (&'a EntryChange, K)>,
) -> BTreeSet<K> {
    let mut differences: BTreeMap<K, isize> = BTreeMap::new();
    for (change, key) in changes {
        *differences.entry(key).or_default() += match change {
            EntryChange::Insert(_) => 1,
            EntryChange::Remove(_) => -1,
        };
    }
    for (key, difference) in &differences {
        match counts.get(key).copied().unwrap_or_default().saturating_add_signed(*difference) {
            0 => counts.remove(key),
            count => counts.insert(key.clone(), count),
        };
    }
    differences.into_keys().collect()
}

/// The parts of feeds that a set of changes may have affected.
#[derive(Debug, Default, PartialEq)]
pub struct Affected {
    /// The affected months of the feed of all entries.
    pub all: BTreeSet<Month>,
    /// The affected months of each topic's feed, by slug.
    pub topics: BTreeMap<Arc<str>, BTreeSet<Month>>,
    /// The changed entries, both the old and the new versions.
    pub entries: Vec<Arc<Entry>>,
}

impl Affected {
    /// Returns `true` if no feed can have changed.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn add(&mut self, entry: &Arc<Entry>) {
        self.entries.push(entry.clone());
        let month = Month::of(entry.published);
        self.all.insert(month);
        for slug in &entry.within {
            self.topics.entry(slug.clone()).or_default().insert(month);
        }
    }
}

/// The position of an entry in every feed that contains it: newest first, then by id. Without an
/// entry, the position before all entries published at that instant.
#[derive(Debug, Clone)]
struct Ranked {
    published: Reverse<Timestamp>,
    entry: Option<Arc<Entry>>,
}

impl Ranked {
    fn of(entry: &Arc<Entry>) -> Self {
        Self { published: Reverse(entry.published), entry: Some(entry.clone()) }
    }

    fn before(published: Timestamp) -> Self {
        Self { published: Reverse(published), entry: None }
    }

    fn id(&self) -> Option<&str> {
        self.entry.as_ref().map(|entry| &*entry.record.id)
    }

    fn month(&self) -> Month {
        Month::of(self.published.0)
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.published.cmp(&other.published).then_with(|| self.id().cmp(&other.id()))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The entries that are shown at one instant, with the names of their topics. Cheap to clone.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    hierarchy: Arc<Topics>,
    all: ByDate,
    topics: OrdMap<Arc<str>, TopicEntries>,
    /// The number of entries of each type, by slug.
    types: OrdMap<Arc<str>, usize>,
    hash: u128,
}

/// Entries in feed order, with the number of entries of each month.
#[derive(Debug, Default, Clone)]
struct ByDate {
    ranked: OrdSet<Ranked>,
    months: OrdMap<Month, usize>,
}

#[derive(Debug, Default, Clone)]
struct TopicEntries {
    by_date: ByDate,
    /// The number of entries that use each spelling of the topic's name.
    spellings: OrdMap<Arc<str>, usize>,
}

impl Entries {
    /// Creates an empty index for a topic hierarchy.
    pub fn new(hierarchy: Arc<Topics>) -> Self {
        Self { hierarchy, ..Self::default() }
    }

    /// Returns the topic hierarchy.
    pub fn hierarchy(&self) -> &Topics {
        &self.hierarchy
    }

    /// Applies changes in order. A topic whose displayed name changes affects every feed that
    /// contains one of its entries, since each of them shows the name.
    pub(super) fn update(&mut self, changes: &[EntryChange]) -> Affected {
        if changes.is_empty() {
            return Affected::default();
        }
        // The feed of all entries costs about as much as everything else together.
        let (all, (topics, entries)) = rayon::join(
            || self.all.apply(changes.iter()),
            || {
                let mut by_topic: HashMap<&Arc<str>, Vec<&EntryChange>> = HashMap::new();
                for change in changes {
                    let entry = change.entry();
                    for slug in &entry.within {
                        by_topic.entry(slug).or_default().push(change);
                    }
                    self.hash = match change {
                        EntryChange::Insert(_) => self.hash.wrapping_add(entry.record.hash),
                        EntryChange::Remove(_) => self.hash.wrapping_sub(entry.record.hash),
                    };
                }
                let kind = |change: &EntryChange| change.entry().record.facets.kind.clone();
                update_counts(
                    &mut self.types,
                    changes.iter().filter_map(|change| Some((change, kind(change)?))),
                );
                let entries = changes.iter().map(|change| change.entry().clone()).collect();
                let topics: Vec<_> = by_topic
                    .into_iter()
                    .map(|(slug, changes)| (slug, self.topics.remove(slug).unwrap_or_default(), changes))
                    .collect();
                let topics = topics.into_par_iter().map(|(slug, mut topic, changes)| {
                    let before = topic.name().to_owned();
                    let months = topic.by_date.apply(changes.iter().copied());
                    topic.count_spellings(slug, &changes);
                    (slug, months, before, topic)
                });
                (topics.collect::<Vec<_>>(), entries)
            },
        );
        let mut affected = Affected { all, entries, ..Affected::default() };
        let mut renamed = Vec::new();
        for (slug, months, before, topic) in topics {
            affected.topics.insert(slug.clone(), months);
            if topic.by_date.ranked.is_empty() {
                continue;
            }
            if !before.is_empty() && before != topic.name() && self.hierarchy.get(slug).is_none() {
                renamed.push(slug);
            }
            self.topics.insert(slug.clone(), topic);
        }
        for slug in renamed {
            self.topic(slug).for_each(|entry| affected.add(entry));
        }
        affected
    }

    /// Returns a hash of the shown records, equal for equal seeds at equal instants.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// Returns all entries, in order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.all.ranked.iter().filter_map(|ranked| ranked.entry.as_ref())
    }

    /// Returns the entries of a topic, in order.
    pub fn topic(&self, slug: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let ranked = self.by_date(Some(slug)).into_iter().flat_map(|by_date| by_date.ranked.iter());
        ranked.filter_map(|ranked| ranked.entry.as_ref())
    }

    /// Returns the number of entries of a topic, or of all entries without a topic.
    pub fn count(&self, topic: Option<&str>) -> usize {
        self.by_date(topic).map_or(0, |by_date| by_date.ranked.len())
    }

    fn by_date(&self, topic: Option<&str>) -> Option<&ByDate> {
        match topic {
            Some(slug) => self.topics.get(slug).map(|entries| &entries.by_date),
            None => Some(&self.all),
        }
    }

    /// Returns the months of a topic's entries, or of all entries without a topic, newest first, each
    /// with its number of entries.
    pub fn months(&self, topic: Option<&str>) -> impl Iterator<Item = (Month, usize)> {
        let months = self.by_date(topic).into_iter().flat_map(|by_date| by_date.months.iter().rev());
        months.map(|(month, count)| (*month, *count))
    }

    /// Returns the entries of one month, in order: a topic's, or all without a topic.
    pub fn month(&self, topic: Option<&str>, month: Month) -> impl Iterator<Item = &Arc<Entry>> {
        let newest = Ranked::before(month.last_second());
        let by_date = self.by_date(topic).into_iter();
        let ranked = by_date.flat_map(move |by_date| by_date.ranked.range(newest.clone()..));
        let of_month = ranked.take_while(move |ranked| ranked.month() == month);
        of_month.filter_map(|ranked| ranked.entry.as_ref())
    }

    /// Returns the slug, the name and the number of entries of every topic that has entries. Retired
    /// topics have no feed and are left out.
    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, &str, usize)> {
        let shown = self.topics.iter().filter(|(slug, _)| !self.hierarchy.is_retired(slug));
        shown.map(|(slug, entries)| {
            (slug, self.topic_name(slug).unwrap_or(slug), entries.by_date.ranked.len())
        })
    }

    /// Returns the displayed name of a topic: the configured one, else the most frequent spelling,
    /// and of equally frequent ones the smallest.
    pub fn topic_name(&self, slug: &str) -> Option<&str> {
        let configured = self.hierarchy.get(slug).map(|topic| &*topic.name);
        configured.or_else(|| self.topics.get(slug).map(TopicEntries::name))
    }

    /// Returns the slug and the number of entries of every type.
    pub fn types(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.types.iter().map(|(kind, count)| (kind, *count))
    }

    /// Returns the slug and the displayed name of every topic that has entries.
    pub fn topic_names(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.topics.keys().map(|slug| (slug, self.topic_name(slug).unwrap_or(slug)))
    }
}

impl ByDate {
    /// Applies changes and returns the affected months.
    fn apply<'a>(&mut self, changes: impl Iterator<Item = &'a EntryChange> + Clone) -> BTreeSet<Month> {
        let by_month = changes.clone().map(|change| (change, Month::of(change.entry().published)));
        let months = update_counts(&mut self.months, by_month);
        for change in changes {
            let ranked = Ranked::of(change.entry());
            match change {
                EntryChange::Remove(_) => self.ranked.remove(&ranked),
                EntryChange::Insert(_) => self.ranked.insert(ranked),
            };
        }
        months
    }
}

impl TopicEntries {
    /// Updates the number of uses of each spelling.
    fn count_spellings(&mut self, slug: &str, changes: &[&EntryChange]) {
        let spellings = changes.iter().filter_map(|change| {
            let topic = change.entry().topics.iter().find(|topic| *topic.slug == *slug)?;
            Some((*change, topic.name.clone()))
        });
        update_counts(&mut self.spellings, spellings);
    }

    fn name(&self) -> &str {
        let most = self.spellings.iter().max_by_key(|(name, count)| (**count, Reverse(*name)));
        most.map_or("", |(name, _)| name)
    }
}
