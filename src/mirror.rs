//! The mirror: the public tree as files, for any static host, and the memory of when each feed
//! last changed.
//!
//! A file is replaced by a rename, and only if its bytes changed. A list of what sower wrote
//! stands in the directory; whatever is not on it is somebody else's and is never touched. The
//! list is written before the files it names, so that a process killed between the two leaves no
//! file that the next one would not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::edition::{Edition, Representation};

/// The list of the files that sower wrote.
const LIST: &str = ".sower";
const LIST_HEAD: &str = "# The files in this directory that sower wrote, and may replace or remove.\n";
/// How the name of a file ends until it has all its bytes.
const UNFINISHED: &str = ".sower-unfinished";

/// How often, and for how long, another process's writing is waited for.
const LOCK_TRIES: u32 = 500;
const LOCK_AGAIN: Duration = Duration::from_millis(20);

/// A mirror that is not in step.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// A file or directory cannot be written, read or removed.
    #[error("the feeds directory cannot be kept in step: {}: {cause}; `--feeds` names another directory, `--feeds off` does without", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file of somebody else's is in the way.
    #[error("the feeds directory cannot be kept in step: {} was not written by sower; move it away, or name another directory with `--feeds`", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

/// The public tree as files.
#[derive(Debug)]
pub struct Mirror {
    root: PathBuf,
    /// The paths on the list.
    listed: BTreeSet<String>,
    /// What each file is known to hold, and its time.
    in_step: BTreeMap<String, Arc<Representation>>,
    /// Whether what a process left that was killed while it wrote is cleared away.
    cleared: bool,
}

/// What became of the files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Files whose bytes are new.
    pub written: usize,
    /// Files that are gone.
    pub removed: usize,
}

impl Mirror {
    /// The mirror in a directory, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root, listed: BTreeSet::new(), in_step: BTreeMap::new(), cleared: false }
    }

    /// The paths of the files that sower wrote, as the list has them now; none if it cannot be read.
    pub fn listed(&mut self) -> impl Iterator<Item = &str> {
        let _ = self.read_list();
        self.listed.iter().map(String::as_str)
    }

    /// When a file got the bytes it holds, if they are these.
    pub fn last_modified(&self, path: &str, bytes: &[u8]) -> Option<SystemTime> {
        let file = self.root.join(path);
        let meta = fs::metadata(&file).ok().filter(|meta| meta.len() == bytes.len() as u64)?;
        let modified = meta.modified().ok()?;
        (fs::read(&file).ok()? == bytes).then_some(modified)
    }

    /// Brings the files in step with an edition. What can be done is done before an error is
    /// reported, and the next call tries the rest again.
    ///
    /// # Errors
    ///
    /// The first thing that could not be done.
    pub fn update(&mut self, edition: &Edition) -> Result<Mirrored, MirrorError> {
        fs::create_dir_all(&self.root).map_err(io_error(&self.root))?;
        let _lock = self.lock()?;
        self.read_list()?;
        if !std::mem::replace(&mut self.cleared, true) {
            self.clear_away();
        }
        let mut failed = Vec::new();
        let mut due = Vec::new();
        for (path, representation) in &edition.representations {
            match self.is_due(path, representation) {
                Ok(true) => due.push((path, representation)),
                Ok(false) => {}
                Err(error) => failed.push(error),
            }
        }
        let stale = self.listed.iter().filter(|path| !edition.representations.contains_key(*path));
        let stale: Vec<String> = stale.cloned().collect();

        let listed_before = self.listed.clone();
        self.write_list(due.iter().map(|(path, _)| (*path).clone()))?;
        let mut mirrored = Mirrored::default();
        for (path, representation) in due {
            match self.write(path, representation) {
                Ok(()) => mirrored.written += 1,
                Err(error) => {
                    // What was never written must not be taken for sower's own later.
                    if !listed_before.contains(path) {
                        self.listed.remove(path);
                    }
                    failed.push(error);
                }
            }
        }
        for path in stale {
            match self.remove(&path) {
                Ok(()) => mirrored.removed += 1,
                Err(error) => failed.push(error),
            }
        }
        failed.extend(self.write_list([]).err());
        failed.into_iter().next().map_or(Ok(mirrored), Err)
    }

    /// Keeps other processes of sower's out while this one writes: each would take the other's
    /// unfinished files for its own.
    fn lock(&self) -> Result<fs::File, MirrorError> {
        let directory = fs::File::open(&self.root).map_err(io_error(&self.root))?;
        for _ in 0..LOCK_TRIES {
            match directory.try_lock() {
                Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOCK_AGAIN),
                // A file system without locks is no reason to write nothing.
                Ok(()) | Err(fs::TryLockError::Error(_)) => return Ok(directory),
            }
        }
        let busy = io::Error::other("another sower has been writing to it for too long");
        Err(io_error(&self.root)(busy))
    }

    /// Reads the list anew each time: the directory may have been replaced by somebody else's.
    fn read_list(&mut self) -> Result<(), MirrorError> {
        let file = self.root.join(LIST);
        let list = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            list => list.map_err(io_error(&file))?,
        };
        self.listed = list.lines().filter(|line| is_inside(line)).map(str::to_owned).collect();
        Ok(())
    }

    /// Removes what a process left that was killed while it wrote.
    fn clear_away(&self) {
        for path in self.listed.iter().map(String::as_str).chain([LIST]) {
            let _ = fs::remove_file(unfinished(&self.root.join(path)));
        }
    }

    /// Whether a file is to be written: it has other bytes or another time, or is not there.
    fn is_due(&mut self, path: &str, representation: &Arc<Representation>) -> Result<bool, MirrorError> {
        let file = self.root.join(path);
        let meta = match fs::symlink_metadata(&file) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(io_error(&file)(error)),
        };
        let listed = self.listed.contains(path);
        let size_and_time = meta.len() == representation.body.len() as u64
            && meta.modified().ok() == Some(representation.last_modified);
        let known = self.in_step.get(path).is_some_and(|known| known.body == representation.body);
        if listed && known && size_and_time {
            return Ok(false);
        }
        let same = meta.is_file() && fs::read(&file).is_ok_and(|bytes| bytes == representation.body);
        if same && size_and_time {
            self.in_step.insert(path.to_owned(), representation.clone());
            self.listed.insert(path.to_owned());
            return Ok(false);
        }
        if same || listed { Ok(true) } else { Err(MirrorError::Foreign { path: file }) }
    }

    fn write(&mut self, path: &str, representation: &Arc<Representation>) -> Result<(), MirrorError> {
        let file = self.root.join(path);
        replace(&file, &representation.body, Some(representation.last_modified))?;
        self.in_step.insert(path.to_owned(), representation.clone());
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), MirrorError> {
        let file = self.root.join(path);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(&file)(error)),
            _ => {}
        }
        self.listed.remove(path);
        self.in_step.remove(path);
        // Directories that are empty now; one that is not stays, and that is no error.
        let mut parent = file.parent();
        while let Some(directory) = parent.filter(|directory| *directory != self.root) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
            parent = directory.parent();
        }
        Ok(())
    }

    /// Writes the list of what is there and of what is about to be.
    fn write_list(&mut self, coming: impl IntoIterator<Item = String>) -> Result<(), MirrorError> {
        self.listed.extend(coming);
        let mut list = LIST_HEAD.to_owned();
        for path in &self.listed {
            list.push_str(path);
            list.push('\n');
        }
        let file = self.root.join(LIST);
        if fs::read(&file).is_ok_and(|bytes| bytes == list.as_bytes()) {
            return Ok(());
        }
        replace(&file, list.as_bytes(), None)
    }
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> MirrorError {
    |cause| MirrorError::Io { path: path.to_owned(), cause }
}

/// Whether a path on the list leads nowhere but into the mirror.
fn is_inside(line: &str) -> bool {
    let plain = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    !line.is_empty() && !line.starts_with('#') && Path::new(line).components().all(plain)
}

/// Replaces a file by one that has all its bytes, so that nobody ever reads half of it.
fn replace(file: &Path, bytes: &[u8], modified: Option<SystemTime>) -> Result<(), MirrorError> {
    let unfinished = unfinished(file);
    let write = || {
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut written = fs::File::create(&unfinished)?;
        written.write_all(bytes)?;
        if let Some(modified) = modified {
            written.set_modified(modified)?;
        }
        fs::rename(&unfinished, file)
    };
    write().map_err(|cause| {
        let _ = fs::remove_file(&unfinished);
        io_error(file)(cause)
    })
}

/// Where a file is until it has all its bytes.
fn unfinished(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}{UNFINISHED}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn edition(feeds: &[(&str, &str)]) -> Edition {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let representation =
            |body: &str| Arc::new(Representation::new(body.into(), "a/b", String::new(), at, Duration::ZERO));
        let representations =
            feeds.iter().map(|(path, body)| ((*path).to_owned(), representation(body))).collect();
        Edition { number: 1, representations, ..Edition::empty(Arc::new(Config::sample(""))) }
    }

    fn files(root: &Path) -> BTreeMap<String, String> {
        let walk = walkdir::WalkDir::new(root)
            .into_iter()
            .filter_map(Result::ok)
            .filter(|file| file.file_type().is_file());
        walk.map(|file| {
            let path = file.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            (path, fs::read_to_string(file.path()).unwrap())
        })
        .filter(|(path, _)| path != LIST)
        .collect()
    }

    fn paths(root: &Path) -> Vec<String> {
        files(root).into_keys().collect()
    }

    #[test]
    fn only_what_changed_is_written_and_what_is_stale_goes() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("deep/feeds");
        let mut mirror = Mirror::new(root.clone());
        let first = edition(&[("all.rss", "a"), ("topics/x.rss", "x"), ("topics/机.rss", "y")]);
        assert_eq!(mirror.update(&first).unwrap(), Mirrored { written: 3, removed: 0 });
        assert_eq!(mirror.update(&first).unwrap(), Mirrored::default());
        assert_eq!(Mirror::new(root.clone()).update(&first).unwrap(), Mirrored::default());
        let time = fs::metadata(root.join("all.rss")).unwrap().modified().unwrap();
        assert_eq!(time, first.representations["all.rss"].last_modified);

        let mut mirror = Mirror::new(root.clone());
        assert_eq!(
            mirror.update(&edition(&[("all.rss", "b")])).unwrap(),
            Mirrored { written: 1, removed: 2 }
        );
        assert_eq!(paths(&root), ["all.rss"]);
        assert!(!root.join("topics").exists());
    }

    #[test]
    fn files_of_others_are_never_touched() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("topics")).unwrap();
        for (path, text) in [("index.html", "mine"), ("topics/x.rss", "mine"), ("topics/mine.txt", "mine")] {
            fs::write(root.join(path), text).unwrap();
        }
        let mut mirror = Mirror::new(root.to_owned());
        let error = mirror.update(&edition(&[("all.rss", "a"), ("topics/x.rss", "x")])).unwrap_err();
        assert!(matches!(&error, MirrorError::Foreign { path } if path.ends_with("topics/x.rss")), "{error}");
        assert_eq!(files(root)["topics/x.rss"], "mine");
        assert_eq!(files(root)["all.rss"], "a", "the rest is written all the same");
        fs::remove_file(root.join("topics/x.rss")).unwrap();
        mirror.update(&edition(&[("all.rss", "a"), ("topics/x.rss", "x")])).unwrap();
        mirror.update(&edition(&[])).unwrap();
        assert_eq!(paths(root), ["index.html", "topics/mine.txt"]);
    }

    #[test]
    fn a_directory_that_was_replaced_is_somebody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        let mut mirror = Mirror::new(root.clone());
        mirror.update(&edition(&[("all.rss", "a")])).unwrap();
        fs::rename(&root, directory.path().join("away")).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(root.join("all.rss"), "mine").unwrap();
        assert!(matches!(mirror.update(&edition(&[("all.rss", "b")])), Err(MirrorError::Foreign { .. })));
        assert_eq!(files(&root)["all.rss"], "mine");
    }

    #[test]
    fn the_list_leads_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        fs::create_dir(&root).unwrap();
        fs::write(directory.path().join("precious"), "mine").unwrap();
        fs::write(root.join(LIST), format!("{LIST_HEAD}../precious\n/etc/hostname\nall.rss\n")).unwrap();
        Mirror::new(root).update(&edition(&[])).unwrap();
        assert!(directory.path().join("precious").exists());
    }

    #[test]
    fn what_somebody_else_changed_is_put_right() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut mirror = Mirror::new(root.to_owned());
        let feeds = edition(&[("all.rss", "a"), ("all.atom", "b")]);
        mirror.update(&feeds).unwrap();
        fs::write(root.join("all.rss"), "tampered").unwrap();
        fs::remove_file(root.join("all.atom")).unwrap();
        fs::write(root.join(".all.rss.sower-unfinished"), "half").unwrap();
        assert_eq!(mirror.update(&feeds).unwrap(), Mirrored { written: 2, removed: 0 });
        assert_eq!(
            files(root),
            BTreeMap::from([("all.atom".into(), "b".into()), ("all.rss".into(), "a".into())])
        );
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        Mirror::new(root.to_owned()).update(&edition(&[("all.rss", "a"), ("x.rss", "x")])).unwrap();
        fs::write(root.join(".x.rss.sower-unfinished"), "half").unwrap();
        Mirror::new(root.to_owned()).update(&edition(&[("all.rss", "a")])).unwrap();
        assert_eq!(paths(root), ["all.rss"]);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        fs::write(&root, "a file").unwrap();
        let error = Mirror::new(root).update(&edition(&[("all.rss", "a")])).unwrap_err();
        assert!(error.to_string().contains("--feeds"), "{error}");
    }
}
