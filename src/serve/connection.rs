//! One connection: requests in, answers out.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
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
use super::pace::{Paced, Readable, Signs};
use super::respond;
use super::room::{Place, Room};

/// Largest head of a request, in bytes; as much is read ahead of the answers, too.
const LARGEST_HEAD: usize = 16 * 1024;

/// Up to so many connections keep hyper's part while they wait. To make it anew takes a quarter more instructions a
/// poll; to keep it costs more only where hundreds of them displace each other in the caches.
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
/// hyper's part of it, with 16 KiB of buffers, is made when something comes and let go after the answer, and lies
/// where that of the connection before it lay, in the caches. What is left of a connection is in none of them when it
/// is woken, so it is kept small, and what it seldom looks at is boxed.
pub(super) async fn converse<S, A>(stream: S, peer: Peer, answers: Arc<A>, room: Arc<Room>, place: Place)
where
    S: Readable + AsyncRead + AsyncWrite + Unpin + Send,
    A: Answers,
{
    let answers = &*answers;
    // Whether there is a request that has no answer yet, and what the stream says of itself. Hyper's part holds them
    // too, and the task may change threads: hence atomic.
    let (asked, signs) = (&AtomicBool::new(false), &Signs::default());
    let is = |sign: &AtomicBool| sign.load(Ordering::Relaxed);
    let service = &service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let now = SystemTime::now();
        // Without its body, of which hyper takes care before there is an answer: what is left of one when hyper's
        // part is let go would be taken for a request.
        let answer = answers.answer(request.map(drop), peer, now);
        async move {
            let mut answer = answer.await;
            if is_set_back(now) {
                answer.headers_mut().insert(DATE, respond::date(now));
            }
            asked.store(false, Ordering::Relaxed);
            Ok::<_, Infallible>(answer)
        }
    });
    let (mut closes, mut listening) = (Box::pin(room.closes()), false);
    // Registered once and not at every poll, which would take a lock each time.
    let mut closing = |cx: &mut Context<'_>| {
        let is_closing = room.is_closing() || (!listening && closes.as_mut().poll(cx).is_ready());
        listening = true;
        is_closing
    };
    let (mut stream, mut rested) = (Paced::new(stream, signs, &room), false);
    let ended = loop {
        let has_come = poll_fn(|cx| {
            // The read that found nothing has registered this task: to ask again would only take a lock.
            if std::mem::take(&mut rested) && !room.is_closing() {
                return Poll::Pending;
            }
            let is_closing = closing(cx);
            match stream.poll_readable(cx) {
                // What was asked before is answered still.
                Poll::Ready(readable) => Poll::Ready(readable.is_ok()),
                Poll::Pending if is_closing => Poll::Ready(false),
                Poll::Pending => Poll::Pending,
            }
        });
        if !has_come.await {
            break Ok(());
        }
        let mut connection = {
            // Where it takes no room in a connection that waits.
            let mut http = http1::Builder::new();
            // Bodies are shared between answers, not copied: gathering those of pipelined requests
            // into one write would copy them, as many as a client asks for and does not read.
            http.max_buf_size(LARGEST_HEAD);
            Box::new(http.serve_connection(TokioIo::new(&mut stream), service))
        };
        let mut told = false;
        let ended = poll_fn(|cx| {
            // Only a read that finds nothing from now on has this task be woken when something comes.
            signs.drained.store(false, Ordering::Relaxed);
            if !told && closing(cx) {
                // What has come already is answered first, which hyper does a few requests at a time.
                if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
                    return Poll::Ready(Some(ended));
                }
                told = is(&signs.drained);
                if told {
                    Pin::new(&mut *connection).graceful_shutdown();
                }
            }
            // All that hyper can have then is the beginning of a request's head.
            let rests = || is(&signs.drained) && is(&signs.idle) && !is(asked);
            match Pin::new(&mut *connection).poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if !told && room.taken() > FEW && rests() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        if let Some(ended) = ended.await {
            break ended;
        }
        // To take it to pieces takes longer than to let it go.
        if is(&signs.whole) {
            drop(connection);
            rested = true;
        } else {
            let begun = connection.into_parts().read_buf;
            stream.put_back(begun);
        }
    };
    drop(stream);
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

    /// Answers with the path that is asked for; with that of `/late` only when it is allowed to, and with more than
    /// fits into any buffer at `/large`.
    struct Echo {
        late: Semaphore,
    }

    const LARGE: usize = 1 << 20;

    impl Answers for Echo {
        async fn answer(&self, request: Request<()>, _: Peer, _: SystemTime) -> Response<Full<Bytes>> {
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

    /// The other end of a connection.
    struct Far {
        stream: UnixStream,
        room: Arc<Room>,
        echo: Arc<Echo>,
        conversation: tokio::task::JoinHandle<()>,
    }

    /// A connection among so many others.
    async fn connect(others: usize) -> Far {
        let (near, stream) = UnixStream::pair().unwrap();
        let (room, echo) = (Arc::new(Room::new(1000)), Arc::new(Echo { late: Semaphore::new(0) }));
        let place = room.take().await;
        let mut taken = Vec::new();
        for _ in 0..others {
            taken.push(room.take().await);
        }
        let (answers, entered) = (echo.clone(), room.clone());
        let conversation = tokio::spawn(async move {
            converse(near, None, answers, entered, place).await;
            drop(taken);
        });
        Far { stream, room, echo, conversation }
    }

    /// Has what was sent be read.
    async fn is_read() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn within<T>(time: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(200), time).await.expect("in time")
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

    /// What is still answered until the connection ends.
    async fn rest(mut far: Far) -> String {
        let mut rest = String::new();
        within(far.stream.read_to_string(&mut rest)).await.unwrap();
        within(far.conversation).await.unwrap();
        rest
    }

    #[tokio::test]
    async fn wherever_requests_are_cut_each_is_answered_in_its_turn() {
        let (one, two) = (request("/one"), request("/two"));
        let both = format!("{one}{two}");
        for others in [0, FEW] {
            let mut far = connect(others).await;
            for cut in 1..both.len() {
                far.stream.write_all(&both.as_bytes()[..cut]).await.unwrap();
                if cut >= one.len() {
                    answered(&mut far.stream, "/one").await;
                }
                is_read().await;
                far.stream.write_all(&both.as_bytes()[cut..]).await.unwrap();
                if cut < one.len() {
                    answered(&mut far.stream, "/one").await;
                }
                answered(&mut far.stream, "/two").await;
            }
        }
    }

    #[tokio::test]
    async fn whatever_looks_like_the_end_of_a_request_the_next_is_answered_too() {
        let (one, two) = (request("/one"), request("/two"));
        for sent in [
            // Empty lines before a request (RFC 9112 §2.2).
            format!("{one}\r\n"),
            format!("{one}\r\n\r\n"),
            // Lines that end as on Unix.
            one.replace("\r\n", "\n"),
            "OPTIONS /one HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n".to_owned(),
        ] {
            for others in [0, FEW] {
                let mut far = connect(others).await;
                for cut in 0..two.len() {
                    far.stream.write_all(format!("{sent}{}", &two[..cut]).as_bytes()).await.unwrap();
                    answered(&mut far.stream, "/one").await;
                    is_read().await;
                    far.stream.write_all(&two.as_bytes()[cut..]).await.unwrap();
                    answered(&mut far.stream, "/two").await;
                }
            }
        }
    }

    #[tokio::test]
    async fn however_much_is_asked_for_at_once_all_of_it_is_answered() {
        for others in [0, FEW] {
            for first in [40, 8150] {
                let mut far = connect(others).await;
                let head = format!("GET /first HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(first));
                let requests = (0..600).map(|number| request(&format!("/{number}")));
                let sent = head + &requests.collect::<String>();
                let (mut read, mut write) = far.stream.split();
                let answers = async {
                    let mut answers = String::new();
                    while !answers.ends_with("/599") {
                        let mut some = [0; 4096];
                        let length = read.read(&mut some).await.unwrap();
                        assert!(length > 0, "{answers}");
                        answers.push_str(std::str::from_utf8(&some[..length]).unwrap());
                    }
                    answers
                };
                let (sent, answers) =
                    within(Box::pin(async { tokio::join!(write.write_all(sent.as_bytes()), answers) })).await;
                sent.unwrap();
                let bodies =
                    answers.split("HTTP/1.1 200 OK").skip(1).map(|answer| answer.split("\r\n\r\n").nth(1));
                let expected =
                    ["/first".to_owned()].into_iter().chain((0..600).map(|number| format!("/{number}")));
                assert!(
                    bodies.eq(expected.collect::<Vec<_>>().iter().map(|path| Some(&**path))),
                    "{answers}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asked_for_much_at_once_has_a_deadline_too() {
        for others in [0, FEW] {
            let mut far = connect(others).await;
            far.stream.write_all(request("/").repeat(200).as_bytes()).await.unwrap();
            let rest = rest(far).await;
            assert_eq!(rest.matches("HTTP/1.1 200").count(), 200);
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_before_a_large_answer_was_read_is_answered_when_it_can_be() {
        for others in [0, FEW] {
            let mut far = connect(others).await;
            for _ in 0..3 {
                let requests = ["/large", "/late", "/one"].map(request).concat();
                far.stream.write_all(requests.as_bytes()).await.unwrap();
                answered(&mut far.stream, &"x".repeat(LARGE)).await;
                is_read().await;
                far.echo.late.add_permits(1);
                answered(&mut far.stream, "/late").await;
                answered(&mut far.stream, "/one").await;
            }
        }
    }

    #[tokio::test]
    async fn who_wants_no_other_answer_gets_no_other() {
        for others in [0, FEW] {
            for last in [
                "GET /two HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "GET /two HTTP/1.0\r\n\r\n",
                "POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nGET /three HTTP/1.1\r\nHost: a\r\n\r\n",
                "OPTIONS /two HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n\r\n\r\n",
            ] {
                let mut far = connect(others).await;
                far.stream.write_all(request("/one").as_bytes()).await.unwrap();
                answered(&mut far.stream, "/one").await;
                far.stream.write_all(last.as_bytes()).await.unwrap();
                let rest = rest(far).await;
                assert!(rest.ends_with("\r\n\r\n/two"), "{rest}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_when_the_room_is_closed_leaves_at_once() {
        for others in [0, FEW] {
            for answers in 0..3 {
                let mut far = connect(others).await;
                for _ in 0..answers {
                    far.stream.write_all(request("/one").as_bytes()).await.unwrap();
                    answered(&mut far.stream, "/one").await;
                }
                is_read().await;
                let began = tokio::time::Instant::now();
                far.room.close(Duration::ZERO).await;
                far.conversation.await.unwrap();
                assert_eq!(began.elapsed(), Duration::ZERO, "after {answers} answers");
            }
        }
    }

    #[tokio::test]
    async fn what_has_come_before_the_room_is_closed_is_answered() {
        for others in [0, FEW] {
            let (near, mut far) = UnixStream::pair().unwrap();
            let (room, answers) = (Arc::new(Room::new(1000)), Arc::new(Echo { late: Semaphore::new(0) }));
            let mut places = Vec::new();
            for _ in 0..others {
                places.push(room.take().await);
            }
            let place = room.take().await;
            far.write_all(request("/one").repeat(100).as_bytes()).await.unwrap();
            near.readable().await.unwrap();
            room.close(Duration::ZERO).await;
            within(converse(near, None, answers, room, place)).await;
            let mut answers = String::new();
            far.read_to_string(&mut answers).await.unwrap();
            assert_eq!(answers.matches("\r\n\r\n/one").count(), 100, "{answers}");
        }
    }
}
