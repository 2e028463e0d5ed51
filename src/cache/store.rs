//! What was read of the seeds, remembered over restarts, so that nothing is read twice; and what was published
//! of it, as whoever published it wrote it down.
//!
//! It is one file: it is written as a whole, what is in it is of one instant, and whatever is wrong with it,
//! the seeds are all that is needed to make another. A database would pay for what is not asked of it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::catalog::Catalog;
use crate::ingest::progress;
use crate::ingest::scan::{Known, Scan, ScanError};
use crate::ingest::watch::Hint;
use crate::seed::Fault;
use crate::seed::{Change, FacetPool, Facets, Packed, Reading, Rules, Timestamp};

/// How the file begins. The last byte is one more for each way of writing it.
const MAGIC: &[u8; 8] = b"sower\0\0\x08";
/// Seeds in a part of the file, each of which is read and written by one core.
const PART: usize = 1024;
/// How the name of a file ends until it has all its bytes.
const UNFINISHED: &str = ".unfinished";
/// How old such a file is that nobody writes any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// What the file ends with: where in it what is.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    parts: Vec<Part>,
    last_edition: Piece,
    /// The bytes of its documents, one after the other.
    documents: Piece,
}

/// A part of the file: what is known of some files of the seed directory, and of those of them that are seeds
/// what was read of them and then the texts of their records, one after the other.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    files: Piece,
    seeds: Piece,
    texts: Piece,
}

/// A piece of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Piece {
    at: u64,
    length: usize,
    hash: u128,
}

/// What is known of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    path: Arc<str>,
    known: Known,
}

/// What was read of a seed.
#[derive(Debug, Serialize, Deserialize)]
struct Seed {
    record: Option<RecordAt>,
    faults: Vec<Fault>,
}

/// A record, without what lies elsewhere.
#[derive(Debug, Serialize, Deserialize)]
struct RecordAt {
    record: Packed,
    /// The number of its facets among those of the part.
    facets: usize,
    /// The length of its text.
    text: usize,
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

/// What reading depends on: with other rules, or by another build, everything is read anew.
fn fingerprint(rules: &Rules) -> u128 {
    // What is made of a seed depends on all that the program was built of. Where files have no times of their
    // own, builds have paths of their own.
    let program = std::env::current_exe().and_then(|path| Ok((fs::metadata(&path)?, path)));
    let program = program.map(|(meta, path)| (path, meta.len(), meta.modified().ok())).ok();
    xxh3_128(format!("{} {program:?} {rules:?}", env!("CARGO_PKG_VERSION")).as_bytes())
}

/// What is known of files, by their paths.
type Files = Vec<(Arc<str>, Known)>;

/// What is remembered of a seed directory, of which nothing was read but where it is.
#[derive(Debug)]
struct Store {
    path: PathBuf,
    /// It stays the same while another is put in its place.
    file: File,
    contents: Contents,
}

impl Store {
    /// What is remembered in a file. None if that is nothing which can be trusted.
    fn open(path: &Path, rules: &Rules) -> Option<Self> {
        let file = File::open(path).ok()?;
        let head = read(&file, 0, MAGIC.len() + 16)?;
        if head != [&MAGIC[..], &fingerprint(rules).to_le_bytes()].concat() {
            return None;
        }
        // The length and the hash of the contents come last.
        let end_at = file.metadata().ok()?.len().checked_sub(24)?;
        let end = read(&file, end_at, 24)?;
        let (length, hash) = end.split_first_chunk::<8>()?;
        let length = u64::from_le_bytes(*length);
        let contents = read(&file, end_at.checked_sub(length)?, usize::try_from(length).ok()?)?;
        let is_whole = xxh3_128(&contents).to_le_bytes() == hash;
        let contents = is_whole.then(|| postcard::from_bytes(&contents).ok()).flatten()?;
        Some(Self { path: path.to_owned(), file, contents })
    }

    /// What is known of files, in the parts of the store.
    fn files(&self) -> Option<Vec<Files>> {
        let files = |part: &Part| {
            let files: Vec<Remembered> = postcard::from_bytes(&self.piece(&part.files)?).ok()?;
            Some(files.into_iter().map(|Remembered { path, known }| (path, known)).collect())
        };
        self.contents.parts.par_iter().map(files).collect()
    }

    /// What those files hold that are seeds, whose paths these are.
    fn seeds(&self, paths: Vec<Vec<Arc<str>>>) -> Option<Vec<(Arc<str>, Change)>> {
        let parts = self.contents.parts.par_iter().zip(paths);
        let seeds: Option<Vec<_>> = parts.map(|(part, paths)| self.seeds_of(part, paths)).collect();
        Some(seeds?.into_iter().flatten().collect())
    }

    fn seeds_of(&self, part: &Part, paths: Vec<Arc<str>>) -> Option<Vec<(Arc<str>, Change)>> {
        let (mut facets, seeds): (Vec<Arc<Facets>>, Vec<Option<Seed>>) =
            postcard::from_bytes(&self.piece(&part.seeds)?).ok()?;
        let are_there = |seed: &Seed| seed.record.as_ref().is_none_or(|record| record.facets < facets.len());
        if paths.len() != seeds.len() || !seeds.iter().flatten().all(are_there) {
            return None;
        }
        // In common in this part alone: counters that all cores write to are slow.
        FacetPool::default().share(facets.iter_mut());
        // The records hold on to parts of this.
        let mut texts = Bytes::from(self.piece(&part.texts)?);
        let change = |(path, seed): (Arc<str>, Option<Seed>)| {
            let Seed { record, faults } = seed?;
            let record = record.map(|RecordAt { record, facets: number, text }| {
                let text = texts.split_to(text.min(texts.len()));
                Arc::new(record.with_parts(path.clone(), facets[number].clone(), text))
            });
            Some((path, Change::Read(Reading::Seed { record, faults })))
        };
        Some(paths.into_iter().zip(seeds).filter_map(change).collect())
    }

    fn piece(&self, piece: &Piece) -> Option<Vec<u8>> {
        let bytes = read(&self.file, piece.at, piece.length)?;
        (xxh3_128(&bytes) == piece.hash).then_some(bytes)
    }
}

/// As many bytes of a file as are asked for. None if it does not have them.
fn read(file: &File, at: u64, length: usize) -> Option<Vec<u8>> {
    // A length that is damaged fills no memory.
    (file.metadata().ok()?.len() >= length as u64).then_some(())?;
    let mut bytes = vec![0; length];
    read_at(file, at, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(unix)]
fn read_at(file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

/// A file has one place to read on from, which all cores share.
#[cfg(not(unix))]
fn read_at(mut file: &File, at: u64, bytes: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(bytes)
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

/// What is remembered of a seed directory, and not taken into a catalog yet.
#[derive(Debug, Default)]
pub struct Untaken {
    store: Option<Store>,
    /// The paths of the files in each part of the store.
    paths: Vec<Vec<Arc<str>>>,
}

/// What a look found to have changed.
type Changes = Vec<(Arc<str>, Change)>;

impl Untaken {
    /// What is remembered in a file, of which a scan takes up what is known of files. Nothing, if there is none
    /// or it cannot be trusted.
    pub fn recall(scan: &mut Scan, cache: Option<&Path>) -> Self {
        let store = cache.and_then(|file| Store::open(file, scan.rules()));
        let Some((files, store)) = store.and_then(|store| Some((store.files()?, store))) else {
            return Self::default();
        };
        let path = |(path, _): &(Arc<str>, Known)| path.clone();
        let paths = files.iter().map(|files| files.iter().map(path).collect()).collect();
        scan.recall(files.into_iter().flatten());
        Self { store: Some(store), paths }
    }

    /// What was served last, and the bytes of its documents, as [`Memory::with_last_edition`] was given them.
    pub fn last_edition(&self) -> Option<(Vec<u8>, impl FnOnce() -> Option<Bytes>)> {
        let store = self.store.as_ref()?;
        let edition = store.piece(&store.contents.last_edition)?;
        Some((edition, || store.piece(&store.contents.documents).map(Bytes::from)))
    }

    /// Takes every seed into a catalog that is empty, reading only those that are not remembered as they are.
    ///
    /// # Errors
    ///
    /// The seed directory cannot be read. The catalog has what is remembered.
    pub fn read_all(
        self,
        scan: &mut Scan,
        catalog: &mut Catalog,
        now: Timestamp,
    ) -> Result<Taken, ScanError> {
        let _shown = progress::show(scan.progress());
        // What nearly never is much is looked for while the rest is taken in.
        let look = || scan.look(&Hint::everywhere());
        let (changes, remembered) = rayon::join(look, || self.fill(catalog, now));
        complete(remembered, changes, scan, catalog, now)
    }

    /// The same after a first look, which found these changes.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn take_in(
        self,
        changes: Result<Changes, ScanError>,
        scan: &mut Scan,
        catalog: &mut Catalog,
        now: Timestamp,
    ) -> Result<Taken, ScanError> {
        let remembered = self.fill(catalog, now);
        complete(remembered, changes, scan, catalog, now)
    }

    /// Fills a catalog with what is remembered of seeds, and tells of how many that is. None if it cannot be
    /// trusted: then the catalog stays empty, and nobody tries it again.
    fn fill(self, catalog: &mut Catalog, now: Timestamp) -> Option<usize> {
        let Some(store) = self.store else { return Some(0) };
        let Some(seeds) = store.seeds(self.paths) else {
            let _ = fs::remove_file(&store.path);
            return None;
        };
        let remembered = seeds.len();
        catalog.apply(seeds, now);
        Some(remembered)
    }
}

/// Takes what changed into a catalog that has so many seeds that were remembered; or all seeds, if those cannot
/// be trusted.
fn complete(
    remembered: Option<usize>,
    changes: Result<Changes, ScanError>,
    scan: &mut Scan,
    catalog: &mut Catalog,
    now: Timestamp,
) -> Result<Taken, ScanError> {
    let (changes, remembered) = if let Some(remembered) = remembered {
        (changes?, remembered)
    } else {
        scan.forget();
        (scan.look(&Hint::everywhere())?, 0)
    };
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
pub struct Memory {
    files: Vec<(Arc<str>, Known, Option<Held>)>,
    last_edition: Vec<u8>,
    documents: Vec<Bytes>,
}

/// A record and the faults of its seed.
type Held = (Option<Arc<Packed>>, Vec<Fault>);

impl Memory {
    /// What is known of the files of a scan, and what a catalog holds of them. What may have been
    /// written since it was read is left out, and so is a broken seed whose last good record is
    /// shown: a restart reads both.
    pub fn of(scan: &Scan, catalog: &Catalog) -> Self {
        let known = scan.remembered().filter(|(path, _)| !catalog.is_outdated(path));
        let files = known.map(|(path, known)| (path.clone(), known.clone(), catalog.held_of(path))).collect();
        Self { files, last_edition: Vec::new(), documents: Vec::new() }
    }

    /// Whether nothing is left out that a scan knows.
    pub fn is_complete(&self, scan: &Scan) -> bool {
        self.files.len() == scan.files()
    }

    /// The same with what is served of it, written down, and the bytes of its documents.
    pub fn with_last_edition(self, last_edition: Vec<u8>, documents: Vec<Bytes>) -> Self {
        Self { last_edition, documents, ..self }
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
        let mut out = Pieces { out: BufWriter::new(private(file)?), at: MAGIC.len() as u64 + 16 };
        out.out.write_all(MAGIC)?;
        out.out.write_all(&fingerprint(rules).to_le_bytes())?;
        let mut contents = Contents::default();
        // As many parts at once as there are cores, so that it takes little memory.
        for some in self.files.chunks(PART * rayon::current_num_threads()) {
            let some: Result<Vec<_>, _> = some.par_chunks(PART).map(part).collect();
            for [files, seeds, texts] in some.map_err(io::Error::other)? {
                let (files, seeds, texts) =
                    (out.write(&[files])?, out.write(&[seeds])?, out.write(&[texts])?);
                contents.parts.push(Part { files, seeds, texts });
            }
        }
        contents.last_edition = out.write(&[&self.last_edition])?;
        contents.documents = out.write(&self.documents)?;
        let contents = postcard::to_stdvec(&contents).map_err(io::Error::other)?;
        let mut out = out.out;
        out.write_all(&contents)?;
        out.write_all(&(contents.len() as u64).to_le_bytes())?;
        out.write_all(&xxh3_128(&contents).to_le_bytes())?;
        out.flush()
    }
}

/// What writes a file piece by piece.
struct Pieces<W> {
    out: W,
    at: u64,
}

impl<W: Write> Pieces<W> {
    fn write(&mut self, bytes: &[impl AsRef<[u8]>]) -> io::Result<Piece> {
        let (mut piece, mut hash) = (Piece { at: self.at, ..Piece::default() }, Xxh3::new());
        for bytes in bytes.iter().map(AsRef::as_ref) {
            self.out.write_all(bytes)?;
            hash.update(bytes);
            piece.length += bytes.len();
        }
        self.at += piece.length as u64;
        Ok(Piece { hash: hash.digest128(), ..piece })
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

/// What is known of files, what was read of those that are seeds, and the texts of their records.
fn part(files: &[(Arc<str>, Known, Option<Held>)]) -> postcard::Result<[Vec<u8>; 3]> {
    let mut texts = Vec::new();
    // Tuples are written as structures are.
    let known: Vec<_> = files.iter().map(|(path, known, _)| (path, known)).collect();
    let (mut facets, mut numbers) = (Vec::new(), HashMap::new());
    let seeds = files.iter().map(|(.., held)| {
        let (record, faults) = held.as_ref()?;
        let record = record.as_deref().map(|record| {
            texts.extend_from_slice(record.payload());
            let number = *numbers.entry(&record.facets).or_insert_with(|| {
                facets.push(&record.facets);
                facets.len() - 1
            });
            (record, number, record.payload().len())
        });
        Some((record, faults))
    });
    let seeds: Vec<_> = seeds.collect();
    let (known, seeds) = (postcard::to_stdvec(&known)?, postcard::to_stdvec(&(facets, seeds))?);
    Ok([known, seeds, texts])
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
        let documents = [&b"one"[..], b"", b"two"].map(Bytes::from_static).to_vec();
        let memory = Memory::of(&scan, &catalog);
        assert!(memory.is_complete(&scan));
        memory.with_last_edition(b"edition".to_vec(), documents).write(&store, &rules).unwrap();

        let (mut scan, mut again) =
            (Scan::new(root, None, rules.clone()), Catalog::new(false, Arc::default()));
        let now = "2025-01-01T00:00:00Z".parse().unwrap();
        let untaken = Untaken::recall(&mut scan, Some(&store));
        let (edition, documents) = untaken.last_edition().unwrap();
        assert_eq!((&*edition, documents()), (&b"edition"[..], Some(Bytes::from_static(b"onetwo"))));
        let taken = untaken.read_all(&mut scan, &mut again, now).unwrap();
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
        let recalled = |rules: &Rules| Store::open(&store, rules)?.files();
        assert!(recalled(&rules).is_some());
        assert!(recalled(&Rules { strict: true, ..rules.clone() }).is_none(), "other rules");
        for damage in [&b"sower"[..], b"", b"sower\0\0\x01", b"something else altogether, and longer"] {
            fs::write(&store, damage).unwrap();
            assert!(recalled(&rules).is_none(), "{damage:?}");
        }
    }
}
