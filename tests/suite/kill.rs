//! A process that is killed at any moment leaves a mirror of whole feeds, every one of them known
//! to the next process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::cold::{Tree, files};
use crate::support::{Finish, Workspace, same, seed, titles};

const ROUNDS: u64 = 20;
const SEEDS: usize = 40;
const TOPICS: usize = 20;

/// Saves a seed atomically, so that every edition there ever is has every entry.
fn save(work: &Workspace, number: usize, version: usize) {
    let topics = format!("[Topic {}, Topic {}]", number % TOPICS, (number + version) % TOPICS);
    let excerpt = format!("version {version} ").repeat(200);
    let more = format!("date: 2024-01-01\nexcerpt: {excerpt}\n");
    work.write(".saving", seed(&format!("Number {number}"), &topics, &more));
    work.rename(".saving", &format!("{number}.md"));
}

struct Doomed(Child);

impl Doomed {
    fn serve(work: &Workspace) -> Self {
        let mut command = work.command("serve");
        Self(command.args(["--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn first_edition(&mut self) {
        let mut log = BufReader::new(self.0.stderr.as_mut().unwrap()).lines();
        assert!(log.any(|line| line.unwrap().contains("serving https://feeds.example.org/")));
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn assert_whole(left: &Tree) {
    let list = String::from_utf8(left[".sower"].clone()).unwrap();
    for (path, body) in left.iter().filter(|(path, _)| !path.rsplit('/').next().unwrap().starts_with('.')) {
        let end = if path.ends_with(".rss") { "</rss>" } else { "</feed>" };
        assert!(body.trim_ascii_end().ends_with(end.as_bytes()), "{path} is cut short");
        let entries = titles(body).len();
        assert!(entries == SEEDS || path.starts_with("topics/") && entries > 0, "{path}: {entries}");
        assert!(list.lines().any(|line| line == path), "{path} is not on the list");
    }
}

#[test]
fn a_killed_process_leaves_whole_feeds() {
    let work = Workspace::new();
    (0..SEEDS).for_each(|number| save(&work, number, 0));
    assert!(work.command("build").stderr(Stdio::null()).status().unwrap().success());
    let mut left = files(&work.feeds());
    let (mut editions, done) = (0, AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for version in 1.. {
                for number in 0..SEEDS {
                    // Quiet now and then, for long enough that what was saved is published.
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
            thread::sleep(Duration::from_millis(5 + round * 31 % 150));
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
    same(&files(&work.feeds()), &files(&work.path().join("afresh")));
}
