//! Metrics for Prometheus. What is counted on the way is counted where it happens, without a lock;
//! here it is only collected.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use hyper::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::super::{QUERIES, Site, admin};
use crate::edition::audience::{Answer, Audience};
use crate::feed::Selection;

type Labels = Vec<(&'static str, String)>;

/// Answers that are of no feed, by status code.
#[derive(Debug, Default)]
pub(in crate::serve) struct Others([AtomicU64; OTHERS.len()]);

const OTHERS: [StatusCode; 11] = [
    StatusCode::NO_CONTENT,
    StatusCode::MOVED_PERMANENTLY,
    StatusCode::BAD_REQUEST,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::NOT_ACCEPTABLE,
    StatusCode::GONE,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::INTERNAL_SERVER_ERROR,
];

impl Others {
    /// Counts an answer.
    pub(in crate::serve) fn count(&self, status: StatusCode) {
        let place = OTHERS.iter().position(|other| *other == status).unwrap_or(OTHERS.len() - 1);
        self.0[place].fetch_add(1, Relaxed);
    }
}

/// Answers so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::serve) struct Sum {
    /// All of them.
    pub(in crate::serve) answers: u64,
    /// Those with a feed or a page.
    full: u64,
    /// Those that say that the client has it.
    not_modified: u64,
    /// Bytes of which the latter spared the sending.
    pub(in crate::serve) saved: u64,
}

impl Sum {
    /// Of everything that the public is answered.
    pub(in crate::serve) fn of(site: &Site) -> Self {
        let edition = site.current.load();
        let others = site.others.0.iter().map(|count| count.load(Relaxed)).sum();
        let mut sum = Self { answers: others, ..Self::default() };
        let served = edition.representations.values().map(|it| &it.audience);
        for audience in served.chain(edition.departed.values()).chain([&site.queried]) {
            sum.saved += audience.saved();
            for (answer, _, count) in audience.answers() {
                sum.answers += count;
                match answer {
                    Answer::Full => sum.full += count,
                    Answer::NotModified => sum.not_modified += count,
                    Answer::Failed | Answer::Limited => {}
                }
            }
        }
        sum
    }

    /// The share of 304 among the answers with a feed or a page, sent or not.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
    pub(in crate::serve) fn not_modified(self) -> f64 {
        self.not_modified as f64 / (self.full + self.not_modified).max(1) as f64
    }
}

/// Everything that is counted, in the `OpenMetrics` text format.
pub(in crate::serve) fn exposition(site: &Site) -> String {
    let mut registry = Registry::with_prefix("sower");
    answers(&mut registry, site);
    readers(&mut registry, site);
    seeds(&mut registry, site);
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

/// The archive documents of a feed count with it.
fn answers(registry: &mut Registry, site: &Site) {
    let edition = site.current.load();
    let mut audiences: BTreeMap<(&str, &str), Vec<&Audience>> = BTreeMap::new();
    let served = edition.representations.iter().map(|(path, it)| (path, &it.audience));
    for (path, audience) in served.chain(edition.departed.iter()) {
        audiences.entry(counted_as(path)).or_default().push(audience);
    }
    audiences.insert((QUERIES, ""), vec![&site.queried]);
    let polls = Family::<Labels, Counter>::default();
    for ((feed, format), audiences) in audiences {
        for audience in audiences {
            for (answer, coding, count) in audience.answers().filter(|(.., count)| *count > 0) {
                let labels = vec![
                    ("feed", feed.to_owned()),
                    ("format", format.to_owned()),
                    ("status", answer.status().to_string()),
                    ("coding", coding.name().to_owned()),
                ];
                polls.get_or_create(&labels).inc_by(count);
            }
        }
    }
    registry.register("polls", "Answers with a feed, or about one", polls);
    let (sum, saved) = (Sum::of(site), Counter::<u64>::default());
    saved.inc_by(sum.saved);
    registry.register_with_unit(
        "saved",
        "What 304s spared the sending, without a coding that was never made",
        Unit::Bytes,
        saved,
    );
    let others = Family::<Labels, Counter>::default();
    for (status, count) in OTHERS.iter().zip(&site.others.0) {
        others.get_or_create(&vec![("status", status.as_u16().to_string())]).inc_by(count.load(Relaxed));
    }
    registry.register("other_answers", "Answers about no feed", others);
    let share = Gauge::<f64, AtomicU64>::default();
    share.set(sum.not_modified());
    registry.register("not_modified", "Share of 304 among the answers with a feed", share);
}

/// The feed that an address belongs to, and its format.
fn counted_as(path: &str) -> (&str, &str) {
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

fn readers(registry: &mut Registry, site: &Site) {
    let day = site.day(SystemTime::now()).number;
    let (subscribers, direct) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for (feed, _, readership) in admin::readerships(&site.current.load(), day) {
        let set = |family: &Family<Labels, Gauge>, label: Labels, count: u64| {
            if count > 0 {
                let labels = [vec![("feed", feed.clone())], label].concat();
                family.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
        };
        for (day, count) in [("today", readership.today), ("yesterday", readership.yesterday)] {
            set(&direct, vec![("day", day.to_owned())], count);
        }
        for (aggregator, count) in readership.aggregators {
            set(&subscribers, vec![("aggregator", aggregator)], count);
        }
    }
    registry.register("subscribers", "Subscribers that aggregators report", subscribers);
    registry.register("readers", "Distinct direct readers of a day in UTC, an estimate", direct);
}

fn seeds(registry: &mut Registry, site: &Site) {
    let edition = site.current.load();
    let condition = site.status.condition().clone();
    let census = site.status.catalog().census();
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    gauge("edition", "Number of the edition that is served", edition.number);
    gauge("served_look", "The last look at the seed directory of which all is served", condition.served);
    gauge("documents", "Documents of the edition that is served", edition.representations.len() as u64);
    gauge("connections", "Connections", site.room.taken() as u64);
    gauge("seeds", "Seeds", census.seeds as u64);
    gauge("entries", "Entries", census.entries as u64);
    gauge("held", "Records that are not shown now", census.held.values().sum::<usize>() as u64);
    gauge("faults", "Faults of seeds", census.faults as u64);
    gauge("warnings", "Warnings about seeds", census.warnings as u64);
    gauge("watching", "1 if events of the seed directory are heard", u64::from(!condition.deaf));
    gauge(
        "mirror_in_step",
        "1 if the feeds directory is what is served",
        u64::from(condition.mirror.is_none() && condition.behind.is_none()),
    );
    gauge("ready", "1 if nothing is wrong", u64::from(condition.troubles().is_empty()));
    let looked = condition.looked.and_then(|(at, _)| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    gauge(
        "looked_timestamp",
        "When the seed directory was last looked at",
        looked.map_or(0, |at| at.as_secs()),
    );
    for (name, help, count) in [
        ("looks", "Looks at the seed directory", condition.looks),
        ("reloads", "Looks that found changes", condition.reloads),
    ] {
        let counter = Counter::<u64>::default();
        counter.inc_by(count);
        registry.register(name, help, counter);
    }
    let hash = format!("{:032x}", edition.hash());
    registry.register("content", "What the edition that is served has", Info::new([("hash", hash)]));
    let phases = &site.status.phases;
    for (name, help, histogram) in [
        ("look", "Finding out what changed, and reading it", &phases.look),
        ("gather", "Taking changes into the catalog", &phases.gather),
        ("publish", "Rendering the feeds that changes touch, until they are served", &phases.publish),
        ("mirror", "Bringing the feeds directory in step", &phases.mirror),
        ("heard_to_served", "From when a change was heard of until it was served", &phases.heard_to_served),
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
            assert_eq!(counted_as(path), expected, "{path}");
        }
    }
}
