//! The progress of a long scan, shown on a terminal.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// The delay before the bar appears.
const DELAY: Duration = Duration::from_millis(500);
/// The time between two updates of the bar.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);
const STYLE: &str = "reading seeds {wide_bar} {human_pos} of {human_len}, {rate}, {eta} left";

/// The progress of a scan.
#[derive(Debug, Default)]
pub struct Progress {
    found: AtomicUsize,
    scanned: AtomicUsize,
}

impl Progress {
    /// Resets both counters for a new scan.
    pub fn begin(&self) {
        self.scanned.store(0, Relaxed);
        self.found.store(0, Relaxed);
    }

    /// Adds to the number of files found.
    pub fn add_found(&self, files: usize) {
        self.found.fetch_add(files, Relaxed);
    }

    /// Adds to the number of files scanned.
    pub fn add_scanned(&self, files: usize) {
        self.scanned.fetch_add(files, Relaxed);
    }

    /// Returns the numbers of files scanned and found.
    pub fn counts(&self) -> (usize, usize) {
        (self.scanned.load(Relaxed), self.found.load(Relaxed))
    }
}

/// Shows a progress bar until it is dropped.
#[derive(Debug)]
pub struct ProgressDisplay(Option<(Sender<()>, JoinHandle<()>)>);

/// Shows progress after a short delay, if standard error is a terminal.
pub fn show_progress(progress: Arc<Progress>) -> ProgressDisplay {
    if !std::io::stderr().is_terminal() {
        return ProgressDisplay(None);
    }
    let (end, ended) = channel();
    let thread = thread::spawn(move || {
        let mut wait = DELAY;
        let mut bar = None;
        while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            wait = UPDATE_INTERVAL;
            let bar: &ProgressBar = bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template(STYLE);
                let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::new(0).with_style(style.with_key("rate", write_rate))
            });
            let (scanned, found) = progress.counts();
            bar.set_length(found as u64);
            bar.set_position(scanned as u64);
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    });
    ProgressDisplay(Some((end, thread)))
}

fn write_rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{:.0} a second", state.per_sec());
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            let _ = thread.join();
        }
    }
}
