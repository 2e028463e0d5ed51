//! Kinds of values: the parser of each, and the phrase that describes it in an error.

use std::time::Duration;

use url::{Host, Url};

use crate::config::criteria::is_language_tag;
use crate::text::plain;

/// The value that turns a setting off.
pub(super) const OFF: &str = "off";

/// A kind of value.
pub(super) struct Kind<T> {
    /// The phrase after "expected" in an error.
    pub(super) expected: &'static str,
    /// Parses a trimmed value. Returns `None` if it is invalid.
    pub(super) parse: fn(&str) -> Option<T>,
}

/// The part of a record that its entries show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentLength {
    /// The whole body.
    Full,
    /// The excerpt instead of the body.
    Excerpt,
}

/// The way in which changes of seeds are detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// By file system events and an occasional rescan.
    Events,
    /// By rescans alone: network file systems send no events.
    Poll,
}

pub(super) const TEXT: Kind<String> =
    Kind { expected: "text", parse: |text| Some(plain(text)).filter(|text| !text.is_empty()) };

pub(super) const SWITCH: Kind<bool> = Kind { expected: "`true` or `false`", parse: |text| text.parse().ok() };

pub(super) const LANGUAGE: Kind<String> = Kind {
    expected: "a language tag such as `en` or `pt-BR`",
    parse: |text| is_language_tag(text).then(|| text.to_owned()),
};

/// The largest number of entries in a feed.
pub(super) const MAX_ENTRIES: usize = 100_000;

pub(super) const ENTRIES: Kind<usize> = Kind {
    expected: "a number from 1 to 100000",
    parse: |text| text.parse().ok().filter(|number| (1..=MAX_ENTRIES).contains(number)),
};

pub(super) const CONTENT: Kind<ContentLength> = Kind {
    expected: "`full` or `excerpt`",
    parse: |text| match text {
        "full" => Some(ContentLength::Full),
        "excerpt" => Some(ContentLength::Excerpt),
        _ => None,
    },
};

pub(super) const WATCH: Kind<Watching> = Kind {
    expected: "`events` or `poll`",
    parse: |text| match text {
        "events" => Some(Watching::Events),
        "poll" => Some(Watching::Poll),
        _ => None,
    },
};

pub(super) const PICTURE: Kind<String> = Kind {
    expected: "an http or https address, such as `https://example.org/icon.png`",
    parse: |text| {
        let url = Url::parse(text).ok()?;
        matches!(url.scheme(), "http" | "https").then(|| url.into())
    },
};

pub(super) const COLOUR: Kind<[u8; 3]> = Kind { expected: "a colour such as `\"#a63f06\"`", parse: colour };

pub(super) const FRAME_HOSTS: Kind<Vec<String>> =
    Kind { expected: "host names, such as `www.youtube.com`, or `off`", parse: host_names };

pub(super) const MAX_AGE: Kind<Duration> = Kind {
    expected: "a time of at most a year, such as `15m`, `2h` or `90s`",
    parse: |text| humantime::parse_duration(text).ok().filter(|time| *time <= YEAR),
};

pub(super) const SIZE: Kind<u64> =
    Kind { expected: "a size such as `1MiB`, `200KiB` or a number of bytes", parse: size };

pub(super) const PUBLICATION_URL: Kind<Url> = Kind {
    expected: "an http or https address without `?` or `#`, such as `https://feeds.example.org/`",
    parse: publication_url,
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    (!digits.starts_with('+')).then_some([red, green, blue])
}

fn host_names(text: &str) -> Option<Vec<String>> {
    if text == OFF {
        return Some(Vec::new());
    }
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Host::parse(name).ok().map(|host| host.to_string())).collect()
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" | "kb" => 1 << 10,
        "m" | "mib" | "mb" => 1 << 20,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=1 << 30).contains(&bytes).then_some(bytes)
}

fn publication_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let is_valid = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    is_valid.then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publication_url_ends_with_a_slash() {
        for (text, expected) in [
            ("https://example.org", Some("https://example.org/")),
            ("https://example.org/feeds", Some("https://example.org/feeds/")),
            ("https://example.org/?a", None),
            ("ftp://example.org", None),
            ("example.org", None),
            ("https://me:secret@example.org", None),
        ] {
            assert_eq!(publication_url(text).map(String::from).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (text, expected) in [
            ("1MiB", Some(1 << 20)),
            ("200 KiB", Some(204_800)),
            ("5", Some(5)),
            ("0", None),
            ("1GiB", None),
            ("x", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }
}
