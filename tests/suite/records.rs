//! Feeds compared with a second, simpler reading of their seeds.
//!
//! The samples are always read, and real records if they exist on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_yaml::Value;
use sower::config::args::Settings;
use sower::seed::Timestamp;
use sower::text::slug;

use crate::cold::{self, config, read_back};
use crate::support::skipped;

/// A seed, read in the simplest way that is right for seeds without faults.
#[derive(Debug, Clone)]
struct Plain {
    path: String,
    id: String,
    link: Option<String>,
    title: String,
    published: Timestamp,
    quality: f64,
    topics: Vec<String>,
}

enum Verdict {
    Shown(Plain),
    Held,
}

fn read(root: &Path, path: &Path) -> Option<Verdict> {
    let relative = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let yaml = if path.extension()? == "yaml" {
        &*text
    } else {
        text.strip_prefix("---\n")?.split("\n---").next()?
    };
    let fields: Value = serde_yaml::from_str(yaml).unwrap();
    let text = |keys: &[&str]| keys.iter().find_map(|key| fields.get(key)?.as_str().map(str::to_owned));
    let flag = |key: &str| fields.get(key).and_then(Value::as_bool);
    let file_name = path.file_name()?.to_str()?;
    let date = text(&["publishedDateTime", "date"]).or_else(|| file_name.get(..10).map(str::to_owned));
    let date = date.and_then(|date| {
        let day = format!("{date}T00:00:00Z");
        let spaced = date.replacen(' ', "T", 1).replace(' ', "");
        [date, day, spaced].iter().find_map(|date| {
            let parsed = chrono::DateTime::parse_from_rfc3339(date).ok();
            parsed.or_else(|| chrono::DateTime::parse_from_str(date, "%Y-%m-%dT%H:%M:%S%z").ok())
        })
    });
    let hidden =
        flag("published") == Some(false) || flag("draft") == Some(true) || flag("removed") == Some(true);
    let published = match date {
        Some(date) if !hidden && date <= cold::now() => date.to_utc(),
        _ => return Some(Verdict::Held),
    };
    let topics = match &fields["topics"] {
        Value::Sequence(names) => names.iter().map(|name| slug(name.as_str().unwrap())).collect(),
        name => vec![slug(name.as_str()?)],
    };
    let (web, original) = (text(&["webUrl"]), text(&["originalUrl"]));
    let quality = fields.get("quality").and_then(Value::as_f64).unwrap_or_default();
    let title = htmlize::unescape(text(&["title", "name"])?).split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Verdict::Shown(Plain {
        path: relative,
        id: text(&["id"]).or(original.clone()).or(web.clone())?,
        link: web.or(original),
        title,
        published,
        quality,
        topics,
    }))
}

/// Returns the number of seeds, the number of held ones, and the entries of every topic, newest first.
fn expected(root: &Path) -> (usize, usize, BTreeMap<String, Vec<Plain>>) {
    let (mut seeds, mut held) = (0, 0);
    let mut by_id: BTreeMap<String, Vec<Plain>> = BTreeMap::new();
    for file in walkdir::WalkDir::new(root).into_iter().map(Result::unwrap) {
        if !file.file_type().is_file() {
            continue;
        }
        match read(root, file.path()) {
            Some(Verdict::Shown(plain)) => by_id.entry(plain.id.clone()).or_default().push(plain),
            Some(Verdict::Held) => held += 1,
            None => continue,
        }
        seeds += 1;
    }
    let mut topics: BTreeMap<String, Vec<Plain>> = BTreeMap::new();
    for mut same in by_id.into_values() {
        same.sort_by(|a, b| {
            b.quality.total_cmp(&a.quality).then(b.published.cmp(&a.published)).then(a.path.cmp(&b.path))
        });
        let mut slugs: Vec<_> = same.iter().flat_map(|plain| plain.topics.clone()).collect();
        slugs.sort();
        slugs.dedup();
        for slug in slugs {
            topics.entry(format!("topics/{slug}")).or_default().push(same[0].clone());
        }
        topics.entry("all".to_owned()).or_default().push(same[0].clone());
    }
    for entries in topics.values_mut() {
        entries.sort_by(|a, b| b.published.cmp(&a.published).then(a.id.cmp(&b.id)));
    }
    (seeds, held, topics)
}

const FORMATS: [&str; 3] = ["atom", "json", "rss"];

fn feeds_say_what_the_seeds_say(root: &Path) {
    let settings = Settings { entries: Some("1000".to_owned()), ..Settings::default() };
    let config = config(root, settings);
    let (seeds, held, expected) = expected(root);
    let census = cold::catalog(&config, cold::now()).census();
    assert_eq!((census.seeds, census.held.values().sum::<usize>(), census.faults), (seeds, held, 0));
    assert_eq!(census.seeds, census.entries + census.duplicates + held, "every seed is accounted for");

    let tree = cold::tree(&config, cold::now());
    let paths = expected.keys().flat_map(|path| {
        let page = format!("{path}/index.html");
        FORMATS.map(|format| format!("{path}.{format}")).into_iter().chain([page])
    });
    let paths: BTreeSet<_> = paths
        .chain(["404.html", "feeds.opml", "icon.svg", "index.html", "script.js"].map(str::to_owned))
        .collect();
    assert_eq!(tree.keys().cloned().collect::<BTreeSet<_>>(), paths);
    for (path, entries) in expected {
        let expected_entries: Vec<_> =
            entries.into_iter().map(|plain| (plain.id, plain.link, plain.title, plain.published)).collect();
        for format in FORMATS {
            let path = format!("{path}.{format}");
            let seen = read_back(&path, &tree[&path]);
            let seen: Vec<_> =
                seen.into_iter().map(|seen| (seen.id, seen.link, seen.title, seen.published)).collect();
            assert_eq!(seen, expected_entries, "{path}");
        }
    }
}

#[test]
fn samples_read_back_like_their_seeds() {
    feeds_say_what_the_seeds_say(Path::new("seeds"));
}

#[test]
fn real_records_read_back_like_their_seeds() {
    if let Some(records) = real_records() {
        feeds_say_what_the_seeds_say(&records);
    }
}

#[test]
fn ciphertext_of_real_records_is_in_no_feed() {
    let Some(records) = real_records() else { return };
    let mut secrets = Vec::new();
    for file in walkdir::WalkDir::new(&records)
        .into_iter()
        .map(Result::unwrap)
        .filter(|file| file.file_type().is_file())
    {
        let text = std::fs::read_to_string(file.path()).unwrap();
        secrets.extend(
            text.lines().filter_map(|line| line.strip_prefix("secured: \"")?.get(..24).map(str::to_owned)),
        );
    }
    assert!(secrets.len() > 100);
    let settings = Settings {
        unpublished: Some("true".to_owned()),
        entries: Some("1000".to_owned()),
        ..Settings::default()
    };
    let config = config(&records, settings);
    let held = format!("{:?}", cold::catalog(&config, cold::now()));
    assert!(secrets.iter().all(|secret| !held.contains(secret.as_str())));
    for (path, bytes) in cold::tree(&config, cold::now()) {
        let text = String::from_utf8(bytes).unwrap();
        assert!(secrets.iter().all(|secret| !text.contains(secret.as_str())), "{path}");
    }
}

pub(crate) fn real_records() -> Option<PathBuf> {
    let records = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.join("shared/records");
    if !records.is_dir() {
        skipped(&format!("no real records at {}", records.display()));
        return None;
    }
    Some(records)
}
