//! The records that share one id, and the entry that is made of them.

use std::sync::Arc;

use crate::catalog::entries::Entries;
use crate::catalog::entry::Entry;
use crate::config::Topics;
use crate::seed::{PackedRecord, Timestamp, Topic};

/// The conditions that decide which records are shown.
#[derive(Clone, Copy)]
pub(super) struct Conditions<'a> {
    now: Timestamp,
    unpublished: bool,
    hierarchy: &'a Topics,
}

impl<'a> Conditions<'a> {
    pub(super) fn of(now: Timestamp, unpublished: bool, entries: &'a Entries) -> Self {
        Self { now, unpublished, hierarchy: entries.hierarchy() }
    }
}

/// The records with one id.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) records: Vec<Arc<PackedRecord>>,
    pub(super) entry: Option<Arc<Entry>>,
    /// The next time at which the visibility of a record changes by itself.
    due: Option<Timestamp>,
    /// Set if the entry may be out of date.
    is_stale: bool,
}

impl Group {
    /// Marks the entry as out of date, and adds the id to the list if it is not there yet.
    pub(super) fn mark_stale(&mut self, id: &Arc<str>, stale: &mut Vec<Arc<str>>) {
        if !std::mem::replace(&mut self.is_stale, true) {
            stale.push(id.clone());
        }
    }

    pub(super) fn push(&mut self, record: Arc<PackedRecord>) {
        // Nearly all groups have one record, so spare capacity would be wasted.
        self.records.reserve_exact(1);
        self.records.push(record);
    }

    /// Forgets the entry and the due time, so that the next [`Group::refresh`] reports both as new.
    pub(super) fn reset(&mut self) {
        (self.entry, self.due) = (None, None);
    }

    /// Makes the entry of the records, and returns the differences from the previous one.
    pub(super) fn refresh(&mut self, id: &Arc<str>, view: Conditions<'_>) -> GroupUpdate {
        let (mut shown, mut due) = (Vec::new(), None);
        for record in &self.records {
            let visibility = record.visibility(view.now, view.unpublished);
            due = due.into_iter().chain(visibility.until).min();
            if let Ok(published) = visibility.shown {
                shown.push((record, published));
            }
        }
        let entry = merge(shown, view.hierarchy);
        self.is_stale = false;
        let old_due = std::mem::replace(&mut self.due, due);
        let mut update = GroupUpdate { id: id.clone(), old_due, due, removed: None, inserted: None };
        if entry.as_ref() != self.entry.as_deref() {
            update.inserted = entry.map(Arc::new);
            update.removed = std::mem::replace(&mut self.entry, update.inserted.clone());
        }
        update
    }
}

/// The differences that refreshing a group made.
pub(super) struct GroupUpdate {
    pub(super) id: Arc<str>,
    pub(super) old_due: Option<Timestamp>,
    pub(super) due: Option<Timestamp>,
    pub(super) removed: Option<Arc<Entry>>,
    pub(super) inserted: Option<Arc<Entry>>,
}

/// Merges the shown records with one id into an entry. Returns `None` if there are no records.
fn merge(mut records: Vec<(&Arc<PackedRecord>, Timestamp)>, hierarchy: &Topics) -> Option<Entry> {
    records.sort_by(|(a, a_published), (b, b_published)| {
        b.quality.total_cmp(&a.quality).then(b_published.cmp(a_published)).then(a.path.cmp(&b.path))
    });
    let &(best, published) = records.first()?;
    let is_current = |topic: &Topic| hierarchy.current_slug(&topic.slug) == topic.slug;
    let topics: Arc<[Topic]> = if records.len() == 1 && best.facets.topics.iter().all(is_current) {
        best.facets.topics.clone()
    } else {
        let mut topics: Vec<Topic> = Vec::new();
        for topic in records.iter().flat_map(|(record, _)| &*record.facets.topics) {
            let slug = hierarchy.current_slug(&topic.slug);
            if topics.iter().all(|known| known.slug != slug) {
                topics.push(Topic { slug, name: topic.name.clone() });
            }
        }
        topics.into()
    };
    let ancestors = topics.iter().flat_map(|topic| hierarchy.ancestors(&topic.slug));
    let mut within: Vec<_> = topics.iter().map(|topic| &topic.slug).chain(ancestors).cloned().collect();
    within.sort_unstable();
    within.dedup();
    Some(Entry { record: best.clone(), published, topics, within: within.into() })
}
