//! Feeds: the entries of one selection, in order, and the documents that carry them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::catalog::{Entries, Entry};
use crate::config::criteria::Criteria;
use crate::config::{Config, ContentLength, SelectionSettings, TopicSettings};
use crate::seed::{Month, Packed, Record, Timestamp, Topic};
use crate::text::slug;

/// What picks the entries of a feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Every entry.
    All,
    /// The entries of the topic with this slug, and of its descendants.
    Topic(Arc<str>),
    /// The entries of the selection with this name in the configuration.
    Named(Arc<str>),
    /// The entries that a query in the address picks, in its canonical spelling.
    Query(Arc<str>),
}

impl Selection {
    /// The path of the feed of everything, without the ending of a format.
    pub const ALL: &str = "all";

    /// The path of the feed that a subscription document belongs to: `topics/ai` of
    /// `topics/ai.atom`. None if it belongs to none.
    pub fn path_at(path: &str) -> Option<&str> {
        let (feed, _) = path.rsplit_once('.')?;
        let is_feed = feed == Self::ALL || feed.starts_with("topics/") || feed.starts_with("selections/");
        is_feed.then_some(feed)
    }

    /// The selection whose feed has a path, without the ending of a format.
    pub fn at(path: &str) -> Option<Self> {
        match path.split_once('/') {
            None if path == Self::ALL => Some(Self::All),
            Some((_, name)) if name.is_empty() || name.contains('/') => None,
            Some(("topics", slug)) => Some(Self::Topic(slug.into())),
            Some(("selections", name)) => Some(Self::Named(name.into())),
            _ => None,
        }
    }

    /// The path of the feed, without the ending of a format: `all`, `topics/SLUG`.
    pub fn path(&self) -> String {
        match self {
            Self::All | Self::Query(_) => Self::ALL.to_owned(),
            Self::Topic(slug) => format!("topics/{slug}"),
            Self::Named(name) => format!("selections/{name}"),
        }
    }
}

/// One document of a feed: the entries of a selection, or of a month of it, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// What picked them.
    pub selection: Selection,
    /// What it says of itself.
    pub about: About,
    /// The month whose entries these are, if this is an archive document (RFC 5005 §4).
    pub archive: Option<Month>,
    /// The archive document with the entries before these, or, of a subscription document, with
    /// the newest.
    pub prev_archive: Option<Month>,
    /// The archive document with the entries after these.
    pub next_archive: Option<Month>,
    /// Every month with an archive document, the newest first, if this is the subscription document:
    /// what an archive document says changes with its own entries and its neighbours alone.
    pub archives: Arc<[Month]>,
    /// The topics around its topic.
    pub family: Family,
    /// What else could be picked, if readers choose.
    pub choices: Option<Choices>,
    /// The entries.
    pub entries: Vec<Shown>,
    /// What the topics of the entries are called, by slug.
    names: BTreeMap<Arc<str>, Arc<str>>,
}

/// An entry as a document shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// The best of its records.
    pub record: Arc<Record>,
    /// When it was published.
    pub published: Timestamp,
    /// The topics of all its records.
    pub topics: Arc<[Topic]>,
    updated: Timestamp,
}

/// How a record is had whole, with its content.
pub type Unpack<'a> = dyn Fn(&Packed) -> Arc<Record> + 'a;

fn unpacked(record: &Packed) -> Arc<Record> {
    Arc::new(record.record())
}

impl Shown {
    fn of(entry: &Entry, unpack: &Unpack<'_>) -> Self {
        Self {
            record: unpack(&entry.record),
            published: entry.published,
            topics: entry.topics.clone(),
            updated: entry.updated(),
        }
    }

    /// When it last changed.
    pub fn updated(&self) -> Timestamp {
        self.updated
    }
}

/// What readers can choose of for a selection of their own, and what is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    /// The topics with most entries and those that are chosen, by name: slug, name, number of entries.
    pub topics: Vec<(Arc<str>, String, usize)>,
    /// Every type, by its slug, and its number of entries.
    pub types: Vec<(Arc<str>, usize)>,
    /// What is chosen.
    pub chosen: Criteria,
}

/// Most topics to choose of: more are for those who know their names.
const MOST_CHOICES: usize = 60;

impl Choices {
    fn of(entries: &Entries, chosen: &Criteria) -> Self {
        let mut topics: Vec<_> = entries.topics().collect();
        topics.sort_by_key(|(slug, _, count)| (!chosen.any.contains(*slug), Reverse(*count)));
        topics.truncate(MOST_CHOICES.max(chosen.any.len()));
        topics.sort_by_cached_key(|(_, name, _)| name.to_lowercase());
        Self {
            topics: topics
                .into_iter()
                .map(|(slug, name, count)| (slug.clone(), name.to_owned(), count))
                .collect(),
            types: entries.types().map(|(kind, count)| (kind.clone(), count)).collect(),
            chosen: chosen.clone(),
        }
    }
}

/// How much a feed has, and when it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many entries.
    pub entries: usize,
    /// When the newest was published.
    pub newest: Option<Timestamp>,
    /// How many of each month, the newest first, and no more months than are told of.
    months: Vec<(Month, usize)>,
}

impl Tally {
    fn of(entries: usize, newest: Option<&Arc<Entry>>, months: impl Iterator<Item = (Month, usize)>) -> Self {
        let newest = newest.map(|entry| entry.published);
        Self { entries, newest, months: months.take(RECENT).collect() }
    }

    /// How many entries came in each of the two years' months that end with a month, the first one first.
    pub fn months_until(&self, last: Month) -> [usize; RECENT] {
        let mut months = [0; RECENT];
        for (month, count) in &self.months {
            let place =
                usize::try_from(last.since(*month)).ok().and_then(|ago| (RECENT - 1).checked_sub(ago));
            if let Some(place) = place {
                months[place] = *count;
            }
        }
        months
    }
}

/// Months of which is told how much came.
const RECENT: usize = 24;

/// What a feed says of itself, beside what its publication says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it is called; the feed of everything is called what the publication is.
    pub name: Option<String>,
    /// What it is, in a sentence or two of plain text.
    pub description: Option<String>,
    /// Its picture: an absolute address.
    pub icon: Option<String>,
    /// Its language (RFC 5646), if it is not the publication's.
    pub language: Option<String>,
    /// How much of a record its entries show.
    pub content: ContentLength,
}

/// What the feed of a selection of the configuration says of itself.
pub fn about(config: &Config, entries: &Entries, selection: &SelectionSettings) -> About {
    described(About::of(config, selection), entries, &selection.criteria)
}

/// The same, with what criteria pick if it has no description.
fn described(about: About, entries: &Entries, criteria: &Criteria) -> About {
    let told = || Some(told(entries, criteria)).filter(|told| !told.is_empty());
    let description = about.description.or_else(|| told().map(|told| format!("A selection: {told}")));
    About { description, ..about }
}

impl About {
    fn of(config: &Config, selection: &SelectionSettings) -> Self {
        Self {
            name: Some(selection.title.clone()),
            description: selection.description.clone(),
            icon: selection.icon.clone(),
            language: selection.criteria.language.as_deref().map(str::to_owned),
            content: selection.content.unwrap_or(config.content),
        }
    }
}

impl Feed {
    /// What the topics of an entry are called, however it spells them itself.
    pub fn topic_names<'a>(&'a self, entry: &'a Shown) -> impl Iterator<Item = &'a str> {
        entry.topics.iter().map(|topic| &**self.names.get(&topic.slug).unwrap_or(&topic.name))
    }

    /// When the newest change of an entry was; none if there are no entries. A feed has no date of
    /// its own, so that equal entries make equal bytes.
    pub fn updated(&self) -> Option<Timestamp> {
        self.entries.iter().map(Shown::updated).max()
    }

    /// When the first of the entries expires.
    pub fn expiry(&self) -> Option<Timestamp> {
        self.entries.iter().filter_map(|entry| entry.record.expires).min()
    }

    /// When the newest entry was published.
    pub fn published(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.published).max()
    }
}

/// What criteria pick, for people.
fn told(entries: &Entries, criteria: &Criteria) -> String {
    criteria.in_words(|slug| entries.topic_name(slug).unwrap_or(slug).to_owned())
}

/// What criteria pick of entries, in their order.
fn picked(entries: &Entries, criteria: &Criteria, language: &str, now: Timestamp) -> Vec<Arc<Entry>> {
    let since = criteria.age.map(|hours| now - TimeDelta::hours(hours.into()));
    let young = |entry: &Entry| since.is_none_or(|since| entry.published > since);
    let providers = provider_slugs(criteria);
    let picks = |entry: &Entry| missed(criteria, &providers, entry, language).is_none();
    let young = entries.all().take_while(|entry| young(entry));
    let mut picked: Vec<_> = young.filter(|entry| picks(entry)).cloned().collect();
    if criteria.by_heat() {
        picked.sort_by(|a, b| b.record.heat.total_cmp(&a.record.heat));
    }
    picked
}

/// The slugs of the providers of criteria: what looks like a host may be a name with a dot in it.
fn provider_slugs(criteria: &Criteria) -> BTreeSet<Arc<str>> {
    criteria.providers.iter().map(|provider| slug(provider).into()).collect()
}

/// What an entry lacks to be picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// One of the topics, or all of them.
    Topic,
    /// It has a topic that is not wanted.
    Unwanted,
    /// The quality.
    Quality,
    /// The type.
    Type,
    /// The category.
    Category,
    /// The provider.
    Provider,
    /// The language.
    Language,
    /// The age.
    Age,
}

/// What an entry lacks for a selection of the configuration to pick it; none if it is picked.
pub fn lacks(
    config: &Config,
    selection: &SelectionSettings,
    entry: &Entry,
    now: Timestamp,
) -> Option<Missed> {
    let criteria = &selection.criteria;
    let too_old = criteria.age.is_some_and(|hours| entry.published <= now - TimeDelta::hours(hours.into()));
    missed(criteria, &provider_slugs(criteria), entry, &config.language).or(too_old.then_some(Missed::Age))
}

/// What an entry lacks to be picked, its age aside; the providers of these slugs are wanted, too.
/// What says nothing of its language has the publication's.
fn missed(
    criteria: &Criteria,
    provider_slugs: &BTreeSet<Arc<str>>,
    entry: &Entry,
    publication_language: &str,
) -> Option<Missed> {
    let (record, facets) = (&entry.record, &entry.record.facets);
    let within = |slugs: &BTreeSet<Arc<str>>| slugs.iter().filter(|slug| entry.is_within(slug)).count();
    let among = |slugs: &BTreeSet<Arc<str>>, facet: &Option<Arc<str>>| {
        facet.as_deref().is_some_and(|facet| slugs.contains(facet))
    };
    let named = |slugs: &BTreeSet<Arc<str>>, facet| slugs.is_empty() || among(slugs, facet);
    let spoken = |wanted: &str| {
        let language = facets.language.as_deref().unwrap_or(publication_language).to_ascii_lowercase();
        language.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if !(criteria.any.is_empty() || within(&criteria.any) > 0) || within(&criteria.all) < criteria.all.len() {
        Some(Missed::Topic)
    } else if within(&criteria.none) > 0 {
        Some(Missed::Unwanted)
    } else if criteria.min_quality.is_some_and(|lowest| record.quality < lowest) {
        Some(Missed::Quality)
    } else if !named(&criteria.types, &facets.kind) {
        Some(Missed::Type)
    } else if !named(&criteria.categories, &facets.category) {
        Some(Missed::Category)
    } else if !(named(&criteria.providers, &facets.host) || among(provider_slugs, &facets.provider)) {
        Some(Missed::Provider)
    } else if !criteria.language.as_deref().is_none_or(spoken) {
        Some(Missed::Language)
    } else {
        None
    }
}

/// All the documents of one selection's feed, which is what RFC 5005 §1.2 calls a logical feed: the
/// subscription document, and archive documents if it cannot hold every entry.
#[derive(Debug)]
pub struct LogicalFeed<'a> {
    selection: Selection,
    about: About,
    /// Most entries of the subscription document.
    limit: usize,
    /// Whether what the subscription document cannot hold is archived.
    archived: bool,
    /// How long an entry stays, if that is what picks entries.
    age: Option<TimeDelta>,
    all: &'a Entries,
    source: Source,
    family: Family,
    /// What is chosen, where readers choose.
    chosen: Option<Criteria>,
}

/// Where the entries of a feed come from.
#[derive(Debug)]
enum Source {
    /// All entries, or a topic's.
    Index(Option<Arc<str>>),
    /// Picked one by one.
    Picked(Vec<Arc<Entry>>),
}

impl<'a> LogicalFeed<'a> {
    /// The feed of everything.
    pub fn all(config: &Config, entries: &'a Entries) -> Self {
        let about =
            About { name: None, description: None, icon: None, language: None, content: config.content };
        let source = Source::Index(None);
        Self {
            selection: Selection::All,
            about,
            limit: config.entries,
            archived: config.archives,
            age: None,
            all: entries,
            source,
            family: Family::default(),
            chosen: Some(Criteria::default()),
        }
    }

    /// The feed of a topic. One without entries is an empty feed: those who subscribed to it when
    /// it had some are still there.
    pub fn topic(config: &Config, entries: &'a Entries, slug: &Arc<str>) -> Self {
        let topic = config.topics.get(slug);
        let name = entries.topic_name(slug).map_or_else(|| slug.replace('-', " "), str::to_owned);
        let about = About {
            name: Some(name),
            description: topic.and_then(|topic| topic.description.clone()),
            icon: topic.and_then(|topic| topic.icon.clone()),
            language: topic.and_then(|topic| topic.language.clone()),
            content: topic.and_then(|topic| topic.content).unwrap_or(config.content),
        };
        Self {
            selection: Selection::Topic(slug.clone()),
            about,
            limit: topic.and_then(|topic| topic.entries).unwrap_or(config.entries),
            archived: config.archives,
            age: None,
            all: entries,
            source: Source::Index(Some(slug.clone())),
            family: Family::of(config, slug),
            chosen: None,
        }
    }

    /// The feed of a selection of the configuration, at an instant.
    pub fn named(
        config: &Config,
        entries: &'a Entries,
        selection: &SelectionSettings,
        now: Timestamp,
    ) -> Self {
        let key = Selection::Named(selection.name.clone());
        Self::selected(config, entries, key, About::of(config, selection), &selection.criteria, now)
    }

    /// The feed of criteria in an address, at an instant.
    pub fn query(config: &Config, entries: &'a Entries, criteria: &Criteria, now: Timestamp) -> Self {
        let about = About {
            name: Some(told(entries, criteria)),
            description: None,
            icon: None,
            language: criteria.language.as_deref().map(str::to_owned),
            content: config.content,
        };
        let key = Selection::Query(criteria.query().into());
        let feed = Self::selected(config, entries, key, about, criteria, now);
        Self { archived: false, chosen: Some(criteria.clone()), ..feed }
    }

    fn selected(
        config: &Config,
        entries: &'a Entries,
        selection: Selection,
        about: About,
        criteria: &Criteria,
        now: Timestamp,
    ) -> Self {
        let picked = picked(entries, criteria, &config.language, now);
        Self {
            selection,
            about: described(about, entries, criteria),
            limit: criteria.entries.unwrap_or(config.entries),
            // What comes and goes, or has another order than that of months, is not archived.
            archived: config.archives && criteria.age.is_none() && !criteria.by_heat(),
            age: criteria.age.map(|hours| TimeDelta::hours(hours.into())),
            all: entries,
            source: Source::Picked(picked),
            family: Family::default(),
            chosen: None,
        }
    }

    /// What picks the entries.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// What it is called; none if it is called what the publication is.
    pub fn name(&self) -> Option<&str> {
        self.about.name.as_deref()
    }

    /// What each of its documents says of it.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Most entries of the document that people subscribe to.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        match &self.source {
            Source::Index(topic) => self.all.count(topic.as_deref()),
            Source::Picked(entries) => entries.len(),
        }
    }

    fn entries(&self) -> Box<dyn Iterator<Item = &Arc<Entry>> + '_> {
        match &self.source {
            Source::Index(Some(topic)) => Box::new(self.all.topic(topic)),
            Source::Index(None) => Box::new(self.all.all()),
            Source::Picked(entries) => Box::new(entries.iter()),
        }
    }

    /// The place of the entry with an id, from 1.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.entries().position(|entry| *entry.record.id == *id).map(|index| index + 1)
    }

    /// The first of the entries, which the document shows that people subscribe to.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries().take(self.limit)
    }

    /// The document that people subscribe to, with the first of the entries.
    pub fn subscription(&self) -> Feed {
        self.subscription_unpacked(&unpacked)
    }

    /// The same, with the records as somebody unpacks them.
    pub fn subscription_unpacked(&self, unpack: &Unpack<'_>) -> Feed {
        let entries: Vec<_> = self.shown().cloned().collect();
        let archives: Arc<[_]> = self.archives().into();
        Feed {
            prev_archive: archives.first().copied(),
            archives,
            choices: self.chosen.as_ref().map(|chosen| Choices::of(self.all, chosen)),
            ..self.document(&entries, unpack)
        }
    }

    /// The months with an archive document, the newest first; none if the subscription document
    /// holds every entry, or the feed is not archived. Together they hold every entry once.
    pub fn archives(&self) -> Vec<Month> {
        if !self.archived || self.count() <= self.limit {
            return Vec::new();
        }
        match &self.source {
            Source::Index(topic) => self.all.months(topic.as_deref()).map(|(month, _)| month).collect(),
            Source::Picked(entries) => {
                let months: BTreeSet<_> = entries.iter().map(|entry| Month::of(entry.published)).collect();
                months.into_iter().rev().collect()
            }
        }
    }

    /// The archive document at a place among [`LogicalFeed::archives`].
    pub fn archive(&self, archives: &[Month], place: usize) -> Feed {
        let month = archives[place];
        let entries: Vec<_> = match &self.source {
            Source::Index(topic) => self.all.month(topic.as_deref(), month).cloned().collect(),
            Source::Picked(entries) => {
                entries.iter().filter(|entry| Month::of(entry.published) == month).cloned().collect()
            }
        };
        Feed {
            archive: Some(month),
            prev_archive: archives.get(place + 1).copied(),
            next_archive: place.checked_sub(1).map(|newer| archives[newer]),
            ..self.document(&entries, &unpacked)
        }
    }

    fn document(&self, entries: &[Arc<Entry>], unpack: &Unpack<'_>) -> Feed {
        let entries: Vec<_> = entries.iter().map(|entry| Shown::of(entry, unpack)).collect();
        let slugs: BTreeSet<_> =
            entries.iter().flat_map(|entry| &*entry.topics).map(|topic| &topic.slug).collect();
        let name = |slug: &Arc<str>| self.all.topic_name(slug).map(Arc::from);
        let names = slugs.into_iter().filter_map(|slug| Some((slug.clone(), name(slug)?))).collect();
        Feed {
            selection: self.selection.clone(),
            about: self.about.clone(),
            archive: None,
            prev_archive: None,
            next_archive: None,
            archives: Arc::default(),
            family: self.family.clone(),
            choices: None,
            entries,
            names,
        }
    }

    /// How much it has, and when it came.
    pub fn tally(&self) -> Tally {
        match &self.source {
            Source::Index(Some(topic)) => {
                Tally::of(self.count(), self.all.topic(topic).next(), self.all.months(Some(topic)))
            }
            Source::Index(None) => Tally::of(self.count(), self.all.all().next(), self.all.months(None)),
            Source::Picked(entries) => {
                let mut months: BTreeMap<_, usize> = BTreeMap::new();
                for entry in entries {
                    *months.entry(Month::of(entry.published)).or_default() += 1;
                }
                let newest = entries.iter().max_by_key(|entry| entry.published);
                Tally::of(entries.len(), newest, months.into_iter().rev())
            }
        }
    }

    /// When the first of the entries that are [shown](Self::shown) is too old to stay, if age picks them.
    pub fn due(&self) -> Option<Timestamp> {
        self.shown().map(|entry| entry.published).min()?.checked_add_signed(self.age?)
    }
}

/// The topics around a topic, each with its name: all of them are in the configuration, and so they
/// are the same whatever the seeds say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// The topics above it, the topmost first.
    pub ancestors: Vec<(Selection, String)>,
    /// The topics right below it, by name.
    pub children: Vec<(Selection, String)>,
}

impl Family {
    fn of(config: &Config, slug: &Arc<str>) -> Self {
        let named = |topic: &TopicSettings| (Selection::Topic(topic.slug.clone()), topic.name.to_string());
        let ancestors = config.topics.ancestors(slug).filter_map(|slug| config.topics.get(slug));
        let ancestors = ancestors.filter(|topic| !topic.retired);
        let mut ancestors: Vec<_> = ancestors.map(named).collect();
        ancestors.reverse();
        let children = config.topics.iter().filter(|topic| topic.parent.as_ref() == Some(slug));
        let mut children: Vec<_> = children.filter(|topic| !topic.retired).map(named).collect();
        children.sort_by_cached_key(|(_, name)| name.to_lowercase());
        Self { ancestors, children }
    }
}

/// A feed in the list of all feeds, with those of the topics below it.
#[derive(Debug, Clone)]
pub struct Outline {
    /// What picks its entries.
    pub selection: Selection,
    /// What it says of itself.
    pub about: About,
    /// How much it has.
    pub tally: Tally,
    /// The feeds of its topic's children.
    pub children: Vec<Outline>,
}

/// Every feed, nested as the topics are: the feed of everything, these topics' by name, and the
/// selections', of which it is known how much they have.
pub fn outlines<'a>(
    config: &Config,
    entries: &Entries,
    topics: impl Iterator<Item = &'a Arc<str>>,
    selections: &BTreeMap<Arc<str>, Tally>,
) -> Vec<Outline> {
    let listed: BTreeSet<&Arc<str>> = topics.collect();
    let mut below: BTreeMap<Option<&Arc<str>>, Vec<&Arc<str>>> = BTreeMap::new();
    for &slug in &listed {
        let parent = config.topics.ancestors(slug).find(|ancestor| listed.contains(ancestor));
        below.entry(parent).or_default().push(slug);
    }
    let outline = |feed: LogicalFeed<'_>, children| Outline {
        tally: feed.tally(),
        selection: feed.selection,
        about: feed.about,
        children,
    };
    let everything = outline(LogicalFeed::all(config, entries), Vec::new());
    let topics = outlines_below(None, &below, &|slug, children| {
        outline(LogicalFeed::topic(config, entries, slug), children)
    });
    let selections = config.selections.iter().map(|selection| Outline {
        selection: Selection::Named(selection.name.clone()),
        about: About::of(config, selection),
        tally: selections.get(&selection.name).cloned().unwrap_or_default(),
        children: Vec::new(),
    });
    [everything].into_iter().chain(topics).chain(selections).collect()
}

fn outlines_below(
    parent: Option<&Arc<str>>,
    below: &BTreeMap<Option<&Arc<str>>, Vec<&Arc<str>>>,
    outline: &impl Fn(&Arc<str>, Vec<Outline>) -> Outline,
) -> Vec<Outline> {
    let children = below.get(&parent).into_iter().flatten();
    let mut outlines: Vec<_> =
        children.map(|&slug| outline(slug, outlines_below(Some(slug), below, outline))).collect();
    outlines.sort_by_cached_key(|outline| outline.about.name.as_deref().map(str::to_lowercase));
    outlines
}
