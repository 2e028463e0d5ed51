//! Records: seeds read and checked, every field typed and ready for any feed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::content::Content;
use super::media::Embed;
use super::time::Timestamp;

/// A seed, read and checked. Every text is free of characters that XML forbids; every address is
/// absolute, http or https.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The seed it was read from, relative to the seed directory.
    pub path: Arc<str>,
    /// What the entry is known by for ever: an IRI.
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
    pub published: Option<Timestamp>,
    /// When it last changed: never before it was published.
    pub updated: Option<Timestamp>,
    /// When it is not to be shown any more.
    pub expires: Option<Timestamp>,
    /// Why its writer does not want it shown.
    pub hidden: Option<Hidden>,
    /// At least one, each slug once, in the order of the seed.
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

/// What records are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// What it is the same topic by.
    pub slug: Arc<str>,
    /// How it is spelled here.
    pub name: Arc<str>,
}

/// Who published a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Plain text.
    pub name: String,
    /// `https://` and its domain.
    pub site: Option<String>,
    /// Its picture.
    pub image: Option<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Plain text.
    pub title: String,
    /// Where it can be read.
    pub link: String,
    /// When it was published.
    pub published: Option<Timestamp>,
    /// Who published it: a name.
    pub provider: Option<String>,
}

/// Something to do with a record, such as a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Where it leads.
    pub url: String,
    /// Plain text.
    pub title: Option<String>,
}

/// Why a record's writer does not want it shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// `published: false` or `draft: true`
    Unpublished,
    /// `removed: true` or `deleted: true`
    Removed,
}

/// Why a record that is fine must not be shown now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
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

    /// Whether the record is shown at an instant. With `unpublished`, what its writer hides is
    /// shown too, for preview.
    pub fn standing(&self, now: Timestamp, unpublished: bool) -> Standing {
        let held = |held, until| Standing { shown: Err(held), until };
        match self.hidden {
            Some(Hidden::Removed) if !unpublished => return held(Held::Removed, None),
            Some(Hidden::Unpublished) if !unpublished => return held(Held::Unpublished, None),
            _ => {}
        }
        let Some(published) = self.published else { return held(Held::Undated, None) };
        if self.expires.is_some_and(|expires| expires <= now) {
            held(Held::Expired, None)
        } else if published > now {
            held(Held::Scheduled, Some(published))
        } else {
            Standing { shown: Ok(published), until: self.expires }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_when() {
        let at = |seconds| Timestamp::from_timestamp(seconds, 0).unwrap();
        let shown = |published: Option<i64>, expires: Option<i64>, hidden, unpublished| {
            let record = Record {
                published: published.map(at),
                expires: expires.map(at),
                hidden,
                ..super::super::tests::record("title: A\ntopics: t\n")
            };
            let standing = record.standing(at(100), unpublished);
            (standing.shown.map(|at| at.timestamp()), standing.until.map(|at| at.timestamp()))
        };
        let (unpublished, removed) = (Some(Hidden::Unpublished), Some(Hidden::Removed));
        for (published, expires, hidden, preview, expected) in [
            (Some(50), None, None, false, (Ok(50), None)),
            (Some(100), None, None, false, (Ok(100), None)),
            (Some(50), Some(101), None, false, (Ok(50), Some(101))),
            (Some(50), Some(100), None, false, (Err(Held::Expired), None)),
            (Some(101), None, None, false, (Err(Held::Scheduled), Some(101))),
            (Some(101), Some(99), None, false, (Err(Held::Expired), None)),
            (None, None, None, false, (Err(Held::Undated), None)),
            (Some(50), None, unpublished, false, (Err(Held::Unpublished), None)),
            (Some(50), None, removed, false, (Err(Held::Removed), None)),
            (Some(50), None, unpublished, true, (Ok(50), None)),
            (Some(50), None, removed, true, (Ok(50), None)),
            (Some(101), None, removed, true, (Err(Held::Scheduled), Some(101))),
            (None, None, unpublished, true, (Err(Held::Undated), None)),
        ] {
            assert_eq!(
                shown(published, expires, hidden, preview),
                expected,
                "{published:?} {expires:?} {hidden:?} {preview}"
            );
        }
    }
}
