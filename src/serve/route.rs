//! From an address to what is there: a pure function of the edition.

use std::sync::Arc;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use crate::config::Config;
use crate::criteria::{BadValue, Criteria};
use crate::edition::{Edition, Representation};
use crate::feed::Selection;
use crate::render::{Format, encoded};

/// What is at an address.
#[derive(Debug)]
pub(super) enum Route<'a> {
    /// What is published there.
    Found(&'a Arc<Representation>),
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

/// What is at an address. The parts of its query that are no criteria mean nothing.
pub(super) fn route<'a>(edition: &'a Edition, uri: &Uri) -> Route<'a> {
    let config = &edition.config;
    let Ok(path) = percent_decode_str(uri.path()).decode_utf8() else { return Route::Nothing };
    if let Some(format) = all_format(&path)
        && let Some(query) = uri.query()
    {
        match Criteria::from_query(query, config.entries) {
            Ok(Some(criteria)) => return spelled(criteria, query, format, config),
            Ok(None) => {}
            Err(bad) => return Route::Bad(bad),
        }
    }
    if let Some(representation) = edition.get(&path) {
        return Route::Found(representation);
    }
    topic(config, &path).unwrap_or(Route::Nothing)
}

/// The format of the feed of everything at a path.
fn all_format(path: &str) -> Option<Format> {
    let ending = path.strip_prefix('/')?.strip_prefix(&Selection::All.path())?.strip_prefix('.')?;
    Format::ALL.into_iter().find(|format| format.ending() == ending)
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
