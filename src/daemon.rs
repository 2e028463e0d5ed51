//! The daemon: watch, look, publish, serve, until it is told to stop.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use crate::catalog::{Catalog, Touched};
use crate::config::Config;
use crate::fault::{Fault, Severity};
use crate::mirror::{Mirror, MirrorError, Mirrored};
use crate::publish::{Published, Publisher};
use crate::render::Format;
use crate::report;
use crate::scan::{Scan, ScanError};
use crate::seed::{Change, Rules};
use crate::serve;
use crate::text::{count, printable};
use crate::watch::{Hint, Watch};

/// Most lines of one kind that are logged at once.
const MOST_LINES: usize = 20;
/// How often a mirror that failed is tried again.
const MIRROR_AGAIN: Duration = Duration::from_secs(30);
/// The longest wait for a scheduled record: clocks are set, and machines sleep.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Publishes and serves until `shutdown`, then lets the requests in flight finish.
///
/// The listener is bound already, so a test may choose port 0.
///
/// # Errors
///
/// The seed directory cannot be read at the start, or reading breaks down. That the directory
/// cannot be read later is logged, and what was read of it is served on.
pub async fn run(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let config = Arc::new(config);
    let served = config.clone();
    let mut shutdown = pin!(shutdown);
    let begun = on_a_thread(move || Daemon::begin(&config));
    let daemon = tokio::select! {
        begun = begun => begun.ok_or(RunError::Broken)??,
        () = &mut shutdown => return Ok(()),
    };
    let (current, stopper) = (daemon.publisher.current(), daemon.watch.stopper());
    let mut reloads = pin!(on_a_thread(move || daemon.keep_up()));
    let mut reloads_ended = None;
    serve::serve(listener, current, served, async {
        tokio::select! {
            ended = &mut reloads => reloads_ended = Some(ended),
            () = shutdown => {}
        }
    })
    .await;
    stopper.stop();
    match reloads_ended {
        Some(ended) => ended,
        None => reloads.await,
    }
    .ok_or(RunError::Broken)
}

/// Runs something that blocks beside the runtime, which does not wait for it when it ends. None
/// if it panicked.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = done.send(work());
    });
    result.await.ok()
}

/// Why a daemon cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The seed directory cannot be read at the start.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Reading or publishing broke. Serving on would serve what is old, without a word.
    #[error(
        "reading the seeds broke down, which is a fault of sower's own; start it again, and report what stands above"
    )]
    Broken,
}

/// Everything between the seeds and the edition that is served.
struct Daemon {
    watch: Watch,
    scan: Scan,
    catalog: Catalog,
    publisher: Publisher,
    mirror: MirrorHealth,
    unreadable: bool,
}

/// Whether the mirror is in step, so that trouble is told once and tried again.
enum MirrorHealth {
    InStep,
    Failing { told: String, again: Instant },
}

impl Daemon {
    /// Reads every seed and publishes the first edition. The watch begins first, so that nothing
    /// is missed between the two.
    fn begin(config: &Arc<Config>) -> Result<Self, ScanError> {
        let began = Instant::now();
        let mut scan = Scan::new(&config.seeds, config.feeds.as_deref(), Rules::new(config, false));
        scan.check_root()?;
        let watch = Watch::new(scan.root());
        let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
        let changes = scan.look(&Hint::everywhere())?;
        let touched = catalog.apply(changes, Utc::now());
        let mirror = config.feeds.clone().map(Mirror::new);
        let mut publisher = Publisher::new(config.clone(), mirror);
        let published = publisher.publish(&catalog, &touched, SystemTime::now());

        let census = catalog.census();
        info!("read the seeds in {} ms: {}", began.elapsed().as_millis(), report::census(&census));
        tell_faults(catalog.faults());
        match report::nothing_shown(&census) {
            Some(reason) => warn!("{reason}"),
            None if census.seeds == 0 => info!("{} has no seeds yet", scan.root().display()),
            None => {}
        }
        let mut daemon =
            Self { watch, scan, catalog, publisher, mirror: MirrorHealth::InStep, unreadable: false };
        daemon.tell_where(config);
        daemon.conclude(published);
        Ok(daemon)
    }

    /// Follows the seed directory and the clock until the watch is stopped.
    fn keep_up(mut self) {
        loop {
            let wait = self.publisher.next_due(&self.catalog).map_or(LONGEST_WAIT, |due| {
                (due - Utc::now()).to_std().unwrap_or_default().min(LONGEST_WAIT)
            });
            let Some(hint) = self.watch.next(wait) else { return };
            let began = Instant::now();
            let changes = self.look(&hint);
            let told = report::changes(&self.catalog, &changes);
            let paths: Vec<_> = changes.iter().map(|(path, _)| path.clone()).collect();
            let touched = self.catalog.apply(changes, Utc::now());
            if told.is_some() || !touched.is_empty() || self.publisher.is_due(&self.catalog) {
                self.publish(&touched, told.as_deref(), began);
                self.tell_seeds(&paths);
            } else {
                self.publisher.note_due(&self.catalog);
                self.try_mirror_again();
            }
        }
    }

    /// Tells what a person should know of seeds that changed.
    fn tell_seeds(&self, paths: &[Arc<str>]) {
        tell_faults(paths.iter().flat_map(|path| self.catalog.faults_of(path)));
        for path in paths.iter().take(MOST_LINES) {
            if self.catalog.is_outdated(path) {
                warn!("{}: its last good record is still served", printable(path));
            } else if let Some(held) = self.catalog.held_at(path) {
                info!("{} is held: {held} ({})", printable(path), report::remedy(held));
            }
        }
    }

    fn look(&mut self, hint: &Hint) -> Vec<(Arc<str>, Change)> {
        if !hint.everywhere && hint.paths.is_empty() {
            return Vec::new();
        }
        match self.scan.look(hint) {
            Ok(changes) => {
                if std::mem::take(&mut self.unreadable) {
                    info!("the seed directory can be read again");
                }
                changes
            }
            Err(error) => {
                if !self.unreadable {
                    error!("{error}; what was read of it is still served");
                }
                self.unreadable = true;
                self.watch.look_again();
                Vec::new()
            }
        }
    }

    fn publish(&mut self, touched: &Touched, told: Option<&str>, began: Instant) {
        let published = self.publisher.publish(&self.catalog, touched, SystemTime::now());
        let what = told.unwrap_or("the time has come for a scheduled or expiring record");
        let feeds = match (published.changed, published.removed) {
            (0, 0) => "no feed changed".to_owned(),
            (changed, 0) => format!("{} changed", count(changed, "feed")),
            (0, removed) => format!("{} gone", count(removed, "feed")),
            (changed, removed) => format!("{} changed, {removed} gone", count(changed, "feed")),
        };
        let edition = match published.changed + published.removed {
            0 => String::new(),
            _ => format!(", edition {}", published.edition),
        };
        info!("{what}: {feeds}{edition}, {} ms", began.elapsed().as_millis());
        self.conclude(published);
    }

    fn conclude(&mut self, published: Published) {
        for failed in &published.failed {
            error!("{failed}");
        }
        self.note_mirror(published.mirror);
    }

    fn tell_where(&self, config: &Config) {
        let url = &config.url;
        let endings: Vec<_> = Format::ALL.iter().map(|format| format!(".{}", format.ending())).collect();
        let endings = endings.join(", ");
        info!("serving {url}all with {endings}; the list of all feeds is {url}feeds.opml");
        let topics = self.catalog.topics().map(|(slug, _, entries)| format!("{slug} ({entries})"));
        let mut topics: Vec<_> = topics.take(MOST_LINES + 1).collect();
        if topics.len() > MOST_LINES {
            topics.truncate(MOST_LINES);
            topics.push("…".to_owned());
        }
        if !topics.is_empty() {
            info!("each topic at {url}topics/TOPIC with {endings}: {}", topics.join(", "));
        }
        if !config.selections.is_empty() {
            let names: Vec<_> = config.selections.iter().map(|selection| &*selection.name).collect();
            info!("each selection at {url}selections/NAME with {endings}: {}", names.join(", "));
        }
        let root = self.scan.root().display();
        match &config.feeds {
            Some(feeds) => {
                let feeds = std::path::absolute(feeds).unwrap_or_else(|_| feeds.clone());
                info!("watching {root}, mirrored in {}", feeds.display());
            }
            None => info!("watching {root}, without a mirror"),
        }
        if config.unpublished {
            warn!("unpublished and removed records are shown: this is a preview, not for the public");
        }
    }

    fn note_mirror(&mut self, mirror: Result<Mirrored, MirrorError>) {
        match mirror {
            Ok(_) => {
                if matches!(self.mirror, MirrorHealth::Failing { .. }) {
                    info!("the feeds directory is in step again");
                }
                self.mirror = MirrorHealth::InStep;
            }
            Err(failed) => {
                let failed = failed.to_string();
                if !matches!(&self.mirror, MirrorHealth::Failing { told, .. } if *told == failed) {
                    error!("{failed}");
                }
                self.mirror = MirrorHealth::Failing { told: failed, again: Instant::now() + MIRROR_AGAIN };
            }
        }
    }

    fn try_mirror_again(&mut self) {
        if let MirrorHealth::Failing { again, .. } = &self.mirror
            && *again <= Instant::now()
        {
            let mirror = self.publisher.update_mirror();
            self.note_mirror(mirror);
        }
    }
}

fn tell_faults<'a>(faults: impl IntoIterator<Item = &'a Fault>) {
    let (mut told, mut more) = (0, 0);
    for fault in faults {
        if told == MOST_LINES {
            more += 1;
            continue;
        }
        told += 1;
        match fault.severity {
            Severity::Fault => warn!("fault: {fault}"),
            Severity::Warning => info!("warning: {fault}"),
        }
    }
    if more > 0 {
        warn!("and {more} more; `sower check` shows all");
    }
}
