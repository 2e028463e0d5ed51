//! sower publishes RSS, Atom and JSON feeds from a directory of seeds.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sower::cmd;
use sower::config::args::Args;

/// The system's allocator keeps what thousands of connections held after they ended.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cmd::run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "sower: {error:#}");
            cmd::exit_code(&error)
        }
    }
}
