//! A process killed at any moment leaves a mirror of whole feeds, all in the list that the next process reads.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sower::render::opml;
use walkdir::WalkDir;

use crate::cold::{Tree, files};
use crate::support::{DEADLINE, Doomed, Finish, Workspace, same, seed, titles, with_entries};

const ROUNDS: u64 = 30;
const SEEDS: usize = 40;
const TOPICS: usize = 20;

/// Saves a seed atomically, so that every edition has every entry. Each version has another topic.
fn save(work: &Workspace, number: usize, version: usize) {
    let topics = format!("[Topic {}, Version {} of {}]", number % 4, version % 3, number % TOPICS);
    let excerpt = format!("version {version} ").repeat(200);
    let more = format!("date: 2024-01-01\nexcerpt: {excerpt}\n");
    work.write(".saving", seed(&format!("Number {number}"), &topics, &more));
    work.rename(".saving", &format!("{number}.md"));
}

fn is_unfinished(work: &Workspace) -> bool {
    let mut files = WalkDir::new(work.feeds()).into_iter().filter_map(Result::ok);
    files.any(|file| file.file_name().as_encoded_bytes().ends_with(b".sower-unfinished"))
}

fn assert_whole(left: &Tree) {
    let list = String::from_utf8(left[".sower"].clone()).unwrap();
    for (path, body) in left.iter().filter(|(path, _)| !path.rsplit('/').next().unwrap().starts_with('.')) {
        let end = match path.rsplit('.').next() {
            Some("rss") => "</rss>",
            Some("atom") => "</feed>",
            Some("opml") => "</opml>",
            Some("html") => "</html>",
            Some("svg") => "</svg>",
            Some("js") => "})();",
            _ => "}",
        };
        assert!(body.trim_ascii_end().ends_with(end.as_bytes()), "{path} is cut short");
        assert!(list.lines().any(|line| line == path), "{path} is not on the list");
        if path == opml::PATH || [".html", ".js", ".svg"].iter().any(|ending| path.ends_with(ending)) {
            continue;
        }
        let entries = titles(body).len();
        assert!(entries == SEEDS || path.starts_with("topics/"), "{path}: {entries}");
    }
}

#[test]
fn killed_process_leaves_whole_feeds() {
    let work = Workspace::new();
    for number in 0..SEEDS {
        save(&work, number, 0);
    }
    assert!(work.command("build").stderr(Stdio::null()).status().unwrap().success());
    let mut left = files(&work.feeds());
    let (mut editions, done) = (0, AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1.. {
                for number in 0..SEEDS {
                    // A pause now and then lets the saved seeds be published.
                    if number % 8 == 0 {
                        thread::sleep(Duration::from_millis(30));
                    }
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    save(&work, number, version);
                }
            }
        });
        let _finish = Finish(&done);
        for round in 0..ROUNDS {
            let mut process = Doomed::serve(&work);
            if round % 4 > 0 {
                process.first_edition();
            }
            if round % 2 == 0 {
                thread::sleep(Duration::from_millis(5 + round * 31 % 150));
            } else {
                let until = Instant::now() + DEADLINE;
                while !is_unfinished(&work) {
                    assert!(Instant::now() < until, "no feed is being written");
                }
                thread::sleep(Duration::from_micros(round * 100));
            }
            drop(process);
            let before = std::mem::replace(&mut left, files(&work.feeds()));
            assert_whole(&left);
            editions += usize::from(left != before);
        }
    });
    assert!(editions > 0, "nothing was published in any round");
    for feeds in ["feeds", "afresh"] {
        let mut build = work.command("build");
        assert!(build.args(["--feeds", feeds]).stderr(Stdio::null()).status().unwrap().success());
    }
    let mut afresh = files(&work.path().join("afresh"));
    afresh.remove(".sower");
    same(&with_entries(work.mirrored(), &afresh), &afresh);
}
