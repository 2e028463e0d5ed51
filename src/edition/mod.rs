//! Editions: everything that is served at one instant.

mod coding;
mod representation;

use std::sync::Arc;
use std::time::SystemTime;

use imbl::OrdMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::catalog::Entries;
use crate::config::Config;
use crate::seed::Timestamp;

pub use coding::Coding;
pub use representation::Representation;

/// Everything that is served at one instant: immutable, numbered, and swapped as a whole. A clone is cheap, and shares
/// all that does not change.
#[derive(Debug, Clone)]
pub struct Edition {
    /// 1 for the first edition of a process, one more for each with other entries or addresses; 0 before the first.
    pub number: u64,
    /// The time of its publication.
    pub published: SystemTime,
    /// The configuration that it was made with.
    pub config: Arc<Config>,
    /// Subscription documents, pages and lists, by path: neither encoded nor with a leading slash
    /// (`topics/机器学习.atom`).
    pub representations: OrdMap<Arc<str>, Arc<Representation>>,
    /// A hash of the paths and bytes of the representations.
    pub documents_hash: u128,
    /// The time at which the next edition is due even if no seed changes.
    pub next_due: Option<Timestamp>,
    /// The entries, from which archive documents and selections on the spot are made.
    pub entries: Entries,
    /// A number that grows with each change of the entries.
    pub generation: u64,
    /// The time since which the entries are the same.
    pub since: SystemTime,
}

impl Edition {
    /// Creates an empty edition with the number 0.
    pub fn empty(config: Arc<Config>) -> Self {
        Self {
            number: 0,
            published: SystemTime::UNIX_EPOCH,
            config,
            representations: OrdMap::new(),
            documents_hash: 0,
            next_due: None,
            entries: Entries::default(),
            generation: 0,
            since: SystemTime::UNIX_EPOCH,
        }
    }

    /// Returns a hash that changes with the bytes at any address, archive documents included. It is the same for equal
    /// seeds, configurations and instants, on every machine and after every history.
    pub fn hash(&self) -> u128 {
        self.documents_hash.wrapping_add(self.entries.hash())
    }

    /// Puts a representation at a path.
    pub fn insert(&mut self, path: &Arc<str>, representation: Arc<Representation>) {
        self.documents_hash = self.documents_hash.wrapping_add(hash_at(path, &representation));
        if let Some(old) = self.representations.insert(path.clone(), representation) {
            self.documents_hash = self.documents_hash.wrapping_sub(hash_at(path, &old));
        }
    }

    /// Removes the representation at a path. Returns `false` if there was none.
    pub fn remove(&mut self, path: &str) -> bool {
        let Some(removed) = self.representations.remove(path) else { return false };
        self.documents_hash = self.documents_hash.wrapping_sub(hash_at(path, &removed));
        true
    }
}

/// Hashes a path and the bytes there. Sums of these hashes do not depend on the order.
fn hash_at(path: &str, representation: &Representation) -> u128 {
    xxh3_128(&[path.as_bytes(), &[0], &representation.hash.to_le_bytes()].concat())
}
