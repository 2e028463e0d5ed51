//! Rendering: from a feed to the bytes of one format.
//!
//! What a format writes depends on the feed and the publication alone: no clock, no file time, no
//! order of a hash map.

#[cfg(test)]
mod tests;

mod atom;
mod file;
pub mod html;
mod json;
mod media;
pub mod opml;
mod rss;
mod style;

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{CONTROLS, utf8_percent_encode};
use url::Url;

use crate::config::{Config, ContentLength};
use crate::feed::{Feed, Selection, ShownEntry};
use crate::seed::{Month, Record};

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
    /// Who owns the rights, for people.
    pub copyright: Option<String>,
    /// Its small square picture: an absolute address.
    pub icon: Option<String>,
    /// Its large picture, twice as wide as high: an absolute address.
    pub logo: Option<String>,
    /// Whether pages show the pictures of entries, which come from other hosts.
    pub pictures: bool,
    /// What pages look like.
    pub style: Arc<str>,
    /// What pages may do (Content Security Policy).
    pub policy: Arc<str>,
}

/// A way of writing feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// RSS 2.0
    Rss,
    /// Atom (RFC 4287)
    Atom,
    /// JSON Feed 1.1
    Json,
    /// A page, for people with a browser
    Html,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Rss, Self::Atom, Self::Json, Self::Html];
    /// Those for feed readers.
    pub const FEEDS: [Self; 3] = [Self::Rss, Self::Atom, Self::Json];

    /// What follows the path of a feed in the files of the format.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Rss => ".rss",
            Self::Atom => ".atom",
            Self::Json => ".json",
            // Any static host shows it at its folder's address.
            Self::Html => "/index.html",
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rss => "RSS",
            Self::Atom => "Atom",
            Self::Json => "JSON Feed",
            Self::Html => "HTML",
        }
    }

    /// Its media type, with the encoding of characters where there is a choice.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Rss => "application/rss+xml; charset=utf-8",
            Self::Atom => "application/atom+xml; charset=utf-8",
            Self::Json => "application/feed+json",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    /// The feed in this format.
    ///
    /// # Errors
    ///
    /// The library that writes the format refuses.
    pub fn render(self, feed: &Feed, publication: &Publication) -> Result<Vec<u8>, RenderError> {
        let mut written = match self {
            Self::Rss => rss::render(feed, publication),
            Self::Atom => atom::render(feed, publication),
            Self::Json => json::render(feed, publication),
            Self::Html => html::render(feed, publication),
        }?;
        written.shrink_to_fit();
        Ok(written)
    }
}

/// Room for a document of a feed, about as much as it takes: one that grows is moved again and again.
fn room(feed: &Feed) -> Vec<u8> {
    const BESIDE_CONTENT: usize = 1024;
    let content = |record: &Record| match feed.about.content {
        ContentLength::Full => record.content.weight(),
        ContentLength::Excerpt => record.content.excerpt_weight(),
    };
    // What marks HTML up takes more bytes where it is escaped.
    let bytes = |entry: &ShownEntry| BESIDE_CONTENT + content(&entry.record) * 5 / 4;
    Vec::with_capacity(feed.entries.iter().map(bytes).sum())
}

/// The HTML that a feed shows of a record: the title once more if there is nothing else to show and
/// nowhere to go, since RFC 4287 §4.1.2 wants one of the two.
fn content(feed: &Feed, record: &Record) -> String {
    let content = match feed.about.content {
        ContentLength::Full => record.content.full(),
        ContentLength::Excerpt => record.content.excerpt(),
    };
    if content.is_empty() && record.link.is_none() {
        return format!("<p>{}</p>", htmlize::escape_text(&*record.title));
    }
    content
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
        let path = document_path(&feed.selection, feed.archive, format);
        Self { path, reason: reason.to_string() }
    }
}

/// The path of a document of a feed: of the month that it archives, or the one that people
/// subscribe to. `topics/SLUG.atom`, `topics/SLUG/2024-03.atom`, `topics/SLUG/index.html`
pub fn document_path(selection: &Selection, archive: Option<Month>, format: Format) -> String {
    let (path, ending) = (selection.path(), format.ending());
    archive.map_or_else(|| format!("{path}{ending}"), |month| format!("{path}/{month}{ending}"))
}

/// What a path is the path of, if a document of a feed might be there.
pub fn document_at(path: &str) -> Option<(Selection, Option<Month>, Format)> {
    let known = |format: &Format| Some((path.strip_suffix(format.ending())?, *format));
    let (path, format) = Format::ALL.iter().find_map(known)?;
    let archive = path.rsplit_once('/').and_then(|(feed, month)| Some((feed, month.parse().ok()?)));
    let archived = archive.and_then(|(feed, month)| Some((Selection::at(feed)?, Some(month), format)));
    archived.or_else(|| Some((Selection::at(path)?, None, format)))
}

/// The path of the home page.
pub const HOME: &str = "index.html";

/// The path of an address under the publication's, percent-encoded.
pub fn encoded(path: &str) -> String {
    // Of what a path cannot hold (RFC 3986 §3.3), a slug has characters outside ASCII alone.
    utf8_percent_encode(path, CONTROLS).to_string()
}

/// The address of what has a path, under the publication's: that of a page is its folder's.
pub fn address(publication: &Url, path: &str) -> String {
    format!("{publication}{}", encoded(path.strip_suffix(Format::Html.ending()).unwrap_or(path)))
}

impl Publication {
    /// What a configuration says of the publication.
    pub fn new(config: &Config) -> Self {
        let style = style::of(config.accent);
        Self {
            pictures: config.pictures,
            policy: html::policy(&style, config).into(),
            style: style.into(),
            title: config.title.clone(),
            url: config.url.clone(),
            language: config.language.clone(),
            max_age: config.max_age,
            copyright: config.copyright.clone(),
            icon: config.icon.clone(),
            logo: config.logo.clone(),
        }
    }

    /// The address of a feed in one format, or of the page about it.
    pub fn feed_url(&self, selection: &Selection, format: Format) -> String {
        let url = address(&self.url, &document_path(selection, None, format));
        match selection {
            Selection::Query(query) => format!("{url}?{query}"),
            _ => url,
        }
    }

    /// A document's own address.
    pub fn document_url(&self, feed: &Feed, format: Format) -> String {
        match feed.archive {
            Some(month) => self.archive_url(&feed.selection, month, format),
            None => self.feed_url(&feed.selection, format),
        }
    }

    /// The address of an archive document of a feed.
    pub fn archive_url(&self, selection: &Selection, month: Month, format: Format) -> String {
        address(&self.url, &document_path(selection, Some(month), format))
    }

    /// The links between the documents of a feed (RFC 5005 §4): each with its relation.
    fn document_links(&self, feed: &Feed, format: Format) -> Vec<(&'static str, String)> {
        let mut links = vec![("self", self.document_url(feed, format))];
        links.extend(feed.archive.map(|_| ("current", self.feed_url(&feed.selection, format))));
        for (relation, month) in [("prev-archive", feed.prev_archive), ("next-archive", feed.next_archive)] {
            links.extend(month.map(|month| (relation, self.archive_url(&feed.selection, month, format))));
        }
        links
    }

    /// The address of the site that a feed is of, for those who read it elsewhere: the home page is
    /// that of the feed of everything.
    fn site_url(&self, selection: &Selection) -> String {
        match selection {
            Selection::All => self.url.to_string(),
            _ => self.feed_url(selection, Format::Html),
        }
    }

    /// What an entry is grouped by, and what says by what: its topics, its type and its category.
    fn categories<'a>(&self, feed: &'a Feed, entry: &'a ShownEntry) -> Vec<(&'a str, String)> {
        let record = &entry.record;
        let topics = feed.topic_names(entry).map(|name| (name, "topics"));
        let kind = record.kind.iter().map(|kind| (&**kind, "types"));
        let category = record.category.iter().map(|category| (&**category, "categories"));
        let grouped = topics.chain(kind).chain(category);
        grouped.map(|(name, by)| (name, format!("{}{by}/", self.url))).collect()
    }

    /// The title of a feed.
    fn feed_title(&self, feed: &Feed) -> String {
        match &feed.about.name {
            Some(name) => format!("{name} · {}", self.title),
            None => self.title.clone(),
        }
    }

    /// The language of a feed.
    fn feed_language<'a>(&'a self, feed: &'a Feed) -> &'a str {
        feed.about.language.as_ref().unwrap_or(&self.language)
    }

    /// The language of a record that is in another than its feed.
    fn other_language<'a>(&self, feed: &Feed, record: &'a Record) -> Option<&'a str> {
        let feed = self.feed_language(feed);
        record.language.as_deref().filter(|language| !language.eq_ignore_ascii_case(feed))
    }

    /// What a feed is, in a sentence.
    fn feed_description(&self, feed: &Feed) -> String {
        feed.about.description.clone().unwrap_or_else(|| match &feed.about.name {
            Some(name) => format!("{name} in {}, newest first", self.title),
            None => format!("Everything in {}, newest first", self.title),
        })
    }
}

/// The namespace of RFC 5005.
const HISTORY: (&str, &str) = ("fh", "http://purl.org/syndication/history/1.0");

const GENERATOR: &str = "sower";
