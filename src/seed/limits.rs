//! Limits on front matter, which bound the cost of parsing it.

use std::collections::HashSet;

use memchr::memchr2_iter;

/// Size of the largest front matter that is parsed, in bytes.
///
/// Parsing YAML can take time that grows with the square of its length. Below this size the time is
/// negligible.
pub(super) const MAX_SIZE: usize = 16 * 1024;

/// Deepest nesting of brackets that is parsed: the time to parse grows with depth times length.
pub(super) const MAX_DEPTH: usize = 64;

/// Returns `true` if brackets nest deeper than [`MAX_DEPTH`]. Quoted brackets count too.
pub(super) fn is_too_deep(yaml: &str) -> bool {
    // Fast path: most front matter has fewer brackets in all.
    if memchr2_iter(b'[', b'{', yaml.as_bytes()).count() <= MAX_DEPTH {
        return false;
    }
    let mut depth: usize = 0;
    yaml.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_DEPTH
    })
}

/// Returns `true` if the text uses a YAML anchor (`&name`) through an alias (`*name`).
///
/// Aliases can expand a few lines to megabytes, and can copy the value of a skipped field into another.
pub(super) fn has_aliases(yaml: &str) -> bool {
    let names_after = |sign: char| -> HashSet<&str> {
        let starts = yaml.match_indices(sign).filter(|(at, _)| {
            yaml[..*at]
                .chars()
                .next_back()
                .is_none_or(|before| before.is_whitespace() || "[{,:-?".contains(before))
        });
        let ends = |c: char| c.is_whitespace() || "[]{},".contains(c);
        let names = starts.map(|(at, _)| yaml[at + 1..].split(ends).next().unwrap_or_default());
        names.filter(|name| !name.is_empty()).collect()
    };
    let anchors = names_after('&');
    !anchors.is_empty() && names_after('*').iter().any(|alias| anchors.contains(alias.trim_end_matches(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_open_brackets_count_as_depth() {
        for (yaml, expected) in [
            ("[".repeat(MAX_DEPTH), false),
            ("[{".repeat(MAX_DEPTH / 2) + "{", true),
            ("[]".repeat(MAX_DEPTH * 2), false),
            ("[]".repeat(MAX_DEPTH) + &"{".repeat(MAX_DEPTH + 1), true),
            (format!("a: {}", "[".repeat(MAX_DEPTH) + "]["), false),
        ] {
            assert_eq!(is_too_deep(&yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn aliases_need_an_anchor() {
        for yaml in
            ["a: &x b\nc: *x\n", "[&a b, *a]", "secured: &x S\nexcerpt: *x\n", "a: &b\n  c: d\n? *b : 1\n"]
        {
            assert!(has_aliases(yaml), "{yaml}");
        }
        for yaml in ["a: R&D *x*\n", "a: this &x and *y\n", "a: &x b\n", "a: *x\n", "a: 2*x &\n", ""] {
            assert!(!has_aliases(yaml), "{yaml}");
        }
    }
}
