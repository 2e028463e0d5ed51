//! Records: seeds read and checked, every field typed and ready for any feed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::date::{Timestamp, seconds};
use super::media::Embed;

/// A seed, read and checked. Every text is free of characters that XML forbids; every address is
/// absolute, http or https.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The seed it was read from, relative to the seed directory.
    #[serde(skip, default = "nothing")]
    pub path: Arc<str>,
    /// What the entry is known by for ever: an IRI.
    #[serde(skip, default = "nothing")]
    pub id: Arc<str>,
    /// Whether the id is made of the date and the file's name, for want of anything better.
    pub id_by_name: bool,
    /// Plain text, one line.
    pub title: String,
    /// Plain text, one line.
    pub summary: Option<String>,
    /// Where it can be read.
    pub link: Option<String>,
    /// Where it was first, if that is elsewhere (`rel=via`).
    pub via: Option<String>,
    /// When it was or will be published.
    #[serde(with = "seconds")]
    pub published: Option<Timestamp>,
    /// When it last changed: never before it was published.
    #[serde(with = "seconds")]
    pub updated: Option<Timestamp>,
    /// When it is not to be shown any more.
    #[serde(with = "seconds")]
    pub expires: Option<Timestamp>,
    /// Why its writer does not want it shown.
    pub hidden: Option<Hidden>,
    /// At least one, each slug once, in the order of the seed.
    #[serde(skip)]
    pub topics: Vec<Topic>,
    /// Who published it.
    pub provider: Option<Provider>,
    /// Who wrote it: names.
    pub authors: Vec<String>,
    /// What it is written in (RFC 5646), if it says.
    pub language: Option<String>,
    /// `article`, `video`, `course` …
    pub kind: Option<String>,
    /// `news` …
    pub category: Option<String>,
    /// How good it is said to be; 0 if nothing is said.
    pub quality: f64,
    /// How much it is talked about; 0 if nothing is said.
    pub heat: f64,
    /// How long a video runs.
    pub length: Option<Duration>,
    /// Pictures, the leading one first.
    pub images: Vec<Image>,
    /// Coverage of the same matter elsewhere.
    pub related: Vec<Related>,
    /// Things to do with it, such as downloads.
    pub actions: Vec<Action>,
    /// What is played with it.
    pub embed: Option<Embed>,
    /// What a reader shows of it.
    pub content: Content,
}

/// Instead of what a record is packed beside.
fn nothing() -> Arc<str> {
    "".into()
}

/// What records are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Topic {
    /// What it is the same topic by.
    pub slug: Arc<str>,
    /// How it is spelled here.
    pub name: Arc<str>,
}

/// Who published a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Plain text.
    pub name: String,
    /// `https://` and its domain.
    pub site: Option<String>,
    /// Its picture.
    pub image: Option<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Where it is.
    pub url: String,
    /// In pixels.
    pub width: Option<u32>,
    /// In pixels.
    pub height: Option<u32>,
    /// Plain text.
    pub title: Option<String>,
}

/// Coverage of the same matter elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// Plain text.
    pub title: String,
    /// Where it can be read.
    pub link: String,
    /// When it was published.
    #[serde(with = "seconds")]
    pub published: Option<Timestamp>,
    /// Who published it: a name.
    pub provider: Option<String>,
}

/// Something to do with a record, such as a download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Where it leads.
    pub url: String,
    /// Plain text.
    pub title: Option<String>,
}

/// Why a record's writer does not want it shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hidden {
    /// `published: false` or `draft: true`
    Unpublished,
    /// `removed: true` or `deleted: true`
    Removed,
}

/// Why a record that is fine must not be shown now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Its writer says it is not published.
    Unpublished,
    /// Its writer says it is gone.
    Removed,
    /// It is published in the future.
    Scheduled,
    /// Its time is over.
    Expired,
    /// Nobody knows when it was published.
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

/// Whether a record is shown at some instant, and until when that answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When it was published, or why it is held.
    pub shown: Result<Timestamp, Held>,
    /// The instant at which the answer changes by itself.
    pub until: Option<Timestamp>,
}

impl Record {
    /// Who wrote it: the authors if any are named, else the provider.
    pub fn author_names(&self) -> impl Iterator<Item = &str> {
        let provider = self.provider.as_ref().filter(|_| self.authors.is_empty());
        self.authors.iter().map(String::as_str).chain(provider.map(|provider| provider.name.as_str()))
    }
}
