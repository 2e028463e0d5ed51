//! Reading all seeds once, for the commands that do not watch them.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;

use crate::cache::{self, CachedRecords};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::ingest::Scan;
use crate::seed::{ContentMode, Rules};

/// The seeds of a directory.
pub(super) struct LoadedSeeds {
    pub(super) scan: Scan,
    pub(super) catalog: Catalog,
    /// Files that are named like seeds but have no front matter.
    pub(super) passed_over: Vec<Arc<str>>,
}

/// Returns a scan of the seed directory that has not read anything yet.
pub(super) fn new_scan(config: &Config, strict: bool, texts: ContentMode) -> Scan {
    let rules = Rules { content: texts, ..Rules::new(config, strict) };
    Scan::new(&config.seeds, config.feeds.as_deref(), rules)
}

/// Reads every seed, or takes its record from the cache. The records are never freed: the process ends soon, and the
/// system then frees its memory at once.
pub(super) fn load(
    config: &Config,
    mut scan: Scan,
    cache: Option<&Path>,
) -> anyhow::Result<ManuallyDrop<LoadedSeeds>> {
    let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
    let cached = CachedRecords::open(&mut scan, cache);
    let stats = cached.read_all(&mut scan, &mut catalog, Utc::now())?;
    Ok(ManuallyDrop::new(LoadedSeeds { scan, catalog, passed_over: stats.passed_over }))
}

/// Returns the file of the record cache, unless it is turned off.
pub(super) fn cache_file(config: &Config) -> Option<PathBuf> {
    if config.no_cache { None } else { cache::default_path(&config.seeds) }
}
