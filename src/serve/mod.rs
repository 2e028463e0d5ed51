//! Serving: connections in, answers from the current edition out.

mod precondition;
mod queries;
mod respond;
mod route;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use crate::config::Config;
use crate::publish::Current;
use queries::Queries;
use route::{Route, route};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head of a request, in bytes; as much is read ahead of the answers, too.
const LARGEST_HEAD: usize = 16 * 1024;
/// How long requests in flight may take to finish once serving stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait before accepting again when the system has nothing left to accept with.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Serves the current edition until `shutdown`, then lets the requests in flight finish.
pub async fn serve(
    listener: TcpListener,
    current: Current,
    config: Arc<Config>,
    shutdown: impl Future<Output = ()>,
) {
    let site = Arc::new(Site { current, queries: Queries::new(config.clone()), config });
    let connections = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) if is_of_the_client(&error) => continue,
            Err(error) => {
                warn!("a connection cannot be accepted: {error}");
                tokio::time::sleep(EXHAUSTED).await;
                continue;
            }
        };
        // Answers are small and complete, so there is nothing to gain by waiting for more.
        let _ = stream.set_nodelay(true);
        let site = site.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let site = site.clone();
            async move { Ok::<_, Infallible>(site.answer(&request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            // Bodies are shared between answers, not copied: gathering those of pipelined requests
            // into one write would copy them, as many as a client asks for and does not read.
            .max_buf_size(LARGEST_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!("a connection ended early: {error}");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
        warn!("some requests were still unfinished after {} s", DRAIN.as_secs());
    }
}

/// Everything that answers depend on.
struct Site {
    current: Current,
    config: Arc<Config>,
    queries: Queries,
}

impl Site {
    /// The answer to a request, from one edition. A body that it has means nothing here.
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if let Some(refused) = respond::refused(request.method()) {
            return refused;
        }
        let (uri, headers, now) = (request.uri(), request.headers(), SystemTime::now());
        let (edition, max_age) = (self.current.load(), self.config.max_age);
        let (criteria, format) = match route(&edition, &self.config, uri) {
            Route::Found(representation) => {
                return respond::found(representation, &edition, max_age, now, headers);
            }
            Route::Moved(to) => return respond::moved(to, max_age),
            Route::Gone => return respond::gone(uri),
            Route::Bad(value) => return respond::bad(&value),
            Route::Nothing => return respond::nothing(&edition, uri),
            Route::Query(criteria, format) => (criteria, format),
        };
        // Making it may take a while, and a guard keeps everybody's editions.
        let edition = arc_swap::Guard::into_inner(edition);
        match self.queries.get(&edition, &criteria, format, now).await {
            Ok(made) => respond::selected(&made.representation, &edition, made.until, max_age, now, headers),
            Err(queries::Busy) => respond::busy(),
        }
    }
}

/// Whether an error of `accept` concerns one client, and not the listener.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
