//! One connection: requests in, answers out.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
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
use super::pace::{Paced, Readable};
use super::respond;
use super::room::{Place, Room};

/// Largest head of a request, in bytes; as much is read ahead of the answers, too.
const LARGEST_HEAD: usize = 16 * 1024;

/// Connections of which hyper's part stays while they wait: to make it anew costs more than a look into memory that
/// is in the caches.
const FEW: usize = 128;

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
///
/// Among many connections, one that waits for its next request holds nothing but its socket and its clock:
/// hyper's part of it, with 16 KiB of buffers, is made for a request and let go with its answer, and lies where that
/// of the connection before it lay, in the caches.
pub(super) async fn converse<S, A>(stream: S, peer: Peer, answers: Arc<A>, room: Arc<Room>, place: Place)
where
    S: Readable + AsyncRead + AsyncWrite + Unpin + Send,
    A: Answers,
{
    let answers = &*answers;
    // Whether there is a request that has no answer yet, and whether the connection waits for one.
    let (asked, idle) = (&AtomicBool::new(false), &AtomicBool::new(true));
    let service = &service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let now = SystemTime::now();
        let answer = answers.answer(request, peer, now);
        async move {
            let mut answer = answer.await;
            if is_set_back(now) {
                answer.headers_mut().insert(DATE, respond::date(now));
            }
            asked.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(answer)
        }
    });
    let mut http = http1::Builder::new();
    // Bodies are shared between answers, not copied: gathering those of pipelined requests
    // into one write would copy them, as many as a client asks for and does not read.
    http.max_buf_size(LARGEST_HEAD);
    let mut stream = Paced::new(stream, idle, room.clone());
    let (mut closes, mut listening) = (pin!(room.closes()), false);
    // Registered once and not at every poll, which would take a lock each time.
    let mut is_closing = |cx: &mut Context<'_>| {
        let is_closing = room.is_closing() || (!listening && closes.as_mut().poll(cx).is_ready());
        listening = true;
        is_closing
    };
    let ended = loop {
        let readable = poll_fn(|cx| {
            let ends = is_closing(cx);
            if ends { Poll::Ready(false) } else { stream.poll_readable(cx).map(|readable| readable.is_ok()) }
        });
        if !readable.await {
            break Ok(());
        }
        let mut connection = Box::new(http.serve_connection(TokioIo::new(stream), service));
        let mut told = false;
        let answered = poll_fn(|cx| {
            if !told && is_closing(cx) {
                told = true;
                // What was asked before is answered still.
                if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
                    return Poll::Ready(Some(ended));
                }
                Pin::new(&mut *connection).graceful_shutdown();
            }
            match Pin::new(&mut *connection).poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if told || room.taken() <= FEW => Poll::Pending,
                // Nothing is asked, and hyper has written all of what it answered: it would wait for that, else.
                Poll::Pending if idle.load(Ordering::Relaxed) && !asked.load(Ordering::Relaxed) => {
                    Poll::Ready(None)
                }
                Poll::Pending => Poll::Pending,
            }
        });
        if let Some(ended) = answered.await {
            break ended;
        }
        let parts = connection.into_parts();
        stream = parts.io.into_inner();
        stream.put_back(parts.read_buf);
    };
    if let Err(error) = ended {
        debug!("a connection ended early: {error}");
        if let Some(status) = unread(&error) {
            answers.note_unread(status, peer, SystemTime::now());
        }
    }
    drop(place);
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::Full;
    use hyper::Response;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::sync::Semaphore;

    use super::*;

    /// Answers with the path that is asked for: at one only once that is allowed, at one often enough to fill every
    /// buffer.
    struct Echo {
        late: Semaphore,
    }

    const LARGE: usize = 1 << 20;

    impl Answers for Echo {
        async fn answer(&self, request: Request<Incoming>, _: Peer, _: SystemTime) -> Response<Full<Bytes>> {
            let path = request.uri().path().to_owned();
            match &*path {
                "/late" => self.late.acquire().await.unwrap().forget(),
                "/large" => return Response::new(Bytes::from(vec![b'x'; LARGE]).into()),
                _ => {}
            }
            Response::new(Bytes::from(path).into())
        }

        fn note_unread(&self, _: StatusCode, _: Peer, _: SystemTime) {}
    }

    /// A connection among so many others, and its other end.
    async fn connect(others: usize) -> (UnixStream, Arc<Echo>, tokio::task::JoinHandle<()>) {
        let (near, far) = UnixStream::pair().unwrap();
        let (room, echo) = (Arc::new(Room::new(1000)), Arc::new(Echo { late: Semaphore::new(0) }));
        let place = room.take().await;
        let answers = echo.clone();
        let conversation = async move {
            let mut taken = Vec::new();
            for _ in 0..others {
                taken.push(room.take().await);
            }
            converse(near, None, answers, room, place).await;
        };
        (far, echo, tokio::spawn(conversation))
    }

    async fn within<T>(time: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(30), time).await.expect("in time")
    }

    fn request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
    }

    /// Reads an answer, with this in its body.
    async fn answered(far: &mut UnixStream, body: &str) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within(far.read_u8()).await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
        let mut read = vec![0; body.len()];
        within(far.read_exact(&mut read)).await.unwrap();
        assert!(read == body.as_bytes(), "{}", String::from_utf8_lossy(&head));
    }

    #[tokio::test]
    async fn wherever_requests_are_cut_each_is_answered_in_its_turn() {
        let (one, two) = (request("/one"), request("/two"));
        let both = format!("{one}{two}");
        for others in [0, FEW] {
            let (mut far, _, _) = connect(others).await;
            for cut in 1..both.len() {
                far.write_all(&both.as_bytes()[..cut]).await.unwrap();
                if cut >= one.len() {
                    answered(&mut far, "/one").await;
                }
                tokio::task::yield_now().await;
                far.write_all(&both.as_bytes()[cut..]).await.unwrap();
                if cut < one.len() {
                    answered(&mut far, "/one").await;
                }
                answered(&mut far, "/two").await;
            }
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_before_a_large_answer_was_read_is_answered_when_it_can_be() {
        for others in [0, FEW] {
            let (mut far, echo, _) = connect(others).await;
            for _ in 0..3 {
                let requests = ["/large", "/late", "/one"].map(request).concat();
                far.write_all(requests.as_bytes()).await.unwrap();
                answered(&mut far, &"x".repeat(LARGE)).await;
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                echo.late.add_permits(1);
                answered(&mut far, "/late").await;
                answered(&mut far, "/one").await;
            }
        }
    }

    #[tokio::test]
    async fn who_wants_no_other_answer_gets_no_other() {
        for others in [0, FEW] {
            for last in
                ["GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET /two HTTP/1.0\r\n\r\n"]
            {
                let (mut far, _, conversation) = connect(others).await;
                far.write_all(request("/one").as_bytes()).await.unwrap();
                answered(&mut far, "/one").await;
                far.write_all(last.as_bytes()).await.unwrap();
                let mut rest = String::new();
                within(far.read_to_string(&mut rest)).await.unwrap();
                assert!(rest.ends_with("\r\n\r\n/two"), "{rest}");
                within(conversation).await.unwrap();
            }
        }
    }
}
