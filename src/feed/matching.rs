//! Matching entries against the criteria of a selection.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::catalog::{Entries, Entry};
use crate::config::Config;
use crate::config::SelectionSettings;
use crate::config::criteria::Criteria;
use crate::seed::Timestamp;
use crate::text::slug;

/// Returns the entries that match some criteria, in the order of the criteria.
pub(super) fn matching(
    entries: &Entries,
    criteria: &Criteria,
    language: &str,
    now: Timestamp,
) -> Vec<Arc<Entry>> {
    let since = criteria.age.map(|hours| now - TimeDelta::hours(hours.into()));
    let is_young = |entry: &Entry| since.is_none_or(|since| entry.published > since);
    let providers = provider_slugs(criteria);
    let matches = |entry: &Entry| mismatch_except_age(criteria, &providers, entry, language).is_none();
    // Entries are in order of publication, newest first.
    let young = entries.all().take_while(|entry| is_young(entry));
    let mut matching: Vec<_> = young.filter(|entry| matches(entry)).cloned().collect();
    if criteria.by_heat() {
        matching.sort_by(|a, b| b.record.heat.total_cmp(&a.record.heat));
    }
    matching
}

/// Returns the slugs of the wanted providers, since a provider that looks like a host may be a name
/// with a dot in it.
fn provider_slugs(criteria: &Criteria) -> BTreeSet<Arc<str>> {
    criteria.providers.iter().map(|provider| slug(provider).into()).collect()
}

/// The first criterion that an entry does not meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The entry lacks a required topic.
    Topic,
    /// The entry has an excluded topic.
    ExcludedTopic,
    /// The quality is too low.
    Quality,
    /// The type differs.
    Type,
    /// The category differs.
    Category,
    /// The provider differs.
    Provider,
    /// The language differs.
    Language,
    /// The entry is too old.
    Age,
}

/// Returns the first criterion of a selection that an entry does not meet, or `None` if the selection
/// contains the entry.
pub fn mismatch(
    config: &Config,
    selection: &SelectionSettings,
    entry: &Entry,
    now: Timestamp,
) -> Option<Mismatch> {
    let criteria = &selection.criteria;
    let too_old = criteria.age.is_some_and(|hours| entry.published <= now - TimeDelta::hours(hours.into()));
    mismatch_except_age(criteria, &provider_slugs(criteria), entry, &config.language)
        .or(too_old.then_some(Mismatch::Age))
}

/// Returns the first criterion that an entry does not meet, regardless of its age. An entry without a
/// language of its own is in the publication's.
fn mismatch_except_age(
    criteria: &Criteria,
    provider_slugs: &BTreeSet<Arc<str>>,
    entry: &Entry,
    publication_language: &str,
) -> Option<Mismatch> {
    let (record, facets) = (&entry.record, &entry.record.facets);
    let topics_of = |slugs: &BTreeSet<Arc<str>>| slugs.iter().filter(|slug| entry.is_within(slug)).count();
    let contains = |slugs: &BTreeSet<Arc<str>>, facet: &Option<Arc<str>>| {
        facet.as_deref().is_some_and(|facet| slugs.contains(facet))
    };
    let matches = |slugs: &BTreeSet<Arc<str>>, facet| slugs.is_empty() || contains(slugs, facet);
    let is_in_language = |wanted: &str| {
        let language = facets.language.as_deref().unwrap_or(publication_language).to_ascii_lowercase();
        language.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if !(criteria.any.is_empty() || topics_of(&criteria.any) > 0)
        || topics_of(&criteria.all) < criteria.all.len()
    {
        Some(Mismatch::Topic)
    } else if topics_of(&criteria.none) > 0 {
        Some(Mismatch::ExcludedTopic)
    } else if criteria.min_quality.is_some_and(|lowest| record.quality < lowest) {
        Some(Mismatch::Quality)
    } else if !matches(&criteria.types, &facets.kind) {
        Some(Mismatch::Type)
    } else if !matches(&criteria.categories, &facets.category) {
        Some(Mismatch::Category)
    } else if !(matches(&criteria.providers, &facets.host) || contains(provider_slugs, &facets.provider)) {
        Some(Mismatch::Provider)
    } else if !criteria.language.as_deref().is_none_or(is_in_language) {
        Some(Mismatch::Language)
    } else {
        None
    }
}
