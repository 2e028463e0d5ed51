//! Bodies that are left as they were written until they are shown. There may be a hundred thousand of
//! them, of which feeds show a few, and to make HTML of one takes as long as all else that reading it does.
//!
//! What is wrong with a body is told when it is read. So only a body is left of which it is certain that
//! nothing will be: it is Markdown without HTML, nests little, and has nothing that is written once and
//! stands for much: no tables, whose rows are filled up, no definitions of links and footnotes.

use memchr::{memchr2, memchr2_iter, memmem};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::seed::Markup;
use crate::seed::content::{self, MOST_OF_ADDRESSES};
use crate::seed::record::Record;

/// Most columns in which a line may open blocks: lists take two for each, quotations one.
const MOST_COLUMNS: usize = 64;
/// Most characters of a paragraph that may open or close what it emphasises, links and strikes through.
const MOST_MARKS: usize = 128;

/// A body in Markdown.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::seed) struct Unmade<'a> {
    text: &'a str,
    /// What relative addresses are relative to.
    base: &'a str,
}

impl<'a> Unmade<'a> {
    /// A body, if nothing in it can be refused. It is decided by its bytes alone, and in doubt against it.
    pub(in crate::seed) fn of(text: &'a str, base: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        // No character stands for more than two commas or attributes, and none of an address for more than three
        // once it is parsed.
        let is_short = text.len().saturating_mul(2 * 3 * base.len()) <= MOST_OF_ADDRESSES;
        let is_plain = memchr2(b'<', b'|', bytes).is_none() && memmem::find(bytes, b"]:").is_none();
        (is_short && is_plain && is_flat(bytes)).then_some(Self { text, base })
    }

    /// Of the text, in bytes.
    pub(in crate::seed) fn length(&self) -> usize {
        self.text.len()
    }

    /// Has a record show this body, made into content.
    pub(in crate::seed) fn complete(self, record: &mut Record) {
        let base = Url::parse(self.base);
        debug_assert!(base.is_ok(), "it was one: {}", self.base);
        let Ok(base) = base else { return };
        // There is no frame in what has no HTML.
        let body = content::sanitised(Markup::Markdown, self.text, &base, &[]);
        debug_assert!(body.is_ok(), "{body:?} of {}", self.text);
        record.take_body(body.unwrap_or_default(), &base);
    }
}

/// Whether a text nests no deeper than sanitising takes.
fn is_flat(text: &[u8]) -> bool {
    // Most texts have few in all, and to count them at once is quick.
    let has_few = marks_in(text) <= MOST_MARKS;
    let (mut begin, mut marks) = (0, 0);
    memchr2_iter(b'\n', b'\r', text).chain([text.len()]).all(|end| {
        let line = &text[begin..end];
        begin = end + 1;
        if !has_few {
            // What is emphasised in one paragraph is not in the next.
            let is_within_end = line.is_empty() && end > 0 && text[end - 1..].starts_with(b"\r\n");
            let is_blank = !is_within_end && line.iter().all(|byte| b" \t".contains(byte));
            marks = if is_blank { 0 } else { marks + marks_in(line) };
        }
        columns(line) <= MOST_COLUMNS && marks <= MOST_MARKS
    })
}

/// In how many columns a line may open blocks.
fn columns(line: &[u8]) -> usize {
    let opens = |byte: &u8| b" \t>-+*.)".contains(byte) || byte.is_ascii_digit();
    let columns = line.iter().take_while(|byte| opens(byte)).map(|byte| if *byte == b'\t' { 4 } else { 1 });
    columns.sum()
}

fn marks_in(text: &[u8]) -> usize {
    // Each kind is compared with all of a byte's neighbours at once, and what is found is counted in bytes.
    let is = |mark, byte| u8::from(byte == mark);
    let marks = |&byte: &u8| is(b'*', byte) | is(b'_', byte) | is(b'[', byte) | is(b'~', byte);
    text.chunks(u8::MAX.into()).map(|some| usize::from(some.iter().map(marks).sum::<u8>())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Packed, tests};
    use proptest::prelude::*;

    fn base() -> Url {
        Url::parse("https://a.example/b/c").unwrap()
    }

    #[test]
    fn what_can_be_refused_is_not_left() {
        for (text, expected) in [
            ("A *b* [c](d).\n\n- e\n  - f\n\n> g\n\n---\n", true),
            ("", true),
            ("a <b>c</b>", false),
            (&"> ".repeat(MOST_COLUMNS / 2), true),
            (&"> ".repeat(MOST_COLUMNS), false),
            (&"\t".repeat(MOST_COLUMNS / 2), false),
            (&format!("a\r{}", "- ".repeat(MOST_COLUMNS)), false),
            (&"*a ".repeat(MOST_MARKS), true),
            (&"*a\n".repeat(MOST_MARKS + 1), false),
            (&"_a ".repeat(MOST_MARKS + 1), false),
            (&"[a ".repeat(MOST_MARKS + 1), false),
            (&"~a ".repeat(MOST_MARKS + 1), false),
            (&"*_[~".repeat(MOST_MARKS), false),
            (&"*a\n\n".repeat(MOST_MARKS + 1), true),
            (&"*a\r\n".repeat(MOST_MARKS + 1), false),
            (&"*a\r".repeat(MOST_MARKS + 1), false),
            (&"*a\r\n\r\n".repeat(MOST_MARKS + 1), true),
            (&"a".repeat(MOST_OF_ADDRESSES / 40), false),
            (&format!("[^a]: {}", "> ".repeat(300)), false),
            (&"*a\n\u{C}\n".repeat(300), false),
            (&format!("{}\n{}\n{}", "|a".repeat(512), "|-".repeat(512), "a\n".repeat(512)), false),
            (&format!("[r]: /{}\n\n[r] [r] [r]", ",".repeat(50_000)), false),
        ] {
            assert_eq!(Unmade::of(text, base().as_str()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_link_may_grow_when_it_is_parsed() {
        let base = format!("https://a.example/?{}", "'".repeat(1000));
        let text = format!("[a](\u{e9}) {}", ",".repeat(8200));
        assert!(content::sanitised(Markup::Markdown, &text, &Url::parse(&base).unwrap(), &[]).is_err());
        assert!(Unmade::of(&text, &base).is_none());
        assert!(Unmade::of("[a](\u{e9})", &base).is_some());
    }

    #[test]
    fn a_record_is_the_same_whenever_its_body_is_made() {
        let base = base();
        for (yaml, text) in [
            ("excerpt: S\n", "A *b* [c](d)"),
            ("", "A *b*\n\n![](i.png)"),
            ("images: [{url: 'https://a.example/b/i.png'}]\n", "![](i.png)"),
            ("", "---\n"),
        ] {
            let record = tests::record(&format!("title: A\ntopics: t\n{yaml}"));
            let mut eager = record.clone();
            eager.take_body(content::sanitised(Markup::Markdown, text, &base, &[]).unwrap(), &base);
            let packed = Packed::of(record.clone(), Unmade::of(text, base.as_str()));
            assert_eq!(packed.record(), eager, "{text}");
            assert_eq!(packed.without_body(), record, "{text}");
        }
    }

    proptest! {
        /// However a text that is left is made up, nothing of it is refused later.
        #[test]
        fn nothing_of_what_is_left_is_refused(
            parts in prop::collection::vec((prop::sample::select(&[
                "a", " ", "  ", "\t", "\n", "\n\n", "\r", "\u{C}", "*", "**", "_", "~~", "[", "](", ")", "![",
                "*a\r\n", "a*\r\n", "*a\n", "a*\n", "[^a]", "[^a]: ", "[r]: /,,,\n", "[r]", "[a](b)", "[a](\u{e9})", "- ", "1. ", ">", "> ", "# ",
                "```\n", "a | b\n--|--\n", "|", "&lt;", "=", ",",
            ][..]), 1..300_usize), 0..12),
            path in 1..2000_usize,
        ) {
            let text: String = parts.iter().map(|(part, times)| part.repeat(*times)).collect();
            let typed = format!("{}?{}", base(), "'".repeat(path));
            let base = Url::parse(&typed).unwrap();
            if Unmade::of(&text, &typed).is_some() {
                prop_assert!(content::sanitised(Markup::Markdown, &text, &base, &[]).is_ok(), "{:?}", text);
            }
        }
    }
}
