//! Rounds: looks everywhere that are taken in steps, so that no change which is heard of waits for them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Scan, Stamp, key};
use crate::walk::{Found, Walk};

/// How long a step takes.
const STEP: Duration = Duration::from_millis(2);
/// Most files that are not as they were in one step: what was written right before it was read proves nothing yet, and
/// there may be many such.
const MOST_PATHS: usize = 64;

/// A walk through the seed directory that reads nothing, and tells where to look.
pub struct Round {
    walk: Walk,
    /// Which paths the scan knew of at its begin.
    paths_were: u64,
    /// How many of those were found.
    known: usize,
    /// What was found since the last step and is not as it was.
    others: BTreeSet<PathBuf>,
    took: Duration,
}

/// What a round found.
#[derive(Debug, PartialEq, Eq)]
pub enum Rounded {
    /// Files to look at. The round goes on.
    Others(BTreeSet<PathBuf>),
    /// Everything else as it was; and how long that took.
    Same(Duration),
    /// That more has changed than a round can tell of.
    Unsure,
}

impl Scan {
    /// Begins a round.
    pub fn begin_round(&self) -> Round {
        Round {
            walk: Walk::new(&self.root, self.except.as_deref(), &self.root),
            paths_were: self.paths,
            known: 0,
            others: BTreeSet::new(),
            took: Duration::ZERO,
        }
    }

    /// Goes on with a round for two milliseconds at most. None if there is nothing to tell then.
    pub fn go_on(&mut self, round: &mut Round) -> Option<Rounded> {
        let began = Instant::now();
        // What is doubted only a look can believe.
        if self.emptied.is_some() {
            return Some(Rounded::Unsure);
        }
        while began.elapsed() < STEP {
            match round.walk.next() {
                Some(Ok(found)) => self.compare(found, round),
                Some(Err(_)) => return Some(Rounded::Unsure),
                None if round.others.is_empty() => {
                    round.took += began.elapsed();
                    return Some(self.end(round));
                }
                None => break,
            }
            if round.others.len() == MOST_PATHS {
                break;
            }
        }
        round.took += began.elapsed();
        let others = std::mem::take(&mut round.others);
        (!others.is_empty()).then_some(Rounded::Others(others))
    }

    fn compare(&self, found: Found, round: &mut Round) {
        let relative = found.file.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let known = self.known.get(&key(relative));
        round.known += usize::from(known.is_some());
        let stamp = || std::fs::metadata(&found.file).ok().map(|meta| Stamp::of(&meta));
        let is_same = found.unreadable.is_none()
            && known.is_some_and(|known| known.stamp.is_some() && known.stamp == stamp());
        if !is_same {
            round.others.insert(found.file);
        }
    }

    fn end(&mut self, round: &Round) -> Rounded {
        self.common.forget_unused();
        // Each path is found once: if there are as many, none is missing.
        let is_all = round.paths_were == self.paths && round.known == self.known.len();
        if is_all { Rounded::Same(round.took) } else { Rounded::Unsure }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::seed::Rules;
    use crate::watch::Hint;
    use std::fs;

    fn write(root: &Path, path: &str, title: &str) {
        fs::write(root.join(path), format!("---\ntitle: {title}\ntopics: t\n---\n")).unwrap();
    }

    /// Seeds that were read long enough ago for their times to prove something.
    fn settled(root: &Path, count: usize) -> Scan {
        fs::create_dir(root.join("b")).unwrap();
        for number in 0..count {
            write(root, &format!("{}{number}.md", if number % 2 == 0 { "" } else { "b/" }), "A");
        }
        let mut scan = Scan::new(root, None, Rules::sample()).with_grace(Duration::from_secs(60));
        let deadline = Instant::now() + Duration::from_secs(30);
        while scan.remembered().count() < count {
            assert!(Instant::now() < deadline, "the times never settle");
            scan.look(&Hint::everywhere()).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
        scan
    }

    /// What a round tells to look at, and whether it knows of everything, if this is done after its first step.
    fn rounded(scan: &mut Scan, meanwhile: impl FnOnce(&mut Scan)) -> (BTreeSet<PathBuf>, bool) {
        let (mut round, mut others, mut meanwhile) = (scan.begin_round(), BTreeSet::new(), Some(meanwhile));
        loop {
            let told = scan.go_on(&mut round);
            meanwhile.take().into_iter().for_each(|meanwhile| meanwhile(scan));
            match told {
                None => {}
                Some(Rounded::Others(more)) => others.extend(more),
                Some(Rounded::Same(_)) => return (others, true),
                Some(Rounded::Unsure) => return (others, false),
            }
        }
    }

    #[test]
    fn a_round_tells_where_something_is_not_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = settled(root, 5);
        let others = |paths: &[&str]| paths.iter().map(|path| root.join(path)).collect::<BTreeSet<_>>();
        let idle = |_: &mut Scan| {};
        assert_eq!(rounded(&mut scan, idle), (others(&[]), true));
        write(root, "b/1.md", "B");
        assert_eq!(rounded(&mut scan, idle), (others(&["b/1.md"]), true));
        write(root, "b/new.md", "C");
        assert_eq!(rounded(&mut scan, idle), (others(&["b/1.md", "b/new.md"]), true));
        fs::remove_file(root.join("0.md")).unwrap();
        assert!(!rounded(&mut scan, idle).1, "what is missing");
        scan.look(&Hint::everywhere()).unwrap();
        fs::rename(root.join("b"), root.join("elsewhere")).unwrap();
        assert!(!rounded(&mut scan, idle).1, "a folder that is missing");
        fs::remove_dir_all(root).unwrap();
        assert_eq!(rounded(&mut scan, idle), (others(&[]), false), "all of it");
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
        assert!(!rounded(&mut scan, |_| {}).1);
    }

    #[test]
    fn a_look_meanwhile_is_no_change() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        // More than one step gets through.
        let mut scan = settled(&root, 3000);
        let look_at = |scan: &mut Scan, path: &str| {
            scan.look(&Hint { paths: BTreeSet::from([root.join(path)]), ..Hint::default() }).unwrap()
        };
        let (others, knows_all) = rounded(&mut scan, |scan| {
            write(&root, "0.md", "B");
            assert_eq!(look_at(scan, "0.md").len(), 1);
        });
        // Whether it was found before or after: what was just written proves nothing yet.
        let saved = root.join("0.md");
        assert!(knows_all && others.iter().all(|other| *other == saved), "{others:?}");
        let (_, knows_all) = rounded(&mut scan, |scan| {
            write(&root, "new.md", "B");
            assert_eq!(look_at(scan, "new.md").len(), 1);
            fs::remove_file(root.join("2.md")).unwrap();
            assert_eq!(look_at(scan, "2.md").len(), 1);
        });
        assert!(!knows_all, "as many as before, and not the same");
    }
}
