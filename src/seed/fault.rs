//! Faults: why a seed, or a part of one, was left out, and where that is.
//!
//! A fault is data. It is collected, shown and counted; it never stops anything.

use std::fmt;
use std::sync::Arc;

use crate::syntax::yaml::Position;
use crate::text::printable;

/// Longest piece of a line that a fault carries, in characters.
const EXCERPT: usize = 120;

/// What a fault costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is lost, but something is not as its writer may think.
    Warning,
    /// A seed, or a field of one, was left out.
    Fault,
}

/// Why a seed or a field was left out.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// What it costs.
    pub severity: Severity,
    /// The seed, relative to the seed directory.
    pub path: Arc<str>,
    /// Where in the file; none if the fault is in the file as a whole.
    pub place: Option<Place>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file, with the text that stands there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Line and column in the file.
    pub at: Position,
    /// The line, or the part of a long line round the column.
    pub excerpt: String,
    /// The characters of `excerpt` that are meant, from 0.
    pub marked: std::ops::Range<usize>,
}

impl Place {
    /// The place at a position of a file's text, marked to the end of its line.
    pub fn in_text(text: &str, at: Position) -> Self {
        let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
        let before = at.column.saturating_sub(1);
        let skipped = if before > EXCERPT * 3 / 4 { before - EXCERPT / 4 } else { 0 };
        let shown: String = line.chars().skip(skipped).take(EXCERPT).collect();
        let excerpt = printable(shown.trim_end()).replace('\t', " ");
        let length = excerpt.chars().count();
        let start = (before - skipped).min(length);
        Self { at, marked: start..length.max(start), excerpt }
    }

    /// The same place, marked for a number of characters only.
    pub fn marking(mut self, width: usize) -> Self {
        self.marked.end = self.marked.end.min(self.marked.start + width);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.path))?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.at.line, place.at.column)?;
        }
        write!(f, ": {}", printable(&self.reason))?;
        match &self.help {
            Some(help) => write!(f, " ({})", printable(help)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_shows_the_part_of_the_line_that_matters() {
        let text = format!("first\nkey: {}wrong\u{1b} end  \n", "x".repeat(500));
        let place = Place::in_text(&text, Position { line: 2, column: 506 });
        assert!(place.excerpt.ends_with("wrong\u{FFFD} end"), "{}", place.excerpt);
        assert!(place.excerpt.chars().count() <= EXCERPT);
        let marked: String = place.excerpt.chars().skip(place.marked.start).collect();
        assert_eq!(marked, "wrong\u{FFFD} end");
        assert_eq!(place.marking(5).marked.len(), 5);
    }

    #[test]
    fn a_place_beyond_the_text_is_empty_and_harmless() {
        let place = Place::in_text("one\n", Position { line: 9, column: 9 });
        assert_eq!((place.excerpt.as_str(), place.marked), ("", 0..0));
    }
}
