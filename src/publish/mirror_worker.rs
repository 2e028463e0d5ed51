//! The worker that keeps the mirror in step, on a thread of its own: no reader waits for a disk.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;
use tracing::{error, info};

use super::mirror::{Mirror, MirrorPlan};
use crate::edition::Edition;

/// The pause after the first failure; it doubles with each further one, up to [`CHECK_INTERVAL`].
const RETRY: Duration = Duration::from_secs(1);
/// The interval at which every file is checked, since another program may have changed one.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The time that archive documents are still written after the shutdown. The next process writes the rest.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The worker that keeps the mirror in step with the editions.
#[derive(Debug)]
pub struct MirrorWorker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The state of the mirror.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MirrorState {
    /// The reason why the mirror cannot be written.
    pub problem: Option<String>,
    /// The time since which the mirror is behind the edition that is served.
    pub behind_since: Option<Instant>,
}

/// A view of the state of the mirror.
#[derive(Debug, Clone, Default)]
pub struct MirrorMonitor(Arc<Shared>);

impl MirrorMonitor {
    /// Returns the state of the mirror.
    pub fn state(&self) -> MirrorState {
        self.0.lock().state.clone()
    }
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// The next edition: one at most, however long a disk hangs.
#[derive(Debug, Default)]
struct Queue {
    /// The edition, and what it changed since the one that the worker took last.
    next: Option<(Arc<Edition>, MirrorPlan)>,
    /// Set when no other edition will follow.
    is_closed: bool,
    state: MirrorState,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an edition or the end of the queue, at most for `timeout`.
    fn wait(&self, timeout: Duration) -> MutexGuard<'_, Queue> {
        let is_idle = |queue: &mut Queue| queue.next.is_none() && !queue.is_closed;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, is_idle);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl MirrorWorker {
    /// Starts the worker. It observes in `durations` how long each update takes, in seconds.
    pub fn start(durations: Histogram) -> Self {
        let shared = Arc::<Shared>::default();
        let worker = Worker { shared: shared.clone(), mirror: None, durations };
        Self { shared, thread: Some(std::thread::spawn(move || worker.run())) }
    }

    /// Returns a view of the state of the mirror.
    pub fn monitor(&self) -> MirrorMonitor {
        MirrorMonitor(self.shared.clone())
    }

    /// Makes the mirror follow an edition, given what it changed since the one before.
    pub fn follow(&self, edition: Arc<Edition>, mut plan: MirrorPlan) {
        let mut queue = self.shared.lock();
        if let Some((_, before)) = queue.next.take() {
            plan.extend(before);
        }
        queue.next = Some((edition, plan));
        queue.state.behind_since.get_or_insert_with(Instant::now);
        self.shared.changed.notify_all();
    }
}

impl Drop for MirrorWorker {
    /// Waits until the mirror has followed the last edition.
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("the mirror worker panicked; this is a bug in sower");
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    mirror: Option<Mirror>,
    durations: Histogram,
}

impl Worker {
    fn run(mut self) {
        // One thread, since the others answer readers. If the system refuses one, those render the archives.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        let Some((mut edition, mut plan)) = self.shared.wait(Duration::MAX).next.take() else { return };
        let mut retry = RETRY;
        loop {
            let began = Instant::now();
            let mut update = || self.update(&edition, &mut plan);
            let is_done = match &pool {
                Some(pool) => pool.install(update),
                None => update(),
            };
            self.durations.observe(began.elapsed().as_secs_f64());
            if is_done {
                retry = RETRY;
            }
            let timeout = if is_done { CHECK_INTERVAL } else { retry };
            let mut queue = self.shared.wait(timeout);
            match queue.next.take() {
                Some((later, more)) => {
                    plan.extend(more);
                    edition = later;
                }
                None if queue.is_closed => return,
                None => {
                    plan.everything |= timeout == CHECK_INTERVAL;
                    retry = (retry * 2).min(CHECK_INTERVAL);
                }
            }
        }
    }

    /// Brings the files in step as far as possible. Returns `false` if something failed.
    fn update(&mut self, edition: &Edition, plan: &mut MirrorPlan) -> bool {
        let root: Option<&PathBuf> = edition.config.feeds.as_ref();
        if self.mirror.as_ref().map(Mirror::root) != root.map(PathBuf::as_path) {
            self.mirror = root.cloned().map(Mirror::new);
        }
        let began = Instant::now();
        let is_interrupted = || {
            let queue = self.shared.lock();
            queue.next.is_some() || (queue.is_closed && began.elapsed() > SHUTDOWN)
        };
        let updated = match &mut self.mirror {
            Some(mirror) => mirror.update(edition, plan, &is_interrupted).map(drop),
            None => {
                *plan = MirrorPlan::default();
                Ok(())
            }
        };
        let problem = updated.err().map(|error| error.to_string());
        let mut queue = self.shared.lock();
        match &problem {
            None if queue.state.problem.is_some() => info!("the feeds directory is in step again"),
            Some(error) if problem != queue.state.problem => error!("{error}"),
            _ => {}
        }
        if *plan == MirrorPlan::default() && queue.next.is_none() {
            queue.state.behind_since = None;
        }
        queue.state.problem = problem;
        queue.state.problem.is_none()
    }
}
