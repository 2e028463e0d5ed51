//! A daemon on a TCP socket whose seeds change.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SubsecRound, Utc};
use sower::config::args::Settings;
use sower::edition::Coding;
use sower::edition::Representation;

use sower::render::Format;

use crate::cold::{files, tree};
use crate::support::{
    Daemon, Doomed, Response, Workspace, address, dated, eventually, meanwhile, parse, seed, signal,
    throughout, titles, with_entries, within,
};

/// Waits until a new seed is served, and removes it again: by then every file closed before it has been scanned.
fn settle(work: &Workspace, daemon: &Daemon) {
    work.write("settled.md", dated("Settled", "Settled"));
    eventually("the last seed is served", || !daemon.titles("/topics/settled.atom").is_empty());
    work.remove("settled.md");
    eventually("the last seed is removed", || daemon.titles("/topics/settled.atom").is_empty());
}

#[test]
fn new_seed_is_served() {
    let work = Workspace::new();
    let daemon = work.serve();
    daemon.shows(&[]);
    work.write("a.md", dated("A", "[One, Two]"));
    daemon.shows(&["A"]);
    assert_eq!(daemon.titles("/topics/one.atom"), ["A"]);
    assert_eq!(daemon.titles("/topics/two.rss"), ["A"]);
    work.in_step(&daemon);
}

#[test]
fn changed_seed_is_served() {
    let work = Workspace::new();
    work.write("a.md", dated("Before", "[One, Two]"));
    work.write("b.md", dated("B", "Two"));
    let daemon = work.serve();
    daemon.shows(&["Before", "B"]);
    work.write("a.md", dated("After", "[Two, Three]"));
    daemon.shows(&["After", "B"]);
    eventually("the topic that lost its only entry is empty", || {
        let response = daemon.get("/topics/one.atom");
        response.status == 200 && titles(&response.body).is_empty()
    });
    assert_eq!(daemon.titles("/topics/three.rss"), ["After"]);
    work.in_step(&daemon);
}

#[test]
fn renamed_seed_stays_one_entry() {
    let work = Workspace::new();
    let text = |title| seed(title, "One", "id: urn:example:a\ndate: 2024-01-01\n");
    work.write("a.md", text("A"));
    let daemon = work.serve();
    daemon.shows(&["A"]);
    work.rename("a.md", "b.md");
    settle(&work, &daemon);
    daemon.shows(&["A"]);
    assert_eq!(parse(&daemon.get("/all.rss").body).entries[0].id, "urn:example:a");
    work.write("b.md", text("Changed"));
    daemon.shows(&["Changed"]);
    work.in_step(&daemon);
    work.remove("b.md");
    daemon.shows(&[]);
}

#[test]
fn deleted_seed_leaves_every_feed() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "[One, Two]"));
    work.write("b.md", dated("B", "Two"));
    let daemon = work.serve();
    daemon.shows(&["A", "B"]);
    eventually("the topic is mirrored", || work.feeds().join("topics/one.atom").exists());
    work.remove("a.md");
    daemon.shows(&["B"]);
    work.in_step(&daemon);
    let left = daemon.get("/topics/one.atom");
    assert_eq!((left.status, titles(&left.body)), (200, Vec::new()), "its subscribers keep a feed");
    assert_eq!(fs::read(work.feeds().join("topics/one.atom")).unwrap(), left.body);
}

#[test]
fn new_folder_tree_is_served_and_watched() {
    let work = Workspace::new();
    let daemon = work.serve();
    daemon.shows(&[]);
    for path in ["one/two/three/a.md", "one/b.md", "one/two/c.md", "one/two/three/four/d.md"] {
        work.write(path, dated(path, "Tree"));
    }
    daemon.shows(&["one/two/three/a.md", "one/b.md", "one/two/c.md", "one/two/three/four/d.md"]);
    for path in ["one/two/three/a.md", "one/two/three/four/d.md"] {
        work.write(path, dated("Changed", "Tree"));
    }
    daemon.shows(&["Changed", "one/b.md", "one/two/c.md", "Changed"]);
    work.in_step(&daemon);
}

#[test]
fn renamed_folder_is_still_watched() {
    let work = Workspace::new();
    for path in ["old/a.md", "old/deep/b.md", "other.md"] {
        work.write(path, seed(path, "Tree", &format!("id: urn:example:{path}\ndate: 2024-01-01\n")));
    }
    let daemon = work.serve();
    daemon.shows(&["old/a.md", "old/deep/b.md", "other.md"]);
    work.rename("old", "new");
    work.write("new/deep/b.md", dated("Changed", "Tree"));
    daemon.shows(&["old/a.md", "Changed", "other.md"]);
    work.write("new/deep/b.md", dated("Changed again", "Tree"));
    daemon.shows(&["old/a.md", "Changed again", "other.md"]);
    work.in_step(&daemon);
}

#[test]
fn deleted_folder_removes_its_entries() {
    let work = Workspace::new();
    for path in ["old/a.md", "old/deep/b.md", "older/c.md"] {
        work.write(path, dated(path, "Tree"));
    }
    let daemon = work.serve();
    daemon.shows(&["old/a.md", "old/deep/b.md", "older/c.md"]);
    fs::remove_dir_all(work.seed("old")).unwrap();
    daemon.shows(&["older/c.md"]);
    work.in_step(&daemon);
}

#[test]
fn moved_folder_appears_and_disappears() {
    let work = Workspace::new();
    let outside = work.path().join("outside");
    fs::create_dir_all(outside.join("deep")).unwrap();
    fs::write(outside.join("deep/a.md"), dated("A", "Tree")).unwrap();
    let daemon = work.serve();
    daemon.shows(&[]);
    fs::rename(&outside, work.seed("inside")).unwrap();
    daemon.shows(&["A"]);
    work.write("inside/deep/a.md", dated("Changed", "Tree"));
    daemon.shows(&["Changed"]);
    fs::rename(work.seed("inside"), &outside).unwrap();
    daemon.shows(&[]);
    work.in_step(&daemon);
}

#[test]
fn atomic_save_never_removes_the_entry() {
    let work = Workspace::new();
    work.write("a.md", dated("0", "One"));
    let daemon = work.serve();
    daemon.shows(&["0"]);
    let one_entry = || assert_eq!(daemon.titles("/topics/one.atom").len(), 1);
    meanwhile(one_entry, || {
        for (number, temporary) in [".a.md.swp", "a.md.tmp", ".#a.md", "#a.md#", "4913"].iter().enumerate() {
            let title = format!("Saved {number}");
            work.write(temporary, dated(&title, "[One, Saved]"));
            work.rename(temporary, "a.md");
            daemon.shows(&[&title]);
        }
    });
    work.in_step(&daemon);
}

#[test]
fn save_with_a_backup_file_is_served() {
    let work = Workspace::new();
    work.write("a.md", dated("Before", "One"));
    let daemon = work.serve();
    daemon.shows(&["Before"]);
    work.rename("a.md", "a.md~");
    work.write("a.md", dated("After", "One"));
    daemon.shows(&["After"]);
    work.in_step(&daemon);
}

#[test]
fn tree_swapped_by_a_symlink_is_served() {
    let work = Workspace::new();
    let version = |name: &str, title: &str| {
        work.write(&format!("..{name}/a.md"), dated(title, "One"));
        std::os::unix::fs::symlink(format!("..{name}"), work.seed("..data_tmp")).unwrap();
        work.rename("..data_tmp", "..data");
    };
    version("first", "First");
    std::os::unix::fs::symlink("..data/a.md", work.seed("a.md")).unwrap();
    let daemon = work.serve();
    daemon.shows(&["First"]);
    version("second", "Second");
    daemon.shows(&["Second"]);
    work.in_step(&daemon);
}

#[test]
fn folder_symlinked_later_is_watched() {
    let (work, trees) = (Workspace::new(), tempfile::tempdir().unwrap());
    let tree = |name: &str, title: &str| {
        let tree = trees.path().join(name);
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("a.md"), dated(title, "One")).unwrap();
        tree
    };
    let daemon = work.serve();
    daemon.shows(&[]);
    std::os::unix::fs::symlink(tree("first", "First"), work.seed("linked")).unwrap();
    daemon.shows(&["First"]);
    tree("first", "Changed");
    daemon.shows(&["Changed"]);
    std::os::unix::fs::symlink(tree("second", "Second"), work.seed("new.link")).unwrap();
    work.rename("new.link", "linked");
    daemon.shows(&["Second"]);
    tree("second", "Changed again");
    daemon.shows(&["Changed again"]);
    work.in_step(&daemon);
}

#[test]
fn change_without_an_event_is_found() {
    let work = Workspace::new();
    let outside = work.path().join("outside.md");
    fs::write(&outside, dated("Before", "One")).unwrap();
    fs::hard_link(&outside, work.seed("a.md")).unwrap();
    let daemon = work.serve();
    daemon.shows(&["Before"]);
    fs::write(&outside, dated("After", "One")).unwrap();
    within(Duration::from_secs(45), "the periodic rescan finds the change", || {
        daemon.titles("/all.atom") == ["After"]
    });
    work.in_step(&daemon);
}

#[test]
fn half_written_seed_changes_no_feed() {
    let work = Workspace::new();
    work.write("a.md", dated("Before", "One"));
    let daemon = work.serve();
    daemon.shows(&["Before"]);
    let tag = daemon.get("/all.atom").tag().to_owned();
    for path in ["new.md", "a.md"] {
        let text = dated("Whole", "[One, Whole]");
        let (half, rest) = text.split_at(text.find("publishedDateTime").unwrap());
        let mut file = File::create(work.seed(path)).unwrap();
        file.write_all(half.as_bytes()).unwrap();
        // Longer than the daemon waits for an open file to be closed.
        throughout(Duration::from_millis(1500), || assert_eq!(daemon.get("/all.atom").tag(), tag));
        settle(&work, &daemon);
        assert_eq!(daemon.get("/all.atom").tag(), tag);
        file.write_all(rest.as_bytes()).unwrap();
        drop(file);
        eventually("the complete seed is served", || daemon.titles("/topics/whole.atom") == ["Whole"]);
        work.in_step(&daemon);
        if path == "new.md" {
            work.remove(path);
            daemon.shows(&["Before"]);
        }
    }
    daemon.shows(&["Whole"]);
}

#[test]
fn seed_open_for_writing_is_not_read() {
    let work = Workspace::new();
    let daemon = work.serve();
    daemon.shows(&[]);
    for attempt in 0.. {
        let path = format!("{attempt}.yaml");
        let mut file = File::create(work.seed(&path)).unwrap();
        let began = Instant::now();
        file.write_all(b"title: Half\ntopics: Half\ndate: 2024-01-01\n").unwrap();
        settle(&work, &daemon);
        let shown = daemon.get("/topics/half.atom").status == 200;
        // The daemon waits at most a second for an open file.
        let in_time = began.elapsed() < Duration::from_secs(1);
        assert!(!(shown && in_time), "shown although the file is open for writing");
        file.write_all(b"draft: true\n").unwrap();
        drop(file);
        settle(&work, &daemon);
        assert_eq!(daemon.get("/topics/half.atom").status, 404);
        if in_time {
            return;
        }
        assert!(attempt < 10, "no seed was served in time");
    }
}

#[test]
fn truncated_and_rewritten_seed_keeps_its_entry() {
    let work = Workspace::new();
    work.write("a.md", dated("Before", "One"));
    let daemon = work.serve();
    daemon.shows(&["Before"]);
    meanwhile(
        || assert_eq!(daemon.titles("/topics/one.atom").len(), 1),
        || {
            for (blank, title) in [("", "After"), ("\n \n", "Later"), ("--", "Last")] {
                work.write("a.md", blank);
                settle(&work, &daemon);
                work.write("a.md", dated(title, "One"));
                daemon.shows(&[title]);
            }
            let mut file = File::create(work.seed("a.md")).unwrap();
            throughout(Duration::from_millis(1500), || ());
            file.write_all(dated("Slow", "One").as_bytes()).unwrap();
            drop(file);
            daemon.shows(&["Slow"]);
        },
    );
    work.in_step(&daemon);
}

#[test]
fn broken_seed_keeps_its_last_good_record() {
    let work = Workspace::new();
    work.write("a.md", dated("Good", "One"));
    work.write("b.md", dated("Other", "One"));
    let daemon = work.serve();
    daemon.shows(&["Good", "Other"]);
    let good = daemon.get("/topics/one.atom").tag().to_owned();
    for broken in [
        "---\ntitle: [\ntopics: One\n---\n".as_bytes(),
        b"---\ntitle: No topics\n---\n",
        b"---\ntitle: Open\ntopics: One\n",
        b"---\ntitle: A\ntopics: One\ndraft: perhaps\n---\n",
        b"---\ntitle: \xFF\ntopics: One\n---\n",
    ] {
        work.write("a.md", broken);
        settle(&work, &daemon);
        assert_eq!(daemon.get("/topics/one.atom").tag(), good);
    }
    work.write("a.md", dated("Corrected", "One"));
    daemon.shows(&["Corrected", "Other"]);
    work.write("a.md", "---\ntitle: [\n---\n");
    settle(&work, &daemon);
    daemon.shows(&["Corrected", "Other"]);
    work.remove("a.md");
    daemon.shows(&["Other"]);
    work.write("a.md", "---\ntitle: [\n---\n");
    settle(&work, &daemon);
    daemon.shows(&["Other"]);
    work.in_step(&daemon);
}

#[test]
fn burst_of_saves_is_served_in_whole_editions() {
    const SEEDS: usize = 300;
    let work = Workspace::new();
    work.write("first.md", dated("First", "Burst"));
    let entries = Some("1000".to_owned());
    let daemon = Daemon::start(work.config_with(Settings { entries, ..Settings::default() }));
    daemon.shows(&["First"]);
    let mut most = 1;
    let whole = || {
        let response = daemon.get("/all.atom");
        assert_eq!(response.status, 200);
        let found = titles(&response.body).len();
        assert_eq!(response.tag(), tag_of(&response.body));
        assert!(most <= found, "{most} entries were there, and then {found}");
        most = found;
    };
    meanwhile(whole, || {
        for number in 0..SEEDS {
            work.write(&format!("{number}.md"), dated(&format!("Number {number}"), "Burst"));
        }
        eventually("the burst is served", || daemon.titles("/all.rss").len() == SEEDS + 1);
    });
    eventually("the topic has every entry", || daemon.titles("/topics/burst.rss").len() == SEEDS + 1);
    let distinct: BTreeSet<_> = daemon.titles("/all.atom").into_iter().collect();
    assert_eq!(distinct.len(), SEEDS + 1);
}

#[test]
fn client_never_gets_half_an_edition() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    daemon.shows(&["A"]);
    let mut connection = daemon.connect();
    let whole = move || {
        for (path, end) in [("/all.atom", "</feed>"), ("/topics/one.rss", "</rss>")] {
            let response = connection.request("GET", path, &[]);
            assert_eq!((response.status, response.tag()), (200, tag_of(&response.body).as_str()), "{path}");
            assert!(response.body.trim_ascii_end().ends_with(end.as_bytes()), "{path}");
        }
    };
    meanwhile(whole, || {
        for number in 0..30 {
            let (title, topic) = (format!("Title {number}"), format!("[One, Topic {number}]"));
            work.write("a.md", dated(&title, &topic));
            daemon.shows(&[&title]);
        }
    });
}

/// Returns the entity tag of a representation with these bytes.
fn tag_of(body: &[u8]) -> String {
    let representation =
        Representation::new(body.to_vec(), "", String::new(), SystemTime::now(), Duration::ZERO);
    representation.entity_tag(Coding::Identity).to_owned()
}

/// Returns the next whole second that is more than `seconds` away.
fn in_seconds(seconds: i64) -> DateTime<Utc> {
    (Utc::now() + chrono::Duration::seconds(seconds + 1)).trunc_subsecs(0)
}

#[test]
fn scheduled_record_appears_when_it_is_due() {
    let work = Workspace::new();
    work.write("now.md", dated("Now", "One"));
    let daemon = work.serve();
    daemon.shows(&["Now"]);
    let (due, later) = (in_seconds(1), in_seconds(600));
    work.write("soon.md", seed("Soon", "[One, Soon]", &format!("date: {}\n", due.to_rfc3339())));
    work.write("later.md", seed("Later", "[One, Later]", &format!("date: {}\n", later.to_rfc3339())));
    eventually("the scheduled record appears", || {
        let mirrored = work.feeds().join("topics/soon.atom").exists();
        let shown = mirrored || daemon.get("/topics/soon.atom").status == 200;
        assert!(!shown || due <= Utc::now(), "shown before {due}");
        shown
    });
    daemon.shows(&["Now", "Soon"]);
    let kept = daemon.get("/all.atom").field("cache-control").to_owned();
    let kept = kept.strip_prefix("public, max-age=").unwrap().split(',').next().unwrap();
    assert!(kept.parse::<u64>().unwrap() <= 601, "fresh beyond {later}: {kept}");
    work.in_step(&daemon);
}

#[test]
fn expired_record_disappears_when_it_is_due() {
    let work = Workspace::new();
    let due = in_seconds(3);
    work.write("stays.md", dated("Stays", "One"));
    let dates = format!("date: 2024-01-01\nexpiryDateTime: {}\n", due.to_rfc3339());
    work.write("goes.md", seed("Goes", "[One, Going]", &dates));
    let daemon = work.serve();
    daemon.shows(&["Goes", "Stays"]);
    eventually("the record disappears", || {
        let is_hidden = daemon.titles("/topics/going.atom").is_empty();
        assert!(!is_hidden || due <= Utc::now(), "hidden before {due}");
        is_hidden
    });
    daemon.shows(&["Stays"]);
    work.in_step(&daemon);
}

#[test]
fn missing_seed_directory_keeps_its_entries_until_it_is_back() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    work.write("deep/b.md", dated("B", "One"));
    let daemon = work.serve();
    daemon.shows(&["A", "B"]);
    let served = daemon.get("/all.atom");
    let gone = work.path().join("gone");
    fs::rename(work.seeds(), &gone).unwrap();
    throughout(Duration::from_millis(2500), || assert_eq!(daemon.get("/all.atom").body, served.body));
    fs::remove_dir_all(gone).unwrap();
    throughout(Duration::from_millis(500), || assert_eq!(daemon.get("/all.atom").body, served.body));
    work.write("c.md", dated("C", "Two"));
    daemon.shows(&["C"]);
    work.write("deep/d.md", dated("D", "Two"));
    daemon.shows(&["C", "D"]);
    work.in_step(&daemon);
}

#[test]
fn replaced_seed_directory_is_still_watched() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    daemon.shows(&["A"]);
    fs::remove_dir_all(work.seeds()).unwrap();
    work.write("b.md", dated("B", "One"));
    daemon.shows(&["B"]);
    for title in ["Changed", "Changed again", "And again"] {
        work.write("b.md", dated(title, "One"));
        daemon.shows(&[title]);
    }
    work.in_step(&daemon);
}

#[test]
fn symlinked_seed_directory_may_be_swapped() {
    let work = Workspace::new();
    fs::remove_dir(work.seeds()).unwrap();
    let swap = |name: &str| {
        let release = work.path().join(name);
        fs::create_dir(&release).unwrap();
        fs::write(release.join("a.md"), dated(name, "One")).unwrap();
        let link = work.path().join("link");
        std::os::unix::fs::symlink(&release, &link).unwrap();
        fs::rename(link, work.seeds()).unwrap();
    };
    swap("First");
    let daemon = work.serve();
    daemon.shows(&["First"]);
    swap("Second");
    daemon.shows(&["Second"]);
    work.write("b.md", dated("B", "One"));
    daemon.shows(&["B", "Second"]);
    work.in_step(&daemon);
}

/// A text that no output may have; in lower case, since slugs have it too.
const HIDDEN: &str = "xyzzy";

fn hide(work: &Workspace) {
    let future = "2999-01-01T00:00:00Z";
    for (name, lines) in [
        ("draft", "date: 2024-01-01\ndraft: true\n".to_owned()),
        ("unpublished", "date: 2024-01-01\npublished: false\n".to_owned()),
        ("removed", "date: 2024-01-01\nremoved: true\n".to_owned()),
        ("deleted", "date: 2024-01-01\ndeleted: true\n".to_owned()),
        ("scheduled", format!("date: {future}\n")),
        ("expired", "date: 2024-01-01\nexpires: 2024-01-02\n".to_owned()),
        ("undated", String::new()),
    ] {
        for id in [format!("id: urn:example:{HIDDEN}:{name}\n"), "id: urn:example:shown\n".to_owned()] {
            let more = format!(
                "{id}{lines}excerpt: {HIDDEN}\nquality: 99\nwebUrl: https://{HIDDEN}.example/\nprovider: {{name: {HIDDEN}}}\n"
            );
            let topics = format!("[Shown, {HIDDEN} {name}]");
            let path = format!("{name}-{}.md", usize::from(id.contains(HIDDEN)));
            work.write(&path, seed(&format!("{HIDDEN} {name}"), &topics, &more) + HIDDEN);
        }
    }
}

/// Checks every file of the mirror, its address, and some addresses that do not exist.
fn assert_hidden_text_is_in_no_output(work: &Workspace, daemon: &Daemon) {
    let check_absent = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert!(!text.contains(HIDDEN), "{what}: {text}");
    };
    let mirror = files(&work.feeds());
    for (path, bytes) in &mirror {
        check_absent(path, path.as_bytes());
        check_absent(path, bytes);
        let response = daemon.get(&format!("/{}", address(path)));
        check_absent(path, format!("{:?}", response.fields).as_bytes());
        check_absent(path, &response.body);
    }
    for path in ["/", "/topics/", "/all", "/feeds.opml", "/topics/shown", "/.sower"] {
        check_absent(path, &daemon.get(path).body);
    }
    for name in ["draft", "unpublished", "removed", "deleted", "scheduled", "expired", "undated"] {
        let path = format!("/topics/{HIDDEN}-{name}.atom");
        assert_eq!(daemon.titles(&path), Vec::<String>::new(), "{path}");
    }
}

#[test]
fn held_record_is_in_no_output() {
    let work = Workspace::new();
    let shown = seed("Shown", "Shown", "id: urn:example:shown\ndate: 2024-01-01\n");
    work.write("shown.md", &shown);
    hide(&work);
    let daemon = work.serve();
    daemon.shows(&["Shown"]);
    assert_hidden_text_is_in_no_output(&work, &daemon);

    let late = Workspace::new();
    late.write("shown.md", &shown);
    let daemon = late.serve();
    daemon.shows(&["Shown"]);
    hide(&late);
    settle(&late, &daemon);
    daemon.shows(&["Shown"]);
    assert_hidden_text_is_in_no_output(&late, &daemon);
    late.in_step(&daemon);
}

#[test]
fn record_that_becomes_held_leaves_every_output() {
    let work = Workspace::new();
    work.write("stays.md", dated("Stays", "One"));
    let daemon = work.serve();
    for lines in ["draft: true", "published: false", "removed: true", "deleted: true", "expires: 2024-01-02"]
    {
        let shown = format!("date: 2024-01-01\nexcerpt: {HIDDEN}\n");
        work.write("a.md", seed(HIDDEN, "[One, Two]", &shown));
        daemon.shows(&[HIDDEN, "Stays"]);
        work.write("a.md", seed(HIDDEN, "[One, Two]", &format!("{shown}{lines}\n")));
        daemon.shows(&["Stays"]);
        work.in_step(&daemon);
        assert_hidden_text_is_in_no_output(&work, &daemon);
    }
}

#[test]
fn secured_value_is_in_no_output_and_no_message() {
    let work = Workspace::new();
    let good = "title: A\ntopics: One\ndate: 2024-01-01\n";
    for (number, secured) in [
        "secured: XYZZY",
        "secured: \"XYZZY\"",
        "secured: >\n  XYZZY\n  XYZZY",
        "secured: |\n  XYZZY: [\n",
        "secured:\n  - XYZZY\n  - {a: XYZZY}",
        "secured:\n  XYZZY: XYZZY",
        "secured: !!int XYZZY",
        "secured: !XYZZY XYZZY",
        "secured: 'XYZZY\n  XYZZY'",
        "\"secured\": XYZZY",
        "? secured\n: XYZZY",
        "Secured: XYZZY",
        "provider: {name: P, secured: XYZZY}",
        "images:\n  - url: https://a.example/a.png\n    secured: XYZZY",
        "related:\n  - title: R\n    webUrl: https://a.example/\n    secured: XYZZY",
    ]
    .iter()
    .enumerate()
    {
        let faulty = "quality: high\nwebUrl: nowhere\nlength: 5\nimages: 7\n";
        let faulty = if secured.starts_with("images") { "quality: high\n" } else { faulty };
        let broken = "title: \"A\nquality: [\n";
        for (kind, fields) in [
            ("good", format!("{good}{secured}\n")),
            ("faulty", format!("{secured}\n{good}{faulty}")),
            ("twice", format!("{secured}\n{secured}\n{good}")),
            ("before", format!("{secured}\n{broken}")),
            ("after", format!("{broken}{secured}\n")),
            ("untitled", format!("{secured}\ntopics: One\n")),
        ] {
            let name = format!("{kind}-{number}");
            work.write(&format!("{name}.md"), format!("---\n{fields}---\n\nBody\n"));
            work.write(&format!("{name}-open.md"), format!("---\n{fields}"));
            work.write(&format!("{name}.yaml"), fields.as_bytes());
            work.write(&format!("{name}-bytes.md"), [b"---\n", fields.as_bytes(), b"\xFF\n---\n"].concat());
        }
    }
    let check_absent = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let lines: Vec<_> = text.lines().filter(|line| line.to_lowercase().contains(HIDDEN)).collect();
        assert!(lines.is_empty(), "{what} has {lines:#?}");
    };
    let commands: [(&str, &[&str]); 4] = [
        ("check", &[]),
        ("check", &["--strict"]),
        ("check", &["--strict", "--format", "json"]),
        ("build", &["--feeds", "built"]),
    ];
    for (command, flags) in commands {
        let output = work.command(command).args(flags).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "the seeds have faults");
        assert!(output.stdout.len() + output.stderr.len() > 10_000);
        check_absent(command, &output.stdout);
        check_absent(command, &output.stderr);
    }
    for (path, bytes) in files(&work.path().join("built")) {
        check_absent(&path, &bytes);
    }
    let mut serving = Doomed::serve(&work);
    eventually("the first edition is mirrored", || work.feeds().join("all.rss").exists());
    work.write("good-0.md", "---\ntitle: A\nsecured: XYZZY\n---\n");
    work.write("last.md", dated("Last", "Last"));
    eventually("the last seed is mirrored", || work.feeds().join("topics/last.rss").exists());
    // Stopped and not killed, so that the log is complete.
    signal(&serving.0, "-TERM");
    let mut log = Vec::new();
    serving.0.stderr.take().unwrap().read_to_end(&mut log).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("good-0.md"), "the fault is logged");
    check_absent("serve", &log);
    for (path, bytes) in work.mirrored() {
        check_absent(&path, &bytes);
    }
}

#[test]
fn mirror_follows_every_change_and_keeps_foreign_files() {
    let work = Workspace::new();
    fs::create_dir_all(work.feeds().join("topics")).unwrap();
    fs::write(work.feeds().join("topics/mine.txt"), "mine").unwrap();
    let daemon = work.serve();
    let in_step = || {
        let expected = tree(&work.config(), Utc::now());
        eventually("the mirror is in step", || {
            let mut mirrored = work.mirrored();
            mirrored.remove("topics/mine.txt") == Some(b"mine".to_vec())
                && with_entries(mirrored, &expected) == expected
        });
        for (path, body) in &expected {
            assert_eq!(daemon.get(&format!("/{}", address(path))).body, *body, "{path}");
        }
        // The feed of everything, two lists of feeds and three files of pages always exist.
        (expected.len() - 5) / Format::ALL.len() - 1
    };
    assert_eq!(in_step(), 0);
    work.write("a.md", dated("A", "[One, Two]"));
    assert_eq!(in_step(), 2);
    work.write("b.md", dated("B", "[Two, Three]"));
    assert_eq!(in_step(), 3);
    work.rename("a.md", "c.md");
    assert_eq!(in_step(), 3);
    work.write("c.md", dated("C", "Three"));
    assert_eq!(in_step(), 2);
    work.remove("b.md");
    work.remove("c.md");
    assert_eq!(in_step(), 0);
}

#[test]
fn blocked_mirror_file_stops_no_other_file() {
    let work = Workspace::new();
    let mine = work.feeds().join("all.atom");
    fs::create_dir_all(work.feeds().join("topics/one.atom/mine")).unwrap();
    fs::write(&mine, "mine").unwrap();
    work.write("a.md", dated("A", "[One, Two]"));
    let daemon = work.serve();
    daemon.shows(&["A"]);
    assert_eq!(daemon.titles("/topics/one.atom"), ["A"]);
    eventually("the other files are mirrored", || work.feeds().join("topics/two.atom").exists());
    work.write("b.md", dated("B", "[One, Two]"));
    daemon.shows(&["A", "B"]);
    eventually("the other files are mirrored", || titles(&work.mirrored()["topics/two.rss"]).len() == 2);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    fs::remove_file(&mine).unwrap();
    fs::remove_dir_all(work.feeds().join("topics/one.atom")).unwrap();
    work.write("c.md", dated("C", "Two"));
    daemon.shows(&["A", "B", "C"]);
    work.in_step(&daemon);
}

#[test]
fn unwritable_feeds_directory_does_not_stop_serving() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    work.in_step(&daemon);
    fs::remove_dir_all(work.feeds()).unwrap();
    fs::write(work.feeds(), "in the way").unwrap();
    work.write("b.md", dated("B", "[One, Two]"));
    daemon.shows(&["A", "B"]);
    work.remove("a.md");
    daemon.shows(&["B"]);
    assert_eq!(fs::read_to_string(work.feeds()).unwrap(), "in the way");
    fs::remove_file(work.feeds()).unwrap();
    work.write("c.md", dated("C", "Two"));
    daemon.shows(&["B", "C"]);
    work.in_step(&daemon);
}

#[test]
fn client_with_a_validator_gets_304_until_a_change() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    work.write("b.md", dated("B", "Two"));
    let daemon = work.serve();
    let paths = ["/all.atom", "/all.rss", "/topics/one.atom", "/topics/two.atom"];
    let first = paths.map(|path| daemon.get(path));
    let again = |index: usize, name: &str, value: &str| daemon.request("GET", paths[index], &[(name, value)]);
    for (index, full) in first.iter().enumerate() {
        for (name, value) in
            [("If-None-Match", full.tag()), ("If-Modified-Since", full.field("last-modified"))]
        {
            let short = again(index, name, value);
            assert_eq!((short.status, short.body.as_slice()), (304, &b""[..]), "{} {name}", paths[index]);
            for name in ["etag", "last-modified", "cache-control", "vary"] {
                assert_eq!(short.field(name), full.field(name));
            }
        }
        assert_eq!(again(index, "If-None-Match", "\"another\"").status, 200);
    }
    work.write("b.md", dated("Changed", "Two"));
    daemon.shows(&["A", "Changed"]);
    for index in [0, 1, 3] {
        let response = again(index, "If-None-Match", first[index].tag());
        assert_eq!(response.status, 200, "{}", paths[index]);
        assert_ne!(response.tag(), first[index].tag());
        assert!(titles(&response.body).contains(&"Changed".to_owned()));
    }
    let untouched = again(2, "If-None-Match", first[2].tag());
    assert_eq!((untouched.status, untouched.field("last-modified")), (304, first[2].field("last-modified")));
    work.write("b.md", dated("B", "Two"));
    daemon.shows(&["A", "B"]);
    assert_eq!(again(0, "If-None-Match", first[0].tag()).status, 304, "equal bytes have equal tags");
}

#[test]
fn validators_survive_a_restart() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    work.write("b.md", dated("B", "[Two, 机器学习]"));
    let daemon = work.serve();
    work.in_step(&daemon);
    let all = tree(&work.config(), Utc::now());
    let validators = |daemon: &Daemon| -> Vec<(String, String)> {
        let answers =
            all.keys().map(|path| daemon.get(&format!("/{}", sower::render::encoded(address(path)))));
        answers.map(|found| (found.tag().to_owned(), found.field("last-modified").to_owned())).collect()
    };
    let before = validators(&daemon);
    daemon.stop();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for path in all.keys() {
        let file = File::options().write(true).open(work.feeds().join(path)).unwrap();
        file.set_modified(long_ago).unwrap();
    }
    for _ in 0..2 {
        let daemon = work.serve();
        let after = validators(&daemon);
        for ((tag, _), (tag_after, modified)) in before.iter().zip(&after) {
            assert_eq!((tag_after, modified.as_str()), (tag, "Fri, 14 Jul 2017 02:40:00 GMT"));
        }
        work.in_step(&daemon);
        daemon.stop();
    }
    work.write("b.md", dated("Changed while stopped", "[Two, 机器学习]"));
    let daemon = work.serve();
    let modified = |path| daemon.get(path).field("last-modified").to_owned();
    assert_eq!(modified("/topics/one.atom"), "Fri, 14 Jul 2017 02:40:00 GMT");
    assert_ne!(modified("/topics/two.atom"), "Fri, 14 Jul 2017 02:40:00 GMT");
    assert_ne!(modified("/all.rss"), "Fri, 14 Jul 2017 02:40:00 GMT");
}

fn without_date(response: &Response) -> Response {
    let mut response = response.clone();
    assert_ne!(response.fields.remove("date"), None);
    response
}

#[test]
fn head_has_the_fields_of_get_without_a_body() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    for path in ["/all.atom", "/all.rss", "/topics/one.rss", "/nothing.atom"] {
        let (get, head) = (daemon.get(path), daemon.request("HEAD", path, &[]));
        assert_eq!(get.field("content-length"), get.body.len().to_string());
        assert!(head.body.is_empty());
        let (get, head) = (without_date(&get), without_date(&head));
        assert_eq!((head.status, head.fields), (get.status, get.fields), "{path}");
    }
}

#[test]
fn connection_answers_many_requests() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    let alone = ["/all.atom", "/nothing", "/topics/one.rss", "/all.rss"].map(|path| (path, daemon.get(path)));
    let mut connection = daemon.connect();
    for _ in 0..3 {
        for (path, alone) in &alone {
            assert_eq!(connection.request("HEAD", path, &[]).status, alone.status);
            let response = connection.request("GET", path, &[]);
            assert_eq!((response.status, &response.body), (alone.status, &alone.body), "{path}");
            if alone.status == 200 {
                let response = connection.request("GET", path, &[("If-None-Match", alone.tag())]);
                assert_eq!(response.status, 304);
            }
            assert_eq!(connection.request("DELETE", path, &[]).status, 405);
        }
    }
    work.write("a.md", dated("Changed", "One"));
    eventually("an open connection gets the change", || {
        titles(&connection.request("GET", "/all.atom", &[]).body) == ["Changed"]
    });
}

#[test]
fn unknown_addresses_and_methods_are_answered() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    fs::write(work.path().join("precious"), HIDDEN).unwrap();
    let daemon = work.serve();
    for path in ["/nothing", "/topics/two.atom", "/../precious", "/%2e%2e/precious", "/%FF", "/.sower", "//"]
    {
        let response = daemon.get(path);
        assert_eq!(response.status, 404, "{path}");
        assert!(!String::from_utf8_lossy(&response.body).contains(HIDDEN));
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "PROPFIND"] {
        for path in ["/all.atom", "/nothing"] {
            let response = daemon.request(method, path, &[("Content-Length", "0")]);
            assert_eq!(
                (response.status, response.field("allow")),
                (405, "GET, HEAD, OPTIONS"),
                "{method} {path}"
            );
        }
    }
    let response = daemon.request("OPTIONS", "/all.atom", &[]);
    assert_eq!((response.status, response.field("allow")), (204, "GET, HEAD, OPTIONS"));
    assert_eq!(daemon.get("/all.atom?utm_source=x").body, daemon.get("/all.atom").body);
}

#[test]
fn answer_in_flight_is_complete_after_a_shutdown() {
    let work = Workspace::new();
    for number in 0..50 {
        work.write(&format!("{number}.md"), dated(&format!("{number}"), "One") + &"word ".repeat(1000));
    }
    let daemon = work.serve();
    work.in_step(&daemon);
    let expected = daemon.get("/all.rss").body;
    assert!(expected.len() > 200_000, "{}", expected.len());
    // A new connection, and one that has been used.
    let asking = [0, 20].map(|asked_before| {
        let mut connection = daemon.connect();
        for _ in 0..asked_before {
            assert!(connection.request("GET", "/all.rss", &[]).body == expected);
        }
        // The answers exceed the system's buffers. A first answer shows that the requests have been read.
        connection.send("GET /all.rss HTTP/1.1\r\nHost: a\r\n\r\n".repeat(60).as_bytes());
        assert!(connection.answer("GET").body == expected);
        connection
    });
    let address = daemon.address();
    let stopping = std::thread::spawn(move || daemon.stop());
    eventually("no new connection is accepted", || TcpStream::connect(address).is_err());
    for mut connection in asking {
        // The server finishes the answer that it has begun, and then closes: it may leave pipelined requests unanswered.
        while !connection.has_ended() {
            assert!(connection.answer("GET").body == expected);
        }
    }
    stopping.join().unwrap();
}

#[test]
fn shutdown_closes_idle_connections() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let daemon = work.serve();
    let mut idle = daemon.connect();
    assert_eq!(idle.request("GET", "/all.atom", &[]).status, 200);
    let mut silent = daemon.connect();
    assert_eq!(daemon.get("/all.atom").status, 200);
    let address = daemon.stop();
    idle.ends();
    silent.ends();
    assert!(TcpStream::connect(address).is_err(), "the socket is closed");
    let daemon = work.serve();
    assert_eq!(daemon.titles("/all.atom"), ["A"]);
}
