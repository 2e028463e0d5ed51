//! Records remembered over restarts, so that no file is read twice.

mod store;
mod writer;

pub use store::{Memory, Taken, Untaken, place};
pub use writer::Remembering;
