//! The format of the cache file.
//!
//! The file begins with [`MAGIC`] and the [`fingerprint`] of the rules. Sections follow, three for
//! each part: file states, seeds, and the texts of the records. The table of contents comes last,
//! followed by its length and its hash. Everything but the texts is encoded by postcard.
//!
//! A plain file that is replaced as a whole is enough: its content is of one instant, and a damaged
//! one costs no more than reading the seeds again.

use std::fs;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::FileState;
use crate::seed::{Fault, PackedRecord, Rules};

/// The first bytes of the file. The last byte is the version of the format.
pub(super) const MAGIC: &[u8; 8] = b"sower\0\0\x0a";
/// The length of [`MAGIC`] and the fingerprint.
pub(super) const HEADER_LENGTH: usize = MAGIC.len() + size_of::<u128>();
/// The length of what follows the table of contents: its own length and hash.
pub(super) const TRAILER_LENGTH: usize = size_of::<u64>() + size_of::<u128>();
/// The maximum number of files in a part. Each part is read and written by one core.
pub(super) const PART_FILES: usize = 1024;

/// The table of contents.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    pub(super) parts: Vec<Part>,
}

/// The sections of one part.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Part {
    /// The path and the state of each file: a list of [`CachedFile`].
    pub(super) files: Section,
    /// The distinct facets of the part, and an optional [`CachedSeed`] for each file.
    pub(super) seeds: Section,
    /// The texts of the records, one after the other.
    pub(super) texts: Section,
}

/// A range of bytes, with its hash.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) offset: u64,
    pub(super) length: usize,
    pub(super) hash: u128,
}

/// The state of one file of the seed directory.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CachedFile {
    pub(super) path: Arc<str>,
    pub(super) state: FileState,
}

/// The result of reading one seed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CachedSeed {
    pub(super) record: Option<CachedRecord>,
    pub(super) faults: Vec<Fault>,
}

/// One record, without its facets and its text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CachedRecord {
    pub(super) record: PackedRecord,
    /// The index of the record's facets among those of the part.
    pub(super) facets: usize,
    /// The length of the record's text.
    pub(super) text: usize,
}

/// Returns a hash of everything that reading a seed depends on: the rules and the build of sower.
pub(super) fn fingerprint(rules: &Rules) -> u128 {
    // A build is known by its path, size and modification time: the time alone does not suffice where all
    // files have the same one, as in the Nix store, but there each build has a path of its own.
    let program = std::env::current_exe().and_then(|path| Ok((fs::metadata(&path)?, path)));
    let program = program.map(|(meta, path)| (path, meta.len(), meta.modified().ok())).ok();
    xxh3_128(format!("{} {program:?} {rules:?}", env!("CARGO_PKG_VERSION")).as_bytes())
}
