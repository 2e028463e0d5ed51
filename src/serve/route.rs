//! Routing: from an address to a representation, as a pure function of the edition.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::Uri;
use percent_encoding::percent_decode_str;

use super::on_demand::OnDemand;
use crate::config::Config;
use crate::config::criteria::{Criteria, InvalidValue};
use crate::edition::{Edition, Representation};
use crate::feed::Selection;
use crate::publish::archive::ArchiveAddress;
use crate::render::{Format, address, document_at, document_path, encoded};

/// The resource at an address.
#[derive(Debug)]
pub(super) enum Route<'a> {
    /// A representation of the edition, and its path.
    Found(Resource<'a>),
    /// The page about a feed, for a browser that navigates to the feed's address.
    Page {
        page: Resource<'a>,
        feed: &'a Representation,
    },
    /// A selection in its canonical spelling, or an archive document that the feed may have.
    OnDemand(OnDemand),
    /// Another address for the same resource, permanently.
    Moved(String),
    /// A feed of a retired topic.
    Gone,
    /// A selection with an invalid value.
    BadRequest(InvalidValue),
    NotFound,
}

/// A representation of an edition, and its path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource<'a> {
    pub(super) path: &'a Arc<str>,
    pub(super) representation: &'a Arc<Representation>,
}

/// Routes an address. `for_page` is set for a browser that navigates. Parameters of the query that are not criteria are
/// ignored.
pub(super) fn route<'a>(edition: &'a Edition, uri: &Uri, for_page: bool) -> Route<'a> {
    let config = &edition.config;
    let path = match uri.path() {
        plain if !plain.contains('%') => Cow::Borrowed(plain),
        path => match percent_decode_str(path).decode_utf8() {
            Ok(path) => path,
            Err(_) => return Route::NotFound,
        },
    };
    if let Some(query) = uri.query()
        && let Some(format) = all_format(&path)
    {
        match Criteria::from_query(query, config.entries) {
            Ok(Some(criteria)) => return selection(criteria, query, format, config),
            Ok(None) => {}
            Err(bad) => return Route::BadRequest(bad),
        }
    }
    if let Some(found) = published(edition, &path) {
        let feed = found.representation;
        if path.ends_with(Format::Html.ending()) {
            return Route::Moved(feed.url.clone());
        }
        let page =
            feed.page.as_ref().filter(|_| for_page).and_then(|page| published(edition, &format!("/{page}")));
        return page.map_or(Route::Found(found), |page| Route::Page { page, feed });
    }
    let bare = path.strip_suffix('/').unwrap_or(&path);
    let page = format!("{bare}{}", Format::Html.ending());
    match published(edition, &page) {
        Some(page) if path == bare || path == "/" => Route::Found(page),
        Some(page) => Route::Moved(page.representation.url.clone()),
        None => topic(config, bare).unwrap_or_else(|| archive(config, &path, &page)),
    }
}

/// Returns the representation at a decoded path with its leading slash.
fn published<'a>(edition: &'a Edition, path: &str) -> Option<Resource<'a>> {
    let (path, representation) = edition.representations.get_key_value(path.strip_prefix('/')?)?;
    Some(Resource { path, representation })
}

/// Returns the format of the feed of everything at a path. Its page is at `/all`.
fn all_format(path: &str) -> Option<Format> {
    let ending = path.strip_prefix('/')?.strip_prefix(Selection::ALL)?;
    let is_page = |format| format == Format::Html && ending.is_empty();
    Format::ALL.into_iter().find(|&format| is_page(format) || format.ending() == ending)
}

/// Routes an archive document, or the page of one.
fn archive(config: &Config, path: &str, page: &str) -> Route<'static> {
    let at = |path: &str| path.strip_prefix('/').and_then(ArchiveAddress::parse);
    match at(path).filter(|address| address.format != Format::Html) {
        Some(address) => Route::OnDemand(OnDemand::Archive(address)),
        None => match at(page) {
            Some(address) if !path.ends_with('/') => Route::OnDemand(OnDemand::Archive(address)),
            // With the file name or the trailing slash that static hosts need.
            folder => folder.or_else(|| at(path)).map_or(
                Route::NotFound,
                |ArchiveAddress { selection, month, format }| {
                    Route::Moved(address(&config.url, &document_path(&selection, Some(month), format)))
                },
            ),
        },
    }
}

/// Returns `true` if a query asks for the feed itself, in a browser too.
pub(super) fn is_raw(query: &str) -> bool {
    let mut parameters = query.split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some("raw"))
}

/// Routes a selection: to the document, or to the canonical spelling.
fn selection(mut criteria: Criteria, query: &str, format: Format, config: &Config) -> Route<'static> {
    criteria.rename_topics(|slug| config.topics.current_slug(slug));
    let canonical = criteria.query();
    if !canonical.is_empty() && canonical == query.strip_suffix("&raw").unwrap_or(query) {
        return Route::OnDemand(OnDemand::Selection(Box::new(criteria), format));
    }
    let all = address(&config.url, &document_path(&Selection::All, None, format));
    Route::Moved(match (canonical.is_empty(), is_raw(query)) {
        (true, false) => all,
        (true, true) => format!("{all}?raw"),
        (false, false) => format!("{all}?{canonical}"),
        (false, true) => format!("{all}?{canonical}&raw"),
    })
}

/// Routes the addresses of a topic that has moved or is retired.
fn topic<'a>(config: &Config, path: &str) -> Option<Route<'a>> {
    let below = path.strip_prefix("/topics/")?;
    let (slug, rest) = below.split_at(below.find(['.', '/']).unwrap_or(below.len()));
    if let Some(now) = config.topics.moved(slug).filter(|_| is_below_topic(rest)) {
        return Some(Route::Moved(format!("{}topics/{}{rest}", config.url, encoded(now))));
    }
    config.topics.is_retired(slug).then_some(Route::Gone)
}

/// Returns `true` if this may follow the slug in the address of a topic: `.atom`, `/2024-03.atom`, `/2024-03`, or
/// nothing.
fn is_below_topic(rest: &str) -> bool {
    let known = |ending: &str| matches!(document_at(&format!("topics/t{rest}{ending}")), Some((Selection::Topic(slug), ..)) if *slug == *"t");
    known("") || known(Format::Html.ending())
}
