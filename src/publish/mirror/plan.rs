//! The plan for an update of the mirror.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

use crate::feed::Selection;
use crate::seed::Month;

/// The parts of the mirror that an edition may have changed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MirrorPlan {
    /// Set if every file has to be checked.
    pub everything: bool,
    /// The addresses of representations that are new, changed or removed.
    pub paths: BTreeSet<Arc<str>>,
    /// The months of each feed whose archive documents may have changed. `None` stands for all months.
    pub archives: BTreeMap<Selection, Option<BTreeSet<Month>>>,
}

impl MirrorPlan {
    /// Returns a plan that checks every file.
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Adds the plan of another edition.
    pub fn extend(&mut self, other: Self) {
        self.everything |= other.everything;
        self.paths.extend(other.paths);
        for (selection, months) in other.archives {
            match self.archives.entry(selection) {
                btree_map::Entry::Vacant(entry) => drop(entry.insert(months)),
                btree_map::Entry::Occupied(mut entry) => match (entry.get_mut(), months) {
                    (Some(known), Some(months)) => known.extend(months),
                    (known, _) => *known = None,
                },
            }
        }
    }
}
