//! Bodies whose rendering is deferred until a feed shows them.
//!
//! There may be 100,000 bodies, of which feeds show a few, and rendering one takes as long as everything else
//! that reading its seed does. The faults of a body are reported when it is read, so a body is deferred only if
//! it cannot have any: it is Markdown without HTML, nests little, and has neither tables, whose rows are filled
//! up, nor definitions of links or footnotes, which stand for more text than they take.

use memchr::{memchr2, memchr2_iter, memmem};
use serde::{Deserialize, Serialize};
use url::Url;

use super::content::{self, MAX_ADDRESS_BYTES};
use super::form::Markup;
use super::record::Record;

/// Number of columns in which a line may open blocks: lists take two for each, quotations one.
const MAX_COLUMNS: usize = 64;
/// Number of characters of a paragraph that may open or close emphasis, links and strikethrough.
const MAX_MARKS: usize = 128;

/// A Markdown body that is not rendered yet.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct DeferredBody<'a> {
    text: &'a str,
    /// The base of relative addresses.
    base: &'a str,
}

impl<'a> DeferredBody<'a> {
    /// Returns the body if it certainly renders without a fault, judged by its bytes alone.
    pub(super) fn new(text: &'a str, base: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        // A character becomes at most two commas or attributes, and a character of an address at most three.
        let is_short = text.len().saturating_mul(2 * 3 * base.len()) <= MAX_ADDRESS_BYTES;
        let is_plain = memchr2(b'<', b'|', bytes).is_none() && memmem::find(bytes, b"]:").is_none();
        (is_short && is_plain && is_flat(bytes)).then_some(Self { text, base })
    }

    /// Returns the length of the text in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// Renders the body and adds it to its record.
    pub(super) fn render_into(self, record: &mut Record) {
        let base = Url::parse(self.base);
        debug_assert!(base.is_ok(), "the base was an address: {}", self.base);
        let Ok(base) = base else { return };
        // Text without HTML has no frames, so their hosts are not needed.
        let body = content::sanitize(Markup::Markdown, self.text, &base, &[]);
        debug_assert!(body.is_ok(), "{body:?} of {}", self.text);
        content::add_body(record, body.unwrap_or_default(), &base);
    }
}

/// Returns `true` if a text nests no deeper than sanitising allows.
fn is_flat(text: &[u8]) -> bool {
    // Fast path: most texts have few marks in all.
    let has_few_marks = count_marks(text) <= MAX_MARKS;
    let (mut begin, mut marks) = (0, 0);
    memchr2_iter(b'\n', b'\r', text).chain([text.len()]).all(|end| {
        let line = &text[begin..end];
        begin = end + 1;
        if !has_few_marks {
            // Emphasis ends with its paragraph.
            let is_within_crlf = line.is_empty() && end > 0 && text[end - 1..].starts_with(b"\r\n");
            let is_blank = !is_within_crlf && line.iter().all(|byte| b" \t".contains(byte));
            marks = if is_blank { 0 } else { marks + count_marks(line) };
        }
        block_columns(line) <= MAX_COLUMNS && marks <= MAX_MARKS
    })
}

/// Returns the number of columns in which a line may open blocks.
fn block_columns(line: &[u8]) -> usize {
    let opens = |byte: &u8| b" \t>-+*.)".contains(byte) || byte.is_ascii_digit();
    let columns = line.iter().take_while(|byte| opens(byte)).map(|byte| if *byte == b'\t' { 4 } else { 1 });
    columns.sum()
}

fn count_marks(text: &[u8]) -> usize {
    // Without branches, and with sums of one byte, so that the compiler vectorises it.
    let is = |mark, byte| u8::from(byte == mark);
    let marks = |&byte: &u8| is(b'*', byte) | is(b'_', byte) | is(b'[', byte) | is(b'~', byte);
    text.chunks(u8::MAX.into()).map(|some| usize::from(some.iter().map(marks).sum::<u8>())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::packed::PackedRecord;
    use crate::seed::tests;
    use proptest::prelude::*;

    fn base() -> Url {
        Url::parse("https://a.example/b/c").unwrap()
    }

    #[test]
    fn body_that_may_have_a_fault_is_not_deferred() {
        for (text, expected) in [
            ("A *b* [c](d).\n\n- e\n  - f\n\n> g\n\n---\n", true),
            ("", true),
            ("a <b>c</b>", false),
            (&"> ".repeat(MAX_COLUMNS / 2), true),
            (&"> ".repeat(MAX_COLUMNS), false),
            (&"\t".repeat(MAX_COLUMNS / 2), false),
            (&format!("a\r{}", "- ".repeat(MAX_COLUMNS)), false),
            (&"*a ".repeat(MAX_MARKS), true),
            (&"*a\n".repeat(MAX_MARKS + 1), false),
            (&"_a ".repeat(MAX_MARKS + 1), false),
            (&"[a ".repeat(MAX_MARKS + 1), false),
            (&"~a ".repeat(MAX_MARKS + 1), false),
            (&"*_[~".repeat(MAX_MARKS), false),
            (&"*a\n\n".repeat(MAX_MARKS + 1), true),
            (&"*a\r\n".repeat(MAX_MARKS + 1), false),
            (&"*a\r".repeat(MAX_MARKS + 1), false),
            (&"*a\r\n\r\n".repeat(MAX_MARKS + 1), true),
            (&"a".repeat(MAX_ADDRESS_BYTES / 40), false),
            (&format!("[^a]: {}", "> ".repeat(300)), false),
            (&"*a\n\u{C}\n".repeat(300), false),
            (&format!("{}\n{}\n{}", "|a".repeat(512), "|-".repeat(512), "a\n".repeat(512)), false),
            (&format!("[r]: /{}\n\n[r] [r] [r]", ",".repeat(50_000)), false),
        ] {
            assert_eq!(DeferredBody::new(text, base().as_str()).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn growth_of_parsed_links_counts() {
        let base = format!("https://a.example/?{}", "'".repeat(1000));
        let text = format!("[a](\u{e9}) {}", ",".repeat(8200));
        assert!(content::sanitize(Markup::Markdown, &text, &Url::parse(&base).unwrap(), &[]).is_err());
        assert!(DeferredBody::new(&text, &base).is_none());
        assert!(DeferredBody::new("[a](\u{e9})", &base).is_some());
    }

    #[test]
    fn deferred_body_gives_the_same_record() {
        let base = base();
        for (yaml, text) in [
            ("excerpt: S\n", "A *b* [c](d)"),
            ("", "A *b*\n\n![](i.png)"),
            ("images: [{url: 'https://a.example/b/i.png'}]\n", "![](i.png)"),
            ("", "---\n"),
        ] {
            let record = tests::record(&format!("title: A\ntopics: t\n{yaml}"));
            let mut eager = record.clone();
            content::add_body(
                &mut eager,
                content::sanitize(Markup::Markdown, text, &base, &[]).unwrap(),
                &base,
            );
            let packed = PackedRecord::new(record.clone(), DeferredBody::new(text, base.as_str()));
            assert_eq!(packed.record(), eager, "{text}");
            assert_eq!(packed.without_body(), record, "{text}");
        }
    }

    proptest! {
        /// A body that is deferred renders without a fault.
        #[test]
        fn deferred_body_has_no_fault(
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
            if DeferredBody::new(&text, &typed).is_some() {
                prop_assert!(content::sanitize(Markup::Markdown, &text, &base, &[]).is_ok(), "{:?}", text);
            }
        }
    }
}
