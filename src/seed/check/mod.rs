//! Builds the record: checks front matter field by field, with a fault for every mistake, and makes the record.

mod faults;
mod scalars;
mod topics;
mod permalink;
mod nested;
mod identity;
mod record;

pub(super) use faults::Check;
#[cfg(test)]
pub(super) use {faults::MAX_FAULTS, scalars::duration};
