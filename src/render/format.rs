//! The formats of feeds.

/// A format in which a feed is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// RSS 2.0
    Rss,
    /// Atom (RFC 4287)
    Atom,
    /// JSON Feed 1.1
    Json,
    /// An HTML page
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Rss, Self::Atom, Self::Json, Self::Html];
    /// The formats for feed readers.
    pub const FEEDS: [Self; 3] = [Self::Rss, Self::Atom, Self::Json];

    /// Returns the suffix that turns the path of a feed into the path of a document.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Rss => ".rss",
            Self::Atom => ".atom",
            Self::Json => ".json",
            // A static host serves it at the address of its folder.
            Self::Html => "/index.html",
        }
    }

    /// Returns the name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rss => "RSS",
            Self::Atom => "Atom",
            Self::Json => "JSON Feed",
            Self::Html => "HTML",
        }
    }

    /// Returns the media type, with a charset where the format allows several.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Json => "application/feed+json",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}
