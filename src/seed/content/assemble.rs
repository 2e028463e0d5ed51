//! Assembles the content of a record from its fields and its body.

use std::borrow::Cow;
use std::fmt::Write as _;

use url::Url;

use super::summary::summary_of;
use crate::seed::html::start_tags;
use crate::seed::link;
use crate::seed::record::{Action, Content, Image, Record, Related};

/// The parts of the content other than the body.
pub(in crate::seed) struct ContentParts<'a> {
    pub(in crate::seed) summary: Option<&'a str>,
    pub(in crate::seed) image: Option<&'a Image>,
    /// The sanitised embed.
    pub(in crate::seed) embed: String,
    pub(in crate::seed) actions: &'a [Action],
    pub(in crate::seed) related: &'a [Related],
}

/// Returns the content made of these parts, without a body.
pub(in crate::seed) fn without_body(parts: ContentParts<'_>) -> Content {
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

/// Adds a body to a record: sanitised HTML, whose addresses were relative to `base`. A record without a summary
/// takes one from the beginning of the body.
pub(in crate::seed) fn add_body(record: &mut Record, body: String, base: &Url) {
    let picture = record.images.first().and_then(|image| link::in_content(&image.url, base));
    record.content.body_has_picture = picture.is_some_and(|picture| shows_image(&body, &picture));
    if record.summary.is_none() {
        record.summary = summary_of(&body);
        record.content.summary = record.summary.as_deref().map(paragraph).unwrap_or_default();
    }
    record.content.body = body;
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escaped(text))
}

/// Returns `true` if sanitised HTML shows the image at this address.
fn shows_image(html: &str, address: &str) -> bool {
    start_tags(html).any(|tag| tag.name() == "img" && tag.attribute("src") == Some(address))
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

/// Returns text as HTML, for elements and attributes.
fn escaped(text: &str) -> Cow<'_, str> {
    htmlize::escape_attribute(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::content::sanitize::sanitize;
    use crate::seed::form::Markup;

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
            let mut record = crate::seed::tests::record("title: A\ntopics: t\nexcerpt: S\n");
            record.images.extend(picture.map(image));
            let image = record.images.first();
            let parts =
                ContentParts { summary: Some("S"), image, embed: String::new(), actions: &[], related: &[] };
            record.content = without_body(parts);
            let base = Url::parse("https://a.example/b/c").unwrap();
            let body = sanitize(Markup::Html, text, &base, &[]).unwrap();
            add_body(&mut record, body, &base);
            let content = record.content;
            assert_eq!((content.full().as_str(), content.excerpt().as_str()), (full, excerpt), "{text}");
        }
    }
}
