//! Walking the seed directory to find the files that may be seeds.
//!
//! Symbolic links are followed, except for those that lead back into a directory above them. Hidden
//! files and the mirror are skipped.

use std::io;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::ingest::identity::{Identity, identity};
use crate::ingest::permission::restart_hint;
use crate::seed;

/// The reason why a link is not followed.
const LOOP: &str = "a symbolic link leads back into its own directory";

/// One result of a walk.
pub(super) struct WalkEntry {
    pub(super) file: PathBuf,
    /// The reason why the file, or the directory below it, cannot be read.
    pub(super) unreadable: Option<String>,
}

/// A walk at or below a path. It fails only if the system is out of file descriptors.
pub(super) struct Walk {
    /// A directory above the path that is a loop.
    loop_above: Option<WalkEntry>,
    path: PathBuf,
    /// The rest of the walk, or `None` if the path is skipped altogether.
    entries: Option<walkdir::IntoIter>,
    /// The mirror, which is skipped.
    mirror: Option<PathBuf>,
    /// The directories above the path. The walkdir crate detects loops only at or below the path.
    above: Vec<Identity>,
}

impl Walk {
    /// Starts a walk at or below a path. A path outside the root yields nothing.
    pub(super) fn new(root: &Path, mirror: Option<&Path>, path: &Path) -> Self {
        let (path, mirror) = (path.to_owned(), mirror.map(ToOwned::to_owned));
        let walk = Self { loop_above: None, path, entries: None, mirror, above: Vec::new() };
        let Self { path, mirror, .. } = &walk;
        let Ok(relative) = path.strip_prefix(root) else { return walk };
        if mirror.as_ref().is_some_and(|mirror| path.starts_with(mirror)) || has_hidden_part(relative) {
            return walk;
        }
        let ancestors: Vec<_> =
            path.ancestors().skip(1).take_while(|ancestor| ancestor.starts_with(root)).collect();
        let mut above = Vec::new();
        for &ancestor in ancestors.iter().rev() {
            let Ok(identity) = identity(ancestor) else { break };
            if leads_back(&identity, &above) {
                let loop_above = WalkEntry { file: ancestor.to_owned(), unreadable: Some(LOOP.to_owned()) };
                return Self { loop_above: Some(loop_above), ..walk };
            }
            above.push(identity);
        }
        let entries = WalkDir::new(path).follow_links(true).into_iter();
        Self { entries: Some(entries), above, ..walk }
    }

    fn is_skipped(&self, entry: &DirEntry) -> bool {
        let is_hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        is_hidden || Some(entry.path()) == self.mirror.as_deref()
    }

    /// Returns `true` if an entry is a link to a directory above the path of the walk.
    fn leads_back(&self, entry: &DirEntry) -> bool {
        entry.path_is_symlink()
            && identity(entry.path()).is_ok_and(|identity| leads_back(&identity, &self.above))
    }

    /// Visits one directory entry, and returns it if it may be a seed or cannot be read. Returns
    /// `None` at the end of the walk.
    pub(super) fn step(&mut self) -> Option<io::Result<Option<WalkEntry>>> {
        if let Some(loop_above) = self.loop_above.take() {
            return Some(Ok(Some(loop_above)));
        }
        Some(match self.entries.as_mut()?.next()? {
            Ok(entry) if entry.file_type().is_dir() => {
                let is_skipped = self.is_skipped(&entry);
                let leads_back = !is_skipped && self.leads_back(&entry);
                if is_skipped || leads_back {
                    self.entries.as_mut()?.skip_current_dir();
                }
                let unreadable = Some(LOOP.to_owned());
                Ok(leads_back.then(|| WalkEntry { file: entry.into_path(), unreadable }))
            }
            Ok(entry) => {
                let has_seed_name = || seed::is_seed_name(&entry.file_name().to_string_lossy());
                let is_found = entry.file_type().is_file() && !self.is_skipped(&entry) && has_seed_name();
                Ok(is_found.then(|| WalkEntry { file: entry.into_path(), unreadable: None }))
            }
            Err(error) if error.io_error().is_some_and(is_missing) => Ok(None),
            Err(error) if error.io_error().is_some_and(is_exhausted) => {
                // The system's error alone: the message of walkdir repeats the path.
                error.into_io_error().map_or(Ok(None), Err)
            }
            Err(error) => {
                let file = error.path().unwrap_or(&self.path).to_owned();
                Ok(Some(WalkEntry { file, unreadable: Some(reason(&error)) }))
            }
        })
    }
}

impl Iterator for Walk {
    type Item = io::Result<WalkEntry>;

    fn next(&mut self) -> Option<io::Result<WalkEntry>> {
        loop {
            if let Some(entry) = self.step()?.transpose() {
                return Some(entry);
            }
        }
    }
}

/// Returns `true` if this process or the system has too many open files.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    /// `ENFILE` and `EMFILE`
    const TOO_MANY_OPEN: [i32; 2] = [23, 24];
    cfg!(unix) && error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN.contains(&code))
}

pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Returns `true` if a directory is one of those above it. Always `false` outside Unix, where a
/// directory's identity is not certain.
fn leads_back(identity: &Identity, above: &[Identity]) -> bool {
    cfg!(unix) && above.contains(identity)
}

/// Describes an error. A loop is the only one that the file system did not report.
fn reason(error: &walkdir::Error) -> String {
    error.io_error().map_or_else(|| LOOP.to_owned(), |error| format!("{error}{}", restart_hint(error)))
}

fn has_hidden_part(relative: &Path) -> bool {
    relative
        .components()
        .any(|part| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b".")))
}
