//! The rules of XML for every document, and the elements and attributes allowed in each place.

use roxmltree::{Document, Node};

use super::Faults;
use super::value::{
    Rule, count, e_mail, filled, flag, iri, language, media_type, name, normal_iri, number, plain, positive,
    rfc822, rfc3339, uri, web,
};

/// The namespaces that a feed may use, with their usual prefixes.
const NAMESPACES: &[(&str, &str)] = &[
    ("atom", "http://www.w3.org/2005/Atom"),
    ("content", "http://purl.org/rss/1.0/modules/content/"),
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("fh", "http://purl.org/syndication/history/1.0"),
    ("media", "http://search.yahoo.com/mrss/"),
    ("sy", "http://purl.org/rss/1.0/modules/syndication/"),
    ("xml", "http://www.w3.org/XML/1998/namespace"),
];

/// The contents allowed in an element.
#[derive(Default)]
struct Model {
    /// The attributes: name, `true` if required, and the rule for the value.
    attributes: Vec<(&'static str, bool, Rule)>,
    /// Elements required exactly once.
    one: &'static [&'static str],
    /// Elements allowed at most once.
    maybe: &'static [&'static str],
    /// Elements allowed any number of times.
    many: &'static [&'static str],
    /// The rule for its text, if text is allowed.
    text: Option<Rule>,
}

impl Model {
    fn must(mut self, attribute: &'static str, rule: Rule) -> Self {
        self.attributes.push((attribute, true, rule));
        self
    }

    fn may(mut self, attribute: &'static str, rule: Rule) -> Self {
        self.attributes.push((attribute, false, rule));
        self
    }
}

fn text(rule: Rule) -> Model {
    Model { text: Some(rule), ..Model::default() }
}

fn empty() -> Model {
    Model::default()
}

fn elements(
    one: &'static [&'static str],
    maybe: &'static [&'static str],
    many: &'static [&'static str],
) -> Model {
    Model { one, maybe, many, ..Model::default() }
}

fn model(element: &str) -> Option<Model> {
    rss(element).or_else(|| atom(element)).or_else(|| extension(element)).or_else(|| opml(element))
}

/// RSS 2.0. Elements for services that no longer exist, and for hours to skip, are refused.
fn rss(element: &str) -> Option<Model> {
    Some(match element {
        "rss" => elements(&["channel"], &[], &[]).must("version", filled),
        "channel" => elements(
            // The validator asks for a language.
            &["title", "link", "description", "language"],
            &[
                "copyright",
                "docs",
                "generator",
                "image",
                "lastBuildDate",
                "managingEditor",
                "pubDate",
                "ttl",
                "webMaster",
                "fh:archive",
                "fh:complete",
                "sy:updateBase",
                "sy:updateFrequency",
                "sy:updatePeriod",
            ],
            &["atom:author", "atom:link", "category", "item"],
        ),
        "item" => elements(
            &["guid"],
            &[
                "dc:language",
                "atom:updated",
                "author",
                "comments",
                "content:encoded",
                "description",
                "enclosure",
                "link",
                "media:description",
                "media:player",
                "media:title",
                "pubDate",
                "source",
                "title",
            ],
            &[
                "atom:link",
                "category",
                "dc:creator",
                "media:content",
                "media:credit",
                "media:group",
                "media:thumbnail",
            ],
        ),
        "image" => elements(&["url", "title", "link"], &["width", "height", "description"], &[]),
        "title" | "copyright" | "generator" => text(plain),
        "link" | "url" | "comments" | "docs" => text(web),
        // HTML in an item, and text in a channel and an image, are checked with the item, the channel and the
        // image.
        "description" | "content:encoded" => text(filled),
        "language" => text(language),
        "pubDate" | "lastBuildDate" => text(rfc822),
        "managingEditor" | "webMaster" | "author" => text(e_mail),
        "ttl" => text(positive),
        "width" => text(|width| at_most(144, width)),
        "height" => text(|height| at_most(400, height)),
        "category" => text(plain).may("domain", filled),
        "guid" => text(filled).may("isPermaLink", flag),
        "source" => text(plain).must("url", web),
        "enclosure" => empty().must("url", web).must("length", count).must("type", media_type),
        _ => return None,
    })
}

fn atom(element: &str) -> Option<Model> {
    Some(match element {
        "atom:feed" => elements(
            &["atom:id", "atom:title", "atom:updated"],
            &[
                "atom:generator",
                "atom:icon",
                "atom:logo",
                "atom:rights",
                "atom:subtitle",
                "fh:archive",
                "fh:complete",
            ],
            &["atom:author", "atom:category", "atom:contributor", "atom:entry", "atom:link"],
        )
        // The validator asks for a language.
        .must("xml:lang", language),
        "atom:entry" => elements(
            &["atom:id", "atom:title", "atom:updated"],
            &[
                "atom:content",
                "atom:published",
                "atom:rights",
                "atom:summary",
                "media:description",
                "media:player",
                "media:title",
            ],
            &[
                "atom:author",
                "atom:category",
                "atom:contributor",
                "atom:link",
                "media:content",
                "media:credit",
                "media:group",
                "media:thumbnail",
            ],
        )
        .may("xml:lang", language),
        "atom:author" | "atom:contributor" => elements(&["atom:name"], &["atom:email", "atom:uri"], &[]),
        "atom:name" => text(name),
        "atom:email" => text(e_mail),
        "atom:uri" | "atom:icon" | "atom:logo" => text(iri),
        "atom:id" => text(normal_iri),
        "atom:updated" | "atom:published" => text(rfc3339),
        "atom:title" | "atom:subtitle" | "atom:summary" | "atom:rights" => {
            text(plain).may("type", |kind| one_of(&["text"], kind)).may("xml:lang", language)
        }
        "atom:content" => {
            text(filled).must("type", |kind| one_of(&["html", "text"], kind)).may("xml:lang", language)
        }
        "atom:generator" => text(plain).may("uri", iri).may("version", filled),
        "atom:category" => empty().must("term", plain).may("scheme", iri).may("label", plain),
        "atom:link" => empty()
            .must("href", iri)
            .may("rel", |relation| one_of(RELATIONS, relation))
            .may("type", media_type)
            .may("hreflang", language)
            .may("title", plain)
            .may("length", count),
        _ => return None,
    })
}

/// RFC 4287 §4.2.7.2, RFC 5005 and `WebSub` §4.
const RELATIONS: &[&str] = &[
    "alternate",
    "current",
    "enclosure",
    "first",
    "hub",
    "last",
    "next",
    "next-archive",
    "prev-archive",
    "previous",
    "related",
    "self",
    "via",
];

fn extension(element: &str) -> Option<Model> {
    const MEDIA: &[&str] = &["media:description", "media:player", "media:title"];
    Some(match element {
        "dc:creator" => text(name),
        "dc:language" => text(language),
        "fh:archive" | "fh:complete" => empty(),
        "sy:updatePeriod" => {
            text(|period| one_of(&["hourly", "daily", "weekly", "monthly", "yearly"], period))
        }
        "sy:updateFrequency" => text(positive),
        "sy:updateBase" => text(rfc3339),
        "media:group" => elements(&[], MEDIA, &["media:content", "media:credit", "media:thumbnail"]),
        "media:content" => elements(&[], MEDIA, &["media:credit", "media:thumbnail"])
            .may("url", web)
            .may("type", media_type)
            .may("medium", |medium| one_of(&["image", "audio", "video", "document", "executable"], medium))
            .may("isDefault", flag)
            .may("expression", |expression| one_of(&["sample", "full", "nonstop"], expression))
            .may("fileSize", count)
            .may("duration", count)
            .may("width", count)
            .may("height", count)
            .may("lang", language),
        "media:thumbnail" | "media:player" => {
            empty().must("url", web).may("width", count).may("height", count)
        }
        "media:title" | "media:description" => text(plain).may("type", |kind| one_of(&["plain"], kind)),
        "media:credit" => text(plain).may("role", filled).may("scheme", uri),
        _ => return None,
    })
}

fn opml(element: &str) -> Option<Model> {
    Some(match element {
        "opml" => elements(&["head", "body"], &[], &[]).must("version", |version| one_of(&["2.0"], version)),
        // The validator does not know `docs`.
        "head" => {
            elements(&["title"], &["dateCreated", "dateModified", "ownerEmail", "ownerId", "ownerName"], &[])
        }
        "body" => elements(&[], &[], &["outline"]),
        "outline" => elements(&[], &[], &["outline"])
            .must("text", plain)
            .may("type", filled)
            .may("xmlUrl", web)
            .may("htmlUrl", web)
            .may("url", web)
            .may("title", plain)
            .may("description", plain)
            .may("language", language)
            .may("version", |version| one_of(&["RSS", "RSS1", "RSS2", "scriptingNews"], version))
            .may("category", filled)
            .may("created", rfc822)
            .may("isComment", flag)
            .may("isBreakpoint", flag),
        "dateCreated" | "dateModified" => text(rfc822),
        "ownerName" => text(name),
        "ownerEmail" => text(e_mail),
        "ownerId" => text(web),
        _ => return None,
    })
}

fn one_of(known: &[&str], value: &str) -> Result<(), String> {
    if known.contains(&value) {
        Ok(())
    } else {
        Err(format!("is not one of {}: {value:?}", known.join(", ")))
    }
}

fn at_most(most: u32, value: &str) -> Result<(), String> {
    number(value)?;
    let fits = value.parse().is_ok_and(|value: u32| (1..=most).contains(&value));
    if fits { Ok(()) } else { Err(format!("is not between 1 and {most}: {value:?}")) }
}

/// Returns the document, if it can be parsed.
pub(super) fn read<'a>(text: &'a str, root: &str, faults: &mut Faults) -> Option<Document<'a>> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            faults.add("the document", format!("is not well-formed: {error}"));
            return None;
        }
    };
    // XML §4.3.3: the declaration may name another encoding.
    let declaration = text.strip_prefix("<?xml").and_then(|rest| rest.split("?>").next()).unwrap_or_default();
    let encoding = declaration.split_once("encoding=").map(|(_, name)| name.trim_matches(['"', '\'', ' ']));
    let is_utf8 = encoding.is_none_or(|name| name.eq_ignore_ascii_case("utf-8"));
    faults.check("the document", is_utf8, "declares another encoding than UTF-8");
    let found = name_of(&document.root_element());
    if found.as_deref() != Some(root) {
        faults.add("the document", format!("is not {root}"));
        return None;
    }
    for space in document.root_element().namespaces() {
        let known = NAMESPACES.iter().find(|(_, uri)| *uri == space.uri());
        let usual = known.is_some_and(|(prefix, _)| space.name().is_none_or(|name| name == *prefix));
        faults.check("the document", usual, format!("declares an unknown namespace: {}", space.uri()));
    }
    check_element(root, &document.root_element(), faults);
    Some(document)
}

/// Returns the name of an element with the usual prefix of its namespace, if that is known.
pub(super) fn name_of(node: &Node<'_, '_>) -> Option<String> {
    prefixed(node.tag_name().namespace(), node.tag_name().name())
}

fn prefixed(namespace: Option<&str>, name: &str) -> Option<String> {
    let Some(namespace) = namespace else { return Some(name.to_owned()) };
    let (prefix, _) = NAMESPACES.iter().find(|(_, uri)| *uri == namespace)?;
    Some(format!("{prefix}:{name}"))
}

/// Returns the children of an element with this name.
pub(super) fn all<'a, 'i>(node: &Node<'a, 'i>, name: &str) -> Vec<Node<'a, 'i>> {
    node.children().filter(|child| child.is_element() && name_of(child).as_deref() == Some(name)).collect()
}

pub(super) fn first<'a, 'i>(node: &Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    all(node, name).into_iter().next()
}

pub(super) fn text_of<'a>(node: &Node<'a, '_>, name: &str) -> Option<&'a str> {
    first(node, name).map(|child| child.text().unwrap_or_default())
}

/// Returns the places of the children with this name, as faults print them.
pub(super) fn places<'a, 'i>(node: &Node<'a, 'i>, name: &str) -> Vec<(String, Node<'a, 'i>)> {
    all(node, name).into_iter().zip(1..).map(|(child, at)| (format!("{name} {at}"), child)).collect()
}

fn check_element(place: &str, node: &Node<'_, '_>, faults: &mut Faults) {
    let Some(model) = name_of(node).and_then(|name| model(&name)) else {
        return faults.add(place, "is not known");
    };
    check_attributes(place, node, &model, faults);
    // Media RSS, §media:content
    let placed = node.has_attribute("url") || first(node, "media:player").is_some();
    let content = name_of(node).as_deref() == Some("media:content");
    faults.check(place, placed || !content, "has neither an address nor a player");
    check_text(place, node, &model, faults);
    let mut seen: Vec<String> = Vec::new();
    for child in node.children().filter(Node::is_element) {
        let name = name_of(&child)
            .unwrap_or_else(|| format!("{{{}}}", child.tag_name().namespace().unwrap_or_default()));
        let known = |names: &[&str]| names.contains(&name.as_str());
        if !(known(model.one) || known(model.maybe) || known(model.many)) {
            faults.add(place, format!("holds {name}, which is not allowed there"));
            continue;
        }
        seen.push(name.clone());
        let count = seen.iter().filter(|seen| **seen == name).count();
        let again = count > 1 && !known(model.many);
        faults.check(place, !again, format!("holds {name} more than once"));
        let place = match name.as_str() {
            "channel" | "atom:feed" => name,
            "item" | "atom:entry" => format!("{name} {count}"),
            _ if known(model.many) => format!("{place} {name} {count}"),
            _ => format!("{place} {name}"),
        };
        check_element(&place, &child, faults);
    }
    for name in model.one {
        faults.check(place, seen.iter().any(|seen| seen == name), format!("lacks {name}"));
    }
}

fn check_attributes(place: &str, node: &Node<'_, '_>, model: &Model, faults: &mut Faults) {
    for attribute in node.attributes() {
        let name = prefixed(attribute.namespace(), attribute.name());
        let known = model.attributes.iter().find(|(known, ..)| Some(*known) == name.as_deref());
        match known {
            Some((name, _, rule)) => faults.check_value(&format!("{place} {name}"), *rule, attribute.value()),
            None => faults.add(place, format!("has the unknown attribute {}", attribute.name())),
        }
    }
    for (name, ..) in model.attributes.iter().filter(|(_, must, _)| *must) {
        let there =
            node.attributes().any(|found| prefixed(found.namespace(), found.name()).as_deref() == Some(name));
        faults.check(place, there, format!("lacks the attribute {name}"));
    }
}

fn check_text(place: &str, node: &Node<'_, '_>, model: &Model, faults: &mut Faults) {
    faults.check(
        place,
        !node.children().any(|child| child.is_comment() || child.is_pi()),
        "contains a node that is neither an element nor text",
    );
    let text: String = node.children().filter_map(|child| child.text().filter(|_| child.is_text())).collect();
    // The validator takes these for an encoding mistake.
    let mistaken = text.contains(|c| ('\u{80}'..='\u{9F}').contains(&c) || c == '\u{FFFD}');
    faults.check(place, !mistaken, "has characters from a wrong encoding");
    match model.text {
        Some(rule) => faults.check_value(place, rule, &text),
        None => faults.check(place, text.trim().is_empty(), format!("holds text: {:?}", text.trim())),
    }
}

/// RFC 5005, for channels and feeds, and the link of a feed to itself.
pub(super) fn check_links(place: &str, feed: &Node<'_, '_>, own: &str, own_type: &str, faults: &mut Faults) {
    let links = all(feed, "atom:link");
    let of = |relation: &str| -> Vec<&str> {
        let found = links.iter().filter(|link| link.attribute("rel") == Some(relation));
        found.filter_map(|link| link.attribute("href")).collect()
    };
    faults.check(place, of("self") == [own], format!("is not linked to itself, {own}"));
    let typed = links.iter().filter(|link| link.attribute("rel") == Some("self"));
    let well_typed = typed.filter_map(|link| link.attribute("type")).all(|found| found == own_type);
    faults.check(place, well_typed, format!("has a link to itself whose type is not {own_type}"));
    if first(feed, "fh:complete").is_some() {
        // §2: a complete feed has no archives.
        for relation in ["first", "last", "next", "next-archive", "prev-archive", "previous"] {
            faults.check(place, of(relation).is_empty(), format!("is complete and has a {relation}"));
        }
    } else if first(feed, "fh:archive").is_some() {
        // §4
        faults.check(place, of("current").len() == 1, "is an archive without a link to the current feed");
    }
    for (end, beyond) in [("first", "previous"), ("last", "next")] {
        let past = of(end) == [own] && !of(beyond).is_empty();
        faults.check(place, !past, format!("is the {end} and has a {beyond}"));
    }
}
