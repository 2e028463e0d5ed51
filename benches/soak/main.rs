//! Seeds change all the time, readers poll, the server is stopped and started: is every answer right,
//! is no change missed, and does memory stay flat? `cargo bench --bench soak -- --minutes 30
//! --restart-every 5m`.
//!
//! Every ten seconds the changes pause, and what is served must soon be what `sower build` makes of
//! the same seeds. It ends with the first thing that is wrong, and leaves the directory as it is then.

#[path = "../support/mod.rs"]
mod support;

mod garden;
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
use clap::Parser;
use garden::Garden;
use readers::{Known, Polls};
use support::{Connection, Lost, Server, free_address, percentile, seeds, sower};

/// How many readers there are, each with a connection.
const READERS: u32 = 8;
/// How often changes pause.
const PAUSE_EVERY: Duration = Duration::from_secs(10);
/// How soon after the last change everything must be served.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a server may take to stop: longer than it has patience for requests in flight.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
/// A request that was sent this long before the server is told to stop has been seen by it.
const SEEN: Duration = Duration::from_millis(100);
/// How many more readers there are while it is told to.
const HASTY: usize = 4;
/// How long a thread sleeps at most before it looks whether the soak is over.
const NAP: Duration = Duration::from_millis(50);

/// Feeds so short that topics have archives, a topic below another, and a selection.
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
    /// How long it all takes
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// How many seeds there are, more or less
    #[arg(long, default_value_t = 1000)]
    seeds: usize,
    /// Changes a second
    #[arg(long, default_value_t = 20)]
    changes: u32,
    /// Polls a second
    #[arg(long, default_value_t = 200)]
    polls: u32,
    /// How often the server is stopped and started
    #[arg(long, default_value = "20s")]
    restart_every: humantime::Duration,
    /// What cargo says when it measures, and not when it tests
    #[arg(long, hide = true)]
    bench: bool,
}

/// What all threads share.
pub(crate) struct Soak {
    work: PathBuf,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    until: Instant,
    /// Whoever holds it can rely on its being served, and not restarted.
    server: Mutex<Server>,
    process: AtomicU32,
    outages: Mutex<Vec<Outage>>,
    /// Editions of the servers that were stopped.
    editions: AtomicU64,
    faults: Mutex<Vec<String>>,
    tally: Mutex<Tally>,
}

/// What is reported.
#[derive(Default)]
struct Tally {
    changes: usize,
    /// How long each pause took until everything was known to be in step, making a cold build included.
    pauses: Vec<Duration>,
    /// Comparisons that came too early: something was not served yet when the cold build was made.
    early: usize,
    polls: Vec<Polls>,
    /// Requests that reached a server as it stopped, and were not seen any more.
    unseen: usize,
    memory: Vec<memory::Sample>,
}

/// A time in which nobody listened, and then nobody answered.
struct Outage {
    told_to_stop: Instant,
    listens_again: Option<Instant>,
    serves_again: Option<Instant>,
}

/// A public tree, by path.
type Tree = BTreeMap<String, Vec<u8>>;

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if !options.bench {
        println!("Nothing is soaked: `cargo bench --bench soak` does.");
        return Ok(ExitCode::SUCCESS);
    }
    let directory = tempfile::Builder::new().prefix("sower-soak-").tempdir()?;
    let work = directory.path();
    fs::write(work.join("sower.yaml"), CONFIG)?;
    let garden = Garden::new(&work.join("seeds"), options.seeds.max(seeds::TOPICS))?;
    let soak = Soak::start(work, Duration::try_from_secs_f64(options.minutes * 60.0)?)?;
    soak.run(garden, &options)?;
    let faults = soak.report()?;
    if faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nwrong: {}", faults.join("\nwrong: "));
    println!("The seeds, the mirror, a cold build and the log are in {}", directory.keep().display());
    Ok(ExitCode::FAILURE)
}

/// A lock, also if a thread panicked that held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Soak {
    fn start(work: &Path, time: Duration) -> anyhow::Result<Self> {
        let address = free_address()?;
        let admin = SocketAddr::new(address.ip(), address.port() + 2000);
        let mut server = serve(work, address, admin)?;
        // The mirror, in which the feeds are listed, follows what is served.
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

    /// How often the server was told to stop.
    pub(crate) fn restarts(&self) -> usize {
        lock(&self.outages).len()
    }

    /// Whether nobody answered at some moment since then.
    pub(crate) fn was_down_since(&self, began: Instant) -> bool {
        lock(&self.outages).iter().any(|it| it.serves_again.is_none_or(|again| began <= again))
    }

    /// Whether a request that was begun then may be without an answer: the server was told to stop
    /// before it can be expected to have seen the request.
    pub(crate) fn excuses(&self, began: Instant) -> bool {
        lock(&self.outages)
            .iter()
            .any(|it| it.told_to_stop <= began + SEEN && it.listens_again.is_none_or(|again| began <= again))
    }

    /// Does everything at once until the time is over or something is wrong.
    fn run(&self, garden: Garden, options: &Options) -> anyhow::Result<()> {
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
            scope.spawn(|| self.or_fault(self.restart_every(options.restart_every.into())));
            self.or_fault(self.tend(garden, Duration::from_secs(1) / options.changes.max(1)));
        });
        Ok(())
    }

    /// What cannot be done at all is a fault too.
    fn or_fault(&self, done: anyhow::Result<()>) {
        if let Err(error) = done {
            self.fault(format!("{error:#}"));
        }
    }

    /// Sleeps, but not when it is over. Whether it is not.
    fn sleep_until(&self, until: Instant) -> bool {
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(NAP));
        }
        false
    }

    /// Changes seeds, this far apart, and pauses now and then to compare.
    fn tend(&self, mut garden: Garden, apart: Duration) -> anyhow::Result<()> {
        loop {
            let (mut next, pause) = (Instant::now(), Instant::now() + PAUSE_EVERY);
            while next < pause && self.sleep_until(next) {
                garden.change().context("a seed cannot be changed")?;
                lock(&self.tally).changes += 1;
                next += apart;
            }
            if !lock(&self.faults).is_empty() {
                return Ok(());
            }
            garden.mend_all().context("a seed cannot be mended")?;
            let took = self.until_in_step()?;
            lock(&self.tally).pauses.push(took);
            if self.is_over() {
                return Ok(());
            }
        }
    }

    /// Waits until the served and mirrored trees equal a cold build of the seeds.
    fn until_in_step(&self) -> anyhow::Result<Duration> {
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
            // Asked for in time at least once, however long building took.
            if asked > DEADLINE {
                bail!(
                    "not what a cold build makes, {asked:.1?} after the last change: {}",
                    differing.join(", ")
                );
            }
            lock(&self.tally).early += 1;
            thread::sleep(NAP);
        }
    }

    /// What is served or mirrored and differs from what is expected.
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
        // A topic that nothing is left of keeps its feeds, of which a cold build knows nothing.
        let more = mirrored.iter().filter(|(path, _)| !expected.contains_key(*path));
        let more = more.filter(|(path, body)| !path.starts_with("topics/") || has_entries(body));
        differing.extend(more.map(|(path, _)| format!("feeds/{path} (too much)")));
        Ok(differing)
    }

    /// Stops and starts the server again and again.
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
        let told_to_stop = thread::scope(|scope| {
            let hasty: Vec<_> = (0..HASTY).map(|_| scope.spawn(|| self.poll_until_closed())).collect();
            thread::sleep(SEEN);
            let told_to_stop = Instant::now();
            lock(&self.outages).push(Outage { told_to_stop, listens_again: None, serves_again: None });
            let process = server.0.id().to_string();
            ensure!(Command::new("kill").args(["-TERM", &process]).status()?.success(), "no `kill`");
            for reader in hasty {
                let closed = reader.join().map_err(|_| anyhow!("a reader panicked"))?;
                closed.context("while the server stopped")?;
            }
            Ok(told_to_stop)
        })?;
        let status = loop {
            match server.0.try_wait()? {
                Some(status) => break status,
                None if told_to_stop.elapsed() > STOPS_WITHIN => bail!("not stopped within {STOPS_WITHIN:?}"),
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

    /// Polls without a pause, so that requests are in flight when the server is told to stop, until it
    /// closes the connection: it may do so after an answer, or before it sees a request.
    fn poll_until_closed(&self) -> anyhow::Result<()> {
        let mut reader = Connection::to(self.address)?;
        loop {
            match reader.get("/all.json", &[]) {
                Ok(answer) if answer.status != 200 => bail!("status {}", answer.status),
                Ok(answer) if answer.field("connection") == "close" => return Ok(()),
                Ok(_) => {}
                Err(Lost::Unanswered(_)) => {
                    lock(&self.tally).unseen += 1;
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The addresses of what readers poll: all but archives, which go with the last entry of a month.
    fn feeds(&self) -> anyhow::Result<Vec<String>> {
        let paths = files(&self.work.join("feeds"))?.into_keys();
        let is_archive = |path: &str| path.rsplit('/').next().is_some_and(|name| name.starts_with("20"));
        Ok(paths.filter(|path| !is_archive(path)).map(|path| address(&path)).collect())
    }

    /// The number of the edition that is served.
    fn edition(&self) -> anyhow::Result<u64> {
        let metrics = Connection::to(self.admin)?.get("/metrics", &[])?;
        let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
        let number = metrics.lines().find_map(|line| line.strip_prefix("sower_edition "));
        Ok(number.context("no edition among the metrics")?.parse()?)
    }

    /// Prints what happened, and gives what was wrong.
    fn report(self) -> anyhow::Result<Vec<String>> {
        let editions = self.editions.load(Relaxed) + self.edition().unwrap_or_default();
        let (tally, mut faults) = (lock(&self.tally), lock(&self.faults).clone());
        let slowest = |times: &mut dyn Iterator<Item = Duration>| times.max().unwrap_or_default();
        println!("changes   {} in {editions} editions, {} restarts", tally.changes, self.restarts());
        println!(
            "pauses    {}, known to be in step after {:.1?} at most; {} comparisons came too early",
            tally.pauses.len(),
            slowest(&mut tally.pauses.iter().copied()),
            tally.early,
        );
        let mut took: Vec<_> = tally.polls.iter().flat_map(|polls| polls.took.iter().copied()).collect();
        took.sort_unstable();
        let unmodified: usize = tally.polls.iter().map(|polls| polls.unmodified).sum();
        let refused: usize = tally.polls.iter().map(|polls| polls.refused).sum();
        println!(
            "polls     {}, {} % of them 304; over restarts {refused} were refused and {} not seen",
            took.len(),
            100 * unmodified / took.len().max(1),
            tally.unseen,
        );
        println!(
            "latency   p50 {:.1?}, p99 {:.1?}, max {:.1?}; over a restart {:.1?}",
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
    // What is remembered over restarts is right, too, and so is what is sent from files beside it.
    command.env("XDG_CACHE_HOME", work.join("cache"));
    command.args(["--listen", &address.to_string(), "--admin-listen", &admin.to_string()]);
    Server::start(&mut command, &work.join("log"))
}

/// The public tree in a directory. A file that goes while it is looked at is not there.
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

/// Where the file at a path of a public tree is served: a page is at its folder's address.
fn address(path: &str) -> String {
    let path = path.strip_suffix("index.html").map_or(path, |folder| folder.trim_end_matches('/'));
    format!("/{path}")
}

fn has_entries(body: &[u8]) -> bool {
    let is_page_with_entries = || memchr::memmem::find(body, b"<article>").is_some();
    feed_rs::parser::parse(body).map_or_else(|_| is_page_with_entries(), |feed| !feed.entries.is_empty())
}
