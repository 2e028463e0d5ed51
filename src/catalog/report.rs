//! Reports for people: faults in the style of compiler errors, summaries of the seeds, and changes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::catalog::records::{Catalog, Census, Duplicates};
use crate::seed::{Change, Held, Reading};
use crate::seed::{Fault, Severity};
use crate::text::{count, printable};

/// The maximum length of a list for people.
const MAX_LISTED: usize = 10;

/// Renders a fault with its line and a marker under the column.
pub fn fault(fault: &Fault, styled: bool) -> String {
    let level = match fault.severity {
        Severity::Fault => Level::ERROR.with_name("fault"),
        Severity::Warning => Level::WARNING,
    };
    let (path, reason) = (printable(&fault.path), printable(&fault.reason));
    let title = level.primary_title(&*reason);
    let group: Group<'_> = match &fault.place {
        Some(place) => {
            let bytes = |characters: usize| {
                place.excerpt.char_indices().nth(characters).map_or(place.excerpt.len(), |(index, _)| index)
            };
            let marked = bytes(place.marked.start)..bytes(place.marked.end);
            let snippet = Snippet::source(&*place.excerpt).line_start(place.at.line).path(&*path);
            title.element(snippet.annotation(AnnotationKind::Primary.span(marked)))
        }
        None => title.element(Origin::path(&*path)),
    };
    let help = fault.help.as_deref().map(printable);
    let mut report = vec![group];
    report.extend(help.as_deref().map(|help| Group::with_title(Level::HELP.secondary_title(help))));
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

/// Summarises a census in one line: `17 seeds: 14 entries in 8 topics, 2 held (…), 1 duplicate`.
pub fn census(census: &Census) -> String {
    let mut line = count(census.seeds, "seed");
    let _ = write!(line, ": {} in {}", count(census.entries, "entry"), count(census.topics, "topic"));
    let held: usize = census.held.values().sum();
    if held > 0 {
        let _ = write!(line, ", {held} held ({})", held_by_reason(&census.held));
    }
    for (number, noun) in
        [(census.duplicates, "duplicate"), (census.faults, "fault"), (census.warnings, "warning")]
    {
        if number > 0 {
            let _ = write!(line, ", {}", count(number, noun));
        }
    }
    line
}

fn held_by_reason(held: &BTreeMap<Held, usize>) -> String {
    let reasons: Vec<_> = held.iter().map(|(reason, number)| format!("{number} {reason}")).collect();
    reasons.join(", ")
}

/// Explains how to show records that are held for a reason.
pub fn remedy(held: Held) -> &'static str {
    match held {
        Held::Unpublished | Held::Removed => "preview them with `--unpublished`",
        Held::Scheduled => "each appears by itself at its publication time",
        Held::Expired => "set a later `expiryDateTime` to show them again",
        Held::Undated => "set `publishedDateTime`, or begin the file name with a date",
    }
}

/// Explains why no entry is shown although seeds exist. Returns `None` if an entry is shown, or if no
/// seeds exist.
pub fn nothing_shown(census: &Census) -> Option<String> {
    if census.entries > 0 || census.seeds == 0 {
        return None;
    }
    let mut text = format!("no entries from {}", count(census.seeds, "seed"));
    for (&reason, number) in &census.held {
        let _ = write!(text, "; {number} {reason}: {}", remedy(reason));
    }
    if census.faults > 0 {
        let _ = write!(text, "; {}: run `sower check` to list them", count(census.faults, "fault"));
    }
    Some(text)
}

/// Renders the summary that `sower check` prints after the faults.
pub fn summary(catalog: &Catalog) -> String {
    let census = catalog.census();
    let mut text = format!(
        "{}, {}, {} in {}\n",
        count(census.seeds, "seed"),
        count(census.records, "record"),
        count(census.entries, "entry"),
        count(census.topics, "topic")
    );
    let left_out: Vec<_> = catalog.left_out().collect();
    if !left_out.is_empty() {
        let _ = writeln!(text, "left out: {} (see the faults)", count(left_out.len(), "seed"));
        list(&mut text, &left_out);
    }
    let mut held: BTreeMap<Held, Vec<&str>> = BTreeMap::new();
    for (record, reason) in catalog.held() {
        held.entry(reason).or_default().push(&record.path);
    }
    for (reason, paths) in held {
        let _ = writeln!(text, "held: {} {reason} ({})", paths.len(), remedy(reason));
        list(&mut text, &paths);
    }
    let duplicates = catalog.duplicates();
    if !duplicates.is_empty() {
        let _ = writeln!(text, "duplicates: {}", count(census.duplicates, "seed"));
        let lines: Vec<_> = duplicates.iter().map(describe_duplicates).collect();
        list(&mut text, &lines);
    }
    if census.topics > 0 {
        let topics: Vec<_> =
            catalog.entries().topics().map(|(_, name, entries)| format!("{name} ({entries})")).collect();
        let _ = writeln!(text, "topics: {}", printable(&topics.join(", ")));
    }
    let _ = match (census.faults, census.warnings) {
        (0, 0) => writeln!(text, "no faults"),
        (faults, warnings) => writeln!(text, "{}, {}", count(faults, "fault"), count(warnings, "warning")),
    };
    text
}

fn describe_duplicates(duplicates: &Duplicates) -> String {
    let text = format!("{} is shown for {}", duplicates.shown, duplicates.others.join(", "));
    if duplicates.by_name {
        return format!("{text}: same date and name; set an `id` in each to keep them apart");
    }
    text
}

/// Lists the files that have a seed's name but no front matter. Returns an empty string if there are
/// none.
pub fn passed_over(paths: &[Arc<str>]) -> String {
    let mut text = String::new();
    if !paths.is_empty() {
        let _ = writeln!(text, "passed over: {} without front matter", count(paths.len(), "file"));
        list(&mut text, paths);
    }
    text
}

fn list(text: &mut String, names: &[impl AsRef<str>]) {
    for name in names.iter().take(MAX_LISTED) {
        let _ = writeln!(text, "  {}", printable(name.as_ref()));
    }
    if names.len() > MAX_LISTED {
        let _ = writeln!(text, "  … and {} more (`--format json` lists all)", names.len() - MAX_LISTED);
    }
}

/// The kind of a change to one seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChangeKind {
    New,
    Changed,
    /// The file has no front matter any more.
    NotASeed,
    Removed,
}

impl ChangeKind {
    /// Returns `None` if the file was no seed before and is none now.
    fn of(change: &Change, known: bool) -> Option<Self> {
        match change {
            Change::Gone if known => Some(Self::Removed),
            Change::Read(Reading::NotASeed) if known => Some(Self::NotASeed),
            Change::Read(_) if known => Some(Self::Changed),
            Change::Read(Reading::Seed { .. }) => Some(Self::New),
            Change::Gone | Change::Read(_) => None,
        }
    }
}

/// Describes changes in a few words, given the catalog before they are applied. Returns `None` if no
/// seed changed.
pub fn changes(catalog: &Catalog, changes: &[(Arc<str>, Change)]) -> Option<String> {
    let kinds: Vec<_> = changes
        .iter()
        .filter_map(|(path, change)| Some((path, ChangeKind::of(change, catalog.contains(path))?)))
        .collect();
    if let [(path, kind)] = kinds.as_slice() {
        let path = printable(path);
        return Some(match kind {
            ChangeKind::New => format!("{path} added"),
            ChangeKind::Changed => format!("{path} changed"),
            ChangeKind::NotASeed => format!("{path} is not a seed any more: it has no front matter"),
            ChangeKind::Removed => format!("{path} removed"),
        });
    }
    let number = |wanted| kinds.iter().filter(|(_, kind)| *kind == wanted).count();
    let (new, changed) = (number(ChangeKind::New), number(ChangeKind::Changed));
    let removed = number(ChangeKind::Removed) + number(ChangeKind::NotASeed);
    let parts = [
        (new, format!("{} added", count(new, "seed"))),
        (changed, format!("{} changed", count(changed, "seed"))),
        (removed, format!("{} removed", count(removed, "seed"))),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(number, _)| *number > 0).map(|(_, part)| part).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Place;
    use crate::seed::Timestamp;
    use crate::syntax::yaml::Position;

    #[test]
    fn fault_is_rendered_like_a_compiler_error() {
        let place = Place::in_text("---\ntitle: A\nquality: 高い\n---\n", Position { line: 3, column: 10 });
        let mut example = Fault {
            severity: Severity::Fault,
            path: "news/a.md".into(),
            place: Some(place),
            reason: "`quality` is left out: it is not a number".to_owned(),
            help: Some("write a number".to_owned()),
        };
        let expected = "\
fault: `quality` is left out: it is not a number
 --> news/a.md:3:10
  |
3 | quality: 高い
  |          ^^^^
  |
help: write a number";
        assert_eq!(fault(&example, false), expected);
        example.place = None;
        assert!(fault(&example, false).contains("--> news/a.md\n"), "{}", fault(&example, false));
    }

    #[test]
    fn changes_are_described_in_a_few_words() {
        let seed = || Change::Read(Reading::Seed { record: None, faults: Vec::new() });
        let at = |path: &str, change| (Arc::<str>::from(path), change);
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply([at("known.md", seed()), at("old.md", seed())], Timestamp::UNIX_EPOCH);
        for (given, expected) in [
            (vec![], None),
            (vec![at("README.md", Change::Read(Reading::NotASeed))], None),
            (vec![at("a.md", seed())], Some("a.md added")),
            (vec![at("known.md", seed())], Some("known.md changed")),
            (vec![at("known.md", Change::Gone)], Some("known.md removed")),
            (
                vec![at("known.md", Change::Read(Reading::NotASeed))],
                Some("known.md is not a seed any more: it has no front matter"),
            ),
            (vec![at("a.md", seed()), at("b.md", seed())], Some("2 seeds added")),
            (
                vec![at("a.md", seed()), at("old.md", Change::Gone), at("known.md", seed())],
                Some("1 seed added, 1 seed changed, 1 seed removed"),
            ),
        ] {
            assert_eq!(changes(&catalog, &given).as_deref(), expected);
        }
    }

    #[test]
    fn long_lists_are_cut_short() {
        let paths: Vec<Arc<str>> = (0..12).map(|number| format!("{number}.md").into()).collect();
        let text = passed_over(&paths);
        assert!(text.starts_with("passed over: 12 files without front matter\n  0.md\n"), "{text}");
        assert!(text.ends_with("  9.md\n  … and 2 more (`--format json` lists all)\n"), "{text}");
        assert_eq!(passed_over(&[]), "");
    }
}
