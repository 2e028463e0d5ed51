//! The number of entries of a feed, in total and by month.

use std::sync::Arc;

use crate::catalog::Entry;
use crate::seed::{Month, Timestamp};

/// The number of months that a tally covers.
const MONTHS: usize = 24;

/// The number of entries of a feed, in total and by month.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// The number of entries.
    pub entries: usize,
    /// The publication time of the newest entry.
    pub newest: Option<Timestamp>,
    /// The number of entries of each month that has any, newest first, up to [`MONTHS`] months.
    months: Vec<(Month, usize)>,
}

impl Tally {
    pub(super) fn of(
        entries: usize,
        newest: Option<&Arc<Entry>>,
        months: impl Iterator<Item = (Month, usize)>,
    ) -> Self {
        let newest = newest.map(|entry| entry.published);
        Self { entries, newest, months: months.take(MONTHS).collect() }
    }

    /// Returns the number of entries of each of the 24 months that end with a month, oldest first.
    pub fn months_until(&self, last: Month) -> [usize; MONTHS] {
        let mut months = [0; MONTHS];
        for (month, count) in &self.months {
            let index =
                usize::try_from(last.since(*month)).ok().and_then(|ago| (MONTHS - 1).checked_sub(ago));
            if let Some(index) = index {
                months[index] = *count;
            }
        }
        months
    }
}
