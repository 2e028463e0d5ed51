//! The admin listener: what only the operator should see.

mod dashboard;
pub(super) mod metrics;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use serde::Serialize;

use super::client::Peer;
use super::fields::Fields;
use super::{Answering, Answers, Site, response};
use crate::catalog::report;
use crate::edition::Edition;
use crate::edition::audience::{Audience, Readership};
use crate::feed::Selection;
use crate::render::Format;
use crate::seed::Timestamp;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the operator sees of a site, once there is one.
#[derive(Default)]
pub(super) struct Admin {
    site: OnceLock<Arc<Site>>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

impl Answers for Admin {
    fn answer(self: &Arc<Self>, request: Request<()>, _: Peer, _: SystemTime) -> Answering {
        let admin = self.clone();
        Answering::making(async move { admin.tell(&request).await })
    }

    fn note_unread(&self, _: StatusCode, _: Peer, _: SystemTime) {}
}

impl Admin {
    /// The answer to a request.
    async fn tell(&self, request: &Request<()>) -> Response<Full<Bytes>> {
        if let Some(refused) = response::refused(request, &Fields::of(request.headers())) {
            return refused;
        }
        let site = self.site.get();
        let (status, media_type, text) = match (request.uri().path(), site) {
            ("/healthz", _) => (StatusCode::OK, TEXT, "ok\n".to_owned()),
            (_, None) => {
                let text = "The seeds were not read yet\n";
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, text.to_owned())
            }
            ("/", Some(site)) => beside(site, Format::Html.media_type(), dashboard::page).await,
            (dashboard::STYLE, Some(site)) => (StatusCode::OK, CSS, dashboard::style(site)),
            (dashboard::SCRIPT, _) => (StatusCode::OK, JAVASCRIPT, dashboard::SCRIPT_TEXT.to_owned()),
            ("/readyz", Some(site)) => ready(site),
            ("/metrics", Some(site)) => beside(site, OPENMETRICS, metrics::exposition).await,
            ("/status.json", Some(site)) => beside(site, JSON, status).await,
            _ => {
                let text = "These are / /healthz /readyz /metrics /status.json\n";
                (StatusCode::NOT_FOUND, TEXT, text.to_owned())
            }
        };
        let mut answer = Response::new(Full::new(text.into()));
        *answer.status_mut() = status;
        let fields = answer.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(dashboard::POLICY));
        fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        answer
    }

    /// Shows a site, which is the only one.
    pub(super) fn show(&self, site: Arc<Site>) {
        let _ = self.site.set(site);
    }
}

fn ready(site: &Site) -> (StatusCode, &'static str, String) {
    let troubles = site.status.condition().troubles();
    if troubles.is_empty() {
        // In this order, since the edition may be a later one than that which has what the look found.
        let look = site.status.condition().served;
        let edition = site.current.load();
        let (number, hash) = (edition.number, edition.hash());
        let text = format!("ready: edition {number} ({hash:032x}) serves what look {look} found\n");
        return (StatusCode::OK, TEXT, text);
    }
    (StatusCode::SERVICE_UNAVAILABLE, TEXT, troubles.join("\n") + "\n")
}

/// What takes long where there are many feeds, beside the answers to readers.
async fn beside(
    site: &Arc<Site>,
    media_type: &'static str,
    tell: fn(&Site) -> String,
) -> (StatusCode, &'static str, String) {
    let site = site.clone();
    match tokio::task::spawn_blocking(move || tell(&site)).await {
        Ok(told) => (StatusCode::OK, media_type, told),
        Err(broken) => {
            let text = format!("This cannot be told, which is a fault of sower's own: {broken}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, TEXT, text)
        }
    }
}

fn status(site: &Site) -> String {
    let (edition, now) = (site.current.load(), SystemTime::now());
    let condition = site.status.condition().clone();
    let catalog = site.status.catalog();
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        edition: edition.number,
        hash: format!("{:032x}", edition.hash()),
        looks: condition.looks,
        served: condition.served,
        looked: condition.looked.map(|(at, _)| time(at)),
        reloads: condition.reloads,
        troubles: condition.troubles(),
        watched: !condition.deaf,
        next_due: edition.next_due.map(|due| due.to_rfc3339()),
        connections: site.room.taken(),
        seeds: report::SeedsReport::of(&catalog),
        feeds: feeds(&edition, site.day(now).number),
    };
    // Its parts have no maps with keys that are no text, which is all that could fail.
    serde_json::to_string_pretty(&status).unwrap_or_default()
}

/// What `/status.json` says.
#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    edition: u64,
    hash: String,
    looks: u64,
    served: u64,
    looked: Option<String>,
    reloads: u64,
    troubles: Vec<String>,
    watched: bool,
    next_due: Option<String>,
    connections: usize,
    seeds: report::SeedsReport<'a>,
    feeds: Vec<Feed>,
}

#[derive(Serialize)]
struct Feed {
    path: String,
    last_modified: String,
    subscribers: u64,
    aggregators: std::collections::BTreeMap<String, u64>,
    readers_yesterday: u64,
    readers_today: u64,
}

fn time(at: SystemTime) -> String {
    Timestamp::from(at).to_rfc3339()
}

fn feeds(edition: &Edition, day: u64) -> Vec<Feed> {
    let feeds = readerships(edition, day).into_iter();
    feeds
        .map(|(path, last_modified, readership)| Feed {
            path,
            last_modified: time(last_modified),
            subscribers: subscribers(&readership),
            aggregators: readership.aggregators,
            readers_yesterday: readership.yesterday,
            readers_today: readership.today,
        })
        .collect()
}

/// How many people subscribe to a feed, as far as is known: those whom aggregators poll for, and
/// the direct readers of a whole day.
pub(super) fn subscribers(readership: &Readership) -> u64 {
    readership.aggregators.values().sum::<u64>() + readership.yesterday.max(readership.today)
}

/// Who reads each feed, in all formats: by its path without an ending, with the time at which it
/// last changed.
pub(super) fn readerships(edition: &Edition, day: u64) -> Vec<(String, SystemTime, Readership)> {
    let mut feeds: Vec<(&str, SystemTime, Vec<&Audience>)> = Vec::new();
    let representations = edition.representations.iter().filter(|(_, it)| it.page.is_some());
    for (path, representation) in representations {
        let Some(feed) = Selection::path_at(path) else { continue };
        match feeds.last_mut().filter(|(last, ..)| *last == feed) {
            Some((_, changed, audiences)) => {
                *changed = representation.last_modified.max(*changed);
                audiences.push(&representation.audience);
            }
            None => feeds.push((feed, representation.last_modified, vec![&representation.audience])),
        }
    }
    let read = |(feed, changed, audiences): (&str, _, Vec<&Audience>)| {
        (feed.to_owned(), changed, Audience::readership(audiences, day))
    };
    feeds.into_iter().map(read).collect()
}
