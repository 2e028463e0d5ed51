//! One connection: requests in, answers out.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::SystemTime;

use hyper::body::Incoming;
use hyper::header::DATE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::Answers;
use super::client::Peer;
use super::pace::Paced;
use super::respond;
use super::room::{Place, Room};

/// Largest head of a request, in bytes; as much is read ahead of the answers, too.
const LARGEST_HEAD: usize = 16 * 1024;

/// The latest second that answers were given in, since 1970.
static LATEST: AtomicU64 = AtomicU64::new(0);

/// Whether the clock was set back: hyper goes on saying the date that it said last until the clock is
/// past it again.
fn is_set_back(now: SystemTime) -> bool {
    let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let latest = LATEST.load(Ordering::Relaxed);
    if latest < second {
        LATEST.store(second, Ordering::Relaxed);
    }
    second < latest
}

/// The status that hyper answers with, if a connection ended since what came was no request.
fn unread(error: &hyper::Error) -> Option<StatusCode> {
    if error.is_parse_too_large() {
        // A target that is too long for hyper is longer than any head may be.
        return Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    // Who speaks HTTP/2 gets no answer.
    (error.is_parse() && !error.is_parse_version_h2()).then_some(StatusCode::BAD_REQUEST)
}

/// Answers the requests of a connection until it ends, or the room is closed.
pub(super) async fn converse<S, A>(stream: S, peer: Peer, answers: Arc<A>, room: Arc<Room>, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    A: Answers,
{
    let shared = &*answers;
    let service = service_fn(move |request: Request<Incoming>| {
        let now = SystemTime::now();
        let answer = shared.answer(request, peer, now);
        async move {
            let mut answer = answer.await;
            if is_set_back(now) {
                answer.headers_mut().insert(DATE, respond::date(now));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        // Bodies are shared between answers, not copied: gathering those of pipelined requests
        // into one write would copy them, as many as a client asks for and does not read.
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(Paced::new(stream, room.clone())), service);
    let mut connection = pin!(connection);
    let mut closes = pin!(room.closes());
    let (mut listening, mut told) = (false, false);
    let ended = std::future::poll_fn(|cx| {
        // Registered once and not at every poll, which would take a lock each time.
        if !told && (room.is_closing() || (!listening && closes.as_mut().poll(cx).is_ready())) {
            told = true;
            // What was asked before is answered still.
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            connection.as_mut().graceful_shutdown();
        }
        listening = true;
        connection.as_mut().poll(cx)
    });
    if let Err(error) = ended.await {
        debug!("a connection ended early: {error}");
        if let Some(status) = unread(&error) {
            answers.note_unread(status, peer, SystemTime::now());
        }
    }
    drop(place);
}
