//! One connection: requests in, responses out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::client::Client;
use super::connection_limit::{ConnectionLimit, Permit};
use super::timeout::TimeoutStream;

/// The largest head of a request in bytes, and of the pipelined requests that are read ahead.
const MAX_HEAD: usize = 16 * 1024;

/// Answers the requests of connections.
pub(super) trait Handler: Send + Sync + 'static {
    /// Returns the response to a request from a peer, received at `now`. The result satisfies hyper; a handler never fails.
    fn handle(
        &self,
        request: Request<()>,
        peer: Client,
        now: SystemTime,
    ) -> impl Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send;

    /// Records the status with which hyper answered an invalid request.
    fn note_invalid_request(&self, status: StatusCode, peer: Client, now: SystemTime);
}

/// The open connections of some listeners.
pub(super) struct Connections<H> {
    handler: Arc<H>,
    limit: Arc<ConnectionLimit>,
    shutdown: GracefulShutdown,
}

impl<H: Handler> Connections<H> {
    pub(super) fn new(handler: Arc<H>, limit: Arc<ConnectionLimit>) -> Self {
        Self { handler, limit, shutdown: GracefulShutdown::new() }
    }

    /// Serves a connection in a task of its own, once the limit allows one more.
    ///
    /// The permit is acquired after accepting: a listener that held one while it waits for a client would keep it
    /// from the other listeners.
    pub(super) async fn serve<S>(&self, stream: S, peer: Client)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let permit = self.limit.acquire().await;
        let stream = TimeoutStream::new(stream, self.limit.clone());
        tokio::spawn(serve_connection(stream, peer, self.handler.clone(), permit, self.shutdown.watcher()));
    }

    /// Closes every connection after its request in flight. Returns `false` if some had not finished in time.
    pub(super) async fn finish(self, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.shutdown.shutdown()).await.is_ok()
    }
}

async fn serve_connection<S, H>(
    stream: TimeoutStream<S>,
    peer: Client,
    handler: Arc<H>,
    permit: Permit,
    shutdown: Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let handler = &*handler;
    let respond = |request: Request<Incoming>| handler.handle(request.map(drop), peer, SystemTime::now());
    let connection = http1::Builder::new()
        // A client may shut down its sending side after the request (`nc -N`).
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    if let Err(error) = shutdown.watch(connection).await {
        debug!("connection ended early: {error}");
        if let Some(status) = status_of_invalid_request(&error) {
            handler.note_invalid_request(status, peer, SystemTime::now());
        }
    }
    drop(permit);
}

/// Returns the status that hyper answered with, if the connection ended because the client sent no valid request.
fn status_of_invalid_request(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_too_large() {
        // hyper has a status of its own for a target that is too long, but the limit on heads comes first.
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    // hyper does not answer the preface of HTTP/2.
    (error.is_parse() && !error.is_parse_version_h2()).then_some(StatusCode::BAD_REQUEST)
}
