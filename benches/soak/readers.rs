//! Readers that poll every feed and check each answer.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde::de::IgnoredAny;
use xxhash_rust::xxh3::xxh3_128;

use crate::support::{Answer, Connection, Random, RequestError, URL};
use crate::{Soak, lock};

/// The pause before the next connection.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The results of one reader's polls.
#[derive(Default)]
pub(crate) struct Polls {
    /// The times of the answers that no restart delayed.
    pub(crate) took: Vec<Duration>,
    /// The longest time of an answer that a restart delayed.
    pub(crate) slowest_over_restart: Duration,
    /// Answers with status 304.
    pub(crate) unmodified: usize,
    /// Requests without an answer during a restart.
    pub(crate) refused: usize,
}

/// The entity tags and bodies that all readers have seen: a tag stands for one body, and a body has one tag.
#[derive(Default)]
pub(crate) struct Known {
    /// The hashes of bodies by tag; `tags` is the inverse.
    bodies: HashMap<String, u128>,
    tags: HashMap<u128, String>,
    /// The latest tag of an address in a coding.
    latest: HashMap<(String, &'static str), String>,
}

/// Polls random feeds at this interval until the soak is over.
pub(crate) fn poll(soak: &Soak, known: &Mutex<Known>, paths: &[String], seed: u64, apart: Duration) -> Polls {
    let (mut polls, mut random) = (Polls::default(), Random(seed));
    let mut connection = None;
    let mut next = Instant::now();
    while !soak.is_over() {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        next = Instant::now().max(next + apart);

        let path = &paths[random.below(paths.len())];
        let coding = ["identity", "gzip"][random.below(2)];
        let latest = lock(known).latest.get(&(path.clone(), coding)).cloned();
        let sent = latest.filter(|_| random.below(10) > 0);
        let mut fields = vec![("Accept-Encoding", coding)];
        fields.extend(sent.as_deref().map(|tag| ("If-None-Match", tag)));

        let began = Instant::now();
        // A restart closes all connections.
        let restarts = soak.restarts();
        let kept = connection.take().filter(|(_, since)| *since == restarts).map(|(kept, _)| kept);
        let connected = kept.map_or_else(|| Connection::to(soak.address).map_err(RequestError::NoAnswer), Ok);
        let answered = connected.and_then(|mut connected| {
            let answer = connected.get(path, &fields)?;
            Ok((connected, answer))
        });
        match answered {
            Ok((connected, answer)) => {
                let was_down = soak.was_down_since(began);
                if was_down {
                    polls.slowest_over_restart = polls.slowest_over_restart.max(began.elapsed());
                } else {
                    polls.took.push(began.elapsed());
                }
                polls.unmodified += usize::from(answer.status == 304);
                if let Err(fault) = examine(known, path, coding, sent.as_deref(), &answer) {
                    soak.fault(format!("{path} in {coding}: {fault}"));
                }
                // A connection to a server that is stopping will be closed.
                let goes_on = !was_down && answer.field("connection") != "close";
                connection = goes_on.then_some((connected, restarts));
            }
            Err(RequestError::NoAnswer(_)) if soak.may_be_unanswered(began) => {
                polls.refused += 1;
                thread::sleep(POLL_INTERVAL);
            }
            Err(error) => soak.fault(format!("{path}: {error}")),
        }
    }
    polls
}

/// Checks an answer.
fn examine(
    known: &Mutex<Known>,
    path: &str,
    coding: &'static str,
    sent: Option<&str>,
    answer: &Answer,
) -> Result<(), String> {
    let tag = answer.field("etag");
    match (answer.status, sent) {
        (304, Some(sent)) if sent == tag => return Ok(()),
        (200, Some(sent)) if sent == tag => return Err(format!("200 instead of 304 for {tag}")),
        (200, _) => {}
        (status, _) => return Err(format!("status {status} and tag {tag} for If-None-Match {sent:?}")),
    }
    let (body, identity_tag) = match answer.field("content-encoding") {
        "" => (answer.body.clone(), tag.to_owned()),
        "gzip" => {
            let mut body = Vec::new();
            let decoded = GzDecoder::new(&*answer.body).read_to_end(&mut body);
            decoded.map_err(|error| format!("invalid gzip: {error}"))?;
            let identity_tag =
                tag.strip_suffix("-gz\"").ok_or_else(|| format!("{tag} is not a tag of gzip"))?;
            (body, format!("{identity_tag}\""))
        }
        other => return Err(format!("unexpected coding {other}")),
    };
    let hash = xxh3_128(&body);
    {
        let mut known = lock(known);
        known.latest.insert((path.to_owned(), coding), tag.to_owned());
        let is_old = known.bodies.contains_key(&identity_tag);
        if *known.bodies.entry(identity_tag.clone()).or_insert(hash) != hash {
            return Err(format!("two bodies with the tag {identity_tag}"));
        }
        let had = known.tags.entry(hash).or_insert_with(|| identity_tag.clone());
        if *had != identity_tag {
            return Err(format!("the tags {had} and {identity_tag} for one body"));
        }
        if is_old {
            return Ok(());
        }
    }
    is_well_formed(path, &body)
}

fn is_well_formed(path: &str, body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    match path.rsplit_once('.') {
        // The files that pages load.
        Some((_, "js" | "svg")) => return Ok(()),
        Some((_, "json")) => serde_json::from_str(text).map(|_: IgnoredAny| ()).map_err(|e| e.to_string()),
        Some((_, "rss" | "atom" | "opml")) => {
            roxmltree::Document::parse(text).map(drop).map_err(|error| error.to_string())
        }
        _ if text.trim_end().ends_with("</html>") => Ok(()),
        _ => Err("incomplete page".to_owned()),
    }?;
    // Every document has the URL of the publication.
    text.contains(URL).then_some(()).ok_or_else(|| format!("{URL} is missing"))
}
