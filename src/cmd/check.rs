//! `sower check`: read the seeds and show every fault with its line.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::{Harvest, is_styled, read_all, scan};
use crate::catalog::Catalog;
use crate::catalog::report;
use crate::config::args::Format;
use crate::config::{Config, SelectionSettings};
use crate::feed::LogicalFeed;
use crate::seed::ContentMode;

pub(super) fn run(config: &Config, strict: bool, format: Format) -> anyhow::Result<ExitCode> {
    let harvest = read_all(config, scan(config, strict, ContentMode::Omit), None)?;
    let mut stdout = io::stdout().lock();
    let told = match format {
        Format::Text => tell(config, &harvest, &mut stdout),
        Format::Json => serde_json::to_writer_pretty(&mut stdout, &Report::of(config, &harvest))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(stdout)),
    };
    match told {
        // Whoever reads, `head` perhaps, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        told => told?,
    }
    Ok(ExitCode::from(u8::from(harvest.catalog.census().faults > 0)))
}

fn tell(config: &Config, harvest: &Harvest, out: &mut impl Write) -> io::Result<()> {
    let styled = is_styled(&io::stdout());
    for fault in harvest.catalog.faults() {
        writeln!(out, "{}\n", report::fault(fault, styled))?;
    }
    out.write_all(report::summary(&harvest.catalog).as_bytes())?;
    let selections = selections(config, &harvest.catalog).into_iter();
    let selections: Vec<_> = selections.map(|count| format!("{} ({})", count.name, count.entries)).collect();
    if !selections.is_empty() {
        writeln!(out, "selections: {}", selections.join(", "))?;
    }
    out.write_all(report::passed_over(&harvest.passed_over).as_bytes())
}

/// How many entries each selection of the configuration picks.
fn selections<'a>(config: &'a Config, catalog: &Catalog) -> Vec<SelectionCount<'a>> {
    let count = |selection: &'a SelectionSettings| SelectionCount {
        name: &selection.name,
        entries: LogicalFeed::named(config, catalog.entries(), selection, catalog.now()).count(),
    };
    config.selections.iter().map(count).collect()
}

/// What `--format json` says.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    seeds: report::Seeds<'a>,
    selections: Vec<SelectionCount<'a>>,
    passed_over: &'a [Arc<str>],
}

#[derive(Serialize)]
struct SelectionCount<'a> {
    name: &'a str,
    entries: usize,
}

impl<'a> Report<'a> {
    fn of(config: &'a Config, harvest: &'a Harvest) -> Self {
        Self {
            seeds: report::Seeds::of(&harvest.catalog),
            selections: selections(config, &harvest.catalog),
            passed_over: &harvest.passed_over,
        }
    }
}
