//! The last edition of a process, for the next: if nothing has changed since, it is the one to serve, and it is
//! there before anything is made of the seeds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::Config;
use crate::edition::{Edition, Representation};
use crate::render::{self, Publication};
use crate::seed::{Timestamp, seconds};

/// What is written before the bytes of the documents, which follow each other.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// What it was made with.
    config: u128,
    /// From when it is what the seeds say,
    #[serde(with = "seconds")]
    from: Option<Timestamp>,
    /// and until when, if that is known.
    #[serde(with = "seconds")]
    until: Option<Timestamp>,
    /// Slugs of the topics that have a feed and no entry.
    bare: BTreeSet<Arc<str>>,
    documents: Vec<Document>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Document {
    path: Arc<str>,
    media_type: String,
    url: String,
    last_modified: SystemTime,
    page: Option<String>,
    length: usize,
}

/// A hash of everything that editions depend on beside the seeds, the instant and the program.
fn fingerprint(config: &Config) -> u128 {
    xxh3_128(format!("{config:?}").as_bytes())
}

/// An edition, written down. It is what the seeds say from an instant on; `bare` are the topics that have a feed
/// in it and no entry.
pub fn written(edition: &Edition, bare: BTreeSet<Arc<str>>, from: Timestamp) -> Vec<Bytes> {
    let document = |(path, it): (&Arc<str>, &Arc<Representation>)| Document {
        path: path.clone(),
        media_type: it.media_type.to_owned(),
        url: it.url.clone(),
        last_modified: it.last_modified,
        page: it.page.clone(),
        length: it.body.len(),
    };
    let head = Head {
        config: fingerprint(&edition.config),
        from: Some(from),
        until: edition.next_due,
        bare,
        documents: edition.representations.iter().map(document).collect(),
    };
    #[expect(clippy::expect_used, reason = "every part of a head has a length that is known")]
    let head = postcard::to_stdvec(&head).expect("serializable");
    let length = Bytes::from((head.len() as u64).to_le_bytes().to_vec());
    let bodies = edition.representations.values().map(|it| it.body.clone());
    [length, head.into()].into_iter().chain(bodies).collect()
}

/// The edition that was written down, without its entries, if it is the one that is made of the same seeds now.
/// `topics` are the slugs of the topics that have a feed whether they have an entry or not.
pub fn read(
    written: &[u8],
    config: &Arc<Config>,
    publication: &Publication,
    topics: &BTreeSet<&Arc<str>>,
    now: Timestamp,
) -> Option<Edition> {
    let (length, rest) = written.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (head, mut bodies) = rest.split_at_checked(length)?;
    let Head { config: made_with, from, until, bare, documents } = postcard::from_bytes(head).ok()?;
    let is_now = from.is_some_and(|from| from <= now) && until.is_none_or(|until| now < until);
    if made_with != fingerprint(config) || !is_now {
        return None;
    }
    let mut found = Vec::with_capacity(documents.len());
    for document in documents {
        let (body, rest) = bodies.split_at_checked(document.length)?;
        found.push((document, body));
        bodies = rest;
    }
    let has_feed = |slug: &str| {
        let path =
            render::document_path(&crate::feed::Selection::Topic(slug.into()), None, render::Format::Atom);
        found.binary_search_by(|(document, _)| (*document.path).cmp(&*path)).is_ok()
    };
    // With others, other feeds would be there, or fewer.
    if !topics.iter().all(|slug| has_feed(slug)) || !bare.iter().all(|slug| topics.contains(slug)) {
        return None;
    }
    let representations = found.into_par_iter().map(|(document, body)| {
        let Document { path, media_type, url, last_modified, page, .. } = document;
        let media_type = render::media_type(&media_type)?;
        // Bytes of its own: later each is replaced by itself.
        let mut representation =
            Representation::new(body.to_vec(), media_type, url, last_modified, config.max_age);
        representation.policy = representation.is_page().then(|| publication.policy.clone());
        representation.page = page;
        Some((path, Arc::new(representation)))
    });
    let representations: Option<Vec<_>> = representations.collect();
    let mut edition = Edition {
        number: 1,
        published: SystemTime::from(now),
        next_due: until,
        has_entries: false,
        ..Edition::empty(config.clone())
    };
    for (path, representation) in representations? {
        edition.put(&path, representation);
    }
    Some(edition)
}
