//! Hides the values of `secured` in text that is shown to people.

use super::fields::{KEYS, SECURED};
use super::split::Notation;

/// Returns the text of a file with every value of `secured` replaced, with as many lines as before.
///
/// It hides too much rather than too little: everything from the word `secured` up to the next line that begins
/// with a known key, whatever stands around it. If any key may be spelled with escapes, it hides every line.
pub(super) fn without_secured(text: &str) -> String {
    let notation = text.lines().next().and_then(Notation::opened_by).unwrap_or(Notation::Yaml);
    let mut hiding = text.lines().any(|line| may_hide_a_key(line, notation));
    let everything = hiding;
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        hiding = everything || (hiding && !notation.is_fence(line) && !begins_with_known_key(line));
        let secured = line.to_ascii_lowercase().find(SECURED);
        match secured.filter(|_| !hiding) {
            Some(start) => {
                shown.push_str(&line[..start + SECURED.len()]);
                shown.push_str(": …\n");
                hiding = true;
            }
            None if hiding => shown.push_str("…\n"),
            None => shown.push_str(line),
        }
    }
    shown
}

/// Returns `true` if a line may have a key that is spelled with escapes or stands after a question mark.
fn may_hide_a_key(line: &str, notation: Notation) -> bool {
    let follows_a_key: &[char] = match notation {
        Notation::Yaml => &[':'],
        Notation::Toml => &['=', '.', ']'],
    };
    let quoted: Vec<_> = line.split('"').collect();
    let escaped = quoted
        .windows(2)
        .any(|pair| pair[0].contains('\\') && pair[1].trim_start().starts_with(follows_a_key));
    escaped || line.trim_start_matches([' ', '-', '[', '{', ',']).starts_with("? ")
}

fn begins_with_known_key(line: &str) -> bool {
    let key = line.split(':').next().filter(|key| key.len() < line.len()).unwrap_or_default();
    KEYS.iter().any(|&known| known == key.trim_end().trim_matches(['"', '\'']) && known != SECURED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secured_value_is_shown() {
        for text in [
            "a: 1\nsecured: \"TOP TOP\"\nheat: 2\n",
            "secured: >\n  TOP\n  TOP\nheat: 2\n",
            "secured: \"TOP\nTOP\n  TOP\"\nheat: 2\n",
            "\"Secured\" : TOP\n  TOP\nheat: 2\n",
            "{a: 1, secured: TOP, b: 2}\n",
            "a:\n  secured: TOP\nheat: 2\n",
            "? secured\n: TOP\nheat: 2\n",
            "\"sec\\u0075red\": TOP?\nheat: 2\n",
            "secured: \"AAA\nabc:TOP\nheat: 2\n",
            "secured:\n- a: \"TOP\n- b: TOP\nheat: 2\n",
            "provider: {name: [x], secured:\nTOP: x}\nheat: 2\n",
            "a: \"unclosed\nsecured: \"TOP;TOP==\"\n---\nheat: 2\n",
            "a: 1\nsecured: |\n+++\nTOP\n---\nheat: 2\n",
            "+++\na = 1\nsecured = \"TOP\"\nb = \"TOP\"\n+++\nheat: 2\n",
            "+++\n[a.secured]\nb = \"\"\"\nTOP\n---\nTOP\"\"\"\n+++\nheat: 2\n",
            "+++\na = {\"sec\\u0075red\" = \"TOP?\"}\nheat: 2\n",
            "+++\n[\"sec\\u0075red\"]\nx = \"TOP?\"\nheat: 2\n",
            "+++\n\"sec\\u0075red\" . x = \"TOP?\"\nheat: 2\n",
        ] {
            let shown = without_secured(text);
            assert!(!shown.contains("TOP"), "{shown}");
            assert_eq!(shown.lines().count(), text.lines().count(), "{shown}");
            assert!(shown.contains("heat: 2") || text.starts_with('{') || text.contains('?'), "{shown}");
        }
    }
}
