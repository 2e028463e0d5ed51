//! Atom: RFC 4287, and RFC 5005 for archives.

use std::collections::BTreeSet;

use chrono::{DateTime, FixedOffset};
use roxmltree::Node;

use super::xml::{all, check_links, first, name_of, places, read, text_of};
use super::{Breach, Faults, html};

pub(super) fn check(text: &str, own: &str, faults: &mut Faults) {
    let Some(document) = read(text, "atom:feed", faults) else { return };
    let feed = document.root_element();
    check_links("atom:feed", &feed, own, "application/atom+xml", faults);
    check_alternates("atom:feed", &feed, faults);
    let metadata_after_entries = feed
        .children()
        .filter_map(|child| name_of(&child).filter(|_| child.is_element()))
        .skip_while(|name| name != "atom:entry")
        .find(|name| name != "atom:entry");
    if let Some(name) = metadata_after_entries {
        faults.add("atom:feed", format!("holds {name} after an entry"));
    }
    let updated = date(&feed, "atom:updated");
    let entries = places(&feed, "atom:entry");
    for (place, entry) in &entries {
        check_entry(place, entry, faults);
        // §4.1.1: a feed has an author unless every entry has one.
        let has_author = first(entry, "atom:author").or(first(&feed, "atom:author")).is_some();
        faults.check(place, has_author, "has no author, nor does the feed");
        faults.check(place, date(entry, "atom:updated") <= updated, "was updated after the feed");
    }
    let ids = entries.iter().filter_map(|(_, entry)| text_of(entry, "atom:id"));
    faults.check_unique("atom:id", ids.chain(text_of(&feed, "atom:id")));
}

fn check_entry(place: &str, entry: &Node<'_, '_>, faults: &mut Faults) {
    check_alternates(place, entry, faults);
    let relations: Vec<_> =
        all(entry, "atom:link").iter().map(|link| link.attribute("rel").unwrap_or("alternate")).collect();
    // RFC 5005 §1.1: only a feed has other parts.
    for relation in &relations {
        let of_entries = ["alternate", "enclosure", "related", "self", "via"].contains(relation);
        faults.check(place, of_entries, format!("has a link that only feeds have: {relation}"));
    }
    match first(entry, "atom:content") {
        // §4.1.2
        None => {
            faults.check(place, relations.contains(&"alternate"), "has neither content nor alternate link");
        }
        Some(content) if content.attribute("type") == Some("html") => {
            html::check(&format!("{place} atom:content"), content.text().unwrap_or_default(), faults);
        }
        Some(_) => {}
    }
    let in_order = date(entry, "atom:published") <= date(entry, "atom:updated");
    faults.check(place, in_order, "was updated before it was published");
}

/// §4.1.1 and §4.1.2: alternate links differ in type or language.
fn check_alternates(place: &str, node: &Node<'_, '_>, faults: &mut Faults) {
    let mut seen = BTreeSet::new();
    for link in all(node, "atom:link") {
        if link.attribute("rel").unwrap_or("alternate") == "alternate" {
            let kind = (link.attribute("type"), link.attribute("hreflang"));
            faults.check(place, seen.insert(kind), "has two alternate links of the same type and language");
        }
    }
}

fn date(node: &Node<'_, '_>, name: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text_of(node, name)?).ok()
}

const GOOD: &str = r#"<?xml version="1.0"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:fh="http://purl.org/syndication/history/1.0" xml:lang="en">
<title>Feeds &amp; more</title>
<id>https://feeds.example.org/all.atom</id>
<updated>2020-08-08T16:44:36+02:00</updated>
<author><name>Feeds</name><uri>https://feeds.example.org/</uri></author>
<icon>https://feeds.example.org/icon.png</icon>
<link href="https://feeds.example.org/all.atom" rel="self" type="application/atom+xml"/>
<link href="https://feeds.example.org/" rel="alternate" type="text/html"/>
<link href="https://feeds.example.org/all/2020-07.atom" rel="prev-archive"/>
<entry>
<title>One</title>
<id>https://a.example/1</id>
<updated>2020-08-07T16:44:36+00:00</updated>
<published>2020-08-07T16:44:36Z</published>
<author><name>Ann</name></author>
<category term="Snails" scheme="https://feeds.example.org/topics/"/>
<link href="https://a.example/1"/>
<link href="https://a.example/ä.mp3" rel="enclosure" type="audio/mpeg" length="12"/>
<summary>a &lt; b</summary>
<content type="html">&lt;p&gt;One&lt;/p&gt;</content>
</entry>
<entry>
<title>Two</title>
<id>tag:b.example,2020-08-06:two</id>
<updated>2020-08-06T00:00:00Z</updated>
<content type="text">Two</content>
</entry>
</feed>
"#;

const BREACHES: &[Breach] = &[
    ("<feed xmlns=\"http://www.w3.org/2005/Atom\"", "<feed", &["the document is not atom:feed"]),
    (" xml:lang=\"en\"", "", &["atom:feed lacks the attribute xml:lang"]),
    ("<title>Feeds &amp; more</title>", "", &["atom:feed lacks atom:title"]),
    ("<id>https://feeds.example.org/all.atom</id>", "", &["atom:feed lacks atom:id"]),
    (
        "<id>https://feeds.example.org/all.atom</id>",
        "<id>all.atom</id>",
        &["atom:feed atom:id is not an absolute address: \"all.atom\""],
    ),
    (
        "<id>https://feeds.example.org/all.atom</id>",
        "<id>tag:b.example,2020-08-06:two</id>",
        &["atom:id \"tag:b.example,2020-08-06:two\" appears more than once"],
    ),
    (
        "2020-08-08T16:44:36+02:00",
        "2020-08-08 16:44:36+02:00",
        &["atom:feed atom:updated is not an RFC 3339 date: \"2020-08-08 16:44:36+02:00\""],
    ),
    ("2020-08-08T16:44:36+02:00", "2020-08-07T16:44:36+02:00", &["atom:entry 1 was updated after the feed"]),
    (
        "<author><name>Feeds</name><uri>https://feeds.example.org/</uri></author>",
        "",
        &["atom:entry 2 has no author, nor does the feed"],
    ),
    ("<name>Feeds</name>", "<name></name>", &["atom:feed atom:author 1 atom:name is empty"]),
    ("<name>Feeds</name>", "", &["atom:feed atom:author 1 lacks atom:name"]),
    (
        "<name>Ann</name>",
        "<name>Ann</name><name>Bea</name>",
        &["atom:entry 1 atom:author 1 holds atom:name more than once"],
    ),
    (
        "<icon>https://feeds.example.org/icon.png",
        "<icon>icon.png",
        &["atom:feed atom:icon is not an absolute address: \"icon.png\""],
    ),
    (
        "<icon>https://feeds.example.org/icon.png</icon>",
        "<icon>https://feeds.example.org/a</icon><icon>https://feeds.example.org/b</icon>",
        &["atom:feed holds atom:icon more than once"],
    ),
    (
        "all.atom\" rel=\"self\"",
        "all.rss\" rel=\"self\"",
        &["atom:feed is not linked to itself, https://feeds.example.org/all.atom"],
    ),
    (
        "rel=\"prev-archive\"",
        "rel=\"alternate\" type=\"text/html\"",
        &["atom:feed has two alternate links of the same type and language"],
    ),
    ("rel=\"prev-archive\"", "rel=\"alternate\" type=\"text/html\" hreflang=\"de\"", &[]),
    ("<icon>", "<fh:complete/><icon>", &["atom:feed is complete and has a prev-archive"]),
    ("<icon>", "<fh:archive/><icon>", &["atom:feed is an archive without a link to the current feed"]),
    ("</feed>", "<rights>Ours</rights></feed>", &["atom:feed holds atom:rights after an entry"]),
    (
        "<title>One</title>",
        "<title type=\"html\">One</title>",
        &["atom:entry 1 atom:title type is not one of text: \"html\""],
    ),
    (
        "<title>One</title>",
        "<title>One</title><tagline>1</tagline>",
        &["atom:entry 1 holds atom:tagline, which is not allowed there"],
    ),
    (
        "<id>https://a.example/1</id>",
        "<id>tag:b.example,2020-08-06:two</id>",
        &["atom:id \"tag:b.example,2020-08-06:two\" appears more than once"],
    ),
    (
        "<id>https://a.example/1</id>",
        "<id>https://A.example/1</id>",
        &["atom:entry 1 atom:id is not in its normal form: \"https://A.example/1\""],
    ),
    (
        "<id>https://a.example/1</id>",
        "<id>https://a.example/b/../1</id>",
        &["atom:entry 1 atom:id is not in its normal form: \"https://a.example/b/../1\""],
    ),
    (
        "tag:b.example,2020-08-06:two",
        "tag:b.example:two",
        &["atom:entry 2 atom:id is not a tag: \"tag:b.example:two\""],
    ),
    (
        "<updated>2020-08-07T16:44:36+00:00</updated>",
        "",
        &["atom:entry 1 lacks atom:updated", "atom:entry 1 was updated before it was published"],
    ),
    (
        "2020-08-07T16:44:36+00:00",
        "2020-08-07T16:44:35+00:00",
        &["atom:entry 1 was updated before it was published"],
    ),
    ("<category term=\"Snails\"", "<category", &["atom:entry 1 atom:category 1 lacks the attribute term"]),
    ("term=\"Snails\"", "term=\"\"", &["atom:entry 1 atom:category 1 term is empty"]),
    (
        "scheme=\"https://feeds.example.org/topics/\"",
        "scheme=\"topics\"",
        &["atom:entry 1 atom:category 1 scheme is not an absolute address: \"topics\""],
    ),
    (
        "<link href=\"https://a.example/1\"/>",
        "<link href=\"/1\"/>",
        &["atom:entry 1 atom:link 1 href is not an absolute address: \"/1\""],
    ),
    (
        "<link href=\"https://a.example/1\"/>",
        "<link href=\"https://a.example/1\">1</link>",
        &["atom:entry 1 atom:link 1 holds text: \"1\""],
    ),
    (
        "<link href=\"https://a.example/1\"/>",
        "<link/>",
        &["atom:entry 1 atom:link 1 lacks the attribute href"],
    ),
    ("rel=\"enclosure\"", "rel=\"next\"", &["atom:entry 1 has a link that only feeds have: next"]),
    (
        "rel=\"enclosure\"",
        "rel=\"sound\"",
        &[
            "atom:entry 1 atom:link 2 rel is not one of alternate, current, enclosure, first, hub, last, next, next-archive, prev-archive, previous, related, self, via: \"sound\"",
            "atom:entry 1 has a link that only feeds have: sound",
        ],
    ),
    ("<summary>a &lt; b", "<summary>a &lt;b> b", &["atom:entry 1 atom:summary contains HTML: \"a <b> b\""]),
    (
        "&lt;p&gt;One",
        "&lt;p onclick=\"a\"&gt;One",
        &["atom:entry 1 atom:content has the attribute onclick of p"],
    ),
    (
        "type=\"html\"",
        "type=\"xhtml\"",
        &["atom:entry 1 atom:content type is not one of html, text: \"xhtml\""],
    ),
    (
        "<content type=\"text\">Two</content>",
        "<content type=\"text\"></content>",
        &["atom:entry 2 atom:content is empty"],
    ),
    ("<content type=\"text\">Two</content>", "", &["atom:entry 2 has neither content nor alternate link"]),
];

#[test]
fn every_atom_violation_is_found() {
    super::each_breach_is_found("all.atom", GOOD, BREACHES);
}
