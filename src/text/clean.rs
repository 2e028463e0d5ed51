//! Text fit for feeds and for terminals: what each allows, and nothing that hides in it.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Whether XML 1.0 §2.2 (`Char`) allows a character. A feed with any other is not well-formed,
/// however it is escaped.
pub fn allowed_in_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether XML 1.0 §2.2 discourages a character: a control character that is no white space, which
/// comes from a text that was read in a wrong encoding, or one that is none by definition.
fn discouraged_in_xml(c: char) -> bool {
    matches!(c, '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{FDD0}'..='\u{FDEF}')
        || u32::from(c) & 0xFFFE == 0xFFFE
}

/// The text without the characters that XML forbids or discourages.
pub fn clean(text: &str) -> Cow<'_, str> {
    let kept = |c: char| allowed_in_xml(c) && !discouraged_in_xml(c);
    // The end of a line to some, and a sign of a wrong encoding to others.
    let next_line = |c: char| c == '\u{85}';
    // Nearly all text, looked at sixteen bytes at a time: no way out of the loop.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let all_plain = text.as_bytes().iter().fold(true, |all, byte| all & is_plain(byte));
    if all_plain || text.chars().all(|c| kept(c) && !next_line(c)) {
        Cow::Borrowed(text)
    } else {
        let kept = text.chars().filter(|&c| kept(c));
        Cow::Owned(kept.map(|c| if next_line(c) { ' ' } else { c }).collect())
    }
}

/// One line of plain text from what a seed or a configuration says: entities decoded once,
/// forbidden characters taken out, white space folded. Characters that turn the direction of
/// writing are taken out too, unless each is closed: what follows the text would turn with it.
///
/// Entities without a semicolon stay as they are, so that `AT&T` and `?a=1&copy=2` survive. A
/// no-break space is a choice of the writer's and is kept.
pub fn plain(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let decoded = htmlize::unescape_attribute(text);
    let mut folded = String::with_capacity(decoded.len());
    for word in level(clean(&decoded)).split(is_fold).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// Whether a text is one line of plain text already, which most are that are ASCII.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'%' | b'\''..=b'~');
    let all_plain = bytes.iter().fold(true, |all, byte| all & is_plain(byte));
    let is_trimmed = !text.starts_with(' ') && !text.ends_with(' ');
    all_plain && is_trimmed && !bytes.windows(2).any(|pair| pair == b"  ")
}

/// The text without characters that turn the direction of writing, if one of them is not closed
/// (Unicode Standard Annex 9, 3.3.2).
fn level(text: Cow<'_, str>) -> Cow<'_, str> {
    const EMBED: RangeInclusive<char> = '\u{202A}'..='\u{202E}';
    const ISOLATE: RangeInclusive<char> = '\u{2066}'..='\u{2069}';
    let mut open = Vec::new();
    let closed = text.chars().all(|c| match c {
        '\u{202C}' | '\u{2069}' => open.pop() == Some(c),
        _ => {
            open.extend(EMBED.contains(&c).then_some('\u{202C}'));
            open.extend(ISOLATE.contains(&c).then_some('\u{2069}'));
            true
        }
    });
    if closed && open.is_empty() {
        text
    } else {
        Cow::Owned(text.replace(|c| EMBED.contains(&c) || ISOLATE.contains(&c), ""))
    }
}

fn is_fold(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' ' | '\u{2028}' | '\u{2029}')
}

/// Text as it may be shown on a terminal or in a log: control characters, and those that turn the
/// direction of writing, replaced, so that no seed can move a cursor or disguise a line.
pub fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        (c.is_control() && c != '\t') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(harmful) { Cow::Owned(text.replace(harmful, "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// `1 seed`, `2 seeds`: a number and its noun.
pub fn count(number: usize, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => return format!("1 {noun}"),
        "entry" => "entries".to_owned(),
        _ => format!("{noun}s"),
    };
    format!("{number} {plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_decoded_once_cleaned_and_folded() {
        for (given, expected) in [
            ("organization&#8217;s", "organization\u{2019}s"),
            ("&amp;quot;x&amp;quot;", "&quot;x&quot;"),
            ("AT&T &amp; ?a=1&copy=2", "AT&T & ?a=1&copy=2"),
            ("  a\r\n\tb \u{2028} c ", "a b c"),
            ("a&#0;b\u{0}c\u{7}d\u{FFFE}e", "a\u{FFFD}bcde"),
            ("a&#10;&#9;b", "a b"),
            ("a\u{80}b\u{85}c\u{7F}d\u{9F}\u{FDD0}\u{1FFFF}e&#150;f", "ab cde\u{2013}f"),
            ("Pourquoi\u{A0}?", "Pourquoi\u{A0}?"),
            ("<b>bold</b>", "<b>bold</b>"),
            ("a\u{202E}b", "ab"),
            ("a\u{202C}b\u{2067}c", "abc"),
            ("a\u{2067}b\u{202B}c\u{2069}", "abc"),
            ("\u{2067}a\u{202B}b\u{202C}\u{2069}\u{200F}c", "\u{2067}a\u{202B}b\u{202C}\u{2069}\u{200F}c"),
            ("&nosuch; &", "&nosuch; &"),
            ("as it is, ~ and all", "as it is, ~ and all"),
            (" before", "before"),
            ("after ", "after"),
            ("be  tween", "be tween"),
            ("", ""),
        ] {
            assert_eq!(plain(given), expected, "{given:?}");
        }
    }

    #[test]
    fn what_reaches_a_terminal_cannot_steer_it() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202E}d"), "a\u{FFFD}[31mb\u{FFFD}c\u{FFFD}d");
        assert_eq!(printable("plain\ttext"), "plain\ttext");
    }
}
