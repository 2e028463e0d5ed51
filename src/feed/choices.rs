//! The form with which readers make a selection of their own.

use std::cmp::Reverse;
use std::sync::Arc;

use crate::catalog::Entries;
use crate::config::criteria::Criteria;

/// The options of the form, and the current choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Choices {
    /// The topics with the most entries and the chosen ones, by name: slug, name, number of entries.
    pub topics: Vec<(Arc<str>, String, usize)>,
    /// Every type, by slug, with its number of entries.
    pub types: Vec<(Arc<str>, usize)>,
    /// The current choice.
    pub chosen: Criteria,
}

/// The maximum number of topics to offer. Readers can enter the names of others.
const MAX_TOPICS: usize = 60;

impl Choices {
    pub(super) fn of(entries: &Entries, chosen: &Criteria) -> Self {
        let mut topics: Vec<_> = entries.topics().collect();
        topics.sort_by_key(|(slug, _, count)| (!chosen.any.contains(*slug), Reverse(*count)));
        topics.truncate(MAX_TOPICS.max(chosen.any.len()));
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
