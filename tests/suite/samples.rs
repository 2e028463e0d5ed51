//! The sample seeds and their feeds.

use std::path::Path;

use sower::config::args::Settings;

use crate::cold::{self, Tree, config, files};

#[test]
fn shipped_feeds_match_the_sample_seeds() {
    let grown = cold::tree(&config(Path::new("seeds"), Settings::default()), cold::now());
    let mut shipped = files(Path::new("feeds"));
    let list = String::from_utf8(shipped.remove(".sower").expect("feeds/.sower")).unwrap();
    let paths = |tree: &Tree| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&shipped), paths(&grown), "run `cargo run -- build`");
    assert_eq!(list.lines().skip(1).collect::<Vec<_>>(), paths(&grown), "run `cargo run -- build`");
    for (path, bytes) in grown {
        assert!(
            shipped[&path] == bytes,
            "feeds/{path} is not what the seeds grow into; run `cargo run -- build`"
        );
    }
}

#[test]
fn samples_show_every_kind_of_field() {
    let config = config(Path::new("seeds"), Settings::default());
    let catalog = cold::catalog(&config, cold::now());
    let census = catalog.census();
    assert_eq!(catalog.faults().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert!(
        (14..=20).contains(&census.seeds) && census.entries >= 10 && census.duplicates >= 1,
        "{census:?}"
    );
    assert_eq!(census.held.values().sum::<usize>(), 2, "one unpublished, one scheduled");
    let has = |what: &str, seen: bool| assert!(seen, "no sample has {what}");
    let records: Vec<_> = catalog.entries().all().map(|entry| entry.record.record()).collect();
    has(
        "a video",
        records.iter().any(|record| {
            record.kind.as_deref() == Some("video") && record.content.full().contains("<iframe")
        }),
    );
    has("a length", records.iter().any(|record| record.length.is_some()));
    has("a body in Markdown", records.iter().any(|record| record.content.full().contains("<table>")));
    has("a body in HTML", records.iter().any(|record| &*record.path == "2005-12-14-feed-icon.html"));
    has("related entries", records.iter().any(|record| !record.related.is_empty()));
    has("an action", records.iter().any(|record| !record.actions.is_empty()));
    has("an image", records.iter().any(|record| !record.images.is_empty()));
    has("a second address", records.iter().any(|record| record.via.is_some()));
    has("authors", records.iter().any(|record| !record.authors.is_empty()));
    has("an update", records.iter().any(|record| record.updated.is_some()));
    has("an end", records.iter().any(|record| record.expires.is_some()));
    has("a quality", records.iter().any(|record| record.quality > 0.0));
    assert!(catalog.entries().topic("atom").count() >= 4);
}
