//! HTML: the page that lists every feed, and the page about each, for people with a browser.

use std::sync::LazyLock;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, escape_formatter};
use serde::Serialize;

use super::{Format, Publication, RenderError, page_path};
use crate::feed::{About, Family, Feed, Outline, Selection, Shown};
use crate::seed::{Image, Record};

/// What pages are.
pub const MEDIA_TYPE: &str = "text/html; charset=utf-8";
/// The path of what all pages look like.
pub const STYLE_PATH: &str = "style.css";
/// What that is.
pub const STYLE_MEDIA_TYPE: &str = "text/css; charset=utf-8";
/// What all pages look like.
pub const STYLE: &str = include_str!("pages/style.css");

/// The language of the words in the templates.
const LANGUAGE: &str = "en";

static TEMPLATES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_formatter(write_escaped);
    // What ends with `.html` is escaped.
    templates.add_template("layout.html", include_str!("pages/layout.html"))?;
    templates.add_template("addresses.html", include_str!("pages/addresses.html"))?;
    templates.add_template("home.html", include_str!("pages/home.html"))?;
    templates.add_template("feed.html", include_str!("pages/feed.html"))?;
    Ok(templates)
});

/// Text is escaped as it is in content; the library's own way would spell every slash of an address
/// in six characters.
fn write_escaped(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&htmlize::escape_all_quotes(text))?),
        _ => escape_formatter(out, state, value),
    }
}

/// What every page has around what is its own.
#[derive(Serialize)]
struct Frame<'a> {
    title: String,
    description: String,
    /// The page's own address.
    url: String,
    addresses: Vec<Address>,
    icon: Option<&'a str>,
    style: String,
    list: String,
    copyright: Option<&'a str>,
    /// The language of what the page is about, if it is not the templates'.
    language: Option<&'a str>,
}

/// The address of a feed in one format.
#[derive(Serialize)]
struct Address {
    format: &'static str,
    media_type: &'static str,
    url: String,
    /// Where browsers are shown the feed itself.
    raw: String,
}

#[derive(Serialize)]
struct Home<'a> {
    frame: Frame<'a>,
    topics: Vec<Listed<'a>>,
    selections: Vec<Listed<'a>>,
}

/// A feed in a list of feeds.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    page: String,
    description: Option<&'a str>,
    language: Option<&'a str>,
    addresses: Vec<Address>,
    children: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Page<'a> {
    frame: Frame<'a>,
    name: &'a str,
    /// Whether the description is the publisher's own words.
    described: bool,
    home: Link<'a>,
    ancestors: Vec<Link<'a>>,
    children: Vec<Link<'a>>,
    entries: Vec<Card<'a>>,
}

/// Another page.
#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    page: String,
}

/// An entry, in short.
#[derive(Serialize)]
struct Card<'a> {
    title: &'a str,
    link: Option<&'a str>,
    source: Option<&'a str>,
    published: String,
    day: String,
    summary: Option<&'a str>,
    picture: Option<Picture<'a>>,
    language: Option<&'a str>,
}

#[derive(Serialize)]
struct Picture<'a> {
    url: &'a str,
    width: Option<u32>,
    height: Option<u32>,
}

/// The page that lists these feeds.
///
/// # Errors
///
/// A template is wrong.
pub fn home(outlines: &[Outline], publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let listed = |wanted: fn(&Selection) -> bool| {
        let wanted = outlines.iter().filter(|outline| wanted(&outline.selection));
        wanted.map(|outline| listed(outline, publication)).collect()
    };
    let page = Home {
        frame: Frame {
            title: publication.title.clone(),
            description: format!("Every feed of {}", publication.title),
            language: other_language(&publication.language),
            ..frame(&Selection::All, publication)
        },
        topics: listed(|selection| matches!(selection, Selection::Topic(_))),
        selections: listed(|selection| matches!(selection, Selection::Named(_))),
    };
    write("home.html", &page, &Selection::All)
}

/// The page about a feed, of which this is the document that people subscribe to.
///
/// # Errors
///
/// A template is wrong.
pub fn page(feed: &Feed, family: &Family, publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let language = publication.feed_language(feed);
    let page = Page {
        frame: Frame {
            title: publication.feed_title(feed),
            description: publication.feed_description(feed),
            language: other_language(language),
            ..frame(&feed.selection, publication)
        },
        name: feed.about.name.as_ref().unwrap_or(&publication.title),
        described: feed.about.description.is_some(),
        home: link(&Selection::All, &publication.title, publication),
        ancestors: links(&family.ancestors, publication),
        children: links(&family.children, publication),
        entries: feed.entries.iter().map(|entry| card(entry, language)).collect(),
    };
    write("feed.html", &page, &feed.selection)
}

fn write(template: &str, page: &impl Serialize, selection: &Selection) -> Result<Vec<u8>, RenderError> {
    let written = TEMPLATES.as_ref().map_err(ToString::to_string).and_then(|templates| {
        let template = templates.get_template(template).map_err(|error| error.to_string())?;
        template.render(Serde(page)).map_err(|error| error.to_string())
    });
    written.map(String::into_bytes).map_err(|reason| RenderError { path: page_path(selection), reason })
}

/// A page about a selection, of which nothing is said yet.
fn frame<'a>(selection: &Selection, publication: &'a Publication) -> Frame<'a> {
    Frame {
        title: String::new(),
        description: String::new(),
        url: publication.page_url(selection),
        addresses: addresses(selection, publication),
        icon: publication.icon.as_deref(),
        style: at_home(&publication.style_url(), publication),
        list: at_home(&publication.list_url(), publication),
        copyright: publication.copyright.as_deref(),
        language: None,
    }
}

fn addresses(selection: &Selection, publication: &Publication) -> Vec<Address> {
    let address = |format: Format| {
        let url = publication.feed_url(selection, format);
        let raw = format!("{}?raw", at_home(&url, publication));
        let media_type = format.media_type().split(';').next().unwrap_or_default();
        Address { format: format.name(), media_type, url, raw }
    };
    Format::ALL.into_iter().map(address).collect()
}

fn listed<'a>(outline: &'a Outline, publication: &'a Publication) -> Listed<'a> {
    let Outline { selection, about: About { name, description, language, .. }, children } = outline;
    let language = language.as_ref().unwrap_or(&publication.language);
    Listed {
        name: name.as_ref().unwrap_or(&publication.title),
        page: at_home(&publication.page_url(selection), publication),
        description: description.as_deref(),
        language: other_language(language),
        addresses: addresses(selection, publication),
        children: children.iter().map(|child| listed(child, publication)).collect(),
    }
}

fn link<'a>(selection: &Selection, name: &'a str, publication: &Publication) -> Link<'a> {
    Link { name, page: at_home(&publication.page_url(selection), publication) }
}

fn links<'a>(topics: &'a [(Selection, String)], publication: &Publication) -> Vec<Link<'a>> {
    topics.iter().map(|(selection, name)| link(selection, name, publication)).collect()
}

fn card<'a>(entry: &'a Shown, feed_language: &'a str) -> Card<'a> {
    let record: &Record = &entry.record;
    let picture = |image: &'a Image| Picture { url: &image.url, width: image.width, height: image.height };
    let provider = record.provider.as_ref().map(|provider| &*provider.name);
    Card {
        title: &record.title,
        link: record.link.as_deref(),
        source: provider.or_else(|| record.author_names().next()),
        published: entry.published.to_rfc3339(),
        day: entry.published.format("%-d %B %Y").to_string(),
        summary: record.summary.as_deref(),
        picture: record.images.first().map(picture),
        language: other_language(record.language.as_deref().unwrap_or(feed_language)),
    }
}

/// A language, if it is not the templates'.
fn other_language(language: &str) -> Option<&str> {
    Some(language).filter(|language| !language.eq_ignore_ascii_case(LANGUAGE))
}

/// An address of the publication as its own pages link to it: they work under whatever name the
/// browser knows the host by.
fn at_home(url: &str, publication: &Publication) -> String {
    let path = url.strip_prefix(publication.url.as_str()).unwrap_or(url);
    format!("{}{path}", publication.url.path())
}
