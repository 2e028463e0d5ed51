//! `sower serve`: watch the seeds, publish, serve.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal;
use tracing::info;
use tracing_subscriber::fmt::time::ChronoLocal;

use super::is_styled;
use crate::config::Config;
use crate::daemon;

pub(super) fn run(config: Config) -> anyhow::Result<ExitCode> {
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let address = config.listen;
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("{address} cannot be served on; `--listen` names another address and port")
        })?;
        let config = config.listening_on(listener.local_addr()?);
        let stop = stop_signal()?;
        daemon::run(config, listener, stop).await?;
        info!("stopped");
        Ok(ExitCode::SUCCESS)
    })
}

/// Ends with the first Ctrl-C or SIGTERM. Both are caught from the moment this returns.
#[cfg(unix)]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        let heard = tokio::select! {
            _ = interrupt.recv() => "Ctrl-C",
            _ = terminate.recv() => "SIGTERM",
        };
        info!("{heard}: finishing the requests in flight");
    })
}

#[cfg(not(unix))]
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async { drop(signal::ctrl_c().await) })
}

/// A line for each thing that happens, on standard error. The journal knows the time itself.
fn log() {
    let stderr = std::io::stderr;
    let builder =
        tracing_subscriber::fmt().with_writer(stderr).with_target(false).with_ansi(is_styled(&stderr()));
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some() && !stderr().is_terminal();
    // A second subscriber, as in a test that runs two daemons, is no failure.
    let _ = if in_journal {
        builder.without_time().try_init()
    } else {
        builder.with_timer(ChronoLocal::new("%Y-%m-%d %H:%M:%S".to_owned())).try_init()
    };
}
