//! hyper's part of a connection, which is lent to whoever is to be answered.
//!
//! It is 17 KiB, and is needed only from when a request comes until it is answered. So a connection that waits has
//! none, and a core has one speak for one connection after another, in memory that is in its caches, instead of for
//! each in pages of its own. It ends with the connection that it speaks for.
//!
//! No caller may ever be answered what another asked. Therefore a speaker speaks for another caller only if the one
//! before asked in the plainest way there is, and left nothing behind: its requests were of HTTP/1.1, had no body and
//! wanted no other protocol; what was read of it last was one head and no more; a read after that found nothing, or the
//! end; and all of the answer was written. After any other caller it is let go.

use std::cell::{RefCell, RefMut};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::header::DATE;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, Version};
use hyper_util::rt::TokioIo;
use thread_local::ThreadLocal;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::client::Peer;
use super::keepers::Keepers;
use super::listener::Socket;
use super::room::Room;
use super::timeout::Paced;
use super::{Answering, Answers, response};

/// Largest head of a request, in bytes; as much is read ahead of the answers, too.
const LARGEST_HEAD: usize = 16 * 1024;

/// So many speakers a thread keeps for the next callers. It needs more than one only while others wait: for their
/// callers, or for an answer that is being made.
const SPARE: usize = 4;

/// Who asked so often is taken to stay. To be moved takes as long as a few answers.
pub(super) const STAYS: u8 = 8;

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

/// Sees to it that the date is right of an answer that was asked for at an instant.
fn date(answer: &mut Response<Full<Bytes>>, now: SystemTime) {
    if is_set_back(now) {
        answer.headers_mut().insert(DATE, response::date(now));
    }
}

/// The other end of a connection.
#[expect(clippy::struct_excessive_bools, reason = "each is of another's making, and asked for by itself")]
pub(super) struct Caller {
    stream: Paced<Socket>,
    peer: Peer,
    /// Whether an answer is being made for it, or it is told that the connection ends.
    waits: bool,
    /// How often it asked since it came, or was moved to a keeper; counted up to [`STAYS`].
    asked: u8,
    /// Whether a keeper has it.
    is_kept: bool,
    /// Whether what was read of it last had it be answered.
    has_asked: bool,
    /// Whether it asks no more, and goes once it is answered: it ended its half of the connection, or took too long.
    has_left: bool,
    /// Whether every request since a speaker was lent was of HTTP/1.1, had no body and wanted no other protocol.
    is_plain: bool,
}

impl Caller {
    pub(super) fn new(socket: Socket, peer: Peer, room: Arc<Room>) -> Self {
        let stream = Paced::new(socket, room);
        Self {
            stream,
            peer,
            waits: false,
            asked: 0,
            is_kept: false,
            has_asked: false,
            has_left: false,
            is_plain: true,
        }
    }

    /// Whether it waits for nothing but to ask again. All that a speaker can have of it then is the beginning of a
    /// request's head.
    fn rests(&self) -> bool {
        (self.stream.is_drained() || self.has_left) && self.stream.is_idle() && !self.waits
    }

    /// Whether it waits for an answer, and asked nothing after that.
    fn waits_for_the_last(&self) -> bool {
        self.stream.is_drained() && self.waits
    }

    /// Whether it asked so often that it can be expected to go on, and no keeper has it.
    pub(super) fn stays(&self) -> bool {
        self.asked >= STAYS && !self.is_kept
    }

    /// Whether a keeper has it.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Moves it, while it rests, to the keeper in whose runtime this is called.
    pub(super) fn move_here(self) -> io::Result<Self> {
        let (socket, room) = self.stream.into_parts();
        Ok(Self { is_kept: true, ..Self::new(socket.move_here()?, self.peer, room) })
    }

    /// Whether a speaker has nothing of it, once it rests.
    fn left_nothing(&self) -> bool {
        self.is_plain && self.stream.is_settled()
    }

    /// Whether the beginning of a request was read of it already.
    pub(super) fn has_begun(&self) -> bool {
        self.stream.has_ahead()
    }

    /// Whether it asks no more: it ended its half of the connection, or took too long.
    pub(super) fn has_left(&self) -> bool {
        self.has_left
    }

    /// Whether what it waits for takes too long. Hyper, which reads ahead, looks only when it reads: not as long as the
    /// next request has come already.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        self.waits && self.stream.wait(cx).is_ready()
    }

    /// Reads what it asks. That it asks no more hyper is told only in the middle of a request. Else it would take that
    /// for the end, and answer nothing to a client that ends its half of the connection after asking, as it may; and
    /// of one that asked nothing, the speaker is as good for another.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let was_idle = self.stream.is_idle();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let asks_no_more = match &read {
            Poll::Ready(Ok(())) if buf.filled().len() == before => was_idle || self.has_asked,
            Poll::Ready(Ok(())) => {
                self.has_asked = false;
                false
            }
            Poll::Ready(Err(_)) => was_idle && !self.waits,
            Poll::Pending => false,
        };
        if asks_no_more {
            self.has_left = true;
            return Poll::Pending;
        }
        read
    }
}

thread_local! {
    /// The caller that this thread polls a speaker for, as long as it does.
    static CALLER: RefCell<Option<Box<Caller>>> = const { RefCell::new(None) };
}

/// Does something with the caller that this thread polls a speaker for.
fn with_caller<T>(act: impl FnOnce(&mut Caller) -> T) -> Option<T> {
    CALLER.with_borrow_mut(|caller| {
        debug_assert!(caller.is_some(), "hyper is polled only for a caller");
        caller.as_deref_mut().map(act)
    })
}

/// Has this thread poll a speaker for a caller, and gives that back, also if an answer panics.
struct Polled<'a>(&'a mut Option<Box<Caller>>);

impl<'a> Polled<'a> {
    fn by_this_thread(caller: &'a mut Option<Box<Caller>>) -> Self {
        CALLER.set(caller.take());
        Self(caller)
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        *self.0 = CALLER.take();
    }
}

/// What a speaker reads and writes: of the caller that it is polled for, which takes no lock.
struct Line;

fn poll_caller<T>(act: impl FnOnce(&mut Caller) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    with_caller(act).unwrap_or_else(|| Poll::Ready(Err(io::ErrorKind::NotConnected.into())))
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        poll_caller(|caller| caller.poll_read(cx, buf))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll_caller(|caller| Pin::new(&mut caller.stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        poll_caller(|caller| Pin::new(&mut caller.stream).poll_write_vectored(cx, slices))
    }

    /// hyper asks before there is a caller, and never again.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_caller(|caller| Pin::new(&mut caller.stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_caller(|caller| {
            // It never rests again.
            caller.waits = true;
            Pin::new(&mut caller.stream).poll_shutdown(cx)
        })
    }
}

/// What hyper asks for answers to a caller's requests.
struct Asking<A> {
    answers: Arc<A>,
}

impl<A: Answers> Service<Request<Incoming>> for Asking<A> {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let now = SystemTime::now();
        let is_plain = request.version() == Version::HTTP_11
            && request.body().is_end_stream()
            && request.extensions().get::<OnUpgrade>().is_none();
        let peer = with_caller(|caller| {
            caller.has_asked = true;
            caller.asked = STAYS.min(caller.asked + 1);
            caller.is_plain &= is_plain;
            caller.peer
        });
        // Without its body, of which hyper takes care before there is an answer: what is left of one when hyper's
        // part is let go would be taken for a request.
        let mut answering = self.answers.answer(request.map(drop), peer.flatten(), now);
        match &mut answering {
            Answering::There(answer) => {
                if let Some(answer) = answer {
                    date(answer, now);
                }
                answering
            }
            Answering::Making(_) => {
                with_caller(|caller| caller.waits = true);
                Answering::making(async move {
                    let Ok(mut answer) = answering.await;
                    with_caller(|caller| caller.waits = false);
                    date(&mut answer, now);
                    answer
                })
            }
        }
    }
}

type Http<A> = http1::Connection<TokioIo<Line>, Asking<A>>;

/// What speaks HTTP for one caller at a time.
pub(super) struct Speaker<A: Answers> {
    http: Box<Http<A>>,
    caller: Option<Box<Caller>>,
}

impl<A: Answers> Speaker<A> {
    fn new(answers: Arc<A>) -> Self {
        let mut http = http1::Builder::new();
        // Bodies are shared between answers, not copied: gathering those of pipelined requests
        // into one write would copy them, as many as a client asks for and does not read.
        http.max_buf_size(LARGEST_HEAD);
        Self { http: Box::new(http.serve_connection(TokioIo::new(Line), Asking { answers })), caller: None }
    }

    /// Reads and answers, until the connection ends, or what its caller waits for takes too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let polled = Polled::by_this_thread(&mut self.caller);
        let ended = Pin::new(&mut *self.http).poll(cx);
        drop(polled);
        if ended.is_pending() && self.caller.as_mut().is_some_and(|caller| caller.is_late(cx)) {
            return Poll::Ready(Ok(()));
        }
        ended
    }

    /// Whether it has one more answer to give, as far as is known.
    pub(super) fn gives_the_last(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.waits_for_the_last())
    }

    /// Whom it speaks for.
    pub(super) fn peer(&self) -> Peer {
        self.caller.as_ref().and_then(|caller| caller.peer)
    }

    /// Has the connection end after the next answer.
    pub(super) fn end_soon(&mut self) {
        Pin::new(&mut *self.http).graceful_shutdown();
    }

    /// The caller, if it rests. What comes of it from now on is looked at anew.
    pub(super) fn part(&mut self) -> Option<Box<Caller>> {
        self.caller.take_if(|caller| {
            let rests = caller.rests();
            caller.stream.look();
            rests
        })
    }
}

/// The speakers that answer at one listener.
pub(super) struct Speakers<A: Answers> {
    answers: Arc<A>,
    keepers: Arc<Keepers>,
    /// Those of each thread: to take a lock would mean to wait for the memory of the caller.
    spare: ThreadLocal<RefCell<Vec<Speaker<A>>>>,
}

impl<A: Answers> Speakers<A> {
    pub(super) fn new(answers: Arc<A>, keepers: Arc<Keepers>) -> Self {
        Self { answers, keepers, spare: ThreadLocal::new() }
    }

    /// Who keeps connections that stay.
    pub(super) fn keepers(&self) -> &Keepers {
        &self.keepers
    }

    /// What they answer.
    pub(super) fn answers(&self) -> &A {
        &self.answers
    }

    fn spare(&self) -> RefMut<'_, Vec<Speaker<A>>> {
        self.spare.get_or_default().borrow_mut()
    }

    /// Lends one to a caller.
    pub(super) fn lend(&self, mut caller: Box<Caller>) -> Speaker<A> {
        let spare = self.spare().pop();
        let speaker = spare.unwrap_or_else(|| Speaker::new(self.answers.clone()));
        caller.is_plain = true;
        caller.stream.settle();
        Speaker { caller: Some(caller), ..speaker }
    }

    /// Takes one back from a caller that it has parted from, who keeps what was read of a request that is not whole.
    pub(super) fn take_back(&self, speaker: Speaker<A>, caller: &mut Caller) {
        if !caller.left_nothing() {
            return caller.stream.put_back(speaker.http.into_parts().read_buf);
        }
        let mut spare = self.spare();
        if spare.len() < SPARE {
            spare.push(speaker);
        }
    }

    #[cfg(test)]
    pub(super) fn count_spare(&self) -> usize {
        self.spare().len()
    }
}
