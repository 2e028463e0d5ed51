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
use crate::feed::Selection;
use crate::render::{self, Format, Publication};
use crate::seed::{Timestamp, seconds};

/// Most bytes of documents that are written down: those of thousands of topics would take long to write each time
/// that a process stops.
const LARGEST: usize = 256 << 20;

/// What is written of an edition beside the bytes of its documents.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// A hash of what it was made with.
    config: u128,
    /// From when it is what the seeds say.
    #[serde(with = "seconds")]
    from: Option<Timestamp>,
    /// When it is so no more, though no seed changes.
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

/// An edition, written down, and the bytes of its documents. None if those are too many. It is what the seeds say
/// from an instant on; `bare` are the topics that have a feed in it and no entry.
pub(super) fn write(
    edition: &Edition,
    bare: BTreeSet<Arc<str>>,
    from: Timestamp,
) -> Option<(Vec<u8>, Vec<Bytes>)> {
    let bodies: Vec<_> = edition.representations.values().map(|it| it.body.clone()).collect();
    if bodies.iter().map(Bytes::len).sum::<usize>() > LARGEST {
        return None;
    }
    let document = |(path, it): (&Arc<str>, &Arc<Representation>)| Document {
        path: path.clone(),
        media_type: it.media_type.to_owned(),
        url: it.url.clone(),
        last_modified: it.last_modified,
        page: it.page.clone(),
        length: it.body.len(),
    };
    let written = Written {
        config: fingerprint(&edition.config),
        from: Some(from),
        until: edition.next_due,
        bare,
        documents: edition.representations.iter().map(document).collect(),
    };
    Some((postcard::to_stdvec(&written).ok()?, bodies))
}

/// The edition that was written down, without its entries, if it is the one that is made of the same seeds now.
/// `topics` are the slugs of the topics that have a feed whether they have an entry or not.
pub(super) fn read(
    written: &[u8],
    bodies: impl FnOnce() -> Option<Bytes>,
    config: &Arc<Config>,
    publication: &Publication,
    topics: &BTreeSet<&Arc<str>>,
    now: Timestamp,
) -> Option<Edition> {
    let Written { config: made_with, from, until, bare, documents } = postcard::from_bytes(written).ok()?;
    let is_now = from.is_some_and(|from| from <= now) && until.is_none_or(|until| now < until);
    if made_with != fingerprint(config) || !is_now {
        return None;
    }
    let has_feed = |slug: &str| {
        let path = render::document_path(&Selection::Topic(slug.into()), None, Format::Atom);
        documents.binary_search_by(|document| (*document.path).cmp(&*path)).is_ok()
    };
    // With others, other feeds would be there, or fewer.
    if !topics.iter().all(|slug| has_feed(slug)) || !bare.iter().all(|slug| topics.contains(slug)) {
        return None;
    }
    let (mut bodies, mut found) = (bodies()?, Vec::with_capacity(documents.len()));
    for document in documents {
        if document.length > bodies.len() {
            return None;
        }
        let body = bodies.split_to(document.length);
        found.push((document, body));
    }
    let representations = found.into_par_iter().map(|(document, body)| {
        let Document { path, media_type, url, last_modified, page, .. } = document;
        let media_type = render::media_type(&media_type)?;
        let mut representation = Representation::new(body, media_type, url, last_modified, config.max_age);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn slugs(slugs: &[&str]) -> BTreeSet<Arc<str>> {
        slugs.iter().map(|slug| Arc::from(*slug)).collect()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn edition(config: &Arc<Config>) -> Edition {
        let mut edition = Edition { next_due: Some(at(60)), ..Edition::empty(config.clone()) };
        for (path, media_type) in [
            ("topics/a.atom", Format::Atom.media_type()),
            ("topics/a/index.html", Format::Html.media_type()),
            ("topics/机.atom", Format::Atom.media_type()),
            ("feeds.opml", render::opml::MEDIA_TYPE),
        ] {
            let (body, url) = (path.repeat(9), format!("https://a.example/{path}"));
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
            let mut representation = Representation::new(body, media_type, url, modified, config.max_age);
            representation.page =
                (media_type == Format::Atom.media_type()).then(|| "topics/a/index.html".to_owned());
            edition.put(&path.into(), Arc::new(representation));
        }
        edition
    }

    #[test]
    fn what_is_written_is_read_if_it_would_be_made_again() {
        let config = Arc::new(Config::sample(""));
        let publication = Publication::new(&config);
        let edition = edition(&config);
        let (written, bodies) = write(&edition, slugs(&["机"]), at(0)).unwrap();
        let bodies = Bytes::from(bodies.concat());
        let read_with = |config: &Arc<Config>, topics: &[&str], second| {
            let topics = slugs(topics);
            read(
                &written,
                || Some(bodies.clone()),
                config,
                &publication,
                &topics.iter().collect(),
                at(second),
            )
        };
        let again = read_with(&config, &["机"], 0).unwrap();
        assert!(!again.has_entries && again.number == 1);
        assert_eq!((again.documents_hash, again.next_due), (edition.documents_hash, edition.next_due));
        for (path, was) in &edition.representations {
            let is = &again.representations[path];
            assert_eq!((&is.body, is.media_type, &is.url), (&was.body, was.media_type, &was.url));
            assert_eq!((is.last_modified, is.max_age, &is.page), (was.last_modified, was.max_age, &was.page));
            assert_eq!(is.policy.is_some(), is.is_page());
        }
        let other = Arc::new(Config::sample("title: Another"));
        for (config, topics, second, is_read) in [
            (&config, &["机"][..], 59, true),
            (&config, &["机", "a"], 59, true),
            (&other, &["机"], 0, false),
            (&config, &["机"], 60, false),
            (&config, &["机"], -1, false),
            (&config, &[], 0, false),
            (&config, &["机", "b"], 0, false),
        ] {
            let read = read_with(config, topics, second);
            assert_eq!(read.is_some(), is_read, "{} {topics:?} {second}", config.title);
        }
    }

    #[test]
    fn what_is_cut_short_is_not_read() {
        let config = Arc::new(Config::sample(""));
        let publication = Publication::new(&config);
        let (written, bodies) = write(&edition(&config), BTreeSet::new(), at(0)).unwrap();
        let bodies = Bytes::from(bodies.concat());
        let read = |written: &[u8], bodies: Option<Bytes>| {
            read(written, || bodies, &config, &publication, &BTreeSet::new(), at(0)).is_some()
        };
        assert!(read(&written, Some(bodies.clone())));
        assert!((0..written.len()).all(|end| !read(&written[..end], Some(bodies.clone()))));
        assert!((0..bodies.len()).all(|end| !read(&written, Some(bodies.slice(..end)))));
        assert!(!read(&written, None) && !read(&[0xff; 64], Some(bodies)));
    }
}
