//! sower publishes RSS, Atom and JSON feeds from a directory of seeds.
//!
//! Data flows one way, from the seed directory to the reader, and the modules stand in the order
//! in which it does: each uses only what stands above it.

pub mod text;
pub mod slug;
pub mod yaml;
pub mod toml;
pub mod fault;
pub mod criteria;
pub mod args;
pub mod config;
pub mod confinement;
pub mod watch;
pub mod seed;
pub mod progress;
mod walk;
pub mod scan;
pub mod entries;
pub mod catalog;
pub mod store;
pub mod feed;
pub mod render;
pub mod coding;
pub mod per_core;
pub mod audience;
pub mod edition;
pub mod last_edition;
pub mod archive;
pub mod mirror;
pub mod publish;
pub mod report;
pub mod status;
pub mod service;
pub mod mirroring;
pub mod remembering;
pub mod serve;
pub mod daemon;
pub mod cmd;

pub use daemon::run;
