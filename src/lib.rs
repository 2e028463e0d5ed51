//! sower publishes RSS, Atom and JSON feeds from a directory of seeds.
//!
//! Data flows one way, from the seed directory to the reader. The modules stand in dependency order: each uses only
//! the modules above it. [`daemon`] connects them.

pub mod text;
pub mod syntax;
pub mod config;
pub mod seed;
pub mod catalog;
pub mod feed;
pub mod render;
pub mod edition;
pub mod ingest;
pub mod cache;
pub mod publish;
pub mod serve;
pub mod daemon;
pub mod cmd;

pub use daemon::run;
