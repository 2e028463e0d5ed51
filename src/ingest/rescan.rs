//! Rescans: periodic checks of the whole seed directory, taken in short steps so that saved seeds do
//! not wait for them.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::file_state::Stamp;
use crate::ingest::scan::{Scan, is_below, key};
use crate::ingest::walk::{Walk, WalkEntry, is_missing};

/// The duration of a step.
const STEP: Duration = Duration::from_millis(2);
/// The total time after which a scan, which uses all cores, replaces the rescan.
const MAX_DURATION: Duration = Duration::from_secs(10);
/// The maximum number of files to read again in one step.
const MAX_REREAD: usize = 64;
/// The number of changed files above which a scan, which uses all cores, is faster.
const MAX_CHANGED: usize = 1000;

/// A walk through the seed directory that compares stamps and reads no file.
pub struct Rescan {
    walk: Walk,
    /// Hashes of the known paths that were found, or were scanned meanwhile.
    found: HashSet<u128>,
    /// Directories that could not be listed.
    unlisted: Vec<Arc<str>>,
    /// Files that have to be read again, since they were read right after a change.
    reread: BTreeSet<PathBuf>,
    changed: BTreeSet<PathBuf>,
    /// After the walk: the last known path that was checked for a missing file.
    checked: Option<Arc<str>>,
    took: Duration,
}

/// The result of a step.
#[derive(Debug, PartialEq, Eq)]
pub enum RescanStep {
    /// Files to read again. The rescan is not over.
    Reread(BTreeSet<PathBuf>),
    /// The files that changed, and the duration of the rescan, which is over.
    Finished(BTreeSet<PathBuf>, Duration),
    /// The rescan is over, and the whole directory has to be scanned: files are missing, or too many
    /// have changed.
    ScanNeeded,
}

impl Rescan {
    /// Begins a rescan.
    pub fn new(scan: &Scan) -> Self {
        Self {
            walk: scan.walk(),
            found: HashSet::with_capacity(scan.known().len()),
            unlisted: Vec::new(),
            reread: BTreeSet::new(),
            changed: BTreeSet::new(),
            checked: None,
            took: Duration::ZERO,
        }
    }

    /// Records paths that a scan reported as changed meanwhile.
    pub fn record_scanned<'a>(&mut self, paths: impl Iterator<Item = &'a Arc<str>>) {
        self.found.extend(paths.map(|path| xxh3_128(path.as_bytes())));
    }

    /// Takes a step of about two milliseconds. Returns `None` if the rescan is not over and has no
    /// result yet.
    pub fn step(&mut self, scan: &Scan) -> Option<RescanStep> {
        self.step_for(STEP, scan)
    }

    fn step_for(&mut self, duration: Duration, scan: &Scan) -> Option<RescanStep> {
        let began = Instant::now();
        // Only a scan can confirm or resolve a loss of files.
        if scan.has_loss() || self.took > MAX_DURATION {
            return Some(RescanStep::ScanNeeded);
        }
        let mut is_walked = false;
        while !is_walked {
            match self.walk.step() {
                Some(Ok(Some(entry))) => self.compare(entry, scan),
                Some(Ok(None)) => {}
                Some(Err(_)) => return Some(RescanStep::ScanNeeded),
                None => is_walked = true,
            }
            if self.changed.len() > MAX_CHANGED {
                return Some(RescanStep::ScanNeeded);
            }
            if self.reread.len() == MAX_REREAD || began.elapsed() >= duration {
                break;
            }
        }
        if !self.reread.is_empty() {
            self.took += began.elapsed();
            return Some(RescanStep::Reread(std::mem::take(&mut self.reread)));
        }
        let is_complete = if is_walked { self.check_missing(duration, began, scan) } else { None };
        self.took += began.elapsed();
        is_complete.map(|is_complete| if is_complete { self.finish(scan) } else { RescanStep::ScanNeeded })
    }

    fn compare(&mut self, WalkEntry { file, unreadable }: WalkEntry, scan: &Scan) {
        let path = key(file.strip_prefix(scan.root()).unwrap_or(Path::new("")));
        let (known, meta) = (scan.known().get(&path), std::fs::metadata(&file));
        if meta.as_ref().is_err_and(is_missing) {
            return;
        }
        if known.is_some() {
            self.found.insert(xxh3_128(path.as_bytes()));
        }
        if unreadable.is_some() {
            self.unlisted.push(path);
        }
        match known.filter(|_| unreadable.is_none()).map(|known| known.stamp) {
            Some(None) => drop(self.reread.insert(file)),
            Some(Some(stamp)) if meta.is_ok_and(|meta| Stamp::of(&meta) == stamp) => {}
            _ => drop(self.changed.insert(file)),
        }
    }

    /// Checks that every known file was found. Returns `None` if the time is over before that is
    /// certain.
    fn check_missing(&mut self, duration: Duration, began: Instant, scan: &Scan) -> Option<bool> {
        let after = self.checked.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for path in scan.known().range::<Arc<str>, _>((after, Bound::Unbounded)).map(|(path, _)| path) {
            let is_hidden = || self.unlisted.iter().any(|directory| is_below(path, directory));
            if !self.found.contains(&xxh3_128(path.as_bytes())) && !is_hidden() {
                return Some(false);
            }
            if began.elapsed() >= duration {
                self.checked = Some(path.clone());
                return None;
            }
        }
        Some(true)
    }

    fn finish(&mut self, scan: &Scan) -> RescanStep {
        scan.forget_unused_facets();
        RescanStep::Finished(std::mem::take(&mut self.changed), self.took)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::ingest::hint::Hint;
    use crate::seed::Rules;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    fn write(root: &Path, path: &str, title: &str) {
        fs::write(root.join(path), format!("---\ntitle: {title}\ntopics: t\n---\n")).unwrap();
    }

    fn scan(root: &Path) -> Scan {
        Scan::new(root, None, Rules::sample()).with_grace(Duration::from_secs(60))
    }

    /// Creates seeds and scans them until all their stamps have settled.
    fn settled(root: &Path, count: usize) -> Scan {
        fs::create_dir(root.join("b")).unwrap();
        for number in 0..count {
            write(root, &format!("{}{number}.md", if number % 2 == 0 { "" } else { "b/" }), "A");
        }
        let mut scan = scan(root);
        let deadline = Instant::now() + Duration::from_secs(30);
        while scan.cacheable().count() < count {
            assert!(Instant::now() < deadline, "file times never settle");
            scan.scan(&Hint::everywhere()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        scan
    }

    fn at(paths: BTreeSet<PathBuf>) -> Hint {
        Hint { paths, ..Hint::default() }
    }

    /// Runs a rescan with a function between its steps, and returns the changed files. Returns `None`
    /// if a scan is needed. Files to read again are scanned.
    fn changed(scan: &mut Scan, mut meanwhile: impl FnMut(&mut Scan, &mut Rescan)) -> Option<Vec<String>> {
        let mut rescan = Rescan::new(scan);
        loop {
            match rescan.step_for(Duration::ZERO, scan) {
                None => meanwhile(scan, &mut rescan),
                Some(RescanStep::Reread(paths)) => drop(scan.scan(&at(paths)).unwrap()),
                Some(RescanStep::ScanNeeded) => return None,
                Some(RescanStep::Finished(paths, _)) => {
                    let relative = |path: &PathBuf| {
                        path.strip_prefix(scan.root()).unwrap().to_string_lossy().into_owned()
                    };
                    return Some(paths.iter().map(relative).collect());
                }
            }
        }
    }

    const NOTHING: Option<Vec<String>> = Some(Vec::new());

    #[test]
    fn rescan_finds_changed_new_and_missing_files() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = settled(root, 5);
        let idle = |_: &mut Scan, _: &mut Rescan| {};
        assert_eq!(changed(&mut scan, idle), NOTHING);
        write(root, "b/1.md", "B");
        write(root, "b/new.md", "C");
        assert_eq!(changed(&mut scan, idle), Some(["b/1.md", "b/new.md"].map(str::to_owned).to_vec()));
        fs::remove_file(root.join("0.md")).unwrap();
        assert_eq!(changed(&mut scan, idle), None, "a missing file");
        scan.scan(&Hint::everywhere()).unwrap();
        fs::rename(root.join("b"), root.join("elsewhere")).unwrap();
        assert_eq!(changed(&mut scan, idle), None, "a missing folder");
        assert_eq!(scan.scan(&Hint::everywhere()).unwrap().len(), 6);
        assert!(scan.unconfirmed_loss().is_none());
        fs::remove_dir_all(root).unwrap();
        assert_eq!(changed(&mut scan, idle), None, "a missing root");
    }

    #[test]
    fn young_files_are_read_again_in_batches() {
        let directory = tempfile::tempdir().unwrap();
        let mut scan = scan(directory.path());
        for number in 0..3 * MAX_REREAD {
            write(directory.path(), &format!("{number}.md"), "A");
        }
        scan.scan(&Hint::everywhere()).unwrap();
        scan.invalidate();
        let (mut rescan, mut read) = (Rescan::new(&scan), 0);
        while let Some(RescanStep::Reread(paths)) = rescan.step_for(MAX_DURATION, &scan) {
            assert!(paths.len() <= MAX_REREAD);
            read += paths.len();
        }
        assert_eq!(read, 3 * MAX_REREAD);
    }

    #[test]
    fn unconfirmed_loss_needs_a_scan() {
        let directory = tempfile::tempdir().unwrap();
        let mut scan = settled(directory.path(), 40);
        for number in (0..40).step_by(2) {
            fs::remove_file(directory.path().join(format!("{number}.md"))).unwrap();
        }
        scan.scan(&Hint::everywhere()).unwrap();
        assert!(scan.unconfirmed_loss().is_some());
        for number in (0..40).step_by(2) {
            write(directory.path(), &format!("{number}.md"), "A");
        }
        assert_eq!(changed(&mut scan, |_, _| {}), None);
    }

    #[test]
    fn files_scanned_meanwhile_are_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let mut scan = settled(&root, 9);
        let mut steps = 0;
        let found = changed(&mut scan, |scan, rescan| {
            steps += 1;
            // On file systems that list files added meanwhile, the walk would never end.
            if steps > 50 {
                return;
            }
            let number = steps % 9;
            let path = format!("{}{number}.md", if number % 2 == 0 { "" } else { "b/" });
            fs::remove_file(root.join(&path)).unwrap();
            write(&root, &path, &format!("B {steps}"));
            write(&root, &format!("new {steps}.md"), "C");
            let paths = [path, format!("new {steps}.md"), format!("new {}.md", steps - 1)];
            let _ = fs::remove_file(root.join(&paths[2]));
            let changes = scan.scan(&at(paths.iter().map(|path| root.join(path)).collect())).unwrap();
            rescan.record_scanned(changes.iter().map(|(path, _)| path));
        });
        assert!(steps > 9);
        assert_eq!(found, NOTHING);
    }

    #[test]
    fn unreadable_files_and_names_need_no_scan() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in [b"caf\xe8.md", b"caf\xe9.md"] {
            fs::write(root.join(OsStr::from_bytes(name)), "---\ntitle: A\n---\n").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
        let mut scan = settled(root, 4);
        let idle = |_: &mut Scan, _: &mut Rescan| {};
        assert_eq!(changed(&mut scan, idle), Some(vec!["loop".to_owned()]));
        fs::remove_dir_all(root.join("b")).unwrap();
        std::os::unix::fs::symlink(root, root.join("b")).unwrap();
        let loops = ["b", "loop"].map(str::to_owned).to_vec();
        assert_eq!(changed(&mut scan, idle), Some(loops), "files below an unreadable folder are not missing");
        fs::remove_file(root.join("2.md")).unwrap();
        assert_eq!(changed(&mut scan, idle), None, "a missing file, beside two files with one name");
    }
}
