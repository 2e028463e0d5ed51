//! A limit on the number of connections that are open at once.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit on the number of connections that are open at once.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    permits: Arc<Semaphore>,
    most: usize,
}

/// A permit for one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    _permit: OwnedSemaphorePermit,
}

impl ConnectionLimit {
    pub(super) fn new(most: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), most }
    }

    /// Waits until fewer connections are open than the limit allows.
    pub(super) async fn acquire(&self) -> Permit {
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is open");
        Permit { _permit: permit }
    }

    /// Returns `true` if less than a tenth of the limit is left, so that idle connections should end early.
    pub(super) fn is_near(&self) -> bool {
        self.permits.available_permits() <= self.most / 10
    }

    /// Returns the most connections that may be open.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Returns the number of open connections.
    pub(super) fn in_use(&self) -> usize {
        self.most - self.permits.available_permits()
    }
}
