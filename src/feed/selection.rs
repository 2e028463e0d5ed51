//! Selections and the paths of their feeds.

use std::sync::Arc;

/// The rule that picks the entries of a feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// Every entry.
    All,
    /// The entries of the topic with this slug, and of its descendants.
    Topic(Arc<str>),
    /// The entries of the selection with this name in the configuration.
    Named(Arc<str>),
    /// The entries that match a query in the address, given in its canonical spelling.
    Query(Arc<str>),
}

impl Selection {
    /// The path of the feed of all entries, without a format's ending.
    pub const ALL: &str = "all";

    /// Returns the path of the feed to which a subscription document belongs: `topics/ai` for
    /// `topics/ai.atom`. Returns `None` for any other path.
    pub fn path_at(path: &str) -> Option<&str> {
        let (feed, _) = path.rsplit_once('.')?;
        let is_feed = feed == Self::ALL || feed.starts_with("topics/") || feed.starts_with("selections/");
        is_feed.then_some(feed)
    }

    /// Parses the path of a feed, given without a format's ending.
    pub fn at(path: &str) -> Option<Self> {
        match path.split_once('/') {
            None if path == Self::ALL => Some(Self::All),
            Some((_, name)) if name.is_empty() || name.contains('/') => None,
            Some(("topics", slug)) => Some(Self::Topic(slug.into())),
            Some(("selections", name)) => Some(Self::Named(name.into())),
            _ => None,
        }
    }

    /// Returns the path of the feed, without a format's ending: `all`, `topics/SLUG`.
    pub fn path(&self) -> String {
        match self {
            Self::All | Self::Query(_) => Self::ALL.to_owned(),
            Self::Topic(slug) => format!("topics/{slug}"),
            Self::Named(name) => format!("selections/{name}"),
        }
    }
}
