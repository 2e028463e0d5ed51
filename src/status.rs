//! How the daemon is: what it tells its operator. The daemon writes it, the admin listener reads it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant, SystemTime};

use prometheus_client::metrics::histogram::Histogram;

use crate::catalog::Catalog;

/// Most reloads that are remembered.
pub const MOST_RELOADS: usize = 60;

/// How the daemon is.
#[derive(Debug)]
pub struct Status {
    catalog: RwLock<Catalog>,
    condition: Mutex<Condition>,
    /// The last reloads, oldest first.
    reloads: Mutex<VecDeque<Reload>>,
    /// When it began.
    pub began: Instant,
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
    /// When it was looked at last; by the clock that nobody sets, too.
    pub looked: Option<(SystemTime, Instant)>,
    /// How often a look found changes.
    pub reloads: u64,
    /// Why the seed directory cannot be read.
    pub unreadable: Option<String>,
    /// Whether no events of the seed directory are heard, so that it is read through instead.
    pub deaf: bool,
    /// Why the mirror cannot be brought in step.
    pub mirror: Option<String>,
    /// Since when the mirror is behind what is served.
    pub behind: Option<Instant>,
}

/// What was published after the first edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// When it was served.
    pub at: SystemTime,
    /// What changed, in a few words.
    pub what: String,
    /// Addresses with other bytes than before, or that are new, archive documents aside.
    pub changed: usize,
    /// Addresses that are gone, archive documents aside.
    pub removed: usize,
    /// From the look at the seed directory until it was served.
    pub took: Duration,
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
        Self {
            catalog: RwLock::new(catalog),
            condition: Mutex::default(),
            reloads: Mutex::default(),
            began: Instant::now(),
            phases: Phases::default(),
        }
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

    /// The last reloads, oldest first: [`MOST_RELOADS`] at most.
    pub fn reloads(&self) -> Vec<Reload> {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Takes note of a reload, and forgets the oldest if there are too many.
    pub fn note_reload(&self, reload: Reload) {
        let mut reloads = self.reloads.lock().unwrap_or_else(PoisonError::into_inner);
        if reloads.len() == MOST_RELOADS {
            reloads.pop_front();
        }
        reloads.push_back(reload);
    }
}

/// A look at the seed directory that is older than this should have been followed by another, and a
/// mirror should have caught up.
const LATE: Duration = Duration::from_secs(120);

impl Condition {
    /// Takes note of a look at the seed directory.
    pub fn look(&mut self, deaf: bool) {
        let now = (SystemTime::now(), Instant::now());
        (self.looks, self.looked, self.deaf) = (self.looks + 1, Some(now), deaf);
    }

    /// What keeps the daemon from being ready, a sentence each. That events are not heard does not:
    /// what they would have told of is found a little later.
    pub fn troubles(&self) -> Vec<String> {
        let ago = self.looked.map(|(_, looked)| looked.elapsed());
        let late = ago
            .filter(|ago| *ago > LATE)
            .map(|ago| format!("the seed directory was last looked at {} s ago", ago.as_secs()));
        let behind = self.behind.map(|since| since.elapsed());
        let behind = behind.filter(|behind| *behind > LATE && self.mirror.is_none()).map(|behind| {
            format!("the feeds directory has been behind what is served for {} s", behind.as_secs())
        });
        [self.unreadable.clone(), late, self.mirror.clone(), behind].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_reloads_are_remembered() {
        let status = Status::new(Catalog::default());
        assert_eq!(status.reloads(), []);
        let reload = |changed| Reload {
            at: SystemTime::UNIX_EPOCH,
            what: String::new(),
            changed,
            removed: 0,
            took: Duration::ZERO,
        };
        for changed in 0..MOST_RELOADS + 7 {
            status.note_reload(reload(changed));
        }
        let changed: Vec<_> = status.reloads().iter().map(|reload| reload.changed).collect();
        assert_eq!(changed, (7..MOST_RELOADS + 7).collect::<Vec<_>>());
    }
}
