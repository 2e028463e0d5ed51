//! From an address to what is there: a pure function of the edition and the configuration.

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
pub(super) fn route<'a>(edition: &'a Edition, config: &Config, uri: &Uri) -> Route<'a> {
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
    topic(&path, config).unwrap_or(Route::Nothing)
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
fn topic(path: &str, config: &Config) -> Option<Route<'static>> {
    let below = path.strip_prefix("/topics/")?;
    let (slug, rest) = below.split_at(below.find(['.', '/']).unwrap_or(below.len()));
    if let Some(now) = config.topics.moved(slug) {
        return Some(Route::Moved(format!("{}topics/{}{}", config.url, encoded(now), encoded(rest))));
    }
    config.topics.is_retired(slug).then_some(Route::Gone)
}
