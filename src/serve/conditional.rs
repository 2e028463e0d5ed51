//! Preconditions (RFC 9110 §13). Failed ones are outcomes, not errors.

use std::time::SystemTime;

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

/// The outcome of the preconditions of a GET or HEAD request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The response is the same as without preconditions.
    Proceed,
    /// 304: the client has these bytes.
    NotModified,
    /// 412: the client asks for another version.
    Failed,
}

/// Evaluates the preconditions of a GET or HEAD request for a representation, in the order of §13.2.2. An invalid
/// field counts as absent (§13.1.3, §13.1.4).
pub(super) fn evaluate(headers: &HeaderMap, entity_tag: &str, last_modified: SystemTime) -> Outcome {
    let entity_tag = entity_tag.as_bytes();
    if headers.contains_key(IF_MATCH) {
        if !any_tag(headers, &IF_MATCH, |tag| is_strong(tag) && tag == entity_tag) {
            return Outcome::Failed;
        }
    } else if date(headers, &IF_UNMODIFIED_SINCE).is_some_and(|date| last_modified > date) {
        return Outcome::Failed;
    }
    let not_modified = if headers.contains_key(IF_NONE_MATCH) {
        any_tag(headers, &IF_NONE_MATCH, |tag| matches_weakly(tag, entity_tag))
    } else {
        date(headers, &IF_MODIFIED_SINCE).is_some_and(|date| last_modified <= date)
    };
    if not_modified { Outcome::NotModified } else { Outcome::Proceed }
}

/// Returns `true` if the client sends a validator of a response that it has.
pub(super) fn has_validators(headers: &HeaderMap) -> bool {
    headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MODIFIED_SINCE)
}

/// Returns `true` if strong comparison (§8.8.3.2) may match the tag. Our own tags are always strong.
fn is_strong(tag: &[u8]) -> bool {
    !tag.starts_with(b"W/")
}

/// Compares weakly. A proxy that compresses appends `-gzip` to the tag, and not every one removes it again.
fn matches_weakly(tag: &[u8], entity_tag: &[u8]) -> bool {
    let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
    let without_suffix = || Some((tag.strip_suffix(b"-gzip\"")?, entity_tag.strip_suffix(b"\"")?));
    tag == entity_tag || without_suffix().is_some_and(|(tag, ours)| tag == ours)
}

/// Returns `true` if any line of a field is `*` or lists a tag that matches.
fn any_tag(headers: &HeaderMap, name: &HeaderName, matches: impl Fn(&[u8]) -> bool) -> bool {
    let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes().trim_ascii());
    lines.any(|line| line == b"*" || tags(line).any(&matches))
}

/// Iterates over the entity tags of a list, with their quotes, up to the first invalid one. A tag may contain commas
/// and bytes that are not ASCII (§8.8.3).
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

/// Returns the date in the only line of a field.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut lines = headers.get_all(name).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?;
    httpdate::parse_http_date(line.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
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
        evaluate(&headers, TAG, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn preconditions_are_evaluated_in_order() {
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
        fn list_with_the_tag_matches(
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
        fn invalid_field_never_panics(line in "[ -~\t\u{80}-\u{ff}]{0,40}|[W/\"*, a]{0,10}") {
            let _ = outcome(&[("if-none-match", &line), ("if-modified-since", &line)]);
            let _ = outcome(&[("if-match", &line), ("if-unmodified-since", &line)]);
        }
    }
}
