//! Bytes that lie in a file as well as in memory. The system sends them from there without copying them for
//! each reader.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

/// Bytes in memory, and a file that holds the same. It has no name, so that nobody else changes it, and is gone
/// with this.
#[derive(Debug)]
pub struct Filed {
    bytes: Bytes,
    file: File,
}

impl Filed {
    /// Writes bytes to a file in a directory.
    ///
    /// # Errors
    ///
    /// The system's, or it is not Linux.
    #[cfg(target_os = "linux")]
    pub fn write(directory: &Path, bytes: Bytes) -> io::Result<Self> {
        use std::io::Write;

        use rustix::fs::{Mode, OFlags, open};
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mut file = File::from(open(directory, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&bytes)?;
        Ok(Self { bytes, file })
    }

    /// Writes bytes to a file in a directory.
    ///
    /// # Errors
    ///
    /// It is not Linux.
    #[cfg(not(target_os = "linux"))]
    pub fn write(_: &Path, _: Bytes) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Where the bytes stand in memory, for as long as this is there.
    pub fn addresses(&self) -> Range<usize> {
        addresses(&self.bytes)
    }

    /// Sends what comes before, from memory, and some of the bytes, from the file, as far as a socket takes them
    /// now. Tells how many it took.
    ///
    /// # Errors
    ///
    /// The system's; the file is shorter than it was; or it is not Linux. Nothing was sent then.
    #[cfg(target_os = "linux")]
    pub fn send(
        &self,
        socket: impl std::os::fd::AsFd,
        before: &[u8],
        part: Range<usize>,
    ) -> io::Result<usize> {
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
        let mut at = part.start as u64;
        match sendfile(&socket, &self.file, Some(&mut at), part.len()) {
            Ok(0) if sent == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if sent == 0 => Err(error.into()),
            from_file => Ok(sent + from_file.unwrap_or_default()),
        }
    }
}

/// Where bytes stand in memory.
pub fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}

#[cfg(test)]
impl Filed {
    /// A file that is told from the bytes that it should hold.
    pub(crate) fn other(bytes: Bytes, file: File) -> Self {
        Self { bytes, file }
    }
}
