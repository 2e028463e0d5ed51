//! Editions: everything that is served at one instant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use crate::feed::Entries;
use crate::seed::Timestamp;

/// The bytes of one feed in one format, with what describes and validates them (RFC 9110 §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Representation {
    /// The bytes.
    pub body: Bytes,
    /// Their media type.
    pub media_type: &'static str,
    /// A strong entity tag in its quotes: a hash of the bytes and nothing else, so that it is the
    /// same on every machine and after every restart.
    pub entity_tag: String,
    /// When these bytes were first published, to the second.
    pub last_modified: SystemTime,
    /// Its own address.
    pub url: String,
    /// What is known of it if it is an archive document (RFC 5005 §4).
    pub archive: Option<Archive>,
}

/// What is known of an archive document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    /// Whether a newer month is archived, so that no new entry is expected in this one.
    pub settled: bool,
    /// When the first of its entries expires.
    pub until: Option<Timestamp>,
}

impl Representation {
    /// A representation of these bytes.
    pub fn new(body: Vec<u8>, media_type: &'static str, url: String, last_modified: SystemTime) -> Self {
        let entity_tag = format!("\"{:032x}\"", xxh3_128(&body));
        let last_modified = whole_seconds(last_modified);
        Self { body: Bytes::from(body), media_type, entity_tag, last_modified, url, archive: None }
    }
}

/// HTTP dates have no fractions of a second, and none before 1970 make sense here.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Everything that is served at one instant: immutable, and swapped as a whole.
#[derive(Debug, Clone)]
pub struct Edition {
    /// 1 for the first edition of a process, then one more for each with other bytes or addresses.
    pub number: u64,
    /// By path, not encoded and without the leading slash: `topics/机器学习.atom`.
    pub representations: BTreeMap<String, Arc<Representation>>,
    /// When another edition is due although no seed has changed.
    pub next_due: Option<Timestamp>,
    /// What queries in addresses pick from.
    pub entries: Arc<Entries>,
    /// One more each time the entries may be others.
    pub generation: u64,
    /// Since when the entries are what they are.
    pub since: SystemTime,
}

impl Default for Edition {
    fn default() -> Self {
        Self {
            number: 0,
            representations: BTreeMap::new(),
            next_due: None,
            entries: Arc::default(),
            generation: 0,
            since: SystemTime::UNIX_EPOCH,
        }
    }
}

impl Edition {
    /// What is served at a path, not encoded and with its leading slash.
    pub fn get(&self, path: &str) -> Option<&Arc<Representation>> {
        self.representations.get(path.strip_prefix('/')?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_of_the_bytes_alone() {
        let early = Representation::new(
            b"same".to_vec(),
            "a/b",
            "https://a.example/".to_owned(),
            SystemTime::UNIX_EPOCH,
        );
        let late = Representation::new(b"same".to_vec(), "c/d", String::new(), SystemTime::now());
        assert_eq!(early.entity_tag, late.entity_tag);
        assert_eq!(early.entity_tag, "\"32e4fc33210edf0a94d0af822e63d179\"");
        assert_eq!(late.last_modified, whole_seconds(late.last_modified));
    }
}
