//! How far a long look at the seeds is, for whoever waits at a terminal.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// How long nobody wonders.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often what is shown changes.
const TICK: Duration = Duration::from_millis(100);
const STYLE: &str = "reading seeds {wide_bar} {human_pos} of {human_len}, {rate}, {eta} left";

/// How far a look is.
#[derive(Debug, Default)]
pub struct Progress {
    found: AtomicUsize,
    looked: AtomicUsize,
}

impl Progress {
    /// A look begins.
    pub fn begin(&self) {
        self.looked.store(0, Relaxed);
        self.found.store(0, Relaxed);
    }

    /// So many more files were found.
    pub fn found(&self, files: usize) {
        self.found.fetch_add(files, Relaxed);
    }

    /// So many more of them were looked at.
    pub fn looked(&self, files: usize) {
        self.looked.fetch_add(files, Relaxed);
    }

    /// Files that were looked at, and files that were found.
    pub fn now(&self) -> (usize, usize) {
        (self.looked.load(Relaxed), self.found.load(Relaxed))
    }
}

/// Shows progress for as long as it is there, if anybody sees it.
#[derive(Debug)]
pub struct Shown(Option<(Sender<()>, JoinHandle<()>)>);

/// Shows progress on the terminal, if standard error is one, once that takes long.
pub fn show(progress: Arc<Progress>) -> Shown {
    if !std::io::stderr().is_terminal() {
        return Shown(None);
    }
    let (end, ended) = channel();
    let shows = thread::spawn(move || {
        let mut wait = PATIENCE;
        let mut bar = None;
        while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            wait = TICK;
            let bar: &ProgressBar = bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template(STYLE);
                let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
                ProgressBar::new(0).with_style(style.with_key("rate", rate))
            });
            let (looked, found) = progress.now();
            bar.set_length(found as u64);
            bar.set_position(looked as u64);
        }
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
    });
    Shown(Some((end, shows)))
}

fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // That it cannot be written costs a figure on a terminal.
    let _ = write!(out, "{:.0} a second", state.per_sec());
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((end, shows)) = self.0.take() {
            drop(end);
            let _ = shows.join();
        }
    }
}
