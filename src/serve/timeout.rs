//! Deadlines of a connection. A client that sends nothing, sends a head a byte at a time, or does
//! not read what it asked for, would hold its connection for ever.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep};

use super::room::Room;

/// A connection looks at its clock this often, and only while it waits: deadlines are counted in
/// ticks, so that a request that needs no waiting costs none.
pub(super) const TICK: Duration = Duration::from_secs(5);
/// How long a connection may be silent between two requests.
const IDLE: u8 = 15;
/// How long sending the head of a request may take from its first byte, the answer included.
const HEAD: u8 = 4;
/// How long a client may take to read anything more of an answer; all of it, in a crowd.
const STALLED: u8 = 6;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of a request.
    Idle,
    /// For the rest of a request, or for its answer.
    Head,
    /// For the client to read.
    Stalled,
}

/// A stream that ends when its client takes too long.
pub(super) struct Paced<S> {
    stream: S,
    /// What was read of it already, and is read again.
    ahead: Bytes,
    waiting: Waiting,
    /// Whether the last read found nothing, and has the task be woken when that changes.
    drained: bool,
    /// What [`Paced::is_settled`] tells.
    settled: bool,
    ticks: u8,
    tick: Pin<Box<Sleep>>,
    /// Whether the tick wakes the connection's task, which stays the same.
    ticking: bool,
    room: Arc<Room>,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, room: Arc<Room>) -> Self {
        Self {
            stream,
            ahead: Bytes::new(),
            waiting: Waiting::Idle,
            drained: false,
            settled: true,
            ticks: 0,
            tick: Box::pin(sleep(TICK)),
            ticking: false,
            room,
        }
    }

    pub(super) fn into_parts(self) -> (S, Arc<Room>) {
        (self.stream, self.room)
    }

    /// Whether nothing was read since something was written, and all of that was.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == Waiting::Idle
    }

    /// Whether a read since the last look found nothing, and nothing was read after it: only then is the task woken
    /// when something comes.
    pub(super) fn is_drained(&self) -> bool {
        self.drained
    }

    /// Looks from now on whether a read finds nothing.
    pub(super) fn look(&mut self) {
        self.drained = false;
    }

    /// Whether nothing is left of what was read once it is answered: what was read last, after something was written,
    /// ends one head, and ends there; or nothing was read.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Forgets what was read: whoever reads from now on has nothing of it.
    pub(super) fn settle(&mut self) {
        self.settled = true;
    }

    /// Has the beginning of a request read again, before what comes. Empty lines before it mean nothing (RFC 9112
    /// §2.2).
    pub(super) fn put_back(&mut self, mut ahead: Bytes) {
        debug_assert!(self.ahead.is_empty(), "all was read that had come");
        while let Some(empty) = [&b"\r\n"[..], b"\n"].iter().find(|line| ahead.starts_with(line)) {
            ahead.advance(empty.len());
        }
        // Even of no bytes it would hold on to all that they were read into.
        self.ahead = if ahead.is_empty() { Bytes::new() } else { ahead };
    }

    /// Whether something is read again.
    pub(super) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    fn turn_to(&mut self, waiting: Waiting) {
        (self.waiting, self.ticks) = (waiting, 0);
    }

    /// Waits on, unless that has taken too long.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.ticking && !self.tick.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            self.ticking = true;
            // Whoever asked for much at once has spent what one task may do, and would be given no deadline.
            ready!(pin!(unconstrained(self.tick.as_mut())).poll(cx));
            self.ticks += 1;
            let limit = match self.waiting {
                // The first tick may come right after an answer.
                Waiting::Idle if self.room.is_crowded() => 2,
                Waiting::Head if self.room.is_crowded() => HEAD / 2,
                Waiting::Idle => IDLE,
                Waiting::Head => HEAD,
                Waiting::Stalled => STALLED,
            };
            if self.ticks >= limit {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.tick.as_mut().reset(Instant::now() + TICK);
        }
    }

    fn wrote<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            // In a crowd it is the whole answer that has to be read in time, not the next bytes.
            if self.waiting != Waiting::Stalled || !self.room.is_crowded() {
                self.turn_to(Waiting::Idle);
            }
            return written;
        }
        if self.waiting != Waiting::Stalled {
            self.turn_to(Waiting::Stalled);
        }
        self.wait(cx).map(Err)
    }
}

/// Whether this is one head, or the rest of one, and nothing else: an empty line ends it, and there is none before (RFC
/// 9112 §2.1; §2.2 lets lines end with LF alone, and empty ones come first). It begins with a line, so that what was
/// read before cannot have been waiting for the end of an empty one.
fn is_one_head(read: &[u8]) -> bool {
    let Some(lines) = read.strip_suffix(b"\r\n\r\n") else { return false };
    let begins_line = |at: usize| !matches!(lines.get(at), None | Some(b'\r' | b'\n'));
    begins_line(0) && memchr::memchr_iter(b'\n', lines).all(|end| begins_line(end + 1))
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = if self.ahead.is_empty() {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        } else {
            let length = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            if self.ahead.is_empty() {
                self.ahead = Bytes::new();
            }
            Poll::Ready(Ok(()))
        };
        if read.is_pending() {
            let waited = self.wait(cx).map(Err);
            self.drained = waited.is_pending();
            return waited;
        }
        self.drained = false;
        let bytes = &buf.filled()[before..];
        // The end begins nothing.
        if !bytes.is_empty() {
            self.settled = self.is_idle() && is_one_head(bytes);
            if self.waiting != Waiting::Head {
                self.turn_to(Waiting::Head);
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Of one slice, which every 304 is, the system has less to do.
        let written = match slices {
            [slice] => Pin::new(&mut self.stream).poll_write(cx, slice),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.wrote(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when all is written.
        if self.waiting == Waiting::Stalled {
            self.turn_to(Waiting::Idle);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    /// How long a connection lasts whose client does this, in ticks.
    async fn ticks<F: Future<Output = ()> + Send + 'static>(
        crowded: bool,
        answers: bool,
        client: impl FnOnce(tokio::io::DuplexStream) -> F,
    ) -> u64 {
        let room = Arc::new(Room::new(10));
        let _taken = if crowded { room.take_all() } else { Vec::new() };
        let (near, far) = duplex(64);
        let began = Instant::now();
        let client = tokio::spawn(client(far));
        let mut paced = Paced::new(near, room);
        let mut buffer = [0; 16];
        let ended = loop {
            match paced.read(&mut buffer).await {
                Ok(0) => break None,
                Ok(_) if answers => {
                    if let Err(error) = paced.write_all(&[b'x'; 200]).await {
                        break Some(error);
                    }
                }
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        assert_eq!(ended.unwrap().kind(), io::ErrorKind::TimedOut);
        client.abort();
        began.elapsed().as_secs() / TICK.as_secs()
    }

    async fn silent(stream: tokio::io::DuplexStream) {
        std::future::pending::<()>().await;
        drop(stream);
    }

    async fn dripping(mut stream: tokio::io::DuplexStream) {
        loop {
            let _ = stream.write_all(b"x").await;
            sleep(TICK / 3).await;
        }
    }

    /// Asks, and reads a byte of the answer whenever the patience is about to end.
    async fn draining(mut stream: tokio::io::DuplexStream) {
        let _ = stream.write_all(b"x").await;
        loop {
            sleep(TICK).await;
            let _ = stream.read_u8().await;
        }
    }

    #[test]
    fn one_head_is_told_from_more_and_from_less() {
        for (read, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", true),
            ("/1.1\r\nHost: a\r\n\r\n", true),
            ("\nGET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\n\n", false),
            ("GET / HTTP/1.1\r\n\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n\r\n\r\n\r\n", false),
            ("GET / HTTP/1.1\n\nGET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n\nGET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\n\r\nGET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n", false),
            ("\r\nGET / HTTP/1.1\r\n\r\n", false),
            ("\r\n\r\n", false),
            ("", false),
        ] {
            assert_eq!(is_one_head(read.as_bytes()), expected, "{read:?}");
        }
    }

    #[tokio::test]
    async fn what_was_read_too_early_is_read_again_without_empty_lines() {
        for (ahead, expected) in [
            ("", ""),
            ("\r\n", ""),
            ("\n\r\n\n", ""),
            ("\r", "\r"),
            ("\r\n\r", "\r"),
            ("\r\nGET", "GET"),
            ("GET\r\n", "GET\r\n"),
        ] {
            let (near, _far) = duplex(64);
            let mut paced = Paced::new(near, Arc::new(Room::new(10)));
            paced.put_back(Bytes::from_static(ahead.as_bytes()));
            assert_eq!(paced.has_ahead(), !expected.is_empty(), "{ahead:?}");
            let mut read = vec![0; expected.len()];
            paced.read_exact(&mut read).await.unwrap();
            assert_eq!(read, expected.as_bytes());
        }
    }

    #[tokio::test]
    async fn who_has_read_all_at_last_rests_in_a_crowd_too() {
        let room = Arc::new(Room::new(10));
        let _taken = room.take_all();
        let (near, mut far) = duplex(8);
        let mut paced = Paced::new(near, room);
        let write = async {
            paced.write_all(&[b'x'; 32]).await?;
            paced.flush().await
        };
        let (written, read) = tokio::join!(write, async { far.read_exact(&mut [0; 32]).await });
        assert!(written.is_ok() && read.is_ok() && paced.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_too_long_is_left() {
        assert_eq!(ticks(false, true, silent).await, u64::from(IDLE));
        assert_eq!(ticks(true, true, silent).await, 2);
        assert_eq!(ticks(false, false, dripping).await, u64::from(HEAD));
        assert_eq!(ticks(false, true, dripping).await, u64::from(STALLED));
        assert_eq!(ticks(true, true, draining).await, u64::from(STALLED));
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_now_and_then_and_reads_slowly_is_not() {
        let (near, mut far) = duplex(64);
        let client = tokio::spawn(async move {
            for _ in 0..20 {
                sleep(TICK * (u32::from(IDLE) - 2)).await;
                far.write_all(b"x").await.unwrap();
                // The last 64 bytes wait in the stream, and for them nobody waits.
                for left in (0..200).rev() {
                    sleep(if left < 64 { Duration::ZERO } else { TICK }).await;
                    far.read_u8().await.unwrap();
                }
            }
        });
        let mut paced = Paced::new(near, Arc::new(Room::new(10)));
        while paced.read_u8().await.is_ok() {
            paced.write_all(&[b'x'; 200]).await.unwrap();
        }
        drop(paced);
        client.await.unwrap();
    }
}
