//! Atom: RFC 4287.

use atom_syndication::{Category, Content, Entry, Feed, Generator, Link, Person, Text, WriteConfig};

use super::{Format, GENERATOR, Publication, RenderError, content};
use crate::catalog;
use crate::feed;
use crate::seed::{Record, Timestamp};

/// RFC 4287 §4.1.1 wants a date even of a feed in which nothing has ever changed.
const NEVER: Timestamp = Timestamp::UNIX_EPOCH;

pub(super) fn render(feed: &feed::Feed, publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let own = publication.feed_url(&feed.selection, Format::Atom);
    let atom = Feed {
        title: Text::plain(publication.feed_title(feed)),
        subtitle: Some(Text::plain(publication.feed_description(feed))),
        id: own.clone(),
        updated: feed.updated().unwrap_or(NEVER).fixed_offset(),
        // §4.1.1: a feed has an author unless every entry has one.
        authors: vec![Person {
            name: publication.title.clone(),
            uri: Some(publication.url.to_string()),
            ..Person::default()
        }],
        links: vec![
            link("self", &own, Some("application/atom+xml")),
            link("alternate", &publication.page_url(&feed.selection), Some("text/html")),
        ],
        generator: Some(Generator { value: GENERATOR.to_owned(), ..Generator::default() }),
        lang: Some(publication.language.clone()),
        entries: feed.entries.iter().map(|found| entry(found, feed, publication)).collect(),
        ..Feed::default()
    };
    let config = WriteConfig { write_document_declaration: true, indent_size: None };
    atom.write_with_config(Vec::new(), config).map_err(|error| RenderError::new(feed, Format::Atom, &error))
}

fn entry(entry: &catalog::Entry, feed: &feed::Feed, publication: &Publication) -> Entry {
    let record = &*entry.record;
    let links = record
        .link
        .iter()
        .map(|url| link("alternate", url, None))
        .chain(record.via.iter().map(|url| link("via", url, None)))
        .collect();
    let categories = feed
        .topic_names(entry)
        .map(|name| Category { term: name.to_owned(), scheme: Some(publication.topic_scheme()), label: None })
        .collect();
    Entry {
        title: Text::plain(record.title.clone()),
        id: record.id.to_string(),
        updated: entry.updated().fixed_offset(),
        published: Some(entry.published.fixed_offset()),
        authors: authors(record),
        categories,
        links,
        summary: record.summary.clone().map(Text::plain),
        // §4.1.2: an entry without an alternate link has content.
        content: Some(Content {
            value: Some(content(feed, record)),
            content_type: Some("html".to_owned()),
            ..Content::default()
        }),
        ..Entry::default()
    }
}

/// The authors if any are named, else the provider.
fn authors(record: &Record) -> Vec<Person> {
    let site = record.provider.as_ref().and_then(|provider| provider.site.clone());
    record
        .author_names()
        .map(|name| Person { name: name.to_owned(), uri: site.clone(), ..Person::default() })
        .collect()
}

fn link(rel: &str, href: &str, mime_type: Option<&str>) -> Link {
    Link {
        rel: rel.to_owned(),
        href: href.to_owned(),
        mime_type: mime_type.map(str::to_owned),
        ..Link::default()
    }
}
