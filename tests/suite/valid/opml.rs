//! OPML 2.0 subscription lists.

use roxmltree::Node;

use super::xml::{first, places, read};
use super::{Breach, Faults};

pub(super) fn check(text: &str, faults: &mut Faults) {
    let Some(document) = read(text, "opml", faults) else { return };
    let Some(body) = first(&document.root_element(), "body") else { return };
    faults.check("body", first(&body, "outline").is_some(), "holds no outline");
    check_outlines("body", &body, faults);
}

fn check_outlines(place: &str, node: &Node<'_, '_>, faults: &mut Faults) {
    for (at, outline) in places(node, "outline") {
        let place = format!("{place} {at}");
        let must = |name: &str, faults: &mut Faults| {
            faults.check(&place, outline.has_attribute(name), format!("lacks the attribute {name}"));
        };
        match outline.attribute("type") {
            Some("rss") => {
                must("xmlUrl", faults);
                // The validator asks for a title: many readers show it instead of the text.
                must("title", faults);
            }
            Some("link" | "include") => must("url", faults),
            Some(kind) => faults.add(&place, format!("has the unknown type {kind:?}")),
            None => {
                let of_a_feed = ["xmlUrl", "htmlUrl", "language", "version"];
                let untyped = of_a_feed.iter().any(|name| outline.has_attribute(*name));
                faults.check(&place, !untyped, "has an attribute of a feed but no type");
            }
        }
        check_outlines(&place, &outline, faults);
    }
}

const GOOD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<opml version="2.0">
<head><title>Feeds</title><dateModified>Fri, 07 Aug 2020 16:44:36 +0000</dateModified></head>
<body>
<outline text="Snails &amp; more">
<outline text="Snails" title="Snails" description="On snails" type="rss" version="RSS2" language="en" xmlUrl="https://feeds.example.org/topics/snails.rss" htmlUrl="https://feeds.example.org/topics/snails"/>
</outline>
<outline text="Others" type="include" url="https://a.example/feeds.opml"/>
</body>
</opml>
"#;

const BREACHES: &[Breach] = &[
    ("version=\"2.0\"", "version=\"1.0\"", &["opml version is not one of 2.0: \"1.0\""]),
    (" version=\"2.0\"", "", &["opml lacks the attribute version"]),
    ("<title>Feeds</title>", "", &["opml head lacks title"]),
    (
        "Fri, 07 Aug 2020",
        "Mon, 07 Aug 2020",
        &["opml head dateModified is not an RFC 822 date: \"Mon, 07 Aug 2020 16:44:36 +0000\""],
    ),
    (
        "<title>Feeds</title>",
        "<title>Feeds</title><windowTop>1</windowTop>",
        &["opml head holds windowTop, which is not allowed there"],
    ),
    ("</opml>", "<body/></opml>", &["opml holds body more than once"]),
    ("text=\"Snails &amp; more\"", "", &["opml body outline 1 lacks the attribute text"]),
    ("text=\"Snails &amp; more\"", "text=\" \"", &["opml body outline 1 text is empty"]),
    (
        "text=\"Snails &amp; more\"",
        "text=\"Snails &amp;amp; more\"",
        &["opml body outline 1 text is not the same if read as HTML: \"Snails &amp; more\""],
    ),
    (
        "xmlUrl=\"https://feeds.example.org/topics/snails.rss\" ",
        "",
        &["body outline 1 outline 1 lacks the attribute xmlUrl"],
    ),
    (
        "xmlUrl=\"https://feeds.example.org/topics/snails.rss\"",
        "xmlUrl=\"topics/snails.rss\"",
        &["opml body outline 1 outline 1 xmlUrl is not an absolute address: \"topics/snails.rss\""],
    ),
    ("title=\"Snails\" ", "", &["body outline 1 outline 1 lacks the attribute title"]),
    ("type=\"rss\"", "", &["body outline 1 outline 1 has an attribute of a feed but no type"]),
    ("type=\"rss\"", "type=\"atom\"", &["body outline 1 outline 1 has the unknown type \"atom\""]),
    (
        "version=\"RSS2\"",
        "version=\"Atom\"",
        &["opml body outline 1 outline 1 version is not one of RSS, RSS1, RSS2, scriptingNews: \"Atom\""],
    ),
    (
        "description=\"On snails\"",
        "summary=\"On snails\"",
        &["opml body outline 1 outline 1 has the unknown attribute summary"],
    ),
    (
        "description=\"On snails\"",
        "isComment=\"no\"",
        &["opml body outline 1 outline 1 isComment is not true or false: \"no\""],
    ),
    (
        "description=\"On snails\"",
        "created=\"2020-08-07\"",
        &["opml body outline 1 outline 1 created is not an RFC 822 date: \"2020-08-07\""],
    ),
    (" url=\"https://a.example/feeds.opml\"", "", &["body outline 2 lacks the attribute url"]),
];

#[test]
fn every_opml_violation_is_found() {
    super::each_breach_is_found("feeds.opml", GOOD, BREACHES);
    let none = "<opml version=\"2.0\"><head><title>Feeds</title></head><body/></opml>";
    assert_eq!(super::faults("feeds.opml", none.as_bytes(), ""), ["body holds no outline"]);
}
