//! The page for operators: how the daemon is, in HTML.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use chrono::SecondsFormat;
use indicatif::{DecimalBytes, HumanCount};
use minijinja::value::Serde;
use minijinja::{Environment, Error};
use serde::Serialize;

use super::super::{Site, admin};
use super::metrics::Sum;
use crate::catalog::report;
use crate::catalog::{Catalog, Census};
use crate::config::Watching;
use crate::edition::Edition;
use crate::render::{Publication, address, html};
use crate::seed::{Fault, Severity};
use crate::seed::{Held, Timestamp};
use crate::status::{Condition, MOST_RELOADS, Reload};
use crate::text::printable;

/// The path of what it looks like.
pub(super) const STYLE: &str = "/operator.css";
/// The path of what keeps it up to date.
pub(super) const SCRIPT: &str = "/operator.js";
/// That script.
pub(super) const SCRIPT_TEXT: &str = include_str!("pages/operator.js");
/// What it may do (Content Security Policy).
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Most faults that it shows.
const MOST_FAULTS: usize = 50;
/// Most seeds of each reason that it shows to be held.
const MOST_HELD: usize = 20;
/// Most feeds whose subscribers it shows.
const MOST_FEEDS: usize = 50;
/// Most reloads of its first table; others are in one that opens.
const MOST_ROWS: usize = 8;

static TEMPLATES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut templates = html::templates()?;
    templates.add_filter("number", |number: u64| HumanCount(number).to_string());
    templates.add_template("operator.html", include_str!("pages/operator.html"))?;
    Ok(templates)
});

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    /// Where readers find the publication.
    url: &'a str,
    version: &'static str,
    now: String,
    /// What keeps the daemon from being ready.
    troubles: Vec<String>,
    /// What does not, and is not as it should be.
    warnings: Vec<String>,
    serving: Serving,
    seeds: Seeds,
    requests: Requests,
    chart: Chart,
    /// The newest first.
    reloads: Vec<Row>,
    later: Vec<Row>,
    feeds: Vec<Feed>,
    more_feeds: usize,
}

/// What is served, and how it follows the seeds.
#[derive(Serialize)]
struct Serving {
    edition: u64,
    hash: String,
    published: String,
    look: u64,
    looks: u64,
    looked: Option<String>,
    due: Option<String>,
    watching: &'static str,
    mirror: &'static str,
}

/// What a catalog says of its seeds.
#[derive(Serialize)]
struct Seeds {
    census: Census,
    faults: Vec<FaultyLine>,
    more_faults: usize,
    held: Vec<HeldFor>,
}

#[derive(Serialize)]
struct FaultyLine {
    severity: Severity,
    place: String,
    reason: String,
    help: Option<String>,
    line: Option<Line>,
    /// Whether the seed's last good record is shown.
    outdated: bool,
}

/// A line of a seed, and the part of it that is meant.
#[derive(Serialize)]
struct Line {
    number: usize,
    before: String,
    marked: String,
    after: String,
}

/// The records that are held for one reason.
#[derive(Serialize)]
struct HeldFor {
    reason: Held,
    remedy: &'static str,
    count: usize,
    seeds: Vec<HeldSeed>,
    more: usize,
}

#[derive(Serialize)]
struct HeldSeed {
    path: String,
    /// Until when, or since when.
    at: Option<String>,
}

/// What was answered to the public.
#[derive(Serialize)]
struct Requests {
    count: u64,
    since: String,
    a_second: String,
    not_modified: String,
    saved: String,
    connections: usize,
    most_connections: usize,
}

/// A reload.
#[derive(Serialize)]
struct Row {
    at: String,
    what: String,
    changed: usize,
    removed: usize,
    took: String,
}

/// How long reloads took, oldest first, on a logarithmic scale.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Chart {
    /// From above.
    scale: Vec<String>,
    bars: Vec<Bar>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Bar {
    x: usize,
    y: u32,
    height: u32,
    told: String,
}

/// Who reads a feed.
#[derive(Serialize)]
struct Feed {
    path: String,
    url: String,
    subscribers: u64,
    /// Those of them whom aggregators report.
    reported: u64,
}

/// The page, as of now.
pub(super) fn page(site: &Site) -> String {
    let (edition, now) = (site.current.load(), SystemTime::now());
    let (condition, reloads) = (site.status.condition().clone(), site.status.reloads());
    // In a statement of its own: whoever changes the catalog waits for no longer than this takes.
    let seeds = Seeds::of(&site.status.catalog());
    let config = &edition.config;
    let mut rows: Vec<_> = reloads.iter().rev().map(Row::of).collect();
    let later = rows.split_off(rows.len().min(MOST_ROWS));
    let (feeds, more_feeds) = feeds(&edition, site.day(now).number);
    write(&Page {
        title: &config.title,
        url: config.url.as_str(),
        version: env!("CARGO_PKG_VERSION"),
        now: time(now),
        troubles: condition.troubles(),
        warnings: warnings(&condition, &seeds.census, &edition),
        serving: Serving::of(&edition, &condition),
        seeds,
        requests: Requests::of(site, &edition, now),
        chart: Chart::of(&reloads),
        reloads: rows,
        later,
        feeds,
        more_feeds,
    })
}

/// What it looks like: as pages for readers do, and more.
pub(super) fn style(site: &Site) -> String {
    format!("{}\n{}", Publication::new(&site.current.load().config).style, include_str!("pages/operator.css"))
}

fn write(page: &Page<'_>) -> String {
    let templates = TEMPLATES.as_ref().ok();
    let written = templates.and_then(|all| all.get_template("operator.html").ok()?.render(Serde(page)).ok());
    // A template that is wrong is all that could fail, and it is always the same.
    written.unwrap_or_default()
}

fn time(at: impl Into<Timestamp>) -> String {
    at.into().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What is not as it should be, though everything is served.
fn warnings(condition: &Condition, census: &Census, edition: &Edition) -> Vec<String> {
    let deaf = "No events of the seed directory are heard. It is read through instead, and changes are \
                served a little later."
        .to_owned();
    let preview =
        "Unpublished and removed records are shown: this is a preview, not for the public.".to_owned();
    let nothing = report::nothing_shown(census);
    let warnings = [condition.deaf.then_some(deaf), edition.config.unpublished.then_some(preview), nothing];
    warnings.into_iter().flatten().collect()
}

impl Serving {
    fn of(edition: &Edition, condition: &Condition) -> Self {
        Self {
            edition: edition.number,
            hash: format!("{:032x}", edition.hash()),
            published: time(edition.published),
            look: condition.served,
            looks: condition.looks,
            looked: condition.looked.map(|(at, _)| time(at)),
            due: edition.next_due.map(time),
            watching: match (edition.config.watch, condition.deaf) {
                (Watching::Poll, _) => "reading them through, as is configured",
                (_, true) => "reading them through, since no events are heard",
                (_, false) => "events",
            },
            mirror: match (&edition.config.feeds, condition) {
                (None, _) => "off",
                (_, Condition { mirror: Some(_), .. }) => "cannot be written",
                (_, Condition { behind: Some(_), .. }) => "being written",
                _ => "in step",
            },
        }
    }
}

impl Seeds {
    fn of(catalog: &Catalog) -> Self {
        let census = catalog.census();
        let of = |severity| catalog.faults().filter(move |fault| fault.severity == severity);
        let faults = of(Severity::Fault).chain(of(Severity::Warning)).take(MOST_FAULTS);
        let faults: Vec<_> =
            faults.map(|fault| FaultyLine::of(fault, catalog.is_outdated(&fault.path))).collect();
        let mut held: BTreeMap<Held, Vec<HeldSeed>> = BTreeMap::new();
        for (record, reason) in catalog.held() {
            let seeds = held.entry(reason).or_default();
            if seeds.len() < MOST_HELD {
                let at = match reason {
                    Held::Scheduled => record.published,
                    Held::Expired => record.expires,
                    Held::Unpublished | Held::Removed | Held::Undated => None,
                };
                seeds.push(HeldSeed { path: printable(&record.path).into_owned(), at: at.map(time) });
            }
        }
        let held = held.into_iter().map(|(reason, seeds)| {
            let count = census.held.get(&reason).copied().unwrap_or_default();
            HeldFor { reason, remedy: report::remedy(reason), count, more: count - seeds.len(), seeds }
        });
        let more_faults = census.faults + census.warnings - faults.len();
        Self { held: held.collect(), census, faults, more_faults }
    }
}

impl FaultyLine {
    fn of(fault: &Fault, outdated: bool) -> Self {
        let mut place = printable(&fault.path).into_owned();
        if let Some(at) = fault.place.as_ref().map(|place| place.at) {
            place.push_str(&format!(":{}:{}", at.line, at.column));
        }
        let line = fault.place.as_ref().map(|place| {
            let mut characters = place.excerpt.chars();
            let mut next = |most| characters.by_ref().take(most).collect::<String>();
            Line {
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
            outdated,
        }
    }
}

impl Requests {
    #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
    fn of(site: &Site, edition: &Edition, now: SystemTime) -> Self {
        let (sum, running) = (Sum::of(site), site.status.began.elapsed());
        Self {
            count: sum.answers,
            since: time(now.checked_sub(running).unwrap_or(now)),
            a_second: format!("{:.1}", sum.answers as f64 / running.as_secs_f64().max(1.0)),
            not_modified: format!("{:.1}", 100.0 * sum.not_modified()),
            saved: DecimalBytes(sum.saved).to_string(),
            connections: site.room.taken(),
            most_connections: edition.config.serving.max_connections,
        }
    }
}

impl Row {
    fn of(reload: &Reload) -> Self {
        Self {
            at: time(reload.at),
            what: reload.what.clone(),
            changed: reload.changed,
            removed: reload.removed,
            took: told(reload.took),
        }
    }
}

/// A duration for people: `12 ms`, `1.5 s`.
fn told(took: Duration) -> String {
    match took.as_secs_f64() {
        seconds if seconds < 0.01 => format!("{:.1} ms", seconds * 1000.0),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        seconds => format!("{seconds:.1} s"),
    }
}

impl Chart {
    /// How high it is.
    const HEIGHT: f64 = 100.0;
    /// How far one bar is from the next.
    const STEP: usize = 10;
    /// The powers of ten of a second at which the scale begins, and up to which it goes at least.
    const FROM: i32 = -4;
    const TO: i32 = -1;

    /// Of these reloads, the newest at the right.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "heights are from 0 to 100, and powers of ten of a duration are small"
    )]
    fn of(reloads: &[Reload]) -> Self {
        let power = |took: Duration| took.as_secs_f64().max(10_f64.powi(Self::FROM)).log10();
        let longest = reloads.iter().map(|reload| power(reload.took).ceil() as i32).max();
        let Some(to) = longest.map(|longest| longest.max(Self::TO)) else { return Self::default() };
        let first = MOST_RELOADS.saturating_sub(reloads.len());
        let bars = reloads.iter().zip(first..).map(|(reload, place)| {
            let share = (power(reload.took) - f64::from(Self::FROM)) / f64::from(to - Self::FROM);
            let height = (share * Self::HEIGHT).round().clamp(1.0, Self::HEIGHT);
            Bar {
                x: place * Self::STEP,
                y: (Self::HEIGHT - height) as u32,
                height: height as u32,
                told: format!("{}: {}", reload.what, told(reload.took)),
            }
        });
        let scale = (Self::FROM..=to).rev().map(|power| match power {
            ..0 => format!("{} ms", 10_f64.powi(power + 3)),
            _ => format!("{} s", 10_f64.powi(power)),
        });
        Self { bars: bars.collect(), scale: scale.collect() }
    }
}

/// The feeds with most subscribers, and how many others there are that have some.
fn feeds(edition: &Edition, day: u64) -> (Vec<Feed>, usize) {
    let feeds = admin::readerships(edition, day).into_iter();
    let feeds = feeds.map(|(path, _, readership)| Feed {
        url: address(&edition.config.url, &path),
        path,
        subscribers: admin::subscribers(&readership),
        reported: readership.aggregators.values().sum(),
    });
    let mut feeds: Vec<_> = feeds.filter(|feed| feed.subscribers > 0).collect();
    feeds.sort_by_key(|feed| Reverse(feed.subscribers));
    let more = feeds.len().saturating_sub(MOST_FEEDS);
    feeds.truncate(MOST_FEEDS);
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
    fn reloads_are_drawn_from_the_right_on_a_logarithmic_scale() {
        assert_eq!(Chart::of(&[]), Chart::default());
        let chart = Chart::of(&[reload(0), reload(1), reload(100)]);
        assert_eq!(chart.scale, ["100 ms", "10 ms", "1 ms", "0.1 ms"]);
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.x, bar.y, bar.height)).collect();
        assert_eq!(bars, [(570, 99, 1), (580, 67, 33), (590, 0, 100)]);
        assert_eq!(chart.bars[2].told, "a.md changed: 100 ms");
        let chart = Chart::of(&[reload(20_000)]);
        assert_eq!((chart.scale[0].as_str(), chart.scale.len()), ("100 s", 7));
        assert!(chart.bars[0].height < 100);
    }

    #[test]
    fn durations_are_told_in_two_digits_or_so() {
        for (micros, expected) in
            [(0, "0.0 ms"), (1_250, "1.2 ms"), (12_400, "12 ms"), (850_000, "850 ms"), (12_340_000, "12.3 s")]
        {
            assert_eq!(told(Duration::from_micros(micros)), expected);
        }
    }

    #[test]
    fn a_line_is_taken_apart_where_it_is_marked() {
        let place = Place::in_text("---\nquality: 高い!\n", Position { line: 2, column: 10 }).marking(2);
        let mut fault = Fault {
            severity: Severity::Fault,
            path: "a\u{202E}.md".into(),
            place: Some(place),
            reason: "it is not a number".to_owned(),
            help: None,
        };
        let shown = FaultyLine::of(&fault, false);
        let line = shown.line.unwrap();
        assert_eq!((line.number, &*line.before, &*line.marked, &*line.after), (2, "quality: ", "高い", "!"));
        assert_eq!(shown.place, "a\u{FFFD}.md:2:10");
        fault.place = None;
        let shown = FaultyLine::of(&fault, false);
        assert!(shown.line.is_none() && !shown.place.contains(':'));
    }
}
