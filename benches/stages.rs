//! Measures each stage from a seed to the bytes of a feed: `cargo bench --bench stages`.
//!
//! Compare only figures of one run: machines differ.

#![expect(clippy::unwrap_used, reason = "a failure to prepare a benchmark is fatal")]

#[path = "support/seeds.rs"]
mod seeds;

use std::sync::Arc;
use std::time::SystemTime;

use chrono::Utc;
use divan::{Bencher, black_box, counter::BytesCount};
use sower::catalog::Catalog;
use sower::config::Config;
use sower::config::args::Settings;
use sower::edition::Coding;
use sower::feed::LogicalFeed;
use sower::publish::Publisher;
use sower::render::{Format, Publication};
use sower::seed::{self, Change, Rules};

fn main() {
    divan::main();
}

/// Returns the default configuration without a mirror.
fn config() -> Arc<Config> {
    let text = |text: &str| Some(text.to_owned());
    let settings = Settings { config: text("/dev/null"), feeds: text("off"), ..Settings::default() };
    Arc::new(Config::resolve(settings).unwrap())
}

/// Returns a seed of about 3 KB with one of 50 topics.
fn seed_text(number: usize, title: &str) -> String {
    seeds::text(number, &format!("{title} {number}"), seeds::topic(number))
}

fn change(rules: &Rules, number: usize, title: &str) -> (Arc<str>, Change) {
    let path: Arc<str> = format!("{number}.md").into();
    let reading = seed::read(rules, &path, seed_text(number, title).as_bytes());
    (path, Change::Read(reading))
}

fn catalog(config: &Config, seeds: usize) -> Catalog {
    let rules = Rules::new(config, false);
    let mut catalog = Catalog::new(false, config.topics.clone());
    catalog.apply((0..seeds).map(|number| change(&rules, number, "Title")), Utc::now());
    catalog
}

#[divan::bench]
fn read_seed(bencher: Bencher) {
    let rules = Rules::new(&config(), false);
    let (path, text): (Arc<str>, _) = ("a.md".into(), seed_text(1, "Title"));
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| seed::read(&rules, &path, black_box(text.as_bytes())));
}

#[divan::bench(args = ["rss", "atom", "json", "html"])]
fn render_feed_of_50(bencher: Bencher, ending: &str) {
    let config = config();
    let catalog = catalog(&config, 1000);
    let publication = Publication::new(&config);
    let feed = LogicalFeed::all(&config, catalog.entries()).subscription();
    let format = Format::ALL.into_iter().find(|format| format.ending().ends_with(ending)).unwrap();
    bencher.bench(|| format.render(black_box(&feed), &publication).unwrap());
}

#[divan::bench(args = ["gzip", "br"])]
fn encode_feed_of_50(bencher: Bencher, name: &str) {
    let config = config();
    let catalog = catalog(&config, 1000);
    let feed = LogicalFeed::all(&config, catalog.entries()).subscription();
    let body = Format::Atom.render(&feed, &Publication::new(&config)).unwrap();
    let coding = Coding::ALL.into_iter().find(|coding| coding.name() == name).unwrap();
    bencher.counter(BytesCount::of_slice(&body)).bench(|| coding.encode(black_box(&body)));
}

#[divan::bench(args = [1_000, 10_000])]
fn catalog_all_seeds(bencher: Bencher, seeds: usize) {
    let config = config();
    let rules = Rules::new(&config, false);
    bencher
        .with_inputs(|| (0..seeds).map(|number| change(&rules, number, "Title")).collect::<Vec<_>>())
        .bench_values(|changes| {
            let mut catalog = Catalog::new(false, config.topics.clone());
            catalog.apply(changes, Utc::now());
            catalog
        });
}

/// Measures the time from a changed seed to the current edition.
#[divan::bench(args = [1_000, 10_000])]
fn publish_one_change(bencher: Bencher, seeds: usize) {
    let config = config();
    let rules = Rules::new(&config, false);
    let mut catalog = catalog(&config, seeds);
    let touched = catalog.apply([change(&rules, 0, "Title")], Utc::now());
    let mut publisher = Publisher::new(config.clone());
    publisher.publish(&catalog, &touched, SystemTime::now());
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        let change = change(&rules, seeds - 1, &format!("Title {number}"));
        let touched = catalog.apply([change], Utc::now());
        publisher.publish(&catalog, &touched, SystemTime::now())
    });
}
