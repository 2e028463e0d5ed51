//! Rendering: from a feed to the bytes of one format.
//!
//! What a format writes depends on the feed and the publication alone: no clock, no file time, no
//! order of a hash map.

mod atom;
mod rss;

use std::time::Duration;

use percent_encoding::{CONTROLS, utf8_percent_encode};
use url::Url;

use crate::config::Config;
use crate::feed::{Feed, Selection};

/// What every feed says of where it comes from.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Its title.
    pub title: String,
    /// Its address, ending with a slash.
    pub url: Url,
    /// Its language (RFC 5646).
    pub language: String,
    /// How long readers may keep a feed.
    pub max_age: Duration,
}

/// A way of writing feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// RSS 2.0
    Rss,
    /// Atom (RFC 4287)
    Atom,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Rss, Self::Atom];

    /// The ending of its addresses and files.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Rss => "rss",
            Self::Atom => "atom",
        }
    }

    /// Its media type, with the encoding of characters.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
        }
    }

    /// The feed in this format.
    ///
    /// # Errors
    ///
    /// The library that writes the format refuses.
    pub fn render(self, feed: &Feed, publication: &Publication) -> Result<Vec<u8>, RenderError> {
        match self {
            Self::Rss => rss::render(feed, publication),
            Self::Atom => atom::render(feed, publication),
        }
    }
}

/// A feed that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: this feed cannot be written: {reason}")]
pub struct RenderError {
    path: String,
    reason: String,
}

impl RenderError {
    fn new(feed: &Feed, format: Format, reason: &impl ToString) -> Self {
        Self { path: format!("{}.{}", feed.selection.path(), format.ending()), reason: reason.to_string() }
    }
}

/// The path of an address under the publication's, percent-encoded.
pub fn encoded(path: &str) -> String {
    // Of what a path cannot hold (RFC 3986 §3.3), a slug has characters outside ASCII alone.
    utf8_percent_encode(path, CONTROLS).to_string()
}

impl Publication {
    /// What a configuration says of the publication.
    pub fn new(config: &Config) -> Self {
        Self {
            title: config.title.clone(),
            url: config.url.clone(),
            language: config.language.clone(),
            max_age: config.max_age,
        }
    }

    /// The address of a feed in one format.
    pub fn feed_url(&self, selection: &Selection, format: Format) -> String {
        format!("{}{}.{}", self.url, encoded(&selection.path()), format.ending())
    }

    /// The address of the page about a selection.
    fn page_url(&self, selection: &Selection) -> String {
        match selection {
            Selection::All => self.url.to_string(),
            Selection::Topic(_) => format!("{}{}", self.url, encoded(&selection.path())),
        }
    }

    /// What says that a category is one of the publication's topics.
    fn topic_scheme(&self) -> String {
        format!("{}topics/", self.url)
    }

    /// The title of a feed.
    fn feed_title(&self, feed: &Feed) -> String {
        match &feed.topic {
            Some(topic) => format!("{} · {}", topic.name, self.title),
            None => self.title.clone(),
        }
    }

    /// What a feed is, in a sentence.
    fn feed_description(&self, feed: &Feed) -> String {
        match &feed.topic {
            Some(topic) => format!("{} in {}, newest first", topic.name, self.title),
            None => format!("Everything in {}, newest first", self.title),
        }
    }
}

const GENERATOR: &str = "sower";
