//! What takes its time to make is made beside the answers.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
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

    /// Makes something when there is a turn for it; fails if that panics. It is made whether anybody still waits for it
    /// or not, and its turn ends with that.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let turn = self.turns.clone().acquire_owned().await.expect("open");
        let making = self.runtime.spawn_blocking(move || {
            let _turn = turn;
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
            let maker = asking.block_on(makers.make(|| thread::current().name().unwrap().to_owned()));
            assert_eq!(maker.unwrap(), "own");
        }
        assert!(own.block_on(makers.make(|| panic!("a test has it panic"))).is_err());
        assert!(own.block_on(makers.make(|| ())).is_ok(), "its turn has ended");
    }
}
