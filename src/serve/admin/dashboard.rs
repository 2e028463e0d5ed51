//! The dashboard: a page about the state of the daemon.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use chrono::SecondsFormat;
use indicatif::{DecimalBytes, HumanCount};
use minijinja::value::Serde;
use minijinja::{Environment, Error};
use serde::Serialize;

use super::health::{Health, MAX_RELOADS, Reload};
use super::status::{ResponseTotals, View, feed_usage};
use crate::catalog::Census;
use crate::catalog::{SeedsReport, report};
use crate::config::Watching;
use crate::edition::Edition;
use crate::publish::mirror_worker::MirrorState;
use crate::render::{Publication, address, html};
use crate::seed::{Fault, Held, Severity, Timestamp};
use crate::text::printable;

/// The path of the style sheet.
pub(super) const STYLE: &str = "/operator.css";
/// The path of the script, which keeps the page up to date.
pub(super) const SCRIPT: &str = "/operator.js";
pub(super) const SCRIPT_TEXT: &str = include_str!("pages/dashboard.js");
/// The Content Security Policy of the page.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The most faults that are shown.
const MAX_FAULTS: usize = 50;
/// The most held seeds that are shown for each reason.
const MAX_HELD: usize = 20;
/// The most feeds whose subscribers are shown.
const MAX_FEEDS: usize = 50;
/// The most reloads in the first table; the others are in one that opens.
const MAX_ROWS: usize = 8;

static TEMPLATES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut templates = html::templates()?;
    templates.add_filter("number", |number: u64| HumanCount(number).to_string());
    templates.add_template("dashboard.html", include_str!("pages/dashboard.html"))?;
    Ok(templates)
});

#[derive(Serialize)]
struct Dashboard<'a> {
    title: &'a str,
    /// The public address of the publication.
    url: &'a str,
    version: &'static str,
    now: String,
    /// The problems that keep the daemon from being ready.
    problems: Vec<String>,
    /// Other conditions that the operator should know.
    warnings: Vec<String>,
    serving: ServingSection,
    seeds: SeedsSection,
    requests: RequestsSection,
    chart: Chart,
    /// The newest reloads first.
    reloads: Vec<ReloadRow>,
    older_reloads: Vec<ReloadRow>,
    feeds: Vec<FeedRow>,
    more_feeds: usize,
}

/// The edition that is served, and the way it follows the seeds.
#[derive(Serialize)]
struct ServingSection {
    edition: u64,
    hash: String,
    published: String,
    served_scan: u64,
    scans: u64,
    scanned: Option<String>,
    due: Option<String>,
    watching: &'static str,
    mirror: &'static str,
}

#[derive(Serialize)]
struct SeedsSection {
    census: Census,
    faults: Vec<FaultItem>,
    more_faults: usize,
    held: Vec<HeldGroup>,
}

#[derive(Serialize)]
struct FaultItem {
    severity: Severity,
    place: String,
    reason: String,
    help: Option<String>,
    line: Option<MarkedLine>,
    /// Set if the last good record of the seed is served.
    is_outdated: bool,
}

/// A line of a seed, split around the part that a fault is about.
#[derive(Serialize)]
struct MarkedLine {
    number: usize,
    before: String,
    marked: String,
    after: String,
}

/// The records that are held for one reason.
#[derive(Serialize)]
struct HeldGroup {
    reason: Held,
    remedy: &'static str,
    count: usize,
    seeds: Vec<HeldItem>,
    more: usize,
}

#[derive(Serialize)]
struct HeldItem {
    path: String,
    /// The time until which a scheduled record is held, or since which an expired one is.
    at: Option<String>,
}

/// The responses to the public.
#[derive(Serialize)]
struct RequestsSection {
    count: u64,
    since: String,
    per_second: String,
    not_modified: String,
    saved: String,
    connections: usize,
    most_connections: usize,
}

#[derive(Serialize)]
struct ReloadRow {
    at: String,
    what: String,
    changed: usize,
    removed: usize,
    took: String,
}

/// The durations of reloads, oldest first, on a logarithmic scale.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Chart {
    /// The labels of the lines, from the top.
    scale: Vec<String>,
    bars: Vec<Bar>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    x: usize,
    y: u32,
    height: u32,
    title: String,
}

/// The subscribers of a feed.
#[derive(Serialize)]
struct FeedRow {
    path: String,
    url: String,
    subscribers: u64,
    /// The subscribers that aggregators report.
    reported: u64,
}

/// Renders the dashboard.
pub(super) fn page(view: &View) -> String {
    let (edition, now) = (view.site.current.load(), SystemTime::now());
    let (health, mirror) = view.monitor.health();
    let config = &edition.config;
    let mut reloads: Vec<_> = health.reloads.iter().rev().map(ReloadRow::new).collect();
    let older_reloads = reloads.split_off(reloads.len().min(MAX_ROWS));
    let (feeds, more_feeds) = feeds(view, &edition, now);
    render(&Dashboard {
        title: &config.title,
        url: config.url.as_str(),
        version: env!("CARGO_PKG_VERSION"),
        now: time(now),
        problems: health.problems(&mirror),
        warnings: warnings(&health, &edition),
        serving: ServingSection::new(&edition, &health, &mirror),
        seeds: SeedsSection::new(&health.seeds),
        requests: RequestsSection::new(view, now),
        chart: Chart::new(&health.reloads),
        reloads,
        older_reloads,
        feeds,
        more_feeds,
    })
}

/// Returns the style sheet: that of the public pages, and more.
pub(super) fn style(view: &View) -> String {
    let publication = Publication::new(&view.site.current.load().config);
    format!("{}\n{}", publication.style, include_str!("pages/dashboard.css"))
}

fn render(dashboard: &Dashboard<'_>) -> String {
    let templates = TEMPLATES.as_ref().ok();
    let template = templates.and_then(|all| all.get_template("dashboard.html").ok());
    // Only a wrong template could fail, and the templates never change.
    template.and_then(|template| template.render(Serde(dashboard)).ok()).unwrap_or_default()
}

fn time(at: impl Into<Timestamp>) -> String {
    at.into().to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn warnings(health: &Health, edition: &Edition) -> Vec<String> {
    let unwatched = "The system reports no events of the seed directory. It is scanned instead, and changes are \
                     served a little later.";
    let preview = "Unpublished and removed records are shown: this is a preview, not for the public.";
    let warnings = [
        health.is_unwatched.then(|| unwatched.to_owned()),
        edition.config.unpublished.then(|| preview.to_owned()),
        report::nothing_shown(&health.seeds.summary),
    ];
    warnings.into_iter().flatten().collect()
}

impl ServingSection {
    fn new(edition: &Edition, health: &Health, mirror: &MirrorState) -> Self {
        Self {
            edition: edition.number,
            hash: format!("{:032x}", edition.hash()),
            published: time(edition.published),
            served_scan: health.served_scan,
            scans: health.scans,
            scanned: health.scanned.map(|(at, _)| time(at)),
            due: edition.next_due.map(time),
            watching: match (edition.config.watch, health.is_unwatched) {
                (Watching::Poll, _) => "scans, as configured",
                (_, true) => "scans, since the system reports no events",
                (_, false) => "events",
            },
            mirror: match (&edition.config.feeds, mirror) {
                (None, _) => "off",
                (_, MirrorState { problem: Some(_), .. }) => "cannot be written",
                (_, MirrorState { behind_since: Some(_), .. }) => "being written",
                _ => "in step",
            },
        }
    }
}

impl SeedsSection {
    fn new(seeds: &SeedsReport) -> Self {
        let of = |severity| seeds.faults.iter().filter(move |fault| fault.severity == severity);
        let faults = of(Severity::Fault).chain(of(Severity::Warning)).take(MAX_FAULTS);
        let faults = faults.map(|fault| FaultItem::new(fault, seeds.outdated.contains(&fault.path)));
        let faults: Vec<_> = faults.collect();
        let mut held: BTreeMap<Held, Vec<HeldItem>> = BTreeMap::new();
        for record in &seeds.held {
            let items = held.entry(record.reason).or_default();
            if items.len() < MAX_HELD {
                let at = record.until.or(record.expired).map(time);
                items.push(HeldItem { path: printable(&record.path).into_owned(), at });
            }
        }
        let census = seeds.summary.clone();
        let held = held.into_iter().map(|(reason, seeds)| {
            let count = census.held.get(&reason).copied().unwrap_or_default();
            HeldGroup { reason, remedy: report::remedy(reason), count, more: count - seeds.len(), seeds }
        });
        let more_faults = census.faults + census.warnings - faults.len();
        Self { held: held.collect(), census, faults, more_faults }
    }
}

impl FaultItem {
    fn new(fault: &Fault, is_outdated: bool) -> Self {
        let mut place = printable(&fault.path).into_owned();
        if let Some(at) = fault.place.as_ref().map(|place| place.at) {
            place.push_str(&format!(":{}:{}", at.line, at.column));
        }
        let line = fault.place.as_ref().map(|place| {
            let mut characters = place.excerpt.chars();
            let mut next = |most| characters.by_ref().take(most).collect::<String>();
            MarkedLine {
                number: place.at.line,
                before: next(place.marked.start),
                marked: next(place.marked.len()),
                after: next(usize::MAX),
            }
        });
        Self {
            severity: fault.severity,
            place,
            reason: printable(&fault.reason).into_owned(),
            help: fault.help.as_deref().map(|help| printable(help).into_owned()),
            line,
            is_outdated,
        }
    }
}

impl RequestsSection {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
    fn new(view: &View, now: SystemTime) -> Self {
        let (totals, running) = (ResponseTotals::new(&view.site), view.monitor.started.elapsed());
        Self {
            count: totals.responses,
            since: time(now.checked_sub(running).unwrap_or(now)),
            per_second: format!("{:.1}", totals.responses as f64 / running.as_secs_f64().max(1.0)),
            not_modified: format!("{:.1}", 100.0 * totals.not_modified_share()),
            saved: DecimalBytes(totals.saved).to_string(),
            connections: view.connections.in_use(),
            most_connections: view.connections.most(),
        }
    }
}

impl ReloadRow {
    fn new(reload: &Reload) -> Self {
        Self {
            at: time(reload.at),
            what: reload.what.clone(),
            changed: reload.changed,
            removed: reload.removed,
            took: duration(reload.took),
        }
    }
}

/// Formats a duration for people: `12 ms`, `1.5 s`.
fn duration(took: Duration) -> String {
    match took.as_secs_f64() {
        seconds if seconds < 0.01 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds => format!("{seconds:.1} s"),
    }
}

impl Chart {
    const HEIGHT: f64 = 100.0;
    /// The distance between two bars.
    const STEP: usize = 10;
    /// The powers of ten of a second at which the scale begins, and up to which it goes at least.
    const FROM: i32 = -4;
    const TO: i32 = -1;

    /// Draws these reloads, with the newest at the right.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "heights are from 0 to 100, and powers of ten of a duration are small"
    )]
    fn new(reloads: &[Reload]) -> Self {
        let power = |took: Duration| took.as_secs_f64().max(10_f64.powi(Self::FROM)).log10();
        let longest = reloads.iter().map(|reload| power(reload.took).ceil() as i32).max();
        let Some(to) = longest.map(|longest| longest.max(Self::TO)) else { return Self::default() };
        let first = MAX_RELOADS.saturating_sub(reloads.len());
        let bars = reloads.iter().zip(first..).map(|(reload, place)| {
            let share = (power(reload.took) - f64::from(Self::FROM)) / f64::from(to - Self::FROM);
            let height = (share * Self::HEIGHT).round().clamp(1.0, Self::HEIGHT);
            Bar {
                x: place * Self::STEP,
                y: (Self::HEIGHT - height) as u32,
                height: height as u32,
                title: format!("{}: {}", reload.what, duration(reload.took)),
            }
        });
        let scale = (Self::FROM..=to).rev().map(|power| match power {
            ..0 => format!("{} ms", 10_f64.powi(power + 3)),
            _ => format!("{} s", 10_f64.powi(power)),
        });
        Self { bars: bars.collect(), scale: scale.collect() }
    }
}

/// Returns the feeds with the most subscribers, and the number of other feeds that have some.
fn feeds(view: &View, edition: &Edition, now: SystemTime) -> (Vec<FeedRow>, usize) {
    let feeds = feed_usage(view, now).into_iter().map(|feed| FeedRow {
        url: address(&edition.config.url, &feed.path),
        path: feed.path,
        subscribers: feed.readership.subscribers(),
        reported: feed.readership.aggregators.values().sum(),
    });
    let mut feeds: Vec<_> = feeds.filter(|feed| feed.subscribers > 0).collect();
    feeds.sort_by_key(|feed| Reverse(feed.subscribers));
    let more = feeds.len().saturating_sub(MAX_FEEDS);
    feeds.truncate(MAX_FEEDS);
    (feeds, more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Place;
    use crate::syntax::yaml::Position;

    fn reload(millis: u64) -> Reload {
        Reload {
            at: SystemTime::UNIX_EPOCH,
            what: "a.md changed".to_owned(),
            changed: 3,
            removed: 0,
            took: Duration::from_millis(millis),
        }
    }

    #[test]
    fn chart_has_the_newest_reload_at_the_right() {
        assert_eq!(Chart::new(&[]), Chart::default());
        let chart = Chart::new(&[reload(0), reload(1), reload(100)]);
        assert_eq!(chart.scale, ["100 ms", "10 ms", "1 ms", "0.1 ms"]);
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(bars, [(570, 99, 1), (580, 67, 33), (590, 0, 100)]);
        assert_eq!(chart.bars[2].title, "a.md changed: 100 ms");
        let chart = Chart::new(&[reload(20_000)]);
        assert_eq!((chart.scale[0].as_str(), chart.scale.len()), ("100 s", 7));
        assert!(chart.bars[0].height < 100);
    }

    #[test]
    fn duration_has_about_two_digits() {
        for (micros, expected) in
            [(0, "0.0 ms"), (1_250, "1.2 ms"), (12_400, "12 ms"), (850_000, "850 ms"), (12_340_000, "12.3 s")]
        {
            assert_eq!(duration(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn line_of_a_fault_is_split_at_its_mark() {
        let place = Place::in_text("---\nquality: 高い!\n", Position { line: 2, column: 10 }).marking(2);
        let mut fault = Fault {
            severity: Severity::Fault,
            path: "a\u{202E}.md".into(),
            place: Some(place),
            reason: "it is not a number".to_owned(),
            help: None,
        };
        let shown = FaultItem::new(&fault, false);
        let line = shown.line.unwrap();
        assert_eq!((line.number, &*line.before, &*line.marked, &*line.after), (2, "quality: ", "高い", "!"));
        assert_eq!(shown.place, "a\u{FFFD}.md:2:10");
        fault.place = None;
        let shown = FaultItem::new(&fault, false);
        assert!(shown.line.is_none() && !shown.place.contains(':'));
    }
}
