//! Log lines about the seeds and the editions.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::cache::LoadStats;
use crate::catalog::{Catalog, report};
use crate::config::Config;
use crate::ingest::Scan;
use crate::publish::Published;
use crate::render::Format;
use crate::seed::{Fault, Severity};
use crate::text::{count, printable};

/// The most lines of one kind that are logged at once.
const MAX_LINES: usize = 20;

/// Logs the result of reading all seeds.
pub(super) fn log_seeds(scan: &Scan, catalog: &Catalog, stats: &LoadStats, took: Duration) {
    let census = catalog.census();
    let read = if stats.cached > 0 {
        format!(" ({} read)", count(stats.read, "changed file"))
    } else {
        String::new()
    };
    info!("read the seeds in {} ms{read}: {}", took.as_millis(), report::census(&census));
    log_faults(catalog.faults());
    match report::nothing_shown(&census) {
        Some(reason) => warn!("{reason}"),
        None if census.seeds == 0 => info!("{} has no seeds yet", scan.root().display()),
        None => {}
    }
}

fn log_faults<'a>(faults: impl IntoIterator<Item = &'a Fault>) {
    let mut faults = faults.into_iter();
    for fault in faults.by_ref().take(MAX_LINES) {
        match fault.severity {
            Severity::Fault => warn!("fault: {fault}"),
            Severity::Warning => info!("warning: {fault}"),
        }
    }
    let more = faults.count();
    if more > 0 {
        warn!("{more} more faults and warnings; `sower check` shows all");
    }
}

/// Logs the faults of the seeds that changed, and which of them are not served as they are.
pub(super) fn log_changed_seeds(catalog: &Catalog, paths: &[Arc<str>]) {
    log_faults(paths.iter().flat_map(|path| catalog.faults_of(path)));
    for path in paths.iter().take(MAX_LINES) {
        if catalog.is_outdated(path) {
            warn!("{}: its last good record is still served", printable(path));
        } else if let Some(held) = catalog.held_at(path) {
            info!("{} is held: {held} ({})", printable(path), report::remedy(held));
        }
    }
}

/// Logs a new edition.
pub(super) fn log_edition(what: &str, published: &Published, took: Duration) {
    let Published { edition, hash, changed, removed, .. } = *published;
    let feeds = match (changed, removed) {
        (0, 0) => "no feed changed".to_owned(),
        (changed, 0) => format!("{} changed", count(changed, "feed")),
        (0, removed) => format!("{} removed", count(removed, "feed")),
        (changed, removed) => format!("{} changed, {removed} removed", count(changed, "feed")),
    };
    info!("{what}: {feeds}, edition {edition} ({hash:032x}), {} ms", took.as_millis());
}

/// Logs the addresses of the feeds, and the directories.
pub(super) fn log_addresses(config: &Config, catalog: &Catalog, scan: &Scan) {
    let url = &config.url;
    let endings: Vec<_> = Format::FEEDS.iter().map(|format| format.ending()).collect();
    let endings = endings.join(", ");
    info!("serving {url}all with {endings}; all feeds are listed at {url}feeds.opml");
    let topics = catalog.entries().topics().map(|(slug, _, entries)| format!("{slug} ({entries})"));
    let mut topics: Vec<_> = topics.take(MAX_LINES + 1).collect();
    if topics.len() > MAX_LINES {
        topics.truncate(MAX_LINES);
        topics.push("…".to_owned());
    }
    if !topics.is_empty() {
        info!("each topic at {url}topics/TOPIC with {endings}: {}", topics.join(", "));
    }
    if !config.selections.is_empty() {
        let names: Vec<_> = config.selections.iter().map(|selection| &*selection.name).collect();
        info!("each selection at {url}selections/NAME with {endings}: {}", names.join(", "));
    }
    let root = scan.root().display();
    match &config.feeds {
        Some(feeds) => {
            let feeds = std::path::absolute(feeds).unwrap_or_else(|_| feeds.clone());
            info!("watching {root}, mirrored in {}", feeds.display());
        }
        None => info!("watching {root}, without a mirror"),
    }
    if config.unpublished {
        warn!("unpublished and removed records are shown: this is a preview, not for the public");
    }
}
