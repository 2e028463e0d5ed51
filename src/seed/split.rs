//! The lines round the front matter of a seed: where it stands in the file.

use std::borrow::Cow;

use memchr::memmem;

use crate::syntax::toml;
use crate::syntax::yaml::{self, Position, Step};

/// How front matter is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// Between `---` lines, or all of a file. JSON is YAML, too, and needs no lines around it.
    Yaml,
    /// Between `+++` lines.
    Toml,
}

impl Notation {
    const ALL: [Self; 2] = [Self::Yaml, Self::Toml];

    /// The line before and after it.
    pub(super) fn fence(self) -> &'static str {
        &self.line()[1..]
    }

    /// The same, and the end of another before it.
    fn line(self) -> &'static str {
        match self {
            Self::Yaml => "\n---",
            Self::Toml => "\n+++",
        }
    }

    /// The line before and after it, in words.
    pub(super) fn fence_in_words(self) -> &'static str {
        match self {
            Self::Yaml => "a line of three hyphens",
            Self::Toml => "a line of three plus signs",
        }
    }

    /// What stands between a key and its value.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Yaml => ':',
            Self::Toml => '=',
        }
    }

    /// That of front matter which opens with a line.
    pub(super) fn opened_by(line: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notation| notation.is_fence(line))
    }

    pub(super) fn is_fence(self, line: &str) -> bool {
        line.trim_end() == self.fence()
    }
}

/// Front matter as it stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matter<'a> {
    pub(super) text: &'a str,
    pub(super) notation: Notation,
    /// Lines of the file before it.
    pub(super) lines_before: usize,
}

impl<'a> Matter<'a> {
    pub(super) fn yaml(text: &'a str) -> Self {
        Self { text, notation: Notation::Yaml, lines_before: 0 }
    }

    /// Where the value at the end of a path begins, counted from the start of the front matter.
    pub(super) fn value_at(&self, path: &[Step<'_>]) -> Option<Position> {
        match self.notation {
            Notation::Yaml => yaml::value_at(self.text, path),
            Notation::Toml => toml::value_at(self.text, path),
        }
    }

    /// Where the key at the end of a path stands, counted likewise.
    pub(super) fn key_at(&self, path: &[Step<'_>]) -> Option<Position> {
        match self.notation {
            Notation::Yaml => yaml::key_at(self.text, path),
            Notation::Toml => toml::key_at(self.text, path),
        }
    }
}

/// A file cut into front matter and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// No front matter: not a seed.
    NotASeed,
    /// Nothing yet, or only the beginning of an opening line: perhaps a seed that is being written.
    Blank,
    /// Front matter that opens and never closes.
    Unclosed(Notation),
    /// Front matter, and what follows it.
    Whole { matter: Matter<'a>, body: &'a str },
}

/// Cuts a file at the lines round its front matter.
pub(super) fn cut(text: &str, all_yaml: bool) -> Cut<'_> {
    let is_beginning = || ["--", "++"].iter().any(|fence| fence.starts_with(text.trim_end()));
    if text.trim().is_empty() || (!all_yaml && is_beginning()) {
        return Cut::Blank;
    }
    let whole = Cut::Whole { matter: Matter::yaml(text), body: "" };
    match fenced(text) {
        Cut::Whole { .. } if all_yaml && !text.starts_with(Notation::Yaml.fence()) => whole,
        // More than one document: the parser says so, in its place.
        Cut::Whole { body, .. } if all_yaml && !body.trim().is_empty() => whole,
        Cut::NotASeed | Cut::Unclosed(_) if all_yaml => whole,
        cut => cut,
    }
}

fn fenced(text: &str) -> Cut<'_> {
    let opening = text.split_inclusive('\n').next().unwrap_or_default();
    if opening.trim_end() == "{" {
        return in_braces(text);
    }
    let Some(notation) = Notation::opened_by(opening) else { return Cut::NotASeed };
    if !opening.ends_with('\n') {
        return Cut::Unclosed(notation);
    }
    // With the end of the line before, so that no line is looked at twice.
    let before = opening.len() - 1;
    for at in memmem::find_iter(&text.as_bytes()[before..], notation.line()) {
        let (head, rest) = text.split_at(before + at + 1);
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        if notation.is_fence(line) {
            let matter = Matter { text: &head[opening.len()..], notation, lines_before: 1 };
            return Cut::Whole { matter, body: &rest[line.len()..] };
        }
    }
    Cut::Unclosed(notation)
}

/// JSON from a line that is a brace to the next that is one. Without that it is something else.
fn in_braces(text: &str) -> Cut<'_> {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        end += line.len();
        if line.trim_end() == "}" {
            return Cut::Whole { matter: Matter::yaml(&text[..end]), body: &text[end..] };
        }
    }
    Cut::NotASeed
}

/// JSON in which no character is written as two escapes, as JSON writes those beyond the first 65,536:
/// YAML knows no such pairs (RFC 8259 §7). What follows the JSON stays as it is.
pub(super) fn without_pairs(text: &str) -> Cow<'_, str> {
    if !text.starts_with('{') || !text.contains("\\u") {
        return Cow::Borrowed(text);
    }
    let Cut::Whole { matter, body } = in_braces(text) else { return Cow::Borrowed(text) };
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let (mut joined, mut rest) = (String::with_capacity(text.len()), matter.text);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        let pair = unit(escape).zip(escape.get(6..).and_then(unit));
        let decoded = pair.and_then(|(high, low)| String::from_utf16(&[high, low]).ok());
        let character = decoded.filter(|text| text.chars().count() == 1);
        // A backslash belongs to what follows it, another backslash too.
        let length = match &character {
            Some(_) => 12,
            None => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        joined.push_str(character.as_deref().unwrap_or(&escape[..length]));
        rest = &escape[length..];
    }
    Cow::Owned(joined + rest + body)
}

/// Whether what has no opening line looks like front matter all the same: a slip in its first line
/// must not withdraw an entry without a word.
pub(super) fn lacks_only_its_fence(text: &str) -> Option<Notation> {
    Notation::ALL.into_iter().find(|notation| {
        let is_key = |line: &&str| {
            let key = line.split(notation.sign()).next().filter(|key| key.len() < line.len());
            let key = key.map(|key| if notation == &Notation::Toml { key.trim_end() } else { key });
            key.is_some_and(|key| ["title", "name", "topics"].contains(&key))
        };
        let before = text.lines().take(100).take_while(|line| !notation.is_fence(line));
        let has_fence = text.lines().take(100).any(|line| notation.is_fence(line));
        let keys = before.filter(is_key);
        let fence = notation.fence();
        let is_late = || {
            text.trim_start().strip_prefix(fence).is_some_and(|rest| rest.starts_with('\n'))
                && !text.starts_with(fence)
        };
        has_fence && keys.count() > 0 || is_late()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_at_their_fences() {
        let whole = |text, lines_before, body| Cut::Whole {
            matter: Matter { text, notation: Notation::Yaml, lines_before },
            body,
        };
        let toml = |text, body| Cut::Whole {
            matter: Matter { text, notation: Notation::Toml, lines_before: 1 },
            body,
        };
        for (text, all_yaml, expected) in [
            ("---\na: 1\n---\nbody\n", false, whole("a: 1\n", 1, "body\n")),
            ("---  \r\na: 1\r\n--- \r\nbody", false, whole("a: 1\r\n", 1, "body")),
            ("---\na: 1\n---", false, whole("a: 1\n", 1, "")),
            ("---\n---\n", false, whole("", 1, "")),
            ("---\n----\n---x\n ---\na---\n---\n---\n", false, whole("----\n---x\n ---\na---\n", 1, "---\n")),
            ("---\na: 1\n", false, Cut::Unclosed(Notation::Yaml)),
            ("---\n-------------\n", false, Cut::Unclosed(Notation::Yaml)),
            ("---\na: 1\n+++\n", false, Cut::Unclosed(Notation::Yaml)),
            ("# Heading\n", false, Cut::NotASeed),
            ("----\na\n----\n", false, Cut::NotASeed),
            ("", false, Cut::Blank),
            ("--", false, Cut::Blank),
            ("---", false, Cut::Unclosed(Notation::Yaml)),
            ("a: 1\n", true, whole("a: 1\n", 0, "")),
            ("---\na: 1\n", true, whole("---\na: 1\n", 0, "")),
            ("---\na: 1\n---\n", true, whole("a: 1\n", 1, "")),
            (" \n", true, Cut::Blank),
            ("+++\na = 1\n+++ \r\nbody\n", false, toml("a = 1\n", "body\n")),
            ("+++\na = \"\"\"\n---\n\"\"\"\n+++", false, toml("a = \"\"\"\n---\n\"\"\"\n", "")),
            ("+++\na = 1\n", false, Cut::Unclosed(Notation::Toml)),
            ("+++\na = 1\n+++\n", true, whole("+++\na = 1\n+++\n", 0, "")),
            ("++", false, Cut::Blank),
            ("+++ b/file\n+++\n", false, Cut::NotASeed),
            ("{\n\"a\": {\n }\n}\nbody", false, whole("{\n\"a\": {\n }\n}\n", 0, "body")),
            ("{\r\n}", false, whole("{\r\n}", 0, "")),
            ("{\na: 1\n", false, Cut::NotASeed),
            ("{a: 1}\n", false, Cut::NotASeed),
            ("{\na: 1\n}\n\n", true, whole("{\na: 1\n}\n\n", 0, "")),
        ] {
            assert_eq!(cut(text, all_yaml), expected, "{text:?}");
        }
    }

    #[test]
    fn a_slip_in_the_opening_line_is_seen() {
        for text in [
            "--\ntitle: A\n---\n",
            "x---\ntitle: A\n---\n",
            "\n---\ntitle: A\n---\n",
            " title: x\ntopics: a\n---\nb",
            "++\ntitle = 'A'\n+++\n",
            "\n+++\ntitle = 'A'\n+++\n",
        ] {
            assert!(lacks_only_its_fence(text).is_some(), "{text}");
        }
        for text in ["# Heading\n\n---\n\ntext\n", "title: A\n", "text\n---\ntitle: A\n", "title = 1\n---\n"]
        {
            assert!(lacks_only_its_fence(text).is_none(), "{text}");
        }
    }
}
