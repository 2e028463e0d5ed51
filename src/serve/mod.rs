//! Serving: connections in, answers from the current edition out.

mod precondition;
mod respond;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tracing::{debug, warn};

use crate::publish::Current;

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
    max_age: Duration,
    shutdown: impl Future<Output = ()>,
) {
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
        let current = current.clone();
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let edition = current.load();
            let (method, uri, headers) = (request.method(), request.uri(), request.headers());
            let response = respond::respond(&edition, max_age, SystemTime::now(), method, uri, headers);
            async move { Ok::<_, Infallible>(response) }
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

/// Whether an error of `accept` concerns one client, and not the listener.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
