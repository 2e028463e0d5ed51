//! `sower check`: read the seeds and show every fault with its line.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::catalog::{SeedsReport, report};
use crate::cmd::load::{LoadedSeeds, load, new_scan};
use crate::cmd::terminal::has_colours;
use crate::config::args::ReportFormat;
use crate::config::{Config, SelectionSettings};
use crate::feed::LogicalFeed;
use crate::seed::ContentMode;

pub(super) fn run(config: &Config, strict: bool, format: ReportFormat) -> anyhow::Result<ExitCode> {
    let seeds = load(config, new_scan(config, strict, ContentMode::Omit), None)?;
    let mut stdout = io::stdout().lock();
    let written = match format {
        ReportFormat::Text => write_text(config, &seeds, &mut stdout),
        ReportFormat::Json => serde_json::to_writer_pretty(&mut stdout, &Report::new(config, &seeds))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(stdout)),
    };
    match written {
        // The reader of a pipe, such as `head`, may stop early.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::from(u8::from(seeds.catalog.census().faults > 0)))
}

/// Writes the report for people.
fn write_text(config: &Config, seeds: &LoadedSeeds, out: &mut impl Write) -> io::Result<()> {
    let styled = has_colours(&io::stdout());
    for fault in seeds.catalog.faults() {
        writeln!(out, "{}\n", report::fault(fault, styled))?;
    }
    out.write_all(report::summary(&seeds.catalog).as_bytes())?;
    let selections: Vec<_> = selections(config, &seeds.catalog)
        .iter()
        .map(|count| format!("{} ({})", count.name, count.entries))
        .collect();
    if !selections.is_empty() {
        writeln!(out, "selections: {}", selections.join(", "))?;
    }
    out.write_all(report::passed_over(&seeds.passed_over).as_bytes())
}

/// Counts the entries of each named selection.
fn selections<'a>(config: &'a Config, catalog: &Catalog) -> Vec<SelectionCount<'a>> {
    let count = |selection: &'a SelectionSettings| SelectionCount {
        name: &selection.name,
        entries: LogicalFeed::named(config, catalog.entries(), selection, catalog.now()).count(),
    };
    config.selections.iter().map(count).collect()
}

/// The report for programs.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    seeds: SeedsReport,
    selections: Vec<SelectionCount<'a>>,
    passed_over: &'a [Arc<str>],
}

#[derive(Serialize)]
struct SelectionCount<'a> {
    name: &'a str,
    entries: usize,
}

impl<'a> Report<'a> {
    fn new(config: &'a Config, seeds: &'a LoadedSeeds) -> Self {
        Self {
            seeds: SeedsReport::new(&seeds.catalog),
            selections: selections(config, &seeds.catalog),
            passed_over: &seeds.passed_over,
        }
    }
}
