//! Blocking work beside the responses: encoding and rendering.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, spawn_blocking};

/// A bound on the blocking tasks of one kind that run at once.
#[derive(Debug)]
pub(super) struct BlockingLimit(Arc<Semaphore>);

/// The right to run one blocking task.
#[derive(Debug)]
pub(super) struct BlockingPermit(OwnedSemaphorePermit);

impl BlockingLimit {
    pub(super) fn new(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Waits for a permit.
    pub(super) async fn acquire(&self) -> BlockingPermit {
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let permit = self.0.clone().acquire_owned().await.expect("the semaphore is open");
        BlockingPermit(permit)
    }
}

impl BlockingPermit {
    /// Runs a task on a thread for blocking work. It runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// The task panicked, or the runtime is shutting down.
    pub(super) async fn run<T: Send + 'static>(
        self,
        task: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let run = move || {
            let _permit = self.0;
            task()
        };
        spawn_blocking(run).await
    }
}
