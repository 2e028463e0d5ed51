//! Seeds of every shape, valid and hostile, with the feeds and faults expected of them.
//!
//! `UPDATE_GOLDENS=1 cargo test` rewrites the expected files.

use std::path::Path;

use sower::catalog::report;
use sower::config::args::Settings;

use crate::cold::{self, Tree, config, files, read_back};

const SEEDS: &str = "tests/fixtures/shapes/seeds";
const FEEDS: &str = "tests/fixtures/shapes/feeds";

pub(crate) fn grown() -> Tree {
    let settings = Settings {
        url: Some("https://feeds.example.org/".to_owned()),
        title: Some("Shapes & <Sizes>".to_owned()),
        ..Settings::default()
    };
    let config = config(Path::new(SEEDS), settings);
    let mut tree = cold::tree(&config, cold::now());
    let catalog = cold::catalog(&config, cold::now());
    let mut check: Vec<_> = catalog.faults().map(|fault| report::fault(fault, false)).collect();
    check.push(report::summary(&catalog));
    tree.insert("check.txt".to_owned(), check.join("\n\n").into_bytes());
    tree
}

#[test]
fn every_shape_renders_the_same_feeds() {
    let grown = grown();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        let _ = std::fs::remove_dir_all(FEEDS);
        for (path, bytes) in &grown {
            let file = Path::new(FEEDS).join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, bytes).unwrap();
        }
    }
    let golden = files(Path::new(FEEDS));
    assert_eq!(golden.keys().collect::<Vec<_>>(), grown.keys().collect::<Vec<_>>());
    for (path, bytes) in &grown {
        let (is, was) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&golden[path]));
        assert_eq!(is, was, "{path}");
    }
}

#[test]
fn formats_read_back_alike() {
    let grown = grown();
    let mut feeds = 0;
    for (path, rss) in grown.iter().filter(|(path, _)| path.ends_with(".rss")) {
        let entries_in = |format: &str| {
            let path = path.replace(".rss", format);
            read_back(&path, &grown[&path])
        };
        let rss = read_back(path, rss);
        assert!(!rss.is_empty(), "{path}");
        // RSS has a summary as HTML, and the parser ignores `atom:updated`.
        let alike = |seen: &cold::Seen, html: bool| {
            let unescape = |text: String| if html { htmlize::unescape(text).into_owned() } else { text };
            let summary = seen.summary.clone().map(unescape);
            cold::Seen { summary, updated: seen.published, ..seen.clone() }
        };
        let rss: Vec<_> = rss.iter().map(|seen| alike(seen, true)).collect();
        let (atom, json) = (entries_in(".atom"), entries_in(".json"));
        assert_eq!(atom, json, "{path}");
        let atom: Vec<_> = atom.iter().map(|seen| alike(seen, false)).collect();
        assert_eq!(rss, atom, "{path}");
        feeds += 1;
    }
    assert!(feeds > 10);
}

#[test]
fn hostile_text_reads_back_unchanged() {
    let grown = grown();
    let hostile = |path: &str| {
        let entries = read_back(path, &grown[path]);
        entries
            .into_iter()
            .find(|entry| entry.link.as_deref().is_some_and(|link| link.contains("hostile")))
            .unwrap()
    };
    for path in ["all.atom", "all.json", "all.rss"] {
        let seen = hostile(path);
        assert_eq!(seen.title, "]]> </title><script>alert(1)</script> <b> &amp; x", "{path}");
        assert_eq!(seen.authors, ["<i>P</i> ]]> & Co"], "{path}");
        assert!(seen.categories.contains(&"<Hostile> & ]]>".to_owned()), "{path}: {:?}", seen.categories);
    }
    assert_eq!(hostile("all.atom").summary.unwrap(), "]]> <script>alert(1)</script> a < b & c ©");
}

#[test]
fn topics_have_distinct_addresses() {
    let grown = grown();
    for slug in
        ["c", "c-plus-plus", "c-sharp", "机器学习", "énergie", "r-and-d", "at-home", "launch", "hostile-and"]
    {
        assert!(grown.contains_key(&format!("topics/{slug}.atom")), "{slug}");
    }
}

#[test]
fn held_and_secured_values_are_in_no_output() {
    for (path, bytes) in grown() {
        let text = String::from_utf8(bytes).unwrap();
        for word in ["HELDTEXT", "SECUREDTEXT"] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
}
