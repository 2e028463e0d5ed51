//! Renders the bytes of a seed to every feed, without a panic. Every feed is well-formed and harmless.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use libfuzzer_sys::fuzz_target;
use sower::config::args::Settings;
use sower::catalog::Catalog;
use sower::config::Config;
use sower::publish::Publisher;
use sower::seed::{self, Change, Rules, Timestamp};

const EXTENSIONS: &[&str] = &["md", "html", "yaml", "txt"];

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let text = |text: &str| Some(text.to_owned());
    let settings = Settings { feeds: text("off"), unpublished: text("true"), ..Settings::default() };
    Arc::new(Config::resolve(settings).expect("every default is valid"))
});

// The first byte chooses the extension of the seed, the rest is its text.
fuzz_target!(|bytes: &[u8]| {
    let Some((&first, seed)) = bytes.split_first() else { return };
    let ending = EXTENSIONS[usize::from(first) % EXTENSIONS.len()];
    let path: Arc<str> = format!("2024-01-01-fuzz.{ending}").into();
    let reading = seed::read(&Rules::new(&CONFIG, false), &path, seed);
    let mut catalog = Catalog::new(true, Arc::default());
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a date");
    let affected = catalog.apply([(path, Change::Read(reading))], now);
    for fault in catalog.faults() {
        sower::catalog::report::fault(fault, false);
    }
    let mut publisher = Publisher::new(CONFIG.clone());
    let published = publisher.publish(&catalog, &affected, SystemTime::UNIX_EPOCH);
    assert!(published.failed.is_empty());
    for (path, representation) in &publisher.current().load().representations {
        let text = std::str::from_utf8(&representation.body).expect("UTF-8");
        check(path, text);
    }
});

fn check(path: &str, text: &str) {
    if path.ends_with(".json") {
        let feed: serde_json::Value = serde_json::from_str(text).expect("JSON");
        for item in feed["items"].as_array().expect("items") {
            harmless(item["content_html"].as_str().unwrap_or_default());
        }
        return;
    }
    if path.ends_with(".js") {
        return;
    }
    if path.ends_with(".html") {
        assert_eq!(text.matches("<script").count(), 1, "a page has one script, its own: {path}: {text}");
        return;
    }
    let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"));
    let contents = document.descendants().filter(|node| matches!(node.tag_name().name(), "content" | "encoded"));
    for content in contents {
        harmless(content.text().unwrap_or_default());
    }
}

/// Checks the content. Sanitised HTML is regular: attributes are quoted, and text has no `<` and no `>`.
fn harmless(html: &str) {
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let tag = &rest[start..];
        let mut quoted = false;
        let end = tag.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let tag = &tag[..end.unwrap_or_else(|| panic!("a tag without an end: {html}")) + 1];
        let parts: Vec<_> = tag.split('"').collect();
        let name = tag.trim_start_matches(['<', '/']).split([' ', '>']).next().unwrap_or_default();
        assert!(!["script", "style", "object", "embed", "link", "meta", "base", "form", "svg"].contains(&name), "{html}");
        for (attribute, value) in parts.iter().step_by(2).zip(parts.iter().skip(1).step_by(2)) {
            let attribute = attribute.trim_end_matches('=').rsplit(' ').next().unwrap_or_default();
            assert!(!attribute.starts_with("on") && !["style", "hidden"].contains(&attribute), "{html}");
            let schemes: &[&str] = match (name, attribute) {
                ("iframe", "src") => &["https://"],
                ("a", "href") => &["http://", "https://", "mailto:"],
                (_, "href" | "src" | "srcset" | "poster" | "cite") => &["http://", "https://"],
                _ => continue,
            };
            let addresses = value.split(if attribute == "srcset" { ", " } else { "\0" });
            for address in addresses {
                let known = schemes.iter().any(|scheme| address.starts_with(scheme));
                assert!(known, "{attribute}={value}: {html}");
            }
        }
        rest = &rest[start + tag.len()..];
    }
}
