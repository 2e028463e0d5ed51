//! Histories of changes: whatever happened to the seeds, and whatever events were seen, the result is that of a
//! cold start.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sower::catalog::Catalog;
use sower::ingest::{Hint, Rescan, RescanStep, Scan};
use sower::publish::Publisher;
use sower::publish::mirror::{Mirror, MirrorPlan};
use sower::seed::{Rules, Timestamp};
use walkdir::WalkDir;

use crate::cold::{catalog as cold_catalog, published, tree};
use crate::support::{Finish, Workspace, dated, same, with_entries};

const FILES: &[&str] = &[
    "a.md",
    "b.html",
    "c.yaml",
    "one/a.md",
    "one/b.md",
    "one/two/a.md",
    "one/two/2024-05-05-d.txt",
    "other/a.md",
    "other/c.yml",
];
const FOLDERS: &[&str] = &["one", "one/two", "other", "new", "new/deep"];

/// A change to the seed directory. A change that is impossible is left out.
#[derive(Debug, Clone)]
enum Step {
    Write { file: &'static str, text: String, atomic: bool, backdated: bool },
    Rename { from: &'static str, to: &'static str },
    Remove { file: &'static str },
    RemoveFolder { folder: &'static str },
}

impl Step {
    fn take(&self, root: &Path) {
        let make_room = |path: &Path| fs::create_dir_all(path.parent().unwrap()).unwrap();
        match self {
            Self::Write { file, text, atomic, backdated } => {
                let file = root.join(file);
                make_room(&file);
                let written = if *atomic { root.join(".saving") } else { file.clone() };
                fs::write(&written, text).unwrap();
                if *backdated {
                    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
                    File::options().write(true).open(&written).unwrap().set_modified(long_ago).unwrap();
                }
                fs::rename(written, file).unwrap();
            }
            Self::Rename { from, to } => {
                make_room(&root.join(to));
                let _ = fs::rename(root.join(from), root.join(to));
            }
            Self::Remove { file } => drop(fs::remove_file(root.join(file))),
            Self::RemoveFolder { folder } => drop(fs::remove_dir_all(root.join(folder))),
        }
    }

    /// Returns the paths that a complete watcher would report.
    fn places(&self) -> Vec<&'static str> {
        match self {
            Self::Write { file, .. } | Self::Remove { file } => vec![file],
            Self::Rename { from, to } => vec![from, to],
            Self::RemoveFolder { folder } => vec![folder],
        }
    }
}

/// Feeds short enough to have archives, nested topics, and selections of every kind.
const SMALL: &str = "
entries: 2
topics:
  - {name: Formats, entries: 3}
  - {name: JSON Feed, parent: Formats}
  - {name: Syndication, aliases: [rss]}
  - {name: Atom, retired: true}
selections:
  - {name: small, any: [formats], none: [atom], entries: 1}
  - {name: heated, order: heat, min_quality: 1}
  - {name: recent, age: 36500d}
  - {name: spelled, any: [podcasts, web feeds], entries: 1}
";

const BROKEN: &str = "# broken";

fn text() -> impl Strategy<Value = String> {
    let title = select(&["Same", "Other", "R&D <b>", "机器"][..]);
    let id = prop_oneof![Just(String::new()), (0..3_u8).prop_map(|id| format!("id: urn:example:{id}\n"))];
    let spellings = &[
        "JSON Feed",
        "json feed",
        "Json-Feed",
        "RSS",
        "rss",
        "Atom",
        "机器学习",
        "Podcasts",
        "podcasts",
        "Web Feeds",
        "web feeds",
    ][..];
    let topics = subsequence(spellings, 1..4).prop_shuffle();
    let quality = (0..3_u8).prop_map(|quality| format!("quality: {quality}\n"));
    let day = (1..5_u8, 1..3_u8).prop_map(|(month, day)| format!("date: 2024-0{month}-0{day}\n"));
    let heat = (0..3_u8).prop_map(|heat| format!("heat: {heat}\n"));
    let held = prop_oneof![
        8 => Just(""),
        1 => Just("draft: true\n"),
        1 => Just("removed: true\n"),
        1 => Just("expires: 2020-01-01\n"),
        1 => Just("publishedDateTime: 2999-01-01\n"),
    ];
    let day = prop_oneof![6 => day, 1 => Just(String::new())];
    let sound = (title, id, topics, quality, day, held, heat).prop_map(
        |(title, id, topics, quality, day, held, heat)| {
            let topics = topics.join(", ");
            format!("---\ntitle: {title}\ntopics: [{topics}]\n{id}{quality}{heat}{day}{held}---\n")
        },
    );
    let broken = select(&["title: [\n", "title: No topics\n", "title: A\ntopics: rss\ndate: some day\n"][..]);
    prop_oneof![
        12 => sound,
        1 => broken.prop_map(|lines| format!("---\n{BROKEN}\n{lines}---\n")),
        1 => Just(format!("---\n{BROKEN}\ntitle: Open\n")),
        1 => select(&["", "--", "\n\n"][..]).prop_map(str::to_owned),
        1 => Just("Nothing but text.\n".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let file = || select(FILES);
    let folder = || select(FOLDERS);
    prop_oneof![
        8 => (file(), text(), any::<bool>(), any::<bool>())
            .prop_map(|(file, text, atomic, backdated)| Step::Write { file, text, atomic, backdated }),
        2 => (file(), file()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => file().prop_map(|file| Step::Remove { file }),
        1 => (folder(), folder()).prop_map(|(from, to)| Step::Rename { from, to }),
        1 => folder().prop_map(|folder| Step::RemoveFolder { folder }),
    ]
}

/// Corrects or deletes every broken or blank seed: the last good record that such a seed shows depends on its
/// history.
fn correct_all(root: &Path) {
    let files =
        WalkDir::new(root).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let is_broken = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let ending = path.extension().unwrap().to_str().unwrap();
        let is_plain = !text.starts_with("---\n");
        text.contains(BROKEN)
            || text.trim_matches(['-', '\n']).is_empty()
            || (is_plain && ending.starts_with('y'))
    };
    let broken: Vec<_> = files.map(walkdir::DirEntry::into_path).filter(|path| is_broken(path)).collect();
    for (index, path) in broken.iter().enumerate() {
        if index % 2 == 0 {
            fs::write(path, "---\ntitle: Corrected\ntopics: RSS\ndate: 2024-01-04\n---\n").unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
}

/// A way in which a hint differs from the changes.
#[derive(Debug, Clone)]
enum Delivery {
    All,
    Nothing,
    Twice,
    Parents,
    Everywhere,
    /// Delivered after the next hint.
    Late,
    Wrong(Vec<&'static str>),
    Unfinished,
}

impl Delivery {
    fn hints(&self, root: &Path, places: &[&str]) -> Vec<Hint> {
        let paths: BTreeSet<_> = places.iter().map(|place| root.join(place)).collect();
        let all = Hint { paths: paths.clone(), ..Hint::default() };
        match self {
            Self::All | Self::Late => vec![all],
            Self::Nothing => Vec::new(),
            Self::Twice => vec![all.clone(), all],
            Self::Parents => {
                let parents = paths.iter().map(|path| path.parent().unwrap().to_owned());
                vec![Hint { paths: parents.chain(paths.clone()).collect(), ..Hint::default() }]
            }
            Self::Everywhere => vec![Hint::everywhere()],
            Self::Wrong(places) => {
                vec![Hint { paths: places.iter().map(|place| root.join(place)).collect(), ..Hint::default() }]
            }
            Self::Unfinished => vec![Hint { everywhere: true, unfinished: paths, ..Hint::default() }],
        }
    }
}

fn delivery() -> impl Strategy<Value = Delivery> {
    let wrong = [FILES, FOLDERS, &["", "..", ".hidden", "nowhere/at/all.md", "../seeds/a.md"]].concat();
    prop_oneof![
        4 => Just(Delivery::All),
        2 => Just(Delivery::Nothing),
        1 => Just(Delivery::Twice),
        1 => Just(Delivery::Parents),
        1 => Just(Delivery::Everywhere),
        2 => Just(Delivery::Late),
        2 => vec(select(wrong), 0..4).prop_map(Delivery::Wrong),
        1 => Just(Delivery::Unfinished),
    ]
}

fn cases(cases: u32) -> ProptestConfig {
    // Bounds the time for shrinking a failure.
    ProptestConfig { cases, failure_persistence: None, max_shrink_time: 60_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn incremental_result_equals_a_cold_read(steps in vec((step(), delivery()), 1..40)) {
        let work = Workspace::new();
        fs::write(work.path().join("sower.yaml"), SMALL).unwrap();
        let config = work.config();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut scan = Scan::new(&config.seeds, config.feeds.as_deref(), Rules::new(&config, false));
        let mut catalog = Catalog::new(false, config.topics.clone());
        let (mut mirror, mut mirroring) = (Mirror::new(work.feeds()), MirrorPlan::default());
        let mut publisher = Publisher::new(Arc::new(config.clone()));
        let mut scan_and_apply = |scan: &mut Scan, hint: &Hint| {
            let touched = catalog.apply(scan.scan(hint).unwrap(), now);
            mirroring.extend(publisher.publish(&catalog, &touched, SystemTime::now()).plan);
            mirror.update(&publisher.current().load(), &mut mirroring, &|| false).unwrap();
        };
        let mut late = Vec::new();
        for (step, delivery) in &steps {
            step.take(&work.seeds());
            let hints = delivery.hints(&work.seeds(), &step.places());
            if matches!(delivery, Delivery::Late) {
                late.extend(hints);
            } else {
                hints.into_iter().chain(late.drain(..).rev()).for_each(|hint| scan_and_apply(&mut scan, &hint));
            }
        }
        correct_all(&work.seeds());
        // Changes without a hint are found too.
        let mut rescan = Rescan::new(&scan);
        loop {
            match rescan.step(&scan) {
                None => {}
                Some(RescanStep::Reread(paths)) => scan_and_apply(&mut scan, &Hint { paths, ..Hint::default() }),
                Some(RescanStep::Finished(paths, _)) => break scan_and_apply(&mut scan, &Hint { paths, ..Hint::default() }),
                Some(RescanStep::ScanNeeded) => break scan_and_apply(&mut scan, &Hint::everywhere()),
            }
        }
        let cold = tree(&config, now);
        prop_assert_eq!(
            publisher.current().load().entries.hash(),
            cold_catalog(&config, now).entries().hash()
        );
        same(&with_entries(published(&publisher), &cold), &cold);
        same(&with_entries(work.mirrored(), &cold), &cold);
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn daemon_converges_to_a_cold_build(
        before in vec(step(), 0..8),
        steps in vec((step(), 0..30_u64), 1..25),
    ) {
        let work = Workspace::new();
        fs::write(work.path().join("sower.yaml"), SMALL).unwrap();
        for step in &before {
            step.take(&work.seeds());
        }
        let daemon = work.serve();
        for (step, pause) in &steps {
            step.take(&work.seeds());
            thread::sleep(Duration::from_millis(*pause));
        }
        correct_all(&work.seeds());
        // An empty seed directory is distrusted for a while.
        work.write("last.md", dated("Last", "RSS"));
        // The periodic rescan finds the changes that the watcher misses.
        work.in_step_within(Duration::from_secs(45), &daemon);
    }
}

#[test]
fn seed_being_written_is_read_by_a_later_scan() {
    let work = Workspace::new();
    let mut scan = Scan::new(&work.seeds(), None, Rules::new(&work.config(), false));
    let written = |title| work.write("a.md", dated(title, "One"));
    let mut found = |unfinished: &[&str]| {
        let unfinished = unfinished.iter().map(|path| work.seed(path)).collect();
        scan.scan(&Hint { everywhere: true, unfinished, ..Hint::default() }).unwrap().len()
    };
    for title in ["New", "Changed"] {
        written(title);
        assert_eq!([found(&["a.md"]), found(&["b.md"]), found(&[])], [0, 1, 0], "{title}");
    }
    work.remove("a.md");
    assert_eq!([found(&["a.md"]), found(&[])], [1, 0], "a removed file is not open for writing");
}

#[test]
fn change_with_equal_size_and_mtime_is_found() {
    let work = Workspace::new();
    let mut scan = Scan::new(&work.seeds(), None, Rules::new(&work.config(), false));
    for round in 100..150 {
        let text = dated(&format!("Round {round}"), "One");
        Step::Write { file: "a.md", text, atomic: false, backdated: true }.take(&work.seeds());
        assert_eq!(scan.scan(&Hint::everywhere()).unwrap().len(), 1, "round {round}");
    }
}

/// Enough seeds for a scan to take a while.
const MANY: usize = 100;

fn many_seeds() -> (Workspace, Scan) {
    let work = Workspace::new();
    for number in 0..MANY {
        work.write(&format!("one/{number}.md"), dated(&format!("Number {number}"), "One"));
    }
    let config = work.config();
    let scan = Scan::new(&config.seeds, None, Rules::new(&config, false));
    (work, scan)
}

#[test]
fn seed_moved_during_a_scan_is_found_by_the_next() {
    let (work, mut scan) = many_seeds();
    let mut catalog = Catalog::new(false, Arc::default());
    let (seed, away) = (work.seed("one/0.md"), work.path().join("away"));
    let hint = Hint { paths: BTreeSet::from([work.seed("one"), seed.clone()]), ..Hint::default() };
    for round in 0..100 {
        let scanned = AtomicBool::new(false);
        let faults = thread::scope(|scope| {
            scope.spawn(|| {
                while !scanned.load(Ordering::Relaxed) {
                    fs::rename(&seed, &away).unwrap();
                    fs::rename(&away, &seed).unwrap();
                }
            });
            let _finish = Finish(&scanned);
            catalog.apply(scan.scan(&hint).unwrap(), Timestamp::UNIX_EPOCH);
            catalog.faults().count()
        });
        assert_eq!(faults, 0, "a missing seed is not a fault");
        catalog.apply(scan.scan(&Hint::everywhere()).unwrap(), Timestamp::UNIX_EPOCH);
        assert_eq!(catalog.census().records, MANY, "round {round}");
    }
}

#[test]
fn seed_directory_moved_during_a_scan_keeps_its_records() {
    let (work, mut scan) = many_seeds();
    let mut catalog = Catalog::new(false, Arc::default());
    catalog.apply(scan.scan(&Hint::everywhere()).unwrap(), Timestamp::UNIX_EPOCH);
    let away = work.path().join("away");
    for round in 0..200 {
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_micros(10 * (round % 50)));
                fs::rename(work.seeds(), &away).unwrap();
            });
            let scanned = scan.scan(&Hint::everywhere());
            catalog.apply(scanned.unwrap_or_default(), Timestamp::UNIX_EPOCH);
        });
        assert_eq!(catalog.census().records, MANY, "round {round}");
        fs::rename(&away, work.seeds()).unwrap();
    }
}
