//! The mirror: the public tree as files, for any static host, and the memory of when each document
//! last changed.
//!
//! A file is replaced by a rename, and only if its bytes changed. A list of what sower wrote
//! stands in the directory; whatever is not on it is somebody else's and is never touched. The
//! list is written before the files it names, so that a process killed between the two leaves no
//! file that the next one would not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::edition::Edition;
use crate::feed::{Feed, Selection};
use crate::ingest::restart_hint;
use crate::publish::archive::{Address, Archives};
use crate::render::{self, Format, Publication};
use crate::seed::Month;

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
    #[error("the feeds directory cannot be kept in step: {}: {cause}{}; `--feeds` names another directory, `--feeds off` does without", path.display(), restart_hint(cause))]
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
    /// An archive document cannot be written.
    #[error(transparent)]
    Render(#[from] render::RenderError),
}

/// What an edition changed, as far as files may have to follow.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MirrorPlan {
    /// Whether every file is to be looked at, whatever else is said.
    pub everything: bool,
    /// Addresses of representations that are new, changed or gone.
    pub paths: BTreeSet<Arc<str>>,
    /// The months of feeds whose archive documents may have changed; of a feed whose months are None,
    /// all of them.
    pub archives: BTreeMap<Selection, Option<BTreeSet<Month>>>,
}

impl MirrorPlan {
    /// Looking at every file.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Adds what a later edition changed.
    pub fn extend(&mut self, later: Self) {
        self.everything |= later.everything;
        self.paths.extend(later.paths);
        for (selection, months) in later.archives {
            match self.archives.entry(selection) {
                std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(months)),
                std::collections::btree_map::Entry::Occupied(mut entry) => match (entry.get_mut(), months) {
                    (Some(known), Some(months)) => known.extend(months),
                    (known, _) => *known = None,
                },
            }
        }
    }
}

/// The public tree as files.
#[derive(Debug)]
pub struct Mirror {
    root: PathBuf,
    /// The paths on the list.
    listed: BTreeSet<String>,
    /// The list as it was written last.
    list: Vec<u8>,
    /// What each file is known to hold.
    in_step: BTreeMap<String, Held>,
    /// Whether what a process left that was killed while it wrote is cleared away.
    cleared: bool,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    hash: u128,
    length: u64,
    modified: SystemTime,
}

impl Held {
    fn is(&self, meta: &Metadata) -> bool {
        meta.is_file() && meta.len() == self.length && meta.modified().ok() == Some(self.modified)
    }
}

/// What became of the files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Files whose bytes are new.
    pub written: usize,
    /// Files that are gone.
    pub removed: usize,
}

/// An archive document to look at.
struct Due<'a> {
    archives: &'a Archives<'a>,
    month: Month,
    format: Format,
    path: String,
}

/// When a file of the mirror in a directory got the bytes that it holds, if they are these.
pub fn last_modified(root: &Path, path: &str, bytes: &[u8]) -> Option<SystemTime> {
    let file = root.join(path);
    let meta = fs::metadata(&file).ok().filter(|meta| meta.len() == bytes.len() as u64)?;
    let modified = meta.modified().ok()?;
    (fs::read(&file).ok()? == bytes).then_some(modified)
}

/// The paths of the files that sower wrote into a directory; none if that cannot be read.
pub fn listed(root: &Path) -> BTreeSet<String> {
    fs::read_to_string(root.join(LIST)).map(|list| paths_in(&list)).unwrap_or_default()
}

fn paths_in(list: &str) -> BTreeSet<String> {
    list.lines().filter(|line| is_inside(line)).map(str::to_owned).collect()
}

impl Mirror {
    /// The mirror in a directory, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        let (listed, in_step) = (BTreeSet::new(), BTreeMap::new());
        Self { root, listed, list: Vec::new(), in_step, cleared: false }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// How many files it has.
    pub fn files(&self) -> usize {
        self.in_step.len()
    }

    /// Brings the files in step with an edition, the archive documents last. What can be done is done
    /// before an error is reported. What is done is taken from the work; all of it, unless something
    /// failed or the archive documents were interrupted.
    ///
    /// # Errors
    ///
    /// The first thing that could not be done.
    pub fn update(
        &mut self,
        edition: &Edition,
        work: &mut MirrorPlan,
        interrupted: &(impl Fn() -> bool + Sync),
    ) -> Result<Mirrored, MirrorError> {
        fs::create_dir_all(&self.root).map_err(io_error(&self.root))?;
        let _lock = self.lock()?;
        // Somebody may have replaced the directory by another.
        work.everything |= self.read_list()?;
        if !std::mem::replace(&mut self.cleared, true) {
            self.clear_away();
        }
        let (mut mirrored, mut failed) = (Mirrored::default(), Vec::new());
        self.update_representations(edition, work, &mut mirrored, &mut failed);
        let finished = self.update_archives(edition, work, interrupted, &mut mirrored, &mut failed);
        failed.extend(self.write_list().err());
        if finished && failed.is_empty() {
            *work = MirrorPlan::default();
        }
        failed.into_iter().next().map_or(Ok(mirrored), Err)
    }

    fn update_representations(
        &mut self,
        edition: &Edition,
        work: &MirrorPlan,
        mirrored: &mut Mirrored,
        failed: &mut Vec<MirrorError>,
    ) {
        let paths: Vec<&Arc<str>> = if work.everything {
            edition.representations.keys().collect()
        } else {
            work.paths.iter().collect()
        };
        let mut due = Vec::new();
        for path in paths {
            let Some(representation) = edition.representations.get(path) else { continue };
            let length = representation.body.len() as u64;
            let held = Held { hash: representation.hash, length, modified: representation.last_modified };
            match self.is_due(path, held, &representation.body) {
                Ok(true) => due.push((path, held, &representation.body)),
                Ok(false) => {}
                Err(error) => failed.push(error),
            }
        }
        let gone = |path: &&str| !edition.representations.contains_key(*path) && Address::at(path).is_none();
        let stale: Vec<String> = if work.everything {
            self.listed.iter().map(String::as_str).filter(gone).map(str::to_owned).collect()
        } else {
            let listed = work.paths.iter().map(|path| &**path).filter(|path| self.listed.contains(*path));
            listed.filter(gone).map(str::to_owned).collect()
        };
        let paths = due.iter().map(|(path, ..)| path.to_string());
        let new = self.list(paths.filter(|path| !self.listed.contains(path)).collect(), failed);
        // What the list could not take is not written; what was there before still is.
        due.retain(|(path, ..)| self.listed.contains(&***path));
        let written = due
            .into_par_iter()
            .map(|(path, held, body)| (path, held, replace(&self.root.join(&**path), body, held.modified)));
        for (path, held, written) in written.collect::<Vec<_>>() {
            match written {
                Ok(()) => {
                    mirrored.written += 1;
                    self.in_step.insert(path.to_string(), held);
                }
                Err(error) => {
                    // What was never written must not be taken for sower's own later.
                    if new.contains(&**path) {
                        self.listed.remove(&**path);
                    }
                    failed.push(error);
                }
            }
        }
        self.remove_all(&stale, mirrored, failed);
    }

    /// Has the list name new files before they are written. Which it does: none, if it cannot be
    /// written itself.
    fn list(&mut self, new: BTreeSet<String>, failed: &mut Vec<MirrorError>) -> BTreeSet<String> {
        self.listed.extend(new.iter().cloned());
        let Err(error) = self.write_list() else { return new };
        failed.push(error);
        self.listed.retain(|path| !new.contains(path));
        BTreeSet::new()
    }

    /// Brings archive documents in step. Whether that was not interrupted.
    fn update_archives(
        &mut self,
        edition: &Edition,
        work: &MirrorPlan,
        interrupted: &(impl Fn() -> bool + Sync),
        mirrored: &mut Mirrored,
        failed: &mut Vec<MirrorError>,
    ) -> bool {
        let selections: Vec<Selection> = if work.everything {
            Archives::selections(edition).collect()
        } else {
            work.archives.keys().cloned().collect()
        };
        let feeds: Vec<Archives<'_>> =
            selections.iter().filter_map(|selection| Archives::of(edition, selection)).collect();
        let mut due: Vec<Due<'_>> = feeds.iter().flat_map(|archives| self.due(archives, work)).collect();
        let stale = self.stale(&selections, &feeds, work.everything);

        // What is there and not on the list may be somebody else's, unless it has these very bytes.
        let is_free = |path: &str| fs::symlink_metadata(self.root.join(path)).is_err();
        let new: BTreeSet<String> = due.iter().map(|due| &due.path).cloned().collect();
        let new: BTreeSet<String> =
            new.into_iter().filter(|path| !self.listed.contains(path) && is_free(path)).collect();
        let listed = self.list(new.clone(), failed);
        due.retain(|due| !new.contains(&due.path) || listed.contains(&due.path));

        // The newest months first: they are what changes, and what people look at.
        due.sort_by_key(|due| std::cmp::Reverse(due.month));
        let publication = Publication::new(&edition.config);
        // What stands in a document is made once for all its formats.
        let of_one = |a: &Due<'_>, b: &Due<'_>| std::ptr::eq(a.archives, b.archives) && a.month == b.month;
        let documents: Vec<&[Due<'_>]> = due.chunk_by(of_one).collect();
        let looked = documents.into_par_iter().flat_map_iter(|formats| {
            let document = (!interrupted()).then(|| formats[0].archives.document(formats[0].month));
            let since = edition.since;
            let looked = formats.iter().map(|due| {
                let look =
                    |document: &Option<Feed>| self.look_at(due, document.as_ref(), &publication, since);
                (due.path.clone(), document.as_ref().map(look))
            });
            looked.collect::<Vec<_>>()
        });
        let looked: Vec<_> = looked.collect();
        let mut finished = true;
        for (path, looked) in looked {
            let done = match looked {
                Some(Ok((held, written))) => {
                    mirrored.written += usize::from(written);
                    self.in_step.insert(path.clone(), held);
                    self.listed.insert(path.clone());
                    true
                }
                Some(Err(error)) => {
                    failed.push(error);
                    false
                }
                None => {
                    finished = false;
                    false
                }
            };
            if !done && new.contains(&path) {
                self.listed.remove(&path);
            }
        }
        self.remove_all(&stale, mirrored, failed);
        finished
    }

    /// The archive documents of a feed that may have other bytes than their files.
    fn due<'a>(&self, archives: &'a Archives<'a>, work: &MirrorPlan) -> Vec<Due<'a>> {
        let touched = work.archives.get(archives.selection()).map(Option::as_ref);
        let months = archives.months();
        let is_touched = |place: usize| {
            // A month's way back and on may be another if something changed between its neighbours.
            let Some(touched) = touched else { return false };
            let Some(touched) = touched else { return true };
            let newer = place.checked_sub(1).map(|newer| months[newer]);
            let older = months.get(place + 1);
            touched.iter().any(|month| {
                newer.is_none_or(|newer| *month <= newer) && older.is_none_or(|older| month >= older)
            })
        };
        let documents = months.iter().enumerate().flat_map(|(place, &month)| {
            let touched = is_touched(place);
            Format::ALL.map(move |format| (month, format, touched))
        });
        let documents = documents.map(|(month, format, touched)| {
            let path = render::document_path(archives.selection(), Some(month), format);
            (Due { archives, month, format, path }, touched)
        });
        documents
            .filter(|(due, touched)| *touched || !self.is_in_step(&due.path))
            .map(|(due, _)| due)
            .collect()
    }

    fn is_in_step(&self, path: &str) -> bool {
        let Some(held) = self.in_step.get(path).filter(|_| self.listed.contains(path)) else { return false };
        fs::symlink_metadata(self.root.join(path)).is_ok_and(|meta| held.is(&meta))
    }

    /// The files of archive documents that there are no more: below these feeds, or anywhere.
    fn stale(&self, selections: &[Selection], feeds: &[Archives<'_>], anywhere: bool) -> Vec<String> {
        let archived: BTreeMap<&Selection, &[Month]> =
            feeds.iter().map(|archives| (archives.selection(), archives.months())).collect();
        let is_stale = |path: &&String| {
            Address::at(path).is_some_and(|address| {
                let months = archived.get(&address.selection);
                !months.is_some_and(|months| months.contains(&address.month))
            })
        };
        if anywhere {
            return self.listed.iter().filter(is_stale).cloned().collect();
        }
        let below = |selection: &Selection| {
            let below = format!("{}/", selection.path());
            let paths = self.listed.range(below.clone()..).take_while(move |path| path.starts_with(&below));
            paths.filter(is_stale).cloned().collect::<Vec<_>>()
        };
        selections.iter().flat_map(below).collect()
    }

    /// Writes an archive document in a format, and makes its file what it is; when that changed, and whether now.
    fn look_at(
        &self,
        due: &Due<'_>,
        document: Option<&Feed>,
        publication: &Publication,
        since: SystemTime,
    ) -> Result<(Held, bool), MirrorError> {
        let file = self.root.join(&due.path);
        let Some(document) = document else {
            let cause = io::Error::other("this month has no archive document");
            return Err(MirrorError::Io { path: file, cause });
        };
        let body = due.format.render(document, publication)?;
        let held = Held { hash: xxh3_128(&body), length: body.len() as u64, modified: since };
        if let Ok(meta) = fs::symlink_metadata(&file) {
            let known = self.in_step.get(&due.path).filter(|known| known.is(&meta));
            if let Some(known) = known.filter(|known| known.hash == held.hash) {
                return Ok((*known, false));
            }
            if known.is_none()
                && meta.len() == held.length
                && fs::read(&file).is_ok_and(|bytes| bytes == body)
            {
                let modified = meta.modified().unwrap_or(since);
                return Ok((Held { modified, ..held }, false));
            }
            if !self.listed.contains(&due.path) {
                return Err(MirrorError::Foreign { path: file });
            }
        }
        replace(&file, &body, since)?;
        Ok((held, true))
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
    /// Whether it is another than the one that was written last.
    fn read_list(&mut self) -> Result<bool, MirrorError> {
        let file = self.root.join(LIST);
        let list = match fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            list => list.map_err(io_error(&file))?,
        };
        if self.list == list && !list.is_empty() {
            return Ok(false);
        }
        self.listed = paths_in(&String::from_utf8_lossy(&list));
        self.list = list;
        Ok(true)
    }

    /// Removes what a process left that was killed while it wrote.
    fn clear_away(&self) {
        for path in self.listed.iter().map(String::as_str).chain([LIST]) {
            let _ = fs::remove_file(unfinished(&self.root.join(path)));
        }
    }

    /// Whether a file is to be written: it has other bytes or another time, or is not there.
    fn is_due(&mut self, path: &str, wanted: Held, body: &[u8]) -> Result<bool, MirrorError> {
        let file = self.root.join(path);
        let meta = match fs::symlink_metadata(&file) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(io_error(&file)(error)),
        };
        let listed = self.listed.contains(path);
        let is_wanted = wanted.is(&meta);
        if listed && is_wanted && self.in_step.get(path) == Some(&wanted) {
            return Ok(false);
        }
        let same = meta.is_file() && fs::read(&file).is_ok_and(|bytes| bytes == body);
        if same && is_wanted {
            self.in_step.insert(path.to_owned(), wanted);
            self.listed.insert(path.to_owned());
            return Ok(false);
        }
        if same || listed { Ok(true) } else { Err(MirrorError::Foreign { path: file }) }
    }

    fn remove_all(&mut self, stale: &[String], mirrored: &mut Mirrored, failed: &mut Vec<MirrorError>) {
        for path in stale {
            match self.remove(path) {
                Ok(()) => mirrored.removed += 1,
                Err(error) => failed.push(error),
            }
        }
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
    fn write_list(&mut self) -> Result<(), MirrorError> {
        let mut list = LIST_HEAD.to_owned();
        for path in &self.listed {
            list.push_str(path);
            list.push('\n');
        }
        let file = self.root.join(LIST);
        if self.list == list.as_bytes() {
            return Ok(());
        }
        replace(&file, list.as_bytes(), SystemTime::now())?;
        self.list = list.into_bytes();
        Ok(())
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
fn replace(file: &Path, bytes: &[u8], modified: SystemTime) -> Result<(), MirrorError> {
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

/// Where a file is until it has all its bytes.
fn unfinished(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}{UNFINISHED}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::edition::Representation;

    fn edition(feeds: &[(&str, &str)]) -> Edition {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let representation = |body: &str| {
            Arc::new(Representation::new(body.to_owned(), "a/b", String::new(), at, Duration::ZERO))
        };
        let mut edition = Edition::empty(Arc::new(Config::sample("")));
        for (path, body) in feeds {
            edition.insert(&(*path).into(), representation(body));
        }
        edition
    }

    fn update(mirror: &mut Mirror, edition: &Edition) -> Result<Mirrored, MirrorError> {
        mirror.update(edition, &mut MirrorPlan::everything(), &|| false)
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
        assert_eq!(update(&mut mirror, &first).unwrap(), Mirrored { written: 3, removed: 0 });
        assert_eq!(update(&mut mirror, &first).unwrap(), Mirrored::default());
        assert_eq!(update(&mut Mirror::new(root.clone()), &first).unwrap(), Mirrored::default());
        let time = fs::metadata(root.join("all.rss")).unwrap().modified().unwrap();
        assert_eq!(time, first.representations["all.rss"].last_modified);

        let mut mirror = Mirror::new(root.clone());
        assert_eq!(
            update(&mut mirror, &edition(&[("all.rss", "b")])).unwrap(),
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
        let error = update(&mut mirror, &edition(&[("all.rss", "a"), ("topics/x.rss", "x")])).unwrap_err();
        assert!(matches!(&error, MirrorError::Foreign { path } if path.ends_with("topics/x.rss")), "{error}");
        assert_eq!(files(root)["topics/x.rss"], "mine");
        assert_eq!(files(root)["all.rss"], "a", "the rest is written all the same");
        fs::remove_file(root.join("topics/x.rss")).unwrap();
        update(&mut mirror, &edition(&[("all.rss", "a"), ("topics/x.rss", "x")])).unwrap();
        update(&mut mirror, &edition(&[])).unwrap();
        assert_eq!(paths(root), ["index.html", "topics/mine.txt"]);
    }

    #[test]
    fn a_directory_that_was_replaced_is_somebody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        let mut mirror = Mirror::new(root.clone());
        update(&mut mirror, &edition(&[("all.rss", "a")])).unwrap();
        fs::rename(&root, directory.path().join("away")).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(root.join("all.rss"), "mine").unwrap();
        assert!(matches!(
            update(&mut mirror, &edition(&[("all.rss", "b")])),
            Err(MirrorError::Foreign { .. })
        ));
        assert_eq!(files(&root)["all.rss"], "mine");
    }

    #[test]
    fn the_list_leads_nowhere_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        fs::create_dir(&root).unwrap();
        fs::write(directory.path().join("precious"), "mine").unwrap();
        fs::write(root.join(LIST), format!("{LIST_HEAD}../precious\n/etc/hostname\nall.rss\n")).unwrap();
        update(&mut Mirror::new(root), &edition(&[])).unwrap();
        assert!(directory.path().join("precious").exists());
    }

    #[test]
    fn what_somebody_else_changed_is_put_right() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut mirror = Mirror::new(root.to_owned());
        let feeds = edition(&[("all.rss", "a"), ("all.atom", "b")]);
        update(&mut mirror, &feeds).unwrap();
        fs::write(root.join("all.rss"), "tampered").unwrap();
        fs::remove_file(root.join("all.atom")).unwrap();
        fs::write(root.join(".all.rss.sower-unfinished"), "half").unwrap();
        assert_eq!(update(&mut mirror, &feeds).unwrap(), Mirrored { written: 2, removed: 0 });
        assert_eq!(
            files(root),
            BTreeMap::from([("all.atom".into(), "b".into()), ("all.rss".into(), "a".into())])
        );
    }

    #[test]
    fn what_the_list_cannot_name_is_not_written_and_the_rest_is() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut mirror = Mirror::new(root.to_owned());
        update(&mut mirror, &edition(&[("all.rss", "a"), ("old.rss", "o")])).unwrap();
        let in_the_way = unfinished(&root.join(LIST));
        fs::create_dir(&in_the_way).unwrap();
        let next = edition(&[("all.rss", "b"), ("new.rss", "n")]);
        assert!(
            matches!(update(&mut mirror, &next), Err(MirrorError::Io { path, .. }) if path.ends_with(LIST))
        );
        assert_eq!(files(root), BTreeMap::from([("all.rss".into(), "b".into())]));
        fs::write(root.join("new.rss"), "mine").unwrap();
        fs::remove_dir(&in_the_way).unwrap();
        assert!(matches!(update(&mut mirror, &next), Err(MirrorError::Foreign { .. })));
        assert_eq!(files(root)["new.rss"], "mine");
        fs::remove_file(root.join("new.rss")).unwrap();
        update(&mut mirror, &next).unwrap();
        assert_eq!(paths(root), ["all.rss", "new.rss"]);
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        update(&mut Mirror::new(root.to_owned()), &edition(&[("all.rss", "a"), ("x.rss", "x")])).unwrap();
        fs::write(root.join(".x.rss.sower-unfinished"), "half").unwrap();
        update(&mut Mirror::new(root.to_owned()), &edition(&[("all.rss", "a")])).unwrap();
        assert_eq!(paths(root), ["all.rss"]);
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        fs::write(&root, "a file").unwrap();
        let error = update(&mut Mirror::new(root), &edition(&[("all.rss", "a")])).unwrap_err();
        assert!(error.to_string().contains("--feeds"), "{error}");
    }
}
