//! Unchanged seeds of Hugo, Jekyll and Zola, each with the sower.yaml of docs/moving.md.
//!
//! `UPDATE_GOLDENS=1 cargo test` rewrites the expected files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sower::catalog::report;
use sower::config::Config;
use sower::config::args::Settings;

use crate::cold::{self, Tree, read_back};

const PEERS: [&str; 3] = ["hugo", "jekyll", "zola"];

fn site(peer: &str) -> String {
    format!("tests/fixtures/moving/{peer}")
}

fn config(peer: &str) -> Config {
    let config = Some(format!("{}/sower.yaml", site(peer)));
    Config::resolve(Settings { config, ..Settings::default() }).unwrap()
}

fn grown(peer: &str) -> Tree {
    cold::tree(&config(peer), cold::now())
}

#[test]
fn check_reports_exactly_the_faults_of_each_site() {
    for peer in PEERS.into_iter().chain(["slips"]) {
        let catalog = cold::catalog(&config(peer), cold::now());
        let mut check: Vec<_> = catalog.faults().map(|fault| report::fault(fault, false)).collect();
        check.push(report::summary(&catalog));
        let (check, file) = (check.join("\n\n"), format!("{}/check.txt", site(peer)));
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&file, &check).unwrap();
        }
        assert_eq!(check, fs::read_to_string(&file).unwrap(), "{peer}");
    }
}

#[test]
fn imported_entries_keep_links_dates_and_topics() {
    for peer in PEERS {
        let tree = grown(peer);
        let entries: Vec<_> = read_back("all.atom", &tree["all.atom"])
            .into_iter()
            .map(|seen| {
                let link = seen.link.unwrap();
                let (published, updated) = (seen.published.to_rfc3339(), seen.updated.to_rfc3339());
                format!(
                    "{}\n  {link}\n  {}\n  {published} {updated}\n  {}\n",
                    seen.title,
                    seen.id,
                    seen.categories.join(", ")
                )
            })
            .collect();
        let (entries, file) = (entries.concat(), format!("{}/entries.txt", site(peer)));
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            fs::write(&file, &entries).unwrap();
        }
        assert_eq!(entries, fs::read_to_string(&file).unwrap(), "{peer}");
    }
}

#[test]
fn held_record_of_another_site_is_in_no_output() {
    for peer in PEERS {
        for (path, bytes) in grown(peer) {
            assert!(!String::from_utf8(bytes).unwrap().contains("HELDTEXT"), "{peer}: {path}");
        }
    }
}

#[test]
fn moving_guide_quotes_the_tested_configurations() {
    let guide = fs::read_to_string("docs/moving.md").unwrap();
    for peer in PEERS {
        let lines = fs::read_to_string(format!("{}/sower.yaml", site(peer))).unwrap();
        for line in lines.lines().filter(|line| !["title", "feeds"].iter().any(|key| line.starts_with(key))) {
            assert!(guide.contains(line), "{peer}: {line}");
        }
    }
}

/// The ids: they are a promise, and no configuration of links may change them.
#[test]
fn permalink_sets_links_and_no_ids() {
    let ids = |config: &Config| -> BTreeMap<String, Option<String>> {
        let tree = cold::tree(config, cold::now());
        read_back("all.json", &tree["all.json"]).into_iter().map(|seen| (seen.id, seen.link)).collect()
    };
    for peer in PEERS {
        let with = config(peer);
        let mut without = with.clone();
        without.seed_settings.permalink = None;
        let (with, without) = (ids(&with), ids(&without));
        assert!(with.keys().eq(without.keys()), "{peer}");
        assert!(with.values().all(Option::is_some) && without.values().all(Option::is_none), "{peer}");
    }
}

#[test]
fn permalink_and_default_topic_change_no_complete_seed() {
    let settings = |permalink: Option<&str>, fields: Option<&str>, topic: Option<&str>| Settings {
        url: Some("https://feeds.example.org/".to_owned()),
        permalink: permalink.map(str::to_owned),
        topic_fields: fields.map(str::to_owned),
        default_topic: topic.map(str::to_owned),
        ..Settings::default()
    };
    let grown = |settings| cold::tree(&cold::config(Path::new("seeds"), settings), cold::now());
    let before = grown(settings(None, None, None));
    let after =
        grown(settings(Some("https://example.org/{name}/"), Some("tags,taxonomies.tags"), Some("Posts")));
    assert!(before == after, "the sample seeds need no configuration");
}
