//! A workspace, a daemon, and a client.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chrono::Utc;
use feed_rs::model::Feed;
use sower::config::Config;
use sower::config::args::Settings;
use sower::daemon::Panicked;
use sower::render::encoded;
use sower::serve::Listeners;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::cold::{Tree, files, tree};

/// The longest wait for a condition.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);
/// The pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Reports that the running test is skipped, and why.
///
/// libtest shows the output of a passing test only if it bypasses the macros that print.
pub(crate) fn skipped(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    writeln!(io::stderr().lock(), "test {test} ... skipped: {reason}").unwrap();
}

/// Checks until a condition holds.
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    within(DEADLINE, what, condition);
}

/// Checks until a condition holds, and panics after the deadline.
pub(crate) fn within(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < until, "not within {deadline:?}: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Runs a check again and again for some time.
pub(crate) fn throughout(time: Duration, mut check: impl FnMut()) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        check();
        thread::sleep(POLL_INTERVAL);
    }
}

/// Acts while another thread runs a check again and again.
pub(crate) fn meanwhile(mut check: impl FnMut() + Send, act: impl FnOnce()) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = &done;
        let asking = scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                check();
            }
            check();
        });
        {
            let _finish = Finish(done);
            act();
        }
        asking.join().unwrap();
    });
}

/// Sets a flag when it is dropped, also by a panic.
pub(crate) struct Finish<'a>(pub(crate) &'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns a seed with a title, topics as in `[One, Two]`, and more lines of front matter.
pub(crate) fn seed(title: &str, topics: &str, more: &str) -> String {
    format!("---\ntitle: {title}\ntopics: {topics}\n{more}---\n\nThe body of {title}.\n")
}

/// Returns a seed published on the first day of 2024.
pub(crate) fn dated(title: &str, topics: &str) -> String {
    seed(title, topics, "publishedDateTime: 2024-01-01T00:00:00Z\n")
}

/// A directory with `seeds`, `feeds` and an empty `sower.yaml`.
pub(crate) struct Workspace {
    directory: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("seeds")).unwrap();
        fs::write(directory.path().join("sower.yaml"), "# every default\n").unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn seeds(&self) -> PathBuf {
        self.path().join("seeds")
    }

    pub(crate) fn feeds(&self) -> PathBuf {
        self.path().join("feeds")
    }

    pub(crate) fn seed(&self, path: &str) -> PathBuf {
        self.seeds().join(path)
    }

    /// Writes a seed in place, as `echo >` does.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let file = self.seed(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.seed(from), self.seed(to)).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.seed(path)).unwrap();
    }

    /// Returns the configuration, with a URL that does not depend on the port.
    pub(crate) fn config(&self) -> Config {
        self.config_with(Settings::default())
    }

    pub(crate) fn config_with(&self, settings: Settings) -> Config {
        let text = |path: PathBuf| Some(path.to_str().unwrap().to_owned());
        Config::resolve(Settings {
            config: text(self.path().join("sower.yaml")),
            seeds: text(self.seeds()),
            feeds: text(self.feeds()),
            url: Some("https://feeds.example.org/".to_owned()),
            ..settings
        })
        .unwrap()
    }

    pub(crate) fn serve(&self) -> Daemon {
        Daemon::start(self.config())
    }

    /// Returns a command of the real binary with the same configuration.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sower"));
        command.env_clear().env("NO_COLOR", "1").current_dir(self.path());
        command.args([name, "--url", "https://feeds.example.org/"]);
        command
    }

    /// Returns the mirror, without its list of files.
    pub(crate) fn mirrored(&self) -> Tree {
        let mut files = files(&self.feeds());
        files.remove(".sower");
        files
    }

    /// Waits until the served and mirrored trees equal a cold build of the seeds.
    pub(crate) fn in_step(&self, daemon: &Daemon) {
        self.in_step_within(DEADLINE, daemon);
    }

    pub(crate) fn in_step_within(&self, deadline: Duration, daemon: &Daemon) {
        let expected = tree(&self.config(), Utc::now());
        let until = Instant::now() + deadline;
        loop {
            let mirrored = self.mirrored();
            let served = daemon.tree(expected.keys().chain(mirrored.keys()));
            let [mirrored, served] = [mirrored, served].map(|tree| with_entries(tree, &expected));
            if mirrored == expected && served == expected {
                return;
            }
            if until <= Instant::now() {
                same(&served, &expected);
                same(&mirrored, &expected);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// Returns the address of a file below the publication's URL: a page is at its folder's address.
pub(crate) fn address(path: &str) -> &str {
    path.strip_suffix("index.html").map_or(path, |folder| folder.trim_end_matches('/'))
}

/// Returns a tree without the feeds and pages of emptied topics: a daemon keeps them for their subscribers, and a
/// cold build does not know them.
pub(crate) fn with_entries(mut tree: Tree, expected: &Tree) -> Tree {
    tree.retain(|path, body| {
        let name = path.strip_prefix("topics/").unwrap_or("/");
        let has_entries = match name.strip_suffix("/index.html") {
            Some(_) => memchr::memmem::find(body, b"<article>").is_some(),
            None => name.contains('/') || name.starts_with('.') || !parse(body).entries.is_empty(),
        };
        expected.contains_key(path) || has_entries
    });
    tree
}

/// Checks that two trees are equal, and prints only the files that differ.
pub(crate) fn same(found: &Tree, expected: &Tree) {
    let differing = |tree: &Tree, other: &Tree| -> BTreeMap<String, String> {
        let differing = tree.iter().filter(|(path, body)| other.get(*path) != Some(body));
        differing.map(|(path, body)| (path.clone(), String::from_utf8_lossy(body).into_owned())).collect()
    };
    assert_eq!(differing(found, expected), differing(expected, found));
}

/// Parses a feed with an independent parser.
pub(crate) fn parse(body: &[u8]) -> Feed {
    feed_rs::parser::parse(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}

/// Returns the titles of a feed's entries, in order.
pub(crate) fn titles(body: &[u8]) -> Vec<String> {
    let entries = parse(body).entries.into_iter();
    entries.map(|entry| entry.title.map(|title| title.content).unwrap_or_default()).collect()
}

/// `sower::run` on its own socket and runtime, until it is stopped or dropped.
pub(crate) struct Daemon {
    address: SocketAddr,
    configs: Sender<Config>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<Result<(), Panicked>>>,
}

impl Daemon {
    pub(crate) fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (send, configs) = channel();
        let running = thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let listeners = Listeners { public: vec![listener.into()], admin: None };
                sower::run(config, listeners, None, configs, async { drop(stopped.await) }).await
            })
        });
        Self { address, configs: send, stop: Some(stop), running: Some(running) }
    }

    /// Stops the daemon. The deadline is shorter than the daemon's own for requests in flight.
    pub(crate) fn stop(mut self) -> SocketAddr {
        self.end();
        self.address
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(running) = self.running.take() {
            within(Duration::from_secs(8), "the daemon stops", || running.is_finished());
            running.join().unwrap().unwrap();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// Gives the daemon another configuration.
    pub(crate) fn reconfigure(&self, config: Config) {
        self.configs.send(config).unwrap();
    }

    /// Sends a request on a new connection.
    pub(crate) fn request(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut connection = self.connect();
        let fields = [fields, &[("Connection", "close")]].concat();
        let response = connection.request(method, path, &fields);
        connection.ends();
        response
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[])
    }

    /// Returns the titles of a feed's entries, in order; none if the feed does not exist.
    pub(crate) fn titles(&self, path: &str) -> Vec<String> {
        let response = self.get(path);
        match response.status {
            200 => titles(&response.body),
            404 => Vec::new(),
            status => panic!("{status} for {path}"),
        }
    }

    /// Waits until the feed of everything has these entries, in any order.
    pub(crate) fn shows(&self, expected: &[&str]) {
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        eventually(&format!("/all.atom and /all.rss show {expected:?}"), || {
            ["/all.atom", "/all.rss"].iter().all(|path| {
                let mut titles = self.titles(path);
                titles.sort_unstable();
                titles == expected
            })
        });
    }

    /// Returns the served files among these paths.
    fn tree<'a>(&self, paths: impl Iterator<Item = &'a String>) -> Tree {
        let mut connection = self.connect();
        let answers = paths.map(|path| {
            let response = connection.request("GET", &format!("/{}", encoded(address(path))), &[]);
            (path.clone(), response)
        });
        let found = answers.filter(|(_, response)| response.status == 200);
        found.map(|(path, response)| (path, response.body)).collect()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.end();
        }
    }
}

/// The real binary, serving until it is killed.
pub(crate) struct Doomed(pub(crate) Child);

impl Doomed {
    pub(crate) fn serve(work: &Workspace) -> Self {
        let mut command = work.command("serve");
        Self(command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until the first edition is served.
    pub(crate) fn first_edition(&mut self) {
        let mut log = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        assert!(log.any(|line| line.unwrap().contains("serving https://feeds.example.org/")));
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Reads the answer to a request of this method, and no byte beyond it.
pub(crate) fn read_answer(stream: &mut impl BufRead, method: &str) -> io::Result<Response> {
    let invalid = |line: &str| io::Error::new(ErrorKind::InvalidData, format!("not expected: {line:?}"));
    let mut next_line = || {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| invalid(&line))
    };
    let line = next_line()?;
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "));
    let status = rest.and_then(|rest| rest.get(..3)?.parse().ok()).ok_or_else(|| invalid(&line))?;
    let mut fields = BTreeMap::new();
    loop {
        let line = next_line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
        let old = fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        if old.is_some() {
            return Err(invalid(&line));
        }
    }
    let has_body = method != "HEAD" && !matches!(status, 204 | 304);
    let length = fields.get("content-length").filter(|_| has_body).map_or("0", String::as_str);
    let mut body = vec![0; length.parse().map_err(|_| invalid(length))?];
    stream.read_exact(&mut body)?;
    Ok(Response { status, fields, body })
}

/// A client's connection, kept alive unless a request closes it.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

pub(crate) trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Connects to a Unix socket once a server listens on it.
    pub(crate) fn to_socket(path: &Path) -> Self {
        let mut stream = None;
        eventually("a server listens on the socket", || {
            stream = UnixStream::connect(path).ok();
            stream.is_some()
        });
        let stream = stream.unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Sends raw bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: feeds.example.org\r\n");
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.send(head.as_bytes());
        self.answer(method)
    }

    /// Reads the answer to a request of this method.
    pub(crate) fn answer(&mut self, method: &str) -> Response {
        read_answer(&mut self.stream, method).unwrap()
    }

    /// Waits for a byte or the end, and returns `true` if the server has closed the connection.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.stream.fill_buf().unwrap().is_empty()
    }

    /// Waits until the server closes the connection, and checks that no byte comes before.
    pub(crate) fn ends(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The fields by name in lower case.
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// Returns the body without its coding.
    pub(crate) fn decoded(&self) -> Vec<u8> {
        let mut decoded = Vec::new();
        match self.field("content-encoding") {
            "gzip" => drop(flate2::read::GzDecoder::new(&*self.body).read_to_end(&mut decoded).unwrap()),
            "br" => brotli::BrotliDecompress(&mut &*self.body, &mut decoded).unwrap(),
            _ => decoded.clone_from(&self.body),
        }
        decoded
    }

    pub(crate) fn tag(&self) -> &str {
        let tag = self.field("etag");
        assert!(!tag.is_empty(), "no entity tag: {:?}", self.fields);
        tag
    }
}

/// Sends a signal to a process, through the shell: not every system has a `kill` program.
pub(crate) fn signal(process: &Child, name: &str) {
    let kill = Command::new("sh").args(["-c", &format!("kill {name} {}", process.id())]).status();
    assert!(kill.unwrap().success());
}
