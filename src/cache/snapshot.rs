//! A snapshot of all records, and writing it to the cache file.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::cache::format::{Contents, HEADER_LENGTH, MAGIC, PART_FILES, Part, Section, fingerprint};
use crate::catalog::Catalog;
use crate::ingest::{FileState, Scan};
use crate::seed::Fault;
use crate::seed::{PackedRecord, Rules};

/// The ending of a file's name until the file is complete.
const UNFINISHED: &str = ".unfinished";
/// The age at which an unfinished file is taken for a killed process's.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// A snapshot of the file states of a scan and the records of a catalog.
#[derive(Debug)]
pub struct Cache {
    files: Vec<(Arc<str>, FileState, Option<RecordAndFaults>)>,
}

type RecordAndFaults = (Option<Arc<PackedRecord>>, Vec<Fault>);

impl Cache {
    /// Takes a snapshot. Files that may have changed since they were read are left out, as are broken
    /// seeds whose last good record is shown: the next start reads both.
    pub fn of(scan: &Scan, catalog: &Catalog) -> Self {
        let states = scan.cacheable().filter(|(path, _)| !catalog.is_outdated(path));
        let files = states
            .map(|(path, state)| (path.clone(), state.clone(), catalog.record_and_faults(path)))
            .collect();
        Self { files }
    }

    /// Writes the snapshot, and removes what killed processes left in the directory.
    ///
    /// # Errors
    ///
    /// The file cannot be written. The previous one stays.
    pub fn write(&self, path: &Path, rules: &Rules) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let unfinished = path.with_extension(format!("{}{UNFINISHED}", std::process::id()));
        let written = self.write_to(&unfinished, rules).and_then(|()| fs::rename(&unfinished, path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        remove_abandoned(path);
        written
    }

    fn write_to(&self, path: &Path, rules: &Rules) -> io::Result<()> {
        let mut out =
            SectionWriter { out: BufWriter::new(create_private(path)?), offset: HEADER_LENGTH as u64 };
        out.out.write_all(MAGIC)?;
        out.out.write_all(&fingerprint(rules).to_le_bytes())?;
        let mut contents = Contents::default();
        // Encoding one part per core at a time bounds the memory in use.
        for files in self.files.chunks(PART_FILES * rayon::current_num_threads()) {
            let parts: Result<Vec<_>, _> = files.par_chunks(PART_FILES).map(encode_part).collect();
            for [files, seeds, texts] in parts.map_err(io::Error::other)? {
                let (files, seeds, texts) = (out.write(&files)?, out.write(&seeds)?, out.write(&texts)?);
                contents.parts.push(Part { files, seeds, texts });
            }
        }
        let contents = postcard::to_stdvec(&contents).map_err(io::Error::other)?;
        let mut out = out.out;
        out.write_all(&contents)?;
        out.write_all(&(contents.len() as u64).to_le_bytes())?;
        out.write_all(&xxh3_128(&contents).to_le_bytes())?;
        out.flush()
    }
}

struct SectionWriter<W> {
    out: W,
    offset: u64,
}

impl<W: Write> SectionWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<Section> {
        self.out.write_all(bytes)?;
        let section = Section { offset: self.offset, length: bytes.len(), hash: xxh3_128(bytes) };
        self.offset += bytes.len() as u64;
        Ok(section)
    }
}

/// Encodes the three sections of a part: file states, seeds and texts.
fn encode_part(files: &[(Arc<str>, FileState, Option<RecordAndFaults>)]) -> postcard::Result<[Vec<u8>; 3]> {
    let mut texts = Vec::new();
    // Postcard encodes a tuple like a struct, so references stand in for the types of the format.
    let states: Vec<_> = files.iter().map(|(path, state, _)| (path, state)).collect();
    let (mut facets, mut indices) = (Vec::new(), HashMap::new());
    let seeds = files.iter().map(|(.., seed)| {
        let (record, faults) = seed.as_ref()?;
        let record = record.as_deref().map(|record| {
            texts.extend_from_slice(record.payload());
            let index = *indices.entry(&record.facets).or_insert_with(|| {
                facets.push(&record.facets);
                facets.len() - 1
            });
            (record, index, record.payload().len())
        });
        Some((record, faults))
    });
    let seeds: Vec<_> = seeds.collect();
    let (states, seeds) = (postcard::to_stdvec(&states)?, postcard::to_stdvec(&(facets, seeds))?);
    Ok([states, seeds, texts])
}

/// Removes the unfinished files of killed processes.
fn remove_abandoned(path: &Path) {
    let (Some(directory), Some(stem)) = (path.parent(), path.file_stem()) else { return };
    let is_abandoned = |entry: &fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let age = entry.metadata().and_then(|meta| meta.modified()).map(|modified| modified.elapsed());
        name.starts_with(&*stem.to_string_lossy())
            && name.ends_with(UNFINISHED)
            && age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED))
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten().filter(is_abandoned) {
        let _ = fs::remove_file(entry.path());
    }
}

/// Creates a file that only its owner may read, since unpublished seeds are cached too.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::load::CachedRecords;
    use crate::ingest::Hint;
    use std::time::{Instant, SystemTime};

    fn write(root: &Path, path: &str, text: &str) {
        fs::write(root.join(path), text).unwrap();
    }

    fn read(root: &Path, rules: &Rules) -> (Scan, Catalog) {
        let mut scan = Scan::new(root, None, rules.clone());
        let mut catalog = Catalog::new(false, Arc::default());
        catalog.apply(scan.scan(&Hint::everywhere()).unwrap(), "2025-01-01T00:00:00Z".parse().unwrap());
        (scan, catalog)
    }

    #[test]
    fn cached_records_equal_those_read_and_no_file_is_read_again() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let root = directory.path();
        write(root, "a.md", "---\ntitle: A\ntopics: t\ndate: 2024-01-01\nwebUrl: nonsense\n---\nBody\n");
        write(root, "broken.md", "---\ntitle: B\n---\n");
        write(root, "README.md", "no seed\n");
        let path = root.join("cache/x.seeds");
        let (mut scan, catalog) = read(root, &rules);
        let began = Instant::now();
        while scan.cacheable().count() < 3 {
            assert!(began.elapsed() < Duration::from_secs(20), "file times never settle");
            std::thread::sleep(Duration::from_millis(50));
            scan.scan(&Hint::everywhere()).unwrap();
        }
        Cache::of(&scan, &catalog).write(&path, &rules).unwrap();

        let (mut scan, mut again) =
            (Scan::new(root, None, rules.clone()), Catalog::new(false, Arc::default()));
        let now = "2025-01-01T00:00:00Z".parse().unwrap();
        let cached = CachedRecords::open(&mut scan, Some(&path));
        let stats = cached.read_all(&mut scan, &mut again, now).unwrap();
        assert_eq!((stats.cached, stats.read), (2, 0));
        assert!(again.records().eq(catalog.records()) && again.faults().eq(catalog.faults()));
        assert_eq!(again.census(), catalog.census());
    }

    #[test]
    fn files_of_killed_processes_are_removed() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let path = directory.path().join("x.seeds");
        let (scan, catalog) = read(directory.path(), &rules);
        for (name, hours) in [("x.1.unfinished", 2), ("x.2.unfinished", 0), ("y.1.unfinished", 2), ("x.y", 2)]
        {
            let file = File::create(directory.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 60 * 60)).unwrap();
        }
        Cache::of(&scan, &catalog).write(&path, &rules).unwrap();
        let entries = fs::read_dir(directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["x.2.unfinished", "x.seeds", "x.y", "y.1.unfinished"]);
    }
}
