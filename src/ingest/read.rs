//! Reading one file.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::ingest::file_state::Stamp;
use crate::ingest::permission::restart_hint;
use crate::ingest::walk::{is_exhausted, is_missing};
use crate::seed::{self, Reading, Rules};

/// The content of a file.
pub(super) enum FileContents<'a> {
    /// The bytes, and the stamp from before they were read.
    Bytes(&'a [u8], Option<Stamp>),
    /// The reason why the file cannot be read.
    Unreadable(String),
    /// The file does not exist.
    Missing,
}

/// Reads a file into a buffer, up to one byte more than `largest`, which is enough to see that a file
/// is too large. The buffer is reused from file to file and stays in the processor's cache.
///
/// # Errors
///
/// The system is out of file descriptors.
pub(super) fn read_file<'a>(
    file: &Path,
    largest: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<FileContents<'a>> {
    let mut read = || {
        let mut file = fs::File::open(file)?;
        let (now, meta) = (SystemTime::now(), file.metadata()?);
        let capacity = usize::try_from(meta.len().min(largest)).unwrap_or_default() + 1;
        buffer.try_reserve_exact(capacity.saturating_sub(buffer.len()))?;
        buffer.resize(capacity, 0);
        let read = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            read => read?,
        };
        buffer.truncate(read);
        // The buffer has room for one byte more than the file's length, so a read of exactly that
        // length is complete. Files that report a length of zero (procfs) are read to the end.
        let is_complete = read > 0 && read as u64 == meta.len();
        if !is_complete {
            file.take((largest + 1).saturating_sub(read as u64)).read_to_end(buffer)?;
        }
        Ok(Stamp::settled(&meta, now))
    };
    match read() {
        Ok(stamp) => Ok(FileContents::Bytes(buffer, stamp)),
        Err(error) if is_missing(&error) => Ok(FileContents::Missing),
        Err(error) if is_exhausted(&error) => Err(error),
        Err(error) => Ok(FileContents::Unreadable(format!("{error}{}", restart_hint(&error)))),
    }
}

/// Parses the content of a file. Returns `None` if the file does not exist.
pub(super) fn parse(rules: &Rules, path: &Arc<str>, content: FileContents<'_>) -> Option<Reading> {
    match content {
        FileContents::Bytes(bytes, _) => Some(seed::read(rules, path, bytes)),
        FileContents::Unreadable(reason) => {
            Some(seed::unreadable(path, format!("this cannot be read: {reason}")))
        }
        FileContents::Missing => None,
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn file_that_reports_length_zero_is_read_to_its_end() {
        let (path, mut buffer) = (Path::new("/proc/self/status"), vec![b'x'; 1 << 20]);
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        let FileContents::Bytes(bytes, _) = read_file(path, 1 << 20, &mut buffer).unwrap() else {
            panic!("no bytes")
        };
        assert!(bytes.starts_with(b"Name:") && bytes.ends_with(b"\n"), "{}", String::from_utf8_lossy(bytes));
    }
}
