//! `sower build`: publish once into the feeds directory.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::bail;
use chrono::Utc;

use crate::cache::Cache;
use crate::catalog::Affected;
use crate::catalog::Catalog;
use crate::catalog::report;
use crate::cmd::load::{LoadedSeeds, cache_file, load, new_scan};
use crate::cmd::terminal::has_colours;
use crate::config::Config;
use crate::ingest::{Scan, ScanError};
use crate::publish::Publisher;
use crate::publish::mirror::{Mirror, MirrorPlan};
use crate::seed::{Change, ContentMode};
use crate::text::count;

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let cache = cache_file(config);
    let Some(feeds) = &config.feeds else {
        let reason = if config.unpublished {
            "a preview is not built into the default directory"
        } else {
            "`feeds` is off"
        };
        bail!("no directory to build into: {reason}; choose one with --feeds");
    };
    let texts = match &cache {
        // Every record appears in an archive, and in several documents.
        _ if config.archives => ContentMode::Render,
        Some(_) => ContentMode::Defer,
        None => ContentMode::Omit,
    };
    let mut seeds = load(config, new_scan(config, false, texts), cache.as_deref())?;
    let LoadedSeeds { scan, catalog, .. } = &mut *seeds;
    let mut publisher = Publisher::new(Arc::new(config.clone()));
    if texts == ContentMode::Omit {
        read_shown_texts(&publisher, scan, catalog)?;
    }
    let published = publisher.publish(catalog, &Affected::default(), SystemTime::now());

    let mut stderr = std::io::stderr().lock();
    let styled = has_colours(&std::io::stderr());
    for fault in catalog.faults() {
        writeln!(stderr, "{}\n", report::fault(fault, styled))?;
    }
    let census = catalog.census();
    writeln!(stderr, "{}", report::census(&census))?;
    if let Some(reason) = report::nothing_shown(&census) {
        writeln!(stderr, "{reason}")?;
    }
    for failed in &published.failed {
        writeln!(stderr, "{failed}")?;
    }
    let mut mirror = Mirror::new(feeds.clone());
    let mirrored = mirror.update(&publisher.current().load(), &mut MirrorPlan::everything(), &|| false)?;
    writeln!(
        stderr,
        "{} in {}: {} written, {} removed, {} ms",
        count(mirror.files(), "file"),
        feeds.display(),
        mirrored.written,
        mirrored.removed,
        began.elapsed().as_millis()
    )?;
    if let Some(cache) = cache.filter(|_| scan.uncached() > 0) {
        // Without the cache the next build takes longer, which is not a failure of this one.
        let _ = Cache::of(scan, catalog).write(&cache, scan.rules());
    }
    Ok(ExitCode::from(u8::from(census.faults > 0 || !published.failed.is_empty())))
}

/// Reads the texts of the seeds that feeds show. Each pass leaves fewer records without them.
fn read_shown_texts(publisher: &Publisher, scan: &Scan, catalog: &mut Catalog) -> Result<(), ScanError> {
    loop {
        let lacking = publisher.incomplete_seeds(catalog);
        if lacking.is_empty() {
            return Ok(());
        }
        // If a seed changed since it was first read, its present state counts, even if it is broken. Feeds may then
        // show other records, whose texts the next pass reads.
        let gone: Vec<_> = lacking.iter().map(|path| (path.clone(), Change::Gone)).collect();
        catalog.apply(gone.into_iter().chain(scan.read_whole(lacking)?), Utc::now());
    }
}
