//! The remembered state of a file, which shows whether the file changed since.

use std::fs::Metadata;
use std::num::NonZero;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The age from which the times of a file prove that it did not change. A younger file may be
/// written again within the same tick of the file system's clock.
const SETTLED: Duration = Duration::from_secs(2);

/// The state of a file when it was last read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// The stamp, or `None` if the file may change without a change of its stamp.
    pub(super) stamp: Option<Stamp>,
    /// A hash of the file's bytes, or of the reason why they cannot be read.
    pub(super) hash: u128,
}

impl FileState {
    /// A state that differs from the state of every file, so that the file is read again.
    pub(super) const UNKNOWN: Self = Self { stamp: None, hash: 0 };
}

/// A hash of the metadata that changes whenever the file does. Non-zero, so that an optional stamp
/// takes no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp(NonZero<u128>);

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        // The device is left out, since its number may differ after a reboot.
        #[cfg(unix)]
        let parts = {
            use std::os::unix::fs::MetadataExt;
            let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
            let [modified, modified_nanoseconds, changed, changed_nanoseconds] =
                times.map(i64::cast_unsigned);
            [meta.len(), meta.ino(), modified, modified_nanoseconds, changed, changed_nanoseconds]
        };
        #[cfg(not(unix))]
        let parts = {
            let modified = meta.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            let modified = modified.unwrap_or_default();
            [meta.len(), modified.as_secs(), modified.subsec_nanos().into()]
        };
        let hash = xxh3_128(parts.map(u64::to_le_bytes).as_flattened());
        Self(NonZero::new(hash).unwrap_or(NonZero::<u128>::MIN))
    }

    /// Returns the stamp of a file whose metadata was read at an instant. Returns `None` if the file
    /// is so young that a later change may leave the stamp as it is.
    pub(super) fn settled(meta: &Metadata, at: SystemTime) -> Option<Self> {
        #[cfg(not(unix))]
        let changed = meta.modified().ok()?;
        // The change time: unlike the modification time, it cannot be set.
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            let (seconds, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
            let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
            SystemTime::UNIX_EPOCH + since
        };
        let age = at.duration_since(changed).ok()?;
        (age > SETTLED).then(|| Self::of(meta))
    }
}
