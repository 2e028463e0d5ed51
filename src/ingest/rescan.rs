//! Rounds: looks everywhere that are taken in steps, so that no change which is heard of waits for them.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_128;

use super::scan::{Scan, Stamp, below, key};
use crate::ingest::walk::{Found, Walk, is_missing};

/// How long a step takes.
const STEP: Duration = Duration::from_millis(2);
/// Where the steps take longer together, as on a slow disk, all cores look at once.
const LONGEST: Duration = Duration::from_secs(10);
/// Most files that are read again in one step.
const MOST_UNSETTLED: usize = 64;
/// Most files that are not as they were: more are looked at on all cores.
const MOST_OTHERS: usize = 1000;

/// A walk through the seed directory that reads nothing, and tells where to look.
pub struct Round {
    walk: Walk,
    /// Hashes of the paths that were found and are known, or came meanwhile.
    found: HashSet<u128>,
    /// Where it is not known what lies there, too.
    unsure: Vec<Arc<str>>,
    /// What proves nothing by its times, since it was read right after it was written.
    unsettled: BTreeSet<PathBuf>,
    /// What else is not as it was.
    others: BTreeSet<PathBuf>,
    /// Once all was found: up to which known path none is missing.
    checked: Option<Arc<str>>,
    took: Duration,
}

/// What a step of a round found.
#[derive(Debug, PartialEq, Eq)]
pub enum Rounded {
    /// Files that are to be read again. The round goes on.
    Unsettled(BTreeSet<PathBuf>),
    /// Files that are not as they were, and everything else is; and how long the round took.
    Others(BTreeSet<PathBuf>, Duration),
    /// That so much has changed that it takes a look everywhere.
    Unsure,
}

impl Round {
    /// Takes note of what a look found to have changed meanwhile.
    pub fn note<'a>(&mut self, paths: impl Iterator<Item = &'a Arc<str>>) {
        self.found.extend(paths.map(|path| xxh3_128(path.as_bytes())));
    }
}

impl Scan {
    /// Begins a round.
    pub fn begin_round(&self) -> Round {
        Round {
            walk: Walk::new(&self.root, self.except.as_deref(), &self.root),
            found: HashSet::with_capacity(self.known.len()),
            unsure: Vec::new(),
            unsettled: BTreeSet::new(),
            others: BTreeSet::new(),
            checked: None,
            took: Duration::ZERO,
        }
    }

    /// Goes on with a round for about two milliseconds. None if there is nothing to tell then.
    pub fn go_on(&self, round: &mut Round) -> Option<Rounded> {
        self.go_on_for(STEP, round)
    }

    fn go_on_for(&self, step: Duration, round: &mut Round) -> Option<Rounded> {
        let began = Instant::now();
        // What is doubted only a look can believe.
        if self.emptied.is_some() || round.took > LONGEST {
            return Some(Rounded::Unsure);
        }
        let mut found_all = false;
        while !found_all {
            match round.walk.entry() {
                Some(Ok(Some(found))) => self.compare(found, round),
                Some(Ok(None)) => {}
                Some(Err(_)) => return Some(Rounded::Unsure),
                None => found_all = true,
            }
            if round.others.len() > MOST_OTHERS {
                return Some(Rounded::Unsure);
            }
            if round.unsettled.len() == MOST_UNSETTLED || began.elapsed() >= step {
                break;
            }
        }
        if !round.unsettled.is_empty() {
            round.took += began.elapsed();
            return Some(Rounded::Unsettled(std::mem::take(&mut round.unsettled)));
        }
        let ended = if found_all { self.is_all(step, began, round) } else { None };
        round.took += began.elapsed();
        ended.map(|is_all| if is_all { self.end(round) } else { Rounded::Unsure })
    }

    fn compare(&self, Found { file, unreadable }: Found, round: &mut Round) {
        let path = key(file.strip_prefix(&self.root).unwrap_or(Path::new("")));
        let (known, meta) = (self.known.get(&path), std::fs::metadata(&file));
        if meta.as_ref().is_err_and(is_missing) {
            return;
        }
        if known.is_some() {
            round.found.insert(xxh3_128(path.as_bytes()));
        }
        if unreadable.is_some() {
            round.unsure.push(path);
        }
        match known.filter(|_| unreadable.is_none()).map(|known| known.stamp) {
            Some(None) => drop(round.unsettled.insert(file)),
            Some(Some(stamp)) if meta.is_ok_and(|meta| Stamp::of(&meta) == stamp) => {}
            _ => drop(round.others.insert(file)),
        }
    }

    /// Whether nothing is missing of what is known. None if that is still to be seen.
    fn is_all(&self, step: Duration, began: Instant, round: &mut Round) -> Option<bool> {
        let after = round.checked.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        for path in self.known.range::<Arc<str>, _>((after, Bound::Unbounded)).map(|(path, _)| path) {
            let may_be_there = || round.unsure.iter().any(|place| below(path, place));
            if !round.found.contains(&xxh3_128(path.as_bytes())) && !may_be_there() {
                return Some(false);
            }
            if began.elapsed() >= step {
                round.checked = Some(path.clone());
                return None;
            }
        }
        Some(true)
    }

    fn end(&self, round: &mut Round) -> Rounded {
        self.common.remove_unused();
        Rounded::Others(std::mem::take(&mut round.others), round.took)
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::ingest::watch::Hint;
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

    /// Seeds that were read long enough ago for their times to prove something.
    fn settled(root: &Path, count: usize) -> Scan {
        fs::create_dir(root.join("b")).unwrap();
        for number in 0..count {
            write(root, &format!("{}{number}.md", if number % 2 == 0 { "" } else { "b/" }), "A");
        }
        let mut scan = scan(root);
        let deadline = Instant::now() + Duration::from_secs(30);
        while scan.remembered().count() < count {
            assert!(Instant::now() < deadline, "the times never settle");
            scan.look(&Hint::everywhere()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        scan
    }

    fn at(paths: BTreeSet<PathBuf>) -> Hint {
        Hint { paths, ..Hint::default() }
    }

    /// What is not as it was, after a round with this between its steps. None if that is too much. What is unsettled
    /// is looked at.
    fn others(scan: &mut Scan, mut meanwhile: impl FnMut(&mut Scan, &mut Round)) -> Option<Vec<String>> {
        let mut round = scan.begin_round();
        loop {
            match scan.go_on_for(Duration::ZERO, &mut round) {
                None => meanwhile(scan, &mut round),
                Some(Rounded::Unsettled(paths)) => drop(scan.look(&at(paths)).unwrap()),
                Some(Rounded::Unsure) => return None,
                Some(Rounded::Others(paths, _)) => {
                    let relative = |path: &PathBuf| {
                        path.strip_prefix(&scan.root).unwrap().to_string_lossy().into_owned()
                    };
                    return Some(paths.iter().map(relative).collect());
                }
            }
        }
    }

    const NOTHING: Option<Vec<String>> = Some(Vec::new());

    #[test]
    fn a_round_tells_where_something_is_not_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = settled(root, 5);
        let idle = |_: &mut Scan, _: &mut Round| {};
        assert_eq!(others(&mut scan, idle), NOTHING);
        write(root, "b/1.md", "B");
        write(root, "b/new.md", "C");
        assert_eq!(others(&mut scan, idle), Some(["b/1.md", "b/new.md"].map(str::to_owned).to_vec()));
        fs::remove_file(root.join("0.md")).unwrap();
        assert_eq!(others(&mut scan, idle), None, "what is missing");
        scan.look(&Hint::everywhere()).unwrap();
        fs::rename(root.join("b"), root.join("elsewhere")).unwrap();
        assert_eq!(others(&mut scan, idle), None, "a folder that is missing");
        assert_eq!(scan.look(&Hint::everywhere()).unwrap().len(), 6);
        assert!(scan.doubt().is_none());
        fs::remove_dir_all(root).unwrap();
        assert_eq!(others(&mut scan, idle), None, "all of it");
    }

    #[test]
    fn what_was_just_written_is_read_again_in_lots() {
        let directory = tempfile::tempdir().unwrap();
        let mut scan = scan(directory.path());
        for number in 0..3 * MOST_UNSETTLED {
            write(directory.path(), &format!("{number}.md"), "A");
        }
        scan.look(&Hint::everywhere()).unwrap();
        scan.forget();
        let (mut round, mut read) = (scan.begin_round(), 0);
        while let Some(Rounded::Unsettled(paths)) = scan.go_on_for(LONGEST, &mut round) {
            assert!(paths.len() <= MOST_UNSETTLED);
            read += paths.len();
        }
        assert_eq!(read, 3 * MOST_UNSETTLED);
    }

    #[test]
    fn what_is_doubted_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let mut scan = settled(directory.path(), 40);
        for number in (0..40).step_by(2) {
            fs::remove_file(directory.path().join(format!("{number}.md"))).unwrap();
        }
        scan.look(&Hint::everywhere()).unwrap();
        assert!(scan.doubt().is_some());
        for number in (0..40).step_by(2) {
            write(directory.path(), &format!("{number}.md"), "A");
        }
        assert_eq!(others(&mut scan, |_, _| {}), None);
    }

    #[test]
    fn what_is_looked_at_meanwhile_is_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let mut scan = settled(&root, 9);
        let mut steps = 0;
        let found = others(&mut scan, |scan, round| {
            steps += 1;
            // Where folders are listed as they grow, this might go on for ever.
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
            let changes = scan.look(&at(paths.iter().map(|path| root.join(path)).collect())).unwrap();
            round.note(changes.iter().map(|(path, _)| path));
        });
        assert!(steps > 9);
        assert_eq!(found, NOTHING);
    }

    #[test]
    fn what_cannot_be_named_or_read_costs_no_look_everywhere() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in [b"caf\xe8.md", b"caf\xe9.md"] {
            fs::write(root.join(OsStr::from_bytes(name)), "---\ntitle: A\n---\n").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("loop")).unwrap();
        let mut scan = settled(root, 4);
        let idle = |_: &mut Scan, _: &mut Round| {};
        assert_eq!(others(&mut scan, idle), Some(vec!["loop".to_owned()]));
        fs::remove_dir_all(root.join("b")).unwrap();
        std::os::unix::fs::symlink(root, root.join("b")).unwrap();
        let loops = ["b", "loop"].map(str::to_owned).to_vec();
        assert_eq!(others(&mut scan, idle), Some(loops), "what lay there is not gone yet");
        fs::remove_file(root.join("2.md")).unwrap();
        assert_eq!(others(&mut scan, idle), None, "one is missing, though two have one name");
    }
}
