//! The daemon: watches the seeds, publishes, and serves until shutdown.

pub mod sandbox;
pub mod systemd;
mod reports;
mod health;
mod startup;
mod follow;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use crate::config::Config;
use crate::serve::{Listeners, Server};
use follow::Daemon;

/// Reading or publishing panicked. The process ends, since it could only serve stale feeds.
#[derive(Debug, thiserror::Error)]
#[error(
    "reading the seeds failed unexpectedly, as logged above; start sower again, and report this as a bug unless the \
     system refused memory or threads"
)]
pub struct Panicked;

/// Publishes and serves until `shutdown` completes, then lets the requests in flight finish.
///
/// The listeners are bound already, so that a test can choose port 0. `cache` is the file that keeps the records for the next
/// start. Each configuration received from `configs` replaces the one before.
///
/// # Errors
///
/// Reading or publishing panicked. A seed directory that cannot be read is no error: it is logged and waited for, and
/// the records read before are served meanwhile.
pub async fn run(
    config: Config,
    listeners: Listeners,
    cache: Option<PathBuf>,
    configs: Receiver<Config>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Panicked> {
    let config = Arc::new(config);
    let (server, first_config) = (Server::start(listeners), config.clone());
    let mut shutdown = pin!(shutdown);
    let starting = on_thread(move || Daemon::start(config, cache, configs));
    let daemon = tokio::select! {
        started = starting => started.ok_or(Panicked)?,
        () = &mut shutdown => return Ok(()),
    };
    let (current, monitor, stopper) = (daemon.current(), daemon.monitor(), daemon.stopper());
    let mut following = pin!(on_thread(move || daemon.follow()));
    let mut followed = None;
    systemd::ready();
    let shutdown = async {
        tokio::select! {
            ended = &mut following => followed = Some(ended),
            () = shutdown => {}
        }
        systemd::stopping();
    };
    server.serve(current, monitor, &first_config, shutdown).await;
    stopper.stop();
    match followed {
        Some(ended) => ended,
        None => following.await,
    }
    .ok_or(Panicked)
}

/// Runs blocking work on a thread of its own, which the runtime does not wait for when it ends. Returns `None` if the
/// work panicked.
async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = done.send(work());
    });
    result.await.ok()
}
