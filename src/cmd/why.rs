//! `sower why`: shows which feeds carry an entry, and its place in each, or why none does.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::catalog::Entry;
use crate::catalog::report;
use crate::cmd::load::{LoadedSeeds, load, new_scan};
use crate::cmd::terminal::has_colours;
use crate::config::Config;
use crate::config::criteria::Criteria;
use crate::feed::{self, LogicalFeed, Mismatch};
use crate::render::{Format, Publication};
use crate::seed::Place;
use crate::seed::{self, ContentMode, Held, Month, Record, Rules, Timestamp};
use crate::text::{plain, printable};

/// The largest number of seeds in one answer.
const MAX_SEEDS: usize = 10;
/// The largest number of suggestions if nothing was found.
const MAX_SUGGESTIONS: usize = 3;
/// The lowest similarity of a suggestion, between 0 and 1.
const MIN_SIMILARITY: f64 = 0.75;

pub(super) fn run(config: &Config, query: &str) -> anyhow::Result<ExitCode> {
    let seeds = load(config, new_scan(config, false, ContentMode::Defer), None)?;
    let search = Search { config, seeds: &seeds, publication: Publication::new(config) };
    let answer = search.answer(query.trim());
    match io::stdout().lock().write_all(answer.text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::from(u8::from(!answer.is_carried)))
}

/// The answer to a query.
#[derive(Default)]
struct Answer {
    text: String,
    /// Set if a feed carries one of the entries.
    is_carried: bool,
}

impl Answer {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// A search in the seeds and the feeds that they make.
struct Search<'a> {
    config: &'a Config,
    seeds: &'a LoadedSeeds,
    publication: Publication,
}

impl Search<'_> {
    fn answer(&self, query: &str) -> Answer {
        let mut answer = Answer::default();
        let paths = self.find(query);
        for (index, path) in paths.iter().take(MAX_SEEDS).enumerate() {
            if index > 0 {
                answer.line("");
            }
            self.describe(path, &mut answer);
        }
        if paths.len() > MAX_SEEDS {
            answer.line(&format!(
                "\n… and {} more; a longer title or a path narrows the search",
                paths.len() - MAX_SEEDS
            ));
        }
        if paths.is_empty() {
            self.suggest(query, &mut answer);
        }
        answer
    }

    /// Returns the paths of the seeds that match a query by path, by address or id, by title, by file name, by a part of
    /// the title, or by their text if they have no record. The first of these with a match decides.
    fn find(&self, query: &str) -> Vec<Arc<str>> {
        let catalog = &self.seeds.catalog;
        let records: Vec<_> = catalog.records().map(|record| record.without_body()).collect();
        let by = |matches: &dyn Fn(&Record) -> bool| -> Vec<Arc<str>> {
            records.iter().filter(|record| matches(record)).map(|record| record.path.clone()).collect()
        };
        let without_record: Vec<_> = catalog.left_out().chain(&self.seeds.passed_over).cloned().collect();
        let relative = self.relative_path(query);
        let paths = records.iter().map(|record| &record.path).chain(&without_record);
        let by_path: Vec<_> = paths.clone().filter(|path| ***path == *relative).cloned().collect();
        let by_name = || {
            let named = |path: &str| path.rsplit('/').next() == Some(query);
            paths.clone().filter(|path| named(path)).cloned().collect::<Vec<_>>()
        };
        let address = comparable(query);
        let by_address = || {
            by(&|record| {
                let addresses = [Some(&*record.id), record.link.as_deref(), record.via.as_deref()];
                addresses.into_iter().flatten().any(|known| comparable(known) == address)
            })
        };
        let title = plain(query).to_lowercase();
        let by_title = || by(&|record| record.title.to_lowercase() == title);
        let by_part = || by(&|record| !title.is_empty() && record.title.to_lowercase().contains(&title));
        let by_text = || {
            let mentions = |path: &Arc<str>| {
                std::fs::read(self.config.seeds.join(&**path))
                    .is_ok_and(|bytes| seed::mentions(&bytes, query))
            };
            without_record.iter().filter(|path| !query.is_empty() && mentions(path)).cloned().collect()
        };
        let mut found = by_path;
        let others: [&dyn Fn() -> Vec<Arc<str>>; 5] = [&by_address, &by_title, &by_name, &by_part, &by_text];
        for search in others {
            if found.is_empty() {
                found = search();
            }
        }
        found.sort();
        found
    }

    /// Turns a path into one relative to the seed directory. Other text stays as it is.
    fn relative_path(&self, query: &str) -> String {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let inside = absolute(Path::new(query));
        let inside = inside.strip_prefix(absolute(&self.config.seeds)).ok();
        inside.map_or_else(|| query.to_owned(), |path| path.to_string_lossy().replace('\\', "/"))
    }

    /// Describes one seed: its title, the feeds that carry it, and its faults.
    fn describe(&self, path: &Arc<str>, answer: &mut Answer) {
        let catalog = &self.seeds.catalog;
        let styled = has_colours(&io::stdout());
        let faults = catalog.faults_of(path).iter().map(|fault| report::fault(fault, styled));
        let faults: Vec<_> = faults.collect();
        let Some(record) = catalog.records().find(|record| record.path == *path) else {
            if self.seeds.passed_over.contains(path) {
                answer.line(&format!(
                    "{}: not a seed: it has no front matter between `---` lines",
                    printable(path)
                ));
            } else {
                let note = "in no feed, unless a running `sower serve` still has its last good record";
                answer.line(&format!("{}: {note}", printable(path)));
                for fault in &faults {
                    answer.line(fault);
                }
            }
            return;
        };
        let record = &record.without_body();
        answer.line(&format!("{}: {}", printable(path), printable(&record.title)));
        if let Some(held) = catalog.held_at(path) {
            answer.line(&format!("  held: {}; {}", self.held_reason(record, held), report::remedy(held)));
            if let Some(shown) = catalog.entry(&record.id) {
                let other = printable(&shown.record.path);
                answer.line(&format!("  an entry with its id is shown nevertheless, from {other}"));
            }
        } else if let Some(entry) = catalog.entry(&record.id) {
            if entry.record.path != *path {
                let reason = "which has the same id and higher quality, a later date, or the first path";
                let other = printable(&entry.record.path);
                answer.line(&format!("  a duplicate: its entry shows the fields of {other}, {reason}"));
            }
            self.list_feeds(entry, answer);
        }
        for fault in &faults {
            answer.line(fault);
        }
    }

    /// Lists the feeds of everything, of the topics of an entry, and of all named selections.
    fn list_feeds(&self, entry: &Entry, answer: &mut Answer) {
        let catalog = &self.seeds.catalog;
        let entries = catalog.entries();
        let all = LogicalFeed::all(self.config, entries);
        self.show_place(&all, entry, answer);
        for slug in &entry.within {
            if self.config.topics.is_retired(slug) {
                answer.line(&format!("  in no feed of the topic {slug}, which is retired"));
            } else {
                self.show_place(&LogicalFeed::topic(self.config, entries, slug), entry, answer);
            }
        }
        for selection in &self.config.selections {
            let feed = LogicalFeed::named(self.config, entries, selection, catalog.now());
            match feed::mismatch(self.config, selection, entry, catalog.now()) {
                None => self.show_place(&feed, entry, answer),
                Some(missed) => {
                    let url = self.publication.feed_url(feed.selection(), Format::Atom);
                    let reason = self.mismatch(missed, entry, &selection.criteria);
                    answer.line(&format!("  not in {url}: {reason}"));
                }
            }
        }
    }

    /// Describes the criterion that excludes an entry, with the value that the entry has.
    fn mismatch(&self, missed: Mismatch, entry: &Entry, criteria: &Criteria) -> String {
        let record = entry.record.without_body();
        let has = |field: &str, value: Option<&str>| match value {
            Some(value) => format!("its {field} is {}", printable(value)),
            None => format!("it has no {field}"),
        };
        match missed {
            Mismatch::Topic => "it has none of the topics of the selection".to_owned(),
            Mismatch::ExcludedTopic => {
                let unwanted = criteria.none.iter().find(|slug| entry.is_within(slug));
                format!("it has the topic {}, which the selection excludes", unwanted.map_or("", |slug| slug))
            }
            Mismatch::Quality => {
                format!(
                    "its quality is {}, below {}",
                    record.quality,
                    criteria.min_quality.unwrap_or_default()
                )
            }
            Mismatch::Type => has("type", record.kind.as_deref()),
            Mismatch::Category => has("category", record.category.as_deref()),
            Mismatch::Provider => has("provider", record.provider.as_ref().map(|provider| &*provider.name)),
            Mismatch::Language => {
                has("language", Some(record.language.as_deref().unwrap_or(&self.config.language)))
            }
            Mismatch::Age => format!("its date is {}, too old for the selection", rfc3339(entry.published)),
        }
    }

    /// Shows the place of an entry in a feed.
    fn show_place(&self, feed: &LogicalFeed<'_>, entry: &Entry, answer: &mut Answer) {
        let url = self.publication.feed_url(feed.selection(), Format::Atom);
        let (count, limit) = (feed.count(), feed.limit());
        let line = match feed.place(&entry.record.id) {
            None => format!("  not in {url}"),
            Some(place) if place <= limit => {
                answer.is_carried = true;
                format!("  in {url}, place {place} of {}", count.min(limit))
            }
            Some(place) => {
                let over = format!("  over the limit of {url}: place {place} of {count}, and it has {limit}");
                if feed.archives().is_empty() {
                    over
                } else {
                    answer.is_carried = true;
                    let month = Month::of(entry.published);
                    let archive = self.publication.archive_url(feed.selection(), month, Format::Atom);
                    format!("{over}; in its archive {archive}")
                }
            }
        };
        answer.line(&line);
    }

    /// Describes the reason why a record is held, and the time since when.
    fn held_reason(&self, record: &Record, held: Held) -> String {
        let file = self.config.seeds.join(&*record.path);
        let since =
            |at: Option<Timestamp>| at.map_or_else(String::new, |at| format!(" since {}", rfc3339(at)));
        let changed = || {
            let modified = std::fs::metadata(&file).and_then(|meta| meta.modified()).ok();
            let changed = modified.map(|at| rfc3339(DateTime::<Utc>::from(at)));
            changed.map_or_else(String::new, |at| {
                format!(" since {at} at the latest, when the file last changed")
            })
        };
        let rules = Rules::new(self.config, false);
        // The line of the front matter that hides the record.
        let hiding_line = |fields: &[&str]| {
            let bytes = std::fs::read(&file).ok();
            let place_of = |field| seed::place_of(&rules, &record.path, bytes.as_deref()?, field);
            let hides = |place: &Place| {
                let value = place.excerpt.split_once([':', '=']).map_or("", |(_, value)| value.trim());
                let is_inverse = place.excerpt.trim_start().starts_with("published");
                let words = if is_inverse { ["false", "no", "off"] } else { ["true", "yes", "on"] };
                words.iter().any(|word| value.to_lowercase().starts_with(word))
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
                format!("unpublished{}{}", hiding_line(&["draft", "headless", "published"]), changed())
            }
            Held::Removed => format!("removed{}{}", hiding_line(&["removed", "deleted"]), changed()),
            Held::Scheduled => {
                format!("scheduled until {}", record.published.map_or_else(String::new, rfc3339))
            }
            Held::Expired => format!("expired{}", since(record.expires)),
            Held::Undated => format!("undated{}", changed()),
        }
    }

    /// Explains that nothing matches a query, and suggests similar paths, titles and addresses.
    fn suggest(&self, query: &str, answer: &mut Answer) {
        let file = self.config.seeds.join(self.relative_path(query));
        if !query.is_empty() && file.is_file() {
            let reason = "a seed is not hidden or temporary, not nested too deeply, and has a known ending";
            answer.line(&format!("{}: not a seed: {reason}", printable(query)));
            return;
        }
        let seeds = self.config.seeds.display();
        answer.line(&format!("{}: no seed in {seeds} has this path, address, id or title", printable(query)));
        let wanted = query.to_lowercase();
        let catalog = &self.seeds.catalog;
        let known = catalog.records().map(|record| record.without_body()).flat_map(|record| {
            [Some(record.path.to_string()), Some(record.title), record.link].into_iter().flatten()
        });
        let mut suggestions: Vec<_> =
            known.map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &wanted), known)).collect();
        suggestions.retain(|(similarity, _)| *similarity >= MIN_SIMILARITY);
        suggestions.sort_by(|(a, known), (b, other)| b.total_cmp(a).then(known.cmp(other)));
        suggestions.dedup_by(|a, b| a.1 == b.1);
        for (_, known) in suggestions.into_iter().take(MAX_SUGGESTIONS) {
            answer.line(&format!("  did you mean {}?", printable(&known)));
        }
    }
}

/// Removes the parts of an address in which spellings of the same page differ: scheme, fragment, trailing slash, and
/// the case of the host.
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

fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
