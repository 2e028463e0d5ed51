//! Records: seeds that are read and checked, with every field typed and ready for any feed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::date::{Timestamp, seconds};
use super::media::Embed;

/// A seed that is read and checked.
///
/// Text has no characters that XML forbids. Addresses are absolute, http or https.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The path of the seed, relative to the seed directory.
    #[serde(skip, default = "empty")]
    pub path: Arc<str>,
    /// The permanent id of the entry: an IRI.
    #[serde(skip, default = "empty")]
    pub id: Arc<str>,
    /// Set if the id is made of the date and the file name, because the seed has no `id` and no address.
    pub id_by_name: bool,
    /// The title, as one line of plain text.
    pub title: String,
    /// The summary, as one line of plain text.
    pub summary: Option<String>,
    /// The address of the page.
    pub link: Option<String>,
    /// The address of the original, if it is another (`rel=via`).
    pub via: Option<String>,
    /// The time of publication, past or future.
    #[serde(with = "seconds")]
    pub published: Option<Timestamp>,
    /// The time of the last update, never before publication.
    #[serde(with = "seconds")]
    pub updated: Option<Timestamp>,
    /// The time from which the record is held.
    #[serde(with = "seconds")]
    pub expires: Option<Timestamp>,
    /// Set if the seed asks not to be shown.
    pub hidden: Option<Hidden>,
    /// At least one topic, each slug once, in the order of the seed.
    #[serde(skip)]
    pub topics: Vec<Topic>,
    /// The publisher.
    pub provider: Option<Provider>,
    /// The names of the authors.
    pub authors: Vec<String>,
    /// The language tag (RFC 5646).
    pub language: Option<String>,
    /// The type: `article`, `video`, `course` …
    pub kind: Option<String>,
    /// The category: `news` …
    pub category: Option<String>,
    /// The quality, by default 0.
    pub quality: f64,
    /// The popularity, by default 0.
    pub heat: f64,
    /// The duration of a video.
    pub length: Option<Duration>,
    /// Images, the leading one first.
    pub images: Vec<Image>,
    /// Related entries elsewhere.
    pub related: Vec<Related>,
    /// Links such as downloads.
    pub actions: Vec<Action>,
    /// The player, video or recording.
    pub embed: Option<Embed>,
    /// The content, as HTML.
    pub content: Content,
}

/// The default of fields that are stored beside the serialized record.
fn empty() -> Arc<str> {
    "".into()
}

/// The content of a record in parts: sanitised HTML with absolute addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub(super) picture: String,
    pub(super) embed: String,
    pub(super) body: String,
    pub(super) summary: String,
    pub(super) links: String,
    /// Set if the body shows the leading image too.
    pub(super) body_has_picture: bool,
}

impl Content {
    /// Returns the leading image, the embed, the body or else the summary, actions, and related entries. An image
    /// that the body shows is not shown twice.
    pub fn full(&self) -> String {
        if self.body.is_empty() {
            return self.excerpt();
        }
        let picture = if self.body_has_picture { "" } else { &self.picture };
        [picture, &self.embed, &self.body, &self.links].concat()
    }

    /// Returns the same with the summary in place of the body.
    pub fn excerpt(&self) -> String {
        [&*self.picture, &self.embed, &self.summary, &self.links].concat()
    }

    /// Returns the approximate size of the excerpt in bytes.
    pub fn excerpt_weight(&self) -> usize {
        self.weight() - self.body.len()
    }

    /// Returns the size of all parts in bytes.
    pub fn weight(&self) -> usize {
        let Self { picture, embed, body, summary, links, .. } = self;
        [picture, embed, body, summary, links].iter().map(|part| part.len()).sum()
    }
}

/// A topic, by which records are grouped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Topic {
    /// The slug: topics with the same slug are the same.
    pub slug: Arc<str>,
    /// The spelling in this record.
    pub name: Arc<str>,
}

/// The publisher of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// The name, as plain text.
    pub name: String,
    /// `https://` and the domain.
    pub site: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The address.
    pub url: String,
    /// The width in pixels.
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// The title, as plain text.
    pub title: Option<String>,
}

/// A related entry elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// The title, as plain text.
    pub title: String,
    /// The address of the page.
    pub link: String,
    /// The time of publication.
    #[serde(with = "seconds")]
    pub published: Option<Timestamp>,
    /// The name of the publisher.
    pub provider: Option<String>,
}

/// A link such as a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The address.
    pub url: String,
    /// The title, as plain text.
    pub title: Option<String>,
}

/// The reason why a seed asks not to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hidden {
    /// `published: false`, `draft: true`, `headless: true`, or a folder `_drafts`.
    Unpublished,
    /// `removed: true` or `deleted: true`.
    Removed,
}

/// The reason why a record without faults is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// The seed is marked as unpublished.
    Unpublished,
    /// The seed is marked as removed.
    Removed,
    /// The time of publication is in the future.
    Scheduled,
    /// The time of expiry has passed.
    Expired,
    /// The seed has no time of publication.
    Undated,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unpublished => "unpublished",
            Self::Removed => "removed",
            Self::Scheduled => "scheduled",
            Self::Expired => "expired",
            Self::Undated => "undated",
        })
    }
}

/// The visibility of a record at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visibility {
    /// The time of publication of a record that is shown, or the reason why it is held.
    pub shown: Result<Timestamp, Held>,
    /// The instant at which the visibility changes by itself.
    pub until: Option<Timestamp>,
}

impl Record {
    /// Returns the names of the authors, or of the provider if there are none.
    pub fn author_names(&self) -> impl Iterator<Item = &str> {
        let provider = self.provider.as_ref().filter(|_| self.authors.is_empty());
        self.authors.iter().map(String::as_str).chain(provider.map(|provider| provider.name.as_str()))
    }
}
