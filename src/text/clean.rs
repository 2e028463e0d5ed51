//! Cleans text for feeds and terminals.

use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Returns `true` if XML 1.0 §2.2 (`Char`) allows a character. A feed with any other is not well-formed, even if the
/// character is escaped.
pub fn allowed_in_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Returns `true` if XML 1.0 §2.2 discourages a character: a control character, which usually comes from decoding text
/// with the wrong encoding, or a noncharacter of Unicode.
fn discouraged_in_xml(c: char) -> bool {
    matches!(c, '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{FDD0}'..='\u{FDEF}')
        || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Returns the text without the characters that XML forbids or discourages.
pub fn clean(text: &str) -> Cow<'_, str> {
    let kept = |c: char| allowed_in_xml(c) && !discouraged_in_xml(c);
    // U+0085 ends a line by Unicode, and may also come from a wrong encoding.
    let next_line = |c: char| c == '\u{85}';
    // Fast path. Without an early exit the compiler vectorises the loop.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
    let all_plain = text.as_bytes().iter().fold(true, |all, byte| all & is_plain(byte));
    if all_plain || text.chars().all(|c| kept(c) && !next_line(c)) {
        Cow::Borrowed(text)
    } else {
        let kept = text.chars().filter(|&c| kept(c));
        Cow::Owned(kept.map(|c| if next_line(c) { ' ' } else { c }).collect())
    }
}

/// Returns a text as one line of plain text: entities are decoded once, forbidden characters removed, and white space
/// folded. Characters that change the direction of text are removed if one of them is not closed, since they would
/// affect the text that follows.
///
/// Entities without a semicolon are kept, so that `AT&T` and `?a=1&copy=2` survive. A no-break space is kept too.
pub fn plain(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let decoded = htmlize::unescape_attribute(text);
    let mut folded = String::with_capacity(decoded.len());
    for word in without_open_direction(clean(&decoded)).split(is_folded).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// Returns `true` if a text certainly is one line of plain text, as most ASCII text is.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'%' | b'\''..=b'~');
    let all_plain = bytes.iter().fold(true, |all, byte| all & is_plain(byte));
    let is_trimmed = !text.starts_with(' ') && !text.ends_with(' ');
    all_plain && is_trimmed && !bytes.windows(2).any(|pair| pair == b"  ")
}

/// Returns the text without characters that change the direction of text, if one of them is not closed (Unicode
/// Standard Annex 9, 3.3.2).
fn without_open_direction(text: Cow<'_, str>) -> Cow<'_, str> {
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

fn is_folded(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' ' | '\u{2028}' | '\u{2029}')
}

/// Returns text for a terminal or a log: control characters, and those that change the direction of text, are
/// replaced, so that a seed can neither move the cursor nor disguise a line.
pub fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        (c.is_control() && c != '\t') || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(harmful) { Cow::Owned(text.replace(harmful, "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

/// Returns a number and its noun: `1 seed`, `2 seeds`.
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
    fn printable_text_has_no_control_characters() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202E}d"), "a\u{FFFD}[31mb\u{FFFD}c\u{FFFD}d");
        assert_eq!(printable("plain\ttext"), "plain\ttext");
    }
}
