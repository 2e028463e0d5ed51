//! The metadata of a feed.

use crate::catalog::Entries;
use crate::config::criteria::Criteria;
use crate::config::{Config, ContentLength, SelectionSettings};

/// The metadata of a feed, in addition to the publication's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The name, or `None` for the feed of all entries, which has the publication's title.
    pub name: Option<String>,
    /// A description in a sentence or two of plain text.
    pub description: Option<String>,
    /// The absolute address of its picture.
    pub icon: Option<String>,
    /// The language (RFC 5646), if it differs from the publication's.
    pub language: Option<String>,
    /// The part of a record that the entries show.
    pub content: ContentLength,
}

/// Returns the metadata of a configured selection's feed.
pub fn about(config: &Config, entries: &Entries, selection: &SelectionSettings) -> About {
    described(About::of(config, selection), entries, &selection.criteria)
}

/// Adds a description made of the criteria if there is none.
pub(super) fn described(about: About, entries: &Entries, criteria: &Criteria) -> About {
    let criteria = || Some(describe(entries, criteria)).filter(|criteria| !criteria.is_empty());
    let description =
        about.description.or_else(|| criteria().map(|criteria| format!("A selection: {criteria}")));
    About { description, ..about }
}

impl About {
    pub(super) fn of(config: &Config, selection: &SelectionSettings) -> Self {
        Self {
            name: Some(selection.title.clone()),
            description: selection.description.clone(),
            icon: selection.icon.clone(),
            language: selection.criteria.language.as_deref().map(str::to_owned),
            content: selection.content.unwrap_or(config.content),
        }
    }
}

/// Describes criteria in words.
pub(super) fn describe(entries: &Entries, criteria: &Criteria) -> String {
    criteria.in_words(|slug| entries.topic_name(slug).unwrap_or(slug).to_owned())
}
