//! Rounds: looks everywhere that are taken in steps, so that no change which is heard of waits for them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Scan, Stamp, key};
use crate::walk::{Found, Walk};

/// How long a step takes.
const STEP: Duration = Duration::from_millis(2);
/// With more paths that are not as they were, a look everywhere takes less.
const MOST_PATHS: usize = 1000;

/// A walk through the seed directory that reads nothing, and tells where to look.
pub struct Round {
    walk: Walk,
    /// Which paths the scan knew of at its begin.
    paths_were: u64,
    /// How many of those were found.
    known: usize,
    /// What was found and is not as it was.
    others: BTreeSet<PathBuf>,
    took: Duration,
}

/// What a round found.
#[derive(Debug, PartialEq, Eq)]
pub enum Rounded {
    /// Everything as it was; and how long that took.
    Same(Duration),
    /// That there is something to look at.
    Changes(BTreeSet<PathBuf>),
    /// That there is something, and not where.
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

    /// Goes on with a round for two milliseconds. None if it is not at its end then.
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
                None => {
                    round.took += began.elapsed();
                    return Some(self.end(round));
                }
            }
            if round.others.len() > MOST_PATHS {
                return Some(Rounded::Unsure);
            }
        }
        round.took += began.elapsed();
        None
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

    fn end(&mut self, round: &mut Round) -> Rounded {
        self.common.forget_unused();
        // Each path is found once: if there are as many, none is missing.
        if round.paths_were != self.paths || round.known != self.known.len() {
            Rounded::Unsure
        } else if round.others.is_empty() {
            Rounded::Same(round.took)
        } else {
            Rounded::Changes(std::mem::take(&mut round.others))
        }
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

    /// A round whose first step does this to the directory and the scan.
    fn rounded(scan: &mut Scan, meanwhile: impl FnOnce(&mut Scan)) -> Rounded {
        let mut round = scan.begin_round();
        let mut ended = scan.go_on(&mut round);
        meanwhile(scan);
        loop {
            if let Some(ended) = ended {
                return ended;
            }
            ended = scan.go_on(&mut round);
        }
    }

    #[test]
    fn a_round_tells_where_something_is_not_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = settled(root, 5);
        let changes = |paths: &[&str]| Rounded::Changes(paths.iter().map(|path| root.join(path)).collect());
        let idle = |_: &mut Scan| {};
        assert!(matches!(rounded(&mut scan, idle), Rounded::Same(_)));
        write(root, "b/1.md", "B");
        assert_eq!(rounded(&mut scan, idle), changes(&["b/1.md"]));
        write(root, "b/new.md", "C");
        assert_eq!(rounded(&mut scan, idle), changes(&["b/1.md", "b/new.md"]));
        fs::remove_file(root.join("0.md")).unwrap();
        assert_eq!(rounded(&mut scan, idle), Rounded::Unsure, "what is missing");
        scan.look(&Hint::everywhere()).unwrap();
        fs::rename(root.join("b"), root.join("elsewhere")).unwrap();
        assert_eq!(rounded(&mut scan, idle), Rounded::Unsure, "a folder that is missing");
        fs::remove_dir_all(root).unwrap();
        assert_eq!(rounded(&mut scan, idle), Rounded::Unsure, "all of it");
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
        assert_eq!(rounded(&mut scan, |_| {}), Rounded::Unsure);
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
        let saved = rounded(&mut scan, |scan| {
            write(&root, "0.md", "B");
            assert_eq!(look_at(scan, "0.md").len(), 1);
        });
        // Whether it was found before or after: what was just written proves nothing yet.
        let only = BTreeSet::from([root.join("0.md")]);
        assert!(matches!(&saved, Rounded::Same(_)) || saved == Rounded::Changes(only), "{saved:?}");
        let made = rounded(&mut scan, |scan| {
            write(&root, "new.md", "B");
            assert_eq!(look_at(scan, "new.md").len(), 1);
            fs::remove_file(root.join("2.md")).unwrap();
            assert_eq!(look_at(scan, "2.md").len(), 1);
        });
        assert_eq!(made, Rounded::Unsure, "as many as before, and not the same");
    }
}
