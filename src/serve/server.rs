//! The server: accepts connections until shutdown, then lets the requests in flight finish.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::warn;

use super::access_log::{self, AccessLog};
use super::admin::{Admin, Monitor};
use super::connection::{Connections, Handler};
use super::connection_limit::ConnectionLimit;
use super::handler::Site;
use super::listener::{Listener, Listeners};
use crate::config::Config;
use crate::publish::CurrentEdition;

/// The time in which the first request of a new connection may still arrive after the shutdown.
const FIRST_REQUEST: Duration = Duration::from_millis(100);
/// The time that the requests in flight have to finish after the shutdown.
const DRAIN: Duration = Duration::from_secs(10);
/// The most connections of the admin listener.
const MAX_ADMIN_CONNECTIONS: usize = 100;

/// A server whose admin listener answers, and whose public listeners wait for the first edition.
pub struct Server {
    public: Vec<Listener>,
    admin: Arc<Admin>,
    admin_connections: Arc<Connections<Admin>>,
    accepting: JoinSet<()>,
}

impl Server {
    /// Starts the admin listener. Until [`Server::serve`] is called, it reports only that the process is alive.
    pub fn start(listeners: Listeners) -> Self {
        let Listeners { public, admin: listener } = listeners;
        let admin = Arc::new(Admin::default());
        let limit = Arc::new(ConnectionLimit::new(MAX_ADMIN_CONNECTIONS));
        let admin_connections = Arc::new(Connections::new(admin.clone(), limit));
        let mut accepting = JoinSet::new();
        if let Some(listener) = listener {
            let connections = admin_connections.clone();
            accepting.spawn(async move { listener.accept(&connections).await });
        }
        Self { public, admin, admin_connections, accepting }
    }

    /// Serves the current edition until `shutdown` completes, then lets the requests in flight finish.
    pub async fn serve(
        self,
        current: CurrentEdition,
        monitor: Arc<Monitor>,
        config: &Config,
        shutdown: impl Future<Output = ()>,
    ) {
        let Self { public, admin, admin_connections, mut accepting } = self;
        let limit = Arc::new(ConnectionLimit::new(config.serving.max_connections));
        let (access_log, access_log_guard) = config.serving.access_log.map(AccessLog::new).unzip();
        let site = Arc::new(Site::new(current, access_log));
        admin.show(site.clone(), limit.clone(), monitor);
        let connections = Arc::new(Connections::new(site, limit));
        for listener in public {
            let connections = connections.clone();
            accepting.spawn(async move { listener.accept(&connections).await });
        }
        shutdown.await;
        accepting.shutdown().await;
        // hyper closes a connection at once that has no request yet, and the kernel then resets it.
        tokio::time::sleep(FIRST_REQUEST).await;
        // The accept tasks, which have ended, held the other references.
        let (public, admin) = (Arc::into_inner(connections), Arc::into_inner(admin_connections));
        let (finished, _) = tokio::join!(finish(public), finish(admin));
        if !finished {
            warn!("some requests had not finished after {} s", DRAIN.as_secs());
        }
        if let Some(guard) = access_log_guard {
            access_log::finish(guard).await;
        }
    }
}

async fn finish<H: Handler>(connections: Option<Connections<H>>) -> bool {
    match connections {
        Some(connections) => connections.finish(DRAIN).await,
        None => true,
    }
}
