//! Measures the time from saving a seed to the first answer that has it: `cargo bench --bench latency`.
//!
//! Compare only figures of one run: machines differ. The figure of the larger directory should be little more
//! than that of the smaller one, since the cost of a change depends on the feeds that it affects. With `--hugo`,
//! Hugo's server, if installed, does the same work in the same run.

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Parser;
use support::{Connection, Random, Server, free_address, percentile, seeds, sower};

/// The longest time from a save to its answer.
const DEADLINE: Duration = Duration::from_secs(60);
/// The pause between two checks.
const POLL_INTERVAL: Duration = Duration::from_micros(500);
/// The entries of a feed, by default in sower and by `HUGO` in Hugo.
const ENTRIES: usize = 50;
/// The number of seeds for Hugo.
const HUGO_SEEDS: usize = 10_000;

/// Hugo with feeds of topics alone: no pages, and no reload of browsers.
const HUGO: &str = "
baseURL: https://feeds.example.org/
title: Feeds
disableKinds: [home, section, sitemap, robotsTXT, '404']
taxonomies: {topic: topics}
outputs: {taxonomy: [RSS], term: [RSS]}
services: {rss: {limit: 50}}
cascade: [{target: {kind: page}, build: {render: link}}]
";

/// Measures the time from saving a seed to the first answer that has it.
#[derive(Parser)]
struct Options {
    /// Numbers of seeds, measured one after another
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    seeds: Vec<usize>,
    /// Number of saves
    #[arg(long, default_value_t = 50)]
    saves: usize,
    /// Measure Hugo's server too
    #[arg(long)]
    hugo: bool,
    /// Passed by `cargo bench`, and not by `cargo test`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if !options.bench {
        println!("Nothing to do: run `cargo bench --bench latency`.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{:<8} {:>7} {:>9} {:>9} {:>9}", "server", "seeds", "p50 ms", "p99 ms", "max ms");
    let mut p99s = Vec::new();
    for &count in &options.seeds {
        p99s.push((count, measure("sower", count, options.saves, start_sower)?));
    }
    if let [(fewest, first), .., (most, last)] = p99s[..] {
        println!("p99 of {most} seeds is {:.2} times that of {fewest}", last / first);
    }
    if options.hugo {
        if let Err(error) = Command::new("hugo").arg("version").output() {
            println!("Hugo is not measured: {error}");
            return Ok(ExitCode::SUCCESS);
        }
        let hugo = measure("hugo", HUGO_SEEDS, options.saves, start_hugo)?;
        if let Some((_, sower)) = p99s.iter().find(|(count, _)| *count == HUGO_SEEDS) {
            println!("p99 of Hugo is {:.1} times that of sower with {HUGO_SEEDS} seeds", hugo / sower);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A server of the seeds in a directory, its address, and the ending of the address of a topic's feed.
type Started = (Server, SocketAddr, &'static str);

fn start_sower(work: &Path) -> anyhow::Result<Started> {
    let address = free_address()?;
    let mut command = sower(work, "serve");
    command.args(["--listen", &address.to_string(), "--admin-listen", "off"]);
    Ok((Server::start(&mut command, &work.join("log"))?, address, ".rss"))
}

fn start_hugo(work: &Path) -> anyhow::Result<Started> {
    let address = free_address()?;
    fs::write(work.join("hugo.yaml"), HUGO)?;
    let mut command = Command::new("hugo");
    command.current_dir(work).args(["server", "--contentDir", "seeds", "--watch", "--renderToMemory"]);
    // Fast rendering would leave out the feeds, which no browser has requested.
    command.args(["--disableLiveReload", "--disableFastRender"]);
    command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
    Ok((Server::start(&mut command, &work.join("log"))?, address, "/index.xml"))
}

/// Saves seeds and waits for each; prints the figures, and returns the 99th percentile in milliseconds.
fn measure(
    name: &str,
    count: usize,
    saves: usize,
    start: fn(&Path) -> anyhow::Result<Started>,
) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let work = directory.path();
    let seed = |number: usize| work.join(format!("seeds/{number}.md"));
    fs::create_dir(work.join("seeds"))?;
    for number in 0..count {
        fs::write(seed(number), seeds::text(number, &format!("Title {number}"), seeds::topic(number)))?;
    }
    // Otherwise the disk would still write these while others are saved.
    let _ = Command::new("sync").status();
    let (mut server, address, ending) = start(work)?;
    let feed = |number: usize| format!("/topics/topic-{}{ending}", seeds::topic(number));
    server
        .until_served(address, &feed(0))
        .with_context(|| fs::read_to_string(work.join("log")).unwrap_or_default())?;

    let (mut random, mut reader) = (Random(7), Connection::to(address)?);
    let mut took = Vec::with_capacity(saves);
    for save in 0..saves {
        thread::sleep(Duration::from_millis(100 + random.below(200) as u64));
        // One of the newest, which the feed of its topic has.
        let number = count - 1 - random.below(count.min(ENTRIES * seeds::TOPICS));
        let title = format!("Saved {save} of {saves}");
        let text = seeds::text(number, &title, seeds::topic(number));
        fs::write(seed(number), text)?;
        took.push(until_shown(&mut reader, &feed(number), &title, Instant::now())?);
    }
    took.sort_unstable();
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&took, percent).as_secs_f64() * 1000.0);
    println!("{name:<8} {count:>7} {p50:>9.1} {p99:>9.1} {max:>9.1}");
    Ok(p99)
}

/// Polls a feed with its entity tag until it has a title.
fn until_shown(reader: &mut Connection, feed: &str, title: &str, saved: Instant) -> anyhow::Result<Duration> {
    let mut tag = "\"none\"".to_owned();
    while saved.elapsed() < DEADLINE {
        let answer = reader.get(feed, &[("If-None-Match", &tag)])?;
        // The search of the body is not part of the time.
        let took = saved.elapsed();
        match answer.status {
            200 if memchr::memmem::find(&answer.body, title.as_bytes()).is_some() => return Ok(took),
            200 => answer.field("etag").clone_into(&mut tag),
            304 => {}
            status => bail!("{status} for {feed}"),
        }
        thread::sleep(POLL_INTERVAL);
    }
    bail!("{feed} has no `{title}` within {DEADLINE:?}")
}
