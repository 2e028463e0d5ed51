//! Keeping what is remembered in step, beside everything else: no save waits for it.

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::info;

use crate::cache::Memory;
use crate::catalog::Catalog;
use crate::ingest::scan::Scan;

/// Files that are read before what was read is remembered again.
const MOST_UNREMEMBERED: usize = 10_000;
/// How long it must be quiet until it is, since whoever saves a seed meanwhile waits for it;
const QUIET: Duration = Duration::from_secs(1);
/// and how long at most, where it is never quiet.
const LONGEST_UNREMEMBERED: Duration = Duration::from_secs(60);

/// What remembers what was read for the next process. That it cannot be is no failure: the next start takes longer.
#[derive(Debug)]
pub struct Remembering {
    /// Where it is remembered. Without it nothing is.
    cache: Option<PathBuf>,
    /// What is writing it down, and whether that could be done.
    writing: Option<JoinHandle<bool>>,
    /// Since when there is much to remember.
    much_since: Option<Instant>,
}

impl Remembering {
    /// Begins after a start, which read much.
    pub fn begin(cache: Option<PathBuf>) -> Self {
        Self { cache, writing: None, much_since: Some(Instant::now()) }
    }

    /// Remembers what was read if that is much, when it has been quiet for long enough or has not been for long.
    pub fn follow(&mut self, quiet: Duration, scan: &mut Scan, catalog: &Catalog) {
        if scan.unremembered() > MOST_UNREMEMBERED {
            self.much_since.get_or_insert_with(Instant::now);
        }
        let Some(since) = self.much_since else { return };
        let is_time = quiet >= QUIET || since.elapsed() >= LONGEST_UNREMEMBERED;
        // A disk that hangs while it is written holds up nobody.
        let is_free = self.writing.as_ref().is_none_or(JoinHandle::is_finished);
        if is_time && is_free {
            self.much_since = None;
            self.remember(scan, catalog);
        }
    }

    /// Remembers what was read since, however little, and waits until it is written.
    pub fn end(mut self, scan: &mut Scan, catalog: &Catalog) {
        self.remember(scan, catalog);
        if let Some(writing) = self.writing {
            let _ = writing.join();
        }
    }

    fn remember(&mut self, scan: &mut Scan, catalog: &Catalog) {
        let Some(cache) = self.cache.clone() else { return };
        let failed = self.writing.take().is_some_and(|writing| !writing.join().unwrap_or(false));
        if scan.unremembered() == 0 && !failed {
            return;
        }
        scan.note_remembered();
        let memory = Memory::of(scan, catalog);
        let rules = scan.rules().clone();
        self.writing = Some(std::thread::spawn(move || {
            let written = memory.write(&cache, &rules);
            if let Err(error) = &written {
                info!("what was read cannot be remembered in {}: {error}", cache.display());
            }
            written.is_ok()
        }));
    }
}
