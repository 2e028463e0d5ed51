//! From an address to what is there: a pure function of the edition.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use crate::archive::Address;
use crate::config::Config;
use crate::criteria::{BadValue, Criteria};
use crate::edition::{Edition, Representation};
use crate::feed::Selection;
use crate::render::{Format, INDEX, encoded};

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

/// What is at an address, for a browser that goes there or for anybody else. The parts of its query
/// that are no criteria mean nothing, but that `raw` shows browsers the feed itself.
pub(super) fn route<'a>(edition: &'a Edition, uri: &Uri, navigates: bool) -> Route<'a> {
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
        Some(found) if found.is_page() => return Route::Moved(found.url.clone()),
        Some(found) => {
            let page = found.page.as_ref().filter(|_| navigates && !is_raw(uri));
            return match page.and_then(|page| edition.representations.get(&**page)) {
                Some(page) => Route::Page { page, feed: found },
                None => Route::Found(found),
            };
        }
        None => {}
    }
    let bare = path.strip_suffix('/').unwrap_or(&path);
    match edition.get(&format!("{bare}/{INDEX}")) {
        Some(page) if path == bare || path == "/" => Route::Found(page),
        Some(page) => Route::Moved(page.url.clone()),
        None => topic(config, bare).unwrap_or_else(|| {
            path.strip_prefix('/').and_then(Address::at).map_or(Route::Nothing, Route::Archive)
        }),
    }
}

/// The format of the feed of everything at a path.
fn all_format(path: &str) -> Option<Format> {
    let ending = path.strip_prefix('/')?.strip_prefix(Selection::ALL)?.strip_prefix('.')?;
    Format::ALL.into_iter().find(|format| format.ending() == ending)
}

/// Whether the feed itself is wanted, whoever asks.
fn is_raw(uri: &Uri) -> bool {
    let mut parameters = uri.query().unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some("raw"))
}

fn spelled(mut criteria: Criteria, query: &str, format: Format, config: &Config) -> Route<'static> {
    criteria.rename_topics(|slug| config.topics.now(slug));
    let canonical = criteria.query();
    if !canonical.is_empty() && canonical == query {
        return Route::Query(Box::new(criteria), format);
    }
    let path = format!("{}{}.{}", config.url, Selection::All.path(), format.ending());
    Route::Moved(if canonical.is_empty() { path } else { format!("{path}?{canonical}") })
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

/// Whether this follows the slug in an address of a topic: `.atom`, `/2024-03.atom`, or nothing.
fn is_below_topic(rest: &str) -> bool {
    let Some((month, ending)) = rest.rsplit_once('.') else { return rest.is_empty() };
    let is_month = || {
        let (year, month) = month.strip_prefix('/')?.split_once('-')?;
        Some([year, month].iter().all(|digits| digits.bytes().all(|digit| digit.is_ascii_digit())))
    };
    Format::ALL.iter().any(|format| format.ending() == ending)
        && (month.is_empty() || is_month() == Some(true))
}
