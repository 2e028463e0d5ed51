//! The command line.

use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

fn sower(directory: &Path) -> Command {
    let mut command = Command::cargo_bin("sower").unwrap();
    command.current_dir(directory).env_clear().env("NO_COLOR", "1");
    command
}

/// The exit code, the standard output and the standard error of a command.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output =
        sower(directory).args(arguments).timeout(std::time::Duration::from_secs(20)).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn workspace(seeds: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("seeds")).unwrap();
    for (name, text) in seeds {
        std::fs::write(directory.path().join("seeds").join(name), text).unwrap();
    }
    directory
}

const GOOD: &str = "---\ntitle: Good\ndate: 2024-01-01\nwebUrl: https://a.example/\ntopics: [News]\n---\n";

#[test]
fn check_shows_faults_with_their_lines_and_a_summary() {
    let work = workspace(&[
        ("README.md", "No seed\n"),
        ("good.md", GOOD),
        ("bad.md", "---\ntitel: Bad\ntopics: [News]\nquality: high\n---\n"),
        ("draft.md", "---\ntitle: D\ndraft: true\ntopics: [News]\n---\n"),
    ]);
    let (code, out, _) = run(work.path(), &["check"]);
    let expected = "\
fault: a seed needs a `title`
 --> bad.md:1:1
  |
1 | ---
  | ^^^
  |
help: add `title: …` to its front matter

warning: `titel` is not a field of a seed
 --> bad.md:2:1
  |
2 | titel
  | ^^^^^
  |
help: did you mean `title`?

fault: `quality` is left out: it is not a number
 --> bad.md:4:10
  |
4 | quality: high
  |          ^^^^

3 seeds, 2 records, 1 entry in 1 topic
left out: 1 seed (see the faults)
  bad.md
held: 1 unpublished (preview them with `--unpublished`)
  draft.md
topics: News (1)
2 faults, 1 warning
passed over: 1 file without front matter
  README.md
";
    assert_eq!((code, out.as_str()), (1, expected));
}

#[test]
fn check_prints_json() {
    let work = workspace(&[
        ("README.md", "No seed\n"),
        ("good.md", GOOD),
        ("bad.md", "---\ntitle: [\n---\n"),
        ("x.md", "---\ntitle: X\ntopics: News\n---\n"),
    ]);
    let (code, out, _) = run(work.path(), &["check", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert_eq!(found["summary"]["seeds"], 3);
    assert_eq!(found["faults"][0]["path"], "bad.md");
    assert_eq!((&found["faults"][0]["line"], &found["faults"][0]["severity"]), (&3.into(), &"fault".into()));
    assert_eq!((&found["held"][0]["path"], &found["held"][0]["reason"]), (&"x.md".into(), &"undated".into()));
    assert_eq!(found["topics"][0]["slug"], "news");
}

#[test]
fn strict_check_reports_ignored_files_and_fields() {
    let work = workspace(&[("good.md", GOOD), ("odd.md", "---\ntitle: Odd\nprice: 1\ntopics: News\n---\n")]);
    assert_eq!(run(work.path(), &["check"]).0, 0);
    let (code, out, _) = run(work.path(), &["check", "--strict"]);
    assert_eq!(code, 1);
    assert!(out.contains("`price` is not a field") && out.contains("undated"), "{out}");
}

#[test]
fn build_writes_only_changed_files() {
    let work = workspace(&[("good.md", GOOD)]);
    let (code, _, output) = run(work.path(), &["build"]);
    assert_eq!(code, 0, "{output}");
    let feeds = [
        "all.rss",
        "all.atom",
        "all.json",
        "topics/news.rss",
        "topics/news.atom",
        "topics/news.json",
        "feeds.opml",
    ];
    assert!(
        output.contains("1 seed: 1 entry in 1 topic\n13 files in feeds: 13 written, 0 removed"),
        "{output}"
    );
    for feed in feeds {
        assert!(work.path().join("feeds").join(feed).is_file(), "{feed}");
    }
    let (_, _, output) = run(work.path(), &["build"]);
    assert!(output.contains("0 written, 0 removed"), "{output}");
    std::fs::remove_file(work.path().join("seeds/good.md")).unwrap();
    let (_, _, output) = run(work.path(), &["build"]);
    assert!(output.contains("10 written, 0 removed"), "{output}");
}

#[test]
fn build_with_a_faulty_seed_publishes_the_rest_and_fails() {
    let work = workspace(&[("good.md", GOOD), ("bad.md", "---\ntitle: Bad\n")]);
    let (code, _, output) = run(work.path(), &["build"]);
    assert_eq!(code, 1);
    assert!(output.contains("bad.md:1:1") && output.contains("13 written"), "{output}");
}

#[test]
fn check_explains_an_empty_publication() {
    let work = workspace(&[("a.md", &GOOD.replace("---\ntitle", "---\ndraft: true\ntitle"))]);
    let (code, _, output) = run(work.path(), &["build"]);
    assert_eq!(code, 0);
    assert!(
        output.contains("no entries from 1 seed; 1 unpublished: preview them with `--unpublished`"),
        "{output}"
    );
    let (code, _, output) = run(work.path(), &["build", "--unpublished"]);
    assert!(code == 1 && output.contains("a preview is not built into the default directory"), "{output}");
    let (_, _, output) = run(work.path(), &["build", "--unpublished", "--feeds", "preview"]);
    assert!(output.contains("1 seed: 1 entry in 1 topic"), "{output}");
}

#[test]
fn usage_error_is_one_sentence_that_names_the_flag() {
    let work = workspace(&[("good.md", GOOD)]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    std::fs::write(work.path().join("file"), "").unwrap();
    for (arguments, code, words) in [
        (&["serve", "--listen", &address][..], 1, &["--listen", "in use"][..]),
        (&["build", "--seeds", "nowhere"], 1, &["--seeds", "nowhere"]),
        (&["check", "--seeds", "file"], 1, &["--seeds", "file"]),
        (&["build", "--feeds", "file"], 1, &["--feeds", "file"]),
        (&["build", "--feeds", "off"], 1, &["--feeds"]),
        (&["build", "--feeds", "seeds"], 2, &["--feeds"]),
        (&["build", "--max-age", "soon"], 2, &["--max-age", "15m"]),
        (&["build", "--config", "nowhere.yaml"], 2, &["--config", "nowhere.yaml"]),
        (&["grow"], 2, &["grow"]),
        (&[], 2, &["Usage"]),
    ] {
        let (exit, _, output) = run(work.path(), arguments);
        assert_eq!(exit, code, "{arguments:?}: {output}");
        let last = output.trim_end().lines().last().unwrap_or_default();
        let shown = if code == 1 { last } else { &output };
        assert!(words.iter().all(|word| shown.contains(word)), "{arguments:?}: {output}");
        assert!(output.matches("os error").count() <= 1, "{arguments:?}: {output}");
    }
}

#[test]
fn flags_override_variables_and_variables_override_the_file() {
    let work = workspace(&[("good.md", GOOD)]);
    std::fs::write(work.path().join("sower.yaml"), "title: File\n").unwrap();
    let title = |arguments: &[&str], variable: Option<&str>| {
        let mut command = sower(work.path());
        command.arg("build").args(arguments);
        variable.map(|title| command.env("SOWER_TITLE", title));
        command.assert().success();
        let feed = std::fs::read_to_string(work.path().join("feeds/all.rss")).unwrap();
        feed.split("<title>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_eq!(title(&[], None), "File");
    assert_eq!(title(&[], Some("Variable")), "Variable");
    assert_eq!(title(&["--title", "Flag"], Some("Variable")), "Flag");
    std::fs::write(work.path().join("sower.yaml"), "titel: File\n").unwrap();
    let (code, _, output) = run(work.path(), &["build"]);
    assert_eq!(
        (code, output.as_str()),
        (2, "sower: sower.yaml:1:1: unknown key `titel`; did you mean `title`?\n")
    );
}

#[test]
fn check_counts_the_entries_of_each_selection() {
    let work = workspace(&[("good.md", GOOD)]);
    let yaml = "selections: [{name: everything}, {name: slip, any: [Nwes]}]\n";
    std::fs::write(work.path().join("sower.yaml"), yaml).unwrap();
    let (_, out, _) = run(work.path(), &["check"]);
    assert!(out.contains("\nselections: everything (1), slip (0)\n"), "{out}");
    let (_, out, _) = run(work.path(), &["check", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["selections"][1]["entries"], 0);
}

#[test]
fn init_writes_a_working_start_and_overwrites_no_file() {
    let work = tempfile::tempdir().unwrap();
    let (code, output, _) = run(work.path(), &["init", "site"]);
    assert_eq!(code, 0, "{output}");
    let site = work.path().join("site");
    let (code, out, _) = run(&site, &["check", "--strict"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("1 seed, 1 record, 1 entry in 1 topic"), "{out}");
    let written = std::fs::read_to_string(site.join("sower.yaml")).unwrap();
    let uncommented: String = written
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' ') || line.starts_with("  "))
        .fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(site.join("all.yaml"), uncommented).unwrap();
    let (code, _, output) = run(&site, &["build", "--config", "all.yaml"]);
    assert_eq!(code, 0, "every key in the comments is valid: {output}");
    let (code, _, output) = run(work.path(), &["init", "site"]);
    assert_eq!(code, 1);
    assert!(output.contains("already exists"), "{output}");
}
