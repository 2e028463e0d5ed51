//! One entry of a feed.

use std::sync::Arc;

use crate::seed::{PackedRecord, Timestamp, Topic};

/// One element of a feed, made of all the shown records that have the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The best of the records: highest quality, then newest, then smallest path.
    pub record: Arc<PackedRecord>,
    /// The time of publication.
    pub published: Timestamp,
    /// The topics of all the records, each slug once, those of the best record first.
    pub topics: Arc<[Topic]>,
    /// The slugs of the topics whose feeds contain the entry: its own and their ancestors, sorted.
    pub within: Box<[Arc<str>]>,
}

impl Entry {
    /// Returns the time of the last change, which is never before publication.
    pub fn updated(&self) -> Timestamp {
        self.record.updated.unwrap_or(self.published).max(self.published)
    }

    /// Returns `true` if the feed of a topic contains the entry.
    pub fn is_within(&self, slug: &str) -> bool {
        self.within.iter().any(|within| **within == *slug)
    }
}
