//! HTML: the page that lists every feed, and the pages about each, for people with a browser.

use std::sync::LazyLock;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, escape_formatter};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::{Format, HOME, Publication, RenderError, address, document_path, encoded, opml};
use crate::config::Config;
use crate::config::criteria::Criterion;
use crate::feed::{About, Choices, Feed, Outline, Selection, Shown};
use crate::seed::{Image, Month, Record, Related, Timestamp};

/// The path of the page for an address at which there is nothing.
pub const MISSING: &str = "404.html";

/// Files that pages refer to: path, media type, bytes.
pub const FILES: [(&str, &str, &str); 2] = [
    (SCRIPT, "text/javascript; charset=utf-8", include_str!("pages/script.js")),
    (ICON, "image/svg+xml", include_str!("pages/icon.svg")),
];
const SCRIPT: &str = "script.js";
/// The icon of a publication that has none.
const ICON: &str = "icon.svg";

/// The language of the words in the templates.
const LANGUAGE: &str = "en";

/// Readers on the web, and how the address begins at which each subscribes to a feed.
const READERS: [(&str, &str); 5] = [
    ("Feedly", "https://feedly.com/i/subscription/feed%2F"),
    ("Inoreader", "https://www.inoreader.com/?add_feed="),
    ("NewsBlur", "https://www.newsblur.com/?url="),
    ("Feedbin", "https://feedbin.com/?subscribe="),
    ("The Old Reader", "https://theoldreader.com/feeds/subscribe?url="),
];

/// What stands in a part of an address as it is: what RFC 3986 §2.3 calls unreserved.
const ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Most related entries that a card lists.
const MOST_RELATED: usize = 5;
/// How high the bars of a chart are at most.
const CHART_HEIGHT: usize = 12;

static TEMPLATES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut templates = templates()?;
    templates.add_template("layout.html", include_str!("pages/layout.html"))?;
    templates.add_template("subscribe.html", include_str!("pages/subscribe.html"))?;
    templates.add_template("choices.html", include_str!("pages/choices.html"))?;
    templates.add_template("home.html", include_str!("pages/home.html"))?;
    templates.add_template("feed.html", include_str!("pages/feed.html"))?;
    templates.add_template("missing.html", include_str!("pages/missing.html"))?;
    Ok(templates)
});

/// Room for templates of pages. What those whose names end with `.html` show is escaped.
///
/// # Errors
///
/// The library refuses the syntax, which is always the same.
pub fn templates() -> Result<Environment<'static>, Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_formatter(write_escaped);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(templates)
}

/// Text is escaped as it is in content; the library's own way would spell every slash of an address
/// in six characters.
fn write_escaped(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&htmlize::escape_all_quotes(text))?),
        _ => escape_formatter(out, state, value),
    }
}

/// What pages may do, as a Content Security Policy: look as they do, run one script, and show the
/// pictures that the publisher allows.
pub(super) fn policy(style: &str, config: &Config) -> String {
    let style = BASE64_STANDARD.encode(Sha256::digest(shown(style)));
    let pictures = if config.pictures { " https:" } else { "" };
    let icon = config.icon.as_deref().and_then(|icon| Url::parse(icon).ok());
    let icon = icon.map(|icon| format!(" {}", icon.origin().ascii_serialization())).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'self'; img-src 'self'{pictures}{icon}; \
         base-uri 'none'; form-action 'self'"
    )
}

/// A style sheet as pages have it. Some that check policies take no notice of white space at its end.
fn shown(style: &str) -> &str {
    style.trim_end()
}

/// What every page has around what is its own.
#[derive(Serialize)]
struct Frame<'a> {
    title: String,
    description: String,
    /// The page's own address.
    url: String,
    publication: &'a str,
    home: &'a str,
    policy: &'a str,
    style: &'a str,
    script: String,
    icon: String,
    list: String,
    copyright: Option<&'a str>,
    addresses: Vec<Address>,
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

/// How to subscribe to a feed.
#[derive(Serialize)]
struct Subscribe {
    url: String,
    /// Where an app on the device takes it.
    app: String,
    readers: Vec<Reader>,
}

#[derive(Serialize)]
struct Reader {
    name: &'static str,
    /// How its addresses begin.
    before: &'static str,
    url: String,
}

#[derive(Serialize)]
struct Home<'a> {
    frame: Frame<'a>,
    subscribe: Subscribe,
    everything: Listed<'a>,
    /// The day of the newest entry, in words.
    newest: Option<String>,
    topics: Vec<Listed<'a>>,
    selections: Vec<Listed<'a>>,
    /// How many topics there are, those below others too.
    count: usize,
}

/// A feed in a list of feeds.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    page: String,
    description: Option<&'a str>,
    language: Option<&'a str>,
    entries: usize,
    newest: Option<String>,
    /// The bars of a chart of the last two years, as an SVG path; none if nothing came.
    chart: Option<String>,
    children: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Page<'a> {
    frame: Frame<'a>,
    subscribe: Subscribe,
    name: &'a str,
    /// The month, of a page of an archive.
    month: Option<String>,
    /// Whether the description is the publisher's own words.
    described: bool,
    /// The feed's own picture, if pictures are shown.
    icon: Option<&'a str>,
    /// The page of the feed of which this may be a month.
    current: String,
    ancestors: Vec<Link<'a>>,
    children: Vec<Link<'a>>,
    entries: Vec<Card<'a>>,
    newer: Option<MonthLink>,
    older: Option<MonthLink>,
    years: Vec<Year>,
    choices: Option<Form>,
}

/// Another page.
#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    page: String,
}

/// The pages of an archive that are of one year.
#[derive(Serialize)]
struct Year {
    year: String,
    months: Vec<MonthLink>,
}

#[derive(Serialize)]
struct MonthLink {
    /// `March 2024`
    name: String,
    /// `Mar`
    short: String,
    page: String,
}

/// An entry, in short.
#[derive(Serialize)]
struct Card<'a> {
    title: &'a str,
    link: Option<&'a str>,
    source: Option<&'a str>,
    source_icon: Option<&'a str>,
    published: String,
    told: String,
    kind: Option<&'a str>,
    length: Option<String>,
    summary: Option<&'a str>,
    picture: Option<Picture<'a>>,
    language: Option<&'a str>,
    related: Vec<RelatedLink<'a>>,
}

#[derive(Serialize)]
struct Picture<'a> {
    url: &'a str,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Serialize)]
struct RelatedLink<'a> {
    title: &'a str,
    link: &'a str,
    source: Option<&'a str>,
}

/// What readers can choose of for a selection of their own.
#[derive(Serialize)]
struct Form {
    action: String,
    topics: Vec<Choice>,
    /// Topics that are chosen, and have no entries.
    others: String,
    types: Vec<Choice>,
    min_quality: String,
    providers: String,
    by_heat: bool,
    /// Other criteria, which stay as they are.
    kept: Vec<(String, String)>,
    /// Whether anything is chosen.
    chosen: bool,
}

#[derive(Serialize)]
struct Choice {
    slug: String,
    name: String,
    entries: usize,
    chosen: bool,
}

/// The page that lists these feeds.
///
/// # Errors
///
/// A template is wrong.
pub fn home(outlines: &[Outline], publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let newest = outlines.iter().filter_map(|outline| outline.tally.newest).max();
    let last = newest.map(Month::of);
    let of = |wanted: fn(&Selection) -> bool| {
        let wanted = outlines.iter().filter(move |outline| wanted(&outline.selection));
        wanted.map(|outline| listed(outline, last, publication)).collect::<Vec<_>>()
    };
    let Some(everything) = of(|selection| *selection == Selection::All).pop() else {
        return Err(RenderError { path: HOME.to_owned(), reason: "there is no feed".to_owned() });
    };
    let topics = of(|selection| matches!(selection, Selection::Topic(_)));
    let page = Home {
        frame: Frame {
            title: publication.title.clone(),
            description: format!("Every feed of {}", publication.title),
            url: publication.url.to_string(),
            language: other_language(&publication.language),
            ..frame(&Selection::All, publication)
        },
        subscribe: subscribe(&Selection::All, publication),
        everything,
        newest: newest.map(day),
        count: topics.iter().map(count).sum(),
        topics,
        selections: of(|selection| matches!(selection, Selection::Named(_))),
    };
    write("home.html", &page).map_err(|reason| RenderError { path: HOME.to_owned(), reason })
}

/// How many feeds are in a list below a feed, with that.
fn count(feed: &Listed<'_>) -> usize {
    1 + feed.children.iter().map(count).sum::<usize>()
}

/// The page for an address at which there is nothing.
///
/// # Errors
///
/// A template is wrong.
pub fn missing(publication: &Publication) -> Result<Vec<u8>, RenderError> {
    #[derive(Serialize)]
    struct Missing<'a> {
        frame: Frame<'a>,
    }
    let frame = Frame {
        title: format!("Nothing here · {}", publication.title),
        description: "Nothing is published at this address".to_owned(),
        url: address(&publication.url, MISSING),
        ..frame(&Selection::All, publication)
    };
    write("missing.html", &Missing { frame })
        .map_err(|reason| RenderError { path: MISSING.to_owned(), reason })
}

/// The page about a feed, or about a month of its archive, which a document holds.
pub(super) fn render(feed: &Feed, publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let language = publication.feed_language(feed);
    let about = &feed.about;
    let name = about.name.as_deref().unwrap_or("Everything");
    let month = feed.archive.map(month_name);
    let title = [month.as_deref(), Some(name), Some(&publication.title)];
    let page = Page {
        frame: Frame {
            title: title.into_iter().flatten().collect::<Vec<_>>().join(" · "),
            description: publication.feed_description(feed),
            url: publication.document_url(feed, Format::Html),
            language: other_language(language),
            ..frame(&feed.selection, publication)
        },
        subscribe: subscribe(&feed.selection, publication),
        name,
        described: about.description.is_some(),
        icon: about.icon.as_deref().filter(|icon| publication.shows(icon)),
        current: at_home(&publication.feed_url(&feed.selection, Format::Html), publication),
        ancestors: links(&feed.family.ancestors, publication),
        children: links(&feed.family.children, publication),
        entries: feed.entries.iter().map(|entry| card(entry, language, publication)).collect(),
        newer: feed.next_archive.map(|month| month_link(feed, month, publication)),
        older: feed.archive.and(feed.prev_archive).map(|month| month_link(feed, month, publication)),
        years: years(feed, publication),
        choices: feed.choices.as_ref().map(|choices| form(choices, publication)),
        month,
    };
    write("feed.html", &page).map_err(|reason| RenderError::new(feed, Format::Html, &reason))
}

fn write(template: &str, page: &impl Serialize) -> Result<Vec<u8>, String> {
    let written = TEMPLATES.as_ref().map_err(ToString::to_string).and_then(|templates| {
        let template = templates.get_template(template).map_err(|error| error.to_string())?;
        template.render(Serde(page)).map_err(|error| error.to_string())
    });
    written.map(String::into_bytes)
}

/// A page about a selection, of which nothing is said yet.
fn frame<'a>(selection: &Selection, publication: &'a Publication) -> Frame<'a> {
    let at_home = |path: &str| format!("{}{path}", publication.url.path());
    Frame {
        title: String::new(),
        description: String::new(),
        url: publication.feed_url(selection, Format::Html),
        publication: &publication.title,
        home: publication.url.path(),
        policy: &publication.policy,
        style: shown(&publication.style),
        script: at_home(SCRIPT),
        icon: publication.icon.clone().unwrap_or_else(|| at_home(ICON)),
        list: at_home(opml::PATH),
        copyright: publication.copyright.as_deref(),
        addresses: addresses(selection, publication),
        language: None,
    }
}

fn addresses(selection: &Selection, publication: &Publication) -> Vec<Address> {
    let address = |format: Format| {
        let url = publication.feed_url(selection, format);
        let raw = at_home(&url, publication);
        let raw = if raw.contains('?') { format!("{raw}&raw") } else { format!("{raw}?raw") };
        let media_type = format.media_type().split(';').next().unwrap_or_default();
        Address { format: format.name(), media_type, url, raw }
    };
    Format::FEEDS.into_iter().map(address).collect()
}

fn subscribe(selection: &Selection, publication: &Publication) -> Subscribe {
    let url = publication.feed_url(selection, Format::Atom);
    let encoded = utf8_percent_encode(&url, ESCAPES).to_string();
    let reader = |(name, before): (&'static str, &'static str)| Reader {
        name,
        before,
        url: format!("{before}{encoded}"),
    };
    Subscribe {
        app: format!("feed{}", url.trim_start_matches(publication.url.scheme())),
        readers: READERS.map(reader).into(),
        url,
    }
}

fn listed<'a>(outline: &'a Outline, newest: Option<Month>, publication: &'a Publication) -> Listed<'a> {
    let Outline { selection, about: About { name, description, language, .. }, tally, children } = outline;
    let language = language.as_ref().unwrap_or(&publication.language);
    // The home page is where every address begins, so that it need not be said a thousand times.
    let page = document_path(selection, None, Format::Html);
    Listed {
        name: name.as_deref().unwrap_or("Everything"),
        page: encoded(page.strip_suffix(Format::Html.ending()).unwrap_or(&page)),
        description: description.as_deref(),
        language: other_language(language),
        entries: tally.entries,
        newest: tally.newest.map(|newest| newest.format("%Y-%m-%d").to_string()),
        chart: newest.and_then(|newest| chart(&tally.months_until(newest))),
        children: children.iter().map(|child| listed(child, newest, publication)).collect(),
    }
}

/// Bars, two units apart, on a line at the height of [`CHART_HEIGHT`]: the highest reaches the top.
fn chart(counts: &[usize]) -> Option<String> {
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let bar = |(place, count): (usize, &usize)| {
        let height = (count * CHART_HEIGHT).div_ceil(most);
        format!("M{} {CHART_HEIGHT}v-{height}", place * 2 + 1)
    };
    Some(bars.map(bar).collect())
}

fn links<'a>(topics: &'a [(Selection, String)], publication: &Publication) -> Vec<Link<'a>> {
    let page = |selection| at_home(&publication.feed_url(selection, Format::Html), publication);
    topics.iter().map(|(selection, name)| Link { name, page: page(selection) }).collect()
}

fn month_name(month: Month) -> String {
    month.first_second().format("%B %Y").to_string()
}

fn month_link(feed: &Feed, month: Month, publication: &Publication) -> MonthLink {
    MonthLink {
        name: month_name(month),
        short: month.first_second().format("%b").to_string(),
        page: at_home(&publication.archive_url(&feed.selection, month, Format::Html), publication),
    }
}

/// The pages of an archive, the newest year first and the months of each as in a calendar.
fn years(feed: &Feed, publication: &Publication) -> Vec<Year> {
    let year = |month: &Month| month.first_second().format("%Y").to_string();
    let years = feed.archives.chunk_by(|one, other| year(one) == year(other));
    years
        .filter_map(|months| {
            let links = months.iter().rev().map(|month| month_link(feed, *month, publication));
            Some(Year { year: year(months.first()?), months: links.collect() })
        })
        .collect()
}

fn card<'a>(entry: &'a Shown, feed_language: &'a str, publication: &Publication) -> Card<'a> {
    let record: &Record = &entry.record;
    let picture = |image: &'a Image| Picture { url: &image.url, width: image.width, height: image.height };
    let provider = record.provider.as_ref();
    Card {
        title: &record.title,
        link: record.link.as_deref(),
        source: provider.map(|provider| &*provider.name).or_else(|| record.author_names().next()),
        source_icon: provider
            .and_then(|provider| provider.image.as_deref())
            .filter(|icon| publication.shows(icon)),
        published: entry.published.to_rfc3339(),
        told: told(entry.published),
        kind: record.kind.as_deref(),
        length: record.length.map(length),
        summary: record.summary.as_deref(),
        picture: record.images.first().filter(|image| publication.shows(&image.url)).map(picture),
        language: other_language(record.language.as_deref().unwrap_or(feed_language)),
        related: record.related.iter().take(MOST_RELATED).map(related).collect(),
    }
}

fn related(related: &Related) -> RelatedLink<'_> {
    RelatedLink { title: &related.title, link: &related.link, source: related.provider.as_deref() }
}

/// An instant in words; midnight is taken for a date alone.
fn told(at: Timestamp) -> String {
    if at.time() == chrono::NaiveTime::MIN { day(at) } else { at.format("%-d %B %Y, %H:%M UTC").to_string() }
}

fn day(at: Timestamp) -> String {
    at.format("%-d %B %Y").to_string()
}

/// How long something plays, in words: `1 h 29 min`
fn length(length: Duration) -> String {
    let minutes = length.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

fn form(choices: &Choices, publication: &Publication) -> Form {
    let Choices { topics, types, chosen } = choices;
    let others = chosen.any.iter().filter(|slug| !topics.iter().any(|(listed, ..)| listed == *slug));
    let is_offered = |name: &str| {
        let offered =
            [Criterion::Any, Criterion::Type, Criterion::Provider, Criterion::MinQuality, Criterion::Order];
        Criterion::named(name).is_some_and(|word| offered.contains(&word))
    };
    let query = chosen.query();
    let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| !is_offered(name));
    let topic = |(slug, name, entries): &(std::sync::Arc<str>, String, usize)| Choice {
        slug: slug.to_string(),
        name: name.clone(),
        entries: *entries,
        chosen: chosen.any.contains(slug),
    };
    let kind = |(kind, entries): &(std::sync::Arc<str>, usize)| Choice {
        slug: kind.to_string(),
        name: kind.to_string(),
        entries: *entries,
        chosen: chosen.types.contains(kind),
    };
    Form {
        action: at_home(&address(&publication.url, Selection::ALL), publication),
        topics: topics.iter().map(topic).collect(),
        others: others.map(|slug| &**slug).collect::<Vec<_>>().join(", "),
        types: types.iter().map(kind).collect(),
        min_quality: chosen.min_quality.map(|lowest| lowest.to_string()).unwrap_or_default(),
        providers: chosen.providers.iter().map(|provider| &**provider).collect::<Vec<_>>().join(", "),
        by_heat: chosen.by_heat(),
        kept: kept.map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
        chosen: !query.is_empty(),
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

impl Publication {
    /// Whether pages show a picture: what does not come by https is nobody's business.
    fn shows(&self, picture: &str) -> bool {
        self.pictures && picture.starts_with("https:")
    }
}
