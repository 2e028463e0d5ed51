//! Keeping the mirror in step, on a thread of its own: no reader waits for a disk.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing::{error, info};

use crate::edition::Edition;
use crate::publish::mirror::{Mirror, MirrorPlan};
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
    next: Arc<Next>,
    status: Arc<Status>,
    thread: Option<JoinHandle<()>>,
}

/// The edition to follow next: one at most, however long a disk hangs.
#[derive(Debug, Default)]
struct Next {
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Slot {
    /// With what is new since the one that was taken last.
    edition: Option<(Arc<Edition>, MirrorPlan)>,
    /// Whether there will be no other.
    ended: bool,
}

impl Next {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, edition: Arc<Edition>, mut work: MirrorPlan) {
        let mut slot = self.lock();
        if let Some((_, before)) = slot.edition.take() {
            work.extend(before);
        }
        slot.edition = Some((edition, work));
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Waits until there is an edition, or no other to come, or for so long.
    fn wait(&self, patience: Duration) -> MutexGuard<'_, Slot> {
        let nothing = |slot: &mut Slot| slot.edition.is_none() && !slot.ended;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, nothing);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Mirroring {
    /// Begins, with nothing to do yet. What becomes of it is told to `status`.
    pub fn begin(status: Arc<Status>) -> Self {
        let next = Arc::<Next>::default();
        let keeper = Keeper { next: next.clone(), status: status.clone(), mirror: None };
        let thread = std::thread::spawn(move || keeper.keep());
        Self { next, status, thread: Some(thread) }
    }

    /// Has the files follow an edition, of which this is new since the last.
    pub fn follow(&self, edition: Arc<Edition>, work: MirrorPlan) {
        // Both at once, so that nobody finds the mirror in step in between.
        let mut condition = self.status.condition();
        self.next.put(edition, work);
        condition.behind.get_or_insert_with(Instant::now);
    }
}

impl Drop for Mirroring {
    /// Waits until the files have what was published last.
    fn drop(&mut self) {
        self.next.end();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            error!("keeping the feeds directory in step broke down, which is a fault of sower's own");
        }
    }
}

struct Keeper {
    next: Arc<Next>,
    status: Arc<Status>,
    mirror: Option<Mirror>,
}

impl Keeper {
    fn keep(mut self) {
        // One thread, since the others answer readers; where there can be no more threads, theirs.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        let Some((mut edition, mut work)) = self.next.wait(Duration::MAX).edition.take() else { return };
        let mut patience = AGAIN;
        loop {
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
            let mut slot = self.next.wait(wait);
            match slot.edition.take() {
                Some((later, more)) => {
                    work.extend(more);
                    edition = later;
                }
                None if slot.ended => return,
                None => {
                    work.everything |= wait == LOOK_THROUGH;
                    patience = (patience * 2).min(LOOK_THROUGH);
                }
            }
        }
    }

    /// Brings the files in step as far as it can be done now. Whether something failed.
    fn update(&mut self, edition: &Edition, work: &mut MirrorPlan) -> bool {
        let root: Option<&PathBuf> = edition.config.feeds.as_ref();
        if self.mirror.as_ref().map(Mirror::root) != root.map(PathBuf::as_path) {
            self.mirror = root.cloned().map(Mirror::new);
        }
        let began = Instant::now();
        let interrupted = || {
            let slot = self.next.lock();
            slot.edition.is_some() || (slot.ended && began.elapsed() > PATIENCE)
        };
        let updated = match &mut self.mirror {
            Some(mirror) => mirror.update(edition, work, &interrupted).map(drop),
            None => {
                *work = MirrorPlan::default();
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
        if *work == MirrorPlan::default() && self.next.lock().edition.is_none() {
            condition.behind = None;
        }
        condition.mirror = trouble;
        condition.mirror.is_some()
    }
}
