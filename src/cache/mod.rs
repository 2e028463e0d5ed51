//! Records cached across restarts, so that unchanged files are not read again.

mod location;
mod format;
mod load;
mod snapshot;
mod writer;

pub use load::{CachedRecords, LoadStats};
pub use location::default_path;
pub use snapshot::Cache;
pub use writer::CacheWriter;
