//! Content: what a reader shows of a record, as HTML that is harmless wherever it is shown.
//!
//! A library made for it sanitises; what it cannot decide, since it sees one attribute at a time,
//! is pruned from its output, which is regular: every attribute is quoted, every element closed.

mod markdown;
mod nesting;
pub(super) mod unmade;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::Markup;
use super::link;
use super::media::{self, Embed};
use super::record::{Action, Image, Record, Related};
use crate::text::{clean, plain};
use nesting::is_too_deep;

/// What a reader shows of a record, in its parts: sanitised HTML, every address in it absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Content {
    picture: String,
    embed: String,
    body: String,
    summary: String,
    links: String,
    /// Whether the body shows the leading picture too.
    body_has_picture: bool,
}

impl Content {
    /// The leading picture, the embed, the body or else the summary, what can be done, and coverage
    /// elsewhere. The picture is not shown twice.
    pub fn full(&self) -> String {
        if self.body.is_empty() {
            return self.excerpt();
        }
        let picture = if self.body_has_picture { "" } else { &self.picture };
        [picture, &self.embed, &self.body, &self.links].concat()
    }

    /// The same with the summary in place of the body.
    pub fn excerpt(&self) -> String {
        [&*self.picture, &self.embed, &self.summary, &self.links].concat()
    }

    /// About how many bytes it takes to show it without its body.
    pub fn excerpt_weight(&self) -> usize {
        self.weight() - self.body.len()
    }

    /// How many bytes it takes.
    pub fn weight(&self) -> usize {
        let Self { picture, embed, body, summary, links, .. } = self;
        [picture, embed, body, summary, links].iter().map(|part| part.len()).sum()
    }

    /// What is played in the embed.
    pub(super) fn embed(&self) -> Option<Embed> {
        media::embed(&self.embed)
    }
}

/// Everything that content is made of, but the body.
pub(super) struct Parts<'a> {
    pub(super) summary: Option<&'a str>,
    pub(super) image: Option<&'a Image>,
    /// Sanitised.
    pub(super) embed: String,
    pub(super) actions: &'a [Action],
    pub(super) related: &'a [Related],
}

/// Most bytes that addresses may take when they are made absolute.
pub(super) const MOST_OF_ADDRESSES: usize = 16 << 20;

/// Why a part of the content cannot be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its elements are nested too deeply.
    TooDeep,
    /// It has so many addresses, and its page has one so long, that relative ones would fill memory.
    TooManyAddresses,
}

/// The content that is made of these parts, without a body.
pub(super) fn content(parts: Parts<'_>) -> Content {
    let actions = parts.actions.iter().map(|action| {
        let title = action.title.as_ref().unwrap_or(&action.url);
        format!("<a href=\"{}\">{}</a>", escaped(&action.url), escaped(title))
    });
    let mut links = list(actions);
    let related = list(parts.related.iter().map(coverage));
    if !related.is_empty() {
        links.push_str("<h3>Related</h3>");
        links.push_str(&related);
    }
    Content {
        picture: parts.image.map(picture).unwrap_or_default(),
        embed: parts.embed,
        summary: parts.summary.map(paragraph).unwrap_or_default(),
        links,
        ..Content::default()
    }
}

impl Record {
    /// Takes in its body, which is sanitised and whose addresses were relative to `base`. Without a summary
    /// of its own a record has the beginning of its body.
    pub(super) fn take_body(&mut self, body: String, base: &Url) {
        let picture = self.images.first().and_then(|image| link::in_content(&image.url, base));
        self.content.body_has_picture = picture.is_some_and(|picture| shows(&body, &picture));
        if self.summary.is_none() {
            self.summary = beginning(&body);
            self.content.summary = self.summary.as_deref().map(paragraph).unwrap_or_default();
        }
        self.content.body = body;
    }
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escaped(text))
}

/// Whether sanitised HTML shows the picture at an address.
fn shows(html: &str, picture: &str) -> bool {
    let is_it = |src| htmlize::unescape_attribute(src) == picture;
    tags(html).any(|(name, tag)| name == "img" && attribute(tag, "src").is_some_and(is_it))
}

fn picture(image: &Image) -> String {
    let mut picture = format!("<p><img src=\"{}\"", escaped(&image.url));
    for (name, pixels) in [("width", image.width), ("height", image.height)] {
        if let Some(pixels) = pixels {
            let _ = write!(picture, " {name}=\"{pixels}\"");
        }
    }
    let _ = write!(picture, " alt=\"{}\"></p>", escaped(image.title.as_deref().unwrap_or_default()));
    picture
}

fn coverage(related: &Related) -> String {
    let mut item = format!("<a href=\"{}\">{}</a>", escaped(&related.link), escaped(&related.title));
    let source = related.provider.as_ref().map(|name| escaped(name).into_owned());
    let date = related.published.map(|at| at.format("%Y-%m-%d").to_string());
    let details: Vec<_> = source.into_iter().chain(date).collect();
    if !details.is_empty() {
        let _ = write!(item, " ({})", details.join(", "));
    }
    item
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items = items.fold(String::new(), |items, item| items + "<li>" + &item + "</li>");
    if items.is_empty() { items } else { format!("<ul>{items}</ul>") }
}

/// Text as HTML, for an attribute as well.
fn escaped(text: &str) -> Cow<'_, str> {
    htmlize::escape_attribute(text)
}

/// A part of the content as HTML that is harmless, with frames from these hosts alone.
pub(super) fn sanitised(
    markup: Markup,
    text: &str,
    base: &Url,
    frame_hosts: &[String],
) -> Result<String, Refused> {
    if markup == Markup::Markdown
        && let Some(html) = markdown::sanitised(text, base)
    {
        return Ok(cleaned(html));
    }
    let text = &*match markup {
        Markup::Html => Cow::Borrowed(text),
        Markup::Markdown => Cow::Owned(markdown::unsanitised(text)),
    };
    if is_too_deep(text) {
        return Err(Refused::TooDeep);
    }
    // An attribute begins with the one, and a `srcset` goes on with the other.
    let addresses = text.matches(['=', ',']).count();
    if addresses.saturating_mul(base.as_str().len()) > MOST_OF_ADDRESSES {
        return Err(Refused::TooManyAddresses);
    }
    let (base, frame_hosts) = (base.clone(), frame_hosts.to_vec());
    let mut builder = Builder::default();
    builder
        // They turn text around and split it, and few readers know them.
        .rm_tags(["bdo", "rtc"])
        .add_tags(["audio", "iframe", "picture", "source", "video"])
        .add_clean_content_tags(["title", "noscript", "template", "object", "svg", "math"])
        .add_tag_attributes("iframe", ["src", "width", "height", "allowfullscreen"])
        .add_tag_attributes("img", ["srcset"])
        .add_tag_attributes("source", ["src", "srcset", "type"])
        .add_tag_attributes("video", ["src", "poster", "width", "height", "controls"])
        .add_tag_attributes("audio", ["src", "controls"])
        .generic_attributes(HashSet::from(["style", "hidden", "title", "lang", "dir"]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::RewriteWithBase(base.clone()))
        .link_rel(None)
        // What cannot play by itself needs something to begin with.
        .set_tag_attribute_values(HashMap::from([
            ("audio", HashMap::from([("controls", "")])),
            ("video", HashMap::from([("controls", "")])),
        ]))
        .attribute_filter(move |element, attribute, value| {
            attribute_of(element, attribute, value, &base, &frame_hosts)
        });
    Ok(cleaned(pruned(&builder.clean(text).to_string())))
}

/// HTML without the characters that XML forbids, for which entities may stand, and without white space
/// around it.
pub(super) fn cleaned(html: String) -> String {
    match clean(html.trim()) {
        Cow::Borrowed(same) if same.len() == html.len() => html,
        cleaned => cleaned.into_owned(),
    }
}

/// What an attribute may say, if it may be there at all.
fn attribute_of<'v>(
    element: &str,
    attribute: &str,
    value: &'v str,
    base: &Url,
    frame_hosts: &[String],
) -> Option<Cow<'v, str>> {
    match (element, attribute) {
        ("iframe", "src") => {
            let mut url = base.join(value).ok()?;
            // A page that is encrypted may not frame one that is not, and these hosts have both.
            if url.scheme() == "http" {
                url.set_scheme("https").ok()?;
            }
            let known = frame_hosts.iter().any(|host| url.authority() == host);
            if known { link::in_content(url.as_str(), base).map(Cow::Owned) } else { None }
        }
        // Elements have no ids here, so that there is nothing in the page to lead to.
        (_, "href") if value.trim_start().starts_with('#') => None,
        (_, "href" | "src" | "poster" | "cite") => {
            let address = link::in_content(value, base)?;
            // Only from a link does anybody write a letter.
            (element == "a" || link::is_web(&address)).then_some(Cow::Owned(address))
        }
        ("iframe" | "img" | "video", "width" | "height") => {
            pixels(value).map(|pixels| Cow::Owned(pixels.to_string()))
        }
        (_, "srcset") => {
            let candidates = candidates(value).into_iter().filter_map(|(address, size)| {
                Some(format!("{} {size}", link::web(address, base)?).trim_end().to_owned())
            });
            Some(candidates.collect::<Vec<_>>().join(", ")).filter(|set| !set.is_empty()).map(Cow::Owned)
        }
        // Kept for a moment, to prune what nobody was meant to see.
        (_, "style") => hides(value, element == "img").then_some(Cow::Borrowed(value)),
        _ => Some(Cow::Borrowed(value)),
    }
}

/// A length in pixels, whole. A part of the room that there is has none, but if it is none at all.
fn pixels(length: &str) -> Option<u32> {
    let length = length.trim();
    let digits = length.find(|c: char| !c.is_ascii_digit()).unwrap_or(length.len());
    let whole: u32 = length[..digits].parse().ok()?;
    let unit = length[digits..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()).trim();
    match unit.to_ascii_lowercase().as_str() {
        "" | "px" => Some(whole),
        _ => Some(whole).filter(|whole| *whole == 0),
    }
}

/// Whether a style hides its element; a picture is hidden if it is no larger than a pixel, too.
/// Text of no size hides nothing: newsletters close gaps between columns with it.
fn hides(style: &str, is_picture: bool) -> bool {
    let declarations = style.split(';').filter_map(|declaration| declaration.split_once(':'));
    let declarations = declarations.map(|(property, value)| {
        let value = value.to_ascii_lowercase();
        let value = value.split('!').next().unwrap_or_default().trim().to_owned();
        (property.trim().to_ascii_lowercase(), value)
    });
    let declared: HashMap<String, String> = declarations.collect();
    let is = |property: &str, expected: &str| declared.get(property).is_some_and(|value| value == expected);
    let at_most = |property: &str, most: u32| {
        declared.get(property).and_then(|value| pixels(value)).is_some_and(|length| length <= most)
    };
    let clipped = is("overflow", "hidden") && (at_most("max-height", 0) || at_most("height", 0));
    let transparent = declared.get("opacity").and_then(|value| value.parse::<f32>().ok()) == Some(0.0);
    is("display", "none")
        || is("visibility", "hidden")
        || is("mso-hide", "all")
        || clipped
        || transparent
        || (is_picture && (at_most("width", 1) || at_most("height", 1)))
}

/// The addresses of a `srcset`, each with its size (HTML §4.8.4.2.1): an address ends at white space
/// or with a comma, a size at a comma.
fn candidates(set: &str) -> Vec<(&str, &str)> {
    let mut candidates = Vec::new();
    let mut rest = set;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return candidates;
        }
        let (address, after) =
            rest.split_at(rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len()));
        let alone = address.trim_end_matches(',');
        let (size, after) =
            if alone == address { after.split_once(',').unwrap_or((after, "")) } else { ("", after) };
        candidates.push((alone, size.trim()));
        rest = after;
    }
}

const FRAME_END: &str = "</iframe>";

/// Sanitised HTML without what its writer hides, without pictures that count readers, and without
/// frames that lost their source.
fn pruned(html: &str) -> String {
    let mut kept = String::with_capacity(html.len());
    let mut rest = html;
    // The element that is being left out, and how many of its name are open.
    let mut skipping: Option<(&str, usize)> = None;
    while let Some(start) = rest.find('<') {
        let (text, from_tag) = rest.split_at(start);
        let tag = &from_tag[..end_of_tag(from_tag)];
        rest = &from_tag[tag.len()..];
        if skipping.is_none() {
            kept.push_str(text);
        }
        let closes = tag.starts_with("</");
        let name = name_of(tag);
        if name == "iframe" && !closes {
            // What stands in a frame is no HTML to a browser, but it would be to a reader that takes
            // frames away.
            rest = rest.split_once(FRAME_END).map_or("", |(_, after)| after);
            if skipping.is_none() && !is_unwanted(name, tag) {
                kept.push_str(tag);
                kept.push_str(FRAME_END);
            }
            continue;
        }
        let void = matches!(name, "img" | "br" | "hr" | "source" | "wbr" | "col" | "area");
        match &mut skipping {
            Some((skipped, depth)) if *skipped == name => {
                *depth = if closes { *depth - 1 } else { *depth + 1 };
                if *depth == 0 {
                    skipping = None;
                }
            }
            Some(_) => {}
            None if !closes && is_unwanted(name, tag) => {
                if !void {
                    skipping = Some((name, 1));
                }
            }
            None => kept.push_str(tag),
        }
    }
    if skipping.is_none() {
        kept.push_str(rest);
    }
    kept
}

/// Most characters of a summary that is taken from the body.
const MOST_OF_BEGINNING: usize = 300;

/// The beginning of sanitised HTML as plain text, cut at a word; none if it has no text.
fn beginning(html: &str) -> Option<String> {
    let (mut text, mut rest) = (String::new(), html);
    // Entities and white space make text longer than what is shown of it.
    while !rest.is_empty() && text.len() < 20 * MOST_OF_BEGINNING {
        let (shown, from_tag) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        text.push_str(shown);
        let (tag, after) = from_tag.split_at(end_of_tag(from_tag));
        if !is_within_words(name_of(tag)) {
            text.push(' ');
        }
        rest = after;
    }
    let whole = rest.is_empty();
    let text = plain(&text);
    let Some((end, _)) = text.char_indices().nth(MOST_OF_BEGINNING) else {
        let cut = if whole { "" } else { "…" };
        return Some(text + cut).filter(|text| text != cut);
    };
    let words = text[..end].rsplit_once(' ').map_or(&text[..end], |(words, _)| words);
    Some(format!("{}…", words.trim_end_matches([',', ';', ':', '.', ' '])))
}

/// Whether an element may begin or end within a word.
fn is_within_words(name: &str) -> bool {
    const INLINE: &[&str] = &[
        "a", "abbr", "b", "bdi", "cite", "code", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q", "s",
        "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
    ];
    INLINE.contains(&name)
}

/// The opening tags of sanitised HTML, and their names.
pub(super) fn tags(html: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            let from_tag = &rest[rest.find('<')?..];
            let (tag, after) = from_tag.split_at(end_of_tag(from_tag));
            rest = after;
            if !tag.starts_with("</") {
                return Some((name_of(tag), tag));
            }
        }
    })
}

/// The name of the element that a tag opens or closes.
fn name_of(tag: &str) -> &str {
    let name = tag.trim_start_matches(['<', '/']);
    name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default()
}

/// The attributes of a tag in sanitised HTML: names, and what they say, with its entities.
fn attributes(tag: &str) -> impl Iterator<Item = (&str, &str)> {
    // Before an odd quotation mark stands a name, before an even one a value.
    let mut parts = tag.split('"');
    std::iter::from_fn(move || {
        let (_, name) = parts.next()?.strip_suffix('=')?.rsplit_once(' ')?;
        Some((name, parts.next()?))
    })
}

/// What an attribute of a tag in sanitised HTML says, with its entities.
pub(super) fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    attributes(tag).find_map(|(known, value)| (known == name).then_some(value))
}

/// The length of the tag that a text begins with; a `>` may stand in a quoted value.
fn end_of_tag(text: &str) -> usize {
    let mut quoted = false;
    let end = text.bytes().position(|byte| {
        quoted ^= byte == b'"';
        byte == b'>' && !quoted
    });
    end.map_or(text.len(), |end| end + 1)
}

fn is_unwanted(name: &str, tag: &str) -> bool {
    let value = |name: &str| attribute(tag, name);
    let tiny = |attribute| value(attribute).is_some_and(|pixels| matches!(pixels, "0" | "1"));
    value("hidden").is_some()
        || value("style").is_some()
        || (name == "iframe" && value("src").is_none())
        || (name == "img" && (value("src").is_none() || tiny("width") || tiny("height")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, markup: Markup) -> Result<String, Refused> {
        let base = Url::parse("https://a.example/b/c").unwrap();
        sanitised(markup, text, &base, &["www.youtube.com".to_owned()])
    }

    #[test]
    fn full_and_excerpt_differ_in_the_body() {
        let image = |url: &str| Image { url: url.to_owned(), width: None, height: None, title: None };
        for (text, picture, full, excerpt) in [
            ("", None, "<p>S</p>", "<p>S</p>"),
            ("B", None, "B", "<p>S</p>"),
            (
                "B",
                Some("https://a.example/b/i?1&2"),
                "<p><img src=\"https://a.example/b/i?1&amp;2\" alt=\"\"></p>B",
                "<p><img src=\"https://a.example/b/i?1&amp;2\" alt=\"\"></p><p>S</p>",
            ),
            (
                "<img src='i?1&amp;2'>",
                Some("https://a.example/b/i?1&2"),
                "<img src=\"https://a.example/b/i?1&amp;2\">",
                "<p><img src=\"https://a.example/b/i?1&amp;2\" alt=\"\"></p><p>S</p>",
            ),
            (
                "<a href='i'>a</a><img src='i2'>",
                Some("https://a.example/b/i"),
                "<p><img src=\"https://a.example/b/i\" alt=\"\"></p><a href=\"https://a.example/b/i\">a</a><img src=\"https://a.example/b/i2\">",
                "<p><img src=\"https://a.example/b/i\" alt=\"\"></p><p>S</p>",
            ),
        ] {
            let mut record = super::super::tests::record("title: A\ntopics: t\nexcerpt: S\n");
            record.images.extend(picture.map(image));
            let image = record.images.first();
            let parts = Parts { summary: Some("S"), image, embed: String::new(), actions: &[], related: &[] };
            record.content = content(parts);
            let base = Url::parse("https://a.example/b/c").unwrap();
            record.take_body(shown(text, Markup::Html).unwrap(), &base);
            let content = record.content;
            assert_eq!((content.full().as_str(), content.excerpt().as_str()), (full, excerpt), "{text}");
        }
    }

    #[test]
    fn the_beginning_of_a_body_is_plain_text_cut_at_a_word() {
        let long = "word, ".repeat(100);
        let begun = format!("{}word…", "word, ".repeat(49));
        for (html, expected) in [
            ("", None),
            ("<p> </p><img src=\"x\">", None),
            ("<h2>A</h2><p>b <b>c</b>d &amp; &lt;e&gt;</p>", Some("A b cd & <e>")),
            ("<p>one</p><p>two</p>", Some("one two")),
            (long.as_str(), Some(begun.as_str())),
        ] {
            assert_eq!(beginning(html).as_deref(), expected, "{html}");
        }
        assert!(beginning(&"x".repeat(100_000)).unwrap().chars().count() <= MOST_OF_BEGINNING + 1);
        assert!(beginning(&"<b></b>".repeat(100_000)).is_none());
    }

    #[test]
    fn html_is_made_harmless_and_its_addresses_absolute() {
        for (text, expected) in [
            ("<p onclick='x'>a<script>b</script></p>", "<p>a</p>"),
            (
                "<a href='javascript:x'>a</a><a href='d?e=1&amp;f=2#g'>a</a>",
                "<a>a</a><a href=\"https://a.example/b/d?e=1&amp;f=2#g\">a</a>",
            ),
            (
                "<img src='/x.png' alt='a > b' width=640px>",
                "<img src=\"https://a.example/x.png\" alt=\"a &gt; b\" width=\"640\">",
            ),
            ("<img src='data:x'><img src='x' width=1 height=1>a", "a"),
            (
                "<img src='x' srcset='x 1x, javascript:y 2x, /z 3x'>",
                "<img src=\"https://a.example/b/x\" srcset=\"https://a.example/b/x 1x, https://a.example/z 3x\">",
            ),
            (
                "<img src='x' srcset='x 1x,javascript:y 2x,z, //b.example/a,b.png'>",
                "<img src=\"https://a.example/b/x\" srcset=\"https://a.example/b/x 1x, https://a.example/b/z, https://b.example/a,b.png\">",
            ),
            (
                "<q cite='javascript:x'>a</q><q cite='d'>b</q><img src='mailto:a@b.example'>",
                "<q>a</q><q cite=\"https://a.example/b/d\">b</q>",
            ),
            (
                "<a href=' MAILTO:a@b.example'>a</a><a href=' /d e '>b</a>",
                "<a href=\"mailto:a@b.example\">a</a><a href=\"https://a.example/d%20e\">b</a>",
            ),
            (
                "<iframe src='https://a@www.youtube.com/x'></iframe><iframe src='//www.youtube.com:1/x'></iframe>a",
                "a",
            ),
            (
                "<iframe src='https://www.youtube.com/embed/x' width=5></iframe>",
                "<iframe src=\"https://www.youtube.com/embed/x\" width=\"5\"></iframe>",
            ),
            (
                "a<iframe src='http://www.youtube.com/embed/x'></iframe>",
                "a<iframe src=\"https://www.youtube.com/embed/x\"></iframe>",
            ),
            ("a<iframe src='http://www.example.com/embed/x'></iframe>", "a"),
            ("<a href='#top'>a</a> <a href=' #1'>b</a>", "<a>a</a> <a>b</a>"),
            (
                "<video src=v.mp4 autoplay></video>",
                "<video src=\"https://a.example/b/v.mp4\" controls=\"\"></video>",
            ),
            ("<img src=p style='width:1px; height:1px'>a<img src=p style='WIDTH: 1.0px !important'>", "a"),
            ("<img src=p width='1.0'><img src=p width=' 1 ' height='1 px'><img src=p width='0%'>a", "a"),
            ("<img src=p width='100%'>", "<img src=\"https://a.example/b/p\">"),
            (
                "<p style='visibility:hidden'>a</p><p style='opacity: 0'>a</p><p style='mso-hide:all'>a</p>b",
                "b",
            ),
            ("<div style='max-height:0px;overflow:hidden'>a</div>b", "b"),
            ("<td style='font-size:0'>b</td>", "b"),
            (
                "<a href='HTTPS://A.example/a b?[c]&amp;d|e'>a</a><a href='mailto:a@b.example'>b</a>",
                "<a href=\"https://a.example/a%20b?%5Bc%5D&amp;d%7Ce\">a</a><a href=\"mailto:a@b.example\">b</a>",
            ),
            ("a<iframe src='https://evil.example/'><b>x</b></iframe>b", "ab"),
            (
                "<video poster='p' src='v.mp4'></video>",
                "<video poster=\"https://a.example/b/p\" src=\"https://a.example/b/v.mp4\" controls=\"\"></video>",
            ),
            ("<div style='DISPLAY : none'>x<div>y</div></div><p style='color:red'>z</p>", "<p>z</p>"),
            ("<p hidden>x</p>y", "y"),
            ("<div title='x style=' style='display:none'>secret</div>a", "a"),
            ("<img src='x' alt='x width=' title='x height=' width=1 height=1>a", "a"),
            ("<iframe title='x src=' src='https://evil.example/'></iframe>a", "a"),
            ("<p title='x hidden='>visible</p>", "<p title=\"x hidden=\">visible</p>"),
            ("<bdo dir=rtl>a</bdo><ruby>b<rtc><rt>c</rt></rtc></ruby>", "a<ruby>b<rt>c</rt></ruby>"),
            ("a\u{80}b&#150;c\u{85}d", "ab\u{2013}c d"),
            ("<html><head><title>t</title><style>s</style></head><body><p>b</p></body></html>", "<p>b</p>"),
            ("<svg><script>x</script></svg><math><mi>y</mi></math>z", "z"),
        ] {
            assert_eq!(shown(text, Markup::Html).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn markdown_has_tables_footnotes_and_code() {
        let text = "# T\n\na | b\n--|--\n1 | 2\n\n`x<y>`[^1] ~~s~~\n\n[^1]: note\n\n<script>x</script>";
        let content = shown(text, Markup::Markdown).unwrap();
        for part in ["<h1>T</h1>", "<td>1</td>", "<code>x&lt;y&gt;</code>", "<del>s</del>", "note"] {
            assert!(content.contains(part), "{part}: {content}");
        }
        assert!(!content.contains("script"), "{content}");
    }

    #[test]
    fn what_would_grow_is_refused_before_it_costs_anything() {
        assert_eq!(shown(&"<b>".repeat(100_000), Markup::Html), Err(Refused::TooDeep));
        assert_eq!(shown(&"> ".repeat(100_000), Markup::Markdown), Err(Refused::TooDeep));
        assert!(shown(&"<p>a<br><b>x</b>".repeat(1000), Markup::Html).is_ok());
        let set = format!("<img src=x srcset=\"{}\">", "x, ".repeat(1 << 20));
        assert_eq!(shown(&set, Markup::Html), Err(Refused::TooManyAddresses));
    }
}
