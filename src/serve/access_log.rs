//! The access log: one line for each response, on standard output.
//!
//! A thread writes the lines, so that a slow reader of standard output delays no response. Lines that do not fit into
//! its queue are dropped and counted.

use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, HeaderName, REFERER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Version};
use serde::{Serialize, Serializer};
use tracing::warn;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::client::Client;
use crate::config::AccessLogFormat;

/// The most lines that wait to be written.
const QUEUE: usize = 8192;
/// The time that the last lines may take to be written after the shutdown.
const LAST_LINES: Duration = Duration::from_secs(2);
/// The most characters of a field that are logged.
const MAX_FIELD: usize = 1024;

/// The access log.
pub(super) struct AccessLog {
    format: AccessLogFormat,
    lines: NonBlocking,
    /// The number of dropped lines after which the next warning is due.
    next_warning: AtomicUsize,
}

impl AccessLog {
    /// Starts the thread that writes. The guard is for [`finish`].
    pub(super) fn new(format: AccessLogFormat) -> (Self, WorkerGuard) {
        let out = BufWriter::new(WarnOnce { out: std::io::stdout(), has_failed: false });
        let (lines, guard) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE).finish(out);
        (Self { format, lines, next_warning: AtomicUsize::new(1) }, guard)
    }

    /// Logs a response.
    pub(super) fn record(
        &self,
        client: Client,
        request: &Request<()>,
        response: &Response<Full<Bytes>>,
        now: SystemTime,
    ) {
        self.write(&LogLine::new(client, request, response, now));
    }

    /// Logs the status of an invalid request.
    pub(super) fn record_invalid_request(&self, client: Client, status: StatusCode, now: SystemTime) {
        self.write(&LogLine::of_invalid_request(client, status, now));
    }

    fn write(&self, line: &LogLine<'_>) {
        let line = match self.format {
            AccessLogFormat::Common => line.common(),
            AccessLogFormat::Json => line.json(),
        };
        // Never fails: a line that does not fit is counted.
        let _ = self.lines.clone().write_all(line.as_bytes());
        let dropped = self.lines.error_counter().dropped_lines();
        let due = self.next_warning.load(Relaxed);
        if dropped >= due
            && self.next_warning.compare_exchange(due, dropped + QUEUE, Relaxed, Relaxed).is_ok()
        {
            warn!(
                "standard output is read too slowly: {dropped} lines of the access log were dropped so far"
            );
        }
    }
}

/// Waits until the last lines are written, as far as standard output is read.
pub(super) async fn finish(guard: WorkerGuard) {
    // On a thread that nothing waits for: if nobody reads, dropping the guard may block for ever.
    let (done, written) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        drop(guard);
        let _ = done.send(());
    });
    if tokio::time::timeout(LAST_LINES, written).await.is_err() {
        warn!("standard output is not read: the last lines of the access log are lost");
    }
}

/// A writer that logs its first failure.
struct WarnOnce<W> {
    out: W,
    has_failed: bool,
}

impl<W: Write> Write for WarnOnce<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes);
        if let Err(error) = &written
            && !std::mem::replace(&mut self.has_failed, true)
        {
            warn!("cannot write the access log to standard output: {error}");
        }
        written
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

fn body_length(request: &Request<()>, response: &Response<Full<Bytes>>) -> u64 {
    if request.method() == Method::HEAD { 0 } else { response.body().size_hint().lower() }
}

fn field<'a>(request: &'a Request<()>, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok().map(truncated)
}

fn target(request: &Request<()>) -> &str {
    request.uri().path_and_query().map_or("*", |target| truncated(target.as_str()))
}

/// Truncates a text to the most that a line has of it, since lines wait in memory.
fn truncated(text: &str) -> &str {
    text.char_indices().nth(MAX_FIELD).map_or(text, |(end, _)| &text[..end])
}

/// The fields of a line. Those of an invalid request are unknown.
#[derive(Serialize)]
struct LogLine<'a> {
    #[serde(serialize_with = "milliseconds")]
    time: DateTime<Utc>,
    client: Option<IpAddr>,
    method: Option<&'a str>,
    target: Option<&'a str>,
    #[serde(skip)]
    version: Option<Version>,
    status: u16,
    bytes: u64,
    coding: Option<&'a str>,
    referrer: Option<&'a str>,
    user_agent: Option<&'a str>,
}

impl<'a> LogLine<'a> {
    fn new(
        client: Client,
        request: &'a Request<()>,
        response: &'a Response<Full<Bytes>>,
        now: SystemTime,
    ) -> Self {
        Self {
            method: Some(truncated(request.method().as_str())),
            target: Some(target(request)),
            version: Some(request.version()),
            bytes: body_length(request, response),
            coding: response.headers().get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok()),
            referrer: field(request, &REFERER),
            user_agent: field(request, &USER_AGENT),
            ..Self::of_invalid_request(client, response.status(), now)
        }
    }

    fn of_invalid_request(client: Client, status: StatusCode, now: SystemTime) -> Self {
        Self {
            time: now.into(),
            client,
            method: None,
            target: None,
            version: None,
            status: status.as_u16(),
            bytes: 0,
            coding: None,
            referrer: None,
            user_agent: None,
        }
    }

    /// Formats the line in the combined form of the Common Log Format. Quotes and all but visible ASCII are escaped,
    /// so that no client can forge a line.
    fn common(&self) -> String {
        let client = self.client.map_or_else(|| "unix:".to_owned(), |client| client.to_string());
        let request = match (self.method, self.target, self.version) {
            (Some(method), Some(target), Some(version)) => {
                format!("{method} {} {version:?}", escaped(target))
            }
            _ => "-".to_owned(),
        };
        format!(
            "{client} - - [{}] \"{request}\" {} {} \"{}\" \"{}\"\n",
            self.time.format("%d/%b/%Y:%H:%M:%S +0000"),
            self.status,
            self.bytes,
            escaped(self.referrer.unwrap_or("-")),
            escaped(self.user_agent.unwrap_or("-")),
        )
    }

    fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

fn milliseconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            ' '..='~' => escaped.push(c),
            _ => escaped.extend(c.escape_default()),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<()> {
        let request = Request::get("/all.atom?q=%22").header("user-agent", "a \"reader\"\t\\");
        request.header("referer", "https://a.example/").body(()).unwrap()
    }

    fn response() -> Response<Full<Bytes>> {
        let response = Response::builder().status(200).header("content-encoding", "gzip");
        response.body(Full::new(Bytes::from_static(b"12345"))).unwrap()
    }

    #[test]
    fn client_cannot_forge_a_line() {
        let now: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let client = Some("192.0.2.1".parse().unwrap());
        assert_eq!(
            LogLine::new(client, &request(), &response(), now.into()).common(),
            "192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] \"GET /all.atom?q=%22 HTTP/1.1\" 200 5 \
             \"https://a.example/\" \"a \\\"reader\\\"\\t\\\\\"\n"
        );
        let line = LogLine::new(None, &request(), &response(), now.into()).json();
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["user_agent"], "a \"reader\"\t\\");
        assert_eq!((&read["coding"], &read["bytes"]), (&"gzip".into(), &5.into()));
        assert_eq!(line.matches('\n').count(), 1);
        let invalid = LogLine::of_invalid_request(client, StatusCode::BAD_REQUEST, now.into());
        assert_eq!(invalid.common(), "192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] \"-\" 400 0 \"-\" \"-\"\n");
        let read: serde_json::Value = serde_json::from_str(&invalid.json()).unwrap();
        assert_eq!((&read["time"], &read["status"]), (&"2026-01-02T03:04:05.000Z".into(), &400.into()));
        assert!(read["method"].is_null() && read["target"].is_null());
    }
}
