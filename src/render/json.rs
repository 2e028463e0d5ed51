//! JSON Feed 1.1.

use serde::Serialize;

use crate::feed::{FeedDocument, ShownEntry};
use crate::render::content::{buffer, content};
use crate::render::error::RenderError;
use crate::render::file::{File, files};
use crate::render::format::Format;
use crate::render::publication::Publication;
use crate::seed::{Record, Timestamp};

/// A feed, in the order in which the specification lists its keys.
#[derive(Serialize)]
struct Document<'a> {
    version: &'static str,
    title: String,
    home_page_url: String,
    feed_url: String,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    favicon: Option<&'a str>,
    authors: [Author<'a>; 1],
    language: &'a str,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<&'a str>,
    title: &'a str,
    content_html: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<&'a str>,
    date_published: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date_modified: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    authors: Vec<Author<'a>>,
    tags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    url: &'a str,
    mime_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_in_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<&'a str>,
}

pub(super) fn render(feed: &FeedDocument, publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let older = feed.prev_archive.map(|month| publication.archive_url(&feed.selection, month, Format::Json));
    let icon = publication.icon.as_deref();
    let document = Document {
        version: "https://jsonfeed.org/version/1.1",
        title: publication.feed_title(feed),
        home_page_url: publication.site_url(&feed.selection),
        // Identifies the feed, so it is the same in all its documents.
        feed_url: publication.feed_url(&feed.selection, Format::Json),
        description: publication.feed_description(feed),
        next_url: older,
        icon: feed.about.icon.as_deref().or(icon),
        favicon: icon,
        authors: [Author { name: &publication.title, url: Some(publication.url.as_str()), avatar: None }],
        language: publication.feed_language(feed),
        items: feed.entries.iter().map(|entry| item(entry, feed, publication)).collect(),
    };
    let mut written = buffer(feed);
    serde_json::to_writer(&mut written, &document)
        .map_err(|error| RenderError::new(feed, Format::Json, &error))?;
    Ok(written)
}

fn item<'a>(entry: &'a ShownEntry, feed: &'a FeedDocument, publication: &Publication) -> Item<'a> {
    let record = &entry.record;
    let modified = Some(entry.updated()).filter(|updated| *updated != entry.published);
    Item {
        id: &record.id,
        url: record.link.as_deref(),
        external_url: record.via.as_deref(),
        title: &record.title,
        // 1.1 requires this or `content_text`, so it is written even if it is empty.
        content_html: content(feed, record),
        summary: record.summary.as_deref(),
        image: record.images.first().map(|image| &*image.url),
        date_published: rfc3339(entry.published),
        date_modified: modified.map(rfc3339),
        authors: authors(record),
        tags: feed.topic_names(entry).collect(),
        language: publication.other_language(feed, record),
        attachments: files(record).filter_map(attachment).collect(),
    }
}

/// Makes an attachment, which must have a media type.
fn attachment(file: File<'_>) -> Option<Attachment<'_>> {
    Some(Attachment {
        url: file.url,
        mime_type: file.media_type?,
        title: file.title,
        duration_in_seconds: file.duration,
    })
}

fn authors(record: &Record) -> Vec<Author<'_>> {
    let provider = record.provider.as_ref();
    let url = provider.and_then(|provider| provider.site.as_deref());
    let avatar = provider.and_then(|provider| provider.image.as_deref());
    record.author_names().map(|name| Author { name, url, avatar }).collect()
}

fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339()
}
