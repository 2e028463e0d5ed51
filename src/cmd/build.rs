//! `sower build`: publish once into the feeds directory.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use anyhow::bail;
use chrono::Utc;

use super::{Harvest, cache, is_styled, read_all, scan};
use crate::cache::Memory;
use crate::catalog::Catalog;
use crate::catalog::Touched;
use crate::catalog::report;
use crate::config::Config;
use crate::ingest::scan::{Scan, ScanError};
use crate::publish::Publisher;
use crate::publish::mirror::{Mirror, Work};
use crate::seed::{Change, ContentMode};
use crate::text::count;

pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let cache = cache(config);
    let Some(feeds) = &config.feeds else {
        let why =
            if config.unpublished { "a preview is not for the usual directory" } else { "`feeds` is off" };
        bail!("there is nowhere to build to, since {why}; name a directory with `--feeds`");
    };
    let content = match &cache {
        // Archives show every record, in several documents.
        _ if config.archives => ContentMode::Render,
        Some(_) => ContentMode::Defer,
        None => ContentMode::Omit,
    };
    let mut harvest = read_all(config, scan(config, false, content), cache.as_deref())?;
    let Harvest { scan, catalog, .. } = &mut *harvest;
    let mut publisher = Publisher::new(Arc::new(config.clone()));
    if content == ContentMode::Omit {
        read_what_is_shown(&publisher, scan, catalog)?;
    }
    let published = publisher.publish(catalog, &Touched::default(), SystemTime::now());

    let mut stderr = std::io::stderr().lock();
    let styled = is_styled(&std::io::stderr());
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
    let mirrored = mirror.update(&publisher.current().load(), &mut Work::everything(), &|| false)?;
    writeln!(
        stderr,
        "{} in {}: {} written, {} removed, {} ms",
        count(mirror.files(), "file"),
        feeds.display(),
        mirrored.written,
        mirrored.removed,
        began.elapsed().as_millis()
    )?;
    if let Some(cache) = cache.filter(|_| scan.unremembered() > 0) {
        // That it cannot be remembered is no failure: the next start takes longer.
        let _ = Memory::of(scan, catalog).write(&cache, scan.rules());
    }
    Ok(ExitCode::from(u8::from(census.faults > 0 || !published.failed.is_empty())))
}

/// Reads the seeds whole whose records feeds show. Each time fewer records are in part.
fn read_what_is_shown(publisher: &Publisher, scan: &Scan, catalog: &mut Catalog) -> Result<(), ScanError> {
    loop {
        let lacking = publisher.lacking(catalog);
        if lacking.is_empty() {
            return Ok(());
        }
        // Who changes a seed meanwhile may have feeds show others; one that is broken or empty now counts as if
        // it had been all the time.
        let gone: Vec<_> = lacking.iter().map(|path| (path.clone(), Change::Gone)).collect();
        catalog.apply(gone.into_iter().chain(scan.read_whole(lacking)?), Utc::now());
    }
}
