//! The errors of the mirror.

use std::io;
use std::path::{Path, PathBuf};

use crate::ingest::restart_hint;
use crate::render::RenderError;

/// A mirror that could not be updated completely.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// A file or directory cannot be written, read or removed.
    #[error("cannot update the feeds directory: {}: {cause}{}; choose another directory with --feeds, or turn the mirror off with --feeds off", path.display(), restart_hint(cause))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A file that sower did not write is in the way.
    #[error("cannot update the feeds directory: {} was not written by sower; move it away, or choose another directory with --feeds", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// An archive document cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// Returns a function that adds a path to an I/O error.
pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> MirrorError {
    |cause| MirrorError::Io { path: path.to_owned(), cause }
}
