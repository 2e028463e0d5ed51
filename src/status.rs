//! How the daemon is: what it tells its operator. The daemon writes it, the admin listener reads it.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use prometheus_client::metrics::histogram::Histogram;

use crate::catalog::Catalog;

/// How the daemon is.
#[derive(Debug)]
pub struct Status {
    catalog: RwLock<Catalog>,
    condition: Mutex<Condition>,
    /// How long the phases of a reload take, in seconds.
    pub phases: Phases,
}

/// What is well, and what is not.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How often the seed directory was looked at.
    pub looks: u64,
    /// The last of these looks of which the edition that is served has all that was found.
    pub served: u64,
    /// When it was looked at last.
    pub looked: Option<SystemTime>,
    /// How often a look found changes.
    pub reloads: u64,
    /// Why the seed directory cannot be read.
    pub unreadable: Option<String>,
    /// Whether no events of the seed directory are heard, so that it is read through instead.
    pub deaf: bool,
    /// Why the mirror cannot be brought in step.
    pub mirror: Option<String>,
    /// Since when the mirror is behind what is served.
    pub behind: Option<SystemTime>,
}

/// How long the phases of a reload take.
#[derive(Debug, Clone)]
pub struct Phases {
    /// Finding out what changed, and reading it.
    pub look: Histogram,
    /// Taking it into the catalog.
    pub gather: Histogram,
    /// Rendering the feeds it touches, up to the edition that is served.
    pub publish: Histogram,
    /// Bringing the mirror in step.
    pub mirror: Histogram,
    /// From when a change was heard of until it was served.
    pub heard_to_served: Histogram,
}

impl Default for Phases {
    fn default() -> Self {
        let histogram = || Histogram::new([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]);
        let [look, gather, publish, mirror, heard_to_served] = std::array::from_fn(|_| histogram());
        Self { look, gather, publish, mirror, heard_to_served }
    }
}

impl Status {
    /// Of a daemon with this catalog.
    pub fn new(catalog: Catalog) -> Self {
        Self { catalog: RwLock::new(catalog), condition: Mutex::default(), phases: Phases::default() }
    }

    /// What the daemon knows of its seeds.
    pub fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the catalog.
    pub fn change<T>(&self, change: impl FnOnce(&mut Catalog) -> T) -> T {
        change(&mut self.catalog.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is well, and what is not.
    pub fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A look at the seed directory that is older than this should have been followed by another, and a
/// mirror should have caught up.
const LATE: Duration = Duration::from_secs(120);

impl Condition {
    /// Takes note of a look at the seed directory.
    pub fn look(&mut self, now: SystemTime, deaf: bool) {
        (self.looks, self.looked, self.deaf) = (self.looks + 1, Some(now), deaf);
    }

    /// What keeps the daemon from being ready, a sentence each. That events are not heard does not:
    /// what they would have told of is found a little later.
    pub fn troubles(&self, now: SystemTime) -> Vec<String> {
        let ago = self.looked.map(|looked| now.duration_since(looked).unwrap_or_default());
        let late = ago
            .filter(|ago| *ago > LATE)
            .map(|ago| format!("the seed directory was last looked at {} s ago", ago.as_secs()));
        let behind = self.behind.and_then(|since| now.duration_since(since).ok());
        let behind = behind.filter(|behind| *behind > LATE && self.mirror.is_none()).map(|behind| {
            format!("the feeds directory has been behind what is served for {} s", behind.as_secs())
        });
        [self.unreadable.clone(), late, self.mirror.clone(), behind].into_iter().flatten().collect()
    }
}
