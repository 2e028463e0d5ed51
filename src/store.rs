//! What was read of the seeds, remembered over restarts, so that nothing is read twice.
//!
//! It is one file: it is written as a whole and read as a whole, and whatever is wrong with it, the
//! seeds are all that is needed to make another. A database would pay for what is not asked of it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::catalog::Catalog;
use crate::fault::Fault;
use crate::progress;
use crate::scan::{Known, Scan, ScanError};
use crate::seed::{Change, Names, Packed, Reading, Rules, Timestamp};
use crate::watch::Hint;

/// How the file begins. The last byte is one more for each way of writing it.
const MAGIC: &[u8; 8] = b"sower\0\0\x05";
/// Seeds in a part of the file, each of which is read and written by one core.
const PART: usize = 1024;
/// How the name of a file ends until it has all its bytes.
const UNFINISHED: &str = ".unfinished";
/// How old such a file is that nobody writes any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Where a part of the file is: what is remembered of its seeds, and then the texts of their records,
/// one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    at: u64,
    seeds: usize,
    texts: usize,
    /// Of both.
    hash: u128,
}

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
    /// The record, and the length of its text.
    record: Option<(Packed, usize)>,
    faults: Vec<Fault>,
}

/// What is known of files, and what those of them hold that are seeds.
type Recalled = (Vec<(Arc<str>, Known)>, Vec<(Arc<str>, Change)>);

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

/// What reading depends on: with other rules, or by another build, everything is read anew.
fn fingerprint(rules: &Rules) -> u128 {
    // What is made of a seed depends on all that the program was built of.
    let program = std::env::current_exe().and_then(fs::metadata);
    let program = program.map(|program| (program.len(), program.modified().ok())).ok();
    xxh3_128(format!("{} {program:?} {rules:?}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// What is remembered of seeds, in the parts of the file. None if nothing is remembered that can be
/// trusted.
fn recall(file: &Path, rules: &Rules) -> Option<Vec<Recalled>> {
    parts(file, rules)?.par_iter().map(|part| recall_part(file, part)).collect()
}

/// The parts of a file: what it ends with, the length and the hash of that last.
fn parts(file: &Path, rules: &Rules) -> Option<Vec<Part>> {
    let mut file = File::open(file).ok()?;
    let head = read(&mut file, SeekFrom::Start(0), MAGIC.len() + 16)?;
    if head != [&MAGIC[..], &fingerprint(rules).to_le_bytes()].concat() {
        return None;
    }
    let end = read(&mut file, SeekFrom::End(-24), 24)?;
    let (length, hash) = end.split_first_chunk::<8>()?;
    let length = u64::from_le_bytes(*length);
    let from = SeekFrom::End(-i64::try_from(length).ok()?.checked_add(24)?);
    let parts = read(&mut file, from, usize::try_from(length).ok()?)?;
    (xxh3_128(&parts).to_le_bytes() == hash).then(|| postcard::from_bytes(&parts).ok()).flatten()
}

fn recall_part(file: &Path, part: &Part) -> Option<Recalled> {
    let mut file = File::open(file).ok()?;
    let seeds = read(&mut file, SeekFrom::Start(part.at), part.seeds)?;
    // The records hold on to parts of this.
    let mut texts = Bytes::from(read(&mut file, SeekFrom::Current(0), part.texts)?);
    if hash(&seeds, &texts) != part.hash {
        return None;
    }
    let seeds: Vec<Remembered> = postcard::from_bytes(&seeds).ok()?;
    // Names of this part alone: counters that all cores write to are slow.
    let names = Names::default();
    let (mut files, mut changes) = (Vec::with_capacity(seeds.len()), Vec::with_capacity(seeds.len()));
    for Remembered { path, known, seed } in seeds {
        let change = seed.map(|Seed { record, faults }| {
            let record = record.map(|(record, length)| {
                let mut record = record.with_rest(texts.split_to(length.min(texts.len())));
                record.share(&names);
                Arc::new(record)
            });
            Change::Read(Reading::Seed { record, faults })
        });
        files.push((path.clone(), known));
        changes.extend(change.map(|change| (path, change)));
    }
    Some((files, changes))
}

/// As many bytes of a file as are asked for. None if it does not have them.
fn read(file: &mut File, from: SeekFrom, length: usize) -> Option<Vec<u8>> {
    file.seek(from).ok()?;
    // A length that is damaged fills no memory.
    (file.metadata().ok()?.len() >= length as u64).then_some(())?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn hash(seeds: &[u8], texts: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(seeds);
    hash.update(texts);
    hash.digest128()
}

/// What reading every seed took.
#[derive(Debug, Default)]
pub struct Taken {
    /// Files that were not read, since what they hold was remembered.
    pub remembered: usize,
    /// Files that were read.
    pub read: usize,
    /// Of those, the ones that are named like seeds and are none.
    pub passed_over: Vec<Arc<str>>,
}

/// Takes every seed into a catalog that is empty, reading only those that are not remembered as they
/// are.
///
/// # Errors
///
/// The seed directory cannot be read.
pub fn read_all(
    scan: &mut Scan,
    catalog: &mut Catalog,
    cache: Option<&Path>,
    now: Timestamp,
) -> Result<Taken, ScanError> {
    let _shown = progress::show(scan.progress());
    let rules = scan.rules().clone();
    let recalled = cache.and_then(|file| recall(file, &rules)).unwrap_or_default();
    let (files, seeds): (Vec<_>, Vec<_>) = recalled.into_iter().unzip();
    let remembered = seeds.iter().map(Vec::len).sum::<usize>();
    // What nearly never is much is looked for while the rest is taken in.
    let look = || {
        scan.recall(files.into_iter().flatten());
        scan.look(&Hint::everywhere())
    };
    let take_in = || catalog.apply(seeds.into_iter().flatten().collect::<Vec<_>>(), now);
    let (changes, _) = rayon::join(look, take_in);
    let changes = changes?;
    let is_no_seed = |change: &Change| matches!(change, Change::Read(Reading::NotASeed));
    let no_seeds = changes.iter().filter(|(_, change)| is_no_seed(change));
    let passed_over = no_seeds.map(|(path, _)| path.clone()).collect();
    let read = changes.len();
    // A seed that is broken now shows nothing of what is remembered of it: it shows what it would if
    // nothing was.
    let outdated: Vec<_> =
        changes.iter().filter(|(path, _)| catalog.has(path)).map(|(path, _)| path.clone()).collect();
    catalog.apply(outdated.into_iter().map(|path| (path, Change::Gone)).chain(changes), now);
    Ok(Taken { remembered: remembered.saturating_sub(read), read, passed_over })
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
        let unfinished = file.with_extension(format!("{}{UNFINISHED}", std::process::id()));
        let written = self.write_to(&unfinished, rules).and_then(|()| fs::rename(&unfinished, file));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        clear_away(file);
        written
    }

    fn write_to(&self, file: &Path, rules: &Rules) -> io::Result<()> {
        let mut out = BufWriter::new(private(file)?);
        out.write_all(MAGIC)?;
        out.write_all(&fingerprint(rules).to_le_bytes())?;
        let (mut at, mut parts) = (MAGIC.len() as u64 + 16, Vec::new());
        // As many parts at once as there are cores, so that it takes little memory.
        for some in self.0.chunks(PART * rayon::current_num_threads()) {
            let some: Result<Vec<_>, _> = some.par_chunks(PART).map(part).collect();
            for (seeds, texts) in some.map_err(io::Error::other)? {
                out.write_all(&seeds)?;
                out.write_all(&texts)?;
                parts.push(Part { at, seeds: seeds.len(), texts: texts.len(), hash: hash(&seeds, &texts) });
                at += (seeds.len() + texts.len()) as u64;
            }
        }
        let parts = postcard::to_stdvec(&parts).map_err(io::Error::other)?;
        out.write_all(&parts)?;
        out.write_all(&(parts.len() as u64).to_le_bytes())?;
        out.write_all(&xxh3_128(&parts).to_le_bytes())?;
        out.flush()
    }
}

/// Removes what processes left that were killed while they wrote: nobody writes for so long.
fn clear_away(file: &Path) {
    let (Some(directory), Some(stem)) = (file.parent(), file.file_stem()) else { return };
    let is_left = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|modified| modified.elapsed());
        name.starts_with(&*stem.to_string_lossy())
            && name.ends_with(UNFINISHED)
            && age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED))
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().filter(is_left) {
        let _ = fs::remove_file(entry.path());
    }
}

/// What is remembered of seeds, and the texts of their records.
fn part(seeds: &[(Arc<str>, Known, Option<Held>)]) -> postcard::Result<(Vec<u8>, Vec<u8>)> {
    let mut texts = Vec::new();
    let seeds: Vec<_> = seeds
        .iter()
        .map(|(path, known, held)| {
            let seed = held.as_ref().map(|(record, faults)| {
                let record = record.as_deref().map(|record| {
                    texts.extend_from_slice(record.rest());
                    (record, record.rest().len())
                });
                (record, faults)
            });
            (path, known, seed)
        })
        .collect();
    // Tuples are written as structures are.
    Ok((postcard::to_stdvec(&seeds)?, texts))
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
    use std::time::{Instant, SystemTime};

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

        let (mut scan, mut again) =
            (Scan::new(root, None, rules.clone()), Catalog::new(false, Arc::default()));
        let now = "2025-01-01T00:00:00Z".parse().unwrap();
        let taken = read_all(&mut scan, &mut again, Some(&store), now).unwrap();
        assert_eq!((taken.remembered, taken.read), (2, 0));
        assert!(again.records().eq(catalog.records()) && again.faults().eq(catalog.faults()));
        assert_eq!(again.census(), catalog.census());
    }

    #[test]
    fn what_killed_processes_left_is_cleared_away() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let file = directory.path().join("x.seeds");
        let (scan, catalog) = read(directory.path(), &rules);
        for (name, hours) in [("x.1.unfinished", 2), ("x.2.unfinished", 0), ("y.1.unfinished", 2), ("x.y", 2)]
        {
            let left = File::create(directory.path().join(name)).unwrap();
            left.set_modified(SystemTime::now() - Duration::from_secs(hours * 60 * 60)).unwrap();
        }
        Memory::of(&scan, &catalog).write(&file, &rules).unwrap();
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["x.2.unfinished", "x.seeds", "x.y", "y.1.unfinished"]);
    }

    #[test]
    fn what_cannot_be_trusted_is_not() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let store = directory.path().join("x.seeds");
        let (scan, catalog) = read(directory.path(), &rules);
        Memory::of(&scan, &catalog).write(&store, &rules).unwrap();
        let recalled = |rules: &Rules| recall(&store, rules);
        assert!(recalled(&rules).is_some());
        assert!(recalled(&Rules { strict: true, ..rules.clone() }).is_none(), "other rules");
        for damage in [&b"sower"[..], b"", b"sower\0\0\x01", b"something else altogether, and longer"] {
            fs::write(&store, damage).unwrap();
            assert!(recalled(&rules).is_none(), "{damage:?}");
        }
    }
}
