//! The direction of the imports, and what the pure modules do without.

use std::collections::BTreeMap;

/// Modules that see bytes and values only: no disk, no socket, no clock.
const PURE: &[&str] = &["text", "syntax", "seed", "catalog", "feed", "render"];
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::net",
    "std::io",
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "walkdir",
    "notify",
    "hyper",
];

fn modules() -> Vec<String> {
    let map = std::fs::read_to_string("src/lib.rs").unwrap();
    map.lines()
        .filter_map(|line| Some(line.strip_prefix("pub mod ")?.trim_end_matches(';').to_owned()))
        .collect()
}

/// The source of each module without its tests.
fn sources() -> BTreeMap<String, String> {
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    for file in walkdir::WalkDir::new("src").into_iter().map(Result::unwrap) {
        let path = file.path().to_str().unwrap().replace('\\', "/");
        if !path.ends_with(".rs") || path.ends_with("/tests.rs") {
            continue;
        }
        let module = path.strip_prefix("src/").unwrap().split(['/', '.']).next().unwrap().to_owned();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let code = text.split("mod tests {").next().unwrap();
        sources.entry(module).or_default().push_str(code);
    }
    sources
}

#[test]
fn a_module_uses_only_what_stands_above_it() {
    let (modules, sources) = (modules(), sources());
    assert!(modules.len() > 9);
    for (place, module) in modules.iter().enumerate() {
        let source = &sources[module];
        assert!(
            !source.contains("crate::{"),
            "{module}: one `use` for each module, so that this test sees it"
        );
        for below in &modules[place + 1..] {
            let names = [format!("crate::{below}::"), format!("crate::{below};")];
            let used = names.iter().any(|name| source.contains(name.as_str()));
            assert!(!used, "{module} uses {below}, which stands below it");
        }
    }
}

#[test]
fn pure_modules_touch_no_disk_no_socket_and_no_clock() {
    let sources = sources();
    for module in PURE {
        // What a library's writer returns, into memory too.
        let source = sources[*module].replace("std::io::Result", "");
        for what in IMPURE {
            assert!(!source.contains(what), "{module} uses {what}");
        }
    }
}

#[test]
fn each_format_is_written_in_its_own_file() {
    for file in walkdir::WalkDir::new("src").into_iter().map(Result::unwrap) {
        let path = file.path().to_str().unwrap();
        if !file.file_type().is_file() {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap();
        let atom = text.contains("use atom_syndication::{") || text.contains("atom_syndication::Feed");
        let rss = text.contains("use rss::");
        assert_eq!(atom, path == "src/render/atom.rs", "{path}");
        assert_eq!(rss, path == "src/render/rss.rs", "{path}");
    }
}
