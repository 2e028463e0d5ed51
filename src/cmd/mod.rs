//! The commands.

mod terminal;
mod load;
mod build;
mod check;
mod init;
mod serve;
mod why;

use std::process::ExitCode;

use crate::config::args::{Args, Command};
use crate::config::{Config, ConfigError};

/// Runs a command. The exit code is 0 for success, and 1 if there are faults.
///
/// # Errors
///
/// Returns the failure, as a sentence for people; see [`exit_code`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Serve(settings) => serve::run(settings),
        Command::Build(settings) => build::run(&Config::resolve(settings)?),
        Command::Check { settings, strict, format } => {
            check::run(&Config::resolve(settings)?, strict, format)
        }
        Command::Why { query, settings } => why::run(&Config::resolve(settings)?, &query),
        Command::Init { directory } => init::run(&directory),
    }
}

/// Returns the exit code of a failure: 2 for usage errors, 1 for all others.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
}
