//! A snapshot of the state of all seeds, for JSON output and the dashboard.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::catalog::records::{Catalog, Census, Duplicates};
use crate::seed::{Fault, Held, Severity, Timestamp};

/// The state of all seeds. Its JSON is part of the output of `check --format json` and of `/status.json`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SeedsReport {
    /// The numbers of seeds, records, entries and faults.
    pub summary: Census,
    /// Every fault and warning, by path and position.
    #[serde(serialize_with = "flat_faults")]
    pub faults: Vec<Fault>,
    /// Every held record.
    pub held: Vec<HeldRecord>,
    /// Every entry that is made of several records.
    pub duplicates: Vec<Duplicates>,
    /// The topics that have entries.
    pub topics: Vec<TopicCount>,
    /// The seeds that have no record because of a fault.
    pub left_out: Vec<Arc<str>>,
    /// The broken seeds that show their last good record.
    #[serde(skip)]
    pub outdated: BTreeSet<Arc<str>>,
}

/// A held record.
#[derive(Debug, Clone, Serialize)]
pub struct HeldRecord {
    /// The path of the seed.
    pub path: Arc<str>,
    /// The reason.
    pub reason: Held,
    /// The time at which a scheduled record appears.
    #[serde(serialize_with = "rfc3339")]
    pub until: Option<Timestamp>,
    /// The time at which an expired record was withdrawn.
    #[serde(skip)]
    pub expired: Option<Timestamp>,
}

/// A topic and the number of its entries.
#[derive(Debug, Clone, Serialize)]
pub struct TopicCount {
    slug: Arc<str>,
    name: Arc<str>,
    entries: usize,
}

impl SeedsReport {
    /// Takes a snapshot of a catalog.
    pub fn new(catalog: &Catalog) -> Self {
        let held = catalog.held().map(|(record, reason)| HeldRecord {
            path: record.path.clone(),
            reason,
            until: record.published.filter(|_| reason == Held::Scheduled),
            expired: record.expires.filter(|_| reason == Held::Expired),
        });
        let topics = catalog.entries().topics().map(|(slug, name, entries)| TopicCount {
            slug: slug.clone(),
            name: name.into(),
            entries,
        });
        let faults: Vec<_> = catalog.faults().cloned().collect();
        let outdated = faults.iter().map(|fault| &fault.path).filter(|path| catalog.is_outdated(path));
        Self {
            summary: catalog.census(),
            held: held.collect(),
            duplicates: catalog.duplicates(),
            topics: topics.collect(),
            left_out: catalog.left_out().cloned().collect(),
            outdated: outdated.cloned().collect(),
            faults,
        }
    }
}

#[derive(Serialize)]
struct FlatFault<'a> {
    severity: Severity,
    path: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    reason: &'a str,
    help: Option<&'a str>,
}

fn flat_faults<S: Serializer>(faults: &[Fault], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(faults.iter().map(|fault| FlatFault {
        severity: fault.severity,
        path: &fault.path,
        line: fault.place.as_ref().map(|place| place.at.line),
        column: fault.place.as_ref().map(|place| place.at.column),
        reason: &fault.reason,
        help: fault.help.as_deref(),
    }))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn rfc3339<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_rfc3339()).serialize(serializer)
}
