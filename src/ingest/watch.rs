//! Watching the seed directory.
//!
//! Events are only hints, since they get lost: for ever once the root was replaced, for instance. So
//! the whole directory is rescanned periodically even if no event comes, and the identity of the root is
//! compared every second.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::{Event, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{info, warn};

use crate::config::Watching;
use crate::ingest::events::Events;
use crate::ingest::hint::Hint;
use crate::ingest::identity::{Identity, identity};

/// The interval of rescans while events come.
const RESCAN: Duration = Duration::from_secs(30);
/// The interval of scans while no events come.
const POLL: Duration = Duration::from_secs(2);
/// The least ratio of the interval to the duration of the last scan.
const MIN_IDLE_RATIO: u32 = 10;
/// The longest interval, since monitoring takes a missing scan for a failure.
const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// The duration of a scan above which the directory is scanned on all cores instead of rescanned in
/// steps, which use one core.
const MAX_RESCAN_COST: Duration = Duration::from_secs(3);
/// The interval of attempts to watch a directory, or the rest of it, again.
const RETRY: Duration = Duration::from_secs(60);
/// The interval of checks of the root's identity, and the maximum sleep.
const TICK: Duration = Duration::from_secs(1);

/// A watch over a directory.
#[derive(Debug)]
pub struct Watch {
    root: PathBuf,
    watching: Watching,
    queue: Arc<EventQueue>,
    watcher: Option<RecommendedWatcher>,
    /// Set if the directory should be watched and is not.
    is_unwatched: bool,
    root_identity: Option<Identity>,
    next_tick: Instant,
    next_rescan: Instant,
    next_retry: Instant,
    /// The duration of the last scan of the whole directory.
    scan_cost: Duration,
}

/// Stops a watch from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<EventQueue>);

impl Stopper {
    /// Ends the watch: its current or next wait returns at once.
    pub fn stop(&self) {
        self.0.lock().is_stopped = true;
        self.0.woken.notify_all();
    }
}

/// The events that the watcher's thread has put in and the watch has not taken out.
#[derive(Debug, Default)]
struct EventQueue {
    state: Mutex<QueueState>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    events: Events,
    is_rescan_due: bool,
    is_stopped: bool,
}

impl EventQueue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Begins to watch a directory. Later hints contain every change from now on.
    pub fn new(root: &Path, watching: Watching) -> Self {
        let now = Instant::now();
        let mut watch = Self {
            root: root.to_owned(),
            watching,
            queue: Arc::default(),
            watcher: None,
            is_unwatched: false,
            root_identity: identity(root).ok(),
            next_tick: now + TICK,
            next_rescan: now + RESCAN,
            next_retry: now,
            scan_cost: Duration::ZERO,
        };
        watch.subscribe();
        watch
    }

    /// Changes the directory, or the way of watching it.
    pub fn watch_root(&mut self, root: &Path, watching: Watching) {
        root.clone_into(&mut self.root);
        self.watching = watching;
        self.root_identity = identity(root).ok();
        self.watcher = None;
        self.subscribe();
        self.request_scan();
    }

    /// Returns a handle that stops this watch.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.queue.clone())
    }

    /// Returns a hint for those of some paths about which no event is pending. The others are part of a
    /// later hint.
    pub fn hint_for(&self, paths: BTreeSet<PathBuf>) -> Hint {
        self.queue.lock().events.hint_for(paths)
    }

    /// Requests a scan of the whole directory.
    pub fn request_scan(&self) {
        self.queue.lock().events.request_scan(Instant::now());
    }

    /// Requests a scan of the whole directory a little later, for use after a scan that failed.
    pub fn request_delayed_scan(&self) {
        self.queue.lock().events.request_delayed_scan(Instant::now());
    }

    /// Sets the duration of a scan of the whole directory that found no change.
    pub fn set_scan_cost(&mut self, cost: Duration) {
        self.scan_cost = cost;
    }

    /// Returns `true` if the directory should be watched and is not, or not from every folder. The directory is
    /// scanned often instead.
    pub fn is_unwatched(&self) -> bool {
        self.is_unwatched || self.queue.lock().events.coverage.is_partial
    }

    /// Waits for a hint. After the timeout, the hint may be empty. Returns `None` once the watch is
    /// stopped.
    pub fn next(&mut self, timeout: Duration) -> Option<Hint> {
        let until = Instant::now() + timeout;
        loop {
            let now = Instant::now();
            self.tick(now);
            let queue = self.queue.clone();
            let mut state = queue.lock();
            if state.is_stopped {
                return None;
            }
            let due = state.events.due(now);
            if due.is_some_and(|due| due <= now) {
                return Some(state.events.take(now));
            }
            if state.is_rescan_due || until <= now {
                let rescan = std::mem::take(&mut state.is_rescan_due);
                // Changes that have not been quiet for long enough stay for a later hint.
                let hint =
                    if state.events.is_pending(now) { Hint::default() } else { state.events.take(now) };
                return Some(Hint { rescan, ..hint });
            }
            let wake = due.into_iter().chain([until, self.next_tick]).min().unwrap_or(until);
            let (_guard, _) =
                queue.woken.wait_timeout(state, wake - now).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Checks once a second whether the root was replaced and whether a rescan is due.
    fn tick(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        let root_identity = identity(&self.root).ok();
        let may_grow = std::mem::take(&mut self.queue.lock().events.coverage.may_grow);
        if root_identity != self.root_identity || may_grow {
            self.root_identity = root_identity;
            self.watcher = None;
            if root_identity.is_some() {
                self.subscribe();
            }
            self.queue.lock().events.request_scan(now);
        }
        if now >= self.next_rescan {
            let is_partial = self.queue.lock().events.coverage.is_partial;
            let is_incomplete = self.is_unwatched || is_partial;
            if is_incomplete && root_identity.is_some() && now >= self.next_retry {
                self.subscribe();
            }
            let mut state = self.queue.lock();
            // While events come, a rescan rarely finds a change, so it yields to saved seeds.
            if self.watcher.is_some()
                && !state.events.coverage.is_partial
                && self.scan_cost <= MAX_RESCAN_COST
            {
                state.is_rescan_due = true;
            } else {
                state.events.request_scan(now);
            }
        }
        let (is_partial, is_requested) = {
            let state = self.queue.lock();
            (state.events.coverage.is_partial, state.events.is_everywhere() || state.is_rescan_due)
        };
        let interval = if self.watcher.is_some() && !is_partial { RESCAN } else { POLL };
        let next = now + interval.max(self.scan_cost * MIN_IDLE_RATIO).min(MAX_INTERVAL);
        self.next_rescan = if is_requested { next } else { next.min(self.next_rescan) };
    }

    /// Asks the system for events.
    fn subscribe(&mut self) {
        // The previous watcher has to free its watches first, since their number is limited.
        self.watcher = None;
        self.queue.lock().events.coverage.is_partial = false;
        self.next_retry = Instant::now() + RETRY;
        if self.watching == Watching::Poll {
            self.is_unwatched = false;
            self.next_rescan = Instant::now() + POLL;
            return;
        }
        let queue = self.queue.clone();
        let handler = move |event: notify::Result<Event>| {
            let error = queue.lock().events.observe(event, Instant::now());
            queue.woken.notify_all();
            if let Some(error) = error {
                warn_unwatched("some folders of the seed directory", &error);
            }
        };
        let config =
            notify::Config::default().with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE);
        let watcher = RecommendedWatcher::new(handler, config)
            .and_then(|mut watcher| watcher.watch(&self.root, RecursiveMode::Recursive).map(|()| watcher));
        match watcher {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                if std::mem::take(&mut self.is_unwatched) {
                    info!("watching the seed directory again");
                }
            }
            Err(error) => {
                self.next_rescan = Instant::now() + POLL;
                if !std::mem::replace(&mut self.is_unwatched, true) {
                    warn_unwatched("the seed directory", &error);
                }
            }
        }
    }
}

fn warn_unwatched(subject: &str, error: &notify::Error) {
    warn!(
        "cannot watch {subject}: {}; scanning every {} s instead{}",
        error.to_string().trim_end_matches('.'),
        POLL.as_secs(),
        remedy(error),
    );
}

/// Returns advice about the limits of inotify(7), to append to a message.
fn remedy(error: &notify::Error) -> &'static str {
    /// `EMFILE`
    const TOO_MANY_OPEN: i32 = 24;
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "; raise the limit of watched folders with `sysctl fs.inotify.max_user_watches=1048576`"
        }
        notify::ErrorKind::Io(error)
            if cfg!(target_os = "linux") && error.raw_os_error() == Some(TOO_MANY_OPEN) =>
        {
            "; raise the limit of watching programs with `sysctl fs.inotify.max_user_instances=1024`"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::EventKind;
    use notify::event::RemoveKind;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    #[test]
    fn polling_watch_needs_no_events() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Poll);
        assert!(watch.watcher.is_none() && !watch.is_unwatched());
        let soon = Instant::now() + POLL;
        watch.tick(soon);
        assert!(watch.queue.lock().events.is_everywhere() && watch.next_rescan <= soon + POLL);
        watch.set_scan_cost(POLL);
        watch.tick(soon + 2 * POLL);
        assert!(
            watch.next_rescan >= soon + 2 * POLL + POLL * MIN_IDLE_RATIO,
            "a slow scan is repeated less often"
        );
    }

    #[test]
    fn watched_directory_is_rescanned_beside_its_events() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Events);
        let later = Instant::now() + RESCAN;
        watch.tick(later);
        assert!(watch.next_rescan >= later + RESCAN);
        let soon = Instant::now() + TICK;
        watch.queue.lock().events.observe(Ok(event(EventKind::Remove(RemoveKind::File), "gone.md")), soon);
        let hint = watch.next(RESCAN).unwrap();
        assert!(hint.rescan && hint.is_empty() && hint.observed.is_none());
        let hint = watch.next(Duration::ZERO).unwrap();
        assert!(!hint.rescan && hint.is_empty(), "the file may come back at once");
        let paths = ["gone.md", "gone.md/a.md", "other.md"].map(PathBuf::from);
        assert_eq!(watch.hint_for(paths.clone().into()).paths, [paths[2].clone()].into());
        let hint = watch.next(RESCAN).unwrap();
        assert!(hint.paths == [paths[0].clone()].into() && !hint.everywhere);
        assert_eq!(watch.hint_for(paths.clone().into()).paths, paths.clone().into());
        watch.request_scan();
        assert!(watch.next(RESCAN).unwrap().everywhere);
    }

    #[test]
    fn unwatched_directory_is_scanned_often() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Events);
        assert!(!watch.is_unwatched());
        watch.set_scan_cost(Duration::from_secs(3600));
        let now = Instant::now() + TICK;
        watch.tick(now);
        assert!(watch.next_rescan <= now + MAX_INTERVAL);
        watch.set_scan_cost(Duration::ZERO);
        watch.queue.lock().events.observe(Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)), now);
        watch.queue.lock().events.take(now);
        watch.tick(now + TICK);
        assert!(watch.is_unwatched() && watch.next_rescan <= now + TICK + POLL);
    }

    #[test]
    fn stopped_watch_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Events);
        let stopper = watch.stopper();
        let waiting = std::thread::spawn(move || watch.next(Duration::from_secs(600)));
        stopper.stop();
        assert_eq!(waiting.join().unwrap(), None);
    }
}
