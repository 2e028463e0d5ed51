//! Dates in words.

use crate::seed::Timestamp;

/// Formats an instant. Midnight stands for a date without a time.
pub(super) fn date_and_time(at: Timestamp) -> String {
    if at.time() == chrono::NaiveTime::MIN { day(at) } else { at.format("%-d %B %Y, %H:%M UTC").to_string() }
}

pub(super) fn day(at: Timestamp) -> String {
    at.format("%-d %B %Y").to_string()
}
