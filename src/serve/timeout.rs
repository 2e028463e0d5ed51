//! Timeouts of a connection. Without them a client that sends nothing, sends a head byte by byte, or does not read
//! its response would hold its connection for ever.
//!
//! hyper reads nothing while a handler runs, since the connection allows half-closed clients, and flushes only when a
//! response is written whole. So the time of the handler counts for no timeout. hyper's own `header_read_timeout` does
//! not fit: it begins with the end of the response before.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::connection_limit::ConnectionLimit;

/// The time between two requests of a connection; near the connection limit, the shorter one.
const IDLE: Duration = Duration::from_secs(75);
const IDLE_NEAR_LIMIT: Duration = Duration::from_secs(10);
/// The time from the first byte of a request to the end of its head; near the connection limit, the shorter one.
const HEAD: Duration = Duration::from_secs(20);
const HEAD_NEAR_LIMIT: Duration = Duration::from_secs(10);
/// The time in which a client must read some more of a response; near the connection limit, all of it.
const WRITE: Duration = Duration::from_secs(30);
/// The interval at which a waiting connection checks its timeout, which is as much longer at most. The limit may come
/// near meanwhile.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The event that a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// The first byte of a request.
    Idle,
    /// The rest of a request.
    Head,
    /// The client reading its response.
    Write,
}

/// A stream that fails with [`io::ErrorKind::TimedOut`] when its client takes too long.
pub(super) struct TimeoutStream<S> {
    stream: S,
    waiting: Waiting,
    /// The first check since `waiting` was set. A request that does not wait for one never reads the clock.
    since: Option<Instant>,
    check: Pin<Box<Sleep>>,
    connections: Arc<ConnectionLimit>,
}

impl<S> TimeoutStream<S> {
    pub(super) fn new(stream: S, connections: Arc<ConnectionLimit>) -> Self {
        let check = Box::pin(sleep(CHECK_INTERVAL));
        Self { stream, waiting: Waiting::Idle, since: None, check, connections }
    }

    fn wait_for(&mut self, waiting: Waiting) {
        (self.waiting, self.since) = (waiting, None);
    }

    fn timeout(&self) -> Duration {
        match (self.waiting, self.connections.is_near()) {
            (Waiting::Idle, false) => IDLE,
            (Waiting::Idle, true) => IDLE_NEAR_LIMIT,
            (Waiting::Head, false) => HEAD,
            (Waiting::Head, true) => HEAD_NEAR_LIMIT,
            (Waiting::Write, _) => WRITE,
        }
    }

    /// Polls for the end of the timeout.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.check.as_mut().poll(cx));
            let now = Instant::now();
            let deadline = *self.since.get_or_insert(now) + self.timeout();
            if deadline <= now {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.check.as_mut().reset(deadline.min(now + CHECK_INTERVAL));
        }
    }

    fn after_write<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if self.waiting != Waiting::Write || !self.connections.is_near() {
                self.wait_for(Waiting::Idle);
            }
            return written;
        }
        if self.waiting != Waiting::Write {
            self.wait_for(Waiting::Write);
        }
        self.poll_timeout(cx).map(Err)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if read.is_pending() {
            return self.poll_timeout(cx).map(Err);
        }
        if self.waiting != Waiting::Head {
            self.wait_for(Waiting::Head);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.after_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A 304 is one slice, for which `write` is cheaper than `writev`.
        let written = match slices {
            [slice] => Pin::new(&mut self.stream).poll_write(cx, slice),
            _ => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        };
        self.after_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when the whole response is written.
        if self.waiting == Waiting::Write {
            self.wait_for(Waiting::Idle);
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
    use crate::serve::connection_limit::Permit;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    async fn near_limit() -> (Arc<ConnectionLimit>, Vec<Permit>) {
        let limit = Arc::new(ConnectionLimit::new(10));
        let mut permits = Vec::new();
        for _ in 0..10 {
            permits.push(limit.acquire().await);
        }
        (limit, permits)
    }

    /// Returns after how long a connection times out that answers each read with 200 bytes, or with none.
    async fn lasts<F: Future<Output = ()> + Send + 'static>(
        near: bool,
        answers: bool,
        client: impl FnOnce(DuplexStream) -> F,
    ) -> Duration {
        let (limit, _permits) =
            if near { near_limit().await } else { (Arc::new(ConnectionLimit::new(10)), Vec::new()) };
        let (server, far) = duplex(64);
        let began = Instant::now();
        let client = tokio::spawn(client(far));
        let mut stream = TimeoutStream::new(server, limit);
        let mut buffer = [0; 16];
        let error = loop {
            match stream.read(&mut buffer).await {
                Ok(0) => panic!("the client ended the connection"),
                Ok(_) if answers => {
                    if let Err(error) = stream.write_all(&[b'x'; 200]).await {
                        break error;
                    }
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        client.abort();
        began.elapsed()
    }

    async fn sends_nothing(stream: DuplexStream) {
        std::future::pending::<()>().await;
        drop(stream);
    }

    async fn sends_byte_by_byte(mut stream: DuplexStream) {
        loop {
            let _ = stream.write_all(b"x").await;
            sleep(Duration::from_secs(2)).await;
        }
    }

    async fn reads_byte_by_byte(mut stream: DuplexStream) {
        let _ = stream.write_all(b"x").await;
        loop {
            sleep(Duration::from_secs(5)).await;
            let _ = stream.read_u8().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_client_is_disconnected() {
        let about = |timeout: Duration| timeout..timeout + CHECK_INTERVAL + Duration::from_millis(10);
        assert!(about(IDLE).contains(&lasts(false, true, sends_nothing).await));
        assert!(about(IDLE_NEAR_LIMIT).contains(&lasts(true, true, sends_nothing).await));
        assert!(about(HEAD).contains(&lasts(false, false, sends_byte_by_byte).await));
        assert!(about(HEAD_NEAR_LIMIT).contains(&lasts(true, false, sends_byte_by_byte).await));
        assert!(about(WRITE).contains(&lasts(false, true, sends_byte_by_byte).await));
        assert!(about(WRITE).contains(&lasts(true, true, reads_byte_by_byte).await));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_ends_early_when_the_limit_comes_near() {
        let limit = Arc::new(ConnectionLimit::new(1));
        let (server, _far) = duplex(64);
        let mut stream = TimeoutStream::new(server, limit.clone());
        let began = Instant::now();
        let fill = async {
            sleep(Duration::from_secs(42)).await;
            limit.acquire().await
        };
        let (read, _permit) = tokio::join!(stream.read_u8(), fill);
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(
            (42..=42 + CHECK_INTERVAL.as_secs()).contains(&began.elapsed().as_secs()),
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test]
    async fn connection_is_idle_once_its_response_was_read_near_the_limit_too() {
        let (limit, _permits) = near_limit().await;
        let (server, mut far) = duplex(8);
        let mut stream = TimeoutStream::new(server, limit);
        let write = async {
            stream.write_all(&[b'x'; 32]).await?;
            stream.flush().await
        };
        let (written, read) = tokio::join!(write, async { far.read_exact(&mut [0; 32]).await });
        assert!(written.is_ok() && read.is_ok());
        assert_eq!(stream.waiting, Waiting::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_client_within_the_timeouts_is_served() {
        let (server, mut far) = duplex(64);
        let client = tokio::spawn(async move {
            for _ in 0..20 {
                sleep(IDLE * 4 / 5).await;
                far.write_all(b"x").await.unwrap();
                // The last 64 bytes are in the pipe already.
                for left in (0..200).rev() {
                    sleep(if left < 64 { Duration::ZERO } else { Duration::from_secs(5) }).await;
                    far.read_u8().await.unwrap();
                }
            }
        });
        let mut stream = TimeoutStream::new(server, Arc::new(ConnectionLimit::new(10)));
        while stream.read_u8().await.is_ok() {
            stream.write_all(&[b'x'; 200]).await.unwrap();
        }
        drop(stream);
        client.await.unwrap();
    }
}
