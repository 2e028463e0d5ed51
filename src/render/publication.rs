//! The publication: the metadata that all feeds share, and the addresses of its documents.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::Config;
use crate::feed::{FeedDocument, Selection, ShownEntry};
use crate::render::format::Format;
use crate::render::path::{address, document_path};
use crate::render::policy::policy;
use crate::render::style;
use crate::seed::{Month, Record};

/// The name of the program, as feeds show it.
pub(super) const GENERATOR: &str = "sower";

/// The metadata that all feeds share.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The title.
    pub title: String,
    /// The address, ending with a slash.
    pub url: Url,
    /// The language (RFC 5646).
    pub language: String,
    /// The time for which readers may cache a feed.
    pub max_age: Duration,
    /// The copyright notice.
    pub copyright: Option<String>,
    /// The absolute address of a small square picture.
    pub icon: Option<String>,
    /// The absolute address of a large picture, twice as wide as high.
    pub logo: Option<String>,
    /// Set if pages show the pictures of entries, which come from other hosts.
    pub pictures: bool,
    /// The style sheet of pages.
    pub style: Arc<str>,
    /// The Content Security Policy of pages.
    pub policy: Arc<str>,
}

impl Publication {
    /// Creates the publication of a configuration.
    pub fn new(config: &Config) -> Self {
        let style = style::style_sheet(config.accent);
        Self {
            pictures: config.pictures,
            policy: policy(&style, config).into(),
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

    /// Returns the address of a feed's subscription document in one format.
    pub fn feed_url(&self, selection: &Selection, format: Format) -> String {
        let url = address(&self.url, &document_path(selection, None, format));
        match selection {
            Selection::Query(query) => format!("{url}?{query}"),
            _ => url,
        }
    }

    /// Returns the address of a document.
    pub fn document_url(&self, feed: &FeedDocument, format: Format) -> String {
        match feed.archive {
            Some(month) => self.archive_url(&feed.selection, month, format),
            None => self.feed_url(&feed.selection, format),
        }
    }

    /// Returns the address of an archive document.
    pub fn archive_url(&self, selection: &Selection, month: Month, format: Format) -> String {
        address(&self.url, &document_path(selection, Some(month), format))
    }

    /// Returns the links between the documents of a feed (RFC 5005 §4), each with its relation.
    pub(super) fn document_links(&self, feed: &FeedDocument, format: Format) -> Vec<(&'static str, String)> {
        let mut links = vec![("self", self.document_url(feed, format))];
        links.extend(feed.archive.map(|_| ("current", self.feed_url(&feed.selection, format))));
        for (relation, month) in [("prev-archive", feed.prev_archive), ("next-archive", feed.next_archive)] {
            links.extend(month.map(|month| (relation, self.archive_url(&feed.selection, month, format))));
        }
        links
    }

    /// Returns the address of the page about a feed. The home page is that of the feed of all entries.
    pub(super) fn site_url(&self, selection: &Selection) -> String {
        match selection {
            Selection::All => self.url.to_string(),
            _ => self.feed_url(selection, Format::Html),
        }
    }

    /// Returns the topics, the type and the category of an entry, each with its scheme.
    pub(super) fn categories<'a>(
        &self,
        feed: &'a FeedDocument,
        entry: &'a ShownEntry,
    ) -> Vec<(&'a str, String)> {
        let record = &entry.record;
        let topics = feed.topic_names(entry).map(|name| (name, "topics"));
        let kind = record.kind.iter().map(|kind| (&**kind, "types"));
        let category = record.category.iter().map(|category| (&**category, "categories"));
        let categories = topics.chain(kind).chain(category);
        categories.map(|(name, scheme)| (name, format!("{}{scheme}/", self.url))).collect()
    }

    /// Returns the title of a feed.
    pub(super) fn feed_title(&self, feed: &FeedDocument) -> String {
        match &feed.about.name {
            Some(name) => format!("{name} · {}", self.title),
            None => self.title.clone(),
        }
    }

    /// Returns the language of a feed.
    pub(super) fn feed_language<'a>(&'a self, feed: &'a FeedDocument) -> &'a str {
        feed.about.language.as_ref().unwrap_or(&self.language)
    }

    /// Returns the language of a record, if it differs from that of the feed.
    pub(super) fn other_language<'a>(&self, feed: &FeedDocument, record: &'a Record) -> Option<&'a str> {
        let feed = self.feed_language(feed);
        record.language.as_deref().filter(|language| !language.eq_ignore_ascii_case(feed))
    }

    /// Returns the description of a feed, or makes one.
    pub(super) fn feed_description(&self, feed: &FeedDocument) -> String {
        feed.about.description.clone().unwrap_or_else(|| match &feed.about.name {
            Some(name) => format!("{name} in {}, newest first", self.title),
            None => format!("Everything in {}, newest first", self.title),
        })
    }
    /// Returns `true` if pages show a picture. Only encrypted ones are shown, since others would reveal
    /// what a reader reads.
    pub(super) fn shows(&self, picture: &str) -> bool {
        self.pictures && picture.starts_with("https:")
    }
}
