//! `sower check`: read the seeds and show every fault with its line.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::{is_styled, read_all};
use crate::args::Format;
use crate::catalog::{Catalog, Census, Duplicates};
use crate::config::Config;
use crate::fault::{Fault, Severity};
use crate::report;
use crate::seed::Held;

pub(super) fn run(config: &Config, strict: bool, format: Format) -> anyhow::Result<ExitCode> {
    let (catalog, _) = read_all(config, strict)?;
    let mut stdout = io::stdout().lock();
    let told = match format {
        Format::Text => tell(&catalog, &mut stdout),
        Format::Json => serde_json::to_writer_pretty(&mut stdout, &Findings::of(&catalog))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(stdout)),
    };
    match told {
        // Whoever reads, `head` perhaps, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        told => told?,
    }
    Ok(ExitCode::from(u8::from(catalog.census().faults > 0)))
}

fn tell(catalog: &Catalog, out: &mut impl Write) -> io::Result<()> {
    let styled = is_styled(&io::stdout());
    for fault in catalog.faults() {
        writeln!(out, "{}\n", report::fault(fault, styled))?;
    }
    out.write_all(report::summary(catalog).as_bytes())
}

/// What `--format json` says.
#[derive(Serialize)]
struct Findings<'a> {
    summary: Census,
    faults: Vec<Finding<'a>>,
    held: Vec<HeldSeed<'a>>,
    duplicates: Vec<Duplicates>,
    topics: Vec<TopicCount<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: Severity,
    path: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    reason: &'a str,
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct HeldSeed<'a> {
    path: &'a str,
    reason: Held,
    until: Option<String>,
}

#[derive(Serialize)]
struct TopicCount<'a> {
    slug: &'a Arc<str>,
    name: &'a str,
    entries: usize,
}

impl<'a> Findings<'a> {
    fn of(catalog: &'a Catalog) -> Self {
        let held = catalog.held().map(|(record, reason)| HeldSeed {
            path: &record.path,
            reason,
            until: record.published.filter(|_| reason == Held::Scheduled).map(|at| at.to_rfc3339()),
        });
        Self {
            summary: catalog.census(),
            faults: catalog.faults().map(Finding::of).collect(),
            held: held.collect(),
            duplicates: catalog.duplicates(),
            topics: catalog
                .topics()
                .map(|(slug, name, entries)| TopicCount { slug, name, entries })
                .collect(),
        }
    }
}

impl<'a> Finding<'a> {
    fn of(fault: &'a Fault) -> Self {
        Self {
            severity: fault.severity,
            path: &fault.path,
            line: fault.place.as_ref().map(|place| place.at.line),
            column: fault.place.as_ref().map(|place| place.at.column),
            reason: &fault.reason,
            help: fault.help.as_deref(),
        }
    }
}
