//! Checks that all formats of a feed agree.

use std::collections::BTreeMap;

use chrono::{DateTime, FixedOffset};
use roxmltree::{Document, Node};
use serde_json::Value;

use super::xml::{all, text_of};
use super::{feeds, real, samples};
use crate::cold::Tree;
use crate::shapes;

#[derive(Debug, PartialEq)]
struct FeedEntry {
    id: String,
    link: Option<String>,
    title: String,
    published: Option<DateTime<FixedOffset>>,
    updated: Option<DateTime<FixedOffset>>,
    authors: Vec<String>,
    content: String,
}

fn rss(text: &str) -> Vec<FeedEntry> {
    let document = Document::parse(text).unwrap();
    let items = document.descendants().filter(|node| node.has_tag_name("item"));
    let entries = items.map(|item| {
        let text = |name: &str| text_of(&item, name).map(str::to_owned);
        let published = text("pubDate").map(|date| DateTime::parse_from_rfc2822(&date).unwrap());
        let updated = text("atom:updated").map(|date| DateTime::parse_from_rfc3339(&date).unwrap());
        FeedEntry {
            id: text("guid").unwrap(),
            link: text("link"),
            title: text("title").unwrap(),
            published,
            updated: updated.or(published),
            authors: texts(all(&item, "dc:creator")),
            content: text("content:encoded").or_else(|| text("description")).unwrap_or_default(),
        }
    });
    entries.collect()
}

fn atom(text: &str) -> Vec<FeedEntry> {
    let document = Document::parse(text).unwrap();
    let entries = all(&document.root_element(), "atom:entry").into_iter().map(|entry| {
        let text = |name: &str| text_of(&entry, name).map(str::to_owned);
        let date = |name: &str| text(name).map(|date| DateTime::parse_from_rfc3339(&date).unwrap());
        let link = all(&entry, "atom:link")
            .into_iter()
            .find(|link| matches!(link.attribute("rel"), None | Some("alternate")));
        let authors = all(&entry, "atom:author").iter().flat_map(|author| all(author, "atom:name")).collect();
        FeedEntry {
            id: text("atom:id").unwrap(),
            link: link.and_then(|link| link.attribute("href")).map(str::to_owned),
            title: text("atom:title").unwrap(),
            published: date("atom:published"),
            updated: date("atom:updated"),
            authors: texts(authors),
            content: text("atom:content").unwrap_or_default(),
        }
    });
    entries.collect()
}

fn texts(nodes: Vec<Node<'_, '_>>) -> Vec<String> {
    nodes.into_iter().filter_map(|node| node.text().map(str::to_owned)).collect()
}

fn json(text: &str) -> Vec<FeedEntry> {
    let feed: Value = serde_json::from_str(text).unwrap();
    let entries = feed["items"].as_array().unwrap().iter().map(|item| {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let date = |key: &str| text(key).map(|date| DateTime::parse_from_rfc3339(&date).unwrap());
        let authors = item["authors"].as_array().into_iter().flatten();
        FeedEntry {
            id: text("id").unwrap(),
            link: text("url"),
            title: text("title").unwrap(),
            published: date("date_published"),
            updated: date("date_modified").or(date("date_published")),
            authors: authors.filter_map(|author| author["name"].as_str().map(str::to_owned)).collect(),
            content: text("content_html").unwrap_or_default(),
        }
    });
    entries.collect()
}

/// Returns the number of feeds, each of which exists in every format.
fn check_agreement(tree: &Tree) -> usize {
    let mut formats: BTreeMap<&str, Vec<(&str, Vec<FeedEntry>)>> = BTreeMap::new();
    for (path, bytes) in feeds(tree) {
        let (stem, ending) = path.rsplit_once('.').unwrap();
        let text = std::str::from_utf8(bytes).unwrap();
        let entries = match ending {
            "rss" => rss(text),
            "atom" => atom(text),
            "json" => json(text),
            _ => continue,
        };
        formats.entry(stem).or_default().push((ending, entries));
    }
    let endings = |formats: &[(&str, Vec<FeedEntry>)]| {
        formats.iter().map(|(ending, _)| (*ending).to_owned()).collect::<Vec<_>>()
    };
    let all = endings(&formats["all"]);
    for (stem, formats) in &formats {
        assert_eq!(endings(formats), all, "{stem}");
        let (first, expected) = &formats[0];
        assert!(!expected.is_empty(), "{stem}");
        for (ending, entries) in formats {
            assert_eq!(entries.len(), expected.len(), "{stem}.{ending}");
            for (entry, expected) in entries.iter().zip(expected) {
                assert_eq!(entry, expected, "{stem}.{ending} and {stem}.{first}");
            }
        }
    }
    formats.len()
}

#[test]
fn formats_of_one_feed_agree() {
    assert!(check_agreement(&samples()) >= 9);
    assert!(check_agreement(&shapes::grown()) > 10);
    if let Some(tree) = real() {
        assert!(check_agreement(&tree) > 5);
    }
}

#[test]
fn disagreeing_formats_are_found() {
    let rss = r"<rss><channel><item><title>One</title><guid>a:1</guid><pubDate>Fri, 07 Aug 2020 16:44:36 +0000</pubDate></item></channel></rss>";
    let atom = r#"<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>One</title><id>a:1</id><published>2020-08-07T18:44:36+02:00</published><updated>2020-08-07T16:44:36Z</updated></entry></feed>"#;
    let json = r#"{"items": [{"id": "a:1", "title": "One", "date_published": "2020-08-07T16:44:36Z"}]}"#;
    let agree = |documents: [&str; 3]| {
        let paths = ["all.rss", "all.atom", "all.json"].map(str::to_owned);
        let tree = paths.into_iter().zip(documents.map(|document| document.as_bytes().to_vec())).collect();
        std::panic::catch_unwind(|| check_agreement(&tree)).is_ok()
    };
    assert!(agree([rss, atom, json]));
    for (words, instead) in [
        ("One<", "Two<"),
        ("a:1<", "a:2<"),
        ("16:44:36 +", "16:44:37 +"),
        ("</item>", "<link>https://a.example/</link></item>"),
        ("</item>", "<dc:creator xmlns:dc=\"http://purl.org/dc/elements/1.1/\">Ann</dc:creator></item>"),
        ("<item>", "<item><title>Zero</title><guid>a:0</guid></item><item>"),
    ] {
        assert_eq!(rss.matches(words).count(), 1, "{words}");
        assert!(!agree([&rss.replace(words, instead), atom, json]), "{instead}");
    }
}
