//! sower publishes RSS, Atom and JSON feeds from a directory of seeds.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use sower::args::Args;
use sower::cmd;

/// Has a panic of the main thread end the process: it would wait for others first, and may wait for
/// ever for those that were being started when there could be no more.
#[expect(clippy::exit, reason = "there is nothing to go back to")]
fn end_with_the_main_thread() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        if std::thread::current().name() == Some("main") {
            std::process::exit(1);
        }
    }));
}

/// The system's allocator keeps what thousands of connections held after they ended.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    end_with_the_main_thread();
    match cmd::run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "sower: {error:#}");
            cmd::exit_code(&error)
        }
    }
}
