//! Faults: mistakes in seeds, and their places.
//!
//! A fault is data. It is collected, shown and counted, and stops nothing.

use std::fmt;
use std::sync::Arc;

use crate::syntax::yaml::Position;
use crate::text::printable;

/// Length of the longest excerpt of a line, in characters.
const MAX_EXCERPT: usize = 120;

/// The severity of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is left out, but the result may not be the intended one.
    Warning,
    /// A seed, or a part of it, is left out.
    Fault,
}

/// A mistake in a seed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// The severity.
    pub severity: Severity,
    /// The path of the seed, relative to the seed directory.
    pub path: Arc<str>,
    /// The place in the file, or `None` if the fault concerns the file as a whole.
    pub place: Option<Place>,
    /// The mistake, in words.
    pub reason: String,
    /// Advice on how to correct it.
    pub help: Option<String>,
}

/// A place in a file, with an excerpt of its line.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The line and column in the file.
    pub at: Position,
    /// The line, or the part of a long line around the column.
    pub excerpt: String,
    /// The range of characters in `excerpt` that the fault concerns, from 0.
    pub marked: std::ops::Range<usize>,
}

impl Place {
    /// Returns the place at a position in the text of a file, marked to the end of its line.
    pub fn in_text(text: &str, at: Position) -> Self {
        let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
        let before = at.column.saturating_sub(1);
        let skipped = if before > MAX_EXCERPT * 3 / 4 { before - MAX_EXCERPT / 4 } else { 0 };
        let shown: String = line.chars().skip(skipped).take(MAX_EXCERPT).collect();
        let excerpt = printable(shown.trim_end()).replace('\t', " ");
        let length = excerpt.chars().count();
        let start = (before - skipped).min(length);
        Self { at, marked: start..length.max(start), excerpt }
    }

    /// Returns the same place with only its first `width` characters marked.
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
    fn place_shows_the_part_of_the_line_around_its_column() {
        let text = format!("first\nkey: {}wrong\u{1b} end  \n", "x".repeat(500));
        let place = Place::in_text(&text, Position { line: 2, column: 506 });
        assert!(place.excerpt.ends_with("wrong\u{FFFD} end"), "{}", place.excerpt);
        assert!(place.excerpt.chars().count() <= MAX_EXCERPT);
        let marked: String = place.excerpt.chars().skip(place.marked.start).collect();
        assert_eq!(marked, "wrong\u{FFFD} end");
        assert_eq!(place.marking(5).marked.len(), 5);
    }

    #[test]
    fn place_beyond_the_text_is_empty() {
        let place = Place::in_text("one\n", Position { line: 9, column: 9 });
        assert_eq!((place.excerpt.as_str(), place.marked), ("", 0..0));
    }
}
