//! `/status.json`, and the parts of it that metrics and the dashboard show as well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::health::Monitor;
use crate::catalog::SeedsReport;
use crate::edition::Edition;
use crate::feed::Selection;
use crate::seed::Timestamp;
use crate::serve::addresses::AddressState;
use crate::serve::connection_limit::ConnectionLimit;
use crate::serve::handler::Site;
use crate::serve::usage::{AddressUsage, Readership, ResponseKind};

/// Everything that the admin listener shows.
#[derive(Clone)]
pub(in crate::serve) struct View {
    pub(in crate::serve) site: Arc<Site>,
    pub(in crate::serve) connections: Arc<ConnectionLimit>,
    pub(in crate::serve) monitor: Arc<Monitor>,
}

#[derive(Serialize)]
struct Status {
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
    seeds: Arc<SeedsReport>,
    feeds: Vec<FeedStatus>,
}

#[derive(Serialize)]
struct FeedStatus {
    path: String,
    last_modified: String,
    subscribers: u64,
    aggregators: BTreeMap<String, u64>,
    readers_yesterday: u64,
    readers_today: u64,
}

/// Renders `/status.json`.
pub(super) fn json(view: &View) -> String {
    let (health, mirror) = view.monitor.health();
    let edition = view.site.current.load();
    let feeds = feed_usage(view, SystemTime::now()).into_iter().map(|feed| FeedStatus {
        path: feed.path,
        last_modified: rfc3339(feed.last_modified),
        subscribers: feed.readership.subscribers(),
        aggregators: feed.readership.aggregators,
        readers_yesterday: feed.readership.yesterday,
        readers_today: feed.readership.today,
    });
    let status = Status {
        version: env!("CARGO_PKG_VERSION"),
        edition: edition.number,
        hash: format!("{:032x}", edition.hash()),
        looks: health.scans,
        served: health.reported_scan,
        looked: health.scanned.map(|(at, _)| rfc3339(at)),
        reloads: health.changes,
        troubles: health.problems(&mirror),
        watched: !health.is_unwatched,
        next_due: edition.next_due.map(|due| due.to_rfc3339()),
        connections: view.connections.in_use(),
        seeds: health.seeds.clone(),
        feeds: feeds.collect(),
    };
    // Only a map with keys that are not text could fail.
    serde_json::to_string_pretty(&status).unwrap_or_default()
}

fn rfc3339(at: SystemTime) -> String {
    Timestamp::from(at).to_rfc3339()
}

/// The usage of a feed in all its formats.
pub(in crate::serve) struct FeedUsage {
    /// The path without an ending.
    pub(in crate::serve) path: String,
    pub(super) last_modified: SystemTime,
    pub(in crate::serve) readership: Readership,
}

/// Returns the usage of every feed of the edition as of an instant.
pub(in crate::serve) fn feed_usage(view: &View, now: SystemTime) -> Vec<FeedUsage> {
    let (edition, site) = (view.site.current.load(), &view.site);
    let day = site.today.at(now).number;
    let mut feeds: Vec<(&str, SystemTime, Vec<Arc<AddressState>>)> = Vec::new();
    for (path, last_modified) in subscription_documents(&edition) {
        let Some(feed) = Selection::path_at(path) else { continue };
        match feeds.last_mut().filter(|(last, ..)| *last == feed) {
            Some((_, latest, states)) => {
                *latest = last_modified.max(*latest);
                states.extend(site.addresses.get(path));
            }
            None => feeds.push((feed, last_modified, site.addresses.get(path).into_iter().collect())),
        }
    }
    let usage = |(path, last_modified, states): (&str, _, Vec<Arc<AddressState>>)| FeedUsage {
        path: path.to_owned(),
        last_modified,
        readership: AddressUsage::readership(states.iter().map(|state| &state.usage), day),
    };
    feeds.into_iter().map(usage).collect()
}

fn subscription_documents(edition: &Edition) -> impl Iterator<Item = (&Arc<str>, SystemTime)> {
    let documents =
        edition.representations.iter().filter(|(_, representation)| representation.page.is_some());
    documents.map(|(path, representation)| (path, representation.last_modified))
}

/// The responses to the public since the process started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResponseTotals {
    pub(super) responses: u64,
    full: u64,
    not_modified: u64,
    /// The body bytes that 304s did not send.
    pub(super) saved: u64,
}

impl ResponseTotals {
    pub(super) fn new(site: &Site) -> Self {
        let unrouted = site.unrouted.responses().map(|(_, count)| count).sum();
        let mut totals = Self { responses: unrouted, ..Self::default() };
        totals.add(&site.selections);
        for (_, state) in site.addresses.all() {
            totals.add(&state.usage);
        }
        totals
    }

    fn add(&mut self, usage: &AddressUsage) {
        self.saved += usage.saved();
        for (kind, _, count) in usage.responses() {
            self.responses += count;
            match kind {
                ResponseKind::Full => self.full += count,
                ResponseKind::NotModified => self.not_modified += count,
                ResponseKind::PreconditionFailed | ResponseKind::RateLimited => {}
            }
        }
    }

    /// Returns the share of 304 among the responses with a representation, sent or not.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
    pub(super) fn not_modified_share(self) -> f64 {
        self.not_modified as f64 / (self.full + self.not_modified).max(1) as f64
    }
}
