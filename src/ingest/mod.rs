//! The seed directory: watched, walked and scanned. What changed leaves as bytes to be read.

pub mod watch;
mod permission;
pub mod progress;
mod walk;
pub mod scan;
pub mod rescan;

pub use permission::{note_sandbox, restart_hint};
