//! Large bodies that are asked for often: they are sent from files, which spares the system copying them for each
//! reader.
//!
//! What is written to a connection is known by where it stands in memory, so that nothing between an answer and
//! the socket has to know of files. Whatever cannot be sent from one is sent from memory.
//!
//! As with any static file, a reader waits for the disk if the system needed the memory in between, and whoever its
//! thread keeps waits with it; so only what is asked for often has a file.

use std::fs::File;
use std::io;
use std::ops::Range;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::thread;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use crate::edition::Representation;
use crate::edition::per_core;

/// Fewest bytes that are sent from a file: it takes a call more, which costs what copying 9 KB does.
const LARGE: usize = 12 * 1024;
/// Most bytes of one file.
const LARGEST: usize = 1 << 20;
/// Most copies of the bytes in a file. Each core sends one of them: the system counts who uses a page, which cores that
/// send the same one can only do in turns.
const MOST_COPIES: usize = 8;
/// Most bytes of copies, unless one is longer.
const COPIED: usize = 256 * 1024;
/// Copies begin at multiples of this, which is no less than a page of any system: no two share a page.
const APART: usize = 64 * 1024;
/// Most files at once.
const MOST: usize = 128;
/// After how many answers of a core in a coding is looked whether there is a file for it, and another one made.
const OFTEN: u64 = 64;

/// Bytes in memory, and a file that holds copies of them. It has no name, so that nobody else changes it, and is gone
/// with this.
#[derive(Debug)]
struct Filed {
    bytes: Bytes,
    file: File,
    copies: usize,
}

impl Filed {
    /// Writes bytes to a file in a directory, and waits until the disk has them: what is read again later is
    /// either these, or fails to be read.
    #[cfg(target_os = "linux")]
    fn write(directory: &Path, bytes: Bytes) -> io::Result<Self> {
        use std::os::unix::fs::FileExt;

        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(open(directory, flags, Mode::RUSR | Mode::WUSR)?);
        let copies = (COPIED / bytes.len().max(1)).clamp(1, MOST_COPIES);
        let filed = Self { bytes, file, copies: 1 };
        let write = |copy| filed.file.write_all_at(&filed.bytes, filed.place(copy));
        write(0)?;
        // A disk that is full by then has one.
        let more = (1..copies).take_while(|copy| write(*copy).is_ok()).count();
        filed.file.sync_data()?;
        Ok(Self { copies: 1 + more, ..filed })
    }

    #[cfg(not(target_os = "linux"))]
    fn write(_: &Path, _: Bytes) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Where a copy begins in the file.
    fn place(&self, copy: usize) -> u64 {
        (copy * self.bytes.len().next_multiple_of(APART)) as u64
    }

    /// Which of the bytes these are, by where they stand in memory.
    fn part(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let (all, wanted) = (self.bytes.as_ptr_range(), bytes.as_ptr_range());
        let is_within = all.start <= wanted.start && wanted.end <= all.end;
        let start = wanted.start.addr().wrapping_sub(all.start.addr());
        is_within.then(|| start..start + bytes.len())
    }

    /// Sends what comes before, from memory, and some of the bytes, from the file, as far as a socket takes them
    /// now. Tells how many it took; fails if it took none.
    #[cfg(target_os = "linux")]
    fn send(&self, socket: impl AsFd, before: &[u8], part: &Range<usize>) -> io::Result<usize> {
        use rustix::fs::sendfile;
        use rustix::net::{SendFlags, send};
        let mut sent = 0;
        if !before.is_empty() {
            // With what follows it fills whole packets.
            sent = send(&socket, before, SendFlags::MORE | SendFlags::NOSIGNAL)?;
            if sent < before.len() {
                return Ok(sent);
            }
        }
        let mut at = self.place(per_core::number() % self.copies) + part.start as u64;
        // A reader that went away is no reason for a signal here either, since Rust's programs ignore SIGPIPE.
        match sendfile(&socket, &self.file, Some(&mut at), part.len()) {
            Ok(0) if sent == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if sent == 0 => Err(error.into()),
            from_file => Ok(sent + from_file.unwrap_or_default()),
        }
    }
}

/// What became of a body that was asked for often.
#[derive(Debug, Clone)]
struct Offered {
    /// Where it begins in memory. It keeps its place as long as it is served, and is known by that.
    address: usize,
    /// Of what it is the body.
    representation: Weak<Representation>,
    /// None if the file could not be written.
    filed: Option<Arc<Filed>>,
}

impl Offered {
    fn is_served(&self) -> bool {
        self.representation.strong_count() > 0
    }
}

/// The bodies that were offered, by their addresses.
#[derive(Debug, Default)]
struct Shelf(Vec<Offered>);

impl Shelf {
    /// The last body that begins at an address, or before it.
    fn up_to(&self, address: usize) -> Option<&Offered> {
        let after = self.0.partition_point(|offered| offered.address <= address);
        self.0[..after].last()
    }

    /// The file that holds these very bytes, and which of its own they are.
    fn find(&self, bytes: &[u8]) -> Option<(&Filed, Range<usize>)> {
        let filed = self.up_to(bytes.as_ptr().addr())?.filed.as_deref()?;
        Some((filed, filed.part(bytes)?))
    }

    /// What is served of these, and another.
    fn with(&self, new: &Offered) -> Self {
        let is_kept = |offered: &&Offered| offered.is_served() && offered.address != new.address;
        let mut all: Vec<_> = self.0.iter().filter(is_kept).chain([new]).cloned().collect();
        all.sort_by_key(|offered| offered.address);
        Self(all)
    }
}

/// The files of bodies that are served.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Where they are made. Without it there are none.
    directory: Option<PathBuf>,
    shelf: ArcSwap<Shelf>,
    writing: AtomicBool,
}

impl Files {
    pub(super) fn new(directory: Option<PathBuf>) -> Self {
        Self { directory, ..Self::default() }
    }

    /// Has the body of an answer, the so manyth that a core gives with a representation, sent from a file later, if it
    /// is large and asked for often.
    pub(super) fn offer(self: &Arc<Self>, representation: &Arc<Representation>, body: &Bytes, asked: u64) {
        let Some(directory) = &self.directory else { return };
        if !asked.is_multiple_of(OFTEN) || !(LARGE..=LARGEST).contains(&body.len()) {
            return;
        }
        let (shelf, address) = (self.shelf.load(), body.as_ptr().addr());
        // A body that has no file may have left its place to another.
        let is_it = |offered: &Offered| {
            offered.address == address && (offered.filed.is_some() || offered.is_served())
        };
        if shelf.up_to(address).is_some_and(is_it)
            || shelf.0.iter().filter(|offered| offered.is_served()).count() >= MOST
            || self.writing.swap(true, Ordering::Acquire)
        {
            return;
        }
        let (files, directory) = (self.clone(), directory.clone());
        let (body, representation) = (body.clone(), Arc::downgrade(representation));
        // Disks are slow, and may hang: nobody waits for this, neither who asks meanwhile nor the end of the process.
        let written = thread::Builder::new().spawn(move || {
            let filed = Filed::write(&directory, body).map_err(|error| {
                debug!(
                    "a feed is sent from memory, since no file for it can be made in {}: {error}",
                    directory.display()
                );
            });
            files.add(&Offered { address, representation, filed: filed.ok().map(Arc::new) });
            files.writing.store(false, Ordering::Release);
        });
        if let Err(error) = written {
            debug!("a feed is sent from memory, since there can be no more threads: {error}");
            self.writing.store(false, Ordering::Release);
        }
    }

    fn add(&self, new: &Offered) {
        self.shelf.rcu(|shelf| shelf.with(new));
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

    /// Moves it to the runtime that this is called in.
    pub(super) fn move_here(self) -> io::Result<Self> {
        Ok(Self::new(TcpStream::from_std(self.stream.into_std()?)?, self.files))
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
        let shelf = self.files.shelf.load();
        let (filed, part) = shelf.find(bytes)?;
        let send = || filed.send(&self.stream, before, &part);
        loop {
            match self.stream.poll_write_ready(cx) {
                Poll::Ready(Ok(())) => {}
                waiting_or_broken => return Some(waiting_or_broken.map_ok(|()| 0)),
            }
            match self.stream.try_io(tokio::io::Interest::WRITABLE, send) {
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
    use std::os::unix::fs::FileExt;
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, SystemTime};

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

    /// A representation of as many bytes as this.
    fn large(length: usize) -> Arc<Representation> {
        let (now, url) = (SystemTime::now(), "https://a.example/".to_owned());
        Arc::new(Representation::new(vec![b'm'; length], "a/b", url, now, Duration::ZERO))
    }

    /// The same with these in its file, which are told from its own.
    fn filed(files: &Files, length: usize, in_file: &[u8]) -> Arc<Representation> {
        let representation = large(length);
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, in_file).unwrap();
        let address = representation.body.as_ptr().addr();
        let filed = Some(Arc::new(Filed { bytes: representation.body.clone(), file, copies: 1 }));
        files.add(&Offered { address, representation: Arc::downgrade(&representation), filed });
        representation
    }

    #[tokio::test]
    async fn what_lies_in_a_file_is_sent_from_there() {
        let files = Arc::new(Files::default());
        // More than a socket takes at once.
        let length = 16 << 20;
        let representation = filed(&files, length, &vec![b'f'; length]);
        let bytes = &representation.body;
        let read = sent(&files, b"head", bytes).await;
        assert_eq!(read.len(), 4 + length);
        assert_eq!(&read[..4], b"head");
        // The last of it may be too short to be worth a call.
        assert!(read[4..length - LARGE].iter().all(|byte| *byte == b'f'));

        let other = vec![b'o'; LARGE];
        for (bytes, byte) in [(&bytes[10..10 + LARGE], b'f'), (&bytes[..LARGE - 1], b'm'), (&other, b'o')] {
            let read = sent(&files, b"head", bytes).await;
            assert_eq!(read, [&b"head"[..], &vec![byte; bytes.len()]].concat());
        }
    }

    #[tokio::test]
    async fn what_a_file_has_not_is_sent_from_memory() {
        let files = Arc::new(Files::default());
        for in_file in [0, LARGE, 2 * LARGE + 1] {
            let representation = filed(&files, 3 * LARGE, &vec![b'm'; in_file]);
            let bytes = &representation.body;
            assert_eq!(sent(&files, b"head", bytes).await, [b"head", &**bytes].concat(), "{in_file}");
        }
    }

    #[test]
    fn a_file_has_copies_that_share_no_page_and_each_core_sends_one_of_them() {
        let directory = tempfile::tempdir().unwrap();
        if Filed::write(directory.path(), Bytes::new()).is_err() {
            return;
        }
        for (length, copies) in
            [(LARGE, MOST_COPIES), (APART, 4), (APART + 1, 3), (COPIED + 1, 1), (LARGEST, 1)]
        {
            let body: Bytes = (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect();
            let filed = Filed::write(directory.path(), body.clone()).unwrap();
            assert_eq!(filed.copies, copies, "{length}");
            for copy in 0..copies {
                let (at, mut written) = (filed.place(copy), vec![0; length]);
                assert_eq!(at % APART as u64, 0);
                filed.file.read_exact_at(&mut written, at).unwrap();
                assert_eq!(written, body, "copy {copy} of {length}");
                filed.file.write_all_at(&vec![u8::try_from(copy).unwrap(); length], at).unwrap();
            }
            let send = || {
                let (near, mut far) = UnixStream::pair().unwrap();
                assert_eq!(filed.send(&near, b"", &(10..LARGE)).unwrap(), LARGE - 10);
                let mut read = vec![0; LARGE - 10];
                io::Read::read_exact(&mut far, &mut read).unwrap();
                let expected = u8::try_from(per_core::number() % copies).unwrap();
                assert!(read.iter().all(|byte| *byte == expected), "{length}");
            };
            thread::scope(|scope| {
                for _ in 0..MOST_COPIES {
                    scope.spawn(send);
                }
            });
        }
    }

    /// Offers a body that was asked for so often, until nothing is being written.
    fn offer(files: &Arc<Files>, representation: &Arc<Representation>, asked: u64) {
        files.offer(representation, &representation.body, asked);
        while files.writing.load(Ordering::Acquire) {
            thread::yield_now();
        }
    }

    #[test]
    fn only_what_is_large_and_asked_for_often_gets_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let there = |files: &Files| files.shelf.load().0.iter().filter(|it| it.filed.is_some()).count();
        // Some file systems have no files without a name.
        if Filed::write(directory.path(), Bytes::new()).is_err() {
            return;
        }
        let files = Arc::new(Files::new(Some(directory.path().to_owned())));
        for (length, asked, expected) in [
            (LARGE, OFTEN - 1, 0),
            (LARGE, OFTEN + 1, 0),
            (LARGE - 1, OFTEN, 0),
            (LARGEST + 1, OFTEN, 0),
            (LARGE, OFTEN, 1),
            (LARGEST, OFTEN, 1),
        ] {
            offer(&files, &large(length), asked);
            assert_eq!(there(&files), expected, "{length} bytes, {asked} times");
        }
        let representations: Vec<_> = (0..=MOST).map(|_| large(LARGE)).collect();
        for representation in representations.iter().chain(&representations) {
            offer(&files, representation, OFTEN);
        }
        assert_eq!(there(&files), MOST);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        drop(representations);
        offer(&files, &large(LARGE), OFTEN);
        assert_eq!(there(&files), 1, "what is not served any more makes room");
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_with_the_next_edition() {
        let directory = tempfile::tempdir().unwrap();
        if Filed::write(directory.path(), Bytes::new()).is_err() {
            return;
        }
        let path = directory.path().join("later");
        let files = Arc::new(Files::new(Some(path.clone())));
        let offered = || {
            let mut offered: Vec<_> = files.shelf.load().0.iter().map(|it| it.filed.is_some()).collect();
            offered.sort_unstable();
            offered
        };
        let (one, another) = (large(LARGE), large(LARGE));
        offer(&files, &one, OFTEN);
        assert_eq!(offered(), [false]);
        std::fs::create_dir(path).unwrap();
        offer(&files, &one, OFTEN);
        assert_eq!(offered(), [false]);
        offer(&files, &another, OFTEN);
        assert_eq!(offered(), [false, true]);
    }
}
