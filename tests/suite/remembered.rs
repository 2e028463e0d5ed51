//! The cache of records makes a start faster and changes no output.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::cold::{Tree, files};
use crate::serving::{Served, text};
use crate::support::{Connection, Workspace, dated, eventually, same, seed};

/// Builds into a directory of this name, and returns its files.
fn build(work: &Workspace, name: &str, arguments: &[&str]) -> Tree {
    let feeds = work.path().join(name);
    let mut command = work.command("build");
    command.env("XDG_CACHE_HOME", work.path().join("cache")).arg("--feeds").arg(&feeds).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    files(&feeds)
}

fn cached(work: &Workspace) -> Option<PathBuf> {
    let directory = fs::read_dir(work.path().join("cache/sower")).ok()?;
    directory.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|it| it == "seeds"))
}

fn has(file: &Path, text: &str) -> bool {
    fs::read(file).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes())
}

fn sown() -> Workspace {
    let work = Workspace::new();
    for number in 0..20 {
        let topics = format!("[Topic {}, All of them]", number % 3);
        work.write(&format!("{}/{number}.md", number % 4), dated(&format!("Number {number}"), &topics));
    }
    work.write("same.md", seed("Same", "One", "id: urn:x:1\ndate: 2024-01-01\n"));
    work.write("again.md", seed("Again", "Two", "id: urn:x:1\ndate: 2024-01-01\nquality: 1\n"));
    work.write("draft.md", seed("Draft", "One", "draft: true\n"));
    work.write("broken.md", "---\ntitle: [\n---\n");
    work.write("README.md", "No seed\n");
    work
}

#[test]
fn texts_that_no_feed_shows_change_no_output() {
    let work = sown();
    let settings = "selections: [{name: oldest, any: [topic-1], order: heat, entries: 2}]";
    fs::write(work.path().join("sower.yaml"), settings).unwrap();
    let few = ["--archives", "false", "--entries", "3"];
    let whole = build(&work, "whole", &few);
    assert!(whole.contains_key("selections/oldest.atom"), "{:?}", whole.keys());
    let without = build(&work, "without", &[&few[..], &["--no-cache"]].concat());
    same(&without, &whole);
}

#[test]
fn build_is_the_same_with_and_without_the_cache() {
    let work = sown();
    build(&work, "cold", &["--no-cache"]);
    assert_eq!(cached(&work), None, "`--no-cache` leaves nothing behind");
    fill_cache(&work);
    let changes: [&dyn Fn(); 4] = [
        &|| {},
        &|| {
            work.write("0/0.md", dated("Number 0, corrected", "[Topic 0]"));
            work.write("new.md", dated("New", "[Topic 9]"));
            work.remove("2/2.md");
        },
        &|| {
            work.write("1/1.md", "---\ntitle: [\n---\n");
            work.write("3/3.md", "");
            work.rename("3", "moved");
            work.remove("again.md");
        },
        &|| {
            work.write("1/1.md", dated("Number 1, corrected", "[Topic 1]"));
            work.write("README.md", dated("A seed after all", "[Topic 9]"));
            work.write("same.md", "No seed any more\n");
        },
    ];
    for (step, change) in changes.iter().enumerate() {
        change();
        // A new directory for each: a mirror keeps the feeds of emptied topics.
        let warm = build(&work, &format!("warm {step}"), &[]);
        same(&warm, &build(&work, &format!("cold {step}"), &["--no-cache"]));
        assert!(warm.len() > 20);
    }
}

#[test]
fn damaged_cache_is_ignored() {
    let work = sown();
    let cold = build(&work, "cold", &["--no-cache"]);
    fill_cache(&work);
    let file = cached(&work).unwrap();
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        for damaged in [flipped, whole[..at].to_vec()] {
            fs::write(&file, damaged).unwrap();
            fs::remove_dir_all(work.path().join("warm")).unwrap();
            same(&build(&work, "warm", &[]), &cold);
        }
    }
}

#[test]
fn cache_of_another_configuration_is_ignored() {
    let work = sown();
    work.write("tagged.md", "---\ntitle: Tagged\ndate: 2024-01-01\ntags: [Moss]\n---\n");
    build(&work, "before", &[]);
    eventually("the cache has every record", || {
        build(&work, "before", &[]);
        cached(&work).is_some_and(|file| has(&file, "Number 19") && has(&file, "tagged.md"))
    });
    for (name, arguments) in [
        ("fields", &["--topic-fields", "tags"][..]),
        ("topic", &["--default-topic", "Posts"]),
        ("permalink", &["--permalink", "https://example.org/{name}/"]),
        ("all", &["--topic-fields", "tags", "--topic-words", "true", "--default-topic", "Posts"]),
        ("none", &[]),
    ] {
        let warm = build(&work, &format!("warm {name}"), arguments);
        let cold = build(&work, &format!("cold {name}"), &[arguments, &["--no-cache"]].concat());
        same(&warm, &cold);
        let has_tagged = cold.contains_key("topics/moss.atom") || cold.contains_key("topics/posts.atom");
        assert_eq!(has_tagged, !matches!(name, "none" | "permalink"), "{name}");
    }
}

/// Serves with the cache of the workspace.
fn serve(work: &Workspace, flags: &[&str]) -> Served {
    let cache = work.path().join("cache");
    Served::start(work, flags, &[("XDG_CACHE_HOME", cache.to_str().unwrap())])
}

/// Builds until the cache has every record of [`sown`].
fn fill_cache(work: &Workspace) {
    eventually("the cache has every record", || {
        build(work, "warm", &[]);
        cached(work).is_some_and(|file| has(&file, "Number 19") && has(&file, "urn:x:1"))
    });
}

/// Returns the status, the entity tag and the body of the first answer at each of these paths.
fn first_answers(served: &Served, paths: &[&str]) -> Vec<(u16, String, Vec<u8>)> {
    let mut connection = Connection::to_socket(&served.socket);
    let mut get = |path: &&str| {
        let answer = connection.request("GET", path, &[]);
        (answer.status, answer.field("etag").to_owned(), answer.body)
    };
    paths.iter().map(&mut get).collect()
}

/// Checks that a start with the cache serves the same as a start without it, from the first answer on.
fn assert_same_as_cold(work: &Workspace, flags: &[&str], step: &str) {
    let paths = [
        "/all.atom",
        "/all.atom?any=topic-1",
        "/all/2024-01.json",
        "/",
        "/feeds.opml",
        "/topics/topic-0.json",
        "/topics/topic-1.rss",
        "/topics/one",
        "/nothing",
    ];
    let start = |flags: &[&str]| {
        let served = serve(work, flags);
        (first_answers(&served, &paths), served.stop().1)
    };
    let (warm, log) = start(flags);
    let (cold, _) = start(&[flags, &["--no-cache"]].concat());
    for (path, (warm, cold)) in paths.iter().zip(warm.iter().zip(&cold)) {
        assert_eq!((warm.0, &warm.1), (cold.0, &cold.1), "{step}: {path}: {log}");
        assert!(warm.2 == cold.2, "{step}: {path}: {log}");
    }
}

#[test]
fn warm_start_serves_what_a_cold_start_serves() {
    let work = sown();
    fill_cache(&work);
    for flags in [&["--entries", "3"][..], &["--entries", "3", "--feeds", "off"]] {
        assert_same_as_cold(&work, flags, "warm");
    }
}

#[test]
fn changes_made_while_stopped_are_served_from_the_start() {
    let work = sown();
    let settings = work.path().join("sower.yaml");
    let changes: [(&dyn Fn(), &[&str]); 7] = [
        (&|| work.write("0/0.md", dated("Number 0, corrected", "[Topic 0]")), &[]),
        (&|| work.write("0/0.md", seed("Number 0", "Topic 0", "date: 2024-01-01\ndraft: true\n")), &[]),
        (&|| work.remove("1/1.md"), &[]),
        (&|| work.write("2/2.md", "---\ntitle: [\n---\n"), &[]),
        (&|| work.rename("3", "moved"), &[]),
        (&|| fs::write(&settings, "title: Another\n").unwrap(), &[]),
        (&|| {}, &["--entries", "3"]),
    ];
    fill_cache(&work);
    for (step, (change, more)) in changes.into_iter().enumerate() {
        change();
        assert_same_as_cold(&work, &[&["--feeds", "off"], more].concat(), &format!("change {step}"));
    }
}

#[test]
fn seed_removed_while_stopped_is_not_served() {
    let work = sown();
    // Saved too recently to be in the cache, and broken, so that its last good record is shown until the end.
    let new = (dated("New", "Topic 0"), "sower_entries 22");
    let broken = ("---\ntitle: [\n---\n".to_owned(), "sower_faults 2");
    fill_cache(&work);
    for (path, (content, metric)) in [("new.md", new), ("0/0.md", broken)] {
        let served = serve(&work, &["--feeds", "off"]);
        served.admin("/readyz");
        work.write(path, content);
        eventually("the change is served", || text(&served.admin("/metrics")).contains(metric));
        served.stop();
        work.remove(path);
        assert_same_as_cold(&work, &["--feeds", "off"], path);
    }
}
