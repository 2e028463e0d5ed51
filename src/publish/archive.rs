//! Archive documents (RFC 5005 §4): the months of a feed that has more entries than its subscription
//! document.
//!
//! They are many, large, and rarely requested. So an edition contains only their entries, and each
//! document is rendered on request, or when the mirror needs it.

use crate::edition::Edition;
use crate::feed::{FeedDocument, LogicalFeed, Selection};
use crate::render::{self, Format};
use crate::seed::Month;

/// The address of an archive document: `topics/SLUG/2024-03.atom`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveAddress {
    /// The selection of the feed.
    pub selection: Selection,
    /// The month of the entries.
    pub month: Month,
    /// The format.
    pub format: Format,
}

impl ArchiveAddress {
    /// Parses a path. Returns `None` if no archive document can have it.
    pub fn parse(path: &str) -> Option<Self> {
        let (selection, month, format) = render::document_at(path)?;
        Some(Self { selection, month: month?, format })
    }
}

/// The archive documents of one feed.
#[derive(Debug)]
pub struct Archives<'a> {
    feed: LogicalFeed<'a>,
    months: Vec<Month>,
}

impl<'a> Archives<'a> {
    /// Returns the archive documents of a feed, or `None` if the edition has no such feed.
    pub fn of(edition: &'a Edition, selection: &Selection) -> Option<Self> {
        let subscription = render::document_path(selection, None, Format::Atom);
        edition.representations.get(&*subscription)?;
        let (config, entries) = (&edition.config, &edition.entries);
        let feed = match selection {
            Selection::All => LogicalFeed::all(config, entries),
            Selection::Topic(slug) => LogicalFeed::topic(config, entries, slug),
            Selection::Named(name) => {
                let named = config.selections.iter().find(|named| named.name == *name)?;
                // Feeds that depend on the clock are not archived, so the instant does not matter.
                LogicalFeed::named(config, entries, named, edition.since.into())
            }
            Selection::Query(_) => return None,
        };
        Some(Self { months: feed.archives(), feed })
    }

    /// Returns every selection of which an edition has a feed.
    pub fn selections(edition: &Edition) -> impl Iterator<Item = Selection> {
        let selection = |path: &str| Selection::at(path.strip_suffix(".atom")?);
        edition.representations.keys().filter_map(move |path| selection(path))
    }

    /// Returns the selection of the feed.
    pub fn selection(&self) -> &Selection {
        self.feed.selection()
    }

    /// Returns the months that have a document, newest first. There are none if the subscription document
    /// contains every entry.
    pub fn months(&self) -> &[Month] {
        &self.months
    }

    /// Returns the document of a month, or `None` if the month has none.
    pub fn document(&self, month: Month) -> Option<FeedDocument> {
        let index = self.months.iter().position(|archived| *archived == month)?;
        Some(self.feed.archive(&self.months, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_addresses_are_parsed() {
        for (path, expected) in [
            ("all/2024-03.atom", true),
            ("topics/机/2024-03.rss", true),
            ("selections/s/0999-12.json", true),
            ("all/2024-03/index.html", true),
            ("topics/ai/index.html", false),
            ("topics/2024-03/index.html", false),
            ("all/2024-03.html", false),
            ("all/2024-13.atom", false),
            ("all/2024-3.atom", false),
            ("all/+024-03.atom", false),
            ("topics/2024-03.atom", false),
            ("topics/a/b/2024-03.atom", false),
            ("other/2024-03.atom", false),
        ] {
            let address = ArchiveAddress::parse(path);
            assert_eq!(address.is_some(), expected, "{path}");
            if let Some(ArchiveAddress { selection, month, format }) = address {
                assert_eq!(render::document_path(&selection, Some(month), format), path);
            }
        }
    }
}
