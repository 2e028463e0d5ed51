//! From an address to what is there: a pure function of the edition.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use crate::config::Config;
use crate::config::criteria::{BadValue, Criteria};
use crate::edition::{Edition, Representation};
use crate::feed::Selection;
use crate::publish::archive::Address;
use crate::render::{Format, address, document_at, document_path, encoded};

/// What is at an address.
#[derive(Debug)]
pub(super) enum Route<'a> {
    /// What is published there.
    Found(&'a Arc<Representation>),
    /// A feed, of which a browser that goes to its address is shown the page.
    Page { page: &'a Arc<Representation>, feed: &'a Arc<Representation> },
    /// An archive document, if the feed has one of that month.
    Archive(Address),
    /// A selection that the address spells, in its canonical spelling.
    Query(Box<Criteria>, Format),
    /// Another address for the same, for good.
    Moved(String),
    /// The feeds of a topic that is retired.
    Gone,
    /// A selection that cannot be meant.
    Bad(BadValue),
    /// Nothing.
    Nothing,
}

/// What is at an address, for a browser that goes there to see a page or for anybody else. The parts
/// of its query that are no criteria mean nothing, but that `raw` shows browsers the feed itself.
pub(super) fn route<'a>(edition: &'a Edition, uri: &Uri, for_page: bool) -> Route<'a> {
    let config = &edition.config;
    let path = match uri.path() {
        plain if !plain.contains('%') => Cow::Borrowed(plain),
        path => match percent_decode_str(path).decode_utf8() {
            Ok(path) => path,
            Err(_) => return Route::Nothing,
        },
    };
    if let Some(query) = uri.query()
        && let Some(format) = all_format(&path)
    {
        match Criteria::from_query(query, config.entries) {
            Ok(Some(criteria)) => return spelled(criteria, query, format, config),
            Ok(None) => {}
            Err(bad) => return Route::Bad(bad),
        }
    }
    match edition.get(&path) {
        Some(found) if path.ends_with(Format::Html.ending()) => return Route::Moved(found.url.clone()),
        Some(found) => {
            let page = found.page.as_ref().filter(|_| for_page);
            return match page.and_then(|page| edition.representations.get(&**page)) {
                Some(page) => Route::Page { page, feed: found },
                None => Route::Found(found),
            };
        }
        None => {}
    }
    let bare = path.strip_suffix('/').unwrap_or(&path);
    let page = format!("{bare}{}", Format::Html.ending());
    match edition.get(&page) {
        Some(page) if path == bare || path == "/" => Route::Found(page),
        Some(page) => Route::Moved(page.url.clone()),
        None => topic(config, bare).unwrap_or_else(|| archive(config, &path, &page)),
    }
}

/// The format of the feed of everything at a path: its page is at `/all`.
fn all_format(path: &str) -> Option<Format> {
    let ending = path.strip_prefix('/')?.strip_prefix(Selection::ALL)?;
    let is_page = |format| format == Format::Html && ending.is_empty();
    Format::ALL.into_iter().find(|&format| is_page(format) || format.ending() == ending)
}

/// The archive document at a path, or the page in the folder at that path.
fn archive(config: &Config, path: &str, page: &str) -> Route<'static> {
    let at = |path: &str| path.strip_prefix('/').and_then(Address::at);
    match at(path).filter(|address| address.format != Format::Html) {
        Some(address) => Route::Archive(address),
        None => match at(page) {
            Some(address) if !path.ends_with('/') => Route::Archive(address),
            // With the name of its file, or with a slash that only static hosts need.
            folder => {
                folder.or_else(|| at(path)).map_or(Route::Nothing, |Address { selection, month, format }| {
                    Route::Moved(address(&config.url, &document_path(&selection, Some(month), format)))
                })
            }
        },
    }
}

/// Whether the feed itself is wanted, whoever asks.
pub(super) fn is_raw(query: &str) -> bool {
    let mut parameters = query.split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some("raw"))
}

fn spelled(mut criteria: Criteria, query: &str, format: Format, config: &Config) -> Route<'static> {
    criteria.rename_topics(|slug| config.topics.now(slug));
    let canonical = criteria.query();
    if !canonical.is_empty() && canonical == query.strip_suffix("&raw").unwrap_or(query) {
        return Route::Query(Box::new(criteria), format);
    }
    let all = address(&config.url, &document_path(&Selection::All, None, format));
    Route::Moved(match (canonical.is_empty(), is_raw(query)) {
        (true, false) => all,
        (true, true) => format!("{all}?raw"),
        (false, false) => format!("{all}?{canonical}"),
        (false, true) => format!("{all}?{canonical}&raw"),
    })
}

/// What became of a topic that has no feed at its slug.
fn topic<'a>(config: &Config, path: &str) -> Option<Route<'a>> {
    let below = path.strip_prefix("/topics/")?;
    let (slug, rest) = below.split_at(below.find(['.', '/']).unwrap_or(below.len()));
    if let Some(now) = config.topics.moved(slug).filter(|_| is_below_topic(rest)) {
        return Some(Route::Moved(format!("{}topics/{}{rest}", config.url, encoded(now))));
    }
    config.topics.is_retired(slug).then_some(Route::Gone)
}

/// Whether this follows the slug in an address of a topic: `.atom`, `/2024-03.atom`, `/2024-03`, or
/// nothing.
fn is_below_topic(rest: &str) -> bool {
    let known = |ending: &str| matches!(document_at(&format!("topics/t{rest}{ending}")), Some((Selection::Topic(slug), ..)) if *slug == *"t");
    known("") || known(Format::Html.ending())
}
