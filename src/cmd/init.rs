//! `sower init`: a starting sower.yaml and a first seed.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::Utc;

const CONFIGURATION: &str = include_str!("sower.yaml");

pub(super) fn run(directory: &Path) -> anyhow::Result<ExitCode> {
    let configuration = directory.join("sower.yaml");
    if configuration.exists() {
        bail!("{} already exists; not overwriting it", configuration.display());
    }
    let seeds = directory.join("seeds");
    fs::create_dir_all(&seeds).with_context(|| format!("cannot create {}", seeds.display()))?;
    write_new(&configuration, CONFIGURATION)?;
    let mut message = format!("wrote {}\n", configuration.display());
    if fs::read_dir(&seeds)?.next().is_none() {
        let seed = seeds.join("hello.md");
        write_new(&seed, &first_seed())?;
        message += &format!("wrote {}\n", seed.display());
    }
    let flag = if directory == Path::new(".") {
        String::new()
    } else {
        format!(" --config {}", configuration.display())
    };
    message += &format!("next: `sower serve{flag}`, then subscribe to http://127.0.0.1:8080/all.atom\n");
    io::stdout().write_all(message.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the text of a seed that is published now.
fn first_seed() -> String {
    let now = Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    format!(
        "---\ntitle: Hello\nexcerpt: The first entry of this feed.\npublishedDateTime: {now}\ntopics: [News]\n---\n\n\
         Edit this file while `sower serve` runs: the next poll of a feed reader shows it.\n"
    )
}

/// Creates a file. Fails if it exists.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes());
    write().with_context(|| format!("cannot write {}", path.display()))
}
