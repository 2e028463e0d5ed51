//! Addresses in seeds: absolute, http or https, and nothing else.

use url::Url;

use crate::text::allowed_in_xml;

/// An address that a reader can open. A relative one is taken from the publication's own
/// address. One that is a valid URI is kept to the letter, since ids are made of it.
pub(super) fn web(text: &str, base: &Url) -> Option<String> {
    let text = text.trim();
    let url =
        base.join(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    let as_written = Url::parse(text).is_ok() && text.contains("://") && text.bytes().all(is_uri_byte);
    Some(if as_written { text.to_owned() } else { url.into() })
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

/// RFC 3986 §2: the characters of a URI.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Whether an id can stand in `atom:id`: an absolute IRI (RFC 4287 §4.2.6).
pub(super) fn is_iri(text: &str) -> bool {
    Url::parse(text).is_ok()
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
        for text in ["x", "42", "", "a b", "urn:<x>", "/x", "urn:x:\u{FFFE}"] {
            assert!(!is_iri(text), "{text}");
        }
    }
}
