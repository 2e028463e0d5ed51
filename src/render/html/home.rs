//! The home page, which lists every feed.

use serde::Serialize;

use crate::feed::{About, Outline, Selection};
use crate::render::error::RenderError;
use crate::render::format::Format;
use crate::render::html::date::day;
use crate::render::html::frame::{Frame, Subscribe, frame, subscribe};
use crate::render::html::link::other_language;
use crate::render::html::template::render_template;
use crate::render::path::{HOME, document_path, encoded};
use crate::render::publication::Publication;
use crate::seed::Month;

/// The height of a chart, in its own units.
const CHART_HEIGHT: usize = 12;

#[derive(Serialize)]
struct Home<'a> {
    frame: Frame<'a>,
    subscribe: Subscribe,
    everything: Listed<'a>,
    /// The day of the newest entry, in words.
    newest: Option<String>,
    topics: Vec<Listed<'a>>,
    selections: Vec<Listed<'a>>,
    /// The number of topics, at all levels.
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
    /// The bars of a chart of the last two years, as an SVG path. `None` if there were no entries.
    chart: Option<String>,
    children: Vec<Listed<'a>>,
}

/// Renders the home page.
///
/// # Errors
///
/// A template is invalid.
pub fn home(outlines: &[Outline], publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let newest = outlines.iter().filter_map(|outline| outline.tally.newest).max();
    let last = newest.map(Month::of);
    let of = |wanted: fn(&Selection) -> bool| {
        let wanted = outlines.iter().filter(move |outline| wanted(&outline.selection));
        wanted.map(|outline| listed(outline, last, publication)).collect::<Vec<_>>()
    };
    let Some(everything) = of(|selection| *selection == Selection::All).pop() else {
        return Err(RenderError { path: HOME.to_owned(), reason: "no feed of all entries".to_owned() });
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
    render_template("home.html", &page).map_err(|reason| RenderError { path: HOME.to_owned(), reason })
}

/// Counts a feed and the feeds below it.
fn count(feed: &Listed<'_>) -> usize {
    1 + feed.children.iter().map(count).sum::<usize>()
}

fn listed<'a>(outline: &'a Outline, newest: Option<Month>, publication: &'a Publication) -> Listed<'a> {
    let Outline { selection, about: About { name, description, language, .. }, tally, children } = outline;
    let language = language.as_ref().unwrap_or(&publication.language);
    // Relative to the home page, which keeps a long list short.
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

/// Draws bars two units apart, scaled so that the highest reaches the top.
fn chart(counts: &[usize]) -> Option<String> {
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let bar = |(place, count): (usize, &usize)| {
        let height = (count * CHART_HEIGHT).div_ceil(most);
        format!("M{} {CHART_HEIGHT}v-{height}", place * 2 + 1)
    };
    Some(bars.map(bar).collect())
}
