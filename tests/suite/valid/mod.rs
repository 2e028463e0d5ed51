//! The rules of the specifications, and of the W3C validator, for published feeds.
//!
//! The parsers are not those that sower uses, so that both cannot have the same mistake.

mod agree;
mod atom;
mod html;
mod json;
mod opml;
mod page;
mod rss;
mod value;
mod xml;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use sower::config::args::Settings;

pub(crate) use self::page::headings;
use self::value::Rule;
use crate::cold::{self, Tree, config};
use crate::records::real_records;
use crate::shapes;
use crate::support::address;

/// Returns the faults of a published document, a sentence each, which begins with the place.
pub(crate) fn faults(path: &str, bytes: &[u8], publication_url: &str) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(bytes) else { return vec!["the document is not UTF-8".to_owned()] };
    let own = own_address(path, publication_url);
    let subscription = own_address(&subscription(path), publication_url);
    let mut faults = Faults::default();
    let file = path.split('?').next().unwrap_or_default();
    match file.rsplit_once('.') {
        Some((_, "rss")) => rss::check(text, &own, &mut faults),
        Some((_, "atom")) => atom::check(text, &own, &mut faults),
        Some((_, "json")) => json::check(text, &subscription, &mut faults),
        Some((_, "opml")) => opml::check(text, &mut faults),
        Some((_, "html")) => page::check(text, &own_address(address(file), publication_url), &mut faults),
        // The files that pages load are not feed documents.
        Some((_, "js" | "svg")) => {}
        _ => faults.add("the document", "has a name without a known ending"),
    }
    faults.0
}

/// Returns the path of the subscription document of a feed: `topics/SLUG.json` for `topics/SLUG/2024-03.json`.
fn subscription(path: &str) -> String {
    let segments: Vec<_> = path.split('/').collect();
    match (segments.as_slice(), path.rsplit_once('.')) {
        ([feed @ .., _], Some((_, ending))) if feed.len() == 2 || feed == ["all"] => {
            format!("{}.{ending}", feed.join("/"))
        }
        _ => path.to_owned(),
    }
}

/// Returns the address of a document, in ASCII (RFC 3986 §2.1).
fn own_address(path: &str, publication_url: &str) -> String {
    let mut address = publication_url.to_owned();
    for byte in path.bytes() {
        match byte {
            b'!'..=b'~' => address.push(char::from(byte)),
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, place: &str, what: impl Display) {
        self.0.push(format!("{place} {what}"));
    }

    fn check(&mut self, place: &str, holds: bool, otherwise: impl Display) {
        if !holds {
            self.add(place, otherwise);
        }
    }

    fn check_value(&mut self, place: &str, rule: Rule, value: &str) {
        if let Err(otherwise) = rule(value) {
            self.add(place, otherwise);
        }
    }

    /// Checks that names of one kind are unique.
    fn check_unique<'a>(&mut self, place: &str, values: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for value in values {
            self.check(place, seen.insert(value), format!("{value:?} appears more than once"));
        }
    }
}

/// A part of a valid document, an invalid replacement, and the faults that it causes.
type Breach = (&'static str, &'static str, &'static [&'static str]);

fn each_breach_is_found(path: &str, good: &str, breaches: &[Breach]) {
    // The text after these words is the parser's own.
    let brief = |fault: String| fault.split_inclusive("well-formed").next().unwrap().to_owned();
    let found = |document: &str| -> Vec<_> {
        faults(path, document.as_bytes(), "https://feeds.example.org/").into_iter().map(brief).collect()
    };
    assert_eq!(found(good), Vec::<String>::new());
    for (words, instead, expected) in breaches {
        assert_eq!(good.matches(words).count(), 1, "{words}");
        assert_eq!(found(&good.replace(words, instead)), *expected, "{instead} instead of {words}");
    }
}

fn feeds(tree: &Tree) -> impl Iterator<Item = (&String, &Vec<u8>)> {
    let known = |path: &str| path.rsplit_once('.').is_some_and(|(_, ending)| FORMATS.contains(&ending));
    tree.iter().filter(move |(path, _)| known(path))
}

const FORMATS: [&str; 6] = ["rss", "atom", "json", "opml", "html", "css"];

/// Checks that every fault of a tree contains an accepted text, and that each accepted text still occurs.
fn check_tree(tree: &Tree, publication_url: &str, accepted: &[&str]) {
    let found: Vec<_> = feeds(tree)
        .flat_map(|(path, bytes)| {
            faults(path, bytes, publication_url).into_iter().map(move |fault| format!("{path}: {fault}"))
        })
        .collect();
    for words in accepted {
        assert!(found.iter().any(|fault| fault.contains(words)), "accepted fault no longer occurs: {words}");
    }
    let new: Vec<_> =
        found.iter().filter(|fault| !accepted.iter().any(|words| fault.contains(words))).collect();
    let shown: Vec<_> = new.iter().take(20).map(|fault| fault.as_str()).collect();
    assert!(new.is_empty(), "{} faults\n{}", new.len(), shown.join("\n"));
}

fn samples() -> Tree {
    cold::tree(&config(Path::new("seeds"), Settings::default()), cold::now())
}

fn real() -> Option<Tree> {
    let settings = Settings { entries: Some("1000".to_owned()), ..Settings::default() };
    Some(cold::tree(&config(&real_records()?, settings), cold::now()))
}

const AT_HOME: &str = "http://127.0.0.1:8080/";

#[test]
fn samples_render_valid_feeds() {
    check_tree(&samples(), AT_HOME, &[]);
}

#[test]
fn archives_are_valid_feeds() {
    let settings = Settings {
        entries: Some("2".to_owned()),
        copyright: Some("© A & B".to_owned()),
        icon: Some("https://feeds.example.org/icon.png".to_owned()),
        logo: Some("https://feeds.example.org/logo.svg".to_owned()),
        ..Settings::default()
    };
    let tree = cold::tree(&config(Path::new("seeds"), settings), cold::now());
    assert!(tree.keys().filter(|path| path.starts_with("all/")).count() > 10);
    check_tree(&tree, AT_HOME, &[]);
}

#[test]
fn every_shape_renders_valid_feeds() {
    let text_that_resembles_html = [
        "Shapes & <Sizes>",
        "Shapes &amp; &lt;Sizes&gt;",
        "<script>alert(1)</script>",
        "<i>P</i> ]]> & Co",
        "<Hostile> & ]]>",
        "&quot;quoted&quot;",
    ];
    check_tree(&shapes::grown(), "https://feeds.example.org/", &text_that_resembles_html);
}

#[test]
fn real_records_render_valid_feeds() {
    if let Some(tree) = real() {
        // An excerpt that was escaped twice.
        check_tree(&tree, AT_HOME, &["&quot;developer&quot;"]);
    }
}

#[test]
fn document_has_the_name_and_syntax_of_its_format() {
    let found = |path: &str, bytes: &[u8]| faults(path, bytes, "https://feeds.example.org/").join("; ");
    assert_eq!(found("all.txt", b""), "the document has a name without a known ending");
    assert_eq!(found("all.rss", b"<rss>\xFF</rss>"), "the document is not UTF-8");
    assert_eq!(own_address("a/é b.rss", "https://x.example/y/"), "https://x.example/y/a/%C3%A9%20b.rss");
}
