//! What sower tells people: faults the way a compiler shows them, and the seeds in words.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::catalog::{Catalog, Census};
use crate::fault::{Fault, Severity};
use crate::seed::{Change, Held, Reading};
use crate::text::{count, printable};

/// Most names of one kind in a list for people.
const MOST_NAMES: usize = 10;

/// A fault with its line and a marker under the column.
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

/// The seeds in a line: `17 seeds: 14 entries in 8 topics, 2 held (…), 1 duplicate`.
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

/// What would show records that are held.
pub fn remedy(held: Held) -> &'static str {
    match held {
        Held::Unpublished | Held::Removed => "`--unpublished` shows them, for preview",
        Held::Scheduled => "each appears by itself when its time has come",
        Held::Expired => "a later `expiryDateTime` brings them back",
        Held::Undated => "a `publishedDateTime`, or a date that begins the file name, shows them",
    }
}

/// Why nothing is shown although there are seeds; none if something is shown, or nothing is there.
pub fn nothing_shown(census: &Census) -> Option<String> {
    if census.entries > 0 || census.seeds == 0 {
        return None;
    }
    let mut text = format!("no entry is shown of {}", count(census.seeds, "seed"));
    for (&reason, number) in &census.held {
        let _ = write!(text, "; {number} {reason}: {}", remedy(reason));
    }
    if census.faults > 0 {
        let _ = write!(text, "; {}: `sower check` shows them", count(census.faults, "fault"));
    }
    Some(text)
}

/// Everything that `check` says after the faults.
pub fn summary(catalog: &Catalog) -> String {
    let census = catalog.census();
    let mut text = format!(
        "{}, {}, {} in {}\n",
        count(census.seeds, "seed"),
        count(census.records, "record"),
        count(census.entries, "entry"),
        count(census.topics, "topic")
    );
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
        let number = census.duplicates;
        let _ = writeln!(
            text,
            "duplicates: {}",
            if number == 1 { "1 seed".to_owned() } else { format!("{number} seeds") }
        );
        let lines: Vec<_> = duplicates
            .iter()
            .map(|same| format!("{} is shown for {}", same.shown, same.others.join(", ")))
            .collect();
        list(&mut text, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    }
    if census.topics > 0 {
        let topics: Vec<_> =
            catalog.topics().map(|(_, name, entries)| format!("{name} ({entries})")).collect();
        let _ = writeln!(text, "topics: {}", printable(&topics.join(", ")));
    }
    let _ = match (census.faults, census.warnings) {
        (0, 0) => writeln!(text, "no faults"),
        (faults, warnings) => writeln!(text, "{}, {}", count(faults, "fault"), count(warnings, "warning")),
    };
    text
}

fn list(text: &mut String, names: &[&str]) {
    for name in names.iter().take(MOST_NAMES) {
        let _ = writeln!(text, "  {}", printable(name));
    }
    if names.len() > MOST_NAMES {
        let _ = writeln!(text, "  … and {} more (`--format json` lists all)", names.len() - MOST_NAMES);
    }
}

/// What changed, in a few words; none if no seed did. Told before the catalog takes it in.
pub fn changes(catalog: &Catalog, changes: &[(Arc<str>, Change)]) -> Option<String> {
    let mut told = Vec::new();
    for (path, change) in changes {
        let known = catalog.has(path);
        let what = match change {
            Change::Gone | Change::Read(Reading::NotASeed) if known => "gone",
            Change::Read(Reading::Seed { .. } | Reading::Blank) if known => "changed",
            Change::Read(Reading::Seed { .. }) => "new",
            _ => continue,
        };
        told.push((path, what));
    }
    match told.as_slice() {
        [] => None,
        [(path, "changed")] => Some(format!("{} changed", printable(path))),
        [(path, what)] => Some(format!("{} is {what}", printable(path))),
        many => {
            let kinds = ["new", "changed", "gone"].map(|kind| {
                let number = many.iter().filter(|(_, what)| *what == kind).count();
                (number > 0).then(|| format!("{number} {kind}"))
            });
            let kinds: Vec<_> = kinds.into_iter().flatten().collect();
            match kinds.as_slice() {
                [_] => Some(format!("{} {}", count(many.len(), "seed"), many[0].1)),
                kinds => Some(format!("{} ({})", count(many.len(), "seed"), kinds.join(", "))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Place;
    use crate::yaml::Position;

    #[test]
    fn faults_look_like_a_compilers() {
        let place = Place::in_text("---\ntitle: A\nquality: 高い\n---\n", Position { line: 3, column: 10 });
        let mut told = Fault {
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
        assert_eq!(fault(&told, false), expected);
        told.place = None;
        assert!(fault(&told, false).contains("--> news/a.md\n"), "{}", fault(&told, false));
    }
}
