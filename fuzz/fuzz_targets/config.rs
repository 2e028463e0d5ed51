//! Parses the bytes of sower.yaml to a configuration or an error message, without a panic.

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sower::config::args::Settings;
use sower::config::Config;

static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("sower-fuzz-{}.yaml", std::process::id())));

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a file");
    let config = Some(FILE.display().to_string());
    match Config::resolve(Settings { config, ..Settings::default() }) {
        Ok(config) => {
            // A resolved configuration can be published with.
            sower::render::Publication::new(&config);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
