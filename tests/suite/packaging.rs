//! Man pages and completions, generated from the command line and from the template of sower.yaml.
//!
//! `UPDATE_GOLDENS=1 cargo test` rewrites them.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use sower::config::Config;
use sower::config::args::{Args, Settings};

use crate::cold::{Tree, files};

const TEMPLATE: &str = include_str!("../../src/cmd/sower.yaml");
const SOURCE: &str = concat!("sower ", env!("CARGO_PKG_VERSION"));

fn command_line() -> Command {
    let mut command = Args::command().disable_help_subcommand(true);
    command.build();
    command
}

fn completions() -> Tree {
    let complete = |(shell, name): (Shell, &str)| {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Args::command(), "sower", &mut script);
        (name.to_owned(), script)
    };
    [(Shell::Bash, "sower.bash"), (Shell::Zsh, "_sower"), (Shell::Fish, "sower.fish")].map(complete).into()
}

fn man_pages() -> Tree {
    let command = command_line();
    let commands: Vec<_> = command.get_subcommands().map(|command| name(command).to_owned()).collect();
    let mut pages = Tree::new();
    for command in std::iter::once(&command).chain(command.get_subcommands()) {
        pages.insert(format!("{}.1", name(command)), man_page(command, &commands));
    }
    pages.insert("sower.yaml.5".to_owned(), page_of_the_template(TEMPLATE));
    pages
}

/// Returns a name such as `sower` or `sower-serve`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or(command.get_name())
}

fn man_page(command: &Command, commands: &[String]) -> Vec<u8> {
    // The flags follow, each with its description.
    let usage = command.clone().render_usage().to_string();
    let command_in_short = command.clone().override_usage(usage.trim_start_matches("Usage: ").to_owned());
    let man = Man::new(command_in_short).source(SOURCE);
    let mut page = Vec::new();
    man.render(&mut page).unwrap();
    let mut roff = Roff::new();
    if name(command) != "sower-init" {
        roff.control("SH", ["FILES"]).control("TP", []).text([italic("sower.yaml")]);
        roff.text([roman("The configuration, described in sower.yaml(5). Flags override environment variables, which override the file.")]);
    }
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman("0 for success, 1 for faults or failure, 2 for usage errors.")]);
    let others = commands.iter().map(String::as_str).chain(["sower"]).filter(|other| *other != name(command));
    let mut others: Vec<_> = others.map(|other| format!("{other}(1)")).collect();
    others.push("sower.yaml(5)".to_owned());
    roff.control("SH", ["SEE ALSO"]).text([roman(others.join(", "))]);
    page.extend(roff.to_roff().into_bytes());
    page
}

/// Renders the template: each of its paragraphs is a description and then the keys that it describes.
fn page_of_the_template(template: &str) -> Vec<u8> {
    let mut roff = Roff::new();
    roff.control("TH", ["sower.yaml", "5", "", SOURCE, ""]);
    roff.control("SH", ["NAME"]).text([roman("sower.yaml - configuration of sower")]);
    roff.control("SH", ["DESCRIPTION"]);
    let mut paragraphs = template.split("\n\n");
    roff.text(prose(paragraphs.next().unwrap().lines()));
    roff.control("SH", ["KEYS"]);
    for paragraph in paragraphs {
        // Deeper lines belong to the key above them.
        let is_said = |line: &&str| line.starts_with("# ") && !line.starts_with("#  ");
        let (said, keys): (Vec<_>, Vec<_>) = paragraph.lines().partition(is_said);
        let keys: Vec<_> = keys.iter().map(|line| line.strip_prefix('#').unwrap()).collect();
        let is_list = keys.iter().any(|line| line.starts_with(' '));
        for (place, key) in keys.iter().filter(|key| !key.starts_with(' ')).enumerate() {
            roff.control(if place == 0 { "TP" } else { "TQ" }, []).text([bold(*key)]);
        }
        roff.text(prose(said.into_iter()));
        if is_list {
            roff.control("RS", []).control("PP", []).control("EX", []);
            for line in &keys {
                roff.text([roman(*line)]);
            }
            roff.control("EE", []).control("RE", []);
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([roman("sower(1), sower-init(1), sower-serve(1)")]);
    roff.to_roff().into_bytes()
}

/// Returns the text of comments, with the parts in backticks in bold.
fn prose<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Inline> {
    let lines: Vec<_> = lines.map(|line| line.trim_start_matches(['#', ' '])).collect();
    let text = lines.join(" ");
    let inlines = text.split('`').enumerate();
    inlines.map(|(place, text)| if place % 2 == 0 { roman(text) } else { bold(text) }).collect()
}

fn same_as_committed(directory: &str, made: &Tree) {
    let directory = Path::new(directory);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).unwrap();
        for (name, bytes) in made {
            fs::write(directory.join(name), bytes).unwrap();
        }
    }
    let committed = files(directory);
    assert_eq!(committed.keys().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, bytes) in made {
        let (is, was) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&committed[name]));
        assert_eq!(is, was, "{name}");
    }
}

#[test]
fn man_pages_and_completions_match_the_command_line() {
    same_as_committed("packaging/man", &man_pages());
    same_as_committed("packaging/completions", &completions());
}

#[test]
fn every_key_and_command_is_in_a_man_page() {
    let pages = man_pages();
    let page = |name: &str| String::from_utf8(pages[name].clone()).unwrap();
    let keys = page("sower.yaml.5");
    for line in TEMPLATE.lines() {
        let line = line.trim_start_matches('#');
        if let Some((key, _)) = line.split_once(':').filter(|(key, _)| !key.contains(' ')) {
            assert!(keys.contains(&format!("\\fB{key}:")), "{key}");
        }
    }
    assert!(page("sower-serve.1").contains("max\\-age"));
    assert_eq!(pages.len(), 7);
}

#[test]
fn packaged_configuration_is_valid() {
    let settings = Settings { config: Some("packaging/sower.yaml".to_owned()), ..Settings::default() };
    let config = Config::resolve(settings).unwrap();
    assert_eq!(config.seeds, Path::new("/var/lib/sower/seeds"));
    assert_eq!(config.feeds.as_deref(), Some(Path::new("/var/lib/sower/feeds")));
}

#[test]
fn changelog_begins_with_this_version() {
    let changelog = fs::read_to_string("CHANGELOG.md").unwrap();
    let newest = changelog.lines().find_map(|line| line.strip_prefix("## ")).unwrap();
    let version = newest.split(' ').next().unwrap();
    assert!(version == "Unreleased" || version == env!("CARGO_PKG_VERSION"), "{newest}");
}
