//! The errors of a scan.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::ingest::permission::restart_hint;

/// A seed directory that cannot be scanned. The results of earlier scans stay valid.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The directory cannot be read.
    #[error(
        "cannot read the seed directory {}: {cause}; choose another with --seeds{}", path.display(), restart_hint(cause)
    )]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// All files are missing at once, as when a disk is unmounted.
    #[error(
        "the seed directory {} is empty, but had {had} files: is its disk mounted? \
         If it stays empty for {} s, all entries are withdrawn", path.display(), left.as_secs()
    )]
    Emptied {
        /// The directory.
        path: PathBuf,
        /// The number of files at the last scan.
        had: usize,
        /// The rest of the grace time.
        left: Duration,
    },
    /// At least half of the files are missing at once.
    #[error(
        "{missing} of the {had} files of the seed directory {} are missing: is a disk not mounted? \
         If they stay away for {} s, their entries are withdrawn", path.display(), left.as_secs()
    )]
    Missing {
        /// The directory.
        path: PathBuf,
        /// The number of files at the last scan.
        had: usize,
        /// The number of missing files.
        missing: usize,
        /// The rest of the grace time.
        left: Duration,
    },
}
