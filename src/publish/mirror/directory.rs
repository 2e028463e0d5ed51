//! The feeds directory and the list of the files that sower wrote into it.
//!
//! A file is replaced by a rename. A file that is not on the list belongs to another program and stays as it
//! is. The list is written before the files that it names, so that a process killed between the two leaves
//! no file that the next process does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::publish::mirror::error::{MirrorError, io_error};

/// The name of the list.
pub(super) const LIST: &str = ".sower";
pub(super) const LIST_HEAD: &str =
    "# The files in this directory that sower wrote, and may replace or remove.\n";
/// The ending of a file's name until the file is complete.
const UNFINISHED: &str = ".sower-unfinished";

/// The number of attempts to lock the directory, and the pause between two.
const LOCK_ATTEMPTS: u32 = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// The content of a file in the mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileContent {
    pub(super) hash: u128,
    pub(super) length: u64,
    pub(super) modified: SystemTime,
}

impl FileContent {
    /// Returns `true` if a file with this metadata may have this content.
    pub(super) fn matches(&self, meta: &Metadata) -> bool {
        meta.is_file() && meta.len() == self.length && meta.modified().ok() == Some(self.modified)
    }
}

/// The feeds directory.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) root: PathBuf,
    /// The paths on the list, including those that are about to be written.
    pub(super) listed: BTreeSet<String>,
    /// The list that was last written or read.
    list: Vec<u8>,
    /// The content of each file that is up to date.
    pub(super) contents: BTreeMap<String, FileContent>,
}

/// Returns the modification time of a file in the mirror, if the file has these bytes.
pub fn last_modified(root: &Path, path: &str, bytes: &[u8]) -> Option<SystemTime> {
    let file = root.join(path);
    let meta = fs::metadata(&file).ok().filter(|meta| meta.len() == bytes.len() as u64)?;
    let modified = meta.modified().ok()?;
    (fs::read(&file).ok()? == bytes).then_some(modified)
}

/// Returns the paths of the files that sower wrote into a directory, or none if the list cannot be read.
pub fn listed(root: &Path) -> BTreeSet<String> {
    fs::read_to_string(root.join(LIST)).map(|list| parse_list(&list)).unwrap_or_default()
}

fn parse_list(list: &str) -> BTreeSet<String> {
    list.lines().filter(|line| is_inside(line)).map(str::to_owned).collect()
}

/// Returns `true` if a line of the list is a path that stays inside the mirror.
fn is_inside(line: &str) -> bool {
    let is_name = |part: Component<'_>| matches!(part, Component::Normal(_));
    !line.is_empty() && !line.starts_with('#') && Path::new(line).components().all(is_name)
}

impl Directory {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, listed: BTreeSet::new(), list: Vec::new(), contents: BTreeMap::new() }
    }

    /// Creates the directory and locks it against other sower processes, which would take this one's
    /// unfinished files for their own.
    pub(super) fn lock(&self) -> Result<fs::File, MirrorError> {
        fs::create_dir_all(&self.root).map_err(io_error(&self.root))?;
        let directory = fs::File::open(&self.root).map_err(io_error(&self.root))?;
        for _ in 0..LOCK_ATTEMPTS {
            match directory.try_lock() {
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                // On a file system without locks, the mirror works without one.
                Ok(()) | Err(fs::TryLockError::Error(_)) => return Ok(directory),
            }
        }
        let busy = io::Error::other("another sower process has been writing to it for too long");
        Err(io_error(&self.root)(busy))
    }

    /// Reads the list, and returns `true` if it differs from the one that was last written: another program may
    /// have replaced the directory.
    pub(super) fn read_list(&mut self) -> Result<bool, MirrorError> {
        let file = self.root.join(LIST);
        let list = match fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            list => list.map_err(io_error(&file))?,
        };
        if self.list == list && !list.is_empty() {
            return Ok(false);
        }
        self.listed = parse_list(&String::from_utf8_lossy(&list));
        self.list = list;
        Ok(true)
    }

    /// Writes the list if it changed.
    pub(super) fn write_list(&mut self) -> Result<(), MirrorError> {
        let mut list = LIST_HEAD.to_owned();
        for path in &self.listed {
            list.push_str(path);
            list.push('\n');
        }
        if self.list == list.as_bytes() {
            return Ok(());
        }
        replace(&self.root.join(LIST), list.as_bytes(), SystemTime::now())?;
        self.list = list.into_bytes();
        Ok(())
    }

    /// Adds new files to the list before they are written. Returns the files that are on the list now: none
    /// of them if it cannot be written.
    pub(super) fn list_new(
        &mut self,
        new: BTreeSet<String>,
        errors: &mut Vec<MirrorError>,
    ) -> BTreeSet<String> {
        self.listed.extend(new.iter().cloned());
        let Err(error) = self.write_list() else { return new };
        errors.push(error);
        self.listed.retain(|path| !new.contains(path));
        BTreeSet::new()
    }

    /// Removes the unfinished files of killed processes.
    pub(super) fn remove_unfinished(&self) {
        for path in self.listed.iter().map(String::as_str).chain([LIST]) {
            let _ = fs::remove_file(unfinished(&self.root.join(path)));
        }
    }

    /// Returns `true` if a file has to be written: it is missing, or has another content or time.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or was not written by sower.
    pub(super) fn needs_write(
        &mut self,
        path: &str,
        content: FileContent,
        body: &[u8],
    ) -> Result<bool, MirrorError> {
        let file = self.root.join(path);
        let meta = match fs::symlink_metadata(&file) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(io_error(&file)(error)),
        };
        let is_listed = self.listed.contains(path);
        let matches = content.matches(&meta);
        if is_listed && matches && self.contents.get(path) == Some(&content) {
            return Ok(false);
        }
        let is_same = meta.is_file() && fs::read(&file).is_ok_and(|bytes| bytes == body);
        if is_same && matches {
            self.contents.insert(path.to_owned(), content);
            self.listed.insert(path.to_owned());
            return Ok(false);
        }
        if is_same || is_listed { Ok(true) } else { Err(MirrorError::Foreign { path: file }) }
    }

    /// Returns `true` if a file is unchanged since this process wrote it.
    pub(super) fn is_up_to_date(&self, path: &str) -> bool {
        let Some(content) = self.contents.get(path).filter(|_| self.listed.contains(path)) else {
            return false;
        };
        fs::symlink_metadata(self.root.join(path)).is_ok_and(|meta| content.matches(&meta))
    }

    /// Removes files, and returns their number.
    pub(super) fn remove_all(&mut self, paths: &[String], errors: &mut Vec<MirrorError>) -> usize {
        let mut removed = 0;
        for path in paths {
            match self.remove(path) {
                Ok(()) => removed += 1,
                Err(error) => errors.push(error),
            }
        }
        removed
    }

    fn remove(&mut self, path: &str) -> Result<(), MirrorError> {
        let file = self.root.join(path);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&file)(error)),
            _ => {}
        }
        self.listed.remove(path);
        self.contents.remove(path);
        // Removes the directories that are empty now. Removing another one fails, which is no error.
        let mut parent = file.parent();
        while let Some(directory) = parent.filter(|directory| *directory != self.root) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
            parent = directory.parent();
        }
        Ok(())
    }
}

/// Replaces a file atomically.
pub(super) fn replace(file: &Path, bytes: &[u8], modified: SystemTime) -> Result<(), MirrorError> {
    let unfinished = unfinished(file);
    let write = || {
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut written = fs::File::create(&unfinished)?;
        written.write_all(bytes)?;
        written.set_modified(modified)?;
        fs::rename(&unfinished, file)
    };
    write().map_err(|cause| {
        let _ = fs::remove_file(&unfinished);
        io_error(file)(cause)
    })
}

/// Returns the path of a file until the file is complete.
pub(super) fn unfinished(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}{UNFINISHED}"))
}
