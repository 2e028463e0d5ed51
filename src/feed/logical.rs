//! A whole feed: its subscription document and its archive documents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use crate::catalog::{Entries, Entry};
use crate::config::criteria::Criteria;
use crate::config::{Config, SelectionSettings};
use crate::feed::about::{About, describe, described};
use crate::feed::choices::Choices;
use crate::feed::document::{FeedDocument, ShownEntry, Unpack};
use crate::feed::matching::matching;
use crate::feed::selection::Selection;
use crate::feed::tally::Tally;
use crate::feed::topic_links::TopicLinks;
use crate::seed::{Month, PackedRecord, Record, Timestamp};

/// The feed of one selection: a subscription document, and archive documents if that cannot hold
/// every entry. RFC 5005 §1.2 calls it a logical feed.
#[derive(Debug)]
pub struct LogicalFeed<'a> {
    selection: Selection,
    about: About,
    /// The maximum number of entries in the subscription document.
    limit: usize,
    /// Set if entries beyond the limit are archived.
    archived: bool,
    /// The age at which entries leave the feed, if the selection has one.
    age: Option<TimeDelta>,
    all: &'a Entries,
    source: EntrySource,
    topic_links: TopicLinks,
    /// The current choice, in feeds whose page has a form for other selections.
    chosen: Option<Criteria>,
}

/// The source of a feed's entries.
#[derive(Debug)]
enum EntrySource {
    /// The index of all entries, or of a topic's.
    Index(Option<Arc<str>>),
    /// A list of matching entries.
    Matching(Vec<Arc<Entry>>),
}

fn unpack(record: &PackedRecord) -> Arc<Record> {
    Arc::new(record.record())
}

impl<'a> LogicalFeed<'a> {
    /// Returns the feed of all entries.
    pub fn all(config: &Config, entries: &'a Entries) -> Self {
        let about =
            About { name: None, description: None, icon: None, language: None, content: config.content };
        let source = EntrySource::Index(None);
        Self {
            selection: Selection::All,
            about,
            limit: config.entries,
            archived: config.archives,
            age: None,
            all: entries,
            source,
            topic_links: TopicLinks::default(),
            chosen: Some(Criteria::default()),
        }
    }

    /// Returns the feed of a topic. A topic without entries has an empty feed, since it may have had
    /// subscribers before.
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
            source: EntrySource::Index(Some(slug.clone())),
            topic_links: TopicLinks::of(config, slug),
            chosen: None,
        }
    }

    /// Returns the feed of a configured selection at an instant.
    pub fn named(
        config: &Config,
        entries: &'a Entries,
        selection: &SelectionSettings,
        now: Timestamp,
    ) -> Self {
        let about = About::of(config, selection);
        let named = Selection::Named(selection.name.clone());
        Self::selected(config, entries, named, about, &selection.criteria, now)
    }

    /// Returns the feed of the criteria in an address at an instant.
    pub fn query(config: &Config, entries: &'a Entries, criteria: &Criteria, now: Timestamp) -> Self {
        let about = About {
            name: Some(describe(entries, criteria)),
            description: None,
            icon: None,
            language: criteria.language.as_deref().map(str::to_owned),
            content: config.content,
        };
        let query = Selection::Query(criteria.query().into());
        let feed = Self::selected(config, entries, query, about, criteria, now);
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
        let matching = matching(entries, criteria, &config.language, now);
        Self {
            selection,
            about: described(about, entries, criteria),
            limit: criteria.entries.unwrap_or(config.entries),
            // Archives need entries that stay, in order of publication.
            archived: config.archives && criteria.age.is_none() && !criteria.by_heat(),
            age: criteria.age.map(|hours| TimeDelta::hours(hours.into())),
            all: entries,
            source: EntrySource::Matching(matching),
            topic_links: TopicLinks::default(),
            chosen: None,
        }
    }

    /// Returns the selection.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Returns the name, or `None` for the feed of all entries.
    pub fn name(&self) -> Option<&str> {
        self.about.name.as_deref()
    }

    /// Returns the metadata.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Returns the maximum number of entries in the subscription document.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the number of entries.
    pub fn count(&self) -> usize {
        match &self.source {
            EntrySource::Index(topic) => self.all.count(topic.as_deref()),
            EntrySource::Matching(entries) => entries.len(),
        }
    }

    fn entries(&self) -> Box<dyn Iterator<Item = &Arc<Entry>> + '_> {
        match &self.source {
            EntrySource::Index(Some(topic)) => Box::new(self.all.topic(topic)),
            EntrySource::Index(None) => Box::new(self.all.all()),
            EntrySource::Matching(entries) => Box::new(entries.iter()),
        }
    }

    /// Returns the position of the entry with an id, counted from 1.
    pub fn place(&self, id: &str) -> Option<usize> {
        self.entries().position(|entry| *entry.record.id == *id).map(|index| index + 1)
    }

    /// Returns the entries in the subscription document.
    pub fn shown(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries().take(self.limit)
    }

    /// Returns the subscription document.
    pub fn subscription(&self) -> FeedDocument {
        self.subscription_unpacked(&unpack)
    }

    /// Returns the subscription document, with records from an unpacking function.
    pub fn subscription_unpacked(&self, unpack: &Unpack<'_>) -> FeedDocument {
        let entries: Vec<_> = self.shown().cloned().collect();
        let archives: Arc<[_]> = self.archives().into();
        FeedDocument {
            prev_archive: archives.first().copied(),
            archives,
            choices: self.chosen.as_ref().map(|chosen| Choices::of(self.all, chosen)),
            ..self.document(&entries, unpack)
        }
    }

    /// Returns the months with an archive document, newest first. Together, the archive documents
    /// contain every entry once. There are none if the subscription document contains every entry, or if
    /// the feed is not archived.
    pub fn archives(&self) -> Vec<Month> {
        if !self.archived || self.count() <= self.limit {
            return Vec::new();
        }
        match &self.source {
            EntrySource::Index(topic) => self.all.months(topic.as_deref()).map(|(month, _)| month).collect(),
            EntrySource::Matching(entries) => {
                let months: BTreeSet<_> = entries.iter().map(|entry| Month::of(entry.published)).collect();
                months.into_iter().rev().collect()
            }
        }
    }

    /// Returns the archive document of one of the [archived months](Self::archives), given its index.
    pub fn archive(&self, archives: &[Month], index: usize) -> FeedDocument {
        let month = archives[index];
        let entries: Vec<_> = match &self.source {
            EntrySource::Index(topic) => self.all.month(topic.as_deref(), month).cloned().collect(),
            EntrySource::Matching(entries) => {
                entries.iter().filter(|entry| Month::of(entry.published) == month).cloned().collect()
            }
        };
        FeedDocument {
            archive: Some(month),
            prev_archive: archives.get(index + 1).copied(),
            next_archive: index.checked_sub(1).map(|newer| archives[newer]),
            ..self.document(&entries, &unpack)
        }
    }

    fn document(&self, entries: &[Arc<Entry>], unpack: &Unpack<'_>) -> FeedDocument {
        let entries: Vec<_> = entries.iter().map(|entry| ShownEntry::of(entry, unpack)).collect();
        let slugs: BTreeSet<_> =
            entries.iter().flat_map(|entry| &*entry.topics).map(|topic| &topic.slug).collect();
        let name = |slug: &Arc<str>| self.all.topic_name(slug).map(Arc::from);
        let topic_names = slugs.into_iter().filter_map(|slug| Some((slug.clone(), name(slug)?))).collect();
        FeedDocument {
            selection: self.selection.clone(),
            about: self.about.clone(),
            archive: None,
            prev_archive: None,
            next_archive: None,
            archives: Arc::default(),
            topic_links: self.topic_links.clone(),
            choices: None,
            entries,
            topic_names,
        }
    }

    /// Counts the entries, in total and by month.
    pub fn tally(&self) -> Tally {
        match &self.source {
            EntrySource::Index(Some(topic)) => {
                Tally::of(self.count(), self.all.topic(topic).next(), self.all.months(Some(topic)))
            }
            EntrySource::Index(None) => Tally::of(self.count(), self.all.all().next(), self.all.months(None)),
            EntrySource::Matching(entries) => {
                let mut months: BTreeMap<_, usize> = BTreeMap::new();
                for entry in entries {
                    *months.entry(Month::of(entry.published)).or_default() += 1;
                }
                let newest = entries.iter().max_by_key(|entry| entry.published);
                Tally::of(entries.len(), newest, months.into_iter().rev())
            }
        }
    }

    /// Returns the time at which the first of the [shown](Self::shown) entries reaches the maximum age, if
    /// the selection has one.
    pub fn due(&self) -> Option<Timestamp> {
        self.shown().map(|entry| entry.published).min()?.checked_add_signed(self.age?)
    }
}
