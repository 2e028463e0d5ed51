//! Addresses in seeds: absolute, http or https, and nothing else.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::text::allowed_in_xml;

/// An address that a reader can open. A relative one is taken from the publication's own
/// address. One that is a valid URI is kept to the letter, since ids are made of it.
pub(super) fn web(text: &str, base: &Url) -> Option<String> {
    let text = text.trim();
    let has_host = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    let is_absolute = is_web(text) && has_host;
    let url = if is_absolute { Url::parse(text) } else { base.join(text) };
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    Some(if is_absolute && uri(text) == text { text.to_owned() } else { uri(url.as_str()).into_owned() })
}

/// An address in content, which may be one to write to as well.
pub(super) fn in_content(text: &str, base: &Url) -> Option<String> {
    let url =
        base.join(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"))?;
    Some(match uri(url.as_str()) {
        Cow::Borrowed(_) => url.into(),
        Cow::Owned(encoded) => encoded,
    })
}

/// An address that must stand for itself: absolute, or from the root of the publication.
///
/// Anything else, `example.com` or `n/a`, would be taken for a page of the publication.
pub(super) fn page(text: &str, base: &Url) -> Option<String> {
    let whole = text.contains("://") || text.trim().starts_with('/');
    if whole { web(text, base) } else { None }
}

/// The site of a domain: a host and nothing else.
pub(super) fn site(domain: &str) -> Option<String> {
    let host = url::Host::parse(domain).ok()?;
    Some(format!("https://{host}"))
}

/// Whether what is an absolute address is one of the web.
pub(super) fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// An address with whatever RFC 3986 forbids where it stands percent-encoded. What parses URLs is more
/// lenient.
fn uri(text: &str) -> Cow<'_, str> {
    let authority = text.find("://").map_or(0, |end| end + "://".len());
    let path = text[authority..].find(['/', '?', '#']).map_or(text.len(), |end| authority + end);
    let fragment = text.find('#').unwrap_or(text.len());
    let is_escape = |at: usize| {
        text.as_bytes().get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    let allowed = |at: usize, byte: u8| match byte {
        b'%' => is_escape(at),
        // §3.2.2: they stand around the number of a host, and nowhere else.
        b'[' | b']' => at < path,
        b'#' => at == fragment,
        _ => {
            matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'&'..=b';')
                || matches!(byte, b'=' | b'?' | b'@' | b'_' | b'~' | b'!' | b'$')
        }
    };
    if text.bytes().enumerate().all(|(at, byte)| allowed(at, byte)) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() + 16);
    for (at, byte) in text.bytes().enumerate() {
        if allowed(at, byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

/// Characters that need no escape in one segment of a path, nor in the specific part of a tag URI (RFC 4151 §2.1).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns text percent-encoded as one segment of a path, or as the specific part of a tag URI.
pub(super) fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// Whether an id can stand in `atom:id`: an absolute IRI (RFC 4287 §4.2.6), in which nothing turns the
/// direction of writing (RFC 3987 §4.1).
pub(super) fn is_iri(text: &str) -> bool {
    let turns = |c| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    Url::parse(text).is_ok()
        && !text.contains(turns)
        && text.chars().all(allowed_in_xml)
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let base = Url::parse("https://example.org/base/").unwrap();
        for (text, expected) in [
            ("https://a.example/x?y=1&z=2#f", Some("https://a.example/x?y=1&z=2#f")),
            ("https://a.example", Some("https://a.example")),
            ("https://a.example//double//slash", Some("https://a.example//double//slash")),
            (" https://a.example/ü x ", Some("https://a.example/%C3%BC%20x")),
            ("https://a.example/[x]?[y]=|#z#[", Some("https://a.example/%5Bx%5D?%5By%5D=%7C#z%23%5B")),
            ("http://[::1]:8080/x?a=%2&b=100%", Some("http://[::1]:8080/x?a=%252&b=100%25")),
            ("//a.example/x", Some("https://a.example/x")),
            ("/x", Some("https://example.org/x")),
            ("x/y.png", Some("https://example.org/base/x/y.png")),
            ("javascript:alert(1)", None),
            ("JAVASCRIPT:alert(1)", None),
            ("java\nscript:alert(1)", None),
            ("data:text/html,x", None),
            ("ftp://a.example/x", None),
            ("https://", None),
            ("https:x", Some("https://example.org/base/x")),
            ("HTTPS://A.example/x", Some("https://a.example/x")),
            ("https:///a.example/x", Some("https://a.example/x")),
        ] {
            assert_eq!(web(text, &base).as_deref(), expected, "{text}");
        }
        for text in ["example.com", "n/a", "", "x y", "https:x", "htps://x y", "mailto:a@b.example"] {
            assert_eq!(page(text, &base), None, "{text}");
        }
        assert_eq!(page("/x", &base).as_deref(), Some("https://example.org/x"));
    }

    #[test]
    fn sites() {
        assert_eq!(site("a.example").as_deref(), Some("https://a.example"));
        assert_eq!(site("例え.example").as_deref(), Some("https://xn--r8jz45g.example"));
        for domain in ["", "a b", "a.example/x", "me@a.example", "a.example:80", "\u{7}@x.com", "a?b"] {
            assert_eq!(site(domain), None, "{domain}");
        }
    }

    #[test]
    fn ids() {
        for text in
            ["urn:uuid:1225c695-cfb8-4ebb-aaaa-80da344efa6a", "tag:a.example,2005:x", "https://a.example/é"]
        {
            assert!(is_iri(text), "{text}");
        }
        for text in ["x", "42", "", "a b", "urn:<x>", "/x", "urn:x:\u{FFFE}", "urn:x:\u{202E}"] {
            assert!(!is_iri(text), "{text}");
        }
    }
}
