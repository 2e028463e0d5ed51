//! The page about a feed, or about a month of its archive.

use serde::Serialize;

use crate::feed::{FeedDocument, Selection};
use crate::render::error::RenderError;
use crate::render::format::Format;
use crate::render::html::card::{Card, card};
use crate::render::html::form::{Form, form};
use crate::render::html::frame::{Frame, Subscribe, frame, subscribe};
use crate::render::html::link::{at_home, other_language};
use crate::render::html::template::render_template;
use crate::render::publication::Publication;
use crate::seed::Month;

#[derive(Serialize)]
struct Page<'a> {
    frame: Frame<'a>,
    subscribe: Subscribe,
    name: &'a str,
    /// The month, on a page of the archive.
    month: Option<String>,
    /// Set if the description is the publisher's.
    described: bool,
    /// The feed's picture, if pages show pictures.
    icon: Option<&'a str>,
    /// The page about the feed, without a month.
    current: String,
    ancestors: Vec<Link<'a>>,
    children: Vec<Link<'a>>,
    entries: Vec<Card<'a>>,
    newer: Option<MonthLink>,
    older: Option<MonthLink>,
    years: Vec<Year>,
    choices: Option<Form>,
}

/// A link to another page.
#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    page: String,
}

/// The pages of one year of an archive.
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

/// Renders the page.
pub(in crate::render) fn render(
    feed: &FeedDocument,
    publication: &Publication,
) -> Result<Vec<u8>, RenderError> {
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
        ancestors: links(&feed.topic_links.ancestors, publication),
        children: links(&feed.topic_links.children, publication),
        entries: feed.entries.iter().map(|entry| card(entry, language, publication)).collect(),
        newer: feed.next_archive.map(|month| month_link(feed, month, publication)),
        older: feed.archive.and(feed.prev_archive).map(|month| month_link(feed, month, publication)),
        years: years(feed, publication),
        choices: feed.choices.as_ref().map(|choices| form(choices, publication)),
        month,
    };
    render_template("feed.html", &page).map_err(|reason| RenderError::new(feed, Format::Html, &reason))
}

fn links<'a>(topics: &'a [(Selection, String)], publication: &Publication) -> Vec<Link<'a>> {
    let page = |selection| at_home(&publication.feed_url(selection, Format::Html), publication);
    topics.iter().map(|(selection, name)| Link { name, page: page(selection) }).collect()
}

fn month_name(month: Month) -> String {
    month.first_second().format("%B %Y").to_string()
}

fn month_link(feed: &FeedDocument, month: Month, publication: &Publication) -> MonthLink {
    MonthLink {
        name: month_name(month),
        short: month.first_second().format("%b").to_string(),
        page: at_home(&publication.archive_url(&feed.selection, month, Format::Html), publication),
    }
}

/// Returns the pages of an archive, the newest year first and the months of each in calendar order.
fn years(feed: &FeedDocument, publication: &Publication) -> Vec<Year> {
    let year = |month: &Month| month.first_second().format("%Y").to_string();
    let years = feed.archives.chunk_by(|one, other| year(one) == year(other));
    years
        .filter_map(|months| {
            let links = months.iter().rev().map(|month| month_link(feed, *month, publication));
            Some(Year { year: year(months.first()?), months: links.collect() })
        })
        .collect()
}
