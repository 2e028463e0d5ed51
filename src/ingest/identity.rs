//! The identity of a directory.

use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Distinguishes directories that have had the same path: device, inode and time of creation. Inode
/// numbers are reused, so the time of creation is part of it.
pub(super) type Identity = (u64, u64, Option<SystemTime>);

#[cfg(unix)]
pub(super) fn identity(root: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(root)?;
    Ok((meta.dev(), meta.ino(), meta.created().ok()))
}

#[cfg(not(unix))]
pub(super) fn identity(root: &Path) -> io::Result<Identity> {
    Ok((0, 0, std::fs::metadata(root)?.created().ok()))
}
