//! Feeds: the entries of one selection, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{Catalog, Entry};
use crate::seed::{Timestamp, Topic};

/// What picks the entries of a feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Every entry.
    All,
    /// The entries of the topic with this slug.
    Topic(Arc<str>),
}

/// The entries of one selection, newest first, then by id.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// What picked them.
    pub selection: Selection,
    /// The topic, if the selection is one.
    pub topic: Option<Topic>,
    /// The newest entries.
    pub entries: Vec<Arc<Entry>>,
    /// What the topics of the entries are called, by slug.
    names: BTreeMap<Arc<str>, Arc<str>>,
}

impl Feed {
    /// Grows the feed of a selection, with at most `limit` entries. None if it has no topic to be
    /// the feed of.
    pub fn grow(catalog: &Catalog, selection: Selection, limit: usize) -> Option<Self> {
        let (topic, entries): (_, Vec<_>) = match &selection {
            Selection::All => (None, catalog.all().take(limit).cloned().collect()),
            Selection::Topic(slug) => {
                let name = catalog.topic_name(slug)?.into();
                let topic = Topic { slug: slug.clone(), name };
                (Some(topic), catalog.topic(slug).take(limit).cloned().collect())
            }
        };
        let slugs: BTreeSet<_> =
            entries.iter().flat_map(|entry| &entry.topics).map(|topic| &topic.slug).collect();
        let named =
            slugs.into_iter().filter_map(|slug| Some((slug.clone(), catalog.topic_name(slug)?.into())));
        let names = named.collect();
        Some(Self { selection, topic, entries, names })
    }

    /// What the topics of an entry are called, however it spells them itself.
    pub fn topic_names<'a>(&'a self, entry: &'a Entry) -> impl Iterator<Item = &'a str> {
        entry.topics.iter().map(|topic| &**self.names.get(&topic.slug).unwrap_or(&topic.name))
    }

    /// When the newest change of an entry was; none if there are no entries. A feed has no date of
    /// its own, so that equal entries make equal bytes.
    pub fn updated(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.updated()).max()
    }

    /// When the newest entry was published.
    pub fn published(&self) -> Option<Timestamp> {
        self.entries.first().map(|entry| entry.published)
    }
}

impl Selection {
    /// The path of the feed, without the ending of a format: `all`, `topics/SLUG`.
    pub fn path(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Topic(slug) => format!("topics/{slug}"),
        }
    }
}
