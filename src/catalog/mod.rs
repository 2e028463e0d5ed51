//! The catalog: every seed that was read, and the entries that are shown.

mod entry;
mod entries;
mod group;
mod records;
pub mod report;
mod seeds_report;

pub use entries::{Affected, Entries};
pub use entry::Entry;
pub use records::{Catalog, Census, Duplicates};
pub use seeds_report::{HeldRecord, SeedsReport, TopicCount};
