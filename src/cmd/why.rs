//! `sower why`: which feeds carry an entry, and at what place, or why none does.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{Harvest, is_styled, read_all, scan};
use crate::catalog::Entry;
use crate::catalog::report;
use crate::config::Config;
use crate::config::criteria::Criteria;
use crate::feed::{self, LogicalFeed, Missed};
use crate::render::{Format, Publication};
use crate::seed::Place;
use crate::seed::{self, ContentMode, Held, Month, Record, Rules, Timestamp};
use crate::text::{plain, printable};

/// Most seeds that are told of.
const MOST_SEEDS: usize = 10;
/// Most suggestions for what was not found, and how alike they are at least, of 1.
const MOST_MEANT: usize = 3;
const ALIKE: f64 = 0.75;

pub(super) fn run(config: &Config, what: &str) -> anyhow::Result<ExitCode> {
    let harvest = read_all(config, scan(config, false, ContentMode::Defer), None)?;
    let why = Why { config, harvest: &harvest, publication: Publication::new(config) };
    let answer = why.answer(what.trim());
    match io::stdout().lock().write_all(answer.text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::from(u8::from(!answer.carried)))
}

/// What is told.
#[derive(Default)]
struct Answer {
    text: String,
    /// Whether a feed carries an entry that was asked for.
    carried: bool,
}

impl Answer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

struct Why<'a> {
    config: &'a Config,
    harvest: &'a Harvest,
    publication: Publication,
}

impl Why<'_> {
    fn answer(&self, what: &str) -> Answer {
        let mut answer = Answer::default();
        let paths = self.found(what);
        for (index, path) in paths.iter().take(MOST_SEEDS).enumerate() {
            if index > 0 {
                answer.line("");
            }
            self.tell(path, &mut answer);
        }
        if paths.len() > MOST_SEEDS {
            answer.line(&format!("\n… and {} more; say more of what you look for", paths.len() - MOST_SEEDS));
        }
        if paths.is_empty() {
            self.tell_nothing_found(what, &mut answer);
        }
        answer
    }

    /// The seeds that are meant: the first of path, address or id, title, and parts of these that
    /// leads to one.
    fn found(&self, what: &str) -> Vec<Arc<str>> {
        let catalog = &self.harvest.catalog;
        let records: Vec<_> = catalog.records().map(|record| record.without_body()).collect();
        let by = |is_meant: &dyn Fn(&Record) -> bool| -> Vec<Arc<str>> {
            records.iter().filter(|record| is_meant(record)).map(|record| record.path.clone()).collect()
        };
        let without: Vec<_> = catalog.left_out().chain(&self.harvest.passed_over).cloned().collect();
        let relative = self.relative(what);
        let paths = records.iter().map(|record| &record.path).chain(&without);
        let by_path: Vec<_> = paths.clone().filter(|path| ***path == *relative).cloned().collect();
        let by_name = || {
            let named = |path: &str| path.rsplit('/').next() == Some(what);
            paths.clone().filter(|path| named(path)).cloned().collect::<Vec<_>>()
        };
        let address = comparable(what);
        let by_address = || {
            by(&|record| {
                let addresses = [Some(&*record.id), record.link.as_deref(), record.via.as_deref()];
                addresses.into_iter().flatten().any(|known| comparable(known) == address)
            })
        };
        let title = plain(what).to_lowercase();
        let by_title = || by(&|record| record.title.to_lowercase() == title);
        let by_part = || by(&|record| !title.is_empty() && record.title.to_lowercase().contains(&title));
        let by_text = || {
            let mentions = |path: &Arc<str>| {
                std::fs::read(self.config.seeds.join(&**path)).is_ok_and(|bytes| seed::mentions(&bytes, what))
            };
            without.iter().filter(|path| !what.is_empty() && mentions(path)).cloned().collect()
        };
        let mut found = by_path;
        let ways: [&dyn Fn() -> Vec<Arc<str>>; 5] = [&by_address, &by_title, &by_name, &by_part, &by_text];
        for way in ways {
            if found.is_empty() {
                found = way();
            }
        }
        found.sort();
        found
    }

    /// A path as seeds have it, relative to their directory.
    fn relative(&self, what: &str) -> String {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let inside = absolute(Path::new(what));
        let inside = inside.strip_prefix(absolute(&self.config.seeds)).ok();
        inside.map_or_else(|| what.to_owned(), |path| path.to_string_lossy().replace('\\', "/"))
    }

    /// One seed: what it is, whether it is shown, and where.
    fn tell(&self, path: &Arc<str>, answer: &mut Answer) {
        let catalog = &self.harvest.catalog;
        let styled = is_styled(&io::stdout());
        let faults = catalog.faults_of(path).iter().map(|fault| report::fault(fault, styled));
        let faults: Vec<_> = faults.collect();
        let Some(record) = catalog.records().find(|record| record.path == *path) else {
            if self.harvest.passed_over.contains(path) {
                answer.line(&format!(
                    "{}: no seed, since it has no front matter between `---` lines",
                    printable(path)
                ));
            } else {
                let kept = "in no feed, unless a running `sower serve` still has its last good record";
                answer.line(&format!("{}: {kept}", printable(path)));
                for fault in &faults {
                    answer.line(fault);
                }
            }
            return;
        };
        let record = &record.without_body();
        answer.line(&format!("{}: {}", printable(path), printable(&record.title)));
        if let Some(held) = catalog.held_at(path) {
            answer.line(&format!("  held: {}; {}", self.held(record, held), report::remedy(held)));
            if let Some(shown) = catalog.entry(&record.id) {
                answer
                    .line(&format!("  its id is shown all the same, for {}", printable(&shown.record.path)));
            }
        } else if let Some(entry) = catalog.entry(&record.id) {
            if entry.record.path != *path {
                let said = "a duplicate: its entry shows the fields of";
                let why = "which has the same id and is better, newer or first by path";
                answer.line(&format!("  {said} {}, {why}", printable(&entry.record.path)));
            }
            self.tell_feeds(entry, answer);
        }
        for fault in &faults {
            answer.line(fault);
        }
    }

    /// Every feed that has the entry, or might.
    fn tell_feeds(&self, entry: &Entry, answer: &mut Answer) {
        let catalog = &self.harvest.catalog;
        let entries = catalog.entries();
        let all = LogicalFeed::all(self.config, entries);
        self.tell_feed(&all, entry, answer);
        for slug in &entry.within {
            if self.config.topics.is_retired(slug) {
                answer.line(&format!("  in no feed of the topic {slug}, which is retired"));
            } else {
                self.tell_feed(&LogicalFeed::topic(self.config, entries, slug), entry, answer);
            }
        }
        for selection in &self.config.selections {
            let feed = LogicalFeed::named(self.config, entries, selection, catalog.now());
            match feed::lacks(self.config, selection, entry, catalog.now()) {
                None => self.tell_feed(&feed, entry, answer),
                Some(missed) => {
                    let url = self.publication.feed_url(feed.selection(), Format::Atom);
                    answer
                        .line(&format!("  not in {url}: {}", self.lack(missed, entry, &selection.criteria)));
                }
            }
        }
    }

    /// What an entry lacks to be picked, with what it has.
    fn lack(&self, missed: Missed, entry: &Entry, criteria: &Criteria) -> String {
        let record = entry.record.without_body();
        let has = |what: &str, value: Option<&str>| match value {
            Some(value) => format!("its {what} is {}", printable(value)),
            None => format!("it has no {what}"),
        };
        match missed {
            Missed::Topic => "it is not of the topics that the selection picks".to_owned(),
            Missed::Unwanted => {
                let unwanted = criteria.none.iter().find(|slug| entry.is_within(slug));
                format!(
                    "it is of {}, which the selection leaves out",
                    unwanted.map_or("a topic", |slug| slug)
                )
            }
            Missed::Quality => {
                format!(
                    "its quality is {}, below {}",
                    record.quality,
                    criteria.min_quality.unwrap_or_default()
                )
            }
            Missed::Type => has("type", record.kind.as_deref()),
            Missed::Category => has("category", record.category.as_deref()),
            Missed::Provider => has("provider", record.provider.as_ref().map(|provider| &*provider.name)),
            Missed::Language => {
                has("language", Some(record.language.as_deref().unwrap_or(&self.config.language)))
            }
            Missed::Age => format!("it is of {}, too old for the selection", shown(entry.published)),
        }
    }

    fn tell_feed(&self, feed: &LogicalFeed<'_>, entry: &Entry, answer: &mut Answer) {
        let url = self.publication.feed_url(feed.selection(), Format::Atom);
        let (count, limit) = (feed.count(), feed.limit());
        let line = match feed.place(&entry.record.id) {
            None => format!("  not in {url}"),
            Some(place) if place <= limit => {
                answer.carried = true;
                format!("  in {url}, place {place} of {}", count.min(limit))
            }
            Some(place) => {
                let over = format!("  over the limit of {url}: place {place} of {count}, and it has {limit}");
                if feed.archives().is_empty() {
                    over
                } else {
                    answer.carried = true;
                    let month = Month::of(entry.published);
                    let archive = self.publication.archive_url(feed.selection(), month, Format::Atom);
                    format!("{over}; in its archive {archive}")
                }
            }
        };
        answer.line(&line);
    }

    /// Why a record is held, and since when.
    fn held(&self, record: &Record, held: Held) -> String {
        let file = self.config.seeds.join(&*record.path);
        let since = |at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" since {}", shown(at)));
        let changed = || {
            let modified = std::fs::metadata(&file).and_then(|meta| meta.modified()).ok();
            let changed = modified.map(|at| shown(DateTime::<Utc>::from(at)));
            changed.map_or_else(String::new, |at| format!(" since {at} at the latest, when the file changed"))
        };
        let rules = Rules::new(self.config, false);
        let switch = |fields: &[&str]| {
            let bytes = std::fs::read(&file).ok();
            let place_of = |field| seed::place_of(&rules, &record.path, bytes.as_deref()?, field);
            let hides = |place: &Place| {
                let said = place.excerpt.split_once([':', '=']).map_or("", |(_, value)| value.trim());
                let off = place.excerpt.trim_start().starts_with("published");
                let words = if off { ["false", "no", "off"] } else { ["true", "yes", "on"] };
                words.iter().any(|word| said.to_lowercase().starts_with(word))
            };
            let place = fields.iter().filter_map(|field| place_of(field)).find(hides);
            place.map_or_else(String::new, |place| {
                let (path, line) = (printable(&record.path), place.excerpt.trim().to_owned());
                format!(" by `{}` at {path}:{}:{}", printable(&line), place.at.line, place.at.column)
            })
        };
        match held {
            Held::Unpublished if seed::is_in_drafts(&record.path) => {
                "unpublished by its folder `_drafts`".to_owned()
            }
            Held::Unpublished => {
                format!("unpublished{}{}", switch(&["draft", "headless", "published"]), changed())
            }
            Held::Removed => format!("removed{}{}", switch(&["removed", "deleted"]), changed()),
            Held::Scheduled => {
                format!("scheduled until {}", record.published.map_or_else(String::new, shown))
            }
            Held::Expired => format!("expired{}", since(record.expires)),
            Held::Undated => format!("undated{}", changed()),
        }
    }

    fn tell_nothing_found(&self, what: &str, answer: &mut Answer) {
        let file = self.config.seeds.join(self.relative(what));
        if !what.is_empty() && file.is_file() {
            let why = "its name is not that of a seed: hidden, temporary, too deep, or of another ending";
            answer.line(&format!("{}: no seed; {why}", printable(what)));
            return;
        }
        let seeds = self.config.seeds.display();
        answer.line(&format!("{}: no seed in {seeds} has this path, address, id or title", printable(what)));
        let wanted = what.to_lowercase();
        let catalog = &self.harvest.catalog;
        let known = catalog.records().map(|record| record.without_body()).flat_map(|record| {
            [Some(record.path.to_string()), Some(record.title), record.link].into_iter().flatten()
        });
        let mut meant: Vec<_> =
            known.map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &wanted), known)).collect();
        meant.retain(|(alike, _)| *alike >= ALIKE);
        meant.sort_by(|(a, known), (b, other)| b.total_cmp(a).then(known.cmp(other)));
        meant.dedup_by(|a, b| a.1 == b.1);
        for (_, known) in meant.into_iter().take(MOST_MEANT) {
            answer.line(&format!("  did you mean {}?", printable(&known)));
        }
    }
}

/// An address without what does not tell pages apart: its scheme and fragment, its last slash, and
/// the case of its host.
fn comparable(address: &str) -> String {
    let address = address.split('#').next().unwrap_or_default().trim_end_matches('/');
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let page = host.to_lowercase() + path;
    match scheme.to_lowercase().as_str() {
        "http" | "https" => page,
        scheme => format!("{scheme}://{page}"),
    }
}

fn shown(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
