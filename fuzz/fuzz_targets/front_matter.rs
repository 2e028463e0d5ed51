//! Reads the bytes of a seed to a record or faults. For any input, nothing panics, every fault is at a place in the
//! seed, and no secured value appears in a record or a fault.

#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sower::config::args::Settings;
use sower::config::Config;
use sower::catalog::report;
use sower::seed::{self, Reading, Rules};

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let text = |text: &str| Some(text.to_owned());
    let settings = Settings {
        topic_fields: text("tags,taxonomies.tags"),
        topic_words: text("true"),
        permalink: text("https://example.org/{tags}/{year}/{name}/"),
        ..Settings::default()
    };
    let config = Config::resolve(settings).expect("every setting is valid");
    Rules::new(&config, true)
});

/// A secured value, which no fault and no record may contain.
const SECRET: &str = "c1pher7ext";

fuzz_target!(|front_matter: &str| {
    // Text after a closing fence would be body, which is shown.
    if !front_matter.split('\n').any(|line| line.trim_end() == "---") {
        read(front_matter, &format!("---\n{front_matter}\nsecured: {SECRET}\n---\nBody\n"));
    }
    read(front_matter, &format!("+++\nsecured = '{SECRET}'\n{front_matter}\n+++\nBody\n"));
});

fn read(front_matter: &str, text: &str) {
    let path: Arc<str> = "2024-01-01-fuzz.md".into();
    let Reading::Seed { record, faults } = seed::read(&RULES, &path, text.as_bytes()) else { return };
    let lines = text.lines().count() + text.matches(['\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
    for fault in faults {
        let shown = report::fault(&fault, false);
        // The input may contain the value elsewhere.
        assert!(front_matter.contains(SECRET) || !shown.contains(SECRET), "{shown}");
        if let Some(place) = fault.place {
            assert!((1..=lines).contains(&place.at.line), "{shown}");
        }
    }
    if let Some(record) = record {
        let shown = format!("{:?}", record.record());
        assert!(front_matter.contains(SECRET) || !shown.contains(SECRET), "{shown}");
    }
}
