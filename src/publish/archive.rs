//! Archive documents (RFC 5005 §4): every month of a feed that cannot show all its entries.
//!
//! They are many, large, and seldom asked for. So an edition holds what they are made of, and each is
//! made when it is asked for, or when the mirror lacks it.

use crate::edition::Edition;
use crate::feed::{Feed, LogicalFeed, Selection};
use crate::render::{self, Format};
use crate::seed::Month;

/// Where an archive document is: `topics/SLUG/2024-03.atom`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The feed that it belongs to.
    pub selection: Selection,
    /// The month whose entries it has.
    pub month: Month,
    /// How it is written.
    pub format: Format,
}

impl Address {
    /// What a path is the address of, if an archive document might be there.
    pub fn at(path: &str) -> Option<Self> {
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
    /// Those of a feed of an edition; none if it has no such feed.
    pub fn of(edition: &'a Edition, selection: &Selection) -> Option<Self> {
        let subscription = render::document_path(selection, None, Format::Atom);
        edition.representations.get(&*subscription)?;
        let (config, entries) = (&edition.config, &edition.entries);
        let feed = match selection {
            Selection::All => LogicalFeed::all(config, entries),
            Selection::Topic(slug) => LogicalFeed::topic(config, entries, slug),
            Selection::Named(name) => {
                let named = config.selections.iter().find(|named| named.name == *name)?;
                // What the clock has a say in is not archived.
                LogicalFeed::named(config, entries, named, edition.since.into())
            }
            Selection::Query(_) => return None,
        };
        Some(Self { months: feed.archives(), feed })
    }

    /// Every selection of an edition that has a feed.
    pub fn selections(edition: &Edition) -> impl Iterator<Item = Selection> {
        let atom = |path: &str| Selection::at(path.strip_suffix(".atom")?);
        edition.representations.keys().filter_map(move |path| atom(path))
    }

    /// What picks the entries.
    pub fn selection(&self) -> &Selection {
        self.feed.selection()
    }

    /// The months that have a document, the newest first; none if the subscription document shows
    /// every entry.
    pub fn months(&self) -> &[Month] {
        &self.months
    }

    /// The document of a month; none if there is none.
    pub fn document(&self, month: Month) -> Option<Feed> {
        let place = self.months.iter().position(|archived| *archived == month)?;
        Some(self.feed.archive(&self.months, place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_below_their_feeds() {
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
            let address = Address::at(path);
            assert_eq!(address.is_some(), expected, "{path}");
            if let Some(Address { selection, month, format }) = address {
                assert_eq!(render::document_path(&selection, Some(month), format), path);
            }
        }
    }
}
