//! Cards: entries in short.

use std::time::Duration;

use serde::Serialize;

use crate::feed::ShownEntry;
use crate::render::html::date::date_and_time;
use crate::render::html::link::other_language;
use crate::render::publication::Publication;
use crate::seed::{Image, Record, Related};

/// The maximum number of related entries on a card.
const MAX_RELATED: usize = 5;

/// An entry, in short.
#[derive(Serialize)]
pub(super) struct Card<'a> {
    title: &'a str,
    link: Option<&'a str>,
    source: Option<&'a str>,
    source_icon: Option<&'a str>,
    published: String,
    published_text: String,
    kind: Option<&'a str>,
    length: Option<String>,
    summary: Option<&'a str>,
    picture: Option<Picture<'a>>,
    language: Option<&'a str>,
    related: Vec<RelatedLink<'a>>,
}

#[derive(Serialize)]
struct Picture<'a> {
    url: &'a str,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Serialize)]
struct RelatedLink<'a> {
    title: &'a str,
    link: &'a str,
    source: Option<&'a str>,
}

pub(super) fn card<'a>(entry: &'a ShownEntry, feed_language: &'a str, publication: &Publication) -> Card<'a> {
    let record: &Record = &entry.record;
    let picture = |image: &'a Image| Picture { url: &image.url, width: image.width, height: image.height };
    let provider = record.provider.as_ref();
    Card {
        title: &record.title,
        link: record.link.as_deref(),
        source: provider.map(|provider| &*provider.name).or_else(|| record.author_names().next()),
        source_icon: provider
            .and_then(|provider| provider.image.as_deref())
            .filter(|icon| publication.shows(icon)),
        published: entry.published.to_rfc3339(),
        published_text: date_and_time(entry.published),
        kind: record.kind.as_deref(),
        length: record.length.map(length),
        summary: record.summary.as_deref(),
        picture: record.images.first().filter(|image| publication.shows(&image.url)).map(picture),
        language: other_language(record.language.as_deref().unwrap_or(feed_language)),
        related: record.related.iter().take(MAX_RELATED).map(related).collect(),
    }
}

fn related(related: &Related) -> RelatedLink<'_> {
    RelatedLink { title: &related.title, link: &related.link, source: related.provider.as_deref() }
}

/// Formats a duration in words: `1 h 29 min`
fn length(length: Duration) -> String {
    let minutes = length.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
