//! Atom: RFC 4287.

use std::collections::BTreeMap;

use atom_syndication::extension::{Extension, ExtensionMap};
use atom_syndication::{Category, Content, Entry, Feed, Generator, Link, Person, Text, WriteConfig};
use quick_xml::escape::escape;

use crate::feed;
use crate::render::content::{buffer, content};
use crate::render::error::RenderError;
use crate::render::file::{File, files};
use crate::render::format::Format;
use crate::render::media::{self, Element};
use crate::render::namespace::HISTORY;
use crate::render::publication::{GENERATOR, Publication};
use crate::seed::{Record, Timestamp};

/// The date of a feed without entries, which RFC 4287 §4.1.1 requires: the month of that RFC, since some
/// readers reject dates before the first feeds.
const NEVER: Timestamp = match Timestamp::from_timestamp(1_133_395_200, 0) {
    Some(december_2005) => december_2005,
    None => Timestamp::UNIX_EPOCH,
};

pub(super) fn render(feed: &feed::FeedDocument, publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let entries: Vec<_> = feed.entries.iter().map(|shown| entry(shown, feed, publication)).collect();
    let mut namespaces = BTreeMap::new();
    if entries.iter().any(|entry| !entry.extensions.is_empty()) {
        namespaces.insert(media::PREFIX.to_owned(), media::NAMESPACE.to_owned());
    }
    if feed.archive.is_some() {
        let (prefix, namespace) = HISTORY;
        namespaces.insert(prefix.to_owned(), namespace.to_owned());
    }
    let documents = publication.document_links(feed, Format::Atom).into_iter();
    let mut links: Vec<_> =
        documents.map(|(rel, href)| link(rel, &href, Some("application/atom+xml"))).collect();
    links.push(link("alternate", &publication.site_url(&feed.selection), Some("text/html")));
    let atom = Feed {
        title: Text::plain(publication.feed_title(feed)),
        subtitle: Some(Text::plain(publication.feed_description(feed))),
        // All documents of a feed have the same id (RFC 5005 §4).
        id: publication.feed_url(&feed.selection, Format::Atom),
        updated: feed.updated().unwrap_or(NEVER).fixed_offset(),
        // §4.1.1: a feed has an author unless every entry has one.
        authors: vec![Person {
            name: publication.title.clone(),
            uri: Some(publication.url.to_string()),
            ..Person::default()
        }],
        links,
        generator: Some(Generator { value: GENERATOR.to_owned(), ..Generator::default() }),
        icon: feed.about.icon.clone().or_else(|| publication.icon.clone()),
        logo: publication.logo.clone(),
        rights: publication.copyright.clone().map(Text::plain),
        lang: Some(publication.feed_language(feed).to_owned()),
        entries,
        namespaces,
        ..Feed::default()
    };
    let config = WriteConfig { write_document_declaration: true, indent_size: None };
    let written = atom.write_with_config(buffer(feed), config);
    let written = written.map_err(|error| RenderError::new(feed, Format::Atom, &error))?;
    Ok(if feed.archive.is_some() { with_archive_mark(written) } else { written })
}

/// Marks an archive document (RFC 5005 §4). The library writes extension elements after the entries,
/// where RFC 4287 (appendix B) does not allow them.
fn with_archive_mark(mut written: Vec<u8>) -> Vec<u8> {
    // In texts the tag is escaped, so the first match is the first entry.
    let first = b"<entry>";
    if let Some(at) = written.windows(first.len()).position(|window| window == first) {
        let mark = format!("<{}:archive/>", HISTORY.0);
        written.splice(at..at, mark.bytes());
    }
    written
}

fn entry(entry: &feed::ShownEntry, feed: &feed::FeedDocument, publication: &Publication) -> Entry {
    let record = &entry.record;
    let links = record
        .link
        .iter()
        .map(|url| link("alternate", url, None))
        .chain(record.via.iter().map(|url| link("via", url, None)))
        .chain(related(record))
        .chain(files(record).map(enclosure))
        .collect();
    let categories = publication.categories(feed, entry).into_iter();
    let categories = categories
        .map(|(name, scheme)| Category { term: name.to_owned(), scheme: Some(scheme), label: None })
        .collect();
    let html = content(feed, record);
    // The library cannot set the language of an entry, so each of its texts has one.
    let language = publication.other_language(feed, record).map(str::to_owned);
    let text = |text: &str| Text { lang: language.clone(), ..Text::plain(text) };
    Entry {
        title: text(&record.title),
        id: record.id.to_string(),
        updated: entry.updated().fixed_offset(),
        published: Some(entry.published.fixed_offset()),
        authors: authors(record),
        categories,
        links,
        summary: record.summary.as_deref().map(text),
        content: (!html.is_empty()).then(|| Content {
            value: Some(html),
            content_type: Some("html".to_owned()),
            lang: language.clone(),
            ..Content::default()
        }),
        extensions: extensions(record),
        ..Entry::default()
    }
}

/// Returns the authors, else the provider.
fn authors(record: &Record) -> Vec<Person> {
    let site = record.provider.as_ref().and_then(|provider| provider.site.clone());
    record
        .author_names()
        .map(|name| Person { name: name.to_owned(), uri: site.clone(), ..Person::default() })
        .collect()
}

fn related(record: &Record) -> impl Iterator<Item = Link> {
    let related = record.related.iter();
    related.map(|related| Link { title: Some(related.title.clone()), ..link("related", &related.link, None) })
}

fn enclosure(file: File<'_>) -> Link {
    Link { title: file.title.map(str::to_owned), ..link("enclosure", file.url, file.media_type) }
}

fn extensions(record: &Record) -> ExtensionMap {
    let media = by_name(media::elements(record));
    if media.is_empty() {
        return ExtensionMap::new();
    }
    ExtensionMap::from([(media::PREFIX.to_owned(), media)])
}

fn by_name(elements: Vec<Element>) -> BTreeMap<String, Vec<Extension>> {
    let mut named: BTreeMap<String, Vec<Extension>> = BTreeMap::new();
    for element in elements {
        let name = element.prefixed();
        // The library does not escape the attributes of extensions.
        let attributes = element.attributes.into_iter();
        let attrs = attributes.map(|(name, value)| (name.to_owned(), escape(value).into_owned())).collect();
        let extension = Extension { name, attrs, value: element.text, children: by_name(element.children) };
        named.entry(element.name.to_owned()).or_default().push(extension);
    }
    named
}

fn link(rel: &str, href: &str, mime_type: Option<&str>) -> Link {
    Link {
        rel: rel.to_owned(),
        href: href.to_owned(),
        mime_type: mime_type.map(str::to_owned),
        ..Link::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_extensions_are_escaped() {
        let hostile = "https://a.example/?a=1&b=2\"<";
        let element = Element {
            name: "thumbnail",
            attributes: BTreeMap::from([("url", hostile.to_owned())]),
            ..Element::default()
        };
        let extensions = ExtensionMap::from([(media::PREFIX.to_owned(), by_name(vec![element]))]);
        let namespaces = BTreeMap::from([(media::PREFIX.to_owned(), media::NAMESPACE.to_owned())]);
        let written = Feed { extensions, namespaces, ..Feed::default() }.to_string();
        let document = roxmltree::Document::parse(&written).unwrap();
        let element = document.descendants().find(|node| node.tag_name().name() == "thumbnail").unwrap();
        assert_eq!(element.attribute("url"), Some(hostile));
    }
}
