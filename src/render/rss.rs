//! RSS 2.0, with the advice of the RSS Board's Best Practices Profile.

use std::collections::BTreeMap;
use std::time::Duration;

use atom_syndication::Link;
use rss::extension::atom::{AtomExtension, NAMESPACE as ATOM};
use rss::extension::dublincore::DublinCoreExtension;
use rss::extension::syndication::{self, UpdatePeriod};
use rss::extension::{Extension, ExtensionMap};
use rss::{Category, Channel, Enclosure, Guid, Image, Item};

use crate::feed::{FeedDocument, ShownEntry};
use crate::render::content::{buffer, content};
use crate::render::error::RenderError;
use crate::render::file::{self, File};
use crate::render::format::Format;
use crate::render::media::{self, Element};
use crate::render::namespace::HISTORY;
use crate::render::publication::{GENERATOR, Publication};
use crate::seed::{Timestamp, media_type};

pub(super) fn render(feed: &FeedDocument, publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let minutes = publication.max_age.as_secs().div_ceil(60);
    let items: Vec<_> = feed.entries.iter().map(|entry| item(entry, feed, publication)).collect();
    let mut namespaces = BTreeMap::from([("atom".to_owned(), ATOM.to_owned())]);
    if items.iter().any(|item| item.extensions.contains_key(media::PREFIX)) {
        namespaces.insert(media::PREFIX.to_owned(), media::NAMESPACE.to_owned());
    }
    let mut extensions = channel_extensions(publication);
    if extensions.contains_key(SYNDICATION) {
        namespaces.insert(SYNDICATION.to_owned(), syndication::NAMESPACE.to_owned());
    }
    if feed.archive.is_some() {
        let (prefix, namespace) = HISTORY;
        let archive = Extension { name: format!("{prefix}:archive"), ..Extension::default() };
        let elements = BTreeMap::from([("archive".to_owned(), vec![archive])]);
        extensions.insert(prefix.to_owned(), elements);
        namespaces.insert(prefix.to_owned(), namespace.to_owned());
    }
    let links = publication.document_links(feed, Format::Rss).into_iter();
    let mime_type = || Some("application/rss+xml".to_owned());
    let channel = Channel {
        title: publication.feed_title(feed),
        link: publication.site_url(&feed.selection),
        description: as_html(&publication.feed_description(feed)),
        language: Some(publication.feed_language(feed).to_owned()),
        pub_date: feed.published().map(rfc822),
        last_build_date: feed.updated().map(rfc822),
        generator: Some(GENERATOR.to_owned()),
        docs: Some("https://www.rssboard.org/rss-specification".to_owned()),
        ttl: Some(minutes).filter(|&minutes| minutes > 0).map(|minutes| minutes.to_string()),
        copyright: publication.copyright.clone(),
        image: image(feed, publication),
        extensions,
        // The profile: a feed has a link to its own address.
        atom_ext: Some(AtomExtension {
            links: links
                .map(|(rel, href)| Link { mime_type: mime_type(), ..link(rel, &href, None) })
                .collect(),
        }),
        namespaces,
        items,
        ..Channel::default()
    };
    channel.write_to(buffer(feed)).map_err(|error| RenderError::new(feed, Format::Rss, &error))
}

/// The prefix of the syndication module.
const SYNDICATION: &str = "sy";

fn channel_extensions(publication: &Publication) -> ExtensionMap {
    let mut extensions = ExtensionMap::new();
    if let Some((period, frequency)) = update_rhythm(publication.max_age) {
        let values = [("updateFrequency", frequency.to_string()), ("updatePeriod", period.to_string())];
        let elements = values.map(|(name, value)| {
            let element = Extension {
                name: format!("{SYNDICATION}:{name}"),
                value: Some(value),
                ..Extension::default()
            };
            (name.to_owned(), vec![element])
        });
        extensions.insert(SYNDICATION.to_owned(), BTreeMap::from(elements));
    }
    extensions
}

/// Returns the update period and the number of updates in it that suit the cache lifetime.
fn update_rhythm(max_age: Duration) -> Option<(UpdatePeriod, u64)> {
    const HOUR: u64 = 60 * 60;
    const DAY: u64 = 24 * HOUR;
    let seconds = max_age.as_secs();
    let (period, length) = if seconds <= HOUR {
        (UpdatePeriod::Hourly, HOUR)
    } else if seconds <= DAY {
        (UpdatePeriod::Daily, DAY)
    } else {
        (UpdatePeriod::Weekly, 7 * DAY)
    };
    length.checked_div(seconds).map(|frequency| (period, frequency.max(1)))
}

/// Returns the picture of the feed, if RSS allows its media type. Its title and its link are those of
/// the channel (the profile, §image).
fn image(feed: &FeedDocument, publication: &Publication) -> Option<Image> {
    let shown =
        |url: &&String| matches!(media_type(url), None | Some("image/gif" | "image/jpeg" | "image/png"));
    let pictures = [&feed.about.icon, &publication.logo, &publication.icon];
    let url = pictures.into_iter().flatten().find(shown)?;
    Some(Image {
        url: url.clone(),
        title: publication.feed_title(feed),
        link: publication.site_url(&feed.selection),
        ..Image::default()
    })
}

fn item(entry: &ShownEntry, feed: &FeedDocument, publication: &Publication) -> Item {
    let record = &entry.record;
    let categories = publication.categories(feed, entry).into_iter();
    let categories =
        categories.map(|(name, domain)| Category { name: name.to_owned(), domain: Some(domain) }).collect();
    let languages: Vec<_> = publication.other_language(feed, record).map(str::to_owned).into_iter().collect();
    let content = Some(content(feed, record)).filter(|content| !content.is_empty());
    // The profile, §content:encoded: with `content:encoded`, the description is a summary. Without a
    // summary, the content is the description.
    let (description, content) = match &record.summary {
        Some(summary) => (Some(as_html(summary)), content),
        None => (content, None),
    };
    let via = record.via.iter().map(|url| link("via", url, None));
    let related = record.related.iter().map(|related| link("related", &related.link, Some(&related.title)));
    let links: Vec<_> = via.chain(related).collect();
    let creators: Vec<String> = record.author_names().map(str::to_owned).collect();
    Item {
        title: Some(record.title.clone()),
        link: record.link.clone(),
        description,
        content,
        categories,
        guid: Some(Guid {
            value: record.id.to_string(),
            permalink: record.link.as_deref() == Some(&*record.id),
        }),
        pub_date: Some(rfc822(entry.published)),
        // RSS's own `author` is an e-mail address; names go into Dublin Core (the profile, §author).
        dublin_core_ext: (!creators.is_empty() || !languages.is_empty()).then(|| DublinCoreExtension {
            creators,
            languages,
            ..DublinCoreExtension::default()
        }),
        enclosure: file::files(record).find_map(enclosure),
        atom_ext: (!links.is_empty()).then_some(AtomExtension { links }),
        extensions: extensions(entry),
        ..Item::default()
    }
}

/// Makes an Atom link. RSS has no elements for sources and related entries.
fn link(rel: &str, href: &str, title: Option<&str>) -> Link {
    let (rel, href) = (rel.to_owned(), href.to_owned());
    Link { rel, href, title: title.map(str::to_owned), ..Link::default() }
}

/// Makes an enclosure of a file with a known media type. A length of 0 means unknown (the profile,
/// §enclosure).
fn enclosure(file: File<'_>) -> Option<Enclosure> {
    let mime_type = file.media_type?.to_owned();
    Some(Enclosure { url: file.url.to_owned(), length: "0".to_owned(), mime_type })
}

fn extensions(entry: &ShownEntry) -> ExtensionMap {
    let mut extensions = ExtensionMap::new();
    // RSS has no element for the time of the last change.
    if entry.updated() != entry.published {
        let (name, value) = ("atom:updated".to_owned(), Some(entry.updated().to_rfc3339()));
        let updated = Extension { name, value, ..Extension::default() };
        extensions.insert("atom".to_owned(), BTreeMap::from([("updated".to_owned(), vec![updated])]));
    }
    let media = by_name(media::elements(&entry.record));
    if !media.is_empty() {
        extensions.insert(media::PREFIX.to_owned(), media);
    }
    extensions
}

fn by_name(elements: Vec<Element>) -> BTreeMap<String, Vec<Extension>> {
    let mut named: BTreeMap<String, Vec<Extension>> = BTreeMap::new();
    for element in elements {
        let extension = Extension {
            name: element.prefixed(),
            attrs: element.attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            value: element.text,
            children: by_name(element.children),
        };
        named.entry(element.name.to_owned()).or_default().push(extension);
    }
    named
}

/// Formats a date as in RFC 822 with the four-digit year of RFC 1123.
fn rfc822(at: Timestamp) -> String {
    at.to_rfc2822()
}

/// Converts plain text to the HTML of a description. Only text that would be read as markup is escaped,
/// since some readers take descriptions for plain text.
fn as_html(text: &str) -> String {
    let tag = text.split('<').skip(1).any(|rest| !rest.starts_with(' '));
    let reference = text.split('&').skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '#').starts_with(';')
    });
    if tag || reference || htmlize::unescape(text) != text {
        htmlize::escape_text(text).into_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn update_rhythm_follows_max_age() {
        for (max_age, expected) in [
            ("0s", None),
            ("1m", Some("hourly 60")),
            ("15m", Some("hourly 4")),
            ("45m", Some("hourly 1")),
            ("1h", Some("hourly 1")),
            ("2h", Some("daily 12")),
            ("1d", Some("daily 1")),
            ("2d", Some("weekly 3")),
            ("30d", Some("weekly 1")),
        ] {
            let rhythm = update_rhythm(humantime::parse_duration(max_age).unwrap());
            let text = rhythm.map(|(period, frequency)| format!("{period} {frequency}"));
            assert_eq!(text.as_deref(), expected, "{max_age}");
        }
    }

    #[test]
    fn only_text_that_reads_as_markup_is_escaped() {
        for (text, expected) in [
            ("Research & Development, 1 < 2 > 0", "Research & Development, 1 < 2 > 0"),
            ("R&D, AT&T", "R&D, AT&T"),
            ("the <b> element", "the &lt;b&gt; element"),
            ("write &amp; for &", "write &amp;amp; for &amp;"),
            ("?a=1&copy=2", "?a=1&amp;copy=2"),
            ("a <!-- b", "a &lt;!-- b"),
            ("a <", "a &lt;"),
            ("a <<1", "a &lt;&lt;1"),
            ("&nonesuch; &", "&amp;nonesuch; &amp;"),
        ] {
            assert_eq!(as_html(text), expected);
        }
    }
}
