//! The start: the first scan of the seed directory, and reading everything again under another configuration.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use chrono::Utc;
use tracing::error;

use super::systemd::{self, Watchdog};
use crate::cache::{CachedRecords, LoadStats};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::ingest::{Hint, Scan, ScanError, Watch};
use crate::seed::{Change, Reading, Rules};

/// The time that records are still served after most of their files vanished at once: enough to mount a disk.
const GRACE: Duration = Duration::from_secs(60);
/// The pause before the next attempt to read a directory that cannot be read.
const RETRY: Duration = Duration::from_secs(1);

/// The first scan of the seed directory, and the watch over it.
pub(super) struct FirstScan {
    pub(super) began: Instant,
    pub(super) watch: Watch,
    pub(super) scan: Scan,
    pub(super) catalog: Catalog,
    /// The number of files that were read, or the error; the catalog then has only the cached records.
    pub(super) stats: Result<LoadStats, ScanError>,
}

impl FirstScan {
    /// Scans the seed directory, and retries until it can be read: a disk may be mounted after the system has started.
    /// A configuration that arrives meanwhile is used.
    pub(super) fn wait_for(
        config: &mut Arc<Config>,
        cache: Option<&Path>,
        configs: &Receiver<Config>,
        watchdog: &mut Watchdog,
    ) -> Self {
        let mut logged = String::new();
        loop {
            match Self::read(config, cache) {
                Ok(first) => return first,
                Err(error) => {
                    let line = format!("{error}; waiting for it");
                    if line != logged {
                        error!("{line}");
                        logged = line;
                    }
                    // The service manager would time out.
                    systemd::ready();
                    watchdog.notify();
                }
            }
            match configs.recv_timeout(RETRY) {
                Ok(later) => *config = Arc::new(later),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(RETRY),
            }
        }
    }

    /// Starts the watch before the scan, so that no change between the two is missed. Fails if the directory cannot
    /// be read and no record is remembered.
    fn read(config: &Config, cache: Option<&Path>) -> Result<Self, ScanError> {
        let began = Instant::now();
        let mut scan = new_scan(config);
        let root = scan.root().to_owned();
        let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
        // In a large directory, both take long.
        let (watch, remembered) =
            rayon::join(|| Watch::new(&root, config.watch), || CachedRecords::open(&mut scan, cache));
        match remembered.read_all(&mut scan, &mut catalog, Utc::now()) {
            Err(error @ ScanError::Unreadable { .. }) if catalog.records().next().is_none() => Err(error),
            stats => Ok(Self { began, watch, scan, catalog, stats }),
        }
    }
}

/// Creates a scan of the seed directory of a configuration.
pub(super) fn new_scan(config: &Config) -> Scan {
    Scan::new(&config.seeds, config.feeds.as_deref(), Rules::new(config, false)).with_grace(GRACE)
}

/// Reads every seed again under another configuration. A broken seed keeps its record from the previous
/// catalog.
///
/// # Errors
///
/// The seed directory cannot be read.
pub(super) fn read_again(
    config: &Config,
    scan: &mut Scan,
    before: &Catalog,
) -> Result<(Catalog, LoadStats), ScanError> {
    let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
    let changes = scan.scan(&Hint::everywhere())?;
    let broken: BTreeSet<&str> =
        changes.iter().filter(|(_, change)| is_broken(change)).map(|(path, _)| &**path).collect();
    // A folder that cannot be read makes every seed in it broken.
    let is_broken = |path: &str| {
        broken.contains("")
            || broken.contains(path)
            || path.match_indices('/').any(|(end, _)| broken.contains(&path[..end]))
    };
    let last_good: Vec<_> = before.records().filter(|record| is_broken(&record.path)).collect();
    scan.expect(last_good.iter().map(|record| record.path.clone()));
    let last_good = last_good.into_iter().map(|record| {
        let last_good = Reading::Seed { record: Some(record.clone()), faults: Vec::new() };
        (record.path.clone(), Change::Read(last_good))
    });
    catalog.apply(last_good, Utc::now());
    let stats = LoadStats { read: changes.len(), ..LoadStats::default() };
    catalog.apply(changes, Utc::now());
    Ok((catalog, stats))
}

fn is_broken(change: &Change) -> bool {
    matches!(change, Change::Read(Reading::Seed { record: None, .. } | Reading::Blank))
}
