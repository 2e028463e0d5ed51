//! The access log: a line for each answer, on standard output.
//!
//! Lines are handed to a thread that writes them, so that whoever reads them slowly, or not at
//! all, holds up no answer: what does not fit in the queue is counted and left out.

use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{CONTENT_ENCODING, HeaderName, REFERER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Version};
use serde::{Serialize, Serializer};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tracing::warn;

use super::client::Peer;
use crate::config::AccessLog as Form;

/// Most lines that wait to be written.
const QUEUE: usize = 8192;
/// Most characters of what a client sends that a line has of each field.
const LONGEST: usize = 1024;
/// How long the lines that wait may take to be written once serving stops.
const PATIENCE: Duration = Duration::from_secs(2);

/// The access log.
pub(super) struct AccessLog {
    form: Form,
    queue: Sender<Message>,
    left_out: AtomicU64,
}

enum Message {
    Line(String),
    /// Asks to be told that everything before has been written.
    Flush(oneshot::Sender<()>),
}

impl AccessLog {
    pub(super) fn new(form: Form) -> Self {
        let (queue, messages) = channel(QUEUE);
        std::thread::spawn(move || write(messages, std::io::stdout()));
        Self { form, queue, left_out: AtomicU64::new(0) }
    }

    /// Waits until what was logged has been written, as far as anybody reads it.
    pub(super) async fn finish(&self) {
        let (written, all) = oneshot::channel();
        let finish = async {
            if self.queue.send(Message::Flush(written)).await.is_ok() {
                let _ = all.await;
            }
        };
        if tokio::time::timeout(PATIENCE, finish).await.is_err() {
            warn!("the last lines of the access log were not read in time, and are lost");
        }
    }

    /// Logs an answer to a client.
    pub(super) fn log<B>(
        &self,
        client: Peer,
        request: &Request<B>,
        answer: &Response<Full<Bytes>>,
        now: SystemTime,
    ) {
        self.send(&Line::of(client, request, answer, now));
    }

    /// Logs what a client was told that sent something else than a request.
    pub(super) fn log_unread(&self, client: Peer, status: StatusCode, now: SystemTime) {
        self.send(&Line::unread(client, status, now));
    }

    fn send(&self, line: &Line<'_>) {
        let line = match self.form {
            Form::Common => line.common(),
            Form::Json => line.json(),
        };
        let Err(failed) = self.queue.try_send(Message::Line(line)) else { return };
        let before = self.left_out.fetch_add(1, Relaxed);
        match failed {
            TrySendError::Full(_) if before.is_multiple_of(QUEUE as u64) => {
                warn!("the access log is read too slowly: {} lines were left out so far", before + 1);
            }
            TrySendError::Closed(_) if before.is_multiple_of(QUEUE as u64) => {
                warn!("standard output cannot be written: there is no access log any more");
            }
            _ => {}
        }
    }
}

/// Writes what comes, until nobody can log any more or nobody can read.
fn write(mut queue: Receiver<Message>, out: impl Write) {
    let mut out = BufWriter::new(out);
    while let Some(message) = queue.blocking_recv() {
        let mut asked = None;
        let written = match message {
            Message::Line(line) => out.write_all(line.as_bytes()),
            Message::Flush(flushed) => {
                asked = Some(flushed);
                Ok(())
            }
        };
        let written = if queue.is_empty() || asked.is_some() { written.and(out.flush()) } else { written };
        if written.is_err() {
            return;
        }
        if let Some(flushed) = asked {
            let _ = flushed.send(());
        }
    }
}

fn length<B>(request: &Request<B>, answer: &Response<Full<Bytes>>) -> u64 {
    if request.method() == Method::HEAD { 0 } else { answer.body().size_hint().lower() }
}

fn field<'a, B>(request: &'a Request<B>, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok().map(beginning)
}

fn target<B>(request: &Request<B>) -> &str {
    request.uri().path_and_query().map_or("*", |target| beginning(target.as_str()))
}

/// As much of a text as a line has room for: lines wait in memory when nobody reads them.
fn beginning(text: &str) -> &str {
    text.char_indices().nth(LONGEST).map_or(text, |(end, _)| &text[..end])
}

/// What a line says. Of what was no request, nothing is known.
#[derive(Serialize)]
struct Line<'a> {
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

impl<'a> Line<'a> {
    fn of<B>(
        client: Peer,
        request: &'a Request<B>,
        answer: &'a Response<Full<Bytes>>,
        now: SystemTime,
    ) -> Self {
        Self {
            method: Some(request.method().as_str()),
            target: Some(target(request)),
            version: Some(request.version()),
            bytes: length(request, answer),
            coding: answer.headers().get(CONTENT_ENCODING).and_then(|coding| coding.to_str().ok()),
            referrer: field(request, &REFERER),
            user_agent: field(request, &USER_AGENT),
            ..Self::unread(client, answer.status(), now)
        }
    }

    fn unread(client: Peer, status: StatusCode, now: SystemTime) -> Self {
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

    /// The combined form of the Common Log Format. Quotes and what is no visible ASCII are escaped, so
    /// that a line is a line whatever a client sends.
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

    fn answer() -> Response<Full<Bytes>> {
        let answer = Response::builder().status(200).header("content-encoding", "gzip");
        answer.body(Full::new(Bytes::from_static(b"12345"))).unwrap()
    }

    #[test]
    fn lines_are_lines_whatever_a_client_sends() {
        let now: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let client = Some("192.0.2.1".parse().unwrap());
        assert_eq!(
            Line::of(client, &request(), &answer(), now.into()).common(),
            "192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] \"GET /all.atom?q=%22 HTTP/1.1\" 200 5 \
             \"https://a.example/\" \"a \\\"reader\\\"\\t\\\\\"\n"
        );
        let line = Line::of(None, &request(), &answer(), now.into()).json();
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["user_agent"], "a \"reader\"\t\\");
        assert_eq!((&read["coding"], &read["bytes"]), (&"gzip".into(), &5.into()));
        assert_eq!(line.matches('\n').count(), 1);
        let unread = Line::unread(client, StatusCode::BAD_REQUEST, now.into());
        assert_eq!(unread.common(), "192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] \"-\" 400 0 \"-\" \"-\"\n");
        let read: serde_json::Value = serde_json::from_str(&unread.json()).unwrap();
        assert_eq!((&read["time"], &read["status"]), (&"2026-01-02T03:04:05.000Z".into(), &400.into()));
        assert!(read["method"].is_null() && read["target"].is_null());
    }
}
