//! The loop of the daemon: waits for changes of the seeds, of time and of the configuration, and publishes them.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use tracing::error;

use super::health::HealthReporter;
use super::reports;
use super::startup::{FirstScan, new_scan, read_again};
use super::systemd::{self, Watchdog};
use crate::cache::{CacheWriter, LoadStats};
use crate::catalog::{Affected, Catalog, report};
use crate::config::Config;
use crate::ingest::{Hint, Rescan, RescanStep, Scan, ScanError, Stopper, Watch};
use crate::publish::mirror_worker::MirrorWorker;
use crate::publish::{CurrentEdition, Published, Publisher};
use crate::seed::Change;
use crate::serve::admin::{Durations, Monitor, Reload};

/// The longest wait for a scheduled record: the clock may be set, and the machine may sleep.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// The time without another edition until the report on the seeds is made, and the longest delay of it. It takes some
/// milliseconds for 100,000 seeds, which the next change should not wait for.
const REPORT_QUIET: Duration = Duration::from_millis(100);
const REPORT_DELAY: Duration = Duration::from_secs(1);
/// The time since the last change in which freed memory is returned to the system.
const RETURN_MEMORY: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(10);

/// Everything between the seeds and the edition that is served.
pub(super) struct Daemon {
    watch: Watch,
    scan: Scan,
    /// The rescan in progress.
    rescan: Option<Rescan>,
    catalog: Catalog,
    publisher: Publisher,
    mirror: MirrorWorker,
    health: HealthReporter,
    durations: Durations,
    configs: Receiver<Config>,
    watchdog: Watchdog,
    cache: CacheWriter,
    last_change: Instant,
    /// The times of the first and the last change that the report on the seeds lacks.
    unreported: Option<(Instant, Instant)>,
}

impl Daemon {
    /// Reads the seeds and publishes the first edition.
    pub(super) fn start(mut config: Arc<Config>, cache: Option<PathBuf>, configs: Receiver<Config>) -> Self {
        let mut watchdog = Watchdog::from_environment();
        let first = FirstScan::wait_for(&mut config, cache.as_deref(), &configs, &mut watchdog);
        let FirstScan { began, watch, scan, catalog, stats } = first;
        let durations = Durations::default();
        let mirror = MirrorWorker::start(durations.mirror.clone());
        let health = HealthReporter::new(durations.clone(), mirror.monitor());
        let mut daemon = Self {
            watch,
            scan,
            rescan: None,
            catalog,
            publisher: Publisher::new(config.clone()),
            mirror,
            health,
            durations,
            configs,
            watchdog,
            cache: CacheWriter::new(cache),
            last_change: Instant::now(),
            unreported: None,
        };
        let (stats, error) = match stats {
            Ok(stats) => (stats, None),
            Err(error) => (LoadStats::default(), Some(error)),
        };
        daemon.record_scan(error.as_ref(), true);
        reports::log_seeds(&daemon.scan, &daemon.catalog, &stats, began.elapsed());
        reports::log_addresses(&config, &daemon.catalog, &daemon.scan);
        let published = daemon.publish(&Affected::default());
        daemon.after_publishing(published);
        daemon.report_seeds();
        daemon
    }

    /// Returns a shared pointer to the edition that is served.
    pub(super) fn current(&self) -> CurrentEdition {
        self.publisher.current()
    }

    /// Returns the view of the admin listener.
    pub(super) fn monitor(&self) -> Arc<Monitor> {
        self.health.monitor().clone()
    }

    /// Returns a handle that ends [`Daemon::follow`].
    pub(super) fn stopper(&self) -> Stopper {
        self.watch.stopper()
    }

    /// Publishes changes until the watch is stopped.
    pub(super) fn follow(mut self) {
        while let Some(hint) = self.watch.next(self.wait()) {
            self.handle(&hint);
        }
        self.cache.finish(&mut self.scan, &self.catalog);
    }

    /// Returns the time to wait for an event.
    fn wait(&self) -> Duration {
        if self.rescan.is_some() {
            return Duration::ZERO;
        }
        let due = self.publisher.next_due(&self.catalog);
        let due = due.map_or(LONGEST_WAIT, |due| (due - Utc::now()).to_std().unwrap_or_default());
        let longest = if self.unreported.is_some() { REPORT_QUIET } else { LONGEST_WAIT };
        due.min(longest)
    }

    fn handle(&mut self, hint: &Hint) {
        if hint.rescan {
            self.rescan.get_or_insert_with(|| Rescan::new(&self.scan));
        }
        if let Some(config) = self.configs.try_iter().last() {
            self.reconfigure(config);
        } else {
            self.update(hint);
        }
        self.continue_rescan();
        self.report_if_due();
        let quiet = if self.rescan.is_none() { self.last_change.elapsed() } else { Duration::ZERO };
        self.cache.write_if_due(quiet, &mut self.scan, &self.catalog);
        if RETURN_MEMORY.contains(&quiet) {
            return_memory();
        }
        self.watchdog.notify();
    }

    /// Does the next step of a rescan. Changed files are read.
    fn continue_rescan(&mut self) {
        let Some(rescan) = &mut self.rescan else { return };
        match rescan.step(&self.scan) {
            None => return,
            Some(RescanStep::Reread(paths)) => {
                let hint = self.watch.hint_for(paths);
                return self.update(&hint);
            }
            Some(RescanStep::Finished(paths, took)) => {
                self.watch.set_scan_cost(took);
                let hint = self.watch.hint_for(paths);
                if hint.is_empty() {
                    self.record_scan(None, true);
                }
                self.update(&hint);
            }
            Some(RescanStep::ScanNeeded) => self.watch.request_scan(),
        }
        self.rescan = None;
    }

    /// Scans the hinted paths, and publishes changed, scheduled and expired records.
    fn update(&mut self, hint: &Hint) {
        let began = Instant::now();
        let changes = self.scan(hint);
        let what = report::changes(&self.catalog, &changes);
        if what.is_some() {
            self.last_change = Instant::now();
            self.health.found_changes();
            self.durations.scan.observe(began.elapsed().as_secs_f64());
        }
        let paths: Vec<_> = changes.iter().map(|(path, _)| path.clone()).collect();
        let (applying, due) = (Instant::now(), self.catalog.next_due());
        let affected = self.catalog.apply(changes, Utc::now());
        if what.is_some() {
            self.durations.apply.observe(applying.elapsed().as_secs_f64());
        }
        if what.is_none() && affected.is_empty() && !self.publisher.is_due(&self.catalog) {
            self.publisher.update_due(&self.catalog);
            // A record may have changed from one reason to be held to another.
            if self.catalog.next_due() != due {
                self.needs_report();
            }
            self.health.served(self.unreported.is_none());
            return;
        }
        let published = self.publish(&affected);
        if let Some(event) = hint.observed.filter(|_| what.is_some()) {
            self.durations.event_to_served.observe(event.elapsed().as_secs_f64());
        }
        let what = what.unwrap_or_else(|| "a scheduled or expiring record is due".to_owned());
        self.record_reload(what, &published, began.elapsed());
        self.after_publishing(published);
        reports::log_changed_seeds(&self.catalog, &paths);
    }

    fn scan(&mut self, hint: &Hint) -> Vec<(Arc<str>, Change)> {
        if hint.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let scanned = self.scan.scan(hint);
        if hint.everywhere || scanned.is_err() {
            self.rescan = None;
        }
        if hint.everywhere && scanned.as_ref().is_ok_and(Vec::is_empty) {
            self.watch.set_scan_cost(began.elapsed());
        }
        let (changes, error) = match scanned {
            Ok(changes) => (changes, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        self.record_scan(error.as_ref(), hint.everywhere);
        if let Some(rescan) = &mut self.rescan {
            rescan.record_scanned(changes.iter().map(|(path, _)| path));
        }
        changes
    }

    /// Reads and publishes everything under a new configuration, while the previous edition is served. If the seeds
    /// cannot be read, the previous configuration stays.
    fn reconfigure(&mut self, config: Config) {
        let (began, config) = (Instant::now(), Arc::new(config));
        self.rescan = None;
        let mut scan = new_scan(&config);
        self.watch.watch_root(scan.root(), config.watch);
        let read = if scan.root() == self.scan.root() {
            scan.expect(self.catalog.records().map(|record| record.path.clone()));
            read_again(&config, &mut scan, &self.catalog)
        } else {
            // A broken seed of another directory has no record here.
            read_again(&config, &mut scan, &Catalog::new(config.unpublished, config.topics.clone()))
        };
        match read {
            Ok((catalog, stats)) => {
                reports::log_seeds(&scan, &catalog, &stats, began.elapsed());
                (self.scan, self.catalog) = (scan, catalog);
                self.publisher = Publisher::after(self.publisher.current(), config.clone());
                reports::log_addresses(&config, &self.catalog, &self.scan);
                let published = self.publish(&Affected::default());
                self.record_reload(
                    "the configuration was read again".to_owned(),
                    &published,
                    began.elapsed(),
                );
                self.after_publishing(published);
            }
            Err(error) => {
                error!("{error}; keeping the previous configuration");
                let before = self.publisher.current().load().config.watch;
                self.watch.watch_root(self.scan.root(), before);
            }
        }
        systemd::ready();
    }

    fn publish(&mut self, affected: &Affected) -> Published {
        let began = Instant::now();
        let published = self.publisher.publish(&self.catalog, affected, SystemTime::now());
        self.durations.publish.observe(began.elapsed().as_secs_f64());
        published
    }

    fn after_publishing(&mut self, published: Published) {
        for error in &published.failed {
            error!("{error}");
        }
        // First the mirror: `/readyz` must not count a scan as served before the mirror has its plan.
        self.mirror.follow(self.publisher.current().load_full(), published.plan);
        self.needs_report();
        self.health.served(false);
    }

    fn needs_report(&mut self) {
        let now = Instant::now();
        let (first, _) = self.unreported.unwrap_or((now, now));
        self.unreported = Some((first, now));
    }

    /// Reports the seeds after the last of several editions.
    fn report_if_due(&mut self) {
        let is_due = |(first, last): (Instant, Instant)| {
            last.elapsed() >= REPORT_QUIET || first.elapsed() >= REPORT_DELAY
        };
        if self.unreported.is_some_and(is_due) {
            self.report_seeds();
        }
    }

    fn report_seeds(&mut self) {
        self.unreported = None;
        self.health.report_seeds(&self.catalog);
    }

    /// Records the result of a scan, of the whole directory or of paths in it. An unconfirmed loss of files counts as an
    /// error.
    fn record_scan(&mut self, error: Option<&ScanError>, everywhere: bool) {
        match error.or(self.scan.unconfirmed_loss()) {
            None => self.health.scanned(everywhere, self.watch.is_unwatched()),
            Some(error) => {
                self.health.scan_failed(error);
                self.watch.request_delayed_scan();
            }
        }
    }

    fn record_reload(&mut self, what: String, published: &Published, took: Duration) {
        reports::log_edition(&what, published, took);
        let Published { changed, removed, .. } = *published;
        self.health.reloaded(Reload { at: SystemTime::now(), what, changed, removed, took });
    }
}

/// Makes mimalloc return freed memory to the system. It does so when a large block is freed, and an idle daemon frees
/// none.
fn return_memory() {
    const LARGE: usize = 8 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}
