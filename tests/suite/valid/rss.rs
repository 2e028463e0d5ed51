//! RSS 2.0 and the RSS Board's Best Practices Profile.

use roxmltree::Node;

use super::xml::{all, check_links, first, name_of, places, read, text_of};
use super::{Breach, Faults, html, value};

pub(super) fn check(text: &str, own: &str, faults: &mut Faults) {
    let Some(document) = read(text, "rss", faults) else { return };
    let root = document.root_element();
    faults.check("rss", root.attribute("version") == Some("2.0"), "is not of version 2.0");
    let Some(channel) = first(&root, "channel") else { return };
    check_links("channel", &channel, own, "application/rss+xml", faults);
    if let Some(description) = text_of(&channel, "description") {
        faults.check_value("channel description", value::plain, description);
    }
    if let Some(image) = first(&channel, "image") {
        check_image(&image, &channel, faults);
    }
    let items = places(&channel, "item");
    for (place, item) in &items {
        check_item(place, item, faults);
    }
    faults.check_unique("item guid", items.iter().filter_map(|(_, item)| text_of(item, "guid")));
}

/// The profile, §image: the image belongs to the channel and has a format of 2002.
fn check_image(image: &Node<'_, '_>, channel: &Node<'_, '_>, faults: &mut Faults) {
    for part in ["title", "link"] {
        let same = text_of(image, part) == text_of(channel, part);
        faults.check("channel image", same, format!("has another {part} than the channel"));
    }
    let last = text_of(image, "url").and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    let ending = last.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    let shown = ending.is_none_or(|ending| ["gif", "jpeg", "jpg", "png"].contains(&ending.as_str()));
    faults.check("channel image", shown, "is not a GIF, JPEG or PNG");
}

fn check_item(place: &str, item: &Node<'_, '_>, faults: &mut Faults) {
    let (title, description) = (text_of(item, "title"), text_of(item, "description"));
    faults.check(place, title.is_some() || description.is_some(), "has neither title nor description");
    let content = text_of(item, "content:encoded");
    for (name, text) in [("description", description), ("content:encoded", content)] {
        html::check(&format!("{place} {name}"), text.unwrap_or_default(), faults);
    }
    if content.is_some() {
        // The profile, §content:encoded: the description is then a summary and comes first.
        let position = |name: &str| {
            let mut children = item.children().filter(Node::is_element);
            children.position(|child| name_of(&child).as_deref() == Some(name))
        };
        let described = position("description").is_some_and(|at| Some(at) < position("content:encoded"));
        faults.check(place, described, "has content without a description before it");
    }
    let two_authors = first(item, "author").is_some() && first(item, "dc:creator").is_some();
    faults.check(place, !two_authors, "has both author and dc:creator");
    if let Some(guid) = first(item, "guid") {
        // A guid is a permalink unless `isPermaLink` is false.
        let permanent = guid.attribute("isPermaLink") != Some("false");
        let address = guid.text().filter(|address| value::is_web(address));
        let is_link = address.is_some() && address == text_of(item, "link");
        faults.check(place, !permanent || is_link, "has a permalink guid that differs from its link");
    }
    let links = all(item, "atom:link");
    let itself = links.iter().any(|link| link.attribute("rel") == Some("self"));
    faults.check(place, !itself, "has a link to itself, which only a channel may have");
}

const GOOD: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:fh="http://purl.org/syndication/history/1.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">
<channel>
<title>Feeds &amp; more</title>
<link>https://feeds.example.org/</link>
<description>Everything, newest first</description>
<language>en-GB</language>
<lastBuildDate>Fri, 07 Aug 2020 16:44:36 +0000</lastBuildDate>
<ttl>15</ttl>
<sy:updatePeriod>hourly</sy:updatePeriod>
<sy:updateFrequency>4</sy:updateFrequency>
<image><url>https://feeds.example.org/logo.png</url><title>Feeds &amp; more</title><link>https://feeds.example.org/</link><width>144</width></image>
<atom:link href="https://feeds.example.org/all.rss" rel="self" type="application/rss+xml"/>
<atom:link href="https://feeds.example.org/all/2020-07.rss" rel="prev-archive"/>
<item>
<title>One</title>
<link>https://a.example/1</link>
<description>a &amp;lt; b</description>
<category domain="https://feeds.example.org/topics/">Snails</category>
<guid>https://a.example/1</guid>
<pubDate>Fri, 7 Aug 2020 16:44:36 GMT</pubDate>
<enclosure url="https://a.example/1.mp3" length="12" type="audio/mpeg"/>
<content:encoded><![CDATA[<p>One</p>]]></content:encoded>
<dc:creator>Ann</dc:creator>
<media:content url="https://a.example/1.png" medium="image" width="3" height="2"><media:title>A snail</media:title></media:content>
</item>
<item>
<description>Two</description>
<author>bob@b.example (Bob)</author>
<guid isPermaLink="false">tag:b.example,2020-08-06:two</guid>
</item>
</channel>
</rss>
"#;

const BREACHES: &[Breach] = &[
    (
        "<title>One",
        "<atom:link href=\"https://a.example/1.rss\" rel=\"self\"/><title>One",
        &["item 1 has a link to itself, which only a channel may have"],
    ),
    (
        "<title>One",
        "<blink xmlns=\"urn:a:b\"/><title>One",
        &["item 1 holds {urn:a:b}, which is not allowed there"],
    ),
    (
        "<ttl>",
        "<atom:link href=\"https://feeds.example.org/all.rss\" rel=\"last\"/><atom:link href=\"https://feeds.example.org/2.rss\" rel=\"next\"/><ttl>",
        &["channel is the last and has a next"],
    ),
    ("<ttl>15</ttl>", "<ttl>15<ttl>", &["the document is not well-formed"]),
    ("<title>One", "<title>O\u{1}ne", &["the document is not well-formed"]),
    ("<title>One", "<title>O&nbsp;ne", &["the document is not well-formed"]),
    ("<title>One", "<title>O]]>ne", &["the document is not well-formed"]),
    ("<title>One", "<title>O\u{92}ne", &["item 1 title has characters from a wrong encoding"]),
    ("<title>One", "<!-- One --><title>One", &["item 1 contains a node that is neither an element nor text"]),
    ("utf-8", "iso-8859-1", &["the document declares another encoding than UTF-8"]),
    ("<rss version", "<!DOCTYPE rss><rss version", &["the document is not well-formed"]),
    (
        "xmlns:fh=\"http://purl.org/syndication/history/1.0\"",
        "xmlns:fh=\"urn:a:b\"",
        &["the document declares an unknown namespace: urn:a:b"],
    ),
    (
        "xmlns:fh",
        "xmlns:history",
        &["the document declares an unknown namespace: http://purl.org/syndication/history/1.0"],
    ),
    ("version=\"2.0\"", "version=\"0.92\"", &["rss is not of version 2.0"]),
    ("<description>Everything, newest first</description>", "", &["channel lacks description"]),
    (
        "Everything, newest",
        "<![CDATA[Everything, <b>newest</b>]]>",
        &["channel description contains HTML: \"Everything, <b>newest</b> first\""],
    ),
    ("<language>en-GB</language>", "", &["channel lacks language"]),
    ("en-GB", "English", &["channel language is not a language: \"English\""]),
    (
        "Fri, 07 Aug 2020 16:44:36 +0000",
        "Thu, 07 Aug 2020 16:44:36 +0000",
        &["channel lastBuildDate is not an RFC 822 date: \"Thu, 07 Aug 2020 16:44:36 +0000\""],
    ),
    (
        "Fri, 07 Aug 2020 16:44:36 +0000",
        "Fri, 07 Aug 20 16:44:36 +0000",
        &[
            "channel lastBuildDate is not an RFC 822 date as the profile spells it: \"Fri, 07 Aug 20 16:44:36 +0000\"",
        ],
    ),
    (
        "Fri, 7 Aug 2020 16:44:36 GMT",
        "2020-08-07",
        &["item 1 pubDate is not an RFC 822 date: \"2020-08-07\""],
    ),
    ("<ttl>15", "<ttl>soon", &["channel ttl is not a whole number: \"soon\""]),
    ("<ttl>15", "<ttl>0", &["channel ttl is not a positive number: \"0\""]),
    ("<ttl>15</ttl>", "<ttl>15</ttl><ttl>15</ttl>", &["channel holds ttl more than once"]),
    ("<ttl>15</ttl>", "<skipHours/>", &["channel holds skipHours, which is not allowed there"]),
    ("<ttl>15</ttl>", "<ttl unit=\"m\">15</ttl>", &["channel ttl has the unknown attribute unit"]),
    ("<ttl>15</ttl>", "text", &["channel holds text: \"text\""]),
    (
        "hourly",
        "sometimes",
        &["channel sy:updatePeriod is not one of hourly, daily, weekly, monthly, yearly: \"sometimes\""],
    ),
    (">4<", ">-4<", &["channel sy:updateFrequency is not a whole number: \"-4\""]),
    ("logo.png", "logo.svg", &["channel image is not a GIF, JPEG or PNG"]),
    ("<url>https://feeds.example.org/logo.png</url>", "", &["channel image lacks url"]),
    (
        "</title><link>https://feeds.example.org/</link>",
        "</title><link>https://example.org/</link>",
        &["channel image has another link than the channel"],
    ),
    (">144<", ">145<", &["channel image width is not between 1 and 144: \"145\""]),
    (
        "all.rss\" rel=\"self\"",
        "all.rss\" rel=\"via\"",
        &["channel is not linked to itself, https://feeds.example.org/all.rss"],
    ),
    ("org/all.rss", "org/all.atom", &["channel is not linked to itself, https://feeds.example.org/all.rss"]),
    (
        "type=\"application/rss+xml\"",
        "type=\"text/xml\"",
        &["channel has a link to itself whose type is not application/rss+xml"],
    ),
    (
        "rel=\"prev-archive\"",
        "rel=\"older\"",
        &[
            "channel atom:link 2 rel is not one of alternate, current, enclosure, first, hub, last, next, next-archive, prev-archive, previous, related, self, via: \"older\"",
        ],
    ),
    ("<ttl>", "<fh:complete/><ttl>", &["channel is complete and has a prev-archive"]),
    ("<ttl>", "<fh:archive/><ttl>", &["channel is an archive without a link to the current feed"]),
    ("<title>One</title>", "<title> </title>", &["item 1 title is empty"]),
    ("<title>One</title>", "<title>One &lt;b&gt;</title>", &["item 1 title contains HTML: \"One <b>\""]),
    (
        "<title>One</title>",
        "<title>One &amp;copy; Two</title>",
        &["item 1 title is not the same if read as HTML: \"One &copy; Two\""],
    ),
    (
        "<link>https://a.example/1",
        "<link>/1",
        &[
            "item 1 link is not an absolute address: \"/1\"",
            "item 1 has a permalink guid that differs from its link",
        ],
    ),
    (
        "<link>https://a.example/1",
        "<link>https://a.example/[1]",
        &[
            "item 1 link is not made of characters that addresses may contain: \"https://a.example/[1]\"",
            "item 1 has a permalink guid that differs from its link",
        ],
    ),
    ("a &amp;lt; b", "&lt;script&gt;a&lt;/script&gt;", &["item 1 description has the element script"]),
    ("<p>One</p>", "<p>One", &["item 1 content:encoded has unclosed elements: p"]),
    ("<description>a &amp;lt; b</description>", "", &["item 1 has content without a description before it"]),
    (">Snails<", "><", &["item 1 category 1 is empty"]),
    ("<guid>https://a.example/1</guid>", "", &["item 1 lacks guid"]),
    (
        "<guid>https://a.example/1<",
        "<guid>https://a.example/2<",
        &["item 1 has a permalink guid that differs from its link"],
    ),
    (
        "isPermaLink=\"false\"",
        "isPermaLink=\"no\"",
        &[
            "item 2 guid isPermaLink is not true or false: \"no\"",
            "item 2 has a permalink guid that differs from its link",
        ],
    ),
    (
        "tag:b.example,2020-08-06:two",
        "https://a.example/1",
        &["item guid \"https://a.example/1\" appears more than once"],
    ),
    ("length=\"12\" ", "", &["item 1 enclosure lacks the attribute length"]),
    ("length=\"12\"", "length=\"long\"", &["item 1 enclosure length is not a whole number: \"long\""]),
    ("audio/mpeg", "mp3", &["item 1 enclosure type is not a media type: \"mp3\""]),
    (
        "https://a.example/1.mp3",
        "ftp://a.example/1.mp3",
        &["item 1 enclosure url is not an http or https address: \"ftp://a.example/1.mp3\""],
    ),
    (
        "<enclosure",
        "<enclosure url=\"https://a.example/2.mp3\" length=\"0\" type=\"audio/mpeg\"/><enclosure",
        &["item 1 holds enclosure more than once"],
    ),
    ("bob@b.example (Bob)", "Bob", &["item 2 author is not an e-mail address: \"Bob\""]),
    ("<author>", "<dc:creator>Bob</dc:creator><author>", &["item 2 has both author and dc:creator"]),
    (">Ann<", ">ann@a.example<", &["item 1 dc:creator 1 is not a name: \"ann@a.example\""]),
    ("<description>Two</description>", "", &["item 2 has neither title nor description"]),
    (
        "medium=\"image\"",
        "medium=\"picture\"",
        &[
            "item 1 media:content 1 medium is not one of image, audio, video, document, executable: \"picture\"",
        ],
    ),
    (
        "<media:content url=\"https://a.example/1.png\"",
        "<media:content",
        &["item 1 media:content 1 has neither an address nor a player"],
    ),
    (
        "<media:title>A snail</media:title>",
        "<media:snail/>",
        &["item 1 media:content 1 holds media:snail, which is not allowed there"],
    ),
];

#[test]
fn every_rss_violation_is_found() {
    super::each_breach_is_found("all.rss", GOOD, BREACHES);
}
