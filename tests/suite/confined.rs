//! A daemon in its Landlock sandbox, if the kernel has Landlock: it reads and writes only what it may, and still
//! sees every change.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::machine::{await_reason, in_step, is_ready, shows};
use crate::serving::{Served, text};
use crate::support::{Workspace, dated, eventually, skipped};

/// Starts a daemon and returns it with the log line about its sandbox, or `None` if the kernel has no Landlock.
fn confined(work: &Workspace) -> Option<(Served, String)> {
    let mut served = Served::start(work, &[], &[]);
    let log = served.child.stderr.as_mut().unwrap();
    let (mut line, mut byte) = (Vec::new(), [0]);
    while byte != *b"\n" {
        log.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let line = String::from_utf8(line).unwrap().trim_end().to_owned();
    if !line.contains("sandbox on (Landlock") {
        assert!(line.contains("sandbox off: "), "{line}");
        skipped(&line);
        return None;
    }
    Some((served, line))
}

fn configure(work: &Workspace, served: &Served, lines: &str) {
    fs::write(work.path().join("sower.yaml"), lines).unwrap();
    served.signal("-HUP");
}

#[test]
fn sandbox_allows_writes_elsewhere_only_after_a_restart() {
    let (work, elsewhere) = (Workspace::new(), tempfile::tempdir().unwrap());
    work.write("a.md", dated("A", "One"));
    let Some((served, may_write)) = confined(&work) else { return };
    let beside = work.path().canonicalize().unwrap();
    let message = format!("reads only below {0}, writes only below {0}", beside.display());
    assert!(may_write.ends_with(&message), "{may_write}");
    shows(&served, &["A"]);
    in_step(&work.feeds(), &served, &["one"]);

    configure(&work, &served, &format!("feeds: {}\n", elsewhere.path().join("feeds").display()));
    await_reason(&served, "Permission denied (os error 13); if it was mounted or linked there after");
    work.write("b.md", dated("B", "[One, Two]"));
    shows(&served, &["A", "B"]);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);

    configure(&work, &served, "feeds: others\n");
    is_ready(&served);
    in_step(&work.path().join("others"), &served, &["one", "two"]);
    let (_, log) = served.stop();
    let message = "which the sandbox does not let this process write; restart sower";
    assert_eq!(log.matches(message).count(), 1, "{log}");
    configure_and_restart(&work, elsewhere.path());
}

fn configure_and_restart(work: &Workspace, elsewhere: &Path) {
    fs::write(work.path().join("sower.yaml"), format!("feeds: {}/feeds\n", elsewhere.display())).unwrap();
    let served = Served::start(work, &[], &[]);
    in_step(&elsewhere.join("feeds"), &served, &["one", "two"]);
    served.stop();
}

#[test]
fn sandbox_allows_reads_elsewhere_only_after_a_restart() {
    let (work, known, new) = (Workspace::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    work.write("a.md", dated("A", "One"));
    fs::write(known.path().join("known.md"), dated("Known", "One")).unwrap();
    fs::write(new.path().join("new.md"), dated("New", "One")).unwrap();
    symlink(known.path().join("known.md"), work.seeds().join("known.md")).unwrap();
    let Some((served, _)) = confined(&work) else { return };
    shows(&served, &["A", "Known"]);
    symlink(new.path().join("new.md"), work.seeds().join("new.md")).unwrap();
    eventually("the fault is reported", || {
        text(&served.admin("/status.json")).contains("restart sower to use it")
    });
    work.write("b.md", dated("B", "One"));
    shows(&served, &["A", "B", "Known"]);
    configure(&work, &served, &format!("seeds: {}\n", new.path().display()));
    work.write("c.md", dated("C", "One"));
    shows(&served, &["A", "B", "C", "Known"]);
    let (_, log) = served.stop();
    let message = "which the sandbox does not let this process read; restart sower";
    assert_eq!(log.matches(message).count(), 1, "{log}");
    assert!(log.contains("restart sower to use it; keeping the previous configuration"), "{log}");

    let served = Served::start(&work, &[], &[]);
    shows(&served, &["New"]);
    served.stop();
}

#[test]
fn symlink_above_the_seeds_may_switch_to_a_sibling() {
    let (work, [way, trees]) = (Workspace::new(), [(); 2].map(|()| tempfile::tempdir().unwrap()));
    let current = way.path().join("current");
    let link_to = |tree: &str| {
        let seeds = trees.path().join(tree).join("seeds");
        fs::create_dir_all(&seeds).unwrap();
        fs::write(seeds.join("a.md"), dated(tree, "One")).unwrap();
        let link = way.path().join("link");
        symlink(trees.path().join(tree), &link).unwrap();
        fs::rename(link, &current).unwrap();
    };
    link_to("first");
    fs::write(work.path().join("sower.yaml"), format!("seeds: {}/seeds\n", current.display())).unwrap();
    let Some((served, _)) = confined(&work) else { return };
    shows(&served, &["first"]);
    link_to("second");
    shows(&served, &["second"]);
    served.stop();
}

#[test]
fn sandbox_allows_all_reads_until_the_seed_directory_exists() {
    let (work, elsewhere) = (Workspace::new(), tempfile::tempdir().unwrap());
    fs::remove_dir(work.seeds()).unwrap();
    let Some((served, message)) = confined(&work) else { return };
    assert!(message.contains("reads anywhere (the seed directory does not exist yet)"), "{message}");
    fs::write(elsewhere.path().join("a.md"), dated("A", "One")).unwrap();
    symlink(elsewhere.path(), work.seeds()).unwrap();
    shows(&served, &["A"]);
    served.stop();
}

#[test]
fn replaced_seed_directory_is_read_inside_the_sandbox() {
    let (work, elsewhere) = (Workspace::new(), tempfile::tempdir().unwrap());
    let seeds = |name: &str, title: &str| {
        let directory = elsewhere.path().join(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("a.md"), dated(title, "One")).unwrap();
        directory
    };
    let link_to = |place: &Path| {
        let link = work.path().join("link");
        symlink(place, &link).unwrap();
        fs::rename(link, work.seeds()).unwrap();
    };
    fs::remove_dir(work.seeds()).unwrap();
    link_to(&seeds("first", "First"));
    let Some((served, _)) = confined(&work) else { return };
    shows(&served, &["First"]);
    let second = seeds("second", "Second");
    link_to(&second);
    shows(&served, &["Second"]);
    symlink(seeds("aside", "Aside").join("a.md"), second.join("linked.md")).unwrap();
    shows(&served, &["Aside", "Second"]);
    fs::remove_dir_all(&second).unwrap();
    seeds("second", "Made again");
    shows(&served, &["Made again"]);
    let third = seeds("third", "Third");
    configure(&work, &served, &format!("seeds: {}\n", third.display()));
    shows(&served, &["Third"]);
    served.stop();
}

#[test]
fn symlinked_feeds_directory_may_be_recreated() {
    let (work, elsewhere) = (Workspace::new(), tempfile::tempdir().unwrap());
    work.write("a.md", dated("A", "One"));
    let behind = elsewhere.path().join("feeds");
    fs::create_dir(&behind).unwrap();
    symlink(&behind, work.feeds()).unwrap();
    let Some((served, _)) = confined(&work) else { return };
    in_step(&behind, &served, &["one"]);
    fs::remove_dir_all(&behind).unwrap();
    fs::create_dir(&behind).unwrap();
    work.write("b.md", dated("B", "Two"));
    shows(&served, &["A", "B"]);
    in_step(&behind, &served, &["one", "two"]);
    served.stop();
}
