//! Cold builds of a directory of seeds, and an independent parser for their feeds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use feed_rs::model::FeedType;
use sower::catalog::Affected;
use sower::catalog::Catalog;
use sower::config::Config;
use sower::config::args::Settings;
use sower::ingest::{Hint, Scan};
use sower::publish::Publisher;
use sower::publish::archive::Archives;
use sower::render::{self, Format, Publication};
use sower::seed::{Rules, Timestamp};

/// Files or representations, by path.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// A fixed time, after every date in the samples and fixtures.
pub(crate) fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn config(seeds: &Path, settings: Settings) -> Config {
    let seeds = Some(seeds.to_str().unwrap().to_owned());
    let feeds = settings.feeds.clone().or(Some("off".to_owned()));
    Config::resolve(Settings { seeds, feeds, ..settings }).unwrap()
}

/// Reads every seed.
pub(crate) fn catalog(config: &Config, now: Timestamp) -> Catalog {
    read(config, now).0
}

fn read(config: &Config, now: Timestamp) -> (Catalog, Affected) {
    let mut scan = Scan::new(&config.seeds, config.feeds.as_deref(), Rules::new(config, false));
    let mut catalog = Catalog::new(config.unpublished, config.topics.clone());
    let touched = catalog.apply(scan.scan(&Hint::everywhere()).unwrap(), now);
    (catalog, touched)
}

/// Builds the public tree of a directory of seeds.
pub(crate) fn tree(config: &Config, now: Timestamp) -> Tree {
    let (catalog, touched) = read(config, now);
    let mut config = config.clone();
    config.feeds = None;
    let mut publisher = Publisher::new(Arc::new(config));
    publisher.publish(&catalog, &touched, SystemTime::now());
    published(&publisher)
}

/// Returns the current edition of a publisher, with its archive documents.
pub(crate) fn published(publisher: &Publisher) -> Tree {
    let edition = publisher.current().load_full();
    let publication = Publication::new(&edition.config);
    let mut tree: Tree =
        edition.representations.iter().map(|(path, it)| (path.to_string(), it.body.to_vec())).collect();
    for selection in Archives::selections(&edition) {
        let archives = Archives::of(&edition, &selection).unwrap();
        for &month in archives.months() {
            let document = archives.document(month).unwrap();
            tree.extend(Format::ALL.map(|format| {
                let path = render::document_path(&selection, Some(month), format);
                (path, format.render(&document, &publication).unwrap())
            }));
        }
    }
    tree
}

/// Returns the files below a directory, by path, without those that are removed meanwhile.
pub(crate) fn files(root: &Path) -> Tree {
    let walk = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    walk.filter(|file| file.file_type().is_file())
        .filter_map(|file| {
            let path = file.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            Some((path, std::fs::read(file.path()).ok()?))
        })
        .collect()
}

/// An entry of a feed, as an independent parser reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) link: Option<String>,
    pub(crate) title: String,
    pub(crate) published: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) authors: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) summary: Option<String>,
}

/// Parses the entries of a feed.
pub(crate) fn read_back(path: &str, bytes: &[u8]) -> Vec<Seen> {
    let feed = feed_rs::parser::parse(bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
    let inherited = if feed.feed_type == FeedType::JSON { feed.authors } else { Vec::new() };
    // A description without content is the content in RSS.
    let is_rss = matches!(feed.feed_type, FeedType::RSS2);
    let entries = feed.entries.into_iter().map(|entry| Seen {
        id: entry.id,
        link: entry
            .links
            .iter()
            .find(|link| matches!(link.rel.as_deref(), None | Some("alternate")))
            .map(|link| link.href.clone()),
        title: entry.title.unwrap().content,
        published: entry.published.unwrap(),
        updated: entry.updated.or(entry.published).unwrap(),
        authors: entry
            .authors
            .into_iter()
            .filter(|author| !inherited.contains(author))
            .filter_map(|author| author.name)
            .collect(),
        categories: entry
            .categories
            .into_iter()
            .filter(|category| category.scheme.as_ref().is_none_or(|scheme| scheme.ends_with("/topics/")))
            .map(|category| category.term)
            .collect(),
        summary: entry.summary.filter(|_| !is_rss || entry.content.is_some()).map(|summary| summary.content),
    });
    entries.collect()
}
