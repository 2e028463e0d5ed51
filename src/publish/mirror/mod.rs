//! The mirror: the public tree as files, for any static host. Its file times record when each document
//! last changed.

mod error;
mod plan;
mod directory;
mod representations;
mod archives;
mod update;

pub use directory::{last_modified, listed};
pub use error::MirrorError;
pub use plan::MirrorPlan;
pub use update::{Mirror, Mirrored};
