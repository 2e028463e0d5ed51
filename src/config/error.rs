//! Errors in a configuration.

use std::path::PathBuf;

use crate::syntax::yaml::Position;

/// An error in a configuration, with the place where the value was set.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("cannot read {}: {cause}; choose another file with --config", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        cause: std::io::Error,
    },
    /// A line of the file is invalid.
    #[error("{}:{}:{}: {reason}", path.display(), at.line, at.column)]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The position of the error in the file.
        at: Position,
        /// The problem and its remedy.
        reason: String,
    },
    /// The value of a flag or of its environment variable is invalid.
    #[error("--{flag} (or SOWER_{}): {reason}", flag.to_uppercase().replace('-', "_"))]
    Flag {
        /// The name of the flag, without the leading hyphens.
        flag: String,
        /// The problem and its remedy.
        reason: String,
    },
}
