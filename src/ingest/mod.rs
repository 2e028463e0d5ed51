//! The seed directory: watching, walking, scanning. Changed files are returned as parsed seeds.

mod permission;
mod identity;
mod file_state;
mod progress;
mod walk;
mod hint;
mod events;
mod watch;
mod read;
mod scan_error;
mod loss;
mod scan;
mod rescan;

pub use file_state::FileState;
pub use hint::Hint;
pub use permission::{mark_sandboxed, restart_hint};
pub use progress::show_progress;
pub use rescan::{Rescan, RescanStep};
pub use scan::Scan;
pub use scan_error::ScanError;
pub use watch::{Stopper, Watch};
