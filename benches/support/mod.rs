//! What the programs share that start the real binary and look at it from outside.

pub(crate) mod seeds;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Where the publication says that it is, whatever port it is served on.
pub(crate) const URL: &str = "https://feeds.example.org/";
/// How long reading a directory of seeds for the first time may take.
const BEGINNING: Duration = Duration::from_secs(120);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pseudo-random sequence (`SplitMix64`), the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below another.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end.max(1) as u64).unwrap_or(0)
    }
}

/// The value that as many in a hundred do not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// An address of this machine that nobody listens at.
///
/// Its port is below those that systems give to clients: while nobody listens there, a client that
/// was given the very port would be connected with itself.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000)?;
    let free = (first..first + 1000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    Ok(free.context("no port is free")?.local_addr()?)
}

/// A command of the real binary in a directory with `seeds`, whatever the environment says.
pub(crate) fn sower(work: &Path, name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sower"));
    command.env_clear().env("NO_COLOR", "1").current_dir(work).args([name, "--url", URL]);
    command
}

/// A server that is killed when it is no longer needed.
pub(crate) struct Server(pub(crate) Child);

impl Server {
    /// Starts a server, which appends what it says to the file `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let process = command.stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self(process.with_context(|| format!("{} cannot be started", command.get_program().display()))?))
    }

    /// Waits until there is an answer with what is at a path.
    pub(crate) fn until_served(&mut self, address: SocketAddr, path: &str) -> anyhow::Result<()> {
        let until = Instant::now() + BEGINNING;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended before it served anything: {status}");
            }
            let answer = Connection::to(address).ok().and_then(|mut it| it.get(path, &[]).ok());
            if answer.is_some_and(|answer| answer.status == 200) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("{path} is not served within {BEGINNING:?}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An HTTP/1.1 connection that is kept alive.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer, its body as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("no byte of an answer: {0}")]
    Unanswered(io::Error),
    #[error("an answer that is cut short: {0}")]
    CutShort(io::Error),
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, Lost> {
        self.send(path, fields)?;
        self.receive()
    }

    pub(crate) fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<(), Lost> {
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: feeds.example.org\r\n");
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.0.get_mut().write_all(head.as_bytes()).map_err(Lost::Unanswered)
    }

    pub(crate) fn receive(&mut self) -> Result<Answer, Lost> {
        match self.0.fill_buf() {
            Ok([]) => Err(Lost::Unanswered(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => self.answer().map_err(Lost::CutShort),
            Err(error) => Err(Lost::Unanswered(error)),
        }
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let malformed =
            |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("`{line}` in its head"));
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| malformed(&line))?;
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| malformed(&line))?;
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, fields, body: Vec::new() };
        if status != 304 {
            let length = answer.field("content-length");
            answer.body = vec![0; length.parse().map_err(|_| malformed("Content-Length"))?];
            self.0.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

impl Answer {
    /// The value of a header field, by its name in lower case; empty if it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(is, _)| is == name).map_or("", |(_, value)| value)
    }
}
