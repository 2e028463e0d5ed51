//! A grace time for files that vanish all at once, as they do when a disk is not mounted.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::ingest::scan_error::ScanError;

/// The smallest number of missing files that counts as a loss.
const MIN_LOSS: usize = 10;

/// Delays the removal of files while a large part of the seed directory is missing.
#[derive(Debug, Default)]
pub(super) struct LossGuard {
    /// The time for which files must be missing before they are removed.
    pub(super) grace: Duration,
    /// The start of the current loss.
    since: Option<Instant>,
    /// The partial loss that the last scan found and did not confirm.
    unconfirmed: Option<ScanError>,
}

impl LossGuard {
    /// Returns `true` if a loss was found and has not been resolved.
    pub(super) fn is_active(&self) -> bool {
        self.since.is_some()
    }

    /// Returns the partial loss that the last scan found and did not confirm.
    pub(super) fn unconfirmed(&self) -> Option<&ScanError> {
        self.unconfirmed.as_ref()
    }

    /// Handles a directory in which every file is missing.
    ///
    /// # Errors
    ///
    /// The grace time is not over.
    pub(super) fn check_emptied(&mut self, root: &Path, had: usize) -> Result<(), ScanError> {
        match self.remaining() {
            Some(left) => Err(ScanError::Emptied { path: root.to_owned(), had, left }),
            None => Ok(()),
        }
    }

    /// Handles missing files, of which `renamed` seem to have new names. Returns `true` if they may be
    /// removed. Only a scan of the whole directory ends a loss.
    pub(super) fn check_missing(
        &mut self,
        root: &Path,
        had: usize,
        missing: usize,
        renamed: usize,
        everywhere: bool,
    ) -> bool {
        if everywhere {
            self.unconfirmed = None;
        }
        let lost = missing.saturating_sub(renamed);
        if lost < MIN_LOSS || lost * 2 < had {
            if everywhere {
                self.since = None;
            }
            return true;
        }
        let Some(left) = self.remaining() else { return true };
        self.unconfirmed = Some(ScanError::Missing { path: root.to_owned(), had, missing, left });
        false
    }

    /// Returns the rest of the grace time, or `None` if it is over.
    fn remaining(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        Some(self.grace.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
    }
}
