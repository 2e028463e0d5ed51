//! Listeners: addresses, Unix sockets, and what a service manager hands over.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use super::Answers;
use super::client::Peer;
use super::connection::converse;
use super::keepers::Keepers;
use super::large::{Files, Sending};
use super::room::Room;
use super::speaker::{Caller, Speakers};
use crate::config::Address;

/// How long to wait before accepting again when the system has nothing left to accept with.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How many waits of that kind pass between two lines of the log.
const TOLD_EVERY: u32 = 100;
/// Connections that wait to be accepted: many clients poll at the full hour.
const BACKLOG: i32 = 4096;

/// A socket that connections come in at.
#[derive(Debug)]
pub enum Listener {
    /// On an address and port.
    Tcp(TcpListener),
    /// At a path.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// What a connection is made of.
pub(super) enum Socket {
    /// That can send from files.
    Tcp(Sending),
    #[cfg(unix)]
    Unix(UnixStream),
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Socket {
    /// Moves it to the runtime that this is called in.
    pub(super) fn move_here(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => stream.move_here().map(Self::Tcp),
            #[cfg(unix)]
            Self::Unix(stream) => UnixStream::from_std(stream.into_std()?).map(Self::Unix),
        }
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut dyn Stream> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    /// Listens on an address, one of several. A socket file that nobody listens at any more is
    /// replaced.
    ///
    /// # Errors
    ///
    /// The system's.
    pub async fn bind(address: &Address, among: &[Address]) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => listen(*address, among).map(Self::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => {
                use std::os::unix::fs::FileTypeExt;
                let is_socket = std::fs::symlink_metadata(path).is_ok_and(|is| is.file_type().is_socket());
                if is_socket {
                    match UnixStream::connect(path).await {
                        Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
                        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                            std::fs::remove_file(path)?;
                        }
                        Err(error) => return Err(error),
                    }
                }
                UnixListener::bind(path).map(Self::Unix)
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The listeners that a service manager handed over (systemd socket activation).
    ///
    /// # Errors
    ///
    /// One of them is no stream socket.
    pub fn inherited() -> io::Result<Vec<Self>> {
        let mut handed = listenfd::ListenFd::from_env();
        (0..handed.len()).map(|place| Self::inherit(&mut handed, place)).collect()
    }

    fn inherit(handed: &mut listenfd::ListenFd, place: usize) -> io::Result<Self> {
        #[cfg(unix)]
        if let Ok(Some(listener)) = handed.take_unix_listener(place) {
            listener.set_nonblocking(true)?;
            return UnixListener::from_std(listener).map(Self::Unix);
        }
        let listener = handed.take_tcp_listener(place)?.ok_or(io::ErrorKind::NotFound)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            #[cfg(unix)]
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(Address::Unix(address.as_pathname().map(ToOwned::to_owned).unwrap_or_default()))
            }
        }
    }

    /// Accepts connections, each for itself, while there is room. Never ends.
    pub(super) async fn accept<A: Answers>(
        &self,
        answers: &Arc<A>,
        room: &Arc<Room>,
        files: &Arc<Files>,
        keepers: &Arc<Keepers>,
    ) {
        match self {
            Self::Tcp(listener) => {
                let next = |cx: &mut Context<'_>| {
                    listener.poll_accept(cx).map_ok(|(stream, peer)| {
                        // Answers are small and complete: there is nothing to gain by waiting.
                        let _ = stream.set_nodelay(true);
                        (Socket::Tcp(Sending::new(stream, files.clone())), Some(peer.ip()))
                    })
                };
                accept(next, answers, room, keepers).await;
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let next = |cx: &mut Context<'_>| {
                    listener.poll_accept(cx).map_ok(|(stream, _)| (Socket::Unix(stream), None))
                };
                accept(next, answers, room, keepers).await;
            }
        }
    }
}

/// Accepts one connection after the next.
async fn accept<A: Answers>(
    mut next: impl FnMut(&mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>>,
    answers: &Arc<A>,
    room: &Arc<Room>,
    keepers: &Arc<Keepers>,
) {
    let speakers = Arc::new(Speakers::new(answers.clone(), keepers.clone()));
    let mut failed: u32 = 0;
    loop {
        match poll_fn(&mut next).await {
            Ok((stream, peer)) => {
                failed = 0;
                let place = room.take().await;
                let caller = Box::new(Caller::new(stream, peer, room.clone()));
                tokio::spawn(converse(place, caller, speakers.clone()));
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                if failed.is_multiple_of(TOLD_EVERY) {
                    warn!("a connection cannot be accepted: {error}");
                }
                failed = failed.wrapping_add(1);
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Listens on an address and port. That of all addresses of IPv6 is also that of all addresses of
/// IPv4, unless those are listened at themselves.
fn listen(address: SocketAddr, among: &[Address]) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        let is_twin = |other: &Address| matches!(other, Address::Tcp(other) if other.is_ipv4() && other.port() == address.port());
        socket.set_only_v6(among.iter().any(is_twin))?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether an error of `accept` concerns one client, and not the listener.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_addresses_of_both_kinds_can_be_listened_at() {
        let any = |address: &str| Address::Tcp(address.parse().unwrap());
        let four = Listener::bind(&any("0.0.0.0:0"), &[]).await.unwrap();
        let bound = four.address().unwrap();
        let Address::Tcp(address) = &bound else { panic!("{bound}") };
        let six = any(&format!("[::]:{}", address.port()));
        match Listener::bind(&six, std::slice::from_ref(&bound)).await {
            Ok(listener) => assert_eq!(listener.address().unwrap(), six),
            // A machine without IPv6.
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse),
        }
        drop(four);
        let alone = Listener::bind(&six, std::slice::from_ref(&six)).await;
        if alone.is_ok() {
            assert!(std::net::TcpStream::connect(("127.0.0.1", address.port())).is_ok());
        }
    }
}
