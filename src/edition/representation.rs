//! Representations: the bytes of a feed or page, with their media type and validators (RFC 9110 §3.2).

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::coding::Coding;
use crate::render::Format;

/// The bytes of one feed in one format, with their media type and validators (RFC 9110 §3.2).
#[derive(Debug)]
pub struct Representation {
    /// The bytes.
    pub body: Bytes,
    /// The media type of the bytes.
    pub media_type: &'static str,
    /// The time of the first publication of these bytes, in whole seconds.
    pub last_modified: SystemTime,
    /// Its own address.
    pub url: String,
    /// The time that caches may keep it, unless another edition is due earlier.
    pub max_age: Duration,
    /// The path of the page about a subscription document, which is what a browser that navigates to the
    /// document's address gets. `None` for all else.
    pub page: Option<String>,
    /// The Content Security Policy of a page.
    pub policy: Option<Arc<str>>,
    /// A hash of the bytes.
    pub hash: u128,
    /// A strong entity tag for each coding. It is made of the hash alone, so that it is the same on every machine and
    /// after every restart.
    entity_tags: [String; Coding::ALL.len()],
    /// The bytes in each coding, encoded on its first request.
    encoded: [OnceLock<Bytes>; Coding::ALL.len()],
}

impl Representation {
    /// Creates a representation of these bytes, without page and policy.
    pub fn new(
        body: impl Into<Bytes>,
        media_type: &'static str,
        url: String,
        last_modified: SystemTime,
        max_age: Duration,
    ) -> Self {
        let body = body.into();
        let hash = xxh3_128(&body);
        Self {
            body,
            media_type,
            last_modified: whole_seconds(last_modified),
            url,
            max_age,
            page: None,
            policy: None,
            hash,
            entity_tags: Coding::ALL.map(|coding| format!("\"{hash:032x}{}\"", coding.suffix())),
            encoded: Default::default(),
        }
    }

    /// Returns the representation with another time of first publication.
    #[must_use]
    pub fn with_last_modified(self, last_modified: SystemTime) -> Self {
        Self { last_modified: whole_seconds(last_modified), ..self }
    }

    /// Returns `true` if it is for people rather than for feed readers.
    pub fn is_page(&self) -> bool {
        self.media_type == Format::Html.media_type()
    }

    /// Returns the entity tag of the bytes in a coding.
    pub fn entity_tag(&self, coding: Coding) -> &str {
        &self.entity_tags[coding as usize]
    }

    /// Returns the bytes in a coding, if they were encoded before.
    pub fn encoded(&self, coding: Coding) -> Option<&Bytes> {
        match coding {
            Coding::Identity => Some(&self.body),
            _ => self.encoded[coding as usize].get(),
        }
    }

    /// Returns the bytes in a coding, encoding them unless that was done before.
    pub fn encode(&self, coding: Coding) -> &Bytes {
        match coding {
            Coding::Identity => &self.body,
            _ => self.encoded[coding as usize].get_or_init(|| coding.encode(&self.body).into()),
        }
    }
}

/// HTTP dates have no fractions of a second, and dates before 1970 make no sense here.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tag_depends_on_the_bytes_alone() {
        let of = |media_type, url: &str, at| {
            Representation::new(b"same".to_vec(), media_type, url.to_owned(), at, Duration::ZERO)
        };
        let early = of("a/b", "https://a.example/", SystemTime::UNIX_EPOCH);
        let late = of("c/d", "", SystemTime::now());
        assert_eq!(early.entity_tag(Coding::Gzip), late.entity_tag(Coding::Gzip));
        assert_eq!(early.entity_tag(Coding::Identity), "\"32e4fc33210edf0a94d0af822e63d179\"");
        assert_eq!(early.entity_tag(Coding::Brotli), "\"32e4fc33210edf0a94d0af822e63d179-br\"");
        assert_eq!(late.last_modified, whole_seconds(late.last_modified));
    }
}
