//! Metrics for Prometheus, collected from counters when they are asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::status::{ResponseTotals, View, feed_usage};
use crate::feed::Selection;
use crate::serve::handler::SELECTIONS;
use crate::serve::usage::AddressUsage;

type Labels = Vec<(&'static str, String)>;

/// Renders all metrics in the `OpenMetrics` text format.
pub(in crate::serve) fn exposition(view: &View) -> String {
    let mut registry = Registry::with_prefix("sower");
    responses(&mut registry, view);
    readers(&mut registry, view);
    edition(&mut registry, view);
    seeds(&mut registry, view);
    durations(&mut registry, view);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

fn responses(registry: &mut Registry, view: &View) {
    let site = &view.site;
    let polls = Family::<Labels, Counter>::default();
    let count = |feed: &str, format: &str, usage: &AddressUsage| {
        for (kind, coding, count) in usage.responses().filter(|(.., count)| *count > 0) {
            let labels = vec![
                ("feed", feed.to_owned()),
                ("format", format.to_owned()),
                ("status", kind.status().as_u16().to_string()),
                ("coding", coding.name().to_owned()),
            ];
            polls.get_or_create(&labels).inc_by(count);
        }
    };
    let addresses: BTreeMap<Arc<str>, _> = site.addresses.all().into_iter().collect();
    for (path, state) in &addresses {
        let (feed, format) = feed_and_format(path);
        count(feed, format, &state.usage);
    }
    count(SELECTIONS, "", &site.selections);
    registry.register("polls", "Responses with a feed, or about one", polls);
    let (totals, saved) = (ResponseTotals::new(site), Counter::<u64>::default());
    saved.inc_by(totals.saved);
    registry.register_with_unit("saved", "Body bytes that 304s did not send", Unit::Bytes, saved);
    let unrouted = Family::<Labels, Counter>::default();
    for (status, count) in site.unrouted.responses() {
        unrouted.get_or_create(&vec![("status", status.as_u16().to_string())]).inc_by(count);
    }
    registry.register("other_answers", "Responses about no feed", unrouted);
    let share = Gauge::<f64, AtomicU64>::default();
    share.set(totals.not_modified_share());
    registry.register("not_modified", "Share of 304 among the responses with a feed", share);
}

/// Returns the feed that an address is counted with, and its format.
fn feed_and_format(path: &str) -> (&str, &str) {
    let (document, format) = path.rsplit_once('.').unwrap_or((path, ""));
    let feed = match document.split_once('/') {
        Some((Selection::ALL, _)) => Selection::ALL,
        Some((kind, rest)) => {
            let name = rest.find('/').unwrap_or(rest.len());
            &document[..kind.len() + 1 + name]
        }
        None if document == "index" => Selection::ALL,
        None => document,
    };
    (feed, format)
}

fn readers(registry: &mut Registry, view: &View) {
    let (subscribers, direct) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for feed in feed_usage(view, SystemTime::now()) {
        let set = |family: &Family<Labels, Gauge>, label: (&'static str, String), count: u64| {
            if count > 0 {
                let labels = vec![("feed", feed.path.clone()), label];
                family.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        };
        set(&direct, ("day", "today".to_owned()), feed.readership.today);
        set(&direct, ("day", "yesterday".to_owned()), feed.readership.yesterday);
        for (aggregator, count) in &feed.readership.aggregators {
            set(&subscribers, ("aggregator", aggregator.clone()), *count);
        }
    }
    registry.register("subscribers", "Subscribers that aggregators report", subscribers);
    registry.register("readers", "Distinct direct readers of a day in UTC, an estimate", direct);
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

fn edition(registry: &mut Registry, view: &View) {
    let edition = view.site.current.load();
    gauge(registry, "edition", "Number of the edition that is served", edition.number);
    let documents = edition.representations.len() as u64;
    gauge(registry, "documents", "Documents of the edition that is served", documents);
    gauge(registry, "connections", "Open connections", view.connections.in_use() as u64);
    let hash = format!("{:032x}", edition.hash());
    registry.register("content", "Hash of the edition that is served", Info::new([("hash", hash)]));
}

fn seeds(registry: &mut Registry, view: &View) {
    let (health, mirror) = view.monitor.health();
    let census = &health.seeds.summary;
    let scanned = health.scanned.and_then(|(at, _)| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let is_in_step = mirror.problem.is_none() && mirror.behind_since.is_none();
    for (name, help, value) in [
        ("served_look", "The last scan of which all changes are served", health.served_scan),
        ("seeds", "Seeds", census.seeds as u64),
        ("entries", "Entries", census.entries as u64),
        ("held", "Records that are not shown now", census.held.values().sum::<usize>() as u64),
        ("faults", "Faults of seeds", census.faults as u64),
        ("warnings", "Warnings about seeds", census.warnings as u64),
        ("watching", "1 if the system reports events of the seed directory", u64::from(!health.is_unwatched)),
        ("mirror_in_step", "1 if the feeds directory is what is served", u64::from(is_in_step)),
        ("ready", "1 if there is no problem", u64::from(health.problems(&mirror).is_empty())),
        (
            "looked_timestamp",
            "Time of the last scan of the seed directory",
            scanned.map_or(0, |at| at.as_secs()),
        ),
    ] {
        gauge(registry, name, help, value);
    }
    for (name, help, count) in [
        ("looks", "Scans of the seed directory", health.scans),
        ("reloads", "Scans that found changes", health.changes),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    }
}

fn durations(registry: &mut Registry, view: &View) {
    let durations = &view.monitor.durations;
    for (name, help, histogram) in [
        ("look", "Finding the changes, and reading them", &durations.scan),
        ("gather", "Applying the changes to the catalog", &durations.apply),
        ("publish", "Rendering the affected feeds, until they are served", &durations.publish),
        ("mirror", "Bringing the feeds directory in step", &durations.mirror),
        ("heard_to_served", "From the event of a change until it is served", &durations.event_to_served),
    ] {
        registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_count_with_their_feed() {
        for (path, expected) in [
            ("all.atom", ("all", "atom")),
            ("all/2024-03.json", ("all", "json")),
            ("index.html", ("all", "html")),
            ("topics/2024-03.rss", ("topics/2024-03", "rss")),
            ("topics/a.b/2024-03.rss", ("topics/a.b", "rss")),
            ("topics/a/index.html", ("topics/a", "html")),
            ("feeds.opml", ("feeds", "opml")),
        ] {
            assert_eq!(feed_and_format(path), expected, "{path}");
        }
    }
}
