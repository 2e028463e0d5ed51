//! What is remembered of seeds over restarts makes starting faster, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::cold::{Tree, files};
use crate::serving::{Served, text};
use crate::support::{Connection, Workspace, dated, eventually, same, seed, titles, within};

/// Builds into a directory of its own, and tells what is there then.
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
fn what_no_feed_shows_is_missing_in_none() {
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
fn what_is_built_is_the_same_with_what_is_remembered_and_without() {
    let work = sown();
    build(&work, "cold", &["--no-cache"]);
    assert_eq!(cached(&work), None, "`--no-cache` leaves nothing behind");
    eventually("seeds that nobody writes to are remembered", || {
        build(&work, "warm", &[]);
        cached(&work).is_some_and(|file| has(&file, "Number 19") && has(&file, "urn:x:1"))
    });
    let changes: [&dyn Fn(); 4] = [
        &|| {},
        &|| {
            work.write("0/0.md", dated("Number 0, mended", "[Topic 0]"));
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
            work.write("1/1.md", dated("Number 1, mended", "[Topic 1]"));
            work.write("README.md", dated("A seed after all", "[Topic 9]"));
            work.write("same.md", "No seed any more\n");
        },
    ];
    for (step, change) in changes.iter().enumerate() {
        change();
        // Directories of their own: a mirror keeps what it once had.
        let warm = build(&work, &format!("warm {step}"), &[]);
        same(&warm, &build(&work, &format!("cold {step}"), &["--no-cache"]));
        assert!(warm.len() > 20);
    }
}

#[test]
fn what_is_remembered_and_damaged_is_read_anew() {
    let work = sown();
    let cold = build(&work, "cold", &["--no-cache"]);
    eventually("seeds that nobody writes to are remembered", || {
        build(&work, "warm", &[]);
        cached(&work).is_some_and(|file| has(&file, "Number 19"))
    });
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
fn what_was_read_under_another_configuration_is_read_anew() {
    let work = sown();
    work.write("tagged.md", "---\ntitle: Tagged\ndate: 2024-01-01\ntags: [Moss]\n---\n");
    build(&work, "before", &[]);
    eventually("seeds that nobody writes to are remembered", || {
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

/// Serves over what is remembered in a cache of its own.
fn serve(work: &Workspace, flags: &[&str]) -> Served {
    let cache = work.path().join("cache");
    Served::start(work, flags, &[("XDG_CACHE_HOME", cache.to_str().unwrap())])
}

/// Whether a log says that what was published last was there at once.
fn resumed(log: &str) -> bool {
    log.contains("nothing has changed since what was published last")
}

/// Serves until what is served can be served at once by the next.
fn serve_until_settled(work: &Workspace, flags: &[&str]) {
    within(
        Duration::from_secs(60),
        "what was published is remembered, and nobody writes to the seeds",
        || {
            let served = serve(work, flags);
            served.get("/all.atom");
            resumed(&served.stop().1)
        },
    );
}

/// What is served at these paths, as soon as it is, and since when it is what it is.
fn told(served: &Served, paths: &[&str]) -> Vec<(u16, String, String, Vec<u8>)> {
    let mut connection = Connection::to_socket(&served.socket);
    let tell = |path: &&str| {
        let answer = connection.request("GET", path, &[]);
        let [tag, date] = ["etag", "last-modified"].map(|name| answer.field(name).to_owned());
        (answer.status, tag, date, answer.body)
    };
    paths.iter().map(tell).collect()
}

#[test]
fn what_was_published_last_is_there_at_once_and_is_what_is_made_of_the_seeds() {
    let work = sown();
    let paths = [
        "/all.atom?any=topic-1",
        "/all/2024-01.json",
        "/",
        "/all",
        "/all.rss",
        "/topics/topic-2.json",
        "/topics/one",
        "/feeds.opml",
        "/nothing",
    ];
    for flags in [&["--entries", "3"][..], &["--entries", "3", "--feeds", "off"]] {
        serve_until_settled(&work, flags);
        let served = serve(&work, flags);
        let at_once = told(&served, &paths);
        eventually("it is ready", || served.admin("/readyz").status == 200);
        let ready = text(&served.admin("/readyz"));
        assert!(ready.starts_with("ready: edition 1 ("), "{ready}");
        let later = told(&served, &paths);
        let shows_new = || titles(&served.get("/topics/topic-1.atom").body).contains(&"New".to_owned());
        work.write("new.md", seed("New", "Topic 1", "date: 2024-06-01\n"));
        eventually("changes are followed", shows_new);
        work.remove("new.md");
        eventually("changes are followed", || !shows_new());
        let log = served.stop().1;
        assert!(resumed(&log) && log.contains("24 seeds"), "{log}");
        let cold = serve(&work, &[flags, &["--no-cache"]].concat());
        let made = told(&cold, &paths);
        cold.stop();
        let statuses: Vec<_> = made.iter().map(|(status, ..)| *status).collect();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 404]);
        assert_eq!(at_once, later);
        for (path, (at_once, made)) in paths.iter().zip(at_once.iter().zip(&made)) {
            assert_eq!((at_once.0, &at_once.1, &at_once.3), (made.0, &made.1, &made.3), "{path}");
        }
    }
}

#[test]
fn what_changed_while_nothing_was_served_is_never_served_as_it_was() {
    let work = sown();
    let flags = ["--feeds", "off"];
    let settings = work.path().join("sower.yaml");
    let changes: [(&dyn Fn(), &[&str]); 7] = [
        (&|| work.write("0/0.md", dated("Number 0, mended", "[Topic 0]")), &[]),
        (&|| work.write("0/0.md", seed("Number 0", "Topic 0", "date: 2024-01-01\ndraft: true\n")), &[]),
        (&|| work.remove("1/1.md"), &[]),
        (&|| work.write("2/2.md", "---\ntitle: [\n---\n"), &[]),
        (&|| work.rename("3", "moved"), &[]),
        (&|| fs::write(&settings, "title: Another\n").unwrap(), &[]),
        (&|| {}, &["--entries", "3"]),
    ];
    for (step, (change, more)) in changes.into_iter().enumerate() {
        serve_until_settled(&work, &flags);
        change();
        let flags = [&flags[..], more].concat();
        same_at_first_as_cold(&work, &flags, &format!("{step}"));
    }
}

/// Checks that what is served first is what is made of the seeds, and nothing that was published before.
fn same_at_first_as_cold(work: &Workspace, flags: &[&str], what: &str) {
    let paths =
        ["/all.atom", "/", "/feeds.opml", "/topics/topic-0.json", "/topics/topic-1.rss", "/topics/one"];
    let told = |flags: &[&str]| {
        let served = serve(work, flags);
        let told = told(&served, &paths).into_iter().map(|(status, tag, _, body)| (status, tag, body));
        (told.collect::<Vec<_>>(), served.stop().1)
    };
    let (first, log) = told(flags);
    let (cold, _) = told(&[flags, &["--no-cache"]].concat());
    assert!(first == cold, "{what}: {log}");
    assert!(!resumed(&log), "{what}: {log}");
}

#[test]
fn what_is_not_remembered_and_gone_is_not_served() {
    let work = sown();
    let flags = ["--feeds", "off"];
    // What was saved just now may be saved again without a trace; of what is broken, the last good record is shown.
    let new = (dated("New", "Topic 0"), "sower_entries 22");
    let broken = ("---\ntitle: [\n---\n".to_owned(), "sower_faults 2");
    for (path, (content, told)) in [("new.md", new), ("0/0.md", broken)] {
        serve_until_settled(&work, &flags);
        let served = serve(&work, &flags);
        work.write(path, content);
        eventually("it is taken in", || text(&served.admin("/metrics")).contains(told));
        served.stop();
        work.remove(path);
        same_at_first_as_cold(&work, &flags, path);
    }
}

#[test]
fn what_is_remembered_of_seeds_and_damaged_is_read_anew_while_what_was_published_is_served() {
    let work = sown();
    serve_until_settled(&work, &[]);
    let file = cached(&work).unwrap();
    let whole = fs::read(&file).unwrap();
    let cold = serve(&work, &["--no-cache"]);
    let expected = cold.get("/all.atom").body;
    cold.stop();
    let mut served_at_once = 0;
    // Most of it is documents, and the seeds stand before them.
    let of_seeds =
        whole.windows(6).enumerate().filter(|(_, bytes)| bytes == b"Number").map(|(at, _)| at).take(6);
    for at in of_seeds.chain((0..whole.len()).step_by(whole.len() / 12)) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, damaged).unwrap();
        let served = serve(&work, &[]);
        assert_eq!(served.get("/all.atom").body, expected);
        eventually("it is ready", || served.admin("/readyz").status == 200);
        assert_eq!(served.get("/all.atom").body, expected);
        let log = served.stop().1;
        assert!(log.contains("24 seeds"), "{log}");
        served_at_once += usize::from(resumed(&log) && log.contains("cannot be trusted"));
    }
    assert!(served_at_once >= 6, "{served_at_once}");
}
