//! The result of reading a file.

use std::sync::Arc;

use super::fault::{Fault, Place, Severity};
use super::packed::PackedRecord;

/// The result of reading a file.
#[derive(Debug)]
pub enum Reading {
    /// The file has no front matter, so it is not a seed.
    NotASeed,
    /// The file is empty, or ends within its first line: it may be a seed that is being written.
    Blank,
    /// The file is a seed.
    Seed {
        /// The record, or `None` if a fault cost it.
        record: Option<Arc<PackedRecord>>,
        /// Every fault of the seed.
        faults: Vec<Fault>,
    },
}

/// A change of one seed.
#[derive(Debug)]
pub enum Change {
    /// The file is new, or was written.
    Read(Reading),
    /// The file was removed.
    Gone,
}

impl Reading {
    /// Returns the reading of a seed that has one fault and no record.
    pub(super) fn rejected(
        path: &Arc<str>,
        place: Option<Place>,
        reason: String,
        help: Option<&str>,
    ) -> Self {
        let help = help.map(str::to_owned);
        let fault = Fault { severity: Severity::Fault, path: path.clone(), place, reason, help };
        Self::Seed { record: None, faults: vec![fault] }
    }
}
