//! What was read of the seeds, remembered over restarts, so that nothing is read twice.
//!
//! It is one file: it is written as a whole and read as a whole, and whatever is wrong with it, the
//! seeds are all that is needed to make another. A database would pay for what is not asked of it.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::catalog::Catalog;
use crate::fault::Fault;
use crate::scan::{Known, Scan};
use crate::seed::{Change, Packed, Reading, Rules};

/// How the file begins. The last byte is one more for each way of writing it.
const MAGIC: &[u8; 8] = b"sower\0\0\x01";
/// Seeds in a part of the file, each of which is read and written by one core.
const PART: usize = 1024;

/// What is remembered of one file of the seed directory.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    path: Arc<str>,
    known: Known,
    /// None if it is no seed.
    seed: Option<Seed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Seed {
    record: Option<Packed>,
    faults: Vec<Fault>,
}

/// Where what was read of a seed directory is remembered: in the service's cache directory if there
/// is one, else in the user's; none if there is neither.
pub fn place(seeds: &Path) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("CACHE_DIRECTORY")
        .or_else(|| variable("XDG_CACHE_HOME").map(|home| home.join("sower")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/sower")))?;
    let seeds = std::path::absolute(seeds).ok()?;
    Some(directory.join(format!("{:032x}.seeds", xxh3_128(seeds.as_os_str().as_encoded_bytes()))))
}

/// What reading depends on: with other rules, or by another release, everything is read anew.
fn fingerprint(rules: &Rules) -> u128 {
    xxh3_128(format!("{} {rules:?}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// Takes up what is remembered of seeds: the scan knows the files, and what they hold is given back.
/// None if nothing is remembered that can be trusted.
pub fn recall(file: &Path, rules: &Rules, scan: &mut Scan) -> Option<Vec<(Arc<str>, Change)>> {
    let bytes = fs::read(file).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (expected, mut rest) = rest.split_first_chunk::<16>()?;
    if u128::from_le_bytes(*expected) != fingerprint(rules) {
        return None;
    }
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<8>()?;
        let (hash, after) = after.split_first_chunk::<8>()?;
        let (part, after) = after.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        parts.push((part, u64::from_le_bytes(*hash)));
        rest = after;
    }
    let parts: Option<Vec<Vec<Remembered>>> = parts
        .into_par_iter()
        .map(|(part, hash)| (xxh3_64(part) == hash).then(|| postcard::from_bytes(part).ok()).flatten())
        .collect();
    let mut changes = Vec::new();
    for Remembered { path, known, seed } in parts?.into_iter().flatten() {
        scan.recall(path.clone(), known);
        if let Some(Seed { record, faults }) = seed {
            changes.push((path, Change::Read(Reading::Seed { record: record.map(Box::new), faults })));
        }
    }
    Some(changes)
}

/// What is remembered of seeds that did not change since.
pub fn unless_changed(
    mut recalled: Vec<(Arc<str>, Change)>,
    changes: &[(Arc<str>, Change)],
) -> Vec<(Arc<str>, Change)> {
    let changed: HashSet<&Arc<str>> = changes.iter().map(|(path, _)| path).collect();
    recalled.retain(|(path, _)| !changed.contains(path));
    recalled
}

/// What is to be remembered, at one instant.
#[derive(Debug)]
pub struct Memory(Vec<(Arc<str>, Known, Option<Held>)>);

/// A record and the faults of its seed.
type Held = (Option<Arc<Packed>>, Vec<Fault>);

impl Memory {
    /// What is known of the files of a scan, and what a catalog holds of them. What may have been
    /// written since it was read is left out, and so is a broken seed whose last good record is
    /// shown: a restart reads both.
    pub fn of(scan: &Scan, catalog: &Catalog) -> Self {
        let known = scan.remembered().filter(|(path, _)| !catalog.is_outdated(path));
        Self(known.map(|(path, known)| (path.clone(), known.clone(), catalog.held_of(path))).collect())
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// The system's. What was remembered before still is.
    pub fn write(&self, file: &Path, rules: &Rules) -> io::Result<()> {
        if let Some(directory) = file.parent() {
            fs::create_dir_all(directory)?;
        }
        let unfinished = file.with_extension(format!("{}.unfinished", std::process::id()));
        let written = self.write_to(&unfinished, rules).and_then(|()| fs::rename(&unfinished, file));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn write_to(&self, file: &Path, rules: &Rules) -> io::Result<()> {
        let mut out = BufWriter::new(private(file)?);
        out.write_all(MAGIC)?;
        out.write_all(&fingerprint(rules).to_le_bytes())?;
        // As many parts at once as there are cores, so that it takes little memory.
        for parts in self.0.chunks(PART * rayon::current_num_threads()) {
            let parts: Vec<Vec<u8>> = parts.par_chunks(PART).map(part).collect();
            for part in parts {
                out.write_all(&(part.len() as u64).to_le_bytes())?;
                out.write_all(&xxh3_64(&part).to_le_bytes())?;
                out.write_all(&part)?;
            }
        }
        out.flush()
    }
}

fn part(seeds: &[(Arc<str>, Known, Option<Held>)]) -> Vec<u8> {
    let seeds: Vec<_> = seeds
        .iter()
        .map(|(path, known, held)| {
            let seed = held.as_ref().map(|(record, faults)| (record.as_deref(), faults));
            (path, known, seed)
        })
        .collect();
    // Tuples are written as structures are.
    postcard::to_stdvec(&seeds).unwrap_or_default()
}

/// What is unpublished is remembered, too, and nobody else's business.
fn private(file: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::Hint;
    use std::time::{Duration, Instant};

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::write(&file, text).unwrap();
    }

    fn read(root: &Path, rules: &Rules) -> (Scan, Catalog) {
        let mut scan = Scan::new(root, None, rules.clone());
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply(scan.look(&Hint::everywhere()).unwrap(), "2025-01-01T00:00:00Z".parse().unwrap());
        (scan, catalog)
    }

    #[test]
    fn what_is_remembered_is_what_was_read_and_nothing_is_read_again() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let root = directory.path();
        write(root, "a.md", "---\ntitle: A\ntopics: t\ndate: 2024-01-01\nwebUrl: nonsense\n---\nBody\n");
        write(root, "broken.md", "---\ntitle: B\n---\n");
        write(root, "README.md", "no seed\n");
        let store = root.join("store/x.seeds");
        let (mut scan, catalog) = read(root, &rules);
        let began = Instant::now();
        while scan.remembered().count() < 3 {
            assert!(began.elapsed() < Duration::from_secs(20), "files settle");
            std::thread::sleep(Duration::from_millis(50));
            scan.look(&Hint::everywhere()).unwrap();
        }
        Memory::of(&scan, &catalog).write(&store, &rules).unwrap();

        let mut scan = Scan::new(root, None, rules.clone());
        let recalled = recall(&store, &rules, &mut scan).unwrap();
        let mut again = Catalog::new(false, Arc::default());
        again.apply(recalled, "2025-01-01T00:00:00Z".parse().unwrap());
        assert!(again.records().eq(catalog.records()) && again.faults().eq(catalog.faults()));
        assert_eq!(again.census(), catalog.census());
        assert!(scan.look(&Hint::everywhere()).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_trusted_is_not() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let store = directory.path().join("x.seeds");
        let (scan, catalog) = read(directory.path(), &rules);
        Memory::of(&scan, &catalog).write(&store, &rules).unwrap();
        let recalled =
            |rules: &Rules| recall(&store, rules, &mut Scan::new(directory.path(), None, rules.clone()));
        assert!(recalled(&rules).is_some());
        assert!(recalled(&Rules { strict: true, ..rules.clone() }).is_none(), "other rules");
        for damage in [&b"sower"[..], b"", b"sower\0\0\x01", b"something else altogether, and longer"] {
            fs::write(&store, damage).unwrap();
            assert!(recalled(&rules).is_none(), "{damage:?}");
        }
    }
}
