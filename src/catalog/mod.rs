//! The catalog: every seed that was read, and the entries that are shown.

mod entries;
mod records;
pub mod report;

pub(crate) use entries::Turn;
pub use entries::{Entries, Entry, Touched};
pub use records::{Catalog, Census, Duplicates};
