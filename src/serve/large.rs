//! Large bodies: they are sent from files, which spares the system copying them for each reader.
//!
//! What is written to a connection is known by where it stands in memory, so that nothing between an answer and
//! the socket has to know of files. Whatever cannot be sent from one is sent from memory.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use crate::coding::Coding;
use crate::edition::Representation;
use crate::filed::{Filed, addresses};

/// Fewest bytes that are sent from a file: it takes a call more.
const LARGE: usize = 32 * 1024;
/// Most files at once.
const MOST: usize = 64;

/// The files of large bodies, which stay as long as the representations do.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Where they are made. Without it there are none.
    directory: Option<PathBuf>,
    known: ArcSwap<Vec<(Range<usize>, Weak<Filed>)>>,
    /// Whether one is being made, or making one failed: then there will be no more.
    closed: AtomicBool,
}

impl Files {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, ..Self::default() }
    }

    /// Has a representation that was asked for sent from a file next time, if it is large.
    pub(super) fn offer(self: &Arc<Self>, representation: &Arc<Representation>, coding: Coding) {
        let is_large = |body: &&bytes::Bytes| body.len() >= LARGE;
        let Some(body) = representation.coded(coding).filter(is_large) else { return };
        let Some(directory) = &self.directory else { return };
        let is_there = |(_, filed): &&(_, Weak<Filed>)| filed.strong_count() > 0;
        if representation.filed(coding).get().is_some()
            || self.closed.load(Ordering::Relaxed)
            || self.known.load().iter().filter(is_there).count() >= MOST
            || self.closed.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let (files, representation) = (self.clone(), representation.clone());
        let (directory, body) = (directory.clone(), body.clone());
        // Disks are slow; who asks meanwhile is answered from memory.
        tokio::task::spawn_blocking(move || match Filed::write(&directory, body) {
            Ok(filed) => {
                let filed = Arc::new(filed);
                files.add(&filed);
                let _ = representation.filed(coding).set(filed);
                files.closed.store(false, Ordering::Relaxed);
            }
            Err(error) => debug!(
                "large feeds are sent from memory, since {} has no room for files: {error}",
                directory.display()
            ),
        });
    }

    fn add(&self, filed: &Arc<Filed>) {
        self.known.rcu(|known| {
            let left = known.iter().filter(|(_, filed)| filed.strong_count() > 0).cloned();
            let added = (filed.addresses(), Arc::downgrade(filed));
            left.chain([added]).collect::<Vec<_>>()
        });
    }

    /// The file that holds these very bytes, and where in it they are.
    fn find(&self, bytes: &[u8]) -> Option<(Arc<Filed>, Range<usize>)> {
        let wanted = addresses(bytes);
        let known = self.known.load();
        let holds = |held: &Range<usize>| held.start <= wanted.start && wanted.end <= held.end;
        let (held, filed) = known.iter().find(|(held, _)| holds(held))?;
        // While it is there nothing else can be at those addresses.
        let filed = filed.upgrade()?;
        Some((filed, wanted.start - held.start..wanted.end - held.start))
    }
}

/// A connection that sends what lies in files from there.
pub(super) struct Sending {
    stream: TcpStream,
    files: Arc<Files>,
}

impl Sending {
    pub(super) fn new(stream: TcpStream, files: Arc<Files>) -> Self {
        Self { stream, files }
    }

    /// Sends what comes before, and bytes from the file that holds them. None if they are to be sent from memory.
    #[cfg(target_os = "linux")]
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        before: &[u8],
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if bytes.len() < LARGE {
            return None;
        }
        let (filed, part) = self.files.find(bytes)?;
        let send = || filed.send(&self.stream, before, part.clone());
        loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                waiting_or_broken => return Some(waiting_or_broken.map_ok(|()| 0)),
            }
            match self.stream.try_io(Interest::WRITABLE, send) {
                Ok(sent) => return Some(Poll::Ready(Ok(sent))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Of the connection's own faults the other way of sending tells.
                Err(_) => return None,
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn poll_send(&self, _: &mut Context<'_>, _: &[u8], _: &[u8]) -> Option<Poll<io::Result<usize>>> {
        None
    }
}

impl AsyncRead for Sending {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Sending {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.poll_send(cx, &[], bytes) {
            Some(sent) => sent,
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = match slices {
            [head, body] => self.poll_send(cx, head, body),
            _ => None,
        };
        match sent {
            Some(sent) => sent,
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// What a reader gets of a head and bytes, if these bytes are in memory and those in a file.
    async fn sent(files: &Arc<Files>, head: &[u8], bytes: &[u8]) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let mut sending = Sending::new(stream, files.clone());
        let reading = tokio::spawn(async move {
            let (mut reader, mut read) = (reader, Vec::new());
            reader.read_to_end(&mut read).await.unwrap();
            read
        });
        let (mut head, mut bytes) = (head, bytes);
        while !head.is_empty() {
            let slices = [io::IoSlice::new(head), io::IoSlice::new(bytes)];
            let sent = sending.write_vectored(&slices).await.unwrap();
            let of_head = sent.min(head.len());
            (head, bytes) = (&head[of_head..], &bytes[sent - of_head..]);
        }
        sending.write_all(bytes).await.unwrap();
        drop(sending);
        reading.await.unwrap()
    }

    /// Bytes of which only those in a file are told from others.
    fn filed(length: usize, in_file: &[u8]) -> (Bytes, Arc<Filed>) {
        let bytes = Bytes::from(vec![b'm'; length]);
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, in_file).unwrap();
        (bytes.clone(), Arc::new(Filed::other(bytes, file)))
    }

    #[tokio::test]
    async fn what_lies_in_a_file_is_sent_from_there() {
        let files = Arc::new(Files::default());
        // More than a socket takes at once.
        let length = 16 << 20;
        let (bytes, filed) = filed(length, &vec![b'f'; length]);
        files.add(&filed);
        let read = sent(&files, b"head", &bytes).await;
        assert_eq!(read.len(), 4 + length);
        assert_eq!(&read[..4], b"head");
        // The last of it may be too short to be worth a call.
        assert!(read[4..length - LARGE].iter().all(|byte| *byte == b'f'));

        let other = vec![b'o'; LARGE];
        for (bytes, byte) in [(&bytes[10..10 + LARGE], b'f'), (&bytes[..LARGE - 1], b'm'), (&other, b'o')] {
            let read = sent(&files, b"head", bytes).await;
            assert_eq!(read, [&b"head"[..], &vec![byte; bytes.len()]].concat());
        }

        drop(filed);
        let from_memory = sent(&files, b"head", &bytes).await;
        assert!(from_memory[4..].iter().all(|byte| *byte == b'm'));
    }

    #[tokio::test]
    async fn what_a_file_has_not_is_sent_from_memory() {
        let files = Arc::new(Files::default());
        for in_file in [0, LARGE, 2 * LARGE + 1] {
            let (bytes, filed) = filed(3 * LARGE, &vec![b'm'; in_file]);
            files.add(&filed);
            assert_eq!(sent(&files, b"head", &bytes).await, [b"head", &*bytes].concat(), "{in_file}");
        }
    }

    #[test]
    fn a_file_holds_what_is_written_to_it_and_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = Bytes::from(vec![b'x'; LARGE]);
        // Some file systems have no files without a name.
        let Ok(filed) = Filed::write(directory.path(), bytes.clone()) else { return };
        assert_eq!(filed.addresses(), addresses(&bytes));
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        assert!(Filed::write(&directory.path().join("none"), bytes).is_err());
    }
}
