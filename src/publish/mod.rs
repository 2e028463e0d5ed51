//! Publishing: the next edition, and the mirror that follows it.

pub mod archive;
pub mod mirror;
pub mod mirror_worker;
mod record_cache;
mod publisher;

pub use publisher::{CurrentEdition, Published, Publisher};
