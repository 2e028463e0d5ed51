//! Configuration: flags, `SOWER_*` variables, `sower.yaml` and defaults, in this order of precedence, resolved
//! into values that need no further checks.

pub mod args;
mod error;
mod file;
pub mod criteria;
mod value;
mod setting;
mod topics;
mod selections;
mod seeds;
mod serving;
mod resolve;
#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use resolve::Config;
pub use seeds::{FIELDS_IN_USE, Permalink, Piece, SeedSettings, TopicField};
pub use selections::SelectionSettings;
pub use serving::{AccessLogFormat, ListenAddress, ServeSettings, TrustedProxies};
pub use topics::{TopicSettings, Topics};
pub use value::{ContentLength, Watching};
