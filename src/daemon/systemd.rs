//! What the service manager is told (`sd_notify`). Without one, nothing happens.

use std::time::{Duration, Instant};

use sd_notify::{NotifyState, notify as send};
use tracing::debug;

/// The first edition is served, or a new configuration has been taken up.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A new configuration is being taken up.
pub fn reloading() {
    // The manager ignores a reload that does not say when it began.
    let now = NotifyState::monotonic_usec_now().ok();
    tell(&[Some(NotifyState::Reloading), now].into_iter().flatten().collect::<Vec<_>>());
}

/// The last requests are being answered.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = send(state) {
        debug!("the service manager cannot be told: {error}");
    }
}

/// Tells a service manager that asked for it that the daemon is alive.
#[derive(Debug)]
pub struct Watchdog {
    every: Option<Duration>,
    told: Instant,
}

impl Watchdog {
    /// A watchdog as the service manager asked for it, if it did.
    pub fn from_environment() -> Self {
        // It recommends twice in the time after which it loses patience.
        Self { every: sd_notify::watchdog_enabled().map(|patience| patience / 2), told: Instant::now() }
    }

    /// The daemon is alive.
    pub fn notify(&mut self) {
        if self.every.is_some_and(|every| self.told.elapsed() >= every) {
            self.told = Instant::now();
            tell(&[NotifyState::Watchdog]);
        }
    }
}
