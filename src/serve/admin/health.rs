//! Health: the state of the daemon, which it publishes as immutable snapshots for the admin listener.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use prometheus_client::metrics::histogram::Histogram;

use crate::catalog::SeedsReport;
use crate::publish::mirror_worker::{MirrorMonitor, MirrorState};

/// The most reloads that are remembered.
pub const MAX_RELOADS: usize = 60;
/// The age at which the last scan is a problem: another should have followed. Likewise a mirror that is behind.
const LATE: Duration = Duration::from_secs(120);

/// A snapshot of the state of the daemon.
#[derive(Debug, Default, Clone)]
pub struct Health {
    /// The number of scans of the seed directory.
    pub scans: u64,
    /// The last scan whose changes are all served.
    pub served_scan: u64,
    /// The last scan that is served and whose changes are in `seeds`.
    pub reported_scan: u64,
    /// The time of the last scan, by the wall clock and by the monotonic one.
    pub scanned: Option<(SystemTime, Instant)>,
    /// The number of scans that found changes.
    pub changes: u64,
    /// The reason why the seed directory cannot be read.
    pub unreadable: Option<String>,
    /// Set if the system reports no events of the seed directory, so that it is scanned instead.
    pub is_unwatched: bool,
    /// The seeds of the last edition.
    pub seeds: Arc<SeedsReport>,
    /// The last reloads, oldest first, at most [`MAX_RELOADS`].
    pub reloads: Arc<Vec<Reload>>,
}

/// An edition after the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// The time from which it was served.
    pub at: SystemTime,
    /// The change in a few words.
    pub what: String,
    /// The number of addresses with new bytes, archive documents aside.
    pub changed: usize,
    /// The number of addresses that were removed, archive documents aside.
    pub removed: usize,
    /// The time from the scan until it was served.
    pub took: Duration,
}

impl Health {
    /// Returns the problems that keep the daemon from being ready, a sentence each. A directory without events is not
    /// one: scans find its changes a little later.
    pub fn problems(&self, mirror: &MirrorState) -> Vec<String> {
        let age = self.scanned.map(|(_, scanned)| scanned.elapsed());
        let late = age
            .filter(|age| *age > LATE)
            .map(|age| format!("the last scan of the seed directory was {} s ago", age.as_secs()));
        let behind = mirror.behind_since.map(|since| since.elapsed());
        let behind = behind
            .filter(|behind| *behind > LATE && mirror.problem.is_none())
            .map(|behind| format!("the feeds directory has been behind for {} s", behind.as_secs()));
        [self.unreadable.clone(), late, mirror.problem.clone(), behind].into_iter().flatten().collect()
    }
}

/// The durations of the phases of a reload, in seconds.
#[derive(Debug, Clone)]
pub struct Durations {
    /// Finding the changes, and reading them.
    pub scan: Histogram,
    /// Applying them to the catalog.
    pub apply: Histogram,
    /// Rendering the affected feeds, until they are served.
    pub publish: Histogram,
    /// Bringing the mirror in step.
    pub mirror: Histogram,
    /// From the event of a change until it is served.
    pub event_to_served: Histogram,
}

impl Default for Durations {
    fn default() -> Self {
        let histogram = || Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]);
        let [scan, apply, publish, mirror, event_to_served] = std::array::from_fn(|_| histogram());
        Self { scan, apply, publish, mirror, event_to_served }
    }
}

/// The view that the admin listener has of the daemon.
#[derive(Debug)]
pub struct Monitor {
    health: ArcSwap<Health>,
    mirror: MirrorMonitor,
    /// The durations of the phases of a reload.
    pub durations: Durations,
    /// The time at which the daemon started.
    pub started: Instant,
}

impl Monitor {
    /// Creates the monitor of a daemon that starts now.
    pub fn new(durations: Durations, mirror: MirrorMonitor) -> Self {
        Self { health: ArcSwap::default(), mirror, durations, started: Instant::now() }
    }

    /// Replaces the snapshot of the health.
    pub fn publish(&self, health: Health) {
        self.health.store(Arc::new(health));
    }

    /// Returns the last snapshot of the health, and the state of the mirror.
    pub fn health(&self) -> (Arc<Health>, MirrorState) {
        // In this order: if the health says that a scan is served, the mirror knows that it has to follow.
        let health = self.health.load_full();
        (health, self.mirror.state())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_those_that_last() {
        let mut health = Health::default();
        let mut mirror = MirrorState::default();
        let Some(long_ago) = Instant::now().checked_sub(LATE + Duration::from_secs(1)) else { return };
        assert!(health.problems(&mirror).is_empty(), "before the first scan nothing is late");
        health.scanned = Some((SystemTime::now(), Instant::now()));
        mirror.behind_since = Some(Instant::now());
        assert!(health.problems(&mirror).is_empty());
        health.scanned = Some((SystemTime::now(), long_ago));
        mirror.behind_since = Some(long_ago);
        let problems = health.problems(&mirror);
        assert!(problems[0].starts_with("the last scan") && problems[1].contains("behind for 121 s"));
        mirror.problem = Some("the disk is full".to_owned());
        assert_eq!(health.problems(&mirror)[1], "the disk is full");
    }
}
