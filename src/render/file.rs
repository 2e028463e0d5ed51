//! The files that belong to a record: enclosures and attachments.

use std::collections::HashSet;

use crate::seed::{EmbedKind, Record, media_type};

/// A file that belongs to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct File<'a> {
    pub(super) url: &'a str,
    /// The media type, if the address shows it.
    pub(super) media_type: Option<&'static str>,
    pub(super) title: Option<&'a str>,
    /// The duration in whole seconds.
    pub(super) duration: Option<u64>,
}

/// The kind of a media file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    Audio,
    Image,
    Video,
}

impl Medium {
    pub(super) fn of(media_type: &str) -> Option<Self> {
        match media_type.split('/').next()? {
            "audio" => Some(Self::Audio),
            "image" => Some(Self::Image),
            "video" => Some(Self::Video),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

/// Returns the embedded file, if there is one, and the files of the actions, each once.
pub(super) fn files(record: &Record) -> impl Iterator<Item = File<'_>> {
    let embed = record.embed.iter().filter(|embed| embed.kind != EmbedKind::Player);
    let embedded = embed.map(|embed| (&*embed.url, None));
    let actions = record.actions.iter().map(|action| (&*action.url, action.title.as_deref()));
    let mut seen = HashSet::new();
    let files = embedded.chain(actions).filter(move |(url, _)| seen.insert(*url));
    files.map(|(url, title)| File {
        url,
        media_type: media_type(url),
        title,
        duration: duration_of(record, url),
    })
}

/// Returns the duration of a file in seconds. The length of a record is that of its embedded file, else
/// that of its first action that can be played.
pub(super) fn duration_of(record: &Record, url: &str) -> Option<u64> {
    let plays =
        |url: &str| matches!(media_type(url).and_then(Medium::of), Some(Medium::Audio | Medium::Video));
    let mut actions = record.actions.iter().map(|action| &*action.url);
    let played = record.embed.as_ref().map(|embed| &*embed.url).or_else(|| actions.find(|url| plays(url)));
    let seconds = record.length.map(|length| length.as_secs()).filter(|&seconds| seconds > 0);
    seconds.filter(|_| played == Some(url))
}
