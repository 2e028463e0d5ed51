//! Preconditions: RFC 9110 §13. What they decide are outcomes, not errors.

use std::time::SystemTime;

use hyper::header::HeaderValue;

use super::fields::{Field, Fields};

/// What the preconditions of a GET or HEAD decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Answer as if there were none.
    Proceed,
    /// 304: the client has these bytes.
    NotModified,
    /// 412: what the client wants is not what is here.
    Failed,
}

/// Evaluates the preconditions of a GET or HEAD for a representation that exists, in the order of
/// §13.2.2. A field that is not valid counts as absent (§13.1.3, §13.1.4).
pub(super) fn evaluate(fields: &Fields<'_>, entity_tag: &HeaderValue, last_modified: SystemTime) -> Outcome {
    let entity_tag = entity_tag.as_bytes();
    if fields.has(Field::IfMatch) {
        if !any_tag(fields, Field::IfMatch, |tag| strong(tag) && tag == entity_tag) {
            return Outcome::Failed;
        }
    } else if date(fields, Field::IfUnmodifiedSince).is_some_and(|date| last_modified > date) {
        return Outcome::Failed;
    }
    let not_modified = if fields.has(Field::IfNoneMatch) {
        any_tag(fields, Field::IfNoneMatch, |tag| is_same(opaque(tag), entity_tag))
    } else {
        date(fields, Field::IfModifiedSince).is_some_and(|date| last_modified <= date)
    };
    if not_modified { Outcome::NotModified } else { Outcome::Proceed }
}

/// Whether a client says what it has.
pub(super) fn has_validators(fields: &Fields<'_>) -> bool {
    fields.has(Field::IfNoneMatch) || fields.has(Field::IfModifiedSince)
}

/// §8.8.3.2: strong comparison needs both tags to be strong. Ours always are.
fn strong(tag: &[u8]) -> bool {
    !tag.starts_with(b"W/")
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether a tag is that of the same bytes: ours, or what a proxy that coded them made of it. Those
/// add `-gzip` and take it off again only sometimes.
fn is_same(tag: &[u8], entity_tag: &[u8]) -> bool {
    let suffixed = || Some((tag.strip_suffix(b"-gzip\"")?, entity_tag.strip_suffix(b"\"")?));
    tag == entity_tag || suffixed().is_some_and(|(tag, ours)| tag == ours)
}

/// Whether `*` or a tag of the list that fits stands in any line of a field.
fn any_tag(fields: &Fields<'_>, field: Field, fits: impl Fn(&[u8]) -> bool) -> bool {
    // Nearly every poll has one tag, the right one: what fits as a whole is no list.
    if fields.get(field).is_some_and(|line| fits(line.as_bytes())) {
        return true;
    }
    let mut lines = fields.lines(field).map(|line| line.as_bytes().trim_ascii());
    lines.any(|line| line == b"*" || tags(line).any(&fits))
}

/// The entity tags of a list, with their quotes, up to the first thing that is none (§8.8.3).
/// A comma may stand within a tag, and bytes that are no ASCII.
fn tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let begin = rest.iter().position(|byte| !b", \t".contains(byte))?;
        rest = &rest[begin..];
        let quote = if rest.starts_with(b"W/") { 2 } else { 0 };
        let text = rest[quote..].strip_prefix(b"\"")?;
        let end = quote + 2 + text.iter().position(|&byte| byte == b'"')?;
        let (tag, after) = rest.split_at(end);
        rest = after;
        Some(tag)
    })
}

fn date(fields: &Fields<'_>, field: Field) -> Option<SystemTime> {
    httpdate::parse_http_date(fields.only(field)?.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::HeaderMap;
    use hyper::header::HeaderName;
    use proptest::prelude::*;
    use std::time::Duration;

    const TAG: &str = "\"abc\"";

    fn outcome(fields: &[(&str, &str)]) -> Outcome {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                name.parse::<HeaderName>().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        evaluate(
            &Fields::of(&headers),
            &HeaderValue::from_static(TAG),
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        )
    }

    #[test]
    fn preconditions() {
        use Outcome::{Failed, NotModified, Proceed};
        let (same, before, after) = (
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:36 GMT",
            "Fri, 31 Dec 2100 23:59:59 GMT",
        );
        for (fields, expected) in [
            (&[][..], Proceed),
            (&[("if-none-match", "\"abc\"")], NotModified),
            (&[("if-none-match", "W/\"abc\"")], NotModified),
            (&[("if-none-match", "\"abc-gzip\"")], NotModified),
            (&[("if-none-match", "W/\"abc-gzip\"")], NotModified),
            (&[("if-none-match", "\"abc-gz\"")], Proceed),
            (&[("if-match", "\"abc-gzip\"")], Failed),
            (&[("if-none-match", "\"x\", \"a,b\" ,W/\"abc\"")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", "\"abc\"")], NotModified),
            (&[("if-none-match", "\"\u{e4}\", \"abc\"")], NotModified),
            (&[("if-none-match", "\u{e4}, \"abc\"")], Proceed),
            (&[("if-none-match", "W/")], Proceed),
            (&[("if-none-match", " * ")], NotModified),
            (&[("if-none-match", "\"x\"")], Proceed),
            (&[("if-none-match", "abc")], Proceed),
            (&[("if-none-match", "\"abc")], Proceed),
            (&[("if-none-match", "")], Proceed),
            (&[("if-none-match", "\"x\""), ("if-modified-since", after)], Proceed),
            (&[("if-none-match", "\"abc\""), ("if-modified-since", before)], NotModified),
            (&[("if-modified-since", same)], NotModified),
            (&[("if-modified-since", after)], NotModified),
            (&[("if-modified-since", before)], Proceed),
            (&[("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified),
            (&[("if-modified-since", "Sun Nov  6 08:49:37 1994")], NotModified),
            (&[("if-modified-since", "yesterday")], Proceed),
            (&[("if-modified-since", same), ("if-modified-since", same)], Proceed),
            (&[("if-match", "\"abc\"")], Proceed),
            (&[("if-match", "*")], Proceed),
            (&[("if-match", "W/\"abc\"")], Failed),
            (&[("if-match", "\"x\"")], Failed),
            (&[("if-match", "\"x\""), ("if-none-match", "\"abc\"")], Failed),
            (&[("if-match", "\"abc\""), ("if-none-match", "\"abc\"")], NotModified),
            (&[("if-match", "\"abc\""), ("if-unmodified-since", before)], Proceed),
            (&[("if-unmodified-since", before)], Failed),
            (&[("if-unmodified-since", same)], Proceed),
            (&[("if-unmodified-since", "nonsense")], Proceed),
        ] {
            assert_eq!(outcome(fields), expected, "{fields:?}");
        }
    }

    proptest! {
        #[test]
        fn any_list_with_the_tag_matches(
            before in proptest::collection::vec("[!#-~]{0,8}", 0..4),
            after in proptest::collection::vec("[!#-~]{0,8}", 0..4),
            weak in any::<bool>(),
        ) {
            let quoted = |tags: Vec<String>| tags.into_iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>();
            let tag = if weak { format!("W/{TAG}") } else { TAG.to_owned() };
            let list = [quoted(before), vec![tag], quoted(after)].concat().join(", ");
            prop_assert_eq!(outcome(&[("if-none-match", &list)]), Outcome::NotModified);
        }

        #[test]
        fn nonsense_never_panics(line in "[ -~\t\u{80}-\u{ff}]{0,40}|[W/\"*, a]{0,10}") {
            let _ = outcome(&[("if-none-match", &line), ("if-modified-since", &line)]);
            let _ = outcome(&[("if-match", &line), ("if-unmodified-since", &line)]);
        }
    }
}
