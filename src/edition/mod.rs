//! Editions: everything that is served at one instant.

pub mod coding;
pub mod per_core;
pub mod audience;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderValue, Response};
use imbl::OrdMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::catalog::Entries;
use crate::config::Config;
use crate::edition::audience::Audience;
use crate::edition::coding::Coding;
use crate::edition::per_core::PerCore;
use crate::render::Format;
use crate::seed::Timestamp;

/// The bytes of one feed in one format, with what describes and validates them (RFC 9110 §3.2).
#[derive(Debug)]
pub struct Representation {
    /// The bytes.
    pub body: Bytes,
    /// Their media type.
    pub media_type: &'static str,
    /// When these bytes were first published, to the second.
    pub last_modified: SystemTime,
    /// Its own address.
    pub url: String,
    /// How long it may be kept if nothing is due before.
    pub max_age: Duration,
    /// The path of the page about it, if it is a feed's subscription document: browsers that go to
    /// its address are shown that.
    pub page: Option<String>,
    /// What a page may do (Content Security Policy).
    pub policy: Option<Arc<str>>,
    /// Who polls its address. The same in every edition.
    pub audience: Arc<Audience>,
    /// A hash of the bytes.
    pub hash: u128,
    /// A strong entity tag for each coding: that hash and nothing else, so that it is the
    /// same on every machine and after every restart.
    entity_tags: [HeaderValue; Coding::ALL.len()],
    /// The bytes in each coding that was asked for.
    coded: [OnceLock<Bytes>; Coding::ALL.len()],
    /// What each core hands to its answers.
    handed: PerCore<Handed>,
}

/// What one core hands to its answers. It is shared among them, which takes counting them.
#[derive(Debug, Default)]
struct Handed {
    /// The head of each kind of answer that was given.
    heads: [[OnceLock<Box<Response<()>>>; Coding::ALL.len()]; Head::ALL.len()],
    /// The bytes in each coding that was asked for: those of the representation, with a count of their own.
    bodies: [OnceLock<Bytes>; Coding::ALL.len()],
}

/// Kinds of answers with a representation, by what they say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// With the bytes.
    Full,
    /// To a client that has them.
    NotModified,
}

impl Head {
    const ALL: [Self; 2] = [Self::Full, Self::NotModified];
}

impl Representation {
    /// A representation of these bytes.
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
            audience: Arc::default(),
            hash,
            entity_tags: Coding::ALL.map(|coding| field(format!("\"{hash:032x}{}\"", coding.suffix()))),
            coded: Default::default(),
            handed: PerCore::default(),
        }
    }

    /// The same, first published at another time.
    pub fn modified(self, last_modified: SystemTime) -> Self {
        Self { last_modified: whole_seconds(last_modified), handed: PerCore::default(), ..self }
    }

    /// The head of an answer, made once for all that a core gives.
    pub fn head(&self, head: Head, coding: Coding, make: impl FnOnce() -> Response<()>) -> &Response<()> {
        self.handed.own().heads[head as usize][coding as usize].get_or_init(|| Box::new(make()))
    }

    /// Whether it is for people rather than for feed readers.
    pub fn is_page(&self) -> bool {
        self.media_type == Format::Html.media_type()
    }

    /// The entity tag of the bytes in a coding.
    pub fn entity_tag(&self, coding: Coding) -> &HeaderValue {
        &self.entity_tags[coding as usize]
    }

    /// The bytes in a coding, if they were asked for before.
    fn made(&self, coding: Coding) -> Option<&Bytes> {
        match coding {
            Coding::Identity => Some(&self.body),
            _ => self.coded[coding as usize].get(),
        }
    }

    /// The bytes in a coding, if they were asked for before, as this core hands them to its answers.
    pub fn coded(&self, coding: Coding) -> Option<&Bytes> {
        let bytes = self.made(coding)?;
        let handed = &self.handed.own().bodies[coding as usize];
        Some(handed.get_or_init(|| Bytes::from_owner(bytes.clone())))
    }

    /// How many bytes a coding takes; of one that was never asked for, how many there are without.
    pub fn length(&self, coding: Coding) -> usize {
        self.made(coding).unwrap_or(&self.body).len()
    }

    /// The bytes in a coding. They are coded once, whoever else asks meanwhile.
    pub fn encode(&self, coding: Coding) -> &Bytes {
        match coding {
            Coding::Identity => &self.body,
            _ => self.coded[coding as usize].get_or_init(|| coding.encode(&self.body).into()),
        }
    }
}

#[expect(clippy::expect_used, reason = "hashes are visible ASCII")]
fn field(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("visible ASCII")
}

/// HTTP dates have no fractions of a second, and none before 1970 make sense here.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

/// Everything that is served at one instant: immutable, and swapped as a whole. A clone costs next to
/// nothing, and changes share what they do not change.
#[derive(Debug, Clone)]
pub struct Edition {
    /// 1 for the first edition of a process, then one more for each with other entries or addresses.
    pub number: u64,
    /// When it was published.
    pub published: SystemTime,
    /// What it was made with.
    pub config: Arc<Config>,
    /// Subscription documents, pages and lists, by path, not encoded and without the leading slash:
    /// `topics/机器学习.atom`.
    pub representations: OrdMap<Arc<str>, Arc<Representation>>,
    /// A hash of the addresses of the representations and their bytes: equal for equal seeds and
    /// configurations, on every machine.
    pub documents_hash: u128,
    /// Who polled the addresses that are gone: counts never go back, and an address may return.
    pub departed: OrdMap<Arc<str>, Arc<Audience>>,
    /// When another edition is due although no seed has changed.
    pub next_due: Option<Timestamp>,
    /// What archive documents are made of, and queries in addresses pick from.
    pub entries: Entries,
    /// One more each time the entries may be others.
    pub generation: u64,
    /// Since when the entries are what they are.
    pub since: SystemTime,
}

impl Edition {
    /// What is there before the first edition.
    pub fn empty(config: Arc<Config>) -> Self {
        Self {
            number: 0,
            published: SystemTime::UNIX_EPOCH,
            config,
            representations: OrdMap::new(),
            documents_hash: 0,
            departed: OrdMap::new(),
            next_due: None,
            entries: Entries::default(),
            generation: 0,
            since: SystemTime::UNIX_EPOCH,
        }
    }

    /// A hash that changes with what is served at any address, that of an archive document too: equal for equal
    /// seeds, configurations and instants, on every machine and after every history.
    pub fn hash(&self) -> u128 {
        self.documents_hash.wrapping_add(self.entries.hash())
    }

    /// What is served at a path, not encoded and with its leading slash.
    pub fn get(&self, path: &str) -> Option<&Arc<Representation>> {
        self.representations.get(path.strip_prefix('/')?)
    }

    /// Puts a representation at a path.
    pub fn put(&mut self, path: &Arc<str>, representation: Arc<Representation>) {
        self.documents_hash = self.documents_hash.wrapping_add(hash_at(path, &representation));
        if let Some(old) = self.representations.insert(path.clone(), representation) {
            self.documents_hash = self.documents_hash.wrapping_sub(hash_at(path, &old));
        }
    }

    /// Takes what is at a path away.
    pub fn take(&mut self, path: &str) -> Option<Arc<Representation>> {
        let taken = self.representations.remove(path)?;
        self.documents_hash = self.documents_hash.wrapping_sub(hash_at(path, &taken));
        Some(taken)
    }
}

/// A hash of an address and the bytes there. Sums of them do not depend on an order.
fn hash_at(path: &str, representation: &Representation) -> u128 {
    xxh3_128(&[path.as_bytes(), &[0], &representation.hash.to_le_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_core_hands_out_are_the_same_bytes() {
        let representation =
            Representation::new(b"same".repeat(100), "a/b", String::new(), SystemTime::now(), Duration::ZERO);
        let handed = || {
            let at = |coding| representation.coded(coding).map(|bytes| bytes.as_ptr().addr());
            Coding::ALL.map(at)
        };
        let body = representation.body.as_ptr().addr();
        assert_eq!(handed(), [Some(body), None, None]);
        let gzip = representation.encode(Coding::Gzip).as_ptr().addr();
        for _ in 0..3 {
            let elsewhere = std::thread::scope(|scope| scope.spawn(handed).join().unwrap());
            assert_eq!(elsewhere, [Some(body), Some(gzip), None], "not copied: files are found by it");
        }
        assert!(representation.length(Coding::Gzip) < representation.length(Coding::Brotli));
    }

    #[test]
    fn tags_are_of_the_bytes_alone() {
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
