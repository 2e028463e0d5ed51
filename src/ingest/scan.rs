//! The seed directory as of the last scan, and scanning it for changes.
//!
//! A hint only names the paths to scan; the files decide what changed. A file is read if its size,
//! times or inode differ, and is reported only if its bytes do. A file or directory that cannot be
//! read does not count as deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::file_state::{FileState, Stamp};
use crate::ingest::hint::Hint;
use crate::ingest::identity::{Identity, identity};
use crate::ingest::loss::LossGuard;
use crate::ingest::progress::Progress;
use crate::ingest::read::{FileContents, parse, read_file};
use crate::ingest::scan_error::ScanError;
use crate::ingest::walk::{Walk, WalkEntry};
use crate::seed::{Change, ContentMode, FacetPool, PackedRecord, Reading, Rules};

/// The number of files that one core scans at a time.
const BATCH: usize = 64;

/// The seed directory as of the last scan.
#[derive(Debug)]
pub struct Scan {
    root: PathBuf,
    /// The mirror, if it lies within the root.
    mirror: Option<PathBuf>,
    rules: Rules,
    progress: Arc<Progress>,
    common: FacetPool,
    known: BTreeMap<Arc<str>, FileState>,
    /// The number of files whose state changed since the cache was written.
    uncached: usize,
    loss_guard: LossGuard,
}

/// The result of scanning one file.
enum FileOutcome {
    /// The system is out of file descriptors.
    Exhausted(io::Error),
    /// The file does not exist.
    Missing,
    /// The file did not change, or is left for a later scan.
    Unchanged,
    /// The file was read: its new state if it is to be remembered, and its content if that changed.
    Read(Option<FileState>, Option<Change>),
}

type ScannedFile = (Arc<str>, FileOutcome);

impl Scan {
    /// Creates a scan of a directory of which no file is known yet. The mirror is not scanned.
    pub fn new(root: &Path, mirror: Option<&Path>, rules: Rules) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let root = absolute(root);
        let mirror = mirror.map(absolute).filter(|mirror| mirror.starts_with(&root));
        Self {
            root,
            mirror,
            rules,
            progress: Arc::default(),
            common: FacetPool::default(),
            known: BTreeMap::new(),
            uncached: 0,
            loss_guard: LossGuard::default(),
        }
    }

    /// Sets the time for which files must be missing before they are removed, if all files or half of
    /// them go missing at once.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.loss_guard.grace = grace;
        self
    }

    /// Reads these seeds again, with their texts, on all cores.
    ///
    /// # Errors
    ///
    /// The system is out of file descriptors.
    pub fn read_whole(
        &self,
        paths: impl IntoIterator<Item = Arc<str>>,
    ) -> Result<Vec<(Arc<str>, Change)>, ScanError> {
        let rules = Rules { content: ContentMode::Defer, ..self.rules.clone() };
        let paths: Vec<_> = paths.into_iter().collect();
        let read = paths.into_par_iter().map_init(Vec::new, |buffer, path| {
            let content = read_file(&self.root.join(&*path), self.rules.max_size, buffer)?;
            let reading = parse(&rules, &path, content);
            Ok((path, reading.map_or(Change::Gone, Change::Read)))
        });
        read.collect::<io::Result<_>>().map_err(|cause| self.unreadable(cause))
    }

    /// Returns the absolute path of the directory, with symbolic links unresolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Scans the paths of a hint, reads the changed files on all cores, and returns the changes.
    ///
    /// If [many files are missing](Self::unconfirmed_loss), they stay known for a grace time.
    ///
    /// # Errors
    ///
    /// The directory cannot be read, or is suddenly empty. No file is removed then.
    pub fn scan(&mut self, hint: &Hint) -> Result<Vec<(Arc<str>, Change)>, ScanError> {
        let root_identity = self.identity()?;
        let root = BTreeSet::from([self.root.clone()]);
        let paths = if hint.everywhere { &root } else { &hint.paths };
        let (mut scanned, unlisted) = self.scan_below(paths, hint).map_err(|cause| self.unreadable(cause))?;
        let is_exhausted = |(_, outcome): &ScannedFile| matches!(outcome, FileOutcome::Exhausted(_));
        if let Some(index) = scanned.iter().position(is_exhausted)
            && let (_, FileOutcome::Exhausted(cause)) = scanned.swap_remove(index)
        {
            return Err(self.unreadable(cause));
        }
        scanned.par_sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut missing = self.missing(paths, &scanned, &unlisted);

        // If the directory itself was replaced meanwhile, missing files prove nothing.
        if self.identity()? != root_identity {
            return Err(self.unreadable(io::Error::other("it was replaced while it was read")));
        }
        self.confirm_missing(&mut missing, &scanned, hint)?;
        let changes = self.apply(missing, scanned);
        if hint.everywhere {
            self.common.remove_unused();
        }
        Ok(changes)
    }

    /// Removes files from `missing` during the grace time.
    fn confirm_missing(
        &mut self,
        missing: &mut BTreeSet<Arc<str>>,
        scanned: &[ScannedFile],
        hint: &Hint,
    ) -> Result<(), ScanError> {
        let had = self.known.len();
        let root = &self.root;
        let is_named = |path: &Arc<str>| hint.paths.contains(&root.join(&**path));
        let is_empty = scanned.iter().all(|(_, outcome)| matches!(outcome, FileOutcome::Missing));
        // A single file, or files that events name one by one, are deleted on purpose.
        let is_deliberate = missing.len() < 2 || missing.iter().all(is_named);
        if missing.len() == had && is_empty && !is_deliberate {
            self.loss_guard.check_emptied(root, had)?;
        }
        // A renamed folder is no loss: its files are missing under their old names and new under others.
        let is_new = |(path, outcome): &&ScannedFile| {
            matches!(outcome, FileOutcome::Read(..)) && !self.known.contains_key(path)
        };
        let renamed = scanned.iter().filter(is_new).count();
        let unnamed = missing.iter().filter(|path| !is_named(path)).count();
        if !self.loss_guard.check_missing(root, had, unnamed, renamed, hint.everywhere) {
            missing.retain(is_named);
        }
        Ok(())
    }

    /// Updates the known files, and returns the changes.
    fn apply(&mut self, missing: BTreeSet<Arc<str>>, scanned: Vec<ScannedFile>) -> Vec<(Arc<str>, Change)> {
        let is_first = self.known.is_empty();
        let capacity = if is_first { scanned.len() } else { 0 };
        let (mut changes, mut first) = (Vec::with_capacity(capacity), Vec::with_capacity(capacity));
        for path in missing {
            self.known.remove(&path);
            self.uncached += 1;
            changes.push((path, Change::Gone));
        }
        for (path, outcome) in scanned {
            let FileOutcome::Read(state, change) = outcome else { continue };
            let is_cacheable = state.as_ref().is_some_and(|state| state.stamp.is_some());
            self.uncached += usize::from(is_cacheable);
            match state {
                Some(state) if is_first => first.push((path.clone(), state)),
                Some(state) => drop(self.known.insert(path.clone(), state)),
                None => drop(self.known.remove(&path)),
            }
            changes.extend(change.map(|change| (path, change)));
        }
        if is_first {
            // Building the map from a sorted list is faster than inserting one by one.
            self.known = first.into_iter().collect();
        }
        changes
    }

    /// Returns the error that describes missing files which the last scan kept for now.
    pub fn unconfirmed_loss(&self) -> Option<&ScanError> {
        self.loss_guard.unconfirmed()
    }

    /// Returns `true` if a loss of files has been neither confirmed nor resolved.
    pub(super) fn has_loss(&self) -> bool {
        self.loss_guard.is_active()
    }

    /// Adds seeds that were known before. They are read when they are found, and reported as removed
    /// when they are not.
    pub fn expect(&mut self, paths: impl IntoIterator<Item = Arc<str>>) {
        for path in paths {
            self.known.entry(path).or_insert(FileState::UNKNOWN);
        }
    }

    /// Replaces the known files by those of an earlier scan.
    pub fn restore(&mut self, known: impl IntoIterator<Item = (Arc<str>, FileState)>) {
        self.known = known.into_iter().collect();
    }

    /// Marks every known file as changed.
    pub fn invalidate(&mut self) {
        for state in self.known.values_mut() {
            *state = FileState::UNKNOWN;
        }
    }

    /// Returns the number of files whose state changed since the cache was written.
    pub fn uncached(&self) -> usize {
        self.uncached
    }

    /// Records that the cache contains the current state of all files.
    pub fn mark_cached(&mut self) {
        self.uncached = 0;
    }

    /// Returns the known files whose later changes are certain to show.
    pub fn cacheable(&self) -> impl Iterator<Item = (&Arc<str>, &FileState)> {
        self.known.iter().filter(|(_, state)| state.stamp.is_some())
    }

    pub(super) fn known(&self) -> &BTreeMap<Arc<str>, FileState> {
        &self.known
    }

    /// Returns the progress of the current scan.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// Returns the rules by which seeds are parsed.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Starts a walk through the whole directory.
    pub(super) fn walk(&self) -> Walk {
        Walk::new(&self.root, self.mirror.as_deref(), &self.root)
    }

    /// Frees the facets that no record uses any more.
    pub(super) fn forget_unused_facets(&self) {
        self.common.remove_unused();
    }

    fn identity(&self) -> Result<Identity, ScanError> {
        fs::read_dir(&self.root).and_then(|_| identity(&self.root)).map_err(|cause| self.unreadable(cause))
    }

    fn unreadable(&self, cause: io::Error) -> ScanError {
        ScanError::Unreadable { path: self.root.clone(), cause }
    }

    fn key(&self, path: &Path) -> Option<Arc<str>> {
        Some(key(path.strip_prefix(&self.root).ok()?))
    }

    /// Scans all files at or below some paths, on all cores, while the walk goes on. Also returns the
    /// directories that could not be listed, below which no file counts as missing.
    fn scan_below(
        &self,
        paths: &BTreeSet<PathBuf>,
        hint: &Hint,
    ) -> io::Result<(Vec<ScannedFile>, Vec<Arc<str>>)> {
        self.progress.begin();
        let (scanned, mut unlisted) = (Mutex::new(Vec::new()), Vec::new());
        let walked: io::Result<()> = rayon::in_place_scope(|scope| {
            let scanned = &scanned;
            let scan = |entries: Vec<WalkEntry>| {
                self.progress.add_found(entries.len());
                scope.spawn(move |_| {
                    let outcomes = self.scan_files(entries, hint);
                    scanned.lock().unwrap_or_else(PoisonError::into_inner).push(outcomes);
                });
            };
            let (mut batch, mut walked) = (Vec::new(), None::<&Path>);
            for path in paths {
                // The set is sorted, so the paths below a path follow it directly.
                if walked.is_some_and(|walked| path.starts_with(walked)) {
                    continue;
                }
                let unlisted_before = unlisted.len();
                for entry in Walk::new(&self.root, self.mirror.as_deref(), path) {
                    let entry = entry?;
                    if entry.unreadable.is_some() {
                        unlisted.extend(self.key(&entry.file));
                    }
                    batch.push(entry);
                    if batch.len() == BATCH {
                        scan(std::mem::take(&mut batch));
                    }
                }
                // A directory that cannot be listed may have files that can be opened by name.
                walked = (unlisted.len() == unlisted_before).then_some(path);
            }
            if !batch.is_empty() {
                scan(batch);
            }
            Ok(())
        });
        walked?;
        let batches = scanned.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut scanned = Vec::with_capacity(batches.iter().map(Vec::len).sum());
        scanned.extend(batches.into_iter().flatten());
        Ok((scanned, unlisted))
    }

    /// Scans a batch of files.
    fn scan_files(&self, entries: Vec<WalkEntry>, hint: &Hint) -> Vec<ScannedFile> {
        let (files, mut buffer) = (entries.len(), Vec::new());
        let scanned = entries.into_iter().filter_map(|entry| self.scan_file(entry, hint, &mut buffer));
        let mut scanned: Vec<_> = scanned.collect();
        let records = scanned.iter_mut().filter_map(|(_, outcome)| match outcome {
            // The record is new, so there is no other reference to it.
            FileOutcome::Read(_, Some(Change::Read(Reading::Seed { record, .. }))) => {
                Arc::get_mut(record.as_mut()?)
            }
            _ => None,
        });
        let mut records: Vec<_> = records.collect();
        self.common.share(records.iter_mut().map(|record| &mut record.facets));
        // Only at the first scan: later, records are replaced one by one, and a single one that stays
        // would keep the memory of the whole batch.
        if self.known.is_empty() && self.rules.content != ContentMode::Omit {
            PackedRecord::join_payloads(&mut records);
        }
        self.progress.add_scanned(files);
        scanned
    }

    /// Scans one file. It is read if its stamp differs, or if the hint names it.
    fn scan_file(&self, entry: WalkEntry, hint: &Hint, buffer: &mut Vec<u8>) -> Option<ScannedFile> {
        let WalkEntry { file, mut unreadable } = entry;
        let relative = file.strip_prefix(&self.root).ok()?;
        if relative.to_str().is_none() {
            unreadable.get_or_insert("the file's name is not UTF-8".to_owned());
        }
        let path = key(relative);
        let known = self.known.get_key_value(&path);
        let path = known.map_or(path, |(path, _)| path.clone());
        let known = known.map(|(_, state)| state);
        let is_same = |state: &FileState| {
            state.stamp.is_some_and(|stamp| fs::metadata(&file).is_ok_and(|meta| Stamp::of(&meta) == stamp))
        };
        let content = match unreadable {
            Some(reason) => FileContents::Unreadable(reason),
            None if hint.unfinished.contains(&file) && file.exists() => {
                return Some((path, FileOutcome::Unchanged));
            }
            None if !hint.paths.contains(&file) && known.is_some_and(is_same) => {
                return Some((path, FileOutcome::Unchanged));
            }
            None => match read_file(&file, self.rules.max_size, buffer) {
                Ok(content) => content,
                Err(error) => return Some((path, FileOutcome::Exhausted(error))),
            },
        };
        let outcome = self.compare(&path, content, known);
        Some((path, outcome))
    }

    /// Compares the content of a file with its known state, and parses it if it changed.
    fn compare(&self, path: &Arc<str>, content: FileContents<'_>, known: Option<&FileState>) -> FileOutcome {
        if self.rules.content == ContentMode::Omit && !matches!(content, FileContents::Missing) {
            // Commands that need no texts scan once, so they need no file states either.
            return FileOutcome::Read(None, parse(&self.rules, path, content).map(Change::Read));
        }
        let (stamp, hash) = match &content {
            FileContents::Bytes(bytes, stamp) => (*stamp, xxh3_128(bytes)),
            FileContents::Unreadable(reason) => (None, xxh3_128(reason.as_bytes())),
            FileContents::Missing => return FileOutcome::Missing,
        };
        let state = Some(FileState { stamp, hash });
        if known.is_some_and(|known| known.hash == hash) {
            return FileOutcome::Read(state, None);
        }
        FileOutcome::Read(state, parse(&self.rules, path, content).map(Change::Read))
    }

    /// Returns the known files at or below some paths that the scan did not find.
    fn missing(
        &self,
        paths: &BTreeSet<PathBuf>,
        scanned: &[ScannedFile],
        unlisted: &[Arc<str>],
    ) -> BTreeSet<Arc<str>> {
        let mut missing = BTreeSet::new();
        for path in paths.iter().filter_map(|path| self.key(path)) {
            let found = scanned[scanned.partition_point(|(found, _)| *found < path)..].iter();
            let found = found.filter(|(_, outcome)| !matches!(outcome, FileOutcome::Missing));
            let mut found = found.map(|(path, _)| path).peekable();
            let known = self.known.range(path.clone()..).map(|(path, _)| path);
            let lost = known.take_while(|known| known.starts_with(&*path)).filter(|known| {
                while found.next_if(|found| found < known).is_some() {}
                let is_found = found.peek() == Some(known);
                !is_found
                    && is_below(known, &path)
                    && !unlisted.iter().any(|unlisted| is_below(known, unlisted))
            });
            missing.extend(lost.cloned());
        }
        missing
    }
}

/// Returns `true` if a relative path is equal to another or lies below it.
pub(super) fn is_below(path: &str, ancestor: &str) -> bool {
    ancestor.is_empty()
        || path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the key of a path relative to the root: the path as text, with slashes.
pub(super) fn key(relative: &Path) -> Arc<str> {
    let text = relative.to_string_lossy();
    if MAIN_SEPARATOR == '/' { text.into() } else { text.replace(MAIN_SEPARATOR, "/").into() }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::time::{Instant, SystemTime};

    const SEED: &str = "---\ntitle: A\ntopics: t\n---\n";

    fn scan(root: &Path, except: Option<&Path>) -> Scan {
        let rules = Rules::sample();
        Scan::new(root, except, rules)
    }

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Scans, and returns the changes in short: `+` for read, `-` for removed, `!` for a fault that cost
    /// the record.
    fn scanned(scan: &mut Scan, hint: &Hint) -> Vec<String> {
        let changes = scan.scan(hint).unwrap();
        let mut lines: Vec<_> = changes
            .iter()
            .map(|(path, change)| match change {
                Change::Gone => format!("-{path}"),
                Change::Read(Reading::Seed { record: None, .. }) => format!("!{path}"),
                Change::Read(_) => format!("+{path}"),
            })
            .collect();
        lines.sort();
        lines
    }

    fn at(root: &Path, paths: &[&str]) -> Hint {
        Hint { paths: paths.iter().map(|path| root.join(path)).collect(), ..Hint::default() }
    }

    #[test]
    fn scan_reports_only_changes() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        for path in ["a.md", "b/c.md", "b/d/e.md", "x.rs", ".hidden/a.md", "b~.md~"] {
            write(root, path, SEED);
        }
        let everywhere = Hint::everywhere();
        assert_eq!(scanned(&mut scan, &everywhere), ["+a.md", "+b/c.md", "+b/d/e.md"]);
        assert_eq!(scan.progress().counts(), (3, 3));
        assert_eq!(scanned(&mut scan, &everywhere), [""; 0]);
        write(root, "a.md", SEED);
        assert_eq!(scanned(&mut scan, &at(root, &["a.md"])), [""; 0], "equal bytes are no change");
        write(root, "a.md", "---\n");
        write(root, "b/new.md", SEED);
        assert_eq!(scanned(&mut scan, &at(root, &["b/c.md"])), [""; 0]);
        assert_eq!(scanned(&mut scan, &everywhere), ["!a.md", "+b/new.md"]);
        fs::rename(root.join("b"), root.join("z")).unwrap();
        let gone_and_new = ["+z/c.md", "+z/d/e.md", "+z/new.md", "-b/c.md", "-b/d/e.md", "-b/new.md"];
        assert_eq!(scanned(&mut scan, &at(root, &["b", "z"])), gone_and_new);
        fs::remove_dir_all(root.join("z/d")).unwrap();
        assert_eq!(scanned(&mut scan, &at(root, &["z/d"])), ["-z/d/e.md"]);
    }

    #[test]
    fn texts_that_were_left_out_can_be_read_later() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let rules = Rules { content: ContentMode::Omit, ..Rules::sample() };
        let mut scan = Scan::new(root, None, rules);
        for path in ["broken.md", "gone.md", "kept.md"] {
            write(root, path, SEED);
        }
        let whole = |(path, change): &(Arc<str>, Change)| match change {
            Change::Read(Reading::Seed { record, .. }) => {
                format!("{path} {:?}", record.as_ref().map(|record| record.is_complete()))
            }
            change => format!("{path} {change:?}"),
        };
        let read = scan.scan(&Hint::everywhere()).unwrap();
        let lines: Vec<_> = read.iter().map(whole).collect();
        assert_eq!(lines, ["broken.md Some(false)", "gone.md Some(false)", "kept.md Some(false)"]);
        write(root, "broken.md", "---\n");
        fs::remove_file(root.join("gone.md")).unwrap();
        let read = scan.read_whole(read.into_iter().map(|(path, _)| path)).unwrap();
        let lines: Vec<_> = read.iter().map(whole).collect();
        assert_eq!(lines, ["broken.md None", "gone.md Gone", "kept.md Some(true)"]);
    }

    #[test]
    fn unfinished_file_is_left_for_a_later_scan() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        write(root, "a.md", "---\ntit");
        let unfinished = BTreeSet::from([root.join("a.md")]);
        assert_eq!(scanned(&mut scan, &Hint { unfinished, ..Hint::everywhere() }), [""; 0]);
        write(root, "a.md", SEED);
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["+a.md"]);
    }

    #[test]
    fn directory_with_a_common_prefix_is_not_affected() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        for path in ["a/x.md", "ab/x.md", "a.md"] {
            write(root, path, SEED);
        }
        scan.scan(&Hint::everywhere()).unwrap();
        fs::remove_dir_all(root.join("a")).unwrap();
        assert_eq!(scanned(&mut scan, &at(root, &["a"])), ["-a/x.md"]);
    }

    #[test]
    fn unreadable_file_is_a_fault_and_stops_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        write(root, "a.md", SEED);
        symlink(root, root.join("loop")).unwrap();
        symlink(root.join("nowhere"), root.join("dangling.md")).unwrap();
        let latin1 = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.md"));
        fs::write(root.join(latin1), SEED).unwrap();
        fs::create_dir(root.join("folder.md")).unwrap();
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["!caf\u{FFFD}.md", "!loop", "+a.md"]);
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), [""; 0], "a fault is reported once");
        fs::remove_file(root.join("loop")).unwrap();
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["-loop"]);
    }

    #[test]
    fn symbolic_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (directory.path().join("seeds"), directory.path().join("elsewhere"));
        write(&elsewhere, "v1/a.md", SEED);
        fs::create_dir(&root).unwrap();
        symlink(elsewhere.join("v1"), root.join("..data")).unwrap();
        symlink("..data/a.md", root.join("a.md")).unwrap();
        let mut scan = scan(&root, None);
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["+a.md"]);
        write(&elsewhere, "v2/a.md", "---\ntitle: B\ntopics: t\n---\n");
        fs::remove_file(root.join("..data")).unwrap();
        symlink(elsewhere.join("v2"), root.join("..data")).unwrap();
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["+a.md"]);
    }

    #[test]
    fn loop_of_links_is_found_from_every_path() {
        let directory = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (directory.path().join("seeds"), directory.path().join("elsewhere"));
        write(&root, "a.md", SEED);
        write(&root, "deep/b.md", SEED);
        write(&elsewhere, "c.md", SEED);
        symlink(&elsewhere, root.join("folder")).unwrap();
        let mut scan = scan(&root, None);
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["+a.md", "+deep/b.md", "+folder/c.md"]);
        fs::remove_file(root.join("folder")).unwrap();
        symlink(".", root.join("folder")).unwrap();
        symlink("..", root.join("deep/up")).unwrap();
        let below = at(&root, &["folder/c.md", "deep/up/a.md"]);
        assert_eq!(scanned(&mut scan, &below), ["!deep/up", "!folder"]);
        let named = at(&root, &["folder", "deep"]);
        assert_eq!(scanned(&mut scan, &named), [""; 0], "files behind the loop are not removed");
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), [""; 0]);
    }

    #[test]
    fn mirror_inside_the_root_is_not_scanned() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let feeds = root.join("feeds");
        write(root, "a.md", SEED);
        write(&feeds, "b.md", SEED);
        let mut scan = scan(root, Some(&feeds));
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), ["+a.md"]);
        assert_eq!(scanned(&mut scan, &at(root, &["feeds/b.md", "feeds"])), [""; 0]);
    }

    #[test]
    fn empty_directory_is_confirmed_after_the_grace_time() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut patient = scan(root, None).with_grace(Duration::from_secs(600));
        let mut scan = scan(root, None);
        let everywhere = Hint::everywhere();
        for path in ["a.md", "b/c.md"] {
            write(root, path, SEED);
        }
        for scan in [&mut patient, &mut scan] {
            assert_eq!(scanned(scan, &everywhere), ["+a.md", "+b/c.md"]);
        }
        fs::rename(root.join("b"), root.join(".b")).unwrap();
        fs::rename(root.join("a.md"), root.join(".a.md")).unwrap();
        let error = patient.scan(&everywhere).unwrap_err().to_string();
        assert!(error.contains("is empty, but had 2 files: is its disk mounted?"), "{error}");
        assert_eq!(scanned(&mut scan, &everywhere), ["-a.md", "-b/c.md"], "no grace time by default");
        fs::rename(root.join(".b"), root.join("b")).unwrap();
        assert_eq!(scanned(&mut patient, &everywhere), ["-a.md"]);
        fs::remove_file(root.join("b/c.md")).unwrap();
        assert_eq!(scanned(&mut patient, &everywhere), ["-b/c.md"], "the only file");
        for path in ["a.md", "b.md"] {
            write(root, path, SEED);
        }
        assert_eq!(scanned(&mut patient, &everywhere), ["+a.md", "+b.md"]);
        fs::remove_file(root.join("a.md")).unwrap();
        fs::remove_file(root.join("b.md")).unwrap();
        assert_eq!(scanned(&mut patient, &at(root, &["a.md", "b.md"])), ["-a.md", "-b.md"], "by name");
    }

    #[test]
    fn large_loss_is_confirmed_after_the_grace_time() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut patient = scan(root, None).with_grace(Duration::from_secs(600));
        let mut scan = scan(root, None);
        let everywhere = Hint::everywhere();
        for number in 10..40 {
            write(root, &format!("{}/{number}.md", if number < 35 { "disk" } else { "here" }), SEED);
        }
        for scan in [&mut patient, &mut scan] {
            assert_eq!(scanned(scan, &everywhere).len(), 30);
        }
        fs::rename(root.join("disk"), root.join(".disk")).unwrap();
        write(root, "disk/10.md", SEED);
        write(root, "new.md", SEED);
        assert_eq!(scanned(&mut patient, &everywhere), ["+new.md"]);
        let loss = patient.unconfirmed_loss().unwrap().to_string();
        assert!(loss.contains("24 of the 30 files of the seed directory "), "{loss}");
        write(root, "here/36.md", "---\n");
        assert_eq!(scanned(&mut patient, &at(root, &["here/36.md"])), ["!here/36.md"]);
        assert_eq!(scanned(&mut scan, &everywhere).len(), 26, "no grace time by default");
        fs::remove_dir_all(root.join("disk")).unwrap();
        fs::rename(root.join(".disk"), root.join("disk")).unwrap();
        assert_eq!(
            (scanned(&mut patient, &everywhere).len(), patient.unconfirmed_loss().is_none()),
            (0, true)
        );
        fs::rename(root.join("disk"), root.join("renamed")).unwrap();
        assert_eq!(
            (scanned(&mut patient, &everywhere).len(), patient.unconfirmed_loss().is_none()),
            (50, true)
        );
        patient.loss_guard.grace = Duration::ZERO;
        fs::rename(root.join("renamed"), root.join(".renamed")).unwrap();
        assert_eq!(
            (scanned(&mut patient, &everywhere).len(), patient.unconfirmed_loss().is_none()),
            (25, true)
        );
    }

    #[test]
    fn modification_time_in_the_future_does_not_delay_settling() {
        let directory = tempfile::tempdir().unwrap();
        let (root, began) = (directory.path(), Instant::now());
        write(root, "a.md", SEED);
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        fs::File::options()
            .write(true)
            .open(root.join("a.md"))
            .unwrap()
            .set_modified(SystemTime::now() + year)
            .unwrap();
        let mut scan = scan(root, None);
        while scan.cacheable().count() == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "file times never settle");
            std::thread::sleep(Duration::from_millis(50));
            scan.scan(&Hint::everywhere()).unwrap();
        }
    }

    #[test]
    fn unreadable_directory_removes_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("seeds");
        write(&root, "a.md", SEED);
        let mut scan = scan(&root, None);
        scan.scan(&Hint::everywhere()).unwrap();
        fs::rename(&root, directory.path().join("away")).unwrap();
        assert!(scan.scan(&Hint::everywhere()).unwrap_err().to_string().contains("--seeds"));
        fs::rename(directory.path().join("away"), &root).unwrap();
        assert_eq!(scanned(&mut scan, &Hint::everywhere()), [""; 0]);
    }
}
