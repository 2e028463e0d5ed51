//! Listeners: addresses, Unix sockets, and sockets inherited from a service manager.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Type};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use super::connection::{Connections, Handler};
use crate::config::ListenAddress;

/// The pause after a failure that concerns the listener, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// One such failure in this many is logged.
const FAILURES_PER_LOG_LINE: u32 = 100;
/// The number of connections that the kernel keeps until they are accepted: many readers poll on the hour.
const BACKLOG: i32 = 4096;

/// The sockets to serve on.
#[derive(Debug)]
pub struct Listeners {
    /// For readers.
    pub public: Vec<Listener>,
    /// For the operator.
    pub admin: Option<Listener>,
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// On an address and port.
    Tcp(TcpListener),
    /// At a path in the file system.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    /// Listens on an address, one of `all`. The socket file of a process that has ended is replaced.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub async fn bind(address: &ListenAddress, all: &[ListenAddress]) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => listen(*address, all).map(Self::Tcp),
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
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
            ListenAddress::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns the listeners inherited from a service manager (systemd socket activation).
    ///
    /// # Errors
    ///
    /// One of them is not a stream socket.
    pub fn inherited() -> io::Result<Vec<Self>> {
        let mut inherited = listenfd::ListenFd::from_env();
        (0..inherited.len()).map(|index| Self::inherit(&mut inherited, index)).collect()
    }

    fn inherit(inherited: &mut listenfd::ListenFd, index: usize) -> io::Result<Self> {
        #[cfg(unix)]
        if let Ok(Some(listener)) = inherited.take_unix_listener(index) {
            listener.set_nonblocking(true)?;
            return UnixListener::from_std(listener).map(Self::Unix);
        }
        let listener = inherited.take_tcp_listener(index)?.ok_or(io::ErrorKind::NotFound)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            #[cfg(unix)]
            Self::Unix(listener) => {
                let address = listener.local_addr()?;
                Ok(ListenAddress::Unix(address.as_pathname().map(ToOwned::to_owned).unwrap_or_default()))
            }
        }
    }

    /// Accepts connections. Never returns.
    pub(super) async fn accept<H: Handler>(&self, connections: &Connections<H>) {
        let mut failures: u32 = 0;
        loop {
            match self.accept_one(connections).await {
                Ok(()) => failures = 0,
                Err(error) if is_connection_error(&error) => {}
                Err(error) => {
                    if failures.is_multiple_of(FAILURES_PER_LOG_LINE) {
                        warn!("cannot accept a connection: {error}");
                    }
                    failures = failures.wrapping_add(1);
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    async fn accept_one<H: Handler>(&self, connections: &Connections<H>) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Responses are written whole, so delaying small segments gains nothing.
                let _ = stream.set_nodelay(true);
                connections.serve(stream, Some(peer.ip().to_canonical())).await;
            }
            #[cfg(unix)]
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                connections.serve(stream, None).await;
            }
        }
        Ok(())
    }
}

/// Listens on an address and port. All addresses of IPv6 (`::`) include those of IPv4, unless another listener has
/// them.
fn listen(address: SocketAddr, all: &[ListenAddress]) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        let is_twin = |other: &ListenAddress| matches!(other, ListenAddress::Tcp(other) if other.is_ipv4() && other.port() == address.port());
        socket.set_only_v6(all.iter().any(is_twin))?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Returns `true` if an error of `accept` concerns one client and not the listener.
fn is_connection_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn wildcard_addresses_of_ipv4_and_ipv6_share_a_port() {
        let any = |address: &str| ListenAddress::Tcp(address.parse().unwrap());
        let four = Listener::bind(&any("0.0.0.0:0"), &[]).await.unwrap();
        let bound = four.address().unwrap();
        let ListenAddress::Tcp(address) = &bound else { panic!("{bound}") };
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
