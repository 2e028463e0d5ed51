//! Feeds: the entries of one selection, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{Catalog, Entry};
use crate::config::ContentLength;
use crate::seed::{Month, Timestamp};

/// What picks the entries of a feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Every entry.
    All,
    /// The entries of the topic with this slug.
    Topic(Arc<str>),
    /// The entries of the selection with this name in the configuration.
    Named(Arc<str>),
    /// The entries that a query in the address picks, in its canonical spelling.
    Query(Arc<str>),
}

/// The entries of one selection, newest first, then by id.
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
    /// The newest entries.
    pub entries: Vec<Arc<Entry>>,
    /// What the topics of the entries are called, by slug.
    names: BTreeMap<Arc<str>, Arc<str>>,
}

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

impl Feed {
    /// Grows the feed of a selection, with at most `limit` entries. None if it has no topic to be
    /// the feed of.
    pub fn grow(catalog: &Catalog, selection: Selection, limit: usize) -> Option<Self> {
        let (name, entries): (_, Vec<_>) = match &selection {
            Selection::Topic(slug) => {
                let name = catalog.topic_name(slug)?.to_owned();
                (Some(name), catalog.topic(slug).take(limit).cloned().collect())
            }
            _ => (None, catalog.all().take(limit).cloned().collect()),
        };
        let about =
            About { name, description: None, icon: None, language: None, content: ContentLength::Full };
        let slugs: BTreeSet<_> =
            entries.iter().flat_map(|entry| &entry.topics).map(|topic| &topic.slug).collect();
        let named =
            slugs.into_iter().filter_map(|slug| Some((slug.clone(), catalog.topic_name(slug)?.into())));
        let names = named.collect();
        Some(Self { selection, about, archive: None, prev_archive: None, entries, names })
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
            Self::All | Self::Query(_) => "all".to_owned(),
            Self::Topic(slug) => format!("topics/{slug}"),
            Self::Named(name) => format!("selections/{name}"),
        }
    }
}
