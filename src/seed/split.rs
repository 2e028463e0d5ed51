//! Splits a seed file into front matter and body.

use std::borrow::Cow;

use memchr::memmem;

use crate::syntax::toml;
use crate::syntax::yaml::{self, Position, Step};

/// The notation of front matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// Between `---` lines, or a whole file. JSON is YAML too, and needs no lines around it.
    Yaml,
    /// Between `+++` lines.
    Toml,
}

impl Notation {
    pub(super) const ALL: [Self; 2] = [Self::Yaml, Self::Toml];

    /// Returns the fence: the line before and after front matter.
    pub(super) fn fence(self) -> &'static str {
        &self.fence_after_newline()[1..]
    }

    fn fence_after_newline(self) -> &'static str {
        match self {
            Self::Yaml => "\n---",
            Self::Toml => "\n+++",
        }
    }

    /// Returns the fence in words.
    pub(super) fn fence_in_words(self) -> &'static str {
        match self {
            Self::Yaml => "a line of three hyphens",
            Self::Toml => "a line of three plus signs",
        }
    }

    /// Returns the sign between a key and its value.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Yaml => ':',
            Self::Toml => '=',
        }
    }

    /// Returns the end of a key in an example: `title: …`, `title = …`.
    pub(super) fn sign_in_help(self) -> &'static str {
        match self {
            Self::Yaml => ":",
            Self::Toml => " =",
        }
    }

    /// Returns the notation of front matter that opens with this line.
    pub(super) fn opened_by(line: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notation| notation.is_fence(line))
    }

    /// Returns `true` if a line is the fence of this notation.
    pub(super) fn is_fence(self, line: &str) -> bool {
        line.trim_end() == self.fence()
    }
}

/// Front matter as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RawFrontMatter<'a> {
    pub(super) text: &'a str,
    pub(super) notation: Notation,
    /// Number of lines of the file before the front matter.
    pub(super) lines_before: usize,
}

impl<'a> RawFrontMatter<'a> {
    pub(super) fn yaml(text: &'a str) -> Self {
        Self { text, notation: Notation::Yaml, lines_before: 0 }
    }

    /// Returns the position of the value at the end of a path, counted from the start of the front matter.
    pub(super) fn value_at(&self, path: &[Step<'_>]) -> Option<Position> {
        match self.notation {
            Notation::Yaml => yaml::value_at(self.text, path),
            Notation::Toml => toml::value_at(self.text, path),
        }
    }

    /// Returns the position of the key at the end of a path, counted from the start of the front matter.
    pub(super) fn key_at(&self, path: &[Step<'_>]) -> Option<Position> {
        match self.notation {
            Notation::Yaml => yaml::key_at(self.text, path),
            Notation::Toml => toml::key_at(self.text, path),
        }
    }

    /// Returns the position in the file of a position in the front matter.
    pub(super) fn in_file(&self, at: Position) -> Position {
        Position { line: at.line + self.lines_before, ..at }
    }
}

/// A file split into front matter and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Split<'a> {
    /// The file has no front matter, so it is not a seed.
    NotASeed,
    /// The file is empty, or ends within its opening line: it may be a seed that is being written.
    Blank,
    /// The front matter has no end.
    Unclosed(Notation),
    /// The front matter, and the text after it.
    Complete { front_matter: RawFrontMatter<'a>, body: &'a str },
}

/// Splits a file at the fences of its front matter. With `all_yaml` the file may be front matter as a whole.
pub(super) fn split(text: &str, all_yaml: bool) -> Split<'_> {
    let is_beginning = || ["--", "++"].iter().any(|fence| fence.starts_with(text.trim_end()));
    if text.trim().is_empty() || (!all_yaml && is_beginning()) {
        return Split::Blank;
    }
    let whole = Split::Complete { front_matter: RawFrontMatter::yaml(text), body: "" };
    match split_at_fences(text) {
        Split::Complete { .. } if all_yaml && !text.starts_with(Notation::Yaml.fence()) => whole,
        // More than one document: the parser reports it, with its position.
        Split::Complete { body, .. } if all_yaml && !body.trim().is_empty() => whole,
        Split::NotASeed | Split::Unclosed(_) if all_yaml => whole,
        split => split,
    }
}

fn split_at_fences(text: &str) -> Split<'_> {
    let opening = text.split_inclusive('\n').next().unwrap_or_default();
    if opening.trim_end() == "{" {
        return split_after_json(text);
    }
    let Some(notation) = Notation::opened_by(opening) else { return Split::NotASeed };
    if !opening.ends_with('\n') {
        return Split::Unclosed(notation);
    }
    // Searching for the newline before the fence too finds each line in one pass.
    let before = opening.len() - 1;
    for at in memmem::find_iter(&text.as_bytes()[before..], notation.fence_after_newline()) {
        let (head, rest) = text.split_at(before + at + 1);
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if notation.is_fence(line) {
            let front_matter = RawFrontMatter { text: &head[opening.len()..], notation, lines_before: 1 };
            return Split::Complete { front_matter, body: &rest[line.len()..] };
        }
    }
    Split::Unclosed(notation)
}

/// Splits after JSON that stands between a line `{` and the next line `}`. Without the latter the file is not a
/// seed.
fn split_after_json(text: &str) -> Split<'_> {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if line.trim_end() == "}" {
            return Split::Complete { front_matter: RawFrontMatter::yaml(&text[..end]), body: &text[end..] };
        }
    }
    Split::NotASeed
}

/// Replaces surrogate pairs (`\uD83D\uDE00`) in JSON front matter by their characters, since YAML has no such
/// pairs (RFC 8259 §7). The body stays the same.
pub(super) fn decode_surrogate_pairs(text: &str) -> Cow<'_, str> {
    if !text.starts_with('{') || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let Split::Complete { front_matter, body } = split_after_json(text) else { return Cow::Borrowed(text) };
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let (mut joined, mut rest) = (String::with_capacity(text.len()), front_matter.text);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        let pair = unit(escape).zip(escape.get(6..).and_then(unit));
        let decoded = pair.and_then(|(high, low)| String::from_utf16(&[high, low]).ok());
        let character = decoded.filter(|text| text.chars().count() == 1);
        // A backslash escapes the next character, which may be another backslash.
        let length = match &character {
            Some(_) => 12,
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        joined.push_str(character.as_deref().unwrap_or(&escape[..length]));
        rest = &escape[length..];
    }
    Cow::Owned(joined + rest + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_splits_at_its_fences() {
        let whole = |text, lines_before, body| Split::Complete {
            front_matter: RawFrontMatter { text, notation: Notation::Yaml, lines_before },
            body,
        };
        let toml = |text, body| Split::Complete {
            front_matter: RawFrontMatter { text, notation: Notation::Toml, lines_before: 1 },
            body,
        };
        for (text, all_yaml, expected) in [
            ("---\na: 1\n---\nbody\n", false, whole("a: 1\n", 1, "body\n")),
            ("---  \r\na: 1\r\n--- \r\nbody", false, whole("a: 1\r\n", 1, "body")),
            ("---\na: 1\n---", false, whole("a: 1\n", 1, "")),
            ("---\n---\n", false, whole("", 1, "")),
            ("---\n----\n---x\n ---\na---\n---\n---\n", false, whole("----\n---x\n ---\na---\n", 1, "---\n")),
            ("---\na: 1\n", false, Split::Unclosed(Notation::Yaml)),
            ("---\n-------------\n", false, Split::Unclosed(Notation::Yaml)),
            ("---\na: 1\n+++\n", false, Split::Unclosed(Notation::Yaml)),
            ("# Heading\n", false, Split::NotASeed),
            ("----\na\n----\n", false, Split::NotASeed),
            ("", false, Split::Blank),
            ("--", false, Split::Blank),
            ("---", false, Split::Unclosed(Notation::Yaml)),
            ("a: 1\n", true, whole("a: 1\n", 0, "")),
            ("---\na: 1\n", true, whole("---\na: 1\n", 0, "")),
            ("---\na: 1\n---\n", true, whole("a: 1\n", 1, "")),
            (" \n", true, Split::Blank),
            ("+++\na = 1\n+++ \r\nbody\n", false, toml("a = 1\n", "body\n")),
            ("+++\na = \"\"\"\n---\n\"\"\"\n+++", false, toml("a = \"\"\"\n---\n\"\"\"\n", "")),
            ("+++\na = 1\n", false, Split::Unclosed(Notation::Toml)),
            ("+++\na = 1\n+++\n", true, whole("+++\na = 1\n+++\n", 0, "")),
            ("++", false, Split::Blank),
            ("+++ b/file\n+++\n", false, Split::NotASeed),
            ("{\n\"a\": {\n }\n}\nbody", false, whole("{\n\"a\": {\n }\n}\n", 0, "body")),
            ("{\r\n}", false, whole("{\r\n}", 0, "")),
            ("{\na: 1\n", false, Split::NotASeed),
            ("{a: 1}\n", false, Split::NotASeed),
            ("{\na: 1\n}\n\n", true, whole("{\na: 1\n}\n\n", 0, "")),
        ] {
            assert_eq!(split(text, all_yaml), expected, "{text:?}");
        }
    }
}
