//! `sower why` for entries that are shown, and for every reason that one is missing.

use crate::support::{Workspace, dated, seed};

const CONFIGURATION: &str = "
entries: 2
topics:
  - {name: Flash, retired: true}
  - {name: Atom, parent: Formats}
selections:
  - {name: videos, types: video, entries: 1}
";

fn workspace() -> Workspace {
    let work = Workspace::new();
    std::fs::write(work.path().join("sower.yaml"), CONFIGURATION).unwrap();
    let at = |day: u8, more: &str| format!("date: 2024-01-0{day}\n{more}");
    work.write("shown.md", seed("Shown", "Atom", &at(9, "webUrl: https://a.example/shown/\n")));
    work.write("newer.md", seed("Newer", "Other", &at(8, "")));
    work.write("over.md", seed("Over the limit", "Other", &at(2, "id: urn:x:over\n")));
    work.write("last.md", seed("Last", "Other", &at(1, "")));
    work.write("flash.md", seed("Flashy", "Flash", &at(3, "")));
    work.write("same.md", seed("Same", "Other", &at(7, "originalUrl: https://a.example/same\nquality: 5\n")));
    work.write("other/same.md", seed("Double", "Other", &at(7, "originalUrl: https://a.example/same\n")));
    work.write("draft.md", seed("Draft", "Other", &at(1, "published: true\ndraft: true\n")));
    work.write("removed.md", seed("Removed", "Other", &at(1, "removed: true\n")));
    work.write("scheduled.md", seed("Scheduled", "Other", "date: 2999-01-01\n"));
    work.write("expired.md", seed("Expired", "Other", &at(1, "expires: 2024-02-01\n")));
    work.write("undated.md", seed("Undated", "Other", ""));
    work.write("broken.md", "---\ntitle: Broken\nwebUrl: https://a.example/broken\n---\n");
    work.write("plain.md", "No front matter, and a word: unicorn.\n");
    work.write(".hidden.md", dated("Hidden", "Other"));
    work
}

fn why(work: &Workspace, what: &str) -> (i32, String) {
    let output = work.command("why").arg(what).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{what}");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn entry_is_found_by_path_address_id_and_title() {
    let work = workspace();
    let expected = "\
shown.md: Shown
  in https://feeds.example.org/all.atom, place 1 of 2
  in https://feeds.example.org/topics/atom.atom, place 1 of 1
  in https://feeds.example.org/topics/formats.atom, place 1 of 1
  not in https://feeds.example.org/selections/videos.atom: it has no type
";
    for what in [
        "shown.md",
        "seeds/shown.md",
        "https://a.example/shown",
        "http://A.example/shown/#x",
        "HTTPS://A.example/shown",
        "a.example/shown",
        "SHOWN",
        "how",
    ] {
        assert_eq!(why(&work, what), (0, expected.to_owned()), "{what}");
    }
    assert!(why(&work, "urn:x:over").1.starts_with("over.md: "));
    let (_, output) = why(&work, "https://a.example/same");
    assert!(output.contains("same.md: Same\n") && output.contains("other/same.md: Double\n"), "{output}");
}

#[test]
fn every_reason_to_be_missing_has_an_answer() {
    let work = workspace();
    for (what, code, expected) in [
        (
            "over.md",
            0,
            "over the limit of https://feeds.example.org/topics/other.atom: place 3 of 4, and it has 2; in its archive https://feeds.example.org/topics/other/2024-01.atom",
        ),
        ("flash.md", 0, "in no feed of the topic flash, which is retired"),
        ("other/same.md", 0, "a duplicate: its entry shows the fields of same.md"),
        ("draft.md", 1, "held: unpublished by `draft: true` at draft.md:6:1 since 20"),
        ("removed.md", 1, "held: removed by `removed: true` at removed.md:5:1 since 20"),
        ("scheduled.md", 1, "held: scheduled until 2999-01-01T00:00:00Z; each appears by itself"),
        ("expired.md", 1, "held: expired since 2024-02-01T00:00:00Z; set a later `expiryDateTime`"),
        ("undated.md", 1, "held: undated since 20"),
        ("broken.md", 1, "--> broken.md:1:1"),
        ("https://a.example/broken", 1, "a seed needs `topics`"),
        ("plain.md", 1, "not a seed: it has no front matter"),
        ("unicorn", 1, "plain.md: not a seed"),
        (".hidden.md", 1, "not a seed: a seed is not hidden"),
        ("shwon.md", 1, "did you mean shown.md?"),
        ("https://a.example/SHOWN", 1, "did you mean https://a.example/shown/?"),
        ("https://nowhere.example/", 1, "has this path, address, id or title"),
    ] {
        let (found, output) = why(&work, what);
        assert!(output.contains(expected), "{what}: {output}");
        assert_eq!(found, code, "{what}: {output}");
    }
}

#[test]
fn unmet_criterion_of_a_selection_is_named() {
    let work = Workspace::new();
    let selections = "
selections:
  - {name: a, any: Other}
  - {name: b, none: Atom}
  - {name: c, min_quality: 5}
  - {name: d, types: video}
  - {name: e, categories: news}
  - {name: f, providers: example.org}
  - {name: g, language: de}
  - {name: h, age: 1d}
  - {name: i, any: Atom, min_quality: 2, types: article, providers: Example}
";
    std::fs::write(work.path().join("sower.yaml"), selections).unwrap();
    let more = "date: 2024-01-01\nquality: 2.5\ntype: article\nprovider: {name: Example}\n";
    work.write("a.md", seed("A", "Atom", more));
    let (code, output) = why(&work, "a.md");
    let lacks: Vec<_> =
        output.lines().filter_map(|line| line.split_once("/selections/").map(|(_, lack)| lack)).collect();
    assert_eq!(
        lacks,
        [
            "a.atom: it has none of the topics of the selection",
            "b.atom: it has the topic atom, which the selection excludes",
            "c.atom: its quality is 2.5, below 5",
            "d.atom: its type is article",
            "e.atom: it has no category",
            "f.atom: its provider is Example",
            "g.atom: its language is en",
            "h.atom: its date is 2024-01-01T00:00:00Z, too old for the selection",
            "i.atom, place 1 of 1",
        ]
    );
    assert_eq!(code, 0);
}
