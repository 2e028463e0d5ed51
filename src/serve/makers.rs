//! What takes its time to make is made beside the answers.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// Threads that make things, so many at once.
#[derive(Debug)]
pub(super) struct Makers {
    pub(super) turns: Arc<Semaphore>,
    /// Whose threads they are, whichever thread asks: those of each keeper would hold on to memory of their own.
    runtime: Handle,
}

impl Makers {
    /// Makers of the runtime that this is called in.
    pub(super) fn new(at_once: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(at_once)), runtime: Handle::current() }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let permit = self.turns.clone().acquire_owned().await.expect("open");
        Turn { permit, runtime: &self.runtime }
    }
}

/// One of those things that are made at once.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    permit: OwnedSemaphorePermit,
    runtime: &'a Handle,
}

impl Turn<'_> {
    /// Makes something; fails if that panics, or the runtime ends. It is made whether anybody still waits for it or
    /// not, and the turn ends with that.
    pub(super) async fn make<T: Send + 'static>(
        self,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let Self { permit, runtime } = self;
        let making = runtime.spawn_blocking(move || {
            let _permit = permit;
            make()
        });
        making.await
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn things_are_made_by_the_same_threads_whoever_asks() {
        let [own, other] = ["own", "other"]
            .map(|name| Builder::new_multi_thread().worker_threads(1).thread_name(name).build().unwrap());
        let makers = own.block_on(async { Makers::new(1) });
        for asking in [&own, &other] {
            let name = || thread::current().name().unwrap().to_owned();
            assert_eq!(asking.block_on(async { makers.turn().await.make(name).await }).unwrap(), "own");
        }
        let broken = own.block_on(async { makers.turn().await.make(|| panic!("a test has it panic")).await });
        assert!(broken.is_err());
        assert_eq!(makers.turns.available_permits(), 1, "its turn has ended");
    }
}
