//! Addresses in seeds: absolute, with http or https.

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::text::allowed_in_xml;

/// Returns the absolute address with http or https. One that is a valid URI already is kept to the letter, since ids
/// are made of it.
pub(super) fn web(text: &str, base: &Url) -> Option<String> {
    let text = text.trim();
    let has_host = text.split_once("://").is_some_and(|(_, rest)| !rest.starts_with('/'));
    let is_absolute = is_web(text) && has_host;
    let url = if is_absolute { Url::parse(text) } else { base.join(text) };
    let url = url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    Some(if is_absolute && uri(text) == text { text.to_owned() } else { uri(url.as_str()).into_owned() })
}

/// Returns the absolute address for a link in content, with http, https or `mailto:`.
pub(super) fn in_content(text: &str, base: &Url) -> Option<String> {
    let url =
        base.join(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https" | "mailto"))?;
    Some(match uri(url.as_str()) {
        Cow::Borrowed(_) => url.into(),
        Cow::Owned(encoded) => encoded,
    })
}

/// Returns the address of the page of a record, which is absolute or begins with a slash.
///
/// Anything else, such as `example.com` or `n/a`, would become a page of the publication.
pub(super) fn page(text: &str, base: &Url) -> Option<String> {
    let whole = text.contains("://") || text.trim().starts_with('/');
    if whole { web(text, base) } else { None }
}

/// Returns the site of a domain, which is a host and nothing else.
pub(super) fn site(domain: &str) -> Option<String> {
    let host = url::Host::parse(domain).ok()?;
    Some(format!("https://{host}"))
}

/// Returns `true` if an absolute address has http or https.
pub(super) fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// Percent-encodes the characters of an address that RFC 3986 forbids at their position. The URL parser is more
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
        // RFC 3986 §3.2.2: brackets enclose the address of an IPv6 host, and are forbidden elsewhere.
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

/// Returns `true` if an id is valid in `atom:id`: an absolute IRI (RFC 4287 §4.2.6) without characters that change
/// the direction of text (RFC 3987 §4.1).
pub(super) fn is_iri(text: &str) -> bool {
    let changes_direction =
        |c| matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    Url::parse(text).is_ok()
        && !text.contains(changes_direction)
        && text.chars().all(allowed_in_xml)
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_absolute_with_http_or_https() {
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
    fn site_is_a_host_alone() {
        assert_eq!(site("a.example").as_deref(), Some("https://a.example"));
        assert_eq!(site("例え.example").as_deref(), Some("https://xn--r8jz45g.example"));
        for domain in ["", "a b", "a.example/x", "me@a.example", "a.example:80", "\u{7}@x.com", "a?b"] {
            assert_eq!(site(domain), None, "{domain}");
        }
    }

    #[test]
    fn id_is_an_absolute_iri() {
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
