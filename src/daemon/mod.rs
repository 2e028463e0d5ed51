//! The daemon: watch, look, publish, serve, until it is told to stop.

pub mod sandbox;
pub mod systemd;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use chrono::Utc;
use tracing::{error, info, warn};

use crate::cache::CacheWriter;
use crate::cache::{CachedRecords, LoadStats};
use crate::catalog::Affected;
use crate::catalog::Catalog;
use crate::catalog::report;
use crate::config::Config;
use crate::daemon::systemd::{self as service, Watchdog};
use crate::ingest::{Hint, Rescan, RescanStep, Scan, ScanError, Watch};
use crate::publish::mirror_worker::Mirroring;
use crate::publish::{Published, Publisher};
use crate::render::Format;
use crate::seed::{Change, Reading, Rules};
use crate::seed::{Fault, Severity};
use crate::serve::{self, Doors};
use crate::status::{Reload, Status};
use crate::text::{count, printable};

/// Most lines of one kind that are logged at once.
const MOST_LINES: usize = 20;
/// While it is quiet for so long, memory is given back.
const REST: Range<Duration> = Duration::from_secs(3)..Duration::from_secs(10);
/// How long what was read is served on when all seeds are gone at once: time enough to mount a disk.
const GRACE: Duration = Duration::from_secs(60);
/// The longest wait for a scheduled record: clocks are set, and machines sleep.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Publishes and serves until `shutdown`, then lets the requests in flight finish.
///
/// The listeners are bound already, so a test may choose port 0. In the file `cache` it is remembered
/// what was read, for the next process; files without a name beside it have what is large and asked for often.
/// Each configuration that is sent to it takes the place of the one before, with an edition made anew.
///
/// # Errors
///
/// Reading breaks down. That the directory cannot be read is logged; what was read of it is served on,
/// and if nothing was, it is waited for.
pub async fn run(
    config: Config,
    doors: Doors,
    cache: Option<PathBuf>,
    configs: Receiver<Config>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Broken> {
    let config = Arc::new(config);
    let (opening, served) = (doors.open(), config.clone());
    let files = cache.as_deref().and_then(Path::parent).map(Path::to_owned);
    let mut shutdown = pin!(shutdown);
    let begun = on_a_thread(move || Daemon::begin(config, cache, configs));
    let daemon = tokio::select! {
        begun = begun => begun.ok_or(Broken)?,
        () = &mut shutdown => return Ok(()),
    };
    let (current, status, stopper) =
        (daemon.publisher.current(), daemon.status.clone(), daemon.watch.stopper());
    let mut reloads = pin!(on_a_thread(move || daemon.keep_up()));
    let mut reloads_ended = None;
    service::ready();
    serve::serve(opening, current, status, &served, files, async {
        tokio::select! {
            ended = &mut reloads => reloads_ended = Some(ended),
            () = shutdown => {}
        }
        service::stopping();
    })
    .await;
    stopper.stop();
    match reloads_ended {
        Some(ended) => ended,
        None => reloads.await,
    }
    .ok_or(Broken)
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

/// Has the allocator give back to the system some of what was freed a second ago or earlier: it does when something
/// large is freed, and where nothing changes nothing is.
fn give_back() {
    const LARGE: usize = 8 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LARGE)));
}

/// Reading or publishing broke. Serving on would serve what is old, without a word.
#[derive(Debug, thiserror::Error)]
#[error(
    "reading the seeds broke down, as stands above; start sower again, and report that, unless the system \
     refused it memory or threads"
)]
pub struct Broken;

/// Everything between the seeds and the edition that is served.
struct Daemon {
    watch: Watch,
    scan: Scan,
    /// The look everywhere that is under way.
    rescan: Option<Rescan>,
    status: Arc<Status>,
    publisher: Publisher,
    mirroring: Mirroring,
    configs: Receiver<Config>,
    watchdog: Watchdog,
    remembering: CacheWriter,
    /// When something changed last.
    busy: Instant,
}

/// Reads every seed again, by other rules. One that is broken keeps the record that a catalog before
/// had of it.
fn read_again(config: &Config, scan: &mut Scan, before: &Catalog) -> Result<(Catalog, LoadStats), ScanError> {
    let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
    let changes = scan.scan(&Hint::everywhere())?;
    let broken: BTreeSet<&str> =
        changes.iter().filter(|(_, change)| is_broken(change)).map(|(path, _)| &**path).collect();
    // Of a folder that cannot be read, every seed is.
    let is_broken = |path: &str| {
        broken.contains("")
            || broken.contains(path)
            || path.match_indices('/').any(|(end, _)| broken.contains(&path[..end]))
    };
    let last_good: Vec<_> = before.records().filter(|record| is_broken(&record.path)).collect();
    scan.expect(last_good.iter().map(|record| record.path.clone()));
    let last_good = last_good.into_iter().map(|record| {
        let last_good = Reading::Seed { record: Some(record.clone()), faults: Vec::new() };
        (record.path.clone(), Change::Read(last_good))
    });
    catalog.apply(last_good, Utc::now());
    let stats = LoadStats { read: changes.len(), ..LoadStats::default() };
    catalog.apply(changes, Utc::now());
    Ok((catalog, stats))
}

/// Tells what was read, and what is wrong with it.
fn tell_read(scan: &Scan, catalog: &Catalog, stats: &LoadStats, began: Instant) {
    let census = catalog.census();
    let anew = || format!(" ({} anew)", count(stats.read, "file"));
    let how = if stats.cached > 0 { anew() } else { String::new() };
    info!("read the seeds in {} ms{how}: {}", began.elapsed().as_millis(), report::census(&census));
    tell_faults(catalog.faults());
    match report::nothing_shown(&census) {
        Some(reason) => warn!("{reason}"),
        None if census.seeds == 0 => info!("{} has no seeds yet", scan.root().display()),
        None => {}
    }
}

fn is_broken(change: &Change) -> bool {
    matches!(change, Change::Read(Reading::Seed { record: None, .. } | Reading::Blank))
}

fn scan(config: &Config) -> Scan {
    Scan::new(&config.seeds, config.feeds.as_deref(), Rules::new(config, false)).with_grace(GRACE)
}

/// Takes note of how a look at the seed directory went, at all of it or at places in it.
fn note_look(status: &Status, watch: &Watch, failed: Option<&ScanError>, at_all: bool) {
    let mut condition = status.condition();
    let Some(error) = failed else {
        // A place may be there where all others are not.
        if at_all && condition.unreadable.take().is_some() {
            info!("the seed directory is read again");
        }
        return condition.look(watch.is_unwatched());
    };
    let told = format!("{error}; what was read of it is still served");
    if condition.unreadable.replace(told.clone()).is_none() {
        error!("{told}");
    }
    watch.request_delayed_scan();
}

/// The first scan of the seed directory, and the watch over it.
struct First {
    watch: Watch,
    scan: Scan,
    catalog: Catalog,
    /// The number of files read and remembered, or the error that left nothing but the remembered records.
    read: Result<LoadStats, ScanError>,
}

impl First {
    /// Starts the watch before the scan, so that no change between the two is missed. Fails if the
    /// directory cannot be read and no record is remembered.
    fn read(config: &Arc<Config>, cache: Option<&Path>) -> Result<Self, ScanError> {
        let mut scan = scan(config);
        let root = scan.root().to_owned();
        let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
        // In a large directory, both take long.
        let (watch, remembered) =
            rayon::join(|| Watch::new(&root, config.watch), || CachedRecords::open(&mut scan, cache));
        match remembered.read_all(&mut scan, &mut catalog, Utc::now()) {
            Err(failed @ ScanError::Unreadable { .. }) if catalog.records().next().is_none() => Err(failed),
            read => Ok(Self { watch, scan, catalog, read }),
        }
    }
}

impl Daemon {
    /// Reads every seed and publishes the first edition, once there is something to read: a disk may be
    /// mounted later than the system starts, and a copy made later than its container.
    fn begin(mut config: Arc<Config>, cache: Option<PathBuf>, configs: Receiver<Config>) -> Self {
        let (mut watchdog, mut told) = (Watchdog::asked_for(), String::new());
        let (began, first) = loop {
            let began = Instant::now();
            match First::read(&config, cache.as_deref()) {
                Ok(first) => break (began, first),
                Err(unreadable) => {
                    let telling = format!("{unreadable}; it is waited for");
                    if telling != told {
                        error!("{telling}");
                        told = telling;
                    }
                    // Whoever starts it is kept waiting for no disk.
                    service::ready();
                    watchdog.alive();
                }
            }
            match configs.recv_timeout(LONGEST_WAIT) {
                Ok(reread) => config = Arc::new(reread),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LONGEST_WAIT),
            }
        };
        let First { watch, scan, catalog, read } = first;
        let status = Arc::new(Status::new(catalog));
        let mut daemon = Self {
            watch,
            scan,
            rescan: None,
            mirroring: Mirroring::begin(status.clone()),
            status,
            publisher: Publisher::new(config),
            configs,
            watchdog,
            remembering: CacheWriter::new(cache),
            busy: Instant::now(),
        };
        daemon.publish_first(read, began);
        daemon
    }

    /// Publishes the catalog for the first time, after a look at the seeds.
    fn publish_first(&mut self, stats: Result<LoadStats, ScanError>, began: Instant) {
        let (stats, failed) = match stats {
            Ok(stats) => (stats, None),
            Err(failed) => (LoadStats::default(), Some(failed)),
        };
        note_look(&self.status, &self.watch, failed.as_ref().or(self.scan.unconfirmed_loss()), true);
        tell_read(&self.scan, &self.status.catalog(), &stats, began);
        self.tell_where(&self.publisher.current().load().config);
        let published = self.publish(&Affected::default());
        self.conclude(published);
    }

    /// Follows the seed directory and the clock until the watch is stopped.
    fn keep_up(mut self) {
        while self.follow() {}
        self.remembering.finish(&mut self.scan, &self.status.catalog());
    }

    /// Waits for a change, and publishes it. Whether there may be another.
    fn follow(&mut self) -> bool {
        let due = self.publisher.next_due(&self.status.catalog());
        let wait =
            due.map_or(LONGEST_WAIT, |due| (due - Utc::now()).to_std().unwrap_or_default().min(LONGEST_WAIT));
        let wait = if self.rescan.is_some() { Duration::ZERO } else { wait };
        let Some(hint) = self.watch.next(wait) else { return false };
        if hint.rescan {
            self.rescan.get_or_insert_with(|| Rescan::new(&self.scan));
        }
        if let Some(config) = self.configs.try_iter().last() {
            self.reconfigure(config);
        } else {
            self.reload(&hint);
        }
        self.continue_rescan();
        let quiet = if self.rescan.is_none() { self.busy.elapsed() } else { Duration::ZERO };
        self.remembering.write_if_due(quiet, &mut self.scan, &self.status.catalog());
        if REST.contains(&quiet) {
            give_back();
        }
        self.watchdog.alive();
        true
    }

    /// Goes on with the look everywhere that is under way. What is not as it was is looked at.
    fn continue_rescan(&mut self) {
        let Some(rescan) = &mut self.rescan else { return };
        match rescan.step(&self.scan) {
            None => return,
            Some(RescanStep::Reread(paths)) => {
                let hint = self.watch.hint_for(paths);
                return self.reload(&hint);
            }
            Some(RescanStep::Finished(paths, took)) => {
                self.watch.set_scan_cost(took);
                let hint = self.watch.hint_for(paths);
                if hint.is_empty() {
                    note_look(&self.status, &self.watch, self.scan.unconfirmed_loss(), true);
                }
                self.reload(&hint);
            }
            Some(RescanStep::ScanNeeded) => self.watch.request_scan(),
        }
        self.rescan = None;
    }

    /// Publishes what changed on disk, and by time.
    fn reload(&mut self, hint: &Hint) {
        let began = Instant::now();
        let changes = self.look(hint);
        let told = report::changes(&self.status.catalog(), &changes);
        if told.is_some() {
            self.busy = Instant::now();
            self.status.condition().reloads += 1;
            self.status.phases.look.observe(began.elapsed().as_secs_f64());
        }
        let paths: Vec<_> = changes.iter().map(|(path, _)| path.clone()).collect();
        let gathering = Instant::now();
        let touched = self.status.change(|catalog| catalog.apply(changes, Utc::now()));
        if told.is_some() {
            self.status.phases.gather.observe(gathering.elapsed().as_secs_f64());
        }
        let due = self.publisher.is_due(&self.status.catalog());
        if told.is_some() || !touched.is_empty() || due {
            let published = self.publish(&touched);
            if let Some(heard) = hint.observed.filter(|_| told.is_some()) {
                self.status.phases.heard_to_served.observe(heard.elapsed().as_secs_f64());
            }
            self.tell_edition(told, &published, began);
            self.conclude(published);
            self.tell_seeds(&paths);
        } else {
            self.publisher.note_due(&self.status.catalog());
            self.note_served();
        }
    }

    /// Takes note that the edition that is served has all that was found so far.
    fn note_served(&self) {
        let mut condition = self.status.condition();
        condition.served = condition.looks;
    }

    /// Takes up a new configuration: everything is read and published anew, while what was
    /// published before is served. If the seeds cannot be read, the one before stays.
    fn reconfigure(&mut self, config: Config) {
        let (began, config) = (Instant::now(), Arc::new(config));
        self.rescan = None;
        let mut scan = scan(&config);
        self.watch.watch_root(scan.root(), config.watch);
        let nothing = Catalog::new(config.unpublished, config.topics.clone());
        let read = if scan.root() == self.scan.root() {
            scan.expect(self.status.catalog().records().map(|record| record.path.clone()));
            read_again(&config, &mut scan, &self.status.catalog())
        } else {
            // What broken seeds of another directory said is nothing that those here said.
            read_again(&config, &mut scan, &nothing)
        };
        match read {
            Ok((catalog, stats)) => {
                tell_read(&scan, &catalog, &stats, began);
                self.scan = scan;
                self.status.change(|old| *old = catalog);
                self.publisher = Publisher::after(self.publisher.current(), config.clone());
                self.tell_where(&config);
                let published = self.publish(&Affected::default());
                self.tell_edition(Some("the configuration was read again".to_owned()), &published, began);
                self.conclude(published);
            }
            Err(error) => {
                error!("{error}; the configuration before is kept");
                let before = self.publisher.current().load().config.watch;
                self.watch.watch_root(self.scan.root(), before);
            }
        }
        service::ready();
    }

    /// Tells what a person should know of seeds that changed.
    fn tell_seeds(&self, paths: &[Arc<str>]) {
        let catalog = self.status.catalog();
        tell_faults(paths.iter().flat_map(|path| catalog.faults_of(path)));
        for path in paths.iter().take(MOST_LINES) {
            if catalog.is_outdated(path) {
                warn!("{}: its last good record is still served", printable(path));
            } else if let Some(held) = catalog.held_at(path) {
                info!("{} is held: {held} ({})", printable(path), report::remedy(held));
            }
        }
    }

    fn look(&mut self, hint: &Hint) -> Vec<(Arc<str>, Change)> {
        if hint.is_empty() {
            return Vec::new();
        }
        let began = Instant::now();
        let looked = self.scan.scan(hint);
        if hint.everywhere || looked.is_err() {
            self.rescan = None;
        }
        if hint.everywhere && looked.as_ref().is_ok_and(Vec::is_empty) {
            self.watch.set_scan_cost(began.elapsed());
        }
        let failed = looked.as_ref().err().or(self.scan.unconfirmed_loss());
        note_look(&self.status, &self.watch, failed, hint.everywhere);
        let changes = looked.unwrap_or_default();
        if let Some(rescan) = &mut self.rescan {
            rescan.record_scanned(changes.iter().map(|(path, _)| path));
        }
        changes
    }

    fn publish(&mut self, touched: &Affected) -> Published {
        let began = Instant::now();
        let published = self.publisher.publish(&self.status.catalog(), touched, SystemTime::now());
        self.status.phases.publish.observe(began.elapsed().as_secs_f64());
        published
    }

    fn conclude(&self, published: Published) {
        for failed in &published.failed {
            error!("{failed}");
        }
        self.mirroring.follow(self.publisher.current().load_full(), published.work);
        self.note_served();
    }

    /// Tells what was published because of a change, or because of the time, and takes note of it.
    fn tell_edition(&self, told: Option<String>, published: &Published, began: Instant) {
        let what = told.unwrap_or_else(|| "the time has come for a scheduled or expiring record".to_owned());
        let Published { edition, hash, changed, removed, .. } = *published;
        let feeds = match (changed, removed) {
            (0, 0) => "no feed changed".to_owned(),
            (changed, 0) => format!("{} changed", count(changed, "feed")),
            (0, removed) => format!("{} gone", count(removed, "feed")),
            (changed, removed) => format!("{} changed, {removed} gone", count(changed, "feed")),
        };
        let took = began.elapsed();
        info!("{what}: {feeds}, edition {edition} ({hash:032x}), {} ms", took.as_millis());
        self.status.note_reload(Reload { at: SystemTime::now(), what, changed, removed, took });
    }

    fn tell_where(&self, config: &Config) {
        let url = &config.url;
        let endings: Vec<_> = Format::FEEDS.iter().map(|format| format.ending()).collect();
        let endings = endings.join(", ");
        info!("serving {url}all with {endings}; the list of all feeds is {url}feeds.opml");
        let catalog = self.status.catalog();
        let topics = catalog.entries().topics().map(|(slug, _, entries)| format!("{slug} ({entries})"));
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
