//! Room for connections: how many there may be, and the end of all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, futures::Notified};

/// Room for a number of connections.
#[derive(Debug)]
pub(super) struct Room {
    places: Semaphore,
    most: usize,
    closing: AtomicBool,
    close: Notify,
}

/// A place in a room that a connection holds until it ends.
#[derive(Debug)]
pub(super) struct Place(Arc<Room>);

impl Place {
    pub(super) fn room(&self) -> &Arc<Room> {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places.add_permits(1);
    }
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        let places = Semaphore::new(most);
        Self { places, most, closing: AtomicBool::new(false), close: Notify::new() }
    }

    /// Waits until there is a place for another connection.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        #[expect(clippy::expect_used, reason = "nothing closes the semaphore")]
        self.places.acquire().await.expect("open").forget();
        Place(self.clone())
    }

    /// Whether there is so little room left that whoever is silent should go.
    pub(super) fn is_crowded(&self) -> bool {
        self.places.available_permits() <= self.most / 10
    }

    /// How many connections there are.
    pub(super) fn taken(&self) -> usize {
        self.most - self.places.available_permits()
    }

    /// Whether connections should end. One that asks for the first time is told later, too, if it
    /// polls [`Room::closes`] before.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Ends when connections should.
    pub(super) fn closes(&self) -> Notified<'_> {
        self.close.notified()
    }

    /// Has every connection end after the answer that it is at. Whether all did in time.
    pub(super) async fn close(&self, patience: Duration) -> bool {
        self.closing.store(true, Ordering::Release);
        self.close.notify_waiters();
        let all = u32::try_from(self.most).unwrap_or(u32::MAX);
        tokio::time::timeout(patience, self.places.acquire_many(all)).await.is_ok()
    }

    #[cfg(test)]
    pub(super) fn take_all(self: &Arc<Self>) -> Vec<Place> {
        let take = || {
            self.places.try_acquire().ok()?.forget();
            Some(Place(self.clone()))
        };
        std::iter::from_fn(take).collect()
    }
}
