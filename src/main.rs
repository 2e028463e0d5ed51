//! sower publishes RSS, Atom and JSON feeds from a directory of seeds.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sower::cmd;
use sower::config::args::Args;

/// mimalloc: returns memory after thousands of connections have ended; the allocator of the system keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cmd::run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // The exit code remains if standard error is closed.
            let _ = writeln!(std::io::stderr(), "sower: {error:#}");
            cmd::exit_code(&error)
        }
    }
}
