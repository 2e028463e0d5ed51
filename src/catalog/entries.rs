//! The entries that are shown, in the order of feeds: a value, of which many may be held as they
//! were at many instants, since those share all but what changed between them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use rayon::prelude::*;

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
    pub topics: Arc<[Topic]>,
    /// The slugs of the topics in whose feeds it is: its own and their ancestors, sorted.
    pub within: Box<[Arc<str>]>,
}

impl Entry {
    /// When the entry last changed.
    pub fn updated(&self) -> Timestamp {
        self.record.updated.unwrap_or(self.published).max(self.published)
    }

    /// Whether it is in the feed of a topic.
    pub fn is_within(&self, slug: &str) -> bool {
        self.within.iter().any(|within| **within == *slug)
    }
}

/// What happens to an entry.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// It is not shown any more, or not as it was.
    Withdraw(Arc<Entry>),
    /// It is shown from now on.
    Show(Arc<Entry>),
}

impl Turn {
    fn entry(&self) -> &Arc<Entry> {
        match self {
            Self::Withdraw(entry) | Self::Show(entry) => entry,
        }
    }
}

/// Counts entries by something that they have: as many of each as came, less those that went. Tells what they
/// had, whether there are as many of it as before or not.
fn count<'a, K: Ord + Clone>(
    counts: &mut OrdMap<K, usize>,
    turns: impl Iterator<Item = (&'a Turn, K)>,
) -> BTreeSet<K> {
    let mut changes: BTreeMap<K, isize> = BTreeMap::new();
    for (turn, key) in turns {
        *changes.entry(key).or_default() += match turn {
            Turn::Show(_) => 1,
            Turn::Withdraw(_) => -1,
        };
    }
    for (key, change) in &changes {
        match counts.get(key).copied().unwrap_or_default().saturating_add_signed(*change) {
            0 => counts.remove(key),
            count => counts.insert(key.clone(), count),
        };
    }
    changes.into_keys().collect()
}

/// The months whose entries a change may have changed, by feed.
#[derive(Debug, Default, PartialEq)]
pub struct Touched {
    /// In the feed of all entries, and so in any.
    pub all: BTreeSet<Month>,
    /// In the feed of each topic, by slug.
    pub topics: BTreeMap<Arc<str>, BTreeSet<Month>>,
    /// The entries that changed, as they were and as they are.
    pub entries: Vec<Arc<Entry>>,
}

impl Touched {
    /// Whether no feed can have changed.
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

/// An entry at its place in every feed that it is in: newest first, then by id. Without an entry, the
/// place before all that were published at an instant.
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

/// The entries that are shown at one instant, and what their topics are called. A clone costs next
/// to nothing.
#[derive(Debug, Default, Clone)]
pub struct Entries {
    hierarchy: Arc<Topics>,
    all: ByDate,
    topics: OrdMap<Arc<str>, TopicEntries>,
    /// How many there are of each type, by its slug.
    types: OrdMap<Arc<str>, usize>,
    hash: u128,
}

/// Entries in the order of feeds, and how many there are of each month.
#[derive(Debug, Default, Clone)]
struct ByDate {
    ranked: OrdSet<Ranked>,
    months: OrdMap<Month, usize>,
}

#[derive(Debug, Default, Clone)]
struct TopicEntries {
    by_date: ByDate,
    /// How many entries spell it how.
    spellings: OrdMap<Arc<str>, usize>,
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

    /// Takes the turns in their order. What they touch is each entry, in each feed that it is or was
    /// in, and whatever names a topic that is called something else now.
    pub(crate) fn update(&mut self, turns: &[Turn]) -> Touched {
        if turns.is_empty() {
            return Touched::default();
        }
        // The feed of everything takes as long as all others, and as all else that is to be done.
        let (all, (topics, entries)) = rayon::join(
            || self.all.take_turns(turns.iter()),
            || {
                let mut by_topic: HashMap<&Arc<str>, Vec<&Turn>> = HashMap::new();
                for turn in turns {
                    let entry = turn.entry();
                    for slug in &entry.within {
                        by_topic.entry(slug).or_default().push(turn);
                    }
                    self.hash = match turn {
                        Turn::Show(_) => self.hash.wrapping_add(entry.record.hash),
                        Turn::Withdraw(_) => self.hash.wrapping_sub(entry.record.hash),
                    };
                }
                let kind = |turn: &Turn| turn.entry().record.facets.kind.clone();
                count(&mut self.types, turns.iter().filter_map(|turn| Some((turn, kind(turn)?))));
                let entries = turns.iter().map(|turn| turn.entry().clone()).collect();
                let work: Vec<_> = by_topic
                    .into_iter()
                    .map(|(slug, turns)| (slug, self.topics.remove(slug).unwrap_or_default(), turns))
                    .collect();
                let topics = work.into_par_iter().map(|(slug, mut topic, turns)| {
                    let before = topic.name().to_owned();
                    let months = topic.by_date.take_turns(turns.iter().copied());
                    topic.spell(slug, &turns);
                    (slug, months, before, topic)
                });
                (topics.collect::<Vec<_>>(), entries)
            },
        );
        let mut touched = Touched { all, entries, ..Touched::default() };
        let mut renamed = Vec::new();
        for (slug, months, before, topic) in topics {
            touched.topics.insert(slug.clone(), months);
            if topic.by_date.ranked.is_empty() {
                continue;
            }
            if !before.is_empty() && before != topic.name() && self.hierarchy.get(slug).is_none() {
                renamed.push(slug);
            }
            self.topics.insert(slug.clone(), topic);
        }
        for slug in renamed {
            self.topic(slug).for_each(|entry| touched.add(entry));
        }
        touched
    }

    /// A hash of what is shown: equal for equal seeds at equal instants.
    pub fn hash(&self) -> u128 {
        self.hash
    }

    /// All entries, in order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.all.ranked.iter().filter_map(|ranked| ranked.entry.as_ref())
    }

    /// The entries of a topic, in order.
    pub fn topic(&self, slug: &str) -> impl Iterator<Item = &Arc<Entry>> {
        let ranked = self.by_date(Some(slug)).into_iter().flat_map(|by_date| by_date.ranked.iter());
        ranked.filter_map(|ranked| ranked.entry.as_ref())
    }

    /// How many entries a topic has, or how many there are if none is given.
    pub fn count(&self, topic: Option<&str>) -> usize {
        self.by_date(topic).map_or(0, |by_date| by_date.ranked.len())
    }

    fn by_date(&self, topic: Option<&str>) -> Option<&ByDate> {
        match topic {
            Some(slug) => self.topics.get(slug).map(|entries| &entries.by_date),
            None => Some(&self.all),
        }
    }

    /// The months of a topic's entries, or of all entries if none is given, the newest first, and how
    /// many there are of each.
    pub fn months(&self, topic: Option<&str>) -> impl Iterator<Item = (Month, usize)> {
        let months = self.by_date(topic).into_iter().flat_map(|by_date| by_date.months.iter().rev());
        months.map(|(month, count)| (*month, *count))
    }

    /// The entries of one month, in order: a topic's, or all if none is given.
    pub fn month(&self, topic: Option<&str>, month: Month) -> impl Iterator<Item = &Arc<Entry>> {
        let newest = Ranked::before(month.last_second());
        let by_date = self.by_date(topic).into_iter();
        let ranked = by_date.flat_map(move |by_date| by_date.ranked.range(newest.clone()..));
        let of_month = ranked.take_while(move |ranked| ranked.month() == month);
        of_month.filter_map(|ranked| ranked.entry.as_ref())
    }

    /// Every topic with an entry: its slug, its name, and how many entries. A retired one has no
    /// feed, and is not among them.
    pub fn topics(&self) -> impl Iterator<Item = (&Arc<str>, &str, usize)> {
        let shown = self.topics.iter().filter(|(slug, _)| !self.hierarchy.is_retired(slug));
        shown.map(|(slug, entries)| {
            (slug, self.topic_name(slug).unwrap_or(slug), entries.by_date.ranked.len())
        })
    }

    /// What a topic is called: as the configuration says, else as it is spelled most often; the
    /// smallest spelling, if several are.
    pub fn topic_name(&self, slug: &str) -> Option<&str> {
        let configured = self.hierarchy.get(slug).map(|topic| &*topic.name);
        configured.or_else(|| self.topics.get(slug).map(TopicEntries::name))
    }

    /// Every type of an entry: its slug, and how many entries.
    pub fn types(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.types.iter().map(|(kind, count)| (kind, *count))
    }

    /// What every topic with an entry is called, by slug.
    pub fn topic_names(&self) -> impl Iterator<Item = (&Arc<str>, &str)> {
        self.topics.keys().map(|slug| (slug, self.topic_name(slug).unwrap_or(slug)))
    }
}

impl ByDate {
    /// Puts entries at their places and takes them away, and tells in which months.
    fn take_turns<'a>(&mut self, turns: impl Iterator<Item = &'a Turn> + Clone) -> BTreeSet<Month> {
        let by_month = turns.clone().map(|turn| (turn, Month::of(turn.entry().published)));
        let months = count(&mut self.months, by_month);
        for turn in turns {
            let at = Ranked::of(turn.entry());
            match turn {
                Turn::Withdraw(_) => self.ranked.remove(&at),
                Turn::Show(_) => self.ranked.insert(at),
            };
        }
        months
    }
}

impl TopicEntries {
    /// Counts how the topic is spelled.
    fn spell(&mut self, slug: &str, turns: &[&Turn]) {
        let spelt = turns.iter().filter_map(|turn| {
            let topic = turn.entry().topics.iter().find(|topic| *topic.slug == *slug)?;
            Some((*turn, topic.name.clone()))
        });
        count(&mut self.spellings, spelt);
    }

    fn name(&self) -> &str {
        let most = self.spellings.iter().max_by_key(|(name, count)| (**count, Reverse(*name)));
        most.map_or("", |(name, _)| name)
    }
}
