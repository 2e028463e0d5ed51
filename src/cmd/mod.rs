//! The commands.

mod build;
mod check;
mod init;
mod serve;
mod why;

use std::io::IsTerminal;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrono::Utc;

use crate::cache::{self, Untaken};
use crate::catalog::Catalog;
use crate::config::args::{Args, Command};
use crate::config::{Config, ConfigError};
use crate::ingest::scan::Scan;
use crate::seed::{ContentMode, Rules};

/// Runs what was typed. 0 is success, 1 is for faults.
///
/// # Errors
///
/// Whatever keeps the command from doing its work, in a sentence; see [`exit_code`].
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Serve(settings) => serve::run(settings),
        Command::Build(settings) => build::run(&Config::resolve(settings)?),
        Command::Check { settings, strict, format } => {
            check::run(&Config::resolve(settings)?, strict, format)
        }
        Command::Why { what, settings } => why::run(&Config::resolve(settings)?, &what),
        Command::Init { directory } => init::run(&directory),
    }
}

/// The exit code of a failure: 2 for what cannot be meant, 1 for what did not work.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(if error.is::<ConfigError>() { 2 } else { 1 })
}

/// Every seed, read once.
struct Harvest {
    scan: Scan,
    catalog: Catalog,
    /// Files that are named like seeds and are none.
    passed_over: Vec<Arc<str>>,
}

/// The seed directory, before anything is read.
fn scan(config: &Config, strict: bool, content: ContentMode) -> Scan {
    let rules = Rules { content, ..Rules::new(config, strict) };
    Scan::new(&config.seeds, config.feeds.as_deref(), rules)
}

/// Reads every seed. What was read stays until the process ends, as it soon will: the system takes memory
/// back in one go.
fn read_all(config: &Config, mut scan: Scan, cache: Option<&Path>) -> anyhow::Result<ManuallyDrop<Harvest>> {
    let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
    let untaken = Untaken::recall(&mut scan, cache);
    let taken = untaken.read_all(&mut scan, &mut catalog, Utc::now())?;
    Ok(ManuallyDrop::new(Harvest { scan, catalog, passed_over: taken.passed_over }))
}

/// Where what is read is remembered for the next start.
fn cache(config: &Config) -> Option<PathBuf> {
    if config.no_cache { None } else { cache::place(&config.seeds) }
}

/// Whether a stream shows colours: a terminal, unless `NO_COLOR` says no.
fn is_styled(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
