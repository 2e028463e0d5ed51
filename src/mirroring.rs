//! Keeping the mirror in step, on a thread of its own: no reader waits for a disk.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{error, info};

use crate::edition::Edition;
use crate::mirror::{Mirror, Work};
use crate::status::Status;

/// How soon a mirror that failed is tried again; each time that it fails again, after twice as long.
const AGAIN: Duration = Duration::from_secs(1);
/// How often every file is looked at: somebody else may have changed one.
const LOOK_THROUGH: Duration = Duration::from_secs(60);
/// How long archive documents are still written once serving stops. The next process writes the rest.
const PATIENCE: Duration = Duration::from_secs(5);

/// What keeps the mirror in step.
#[derive(Debug)]
pub struct Mirroring {
    editions: Option<Sender<(Arc<Edition>, Work)>>,
    sent: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
}

impl Mirroring {
    /// Begins, with nothing to do yet. What becomes of it is told to `status`.
    pub fn begin(status: Arc<Status>) -> Self {
        let (editions, coming) = channel();
        let (sent, stopping) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let keeper = Keeper {
            coming,
            sent: sent.clone(),
            stopping: stopping.clone(),
            status: status.clone(),
            mirror: None,
            taken: 0,
        };
        let thread = std::thread::spawn(move || keeper.keep());
        Self { editions: Some(editions), sent, stopping, status, thread: Some(thread) }
    }

    /// Has the files follow an edition, of which this is new since the last.
    pub fn follow(&self, edition: Arc<Edition>, work: Work) {
        self.sent.fetch_add(1, Ordering::Release);
        self.status.condition().behind.get_or_insert_with(Instant::now);
        if let Some(editions) = &self.editions {
            // Nobody is there to follow only if the thread broke, which has been told.
            let _ = editions.send((edition, work));
        }
    }
}

impl Drop for Mirroring {
    /// Waits until the files have what was published last.
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.editions = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("keeping the feeds directory in step broke down, which is a fault of sower's own");
        }
    }
}

struct Keeper {
    coming: Receiver<(Arc<Edition>, Work)>,
    /// How many editions were sent, and how many were taken.
    sent: Arc<AtomicU64>,
    taken: u64,
    stopping: Arc<AtomicBool>,
    status: Arc<Status>,
    mirror: Option<Mirror>,
}

impl Keeper {
    fn keep(mut self) {
        // One thread, since the others answer readers; where there can be no more threads, theirs.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        let Ok((mut edition, mut work)) = self.coming.recv() else { return };
        self.taken += 1;
        let mut patience = AGAIN;
        loop {
            while let Ok((later, more)) = self.coming.try_recv() {
                self.taken += 1;
                work.extend(more);
                edition = later;
            }
            let began = Instant::now();
            let mut update = || self.update(&edition, &mut work);
            let failed = match &pool {
                Some(pool) => pool.install(update),
                None => update(),
            };
            self.status.phases.mirror.observe(began.elapsed().as_secs_f64());
            if !failed {
                patience = AGAIN;
            }
            let wait = if failed { patience } else { LOOK_THROUGH };
            match self.coming.recv_timeout(wait) {
                Ok((later, more)) => {
                    self.taken += 1;
                    work.extend(more);
                    edition = later;
                }
                Err(RecvTimeoutError::Timeout) => {
                    work.everything |= wait == LOOK_THROUGH;
                    patience = (patience * 2).min(LOOK_THROUGH);
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Brings the files in step as far as it can be done now. Whether something failed.
    fn update(&mut self, edition: &Edition, work: &mut Work) -> bool {
        let root: Option<&PathBuf> = edition.config.feeds.as_ref();
        if self.mirror.as_ref().map(Mirror::root) != root.map(PathBuf::as_path) {
            self.mirror = root.cloned().map(Mirror::new);
        }
        let began = Instant::now();
        let interrupted = || {
            let late = self.stopping.load(Ordering::Acquire) && began.elapsed() > PATIENCE;
            late || self.sent.load(Ordering::Acquire) != self.taken
        };
        let updated = match &mut self.mirror {
            Some(mirror) => mirror.update(edition, work, &interrupted).map(drop),
            None => {
                *work = Work::default();
                Ok(())
            }
        };
        let trouble = updated.err().map(|failed| failed.to_string());
        let mut condition = self.status.condition();
        match &trouble {
            None if condition.mirror.is_some() => info!("the feeds directory is in step again"),
            Some(failed) if trouble != condition.mirror => error!("{failed}"),
            _ => {}
        }
        if *work == Work::default() && self.sent.load(Ordering::Acquire) == self.taken {
            condition.behind = None;
        }
        condition.mirror = trouble;
        condition.mirror.is_some()
    }
}
