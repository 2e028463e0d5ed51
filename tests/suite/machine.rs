//! Faults of the machine: sower goes on serving or ends with a clear message, loses nothing, and recovers by
//! itself.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use chrono::Utc;

use crate::cold::{Tree, files};
use crate::serving::{Served, text};
use crate::support::{
    Connection, Response, Workspace, address, dated, eventually, same, seed, skipped, throughout, titles,
    within,
};

fn succeeds(words: &[&str]) -> bool {
    Command::new(words[0]).args(&words[1..]).output().is_ok_and(|output| output.status.success())
}

fn sorted(mut titles: Vec<String>) -> Vec<String> {
    titles.sort();
    titles
}

pub(crate) fn shows(served: &Served, expected: &[&str]) {
    eventually(&format!("{expected:?} are served"), || {
        sorted(titles(&served.get("/all.atom").body)) == expected
    });
}

pub(crate) fn is_ready(served: &Served) {
    let mut answer = String::new();
    within(Duration::from_secs(20), "the daemon is ready", || {
        let ready = served.admin("/readyz");
        answer = text(&ready);
        ready.status == 200
    });
    assert!(answer.starts_with("ready"), "{answer}");
}

/// Waits until `/readyz` answers 503 with this reason.
pub(crate) fn await_reason(served: &Served, reason: &str) {
    eventually(&format!("readyz gives the reason {reason:?}"), || {
        let ready = served.admin("/readyz");
        ready.status == 503 && text(&ready).contains(reason)
    });
}

/// Returns the mirror in a directory, without its list of files and foreign files.
fn mirrored(feeds: &Path) -> Tree {
    let mut files = files(feeds);
    files.retain(|path, _| ![".sower", BALLAST].contains(&path.as_str()) && !path.ends_with(UNFINISHED));
    files
}

/// Waits until each file in a directory equals the served one, and each of these topics has a file.
pub(crate) fn in_step(feeds: &Path, served: &Served, topics: &[&str]) {
    let mut trees = (Tree::new(), Tree::new());
    let mut is_in_step = || {
        let mirror = mirrored(feeds);
        let there = |topic: &&str| mirror.contains_key(&format!("topics/{topic}.atom"));
        let complete = topics.iter().all(there) && mirror.contains_key("all.atom");
        let is_reported =
            text(&served.admin("/metrics")).lines().any(|line| line == "sower_mirror_in_step 1");
        let mut connection = Connection::to_socket(&served.socket);
        let mut get = |path: &String| connection.request("GET", &format!("/{}", address(path)), &[]).body;
        let is = mirror.keys().map(|path| (path.clone(), get(path))).collect();
        trees = (mirror, is);
        is_reported && complete && trees.0 == trees.1
    };
    within(Duration::from_secs(20), "the mirror is in step", &mut is_in_step);
    same(&trees.0, &trees.1);
}

/// The ending of the names of files that are being written.
const UNFINISHED: &str = ".sower-unfinished";
/// The name of the file that fills a disk.
const BALLAST: &str = "ballast";

/// File systems in a mount namespace of one daemon, if this user may mount.
struct Disks {
    enter: &'static [&'static str],
    leave: &'static [&'static str],
}

impl Disks {
    fn new() -> Option<Self> {
        let ways: [Self; 2] = [
            Self { enter: &["unshare", "--mount"], leave: &["--mount"] },
            Self {
                enter: &["unshare", "--mount", "--map-root-user"],
                leave: &["--mount", "--user", "--preserve-credentials"],
            },
        ];
        let mounts = |way: &Self| {
            succeeds(&[way.enter, &["sh", "-c", "mount -t tmpfs -o size=4k none /mnt"]].concat())
        };
        let way = ways.into_iter().find(mounts);
        if way.is_none() {
            skipped("this user may mount nothing, not even for itself");
        }
        way
    }

    /// Serves with a small file system at a path of the workspace.
    fn serve(&self, work: &Workspace, path: &str, options: &str, variables: &[(&str, &str)]) -> Served {
        fs::create_dir_all(work.path().join(path)).unwrap();
        let script = format!("mount -t tmpfs -o {options} none {path} && exec \"$@\"");
        Served::start_under(&[self.enter, &["sh", "-c", &script, "sh"]].concat(), work, &[], variables)
    }

    fn remount(&self, served: &Served, path: &Path, options: &str) {
        let (process, options) = (served.child.id().to_string(), format!("remount,{options}"));
        let enter = ["nsenter", "--target", &process];
        // Without the name of the source, mount adds options that root in a namespace may not give.
        let mount = ["mount", "-o", &options, "none", path.to_str().unwrap()];
        let remounts = [&enter[..], self.leave, &mount].concat();
        assert!(succeeds(&remounts), "{remounts:?}");
    }
}

/// Returns a path as the daemon sees it.
fn seen_by(served: &Served, path: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", served.child.id(), path.display()))
}

/// Writes until the disk is full.
fn fill(directory: &Path) {
    let mut ballast = File::create(directory.join(BALLAST)).unwrap();
    let full = (0..100_000).find_map(|_| ballast.write_all(&[0; 4096]).err()).unwrap();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
}

#[test]
fn full_disk_delays_only_the_mirror() {
    let Some(disks) = Disks::new() else { return };
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let served = disks.serve(&work, "feeds", "size=4k", &[]);
    shows(&served, &["A"]);
    let feeds = seen_by(&served, &work.feeds());
    await_reason(&served, "cannot update the feeds directory");
    await_reason(&served, "No space left on device");
    disks.remount(&served, &work.feeds(), "size=1m");
    is_ready(&served);
    in_step(&feeds, &served, &["one"]);

    let before = mirrored(&feeds);
    fill(&feeds);
    // The list of files grows, files change, and one is new.
    work.write("b.md", dated("B", "[One, Two]"));
    shows(&served, &["A", "B"]);
    await_reason(&served, "No space left on device");
    let mut connection = Connection::to_socket(&served.socket);
    for (path, body) in mirrored(&feeds) {
        let is = connection.request("GET", &format!("/{}", address(&path)), &[]).body;
        assert!(before.get(&path) == Some(&body) || body == is, "{path} is neither old nor new");
    }
    fs::remove_file(feeds.join(BALLAST)).unwrap();
    is_ready(&served);
    in_step(&feeds, &served, &["one", "two"]);
    let (_, log) = served.stop();
    assert_eq!(log.matches("the feeds directory is in step again").count(), 2, "{log}");
}

#[test]
fn read_only_feeds_directory_is_written_later() {
    let Some(disks) = Disks::new() else { return };
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let served = disks.serve(&work, "feeds", "size=1m,ro", &[]);
    shows(&served, &["A"]);
    let feeds = seen_by(&served, &work.feeds());
    await_reason(&served, "Read-only file system");
    disks.remount(&served, &work.feeds(), "rw");
    is_ready(&served);
    in_step(&feeds, &served, &["one"]);
    disks.remount(&served, &work.feeds(), "ro");
    let before = files(&feeds);
    work.write("b.md", dated("B", "[One, Two]"));
    shows(&served, &["A", "B"]);
    await_reason(&served, "Read-only file system");
    same(&files(&feeds), &before);
    disks.remount(&served, &work.feeds(), "rw");
    is_ready(&served);
    in_step(&feeds, &served, &["one", "two"]);
    served.stop();
}

#[test]
fn removed_or_blocked_feeds_directory_is_recreated() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    // At first a file is in its path.
    let (way, aside) = (work.path().join("way"), work.path().join("aside"));
    fs::write(&way, "mine").unwrap();
    let served = Served::start(&work, &["--feeds", "way/feeds"], &[]);
    let feeds = way.join("feeds");
    shows(&served, &["A"]);
    await_reason(&served, "Not a directory");
    fs::rename(&way, &aside).unwrap();
    is_ready(&served);
    in_step(&feeds, &served, &["one"]);

    fs::remove_dir_all(&feeds).unwrap();
    work.write("b.md", dated("B", "[One, Two]"));
    shows(&served, &["A", "B"]);
    in_step(&feeds, &served, &["one", "two"]);

    fs::remove_dir_all(&feeds).unwrap();
    fs::rename(&aside, &feeds).unwrap();
    work.write("c.md", dated("C", "Three"));
    shows(&served, &["A", "B", "C"]);
    await_reason(&served, "cannot update the feeds directory");
    assert_eq!(fs::read_to_string(&feeds).unwrap(), "mine");
    fs::remove_file(&feeds).unwrap();
    is_ready(&served);
    in_step(&feeds, &served, &["one", "two", "three"]);
    served.stop();
}

#[test]
fn cache_is_written_after_a_full_disk_has_space() {
    let Some(disks) = Disks::new() else { return };
    let work = Workspace::new();
    for number in 0..20 {
        work.write(&format!("{number}.md"), dated(&format!("Number {number}"), "One"));
    }
    let age = |path: PathBuf| {
        let changed = fs::metadata(path).unwrap().ctime();
        Utc::now().timestamp() - changed
    };
    eventually("the seeds are old enough for the cache", || age(work.seed("19.md")) > 3);
    let cache = work.path().join("cache");
    let variables = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
    let mut served = disks.serve(&work, "cache", "size=4k", &variables);
    eventually("all are served", || titles(&served.get("/all.atom").body).len() == 20);
    is_ready(&served);
    let tried = served.until_logged("cannot write the cache");
    let seen = seen_by(&served, &cache.join("sower"));
    // The open file keeps the file system mounted after the daemon ends.
    let open = File::open(seen).unwrap();
    work.write("20.md", dated("Number 20", "One"));
    eventually("all are served", || titles(&served.get("/all.atom").body).len() == 21);
    disks.remount(&served, &cache, "size=1m");
    let (_, log) = served.stop();
    let log = tried + &log;
    let message: Vec<_> = log.lines().filter(|line| line.contains("cannot write the cache")).collect();
    assert_eq!(message.len(), 1, "{log}");
    assert!(message[0].contains("No space left on device"), "{log}");
    let directory = format!("/proc/self/fd/{}", open.as_raw_fd());
    let left: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.len() == 1 && left[0].extension().unwrap() == "seeds", "{left:?}");
    assert!(fs::metadata(&left[0]).unwrap().len() > 4096);
}

/// Returns a prefix that makes even root obey file modes, if there is one.
fn obeying_modes(work: &Workspace) -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&[], &["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]];
    let locked = work.path().join("locked");
    fs::write(&locked, "").unwrap();
    fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    let obeys = |way: &&&[&str]| !succeeds(&[way, &["cat", locked.to_str().unwrap()][..]].concat());
    let way = WAYS.iter().find(|way| succeeds(&[way, &["true"][..]].concat()) && obeys(way));
    if way.is_none() {
        skipped("nothing keeps this user from reading a file, and `setpriv` cannot change that");
    }
    way.copied()
}

#[test]
fn unreadable_seeds_keep_their_records() {
    let work = Workspace::new();
    let Some(obeying_modes) = obeying_modes(&work) else { return };
    let mode = |path: &str, mode| {
        fs::set_permissions(work.seed(path), Permissions::from_mode(mode)).unwrap();
    };
    for (path, title) in [("a.md", "A"), ("folder/b.md", "B"), ("folder/deep/c.md", "C"), ("late/d.md", "D")]
    {
        work.write(path, dated(title, "One"));
    }
    mode("late", 0o000);
    let served = Served::start_under(obeying_modes, &work, &[], &[]);
    let faults = |number: usize| {
        let line = format!("sower_faults {number}");
        eventually(&line, || text(&served.admin("/metrics")).lines().any(|shown| shown == line));
    };
    shows(&served, &["A", "B", "C"]);
    faults(1);
    mode("late", 0o755);
    shows(&served, &["A", "B", "C", "D"]);
    faults(0);

    mode("a.md", 0o000);
    mode("folder", 0o000);
    work.write("late/d.md", dated("D, changed", "One"));
    shows(&served, &["A", "B", "C", "D, changed"]);
    faults(2);
    mode("a.md", 0o644);
    mode("folder", 0o755);
    work.write("folder/deep/c.md", dated("C, changed", "One"));
    shows(&served, &["A", "B", "C, changed", "D, changed"]);
    faults(0);

    let root = work.seeds();
    fs::set_permissions(&root, Permissions::from_mode(0o000)).unwrap();
    await_reason(&served, "Permission denied");
    shows(&served, &["A", "B", "C, changed", "D, changed"]);
    // This process may write as root, or after the mode is restored.
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    work.write("a.md", dated("A, changed", "One"));
    work.remove("folder/b.md");
    is_ready(&served);
    shows(&served, &["A, changed", "C, changed", "D, changed"]);
    let (_, log) = served.stop();
    assert!(log.contains("a.md: this cannot be read: Permission denied"), "{log}");

    fs::set_permissions(&root, Permissions::from_mode(0o000)).unwrap();
    let served = Served::start_under(obeying_modes, &work, &["--no-cache"], &[]);
    eventually("the daemon answers", || served.admin.exists());
    assert_eq!(Connection::to_socket(&served.admin).request("GET", "/readyz", &[]).status, 503);
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    shows(&served, &["A, changed", "C, changed", "D, changed"]);
    let (_, log) = served.stop();
    assert!(log.matches("; waiting for it").count() <= 1, "{log}");
}

#[test]
fn late_mount_is_awaited_and_served_from_the_cache() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let age = || Utc::now().timestamp() - fs::metadata(work.seed("a.md")).unwrap().ctime();
    eventually("the seeds are old enough for the cache", || age() > 3);
    let root = work.seeds();
    let away = root.with_extension("away");
    fs::rename(&root, &away).unwrap();
    let cache = work.path().join("cache");
    let variables = [("XDG_CACHE_HOME", cache.to_str().unwrap())];
    let start = || Served::start_under(&[], &work, &[], &variables);
    let served = start();
    eventually("the daemon answers", || served.admin.exists());
    let ready = Connection::to_socket(&served.admin).request("GET", "/readyz", &[]);
    assert_eq!((ready.status, text(&ready).as_str()), (503, "the seeds are still being read\n"));
    assert_eq!(Connection::to_socket(&served.admin).request("GET", "/healthz", &[]).status, 200);
    fs::rename(&away, &root).unwrap();
    work.write("b.md", dated("B", "One"));
    shows(&served, &["A", "B"]);
    let (_, log) = served.stop();
    // The first scan may already find it.
    let message = "No such file or directory (os error 2); choose another with --seeds; waiting for it";
    assert!(log.matches(message).count() <= 1, "{log}");

    fs::rename(&root, &away).unwrap();
    let served = start();
    await_reason(&served, "No such file or directory");
    shows(&served, &["A"]);
    fs::rename(&away, &root).unwrap();
    shows(&served, &["A", "B"]);
    is_ready(&served);
    served.stop();
}

/// A prefix that runs a command under a `ulimit`.
fn limited(limit: &str) -> [String; 4] {
    ["sh".to_owned(), "-c".to_owned(), format!("ulimit -c 0; ulimit {limit} && exec \"$@\""), "sh".to_owned()]
}

fn start_limited(limit: &str, work: &Workspace, flags: &[&str]) -> Served {
    let words = limited(limit);
    Served::start_under(&words.each_ref().map(String::as_str), work, flags, &[])
}

const POLL: &[u8] = b"GET /all.atom HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn connection_limit_follows_the_open_file_limit() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let served = start_limited("-n 100", &work, &[]);
    shows(&served, &["A"]);
    let mut reader = Connection::to_socket(&served.socket);
    let mut crowd: Vec<_> = (0..120).map(|_| Connection::to_socket(&served.socket)).collect();
    for connection in &mut crowd {
        connection.send(POLL);
    }
    let others = crowd.split_off(40);
    for connection in &mut crowd {
        assert_eq!(connection.answer("GET").status, 200);
    }
    // With all permits taken, changes are still published and mirrored.
    for title in ["Changed", "Changed again"] {
        work.write("a.md", dated(title, "[One, Two]"));
        eventually("an open connection gets the change", || {
            titles(&reader.request("GET", "/all.atom", &[]).body) == [title]
        });
        eventually("the change is mirrored", || {
            mirrored(&work.feeds()).get("all.atom").is_some_and(|feed| titles(feed) == [title])
        });
    }
    drop(crowd);
    for mut next in others {
        assert_eq!(next.answer("GET").status, 200);
    }
    let (_, log) = served.stop();
    assert!(log.contains("open 100 files: accepting 50 connections instead of 10000"), "{log}");
    assert!(!log.contains("too many") && !log.contains("Too many"), "{log}");
}

/// Sets the limit of open files of a running process.
fn limit_files(served: &Served, files: usize) {
    let process = served.child.id().to_string();
    assert!(succeeds(&["prlimit", "--pid", &process, &format!("--nofile={files}:")]));
}

#[test]
fn too_many_open_files_delay_only_new_work() {
    if !succeeds(&["prlimit", "--version"]) {
        return skipped("there is no `prlimit`");
    }
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let served = start_limited("-n 200", &work, &[]);
    is_ready(&served);
    in_step(&work.feeds(), &served, &["one"]);
    let mut reader = Connection::to_socket(&served.socket);
    let mut operator = Connection::to_socket(&served.admin);
    assert_eq!(reader.request("GET", "/all.atom", &[]).status, 200);
    assert_eq!(operator.request("GET", "/readyz", &[]).status, 200);
    let open = |number: &usize| Path::new(&format!("/proc/{}/fd/{number}", served.child.id())).exists();
    let mut await_reason_again = || {
        eventually("readyz gives the reason", || {
            let ready = operator.request("GET", "/readyz", &[]);
            ready.status == 503 && text(&ready).contains("Too many open files")
        });
    };
    let free = (0..200).find(|number| !open(number)).unwrap();
    // One descriptor is too few to scan a nested folder.
    limit_files(&served, free + 1);
    work.write("folder/c.md", dated("C", "One"));
    await_reason_again();
    limit_files(&served, free);
    let mut waiting = Connection::to_socket(&served.socket);
    waiting.send(POLL);
    work.write("b.md", dated("B", "[One, Two]"));
    await_reason_again();
    throughout(Duration::from_millis(500), || {
        assert!(titles(&reader.request("GET", "/all.atom", &[]).body).contains(&"A".to_owned()));
    });
    limit_files(&served, 200);
    assert_eq!(waiting.answer("GET").status, 200);
    is_ready(&served);
    shows(&served, &["A", "B", "C"]);
    in_step(&work.feeds(), &served, &["one", "two"]);
    let (_, log) = served.stop();
    assert!(log.contains("cannot accept a connection: Too many open files"), "{log}");
    assert!(!log.contains("fault:"), "no seed has a fault: {log}");
}

/// Returns the library that gives a process another clock, if it is installed.
fn another_clock() -> Option<PathBuf> {
    let directories = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(fs::read_dir).into_iter().flatten();
    let below = directories.flatten().flatten().map(|entry| entry.path().join("faketime"));
    let places = ["/usr/lib/faketime", "/usr/lib64/faketime"].map(PathBuf::from).into_iter().chain(below);
    let library = places.map(|place| place.join("libfaketime.so.1")).find(|library| library.exists());
    if library.is_none() {
        skipped("there is no libfaketime; `apt-get install faketime` installs it");
    }
    library
}

fn date(response: &Response, field: &str) -> SystemTime {
    httpdate::parse_http_date(response.field(field)).unwrap_or_else(|_| panic!("{response:?}"))
}

#[test]
fn clock_changes_make_no_future_dates() {
    let Some(library) = another_clock() else { return };
    let work = Workspace::new();
    let day = chrono::Duration::days(1);
    work.write("a.md", dated("A", "One"));
    let due = (Utc::now() + day).to_rfc3339();
    work.write("later.md", seed("Later", "Later", &format!("date: {due}\n")));
    let clock = work.path().join("clock");
    let set = |offset: &str| {
        fs::write(work.path().join("clock.new"), offset).unwrap();
        fs::rename(work.path().join("clock.new"), &clock).unwrap();
    };
    set("+0");
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let served = Served::start(&work, &[], &variables);
    // The days between now and the clock of the daemon.
    let days = |response: &Response| {
        let date = chrono::DateTime::<Utc>::from(date(response, "date"));
        (date - Utc::now() + day / 2).num_seconds().div_euclid(day.num_seconds())
    };
    let get = |tag: &str| {
        let mut connection = Connection::to_socket(&served.socket);
        let response = connection.request("GET", "/all.atom", &[("If-None-Match", tag)]);
        // The date of an answer may be up to a second old.
        let now = date(&response, "date") + Duration::from_secs(1);
        assert!(date(&response, "last-modified") <= now, "{:?}", response.fields);
        response
    };
    let at = |expected: i64, shown: &[&str]| {
        eventually(&format!("{shown:?} are served {expected} days from now"), || {
            let response = get("");
            days(&response) == expected && sorted(titles(&response.body)) == shown
        });
        assert_eq!(served.admin("/readyz").status, 200, "setting the clock delays nothing");
    };
    at(0, &["A"]);
    in_step(&work.feeds(), &served, &["one"]);
    set("+2d");
    at(2, &["A", "Later"]);
    in_step(&work.feeds(), &served, &["one", "later"]);
    set("-2d");
    at(-2, &["A", "Later"]);
    let before = get("");
    assert_eq!(get(before.tag()).status, 304);
    work.write("a.md", dated("Changed", "One"));
    at(-2, &["Changed", "Later"]);
    let mut connection = Connection::to_socket(&served.socket);
    let since = [("If-Modified-Since", before.field("last-modified"))];
    let response = connection.request("GET", "/all.atom", &since);
    assert_eq!(response.status, 200, "the changed feed is sent: {:?}", response.fields);
    set("+0");
    at(0, &["Changed", "Later"]);
    work.write("b.md", dated("B", "Two"));
    at(0, &["B", "Changed", "Later"]);
    served.stop();

    // By the right clock the record is not due yet, and the mirror has files from the future.
    let again = Served::start(&work, &[], &[]);
    shows(&again, &["B", "Changed"]);
    for path in ["/all.atom", "/topics/one.atom", "/topics/later.atom"] {
        let response = again.get(path);
        let now = date(&response, "date") + Duration::from_secs(1);
        assert!(date(&response, "last-modified") <= now, "{path}: {:?}", response.fields);
    }
    again.stop();
}

#[test]
fn too_little_memory_ends_with_a_message() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let (mut refused, mut answered) = (0, 0);
    // With less, the system cannot load a debug build and kills it without a message.
    for megabytes in (34..70).step_by(4).chain([100, 1000]) {
        let mut served = start_limited(&format!("-v {}", megabytes * 1024), &work, &[]);
        let answers = |served: &Served| {
            let mut stream = std::os::unix::net::UnixStream::connect(&served.socket).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            stream.write_all(POLL).ok()?;
            let mut begins = [0; 12];
            stream.read_exact(&mut begins).ok()?;
            Some(begins == *b"HTTP/1.1 200")
        };
        let mut ended = None;
        eventually(&format!("the daemon answers with {megabytes} MB, or ends"), || {
            ended = served.child.try_wait().unwrap();
            ended.is_some() || answers(&served) == Some(true)
        });
        if let Some(status) = ended {
            let mut message = String::new();
            served.child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
            assert!(!status.success(), "{status}");
            // The messages of the system, of the loader and of Rust.
            let words = ["memory", "Resource temporarily unavailable", "failed to map", "broke down"];
            assert!(words.iter().any(|words| message.contains(words)), "{megabytes} MB: {status}: {message}");
            refused += 1;
        } else {
            answered += 1;
        }
        fs::remove_file(&served.socket).ok();
    }
    assert!(refused > 0 && answered > 0, "{refused} {answered}");
}

#[test]
fn seed_larger_than_memory_is_a_fault() {
    let work = Workspace::new();
    work.write("a.md", dated("A", "One"));
    let served = start_limited("-v 500000", &work, &["--max-seed-size", "1024MiB"]);
    shows(&served, &["A"]);
    File::create(work.seed("big.md")).unwrap().set_len(900 << 20).unwrap();
    work.write("b.md", dated("B", "One"));
    shows(&served, &["A", "B"]);
    eventually("the fault is counted", || {
        text(&served.admin("/metrics")).lines().any(|line| line == "sower_faults 1")
    });
    work.write("big.md", dated("No more", "One"));
    shows(&served, &["A", "B", "No more"]);
    let (_, log) = served.stop();
    assert!(log.contains("big.md: this cannot be read: "), "{log}");
}

#[test]
fn suspended_process_catches_up_when_it_continues() {
    let work = Workspace::new();
    for (path, title) in [("a.md", "A"), ("old/b.md", "B"), ("gone.md", "Gone")] {
        let more = format!("id: urn:example:{title}\ndate: 2024-01-01\n");
        work.write(path, seed(title, "One", &more));
    }
    let served = Served::start(&work, &[], &[]);
    shows(&served, &["A", "B", "Gone"]);
    in_step(&work.feeds(), &served, &["one"]);
    let mut connection = Connection::to_socket(&served.socket);
    assert_eq!(connection.request("GET", "/all.atom", &[]).status, 200);
    let due = Utc::now() + chrono::Duration::seconds(2);
    work.write("soon.md", seed("Soon", "Soon", &format!("date: {}\n", due.to_rfc3339())));
    served.signal("-STOP");
    let stat = format!("/proc/{}/stat", served.child.id());
    eventually("the process is suspended", || fs::read_to_string(&stat).unwrap().contains(") T "));
    connection.send(POLL);
    let mut waiting = Connection::to_socket(&served.socket);
    waiting.send(POLL);
    work.write("a.md", dated("Changed", "[One, Two]"));
    work.rename("old", "new");
    work.write("new/deep/d.md", dated("D", "Two"));
    work.remove("gone.md");
    eventually("the scheduled record is due", || due < Utc::now());
    served.signal("-CONT");
    for connection in [&mut connection, &mut waiting] {
        assert_eq!(connection.answer("GET").status, 200);
    }
    shows(&served, &["B", "Changed", "D", "Soon"]);
    is_ready(&served);
    in_step(&work.feeds(), &served, &["one", "two", "soon"]);
    served.stop();
}

/// Makes a process that writes this file block for ever.
fn block_write(file: &Path) {
    let name = file.file_name().unwrap().to_str().unwrap();
    let pipe = file.with_file_name(format!(".{name}{UNFINISHED}"));
    assert!(succeeds(&["mkfifo", pipe.to_str().unwrap()]));
}

/// Returns the number of unfinished files in a directory.
fn unfinished(feeds: &Path) -> usize {
    let files = walkdir::WalkDir::new(feeds).into_iter().filter_map(Result::ok);
    files.filter(|file| file.file_name().to_string_lossy().ends_with(UNFINISHED)).count()
}

#[test]
fn process_killed_between_mirror_files_leaves_whole_files() {
    let work = Workspace::new();
    let feeds = work.feeds();
    let save = |version: usize| {
        work.write(".saving", seed(&format!("Version {version}"), "[One, Two]", "date: 2024-02-01\n"));
        work.rename(".saving", "a.md");
    };
    work.write("older.md", seed("Older", "One", "date: 2024-01-01\n"));
    save(0);
    let serve = || Served::start(&work, &["--entries", "1"], &[]);
    let is_served = |served: &Served, version: usize| {
        eventually("a change is served", || {
            titles(&served.get("/all.atom").body) == [format!("Version {version}")]
        });
    };
    // The files that a change affects.
    let served = serve();
    is_served(&served, 0);
    in_step(&feeds, &served, &["one", "two"]);
    let before = mirrored(&feeds);
    save(1);
    is_served(&served, 1);
    in_step(&feeds, &served, &["one", "two"]);
    let after = mirrored(&feeds);
    let changed = after.keys().filter(|path| after[*path] != before[*path]).cloned();
    // Archive documents are written last, in their own order.
    let (archives, others): (Vec<_>, Vec<_>) = changed.partition(|path| path.contains("/2024-"));
    assert!(others.len() > 8 && !archives.is_empty(), "{others:?} {archives:?}");
    drop(served);

    for (step, path) in others.iter().chain(&archives).enumerate() {
        let version = step + 2;
        let mut served = serve();
        in_step(&feeds, &served, &["one", "two"]);
        assert_eq!(unfinished(&feeds), 0, "unfinished files are removed");
        let old = mirrored(&feeds);
        block_write(&feeds.join(path));
        save(version);
        is_served(&served, version);
        let is_new = |path: &String| fs::read(feeds.join(path)).unwrap() != old[path];
        let (sooner, later) = others.split_at(step.min(others.len()));
        eventually("all files before it are written", || sooner.iter().all(is_new));
        served.child.kill().unwrap();
        served.child.wait().unwrap();
        assert!(!later.iter().chain([path]).any(is_new), "{path} and all files after it are not written");
        for path in sooner {
            let written = fs::read_to_string(feeds.join(path)).unwrap();
            assert!(written.contains(&format!("Version {version}")), "{path} is whole: {written}");
        }
    }

    // The list of files is written before any new file.
    let mut served = serve();
    in_step(&feeds, &served, &["one", "two"]);
    let old = files(&feeds);
    block_write(&feeds.join(".sower"));
    work.write("b.md", seed("Another", "Three", "date: 2024-03-01\n"));
    eventually("a change is served", || titles(&served.get("/all.atom").body) == ["Another"]);
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    same(&files(&feeds), &old);
    let served = serve();
    in_step(&feeds, &served, &["one", "two", "three"]);
    assert_eq!(unfinished(&feeds), 0);
    served.stop();
}

#[test]
fn process_killed_within_a_mirror_file_leaves_no_part_of_it() {
    let work = Workspace::new();
    let feeds = work.feeds();
    work.write("a.md", dated("A", "One"));
    let served = Served::start(&work, &[], &[]);
    in_step(&feeds, &served, &["one"]);
    served.stop();
    let old = mirrored(&feeds);
    let body = "A line of which there are many.\n\n".repeat(4000);
    work.write("long.md", dated("Long", "[One, Two]") + &body);
    // The system kills the process that writes a larger file, at the limit.
    let mut killed = start_limited("-f 128", &work, &["--watch", "poll"]);
    eventually("the process is killed", || killed.child.try_wait().unwrap().is_some());
    assert_eq!(unfinished(&feeds), 1);
    same(&mirrored(&feeds), &old);
    let served = Served::start(&work, &[], &[]);
    shows(&served, &["A", "Long"]);
    in_step(&feeds, &served, &["one", "two"]);
    assert_eq!(unfinished(&feeds), 0);
    served.stop();
}
