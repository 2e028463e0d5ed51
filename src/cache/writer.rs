//! Keeping the cache up to date in the background.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::info;

use crate::cache::snapshot::Cache;
use crate::catalog::Catalog;
use crate::ingest::Scan;

/// The number of files that may be read before the cache is written again.
const MAX_UNCACHED: usize = 10_000;
/// The pause without changes before a write, since a seed that is saved meanwhile has to wait.
const QUIET: Duration = Duration::from_secs(1);
/// The maximum delay of a write if there is no such pause.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Writes the cache in a background thread. A failure is not fatal: it makes the next start slower.
#[derive(Debug)]
pub struct CacheWriter {
    /// The cache file, unless caching is off.
    path: Option<PathBuf>,
    /// The current write, which returns `true` if it succeeded.
    writing: Option<JoinHandle<bool>>,
    /// The time at which a write became necessary.
    due_since: Option<Instant>,
}

impl CacheWriter {
    /// Creates a writer. A first write is due soon, since a start may have read many files.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, writing: None, due_since: Some(Instant::now()) }
    }

    /// Begins a write if many files are not in the cache, and if it has been quiet for long enough or
    /// the write has been due for long.
    pub fn write_if_due(&mut self, quiet: Duration, scan: &mut Scan, catalog: &Catalog) {
        if scan.uncached() > MAX_UNCACHED {
            self.due_since.get_or_insert_with(Instant::now);
        }
        let Some(since) = self.due_since else { return };
        let is_time = quiet >= QUIET || since.elapsed() >= MAX_DELAY;
        // Never wait here for a write: a disk that hangs would stop publishing.
        let is_idle = self.writing.as_ref().is_none_or(JoinHandle::is_finished);
        if is_time && is_idle {
            self.due_since = None;
            self.write(scan, catalog);
        }
    }

    /// Writes the cache if any file is not in it, and waits until that is done.
    pub fn finish(mut self, scan: &mut Scan, catalog: &Catalog) {
        self.write(scan, catalog);
        if let Some(writing) = self.writing {
            let _ = writing.join();
        }
    }

    fn write(&mut self, scan: &mut Scan, catalog: &Catalog) {
        let Some(path) = self.path.clone() else { return };
        let has_failed = self.writing.take().is_some_and(|writing| !writing.join().unwrap_or(false));
        if scan.uncached() == 0 && !has_failed {
            return;
        }
        scan.mark_cached();
        let cache = Cache::of(scan, catalog);
        let rules = scan.rules().clone();
        self.writing = Some(std::thread::spawn(move || {
            let written = cache.write(&path, &rules);
            if let Err(error) = &written {
                info!("cannot write the cache {}: {error}; the next start reads all seeds", path.display());
            }
            written.is_ok()
        }));
    }
}
