//! Hints: the paths at which something may have changed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

/// A request to scan the seed directory, or parts of it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Set if the whole directory is to be scanned.
    pub everywhere: bool,
    /// The paths at or below which something may have changed.
    pub paths: BTreeSet<PathBuf>,
    /// Files that are still being written, and are left for a later scan.
    pub unfinished: BTreeSet<PathBuf>,
    /// The time of the first event, if the hint comes from events.
    pub observed: Option<Instant>,
    /// Set if a periodic rescan is due, which runs in steps beside other work.
    pub rescan: bool,
}

impl Hint {
    /// Returns a request to scan the whole directory.
    pub fn everywhere() -> Self {
        Self { everywhere: true, ..Self::default() }
    }

    /// Returns `true` if there is nothing to scan.
    pub fn is_empty(&self) -> bool {
        !self.everywhere && self.paths.is_empty()
    }
}
