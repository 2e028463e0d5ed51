//! The list of all feeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::Entries;
use crate::config::Config;
use crate::feed::about::About;
use crate::feed::logical::LogicalFeed;
use crate::feed::selection::Selection;
use crate::feed::tally::Tally;

/// A feed in the list of all feeds, with the feeds of the topics below its topic.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The selection.
    pub selection: Selection,
    /// The metadata.
    pub about: About,
    /// The number of entries.
    pub tally: Tally,
    /// The feeds of the topics directly below.
    pub children: Vec<Outline>,
}

/// Lists every feed: that of all entries, those of some topics by name, nested like the topics, and
/// those of the configured selections, whose tallies are given.
pub fn outlines<'a>(
    config: &Config,
    entries: &Entries,
    topics: impl Iterator<Item = &'a Arc<str>>,
    selections: &BTreeMap<Arc<str>, Tally>,
) -> Vec<Outline> {
    let listed: BTreeSet<&Arc<str>> = topics.collect();
    let mut below: BTreeMap<Option<&Arc<str>>, Vec<&Arc<str>>> = BTreeMap::new();
    for &slug in &listed {
        let parent = config.topics.ancestors(slug).find(|ancestor| listed.contains(ancestor));
        below.entry(parent).or_default().push(slug);
    }
    let outline = |feed: LogicalFeed<'_>, children| Outline {
        tally: feed.tally(),
        selection: feed.selection().clone(),
        about: feed.about().clone(),
        children,
    };
    let everything = outline(LogicalFeed::all(config, entries), Vec::new());
    let topics = outlines_below(None, &below, &|slug, children| {
        outline(LogicalFeed::topic(config, entries, slug), children)
    });
    let selections = config.selections.iter().map(|selection| Outline {
        selection: Selection::Named(selection.name.clone()),
        about: About::of(config, selection),
        tally: selections.get(&selection.name).cloned().unwrap_or_default(),
        children: Vec::new(),
    });
    [everything].into_iter().chain(topics).chain(selections).collect()
}

fn outlines_below(
    parent: Option<&Arc<str>>,
    below: &BTreeMap<Option<&Arc<str>>, Vec<&Arc<str>>>,
    outline: &impl Fn(&Arc<str>, Vec<Outline>) -> Outline,
) -> Vec<Outline> {
    let children = below.get(&parent).into_iter().flatten();
    let mut outlines: Vec<_> =
        children.map(|&slug| outline(slug, outlines_below(Some(slug), below, outline))).collect();
    outlines.sort_by_cached_key(|outline| outline.about.name.as_deref().map(str::to_lowercase));
    outlines
}
