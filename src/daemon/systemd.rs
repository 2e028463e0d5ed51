//! Notifications to systemd (`sd_notify`). Without a service manager, they do nothing.

use std::time::{Duration, Instant};

use sd_notify::{NotifyState, notify};
use tracing::debug;

/// Reports that the first edition is served, or that a reload has ended.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// Reports that a reload has begun.
pub fn reloading() {
    // systemd ignores a reload without the time of its beginning.
    let now = NotifyState::monotonic_usec_now().ok();
    send(&[Some(NotifyState::Reloading), now].into_iter().flatten().collect::<Vec<_>>());
}

/// Reports that the process is stopping.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(error) = notify(state) {
        debug!("cannot notify systemd: {error}");
    }
}

/// The keep-alive signal for the watchdog of systemd (`WatchdogSec`).
#[derive(Debug)]
pub struct Watchdog {
    /// The time between two signals. `None` if systemd expects none.
    interval: Option<Duration>,
    last_signal: Instant,
}

impl Watchdog {
    /// Returns a watchdog with the interval that systemd asks for.
    pub fn from_environment() -> Self {
        // sd_watchdog_enabled(3) recommends half of the timeout.
        let interval = sd_notify::watchdog_enabled().map(|timeout| timeout / 2);
        Self { interval, last_signal: Instant::now() }
    }

    /// Signals that the daemon is alive, unless it did so within the interval.
    pub fn notify(&mut self) {
        if self.interval.is_some_and(|interval| self.last_signal.elapsed() >= interval) {
            self.last_signal = Instant::now();
            send(&[NotifyState::Watchdog]);
        }
    }
}
