use std::collections::BTreeMap;
use std::sync::Arc;

use roxmltree::{Document, Node};
use serde_json::Value;

use super::*;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::config::criteria::Criteria;
use crate::feed::{LogicalFeed, outlines};
use crate::seed::{self, Change, Rules, Timestamp};

const FULL: &str = "
title: Feeds
entries: 1
copyright: © A & B
icon: https://a.example/icon.svg
logo: https://a.example/logo.png
topics:
  - {name: News, language: de, icon: https://a.example/news.png, content: excerpt}
";

fn now() -> Timestamp {
    "2024-06-01T00:00:00Z".parse().unwrap()
}

struct Fixture {
    config: Config,
    catalog: Catalog,
}

impl Fixture {
    /// Creates a catalog of three months with one entry each, one of them in German.
    fn new(yaml: &str) -> Self {
        let config = Config::sample(yaml);
        let mut catalog = Catalog::new(false, config.topics.clone());
        let seeds = [("1", "en"), ("2", "de"), ("3", "en")].map(|(month, language)| {
            let path: Arc<str> = format!("{month}.md").into();
            let front_matter = format!(
                "title: T{month}\ndate: 2024-0{month}-05\nlanguage: {language}\nexcerpt: S\ntopics: News"
            );
            let text = format!("---\n{front_matter}\n---\nBody");
            (path.clone(), Change::Read(seed::read(&Rules::sample(), &path, text.as_bytes())))
        });
        catalog.apply(seeds, now());
        Self { config, catalog }
    }

    fn render(&self, feed: &FeedDocument, format: Format) -> String {
        String::from_utf8(format.render(feed, &Publication::new(&self.config)).unwrap()).unwrap()
    }

    fn topic(&self) -> LogicalFeed<'_> {
        LogicalFeed::topic(&self.config, self.catalog.entries(), &"news".into())
    }
}

fn texts<'d>(document: &'d Document<'_>, parent: &str, name: &str) -> Vec<&'d str> {
    let below = |node: &Node<'_, '_>| node.parent().is_some_and(|node| node.tag_name().name() == parent);
    let named = document.descendants().filter(|node| node.tag_name().name() == name && below(node));
    named.filter_map(|node| node.text()).collect()
}

/// Returns the relations and addresses of a feed's links, except to its page.
fn links<'d>(document: &'d Document<'_>) -> Vec<(&'d str, &'d str)> {
    let own = |node: &Node<'_, '_>| {
        node.parent().is_some_and(|node| matches!(node.tag_name().name(), "feed" | "channel"))
    };
    let links = document.descendants().filter(|node| node.tag_name().name() == "link" && own(node));
    links
        .filter_map(|link| Some((link.attribute("rel")?, link.attribute("href")?)))
        .filter(|(relation, _)| *relation != "alternate")
        .collect()
}

#[test]
fn feed_shows_its_metadata() {
    let fixture = Fixture::new(FULL);
    let feed = fixture.topic().subscription();

    let rss = fixture.render(&feed, Format::Rss);
    let document = Document::parse(&rss).unwrap();
    for (parent, name, expected) in [
        ("channel", "title", "News · Feeds"),
        ("channel", "language", "de"),
        ("channel", "copyright", "© A & B"),
        ("channel", "updatePeriod", "hourly"),
        ("channel", "updateFrequency", "4"),
        ("channel", "ttl", "15"),
        ("image", "url", "https://a.example/news.png"),
        ("image", "title", "News · Feeds"),
        ("image", "link", "https://a.example/topics/news"),
        ("item", "language", "en"),
        ("item", "encoded", "<p>S</p>"),
    ] {
        assert_eq!(texts(&document, parent, name), [expected], "{parent} {name}");
    }

    let atom = fixture.render(&feed, Format::Atom);
    let document = Document::parse(&atom).unwrap();
    for (name, expected) in [
        ("rights", "© A & B"),
        ("icon", "https://a.example/news.png"),
        ("logo", "https://a.example/logo.png"),
    ] {
        assert_eq!(texts(&document, "feed", name), [expected], "{name}");
    }
    let language = ("http://www.w3.org/XML/1998/namespace", "lang");
    let languages =
        document.descendants().filter_map(|node| Some((node.tag_name().name(), node.attribute(language)?)));
    let expected = [("feed", "de"), ("title", "en"), ("summary", "en"), ("content", "en")];
    assert_eq!(languages.collect::<Vec<_>>(), expected);

    let json: Value = serde_json::from_str(&fixture.render(&feed, Format::Json)).unwrap();
    for (key, expected) in [
        ("icon", "https://a.example/news.png"),
        ("favicon", "https://a.example/icon.svg"),
        ("language", "de"),
    ] {
        assert_eq!(json[key], expected, "{key}");
    }
    assert_eq!(
        (&json["items"][0]["language"], &json["items"][0]["content_html"]),
        (&"en".into(), &"<p>S</p>".into())
    );
}

#[test]
fn unset_metadata_is_left_out() {
    let fixture = Fixture::new("title: Feeds\nmax_age: 0s\nicon: https://a.example/icon.svg\n");
    let feed = LogicalFeed::all(&fixture.config, fixture.catalog.entries()).subscription();
    let rss = fixture.render(&feed, Format::Rss);
    for element in ["<ttl", "<copyright", "<image", "<sy:", "xmlns:sy", "xmlns:media", "xmlns:fh"] {
        assert!(!rss.contains(element), "{element}");
    }
}

#[test]
fn every_file_is_listed_once() {
    let mut fixture = Fixture::new("");
    let path: Arc<str> = "files.md".into();
    let text = "---\ntitle: A\ndate: 2024-05-01\ntopics: t\n\
        featuredContent: <audio src='https://a.example/a.mp3'></audio>\n\
        actions: [{url: 'https://a.example/a.mp3'}, {url: 'https://a.example/b'}, {url: 'https://a.example/b'}, {url: 'https://a.example/c.pdf'}]\n---\n";
    let change = Change::Read(seed::read(&Rules::sample(), &path, text.as_bytes()));
    fixture.catalog.apply([(path, change)], now());
    let feed = LogicalFeed::topic(&fixture.config, fixture.catalog.entries(), &"t".into()).subscription();

    let atom = fixture.render(&feed, Format::Atom);
    let document = Document::parse(&atom).unwrap();
    let enclosures = document.descendants().filter(|node| node.attribute("rel") == Some("enclosure"));
    let enclosures: Vec<_> =
        enclosures.map(|link| (link.attribute("href"), link.attribute("type"))).collect();
    let [recording, page, text] =
        ["https://a.example/a.mp3", "https://a.example/b", "https://a.example/c.pdf"].map(Some);
    assert_eq!(enclosures, [(recording, Some("audio/mpeg")), (page, None), (text, Some("application/pdf"))]);
    let json: Value = serde_json::from_str(&fixture.render(&feed, Format::Json)).unwrap();
    let attachments = json["items"][0]["attachments"].as_array().unwrap();
    let attachments: Vec<_> = attachments.iter().map(|attachment| attachment["url"].as_str()).collect();
    assert_eq!(attachments, [recording, text]);
}

#[test]
fn language_selects_records() {
    let fixture = Fixture::new(FULL);
    let entries = fixture.catalog.entries();
    for (query, expected) in [("language=de", vec!["T2"]), ("language=en&limit=2", vec!["T3", "T1"])] {
        let criteria = Criteria::from_query(query, 10).unwrap().unwrap();
        let feed = LogicalFeed::query(&fixture.config, entries, &criteria, now()).subscription();
        let titles: Vec<_> = feed.entries.iter().map(|entry| &*entry.record.title).collect();
        assert_eq!(titles, expected, "{query}");
    }
}

#[test]
fn documents_of_a_feed_are_linked() {
    let fixture = Fixture::new(FULL);
    let topic = fixture.topic();
    let archives = topic.archives();
    assert_eq!(archives.len(), 3);
    for format in [Format::Rss, Format::Atom] {
        let ending = format.ending();
        let url = |path: &str| format!("https://a.example/topics/news{path}{ending}");
        for (feed, expected) in [
            (topic.subscription(), vec![("self", url("")), ("prev-archive", url("/2024-03"))]),
            (
                topic.archive(&archives, 0),
                vec![("self", url("/2024-03")), ("current", url("")), ("prev-archive", url("/2024-02"))],
            ),
            (
                topic.archive(&archives, 2),
                vec![("self", url("/2024-01")), ("current", url("")), ("next-archive", url("/2024-02"))],
            ),
        ] {
            let written = fixture.render(&feed, format);
            let document = Document::parse(&written).unwrap();
            let expected: Vec<_> = expected.iter().map(|(relation, url)| (*relation, &**url)).collect();
            assert_eq!(links(&document), expected);
            let history = ("http://purl.org/syndication/history/1.0", "archive");
            let marked = document.descendants().any(|node| node.has_tag_name(history));
            assert_eq!(marked, feed.archive.is_some(), "{written}");
            if format == Format::Atom {
                assert_eq!(texts(&document, "feed", "id"), [url("")]);
            }
        }
    }
    let json: Value = serde_json::from_str(&fixture.render(&topic.subscription(), Format::Json)).unwrap();
    assert_eq!(json["next_url"], "https://a.example/topics/news/2024-03.json");
    let json: Value =
        serde_json::from_str(&fixture.render(&topic.archive(&archives, 0), Format::Json)).unwrap();
    assert_eq!(json["feed_url"], "https://a.example/topics/news.json");
}

#[test]
fn address_of_a_query_is_escaped() {
    let fixture = Fixture::new(FULL);
    let entries = fixture.catalog.entries();
    let criteria = Criteria::from_query("language=de&limit=2", 10).unwrap().unwrap();
    let feed = LogicalFeed::query(&fixture.config, entries, &criteria, now()).subscription();
    for format in [Format::Rss, Format::Atom] {
        let written = fixture.render(&feed, format);
        let own = format!("https://a.example/all{}?language=de&limit=2", format.ending());
        assert_eq!(links(&Document::parse(&written).unwrap()), [("self", &*own)]);
    }
}

/// Renders the page about a feed.
fn page(fixture: &Fixture, feed: &LogicalFeed<'_>) -> String {
    fixture.render(&feed.subscription(), Format::Html)
}

/// Renders the home page with the feeds of some topics.
fn home(fixture: &Fixture, topics: &[Arc<str>]) -> String {
    let outlines = outlines(&fixture.config, fixture.catalog.entries(), topics.iter(), &BTreeMap::new());
    String::from_utf8(html::home(&outlines, &Publication::new(&fixture.config)).unwrap()).unwrap()
}

/// Asserts that a text contains some words in order.
fn assert_in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let (_, after) = rest.split_once(word).unwrap_or_else(|| panic!("no {word} in {rest}"));
        rest = after;
    }
}

#[test]
fn page_shows_addresses_entries_and_archive() {
    let fixture = Fixture::new(FULL);
    let page = page(&fixture, &fixture.topic());
    assert_in_order(
        &page,
        &[
            "<title>News · Feeds</title>",
            "<link rel=\"canonical\" href=\"https://a.example/topics/news\">",
            "<link rel=\"alternate\" type=\"application/rss+xml\" title=\"RSS\" href=\"https://a.example/topics/news.rss\">",
            "<link rel=\"icon\" href=\"https://a.example/icon.svg\">",
            "<h1 dir=\"auto\" lang=\"de\">News</h1>",
            "readonly value=\"https://a.example/topics/news.atom\"",
            "href=\"feed://a.example/topics/news.atom\"",
            "https://feedbin.com/?subscribe=https%3A%2F%2Fa.example%2Ftopics%2Fnews.atom",
            "<code>https://a.example/topics/news.rss</code>",
            "href=\"/topics/news.rss?raw\"",
            "<h3 dir=\"auto\">T3</h3>",
            "<time datetime=\"2024-03-05T00:00:00+00:00\">5 March 2024</time>",
            "<p class=\"summary\" dir=\"auto\">S</p>",
            "<dt>2024</dt>",
            "<a href=\"/topics/news/2024-01\">Jan<span class=\"unseen\"> 2024</span></a>",
            "© A &amp; B",
        ],
    );
}

#[test]
fn page_shows_first_picture_and_escapes_text() {
    let mut fixture = Fixture::new("title: '<b> & \"c\"'\npictures: true");
    let path: Arc<str> = "pictured.md".into();
    let text = "---\ntitle: '{{ 1 }} <script> \"'\ndate: 2024-05-01\ntopics: t\nwebUrl: https://a.example/?a=1&b=2\n\
        provider: {name: <i>P</i>}\nimages: [{url: 'https://a.example/i.png?a&b', width: 20, height: 10}, {url: 'https://a.example/j.png'}]\n---\n";
    let change = Change::Read(seed::read(&Rules::sample(), &path, text.as_bytes()));
    fixture.catalog.apply([(path, change)], now());
    let page = page(&fixture, &LogicalFeed::topic(&fixture.config, fixture.catalog.entries(), &"t".into()));
    assert_in_order(
        &page,
        &[
            "<title>t · &lt;b&gt; &amp; &quot;c&quot;</title>",
            "<img class=\"picture\" src=\"https://a.example/i.png?a&amp;b\" alt=\"\" width=\"20\" height=\"10\" loading=\"lazy\"",
            "<a href=\"https://a.example/?a=1&amp;b=2\">{{ 1 }} &lt;script&gt; &quot;</a>",
            "&lt;i&gt;P&lt;/i&gt;",
        ],
    );
    assert!(!page.contains("j.png") && !page.contains("<script>") && !page.contains("<i>"));
}

#[test]
fn page_links_to_topics_above_and_below() {
    let mut fixture = Fixture::new(
        "topics: [{name: Top}, {name: Gone, retired: true, parent: Top}, \
        {name: News, parent: Gone}, {name: b, parent: News}, {name: A, parent: News}, \
        {name: Old, parent: News, retired: true}]",
    );
    fixture.config.url = "https://a.example/below/".parse().unwrap();
    let page = page(&fixture, &fixture.topic());
    let at_home = |path: &str| format!("<a href=\"/below/{path}\" dir=\"auto\">");
    assert_in_order(
        &page,
        &[
            "src=\"/below/script.js\"",
            &at_home(""),
            &at_home("topics/top"),
            "</ol>",
            &at_home("topics/a"),
            &at_home("topics/b"),
            "</ul>",
        ],
    );
    assert!(!page.contains("topics/gone") && !page.contains("topics/old"));
    let topics = ["top", "news", "a", "b"].map(Arc::from);
    assert_in_order(
        &home(&fixture, &topics),
        &[
            ">Top</a>",
            "<ul>",
            ">News</a>",
            "href=\"topics/news#subscribe\"",
            "<ul>",
            ">A</a>",
            "</li>",
            ">b</a>",
            "</ul>",
            "</ul>",
        ],
    );
}

#[test]
fn deeply_nested_topics_are_rendered() {
    let below = |number: usize| format!("{{name: t{}, parent: t{number}}}", number + 1);
    let topics: Vec<_> = (0..100).map(below).collect();
    let fixture = Fixture::new(&format!("topics: [{}]", topics.join(", ")));
    let slugs: Vec<_> = (0..=100).map(|number| format!("t{number}").into()).collect();
    assert!(home(&fixture, &slugs).contains("\"topics/t100\""));
}
