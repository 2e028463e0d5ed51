//! The health of the daemon, published as snapshots for the admin listener.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tracing::{error, info};

use crate::catalog::Catalog;
use crate::catalog::SeedsReport;
use crate::ingest::ScanError;
use crate::publish::mirror_worker::MirrorMonitor;
use crate::serve::admin::{Durations, Health, MAX_RELOADS, Monitor, Reload};

/// The current health. Each change publishes a snapshot.
pub(super) struct HealthReporter {
    health: Health,
    monitor: Arc<Monitor>,
}

impl HealthReporter {
    pub(super) fn new(durations: Durations, mirror: MirrorMonitor) -> Self {
        Self { health: Health::default(), monitor: Arc::new(Monitor::new(durations, mirror)) }
    }

    pub(super) fn monitor(&self) -> &Arc<Monitor> {
        &self.monitor
    }

    fn publish(&self) {
        self.monitor.publish(self.health.clone());
    }

    /// Records a scan, of the whole directory or of places in it.
    pub(super) fn scanned(&mut self, everywhere: bool, is_unwatched: bool) {
        // A place may be readable where the directory is not.
        if everywhere && self.health.unreadable.take().is_some() {
            info!("the seed directory can be read again");
        }
        self.health.scans += 1;
        self.health.scanned = Some((SystemTime::now(), Instant::now()));
        self.health.is_unwatched = is_unwatched;
        self.publish();
    }

    /// Records a scan that failed.
    pub(super) fn scan_failed(&mut self, error: &ScanError) {
        let problem = format!("{error}; the records read before are still served");
        if self.health.unreadable.is_none() {
            error!("{problem}");
        }
        self.health.unreadable = Some(problem);
        self.publish();
    }

    /// Records that the changes of all scans so far are served, and whether the report on the seeds has them too.
    pub(super) fn served(&mut self, is_reported: bool) {
        self.health.served_scan = self.health.scans;
        if is_reported {
            self.health.reported_scan = self.health.scans;
        }
        self.publish();
    }

    /// Records that a scan found changes.
    pub(super) fn found_changes(&mut self) {
        self.health.changes += 1;
        self.publish();
    }

    /// Replaces the report on the seeds by one of the catalog.
    pub(super) fn report_seeds(&mut self, catalog: &Catalog) {
        self.health.seeds = Arc::new(SeedsReport::new(catalog));
        self.health.reported_scan = self.health.served_scan;
        self.publish();
    }

    /// Records a reload, and drops the oldest if there are too many.
    pub(super) fn reloaded(&mut self, reload: Reload) {
        let reloads = Arc::make_mut(&mut self.health.reloads);
        if reloads.len() == MAX_RELOADS {
            reloads.remove(0);
        }
        reloads.push(reload);
        self.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn last_reloads_are_kept() {
        let mut reporter = HealthReporter::new(Durations::default(), MirrorMonitor::default());
        for changed in 0..MAX_RELOADS + 7 {
            reporter.reloaded(Reload {
                at: SystemTime::UNIX_EPOCH,
                what: String::new(),
                changed,
                removed: 0,
                took: Duration::ZERO,
            });
        }
        let (health, _) = reporter.monitor().health();
        let changed: Vec<_> = health.reloads.iter().map(|reload| reload.changed).collect();
        assert_eq!(changed, (7..MAX_RELOADS + 7).collect::<Vec<_>>());
    }
}
