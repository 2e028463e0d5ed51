//! A soak test: seeds change, readers poll, and the server restarts, while every answer, every change and the
//! server's memory are checked. `cargo bench --bench soak -- --minutes 30 --restart-every 5m`.
//!
//! Every ten seconds the changes pause, and the served tree must soon equal the one that `sower build` writes.
//! The soak ends with the first fault, and keeps its directory then.

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod memory;
mod readers;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use changes::ChangingSeeds;
use clap::Parser;
use readers::{Known, Polls};
use support::{Connection, RequestError, Server, free_address, percentile, seeds, sower};

/// The number of readers, each with its own connection.
const READERS: u32 = 8;
/// The time between two pauses of the changes.
const PAUSE_EVERY: Duration = Duration::from_secs(10);
/// The longest time from the last change until the served tree equals a cold build.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest time for a server to stop. It exceeds the server's own timeout for requests in flight.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// A request sent this long before the signal to stop has reached the server.
const DELIVERY: Duration = Duration::from_millis(100);
/// The number of readers that poll without a pause while the server stops.
const BUSY_READERS: usize = 4;
/// The longest sleep of a thread before it checks for the end of the soak.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// Feeds short enough to have archives, a nested topic, and a selection.
const CONFIG: &str = "
entries: 20
topics:
  - {name: Topic 1, parent: Topic 0}
selections:
  - {name: few, any: [topic-2, topic-3], none: [topic-1], entries: 30}
";

/// Changes seeds, polls and restarts a server, and checks everything that it serves.
#[derive(Parser)]
struct Options {
    /// Duration of the soak
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Number of seeds, more or less
    #[arg(long, default_value_t = 1000)]
    seeds: usize,
    /// Changes a second
    #[arg(long, default_value_t = 20)]
    changes: u32,
    /// Polls a second
    #[arg(long, default_value_t = 200)]
    polls: u32,
    /// Time between two restarts of the server
    #[arg(long, default_value = "20s")]
    restart_every: humantime::Duration,
    /// Passed by `cargo bench`, and not by `cargo test`
    #[arg(long, hide = true)]
    bench: bool,
}

/// The state shared by all threads.
pub(crate) struct Soak {
    work: PathBuf,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    until: Instant,
    /// The server. While a thread holds the lock, the server runs and is not restarted.
    server: Mutex<Server>,
    process: AtomicU32,
    outages: Mutex<Vec<Outage>>,
    /// The editions of the servers that were stopped.
    editions: AtomicU64,
    faults: Mutex<Vec<String>>,
    tally: Mutex<Tally>,
}

/// The figures of the report.
#[derive(Default)]
struct Tally {
    changes: usize,
    /// The time of each pause until the trees were equal, with the cold build.
    pauses: Vec<Duration>,
    /// Comparisons before the last change was served.
    early: usize,
    polls: Vec<Polls>,
    /// Requests without an answer that reached a server while it stopped.
    unseen: usize,
    memory: Vec<memory::Sample>,
}

/// A restart, during which the server first does not listen and then does not answer.
struct Outage {
    stop_sent: Instant,
    listens_again: Option<Instant>,
    serves_again: Option<Instant>,
}

/// A public tree, by path.
type Tree = BTreeMap<String, Vec<u8>>;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if !options.bench {
        println!("Nothing to do: run `cargo bench --bench soak`.");
        return Ok(ExitCode::SUCCESS);
    }
    let directory = tempfile::Builder::new().prefix("sower-soak-").tempdir()?;
    let work = directory.path();
    fs::write(work.join("sower.yaml"), CONFIG)?;
    let changing_seeds = ChangingSeeds::new(&work.join("seeds"), options.seeds.max(seeds::TOPICS))?;
    let soak = Soak::start(work, Duration::try_from_secs_f64(options.minutes * 60.0)?)?;
    soak.run(changing_seeds, &options)?;
    let faults = soak.report()?;
    if faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nwrong: {}", faults.join("\nwrong: "));
    println!("The seeds, the mirror, a cold build and the log are in {}", directory.keep().display());
    Ok(ExitCode::FAILURE)
}

/// Locks a mutex, also after a panic of a thread that held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Soak {
    fn start(work: &Path, time: Duration) -> anyhow::Result<Self> {
        let address = free_address()?;
        let admin = SocketAddr::new(address.ip(), address.port() + 2000);
        let mut server = serve(work, address, admin)?;
        // The mirror, which lists the feeds, is written after they are served.
        server.until_served(admin, "/readyz")?;
        Ok(Self {
            work: work.to_owned(),
            address,
            admin,
            until: Instant::now() + time,
            process: server.0.id().into(),
            server: Mutex::new(server),
            outages: Mutex::default(),
            editions: AtomicU64::default(),
            faults: Mutex::default(),
            tally: Mutex::default(),
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.until <= Instant::now() || !lock(&self.faults).is_empty()
    }

    pub(crate) fn fault(&self, fault: String) {
        lock(&self.faults).push(fault);
    }

    /// Returns the number of restarts.
    pub(crate) fn restarts(&self) -> usize {
        lock(&self.outages).len()
    }

    /// Returns `true` if the server did not answer at some time since `began`.
    pub(crate) fn was_down_since(&self, began: Instant) -> bool {
        lock(&self.outages).iter().any(|it| it.serves_again.is_none_or(|again| began <= again))
    }

    /// Returns `true` if a request begun at `began` may stay without an answer: it may have arrived after the
    /// signal to stop.
    pub(crate) fn may_be_unanswered(&self, began: Instant) -> bool {
        lock(&self.outages)
            .iter()
            .any(|it| it.stop_sent <= began + DELIVERY && it.listens_again.is_none_or(|again| began <= again))
    }

    /// Runs all threads until the time is over or a fault is found.
    fn run(&self, changing_seeds: ChangingSeeds, options: &Options) -> anyhow::Result<()> {
        let paths = self.feeds()?;
        let known = Mutex::new(Known::default());
        thread::scope(|scope| {
            for reader in 0..READERS {
                let apart = Duration::from_secs(1) * READERS / options.polls.max(1);
                let (known, paths) = (&known, &paths);
                scope.spawn(move || {
                    let polls = readers::poll(self, known, paths, reader.into(), apart);
                    lock(&self.tally).polls.push(polls);
                });
            }
            scope.spawn(|| {
                let samples = memory::sample(self);
                lock(&self.tally).memory = samples;
            });
            scope.spawn(|| self.record_error(self.restart_every(options.restart_every.into())));
            self.record_error(
                self.change_and_compare(changing_seeds, Duration::from_secs(1) / options.changes.max(1)),
            );
        });
        Ok(())
    }

    /// Records an error as a fault.
    fn record_error(&self, done: anyhow::Result<()>) {
        if let Err(error) = done {
            self.fault(format!("{error:#}"));
        }
    }

    /// Sleeps until a time, and returns `false` if the soak is over before.
    fn sleep_until(&self, until: Instant) -> bool {
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(LONGEST_SLEEP));
        }
        false
    }

    /// Changes seeds at this interval, and pauses now and then to compare.
    fn change_and_compare(&self, mut changing_seeds: ChangingSeeds, apart: Duration) -> anyhow::Result<()> {
        loop {
            let (mut next, pause) = (Instant::now(), Instant::now() + PAUSE_EVERY);
            while next < pause && self.sleep_until(next) {
                changing_seeds.change().context("cannot change a seed")?;
                lock(&self.tally).changes += 1;
                next += apart;
            }
            if !lock(&self.faults).is_empty() {
                return Ok(());
            }
            changing_seeds.correct_all().context("cannot correct a seed")?;
            let took = self.until_equal()?;
            lock(&self.tally).pauses.push(took);
            if self.is_over() {
                return Ok(());
            }
        }
    }

    /// Waits until the served and mirrored trees equal a cold build of the seeds.
    fn until_equal(&self) -> anyhow::Result<Duration> {
        let _not_restarted = lock(&self.server);
        let changed = Instant::now();
        let cold = self.work.join("cold");
        if cold.exists() {
            fs::remove_dir_all(&cold)?;
        }
        let built = sower(&self.work, "build").args(["--feeds", "cold"]).output()?;
        ensure!(built.status.success(), "`sower build`: {}", String::from_utf8_lossy(&built.stderr));
        let expected = files(&cold)?;
        loop {
            let asked = changed.elapsed();
            let differing = self.differing(&expected)?;
            if differing.is_empty() {
                return Ok(changed.elapsed());
            }
            // The trees are compared at least once before the deadline, however long the build took.
            if asked > DEADLINE {
                bail!(
                    "differs from a cold build {asked:.1?} after the last change: {}",
                    differing.join(", ")
                );
            }
            lock(&self.tally).early += 1;
            thread::sleep(LONGEST_SLEEP);
        }
    }

    /// Returns the served and mirrored files that differ from the expected tree.
    fn differing(&self, expected: &Tree) -> anyhow::Result<Vec<String>> {
        let mut reader = Connection::to(self.address)?;
        let mirrored = files(&self.work.join("feeds"))?;
        let mut differing = Vec::new();
        for (path, body) in expected {
            let answer = reader.get(&address(path), &[])?;
            if answer.status != 200 || answer.body != *body {
                differing.push(format!("{} ({})", address(path), answer.status));
            }
            if mirrored.get(path) != Some(body) {
                differing.push(format!("feeds/{path}"));
            }
        }
        // An emptied topic keeps its feeds, which a cold build does not have.
        let more = mirrored.iter().filter(|(path, _)| !expected.contains_key(*path));
        let more = more.filter(|(path, body)| !path.starts_with("topics/") || has_entries(body));
        differing.extend(more.map(|(path, _)| format!("feeds/{path} (unexpected)")));
        Ok(differing)
    }

    /// Restarts the server at this interval.
    fn restart_every(&self, every: Duration) -> anyhow::Result<()> {
        let mut next = Instant::now() + every;
        while self.sleep_until(next) {
            self.restart(&mut lock(&self.server))?;
            next = Instant::now() + every;
        }
        Ok(())
    }

    fn restart(&self, server: &mut Server) -> anyhow::Result<()> {
        self.editions.fetch_add(self.edition()?, Relaxed);
        let stop_sent = thread::scope(|scope| {
            let busy: Vec<_> = (0..BUSY_READERS).map(|_| scope.spawn(|| self.poll_until_closed())).collect();
            thread::sleep(DELIVERY);
            let stop_sent = Instant::now();
            lock(&self.outages).push(Outage { stop_sent, listens_again: None, serves_again: None });
            let process = server.0.id().to_string();
            ensure!(Command::new("kill").args(["-TERM", &process]).status()?.success(), "cannot run `kill`");
            for reader in busy {
                let closed = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
                closed.context("while the server stopped")?;
            }
            Ok(stop_sent)
        })?;
        let status = loop {
            match server.0.try_wait()? {
                Some(status) => break status,
                None if stop_sent.elapsed() > STOPS_WITHIN => bail!("not stopped within {STOPS_WITHIN:?}"),
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        ensure!(status.success(), "stopped with {status}");
        *server = serve(&self.work, self.address, self.admin)?;
        self.process.store(server.0.id(), Relaxed);
        while TcpStream::connect(self.address).is_err() {
            ensure!(server.0.try_wait()?.is_none(), "not started again");
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(outage) = lock(&self.outages).last_mut() {
            outage.listens_again = Some(Instant::now());
        }
        server.until_served(self.address, "/all.atom")?;
        if let Some(outage) = lock(&self.outages).last_mut() {
            outage.serves_again = Some(Instant::now());
        }
        Ok(())
    }

    /// Polls without a pause until the server closes the connection, so that requests are in flight while it
    /// stops. The server may close after an answer, or before it reads a request.
    fn poll_until_closed(&self) -> anyhow::Result<()> {
        let mut reader = Connection::to(self.address)?;
        loop {
            match reader.get("/all.json", &[]) {
                Ok(answer) if answer.status != 200 => bail!("status {}", answer.status),
                Ok(answer) if answer.field("connection") == "close" => return Ok(()),
                Ok(_) => {}
                Err(RequestError::NoAnswer(_)) => {
                    lock(&self.tally).unseen += 1;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns the addresses that readers poll: all but archives, which disappear with the last entry of a month.
    fn feeds(&self) -> anyhow::Result<Vec<String>> {
        let paths = files(&self.work.join("feeds"))?.into_keys();
        let is_archive = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("20"));
        Ok(paths.filter(|path| !is_archive(path)).map(|path| address(&path)).collect())
    }

    /// Returns the number of the current edition.
    fn edition(&self) -> anyhow::Result<u64> {
        let metrics = Connection::to(self.admin)?.get("/metrics", &[])?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let number = metrics.lines().find_map(|line| line.strip_prefix("sower_edition "));
        Ok(number.context("the metrics have no edition")?.parse()?)
    }

    /// Prints the figures, and returns the faults.
    fn report(self) -> anyhow::Result<Vec<String>> {
        let editions = self.editions.load(Relaxed) + self.edition().unwrap_or_default();
        let (tally, mut faults) = (lock(&self.tally), lock(&self.faults).clone());
        let slowest = |times: &mut dyn Iterator<Item = Duration>| times.max().unwrap_or_default();
        println!("changes   {} in {editions} editions, {} restarts", tally.changes, self.restarts());
        println!(
            "pauses    {}, in step after {:.1?} at most; {} comparisons too early",
            tally.pauses.len(),
            slowest(&mut tally.pauses.iter().copied()),
            tally.early,
        );
        let mut took: Vec<_> = tally.polls.iter().flat_map(|polls| polls.took.iter().copied()).collect();
        took.sort_unstable();
        let unmodified: usize = tally.polls.iter().map(|polls| polls.unmodified).sum();
        let refused: usize = tally.polls.iter().map(|polls| polls.refused).sum();
        println!(
            "polls     {}, {} % of them 304; during restarts {refused} were refused and {} not answered",
            took.len(),
            100 * unmodified / took.len().max(1),
            tally.unseen,
        );
        println!(
            "latency   p50 {:.1?}, p99 {:.1?}, max {:.1?}; during a restart {:.1?}",
            percentile(&took, 50),
            percentile(&took, 99),
            percentile(&took, 100),
            slowest(&mut tally.polls.iter().map(|polls| polls.slowest_over_restart)),
        );
        faults.extend(memory::report(&tally.memory));
        let log = fs::read(self.work.join("log"))?;
        if let Some(line) = String::from_utf8_lossy(&log).lines().find(|line| line.contains("panicked")) {
            faults.push(line.to_owned());
        }
        Ok(faults)
    }
}

fn serve(work: &Path, address: SocketAddr, admin: SocketAddr) -> anyhow::Result<Server> {
    let mut command = sower(work, "serve");
    // A restart reads the cache of records of the process before it.
    command.env("XDG_CACHE_HOME", work.join("cache"));
    command.args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()]);
    Server::start(&mut command, &work.join("log"))
}

/// Returns the public tree in a directory, without files that are removed meanwhile.
fn files(root: &Path) -> anyhow::Result<Tree> {
    let mut tree = Tree::new();
    for file in walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok) {
        let path = file.path().strip_prefix(root)?.to_string_lossy().into_owned();
        let is_hidden = file.file_name().as_encoded_bytes().starts_with(b".");
        if file.file_type().is_file()
            && !is_hidden
            && let Ok(body) = fs::read(file.path())
        {
            tree.insert(path, body);
        }
    }
    Ok(tree)
}

/// Returns the address of a file of a public tree: a page is at its folder's address.
fn address(path: &str) -> String {
    let path = path.strip_suffix("index.html").map_or(path, |folder| folder.trim_end_matches('/'));
    format!("/{path}")
}

fn has_entries(body: &[u8]) -> bool {
    let is_page_with_entries = || memchr::memmem::find(body, b"<article>").is_some();
    feed_rs::parser::parse(body).map_or_else(|_| is_page_with_entries(), |feed| !feed.entries.is_empty())
}
