//! One document of a feed.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Entry;
use crate::feed::about::About;
use crate::feed::choices::Choices;
use crate::feed::selection::Selection;
use crate::feed::topic_links::TopicLinks;
use crate::seed::{Month, PackedRecord, Record, Timestamp, Topic};

/// One document of a feed: the newest entries of a selection, or those of one month, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedDocument {
    /// The selection.
    pub selection: Selection,
    /// The metadata.
    pub about: About,
    /// The month of an archive document (RFC 5005 §4).
    pub archive: Option<Month>,
    /// The archive document before this one. In a subscription document, the newest archive document.
    pub prev_archive: Option<Month>,
    /// The archive document after this one.
    pub next_archive: Option<Month>,
    /// Every month with an archive document, newest first. Empty in archive documents, which change
    /// only with their own entries and their neighbours.
    pub archives: Arc<[Month]>,
    /// The topics above and below the feed's topic.
    pub topic_links: TopicLinks,
    /// The form for other selections, on pages that offer one.
    pub choices: Option<Choices>,
    /// The entries.
    pub entries: Vec<ShownEntry>,
    /// The displayed names of the entries' topics, by slug.
    pub(super) topic_names: BTreeMap<Arc<str>, Arc<str>>,
}

/// An entry in a document, with its whole record.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownEntry {
    /// The best of the entry's records.
    pub record: Arc<Record>,
    /// The time of publication.
    pub published: Timestamp,
    /// The topics of all records of the entry.
    pub topics: Arc<[Topic]>,
    updated: Timestamp,
}

/// A function that unpacks a record, with its content.
pub type Unpack<'a> = dyn Fn(&PackedRecord) -> Arc<Record> + 'a;

impl ShownEntry {
    pub(super) fn of(entry: &Entry, unpack: &Unpack<'_>) -> Self {
        Self {
            record: unpack(&entry.record),
            published: entry.published,
            topics: entry.topics.clone(),
            updated: entry.updated(),
        }
    }

    /// Returns the time of the last change.
    pub fn updated(&self) -> Timestamp {
        self.updated
    }
}

impl FeedDocument {
    /// Returns the displayed names of an entry's topics.
    pub fn topic_names<'a>(&'a self, entry: &'a ShownEntry) -> impl Iterator<Item = &'a str> {
        entry.topics.iter().map(|topic| &**self.topic_names.get(&topic.slug).unwrap_or(&topic.name))
    }

    /// Returns the time of the newest change of an entry, or `None` without entries. A feed has no date
    /// of its own, so that equal entries make equal bytes.
    pub fn updated(&self) -> Option<Timestamp> {
        self.entries.iter().map(ShownEntry::updated).max()
    }

    /// Returns the time at which the first of the entries expires.
    pub fn expiry(&self) -> Option<Timestamp> {
        self.entries.iter().filter_map(|entry| entry.record.expires).min()
    }

    /// Returns the publication time of the newest entry.
    pub fn published(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.published).max()
    }
}
