//! Takes a summary from the beginning of a body.

use crate::seed::html::segments;
use crate::text::plain;

/// Length of the longest summary, in characters.
const MAX_LENGTH: usize = 300;

/// Returns the beginning of sanitised HTML as plain text, cut at a word, or `None` if it has no text.
pub(super) fn summary_of(html: &str) -> Option<String> {
    let (mut text, mut segments) = (String::new(), segments(html));
    let is_whole = loop {
        // Entities and white space make the source longer than the plain text, so more of it is read.
        match segments.next() {
            None => break true,
            Some(_) if text.len() >= 20 * MAX_LENGTH => break false,
            Some(segment) => {
                text.push_str(segment.text);
                if !segment.tag.is_some_and(|tag| is_within_words(tag.name())) {
                    text.push(' ');
                }
            }
        }
    };
    let text = plain(&text);
    let Some((end, _)) = text.char_indices().nth(MAX_LENGTH) else {
        let cut = if is_whole { "" } else { "…" };
        return Some(text + cut).filter(|text| text != cut);
    };
    let words = text[..end].rsplit_once(' ').map_or(&text[..end], |(words, _)| words);
    Some(format!("{}…", words.trim_end_matches([',', ';', ':', '.', ' '])))
}

/// Returns `true` if an element may begin or end within a word.
fn is_within_words(name: &str) -> bool {
    const INLINE: &[&str] = &[
        "a", "abbr", "b", "bdi", "cite", "code", "del", "dfn", "em", "i", "ins", "kbd", "mark", "q", "s",
        "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
    ];
    INLINE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_plain_text_cut_at_a_word() {
        let long = "word, ".repeat(100);
        let begun = format!("{}word…", "word, ".repeat(49));
        for (html, expected) in [
            ("", None),
            ("<p> </p><img src=\"x\">", None),
            ("<h2>A</h2><p>b <b>c</b>d &amp; &lt;e&gt;</p>", Some("A b cd & <e>")),
            ("<p>one</p><p>two</p>", Some("one two")),
            (long.as_str(), Some(begun.as_str())),
        ] {
            assert_eq!(summary_of(html).as_deref(), expected, "{html}");
        }
        assert!(summary_of(&"x".repeat(100_000)).unwrap().chars().count() <= MAX_LENGTH + 1);
        assert!(summary_of(&"<b></b>".repeat(100_000)).is_none());
    }
}
