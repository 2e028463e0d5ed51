//! Rules for single values.

use chrono::DateTime;
use html5gum::{Token, Tokenizer};

/// Returns the fault of a value, if it has one.
pub(super) type Rule = fn(&str) -> Result<(), String>;

fn holds(holds: bool, what: &str, value: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("is not {what}: {value:?}")) }
}

pub(super) fn filled(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("is empty".to_owned()) } else { Ok(()) }
}

/// Text that means the same if it is read as HTML, as many feed readers do.
pub(super) fn plain(text: &str) -> Result<(), String> {
    filled(text)?;
    let mut read = Vec::new();
    for Ok(token) in Tokenizer::new(text) {
        match token {
            Token::String(string) => read.extend_from_slice(&string.value),
            Token::Error(_) => {}
            _ => return Err(format!("contains HTML: {text:?}")),
        }
    }
    holds(read == text.as_bytes(), "the same if read as HTML", text)
}

/// An absolute IRI (RFC 3987 §2.2).
pub(super) fn iri(text: &str) -> Result<(), String> {
    let what = "an absolute address";
    let Some((scheme, rest)) = text.split_once(':') else { return holds(false, what, text) };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    holds(is_scheme && !rest.is_empty(), what, text)?;
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
        None => ("", rest),
    };
    // RFC 3986 §3.2.2: brackets enclose an IP address and stand nowhere else.
    let within = |part: &str, brackets: &str| {
        part.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || "-._~:/?#@!$&'()*+,;=%".contains(c)
                || brackets.contains(c)
                || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
        })
    };
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|c| c.is_ascii_hexdigit());
    let is_written_well = within(authority, "[]")
        && within(path, "")
        && text.split('%').skip(1).all(is_escape)
        && text.matches('#').count() <= 1;
    holds(is_written_well, "made of characters that addresses may contain", text)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" | "https" => {
            let host = authority.rsplit('@').next().unwrap_or_default();
            holds(!host.is_empty() && !host.starts_with(':'), "an address with a host", text)
        }
        "tag" => tag(rest, text),
        "urn" => {
            let parts: Vec<_> = rest.splitn(2, ':').collect();
            holds(matches!(*parts, [space, name] if space.len() > 1 && !name.is_empty()), "a URN", text)
        }
        _ => Ok(()),
    }
}

/// RFC 4151 §2.1.
fn tag(rest: &str, text: &str) -> Result<(), String> {
    let well_made = rest.split_once(':').and_then(|(entity, _)| {
        let (authority, date) = entity.split_once(',')?;
        let host = authority.rsplit('@').next()?;
        let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
        let lengths: Vec<_> = date.split('-').map(str::len).collect();
        let is_date = matches!(*lengths, [4] | [4, 2] | [4, 2, 2])
            && date.bytes().all(|c| c.is_ascii_digit() || c == b'-');
        Some(is_host && is_date)
    });
    holds(well_made == Some(true) && text.is_ascii(), "a tag", text)
}

/// An absolute URI (RFC 3986 §4.3).
pub(super) fn uri(text: &str) -> Result<(), String> {
    iri(text)?;
    holds(text.is_ascii(), "an address in ASCII", text)
}

/// An absolute http or https URL.
pub(super) fn web(text: &str) -> Result<(), String> {
    uri(text)?;
    holds(is_web(text), "an http or https address", text)
}

pub(super) fn is_web(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// An id. Ids are compared byte by byte and should be in normal form (RFC 4287 §4.2.6.1).
pub(super) fn normal_iri(text: &str) -> Result<(), String> {
    iri(text)?;
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(()) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let usual_port = if scheme == "https" { ":443" } else { ":80" };
    let path_alone = path.split(['?', '#']).next().unwrap_or_default();
    let is_normal = !scheme.contains(|c: char| c.is_ascii_uppercase())
        && !authority.contains(|c: char| c.is_ascii_uppercase())
        && !authority.ends_with(usual_port)
        && path.starts_with('/')
        && !path_alone.split('/').any(|segment| segment == "." || segment == "..");
    holds(is_normal, "in its normal form", text)
}

/// RFC 822 §5 with the four-digit years of RFC 1123 §5.2.14.
pub(super) fn rfc822(text: &str) -> Result<(), String> {
    let Ok(read) = DateTime::parse_from_rfc2822(text) else { return holds(false, "an RFC 822 date", text) };
    let spellings = ["%a, %d %b %Y %H:%M:%S", "%a, %-d %b %Y %H:%M:%S"];
    let written_so = spellings.iter().any(|spelling| {
        text.strip_prefix(&*read.format(spelling).to_string())
            .is_some_and(|zone| zone == " GMT" || zone == read.format(" %z").to_string())
    });
    holds(written_so, "an RFC 822 date as the profile spells it", text)
}

/// RFC 3339 §5.6, with the upper case of RFC 4287 §3.3.
pub(super) fn rfc3339(text: &str) -> Result<(), String> {
    let spelled = text.chars().all(|c| c.is_ascii_digit() || "-:.+TZ".contains(c));
    holds(spelled && DateTime::parse_from_rfc3339(text).is_ok(), "an RFC 3339 date", text)
}

/// RFC 5646 §2.1, abridged.
pub(super) fn language(text: &str) -> Result<(), String> {
    let mut parts = text.split('-');
    let primary = parts
        .next()
        .is_some_and(|part| matches!(part.len(), 2 | 3) && part.bytes().all(|c| c.is_ascii_lowercase()));
    let rest =
        parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|c| c.is_ascii_alphanumeric()));
    holds(primary && rest, "a language", text)
}

/// RFC 6838 §4.2, with optional parameters.
pub(super) fn media_type(text: &str) -> Result<(), String> {
    let is_name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let well_made = essence.split_once('/').is_some_and(|(kind, name)| is_name(kind) && is_name(name));
    holds(well_made, "a media type", text)
}

pub(super) fn count(text: &str) -> Result<(), String> {
    holds(!text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()), "a whole number", text)
}

pub(super) fn positive(text: &str) -> Result<(), String> {
    count(text)?;
    holds(text.bytes().any(|c| c != b'0'), "a positive number", text)
}

pub(super) fn number(text: &str) -> Result<(), String> {
    holds(text.parse::<f64>().is_ok_and(|number| number >= 0.0), "a number", text)
}

pub(super) fn flag(text: &str) -> Result<(), String> {
    holds(matches!(text, "true" | "false"), "true or false", text)
}

pub(super) fn e_mail(text: &str) -> Result<(), String> {
    let address = text.split(' ').next().unwrap_or_default();
    let well_made = address.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.'));
    holds(well_made, "an e-mail address", text)
}

/// The name of a person. The validator warns about an address in its place.
pub(super) fn name(text: &str) -> Result<(), String> {
    plain(text)?;
    holds(e_mail(text).is_err(), "a name", text)
}

#[test]
fn every_value_rule_accepts_and_refuses() {
    let rules: [(Rule, &[&str], &[&str]); 12] = [
        (plain, &["a", "AT&T, a < b > c", "]]>"], &["", " ", "<b>", "</b>", "a<!-- b -->", "&amp;", "&#65;"]),
        (
            iri,
            &[
                "a:b",
                "https://ä.example/ö",
                "http://[::1]:8080/a?b#c",
                "urn:isbn:1",
                "tag:a@b.example,2020:c",
            ],
            &[
                "a",
                ":a",
                "1a:b",
                "a:",
                "https://",
                "https:a",
                "https://:80/",
                "https://a.example/a b",
                "https://a.example/%2",
                "https://a.example/%é",
                "https://a.example/[b]",
                "https://a.example/#b#c",
                "https://a.example/<b>",
                "urn:isbn",
                "tag:b.example:c",
                "tag:b.example,20:c",
                "tag:b.example,2020:ä",
            ],
        ),
        (
            web,
            &["https://a.example", "http://a.example/b"],
            &["https://ä.example/", "ftp://a.example/", "/a"],
        ),
        (
            normal_iri,
            &["https://a.example/", "tag:a.example,2020:B", "http://a.example/B..c?../d"],
            &[
                "https://a.example",
                "HTTPS://a.example/",
                "https://A.example/",
                "https://a.example:443/",
                "http://a.example:80/",
                "http://a.example/b/./c",
                "http://a.example/..",
            ],
        ),
        (
            rfc822,
            &["Fri, 07 Aug 2020 16:44:36 GMT", "Fri, 7 Aug 2020 16:44:36 -0730"],
            &[
                "Sat, 07 Aug 2020 16:44:36 GMT",
                "Fri, 07 Aug 20 16:44:36 GMT",
                "Fri, 07 aug 2020 16:44:36 GMT",
                "Fri, 07 Aug 2020 16:44:36",
                "Fri, 32 Aug 2020 16:44:36 GMT",
                "Fri, 07 Aug 2020 16:44:36 GMT (a)",
            ],
        ),
        (
            rfc3339,
            &["2020-08-07T16:44:36Z", "2020-08-07T16:44:36.5+02:00"],
            &["2020-08-07", "2020-08-07T16:44:36", "2020-08-07t16:44:36z", "2020-02-30T16:44:36Z"],
        ),
        (language, &["en", "de-AT", "zh-Hans-CN", "gsw"], &["", "EN", "english", "en_GB", "en-"]),
        (media_type, &["a/b", "image/svg+xml", "text/html; charset=utf-8"], &["", "a", "a/", "/b", "a b/c"]),
        (positive, &["1", "010"], &["", "0", "-1", "1.5", "one"]),
        (flag, &["true", "false"], &["", "yes", "True"]),
        (e_mail, &["a@b.example", "a@b.example (A B)"], &["", "a", "A (a@b.example)", "@b.example", "a@b"]),
        (name, &["A", "A <3 B"], &["", "a@b.example", "<i>A</i>"]),
    ];
    for (rule, good, bad) in rules {
        for value in good {
            assert_eq!(rule(value), Ok(()), "{value}");
        }
        for value in bad {
            assert!(rule(value).is_err(), "{value}");
        }
    }
}
