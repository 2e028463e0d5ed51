//! The entries that are shown, in the order of feeds: a value, of which many may be held as they
//! were at many instants, since those share all but what changed between them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;
use imbl::OrdMap;

use crate::config::Topics;
use crate::seed::{Month, Packed, Timestamp, Topic};

/// One element of a feed: what is shown of all the records that have the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The best of the records: highest quality, then newest, then smallest path.
    pub record: Arc<Packed>,
    /// When it was published.
    pub published: Timestamp,
    /// The topics of all the records, each slug once, those of the best record first.
    pub topics: Vec<Topic>,
    /// The slugs of the topics in whose feeds it is: its own and their ancestors.
    pub within: BTreeSet<Arc<str>>,
}

impl Entry {
    /// When the entry last changed.
    pub fn updated(&self) -> Timestamp {
        self.record.updated.unwrap_or(self.published).max(self.published)
    }
}

/// The place of an entry in every feed that it is in: newest first, then by id.
type Rank = (Reverse<Timestamp>, Arc<str>);

/// Entries in the order of feeds.
type Ranked = OrdMap<Rank, Arc<Entry>>;

/// The entries that are shown at one instant, and what their topics are called. A clone costs next
/// to nothing.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    hierarchy: Arc<Topics>,
    all: Ranked,
    topics: OrdMap<Arc<str>, TopicEntries>,
}

#[derive(Debug, Default, Clone)]
struct TopicEntries {
    ranks: Ranked,
    spellings: BTreeMap<Arc<str>, usize>,
}

fn rank(entry: &Entry) -> Rank {
    (Reverse(entry.published), entry.record.id.clone())
}

impl Entries {
    /// No entries, of topics that are arranged in some way.
    pub fn new(hierarchy: Arc<Topics>) -> Self {
        Self { hierarchy, ..Self::default() }
    }

    /// How topics are arranged.
    pub fn hierarchy(&self) -> &Topics {
        &self.hierarchy
    }

    /// Puts an entry into the feeds that it belongs to.
    pub(crate) fn show(&mut self, entry: &Arc<Entry>) {
        let rank = rank(entry);
        for slug in &entry.within {
            self.topics.entry(slug.clone()).or_default().ranks.insert(rank.clone(), entry.clone());
        }
        for topic in &entry.topics {
            let entries = self.topics.entry(topic.slug.clone()).or_default();
            *entries.spellings.entry(topic.name.clone()).or_default() += 1;
        }
        self.all.insert(rank, entry.clone());
    }

    /// Takes an entry out of the feeds that it is in.
    pub(crate) fn withdraw(&mut self, entry: &Entry) {
        let rank = rank(entry);
        for topic in &entry.topics {
            let Some(entries) = self.topics.get_mut(&topic.slug) else { continue };
            if let Some(spelled) = entries.spellings.get_mut(&topic.name) {
                *spelled -= 1;
                if *spelled == 0 {
                    entries.spellings.remove(&topic.name);
                }
            }
        }
        for slug in &entry.within {
            let Some(entries) = self.topics.get_mut(slug) else { continue };
            entries.ranks.remove(&rank);
            if entries.ranks.is_empty() {
                self.topics.remove(slug);
            }
        }
        self.all.remove(&rank);
    }

    /// All entries, in order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.all.values()
    }

    /// The entries of a topic, in order.
    pub fn topic(&self, slug: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.ranked(Some(slug)).into_iter().flat_map(OrdMap::values)
    }

    /// How many entries a topic has, or how many there are if none is given.
    pub fn count(&self, topic: Option<&str>) -> usize {
        self.ranked(topic).map_or(0, OrdMap::len)
    }

    fn ranked(&self, topic: Option<&str>) -> Option<&Ranked> {
        match topic {
            Some(slug) => self.topics.get(slug).map(|entries| &entries.ranks),
            None => Some(&self.all),
        }
    }

    /// The months of a topic's entries, or of all entries if none is given, the newest first.
    pub fn months(&self, topic: Option<&str>) -> Vec<Month> {
        let Some(ranked) = self.ranked(topic) else { return Vec::new() };
        let month_of = |(rank, _): (&Rank, _)| Month::of(rank.0.0);
        let before = |month: Month| {
            let rank = (Reverse(month.first_second() - TimeDelta::seconds(1)), Arc::from(""));
            ranked.range(rank..).next().map(month_of)
        };
        std::iter::successors(ranked.iter().next().map(month_of), |month| before(*month)).collect()
    }

    /// The entries of one month, in order: a topic's, or all if none is given.
    pub fn month(&self, topic: Option<&str>, month: Month) -> impl Iterator<Item = &Arc<Entry>> {
        let newest = (Reverse(month.last_second()), Arc::from(""));
        let entries = self.ranked(topic).into_iter().flat_map(move |ranked| ranked.range(newest.clone()..));
        entries.map(|(_, entry)| entry).take_while(move |entry| Month::of(entry.published) == month)
    }

    /// Every topic with an entry: its slug, its name, and how many entries. A retired one has no
    /// feed, and is not among them.
    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, &str, usize)> {
        let shown = self.topics.iter().filter(|(slug, _)| !self.hierarchy.is_retired(slug));
        shown.map(|(slug, entries)| (slug, self.topic_name(slug).unwrap_or(slug), entries.ranks.len()))
    }

    /// What a topic is called: as the configuration says, else as it is spelled most often; the
    /// smallest spelling, if several are.
    pub fn topic_name(&self, slug: &str) -> Option<&str> {
        let configured = self.hierarchy.get(slug).map(|topic| &*topic.name);
        configured.or_else(|| self.topics.get(slug).map(TopicEntries::name))
    }

    /// What every topic with an entry is called, by slug.
    pub fn topic_names(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.topics.keys().map(|slug| (slug, self.topic_name(slug).unwrap_or(slug)))
    }
}

impl TopicEntries {
    fn name(&self) -> &str {
        let most = self.spellings.iter().max_by_key(|(name, count)| (**count, Reverse(*name)));
        most.map_or("", |(name, _)| name)
    }
}
