//! Shared by the programs that start the real binary and measure it from outside.

pub(crate) mod seeds;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// The URL of the publication, which does not depend on the port.
pub(crate) const URL: &str = "https://feeds.example.org/";
/// The longest time for a first read of the seeds.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// The longest time for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A pseudo-random sequence (`SplitMix64`), the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end.max(1) as u64).unwrap_or(0)
    }
}

/// Returns a percentile of sorted values.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}

/// Returns a local address that is free.
///
/// Its port is below the ephemeral ports: a client that got the same port while no server listens would connect
/// to itself.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000)?;
    let free = (first..first + 1000).find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    Ok(free.context("no port is free")?.local_addr()?)
}

/// Returns a command of the real binary in a directory with `seeds`, with a clean environment.
pub(crate) fn sower(work: &Path, name: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sower"));
    command.env_clear().env("NO_COLOR", "1").current_dir(work).args([name, "--url", URL]);
    command
}

/// A server that is killed when dropped.
pub(crate) struct Server(pub(crate) Child);

impl Server {
    /// Starts a server whose output is appended to a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let process = command.stdout(log.try_clone()?).stderr(log).spawn();
        Ok(Self(process.with_context(|| format!("cannot start {}", command.get_program().display()))?))
    }

    /// Waits until the answer for a path is 200.
    pub(crate) fn until_served(&mut self, address: SocketAddr, path: &str) -> anyhow::Result<()> {
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if let Some(status) = self.0.try_wait()? {
                bail!("the server ended before its first answer: {status}");
            }
            let answer = Connection::to(address).ok().and_then(|mut it| it.get(path, &[]).ok());
            if answer.is_some_and(|answer| answer.status == 200) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("{path} is not served within {START_TIMEOUT:?}")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A persistent HTTP/1.1 connection.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer with its body as received.
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A failure to get an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("no answer: {0}")]
    NoAnswer(io::Error),
    #[error("incomplete answer: {0}")]
    CutShort(io::Error),
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, RequestError> {
        self.send(path, fields)?;
        self.receive()
    }

    pub(crate) fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<(), RequestError> {
        let mut head = format!("GET {path} HTTP/1.1\r\nHost: feeds.example.org\r\n");
        for (name, value) in fields {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.0.get_mut().write_all(head.as_bytes()).map_err(RequestError::NoAnswer)
    }

    pub(crate) fn receive(&mut self) -> Result<Answer, RequestError> {
        match self.0.fill_buf() {
            Ok([]) => Err(RequestError::NoAnswer(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => self.answer().map_err(RequestError::CutShort),
            Err(error) => Err(RequestError::NoAnswer(error)),
        }
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let malformed =
            |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("invalid header line `{line}`"));
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
    /// Returns the value of a header field, by its name in lower case, or an empty text.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(is, _)| is == name).map_or("", |(_, value)| value)
    }
}
