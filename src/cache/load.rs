//! Loading the cache: unchanged files keep their cached records, and only the others are read.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::cache::format::{
    CachedFile, CachedRecord, CachedSeed, Contents, HEADER_LENGTH, MAGIC, Part, Section, TRAILER_LENGTH,
    fingerprint,
};
use crate::catalog::Catalog;
use crate::ingest::{FileState, Hint, Scan, ScanError, show_progress};
use crate::seed::{Change, FacetPool, Facets, Reading, Rules, Timestamp};

/// The paths and states of the files in one part.
type PartFiles = Vec<(Arc<str>, FileState)>;

/// An open cache file, of which the table of contents has been read.
#[derive(Debug)]
struct CacheFile {
    path: PathBuf,
    /// Stays valid when another file is renamed over the path.
    file: File,
    contents: Contents,
}

impl CacheFile {
    /// Opens a cache file. Returns `None` if it is missing, damaged, or made with other rules.
    fn open(path: &Path, rules: &Rules) -> Option<Self> {
        let file = File::open(path).ok()?;
        let header = read(&file, 0, HEADER_LENGTH)?;
        if header != [&MAGIC[..], &fingerprint(rules).to_le_bytes()].concat() {
            return None;
        }
        let trailer_offset = file.metadata().ok()?.len().checked_sub(TRAILER_LENGTH as u64)?;
        let trailer = read(&file, trailer_offset, TRAILER_LENGTH)?;
        let (length, hash) = trailer.split_first_chunk::<8>()?;
        let length = u64::from_le_bytes(*length);
        let contents = read(&file, trailer_offset.checked_sub(length)?, usize::try_from(length).ok()?)?;
        let is_intact = xxh3_128(&contents).to_le_bytes() == hash;
        let contents = is_intact.then(|| postcard::from_bytes(&contents).ok()).flatten()?;
        Some(Self { path: path.to_owned(), file, contents })
    }

    /// Reads the path and the state of each file, by part.
    fn files(&self) -> Option<Vec<PartFiles>> {
        let files = |part: &Part| {
            let files: Vec<CachedFile> = postcard::from_bytes(&self.section(&part.files)?).ok()?;
            Some(files.into_iter().map(|CachedFile { path, state }| (path, state)).collect())
        };
        self.contents.parts.par_iter().map(files).collect()
    }

    /// Reads all seeds, given the paths of the files in each part.
    fn seeds(&self, paths: Vec<Vec<Arc<str>>>) -> Option<Vec<(Arc<str>, Change)>> {
        let parts = self.contents.parts.par_iter().zip(paths);
        let seeds: Option<Vec<_>> = parts.map(|(part, paths)| self.seeds_of(part, paths)).collect();
        Some(seeds?.into_iter().flatten().collect())
    }

    fn seeds_of(&self, part: &Part, paths: Vec<Arc<str>>) -> Option<Vec<(Arc<str>, Change)>> {
        let (mut facets, seeds): (Vec<Arc<Facets>>, Vec<Option<CachedSeed>>) =
            postcard::from_bytes(&self.section(&part.seeds)?).ok()?;
        let has_facets =
            |seed: &CachedSeed| seed.record.as_ref().is_none_or(|record| record.facets < facets.len());
        if paths.len() != seeds.len() || !seeds.iter().flatten().all(has_facets) {
            return None;
        }
        // Facets are shared within a part only, so that cores do not contend for reference counters.
        FacetPool::default().share(facets.iter_mut());
        // Each record refers to a slice of this buffer.
        let mut texts = Bytes::from(self.section(&part.texts)?);
        let change = |(path, seed): (Arc<str>, Option<CachedSeed>)| {
            let CachedSeed { record, faults } = seed?;
            let record = record.map(|CachedRecord { record, facets: index, text }| {
                let text = texts.split_to(text.min(texts.len()));
                Arc::new(record.with_parts(path.clone(), facets[index].clone(), text))
            });
            Some((path, Change::Read(Reading::Seed { record, faults })))
        };
        Some(paths.into_iter().zip(seeds).filter_map(change).collect())
    }

    fn section(&self, section: &Section) -> Option<Vec<u8>> {
        let bytes = read(&self.file, section.offset, section.length)?;
        (xxh3_128(&bytes) == section.hash).then_some(bytes)
    }
}

/// Reads a range of a file. Returns `None` if the file ends before the range does.
fn read(file: &File, offset: u64, length: usize) -> Option<Vec<u8>> {
    // A damaged length must not allocate more memory than the file has bytes.
    (file.metadata().ok()?.len() >= length as u64).then_some(())?;
    let mut bytes = vec![0; length];
    read_at(file, offset, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(unix)]
fn read_at(file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Reads one range at a time, since all threads share the position of the file.
#[cfg(not(unix))]
fn read_at(mut file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    static POSITION: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _lock = POSITION.lock();
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

/// The number of files that loading all seeds took from the cache and from the seed directory.
#[derive(Debug, Default)]
pub struct LoadStats {
    /// The number of files taken from the cache.
    pub cached: usize,
    /// The number of files that were read.
    pub read: usize,
    /// The files among them that have a seed's name but no front matter.
    pub passed_over: Vec<Arc<str>>,
}

/// The cached records of a seed directory, before they are added to a catalog.
#[derive(Debug, Default)]
pub struct CachedRecords {
    file: Option<CacheFile>,
    /// The paths of the files in each part.
    paths: Vec<Vec<Arc<str>>>,
}

impl CachedRecords {
    /// Opens the cache and restores the file states of a scan from it. Without a usable cache file,
    /// no record is cached.
    pub fn open(scan: &mut Scan, cache: Option<&Path>) -> Self {
        let file = cache.and_then(|path| CacheFile::open(path, scan.rules()));
        let Some((files, file)) = file.and_then(|file| Some((file.files()?, file))) else {
            return Self::default();
        };
        let path = |(path, _): &(Arc<str>, FileState)| path.clone();
        let paths = files.iter().map(|files| files.iter().map(path).collect()).collect();
        scan.restore(files.into_iter().flatten());
        Self { file: Some(file), paths }
    }

    /// Fills an empty catalog with every seed, and reads only the files that are not in the cache or
    /// have changed since.
    ///
    /// # Errors
    ///
    /// The seed directory cannot be read. The catalog contains the cached records then.
    pub fn read_all(
        self,
        scan: &mut Scan,
        catalog: &mut Catalog,
        now: Timestamp,
    ) -> Result<LoadStats, ScanError> {
        let _display = show_progress(scan.progress());
        // Few files change between two starts, so the scan is cheap and runs beside the loading.
        let find_changes = || scan.scan(&Hint::everywhere());
        let (changes, cached) = rayon::join(find_changes, || self.fill(catalog, now));
        let (changes, cached) = if let Some(cached) = cached {
            (changes?, cached)
        } else {
            scan.invalidate();
            (scan.scan(&Hint::everywhere())?, 0)
        };
        Ok(apply_changes(changes, cached, catalog, now))
    }

    /// Adds the cached records to the catalog and returns their number. Returns `None` if the cache
    /// is damaged: then the catalog stays empty, and the file is removed.
    fn fill(self, catalog: &mut Catalog, now: Timestamp) -> Option<usize> {
        let Some(file) = self.file else { return Some(0) };
        let Some(seeds) = file.seeds(self.paths) else {
            let _ = fs::remove_file(&file.path);
            return None;
        };
        let cached = seeds.len();
        catalog.apply(seeds, now);
        Some(cached)
    }
}

/// Applies the changes since the cache was written to a catalog with the cached records.
fn apply_changes(
    changes: Vec<(Arc<str>, Change)>,
    cached: usize,
    catalog: &mut Catalog,
    now: Timestamp,
) -> LoadStats {
    let is_no_seed = |change: &Change| matches!(change, Change::Read(Reading::NotASeed));
    let no_seeds = changes.iter().filter(|(_, change)| is_no_seed(change));
    let passed_over = no_seeds.map(|(path, _)| path.clone()).collect();
    let read = changes.len();
    // A seed that is broken now must not show its cached record as its last good one: the result
    // would differ from a start without the cache. So the old records are removed first.
    let outdated: Vec<_> = changes
        .iter()
        .filter(|(path, _)| catalog.contains(path))
        .map(|(path, _)| (path.clone(), Change::Gone))
        .collect();
    catalog.apply(outdated.into_iter().chain(changes), now);
    LoadStats { cached: cached.saturating_sub(read), read, passed_over }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::snapshot::Cache;

    #[test]
    fn untrusted_cache_file_is_ignored() {
        let (directory, rules) = (tempfile::tempdir().unwrap(), Rules::sample());
        let path = directory.path().join("x.seeds");
        let scan = Scan::new(directory.path(), None, rules.clone());
        Cache::of(&scan, &Catalog::new(false, Arc::default())).write(&path, &rules).unwrap();
        let files = |rules: &Rules| CacheFile::open(&path, rules)?.files();
        assert!(files(&rules).is_some());
        assert!(files(&Rules { strict: true, ..rules.clone() }).is_none(), "other rules");
        for damage in [&b"sower"[..], b"", b"sower\0\0\x01", b"something else altogether, and longer"] {
            fs::write(&path, damage).unwrap();
            assert!(files(&rules).is_none(), "{damage:?}");
        }
    }
}
