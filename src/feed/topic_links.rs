//! The topics above and below a topic.

use std::sync::Arc;

use crate::config::{Config, TopicSettings};
use crate::feed::selection::Selection;

/// The topics above and below a topic, each with its name. They come from the configuration alone, so
/// they do not depend on the seeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicLinks {
    /// The topics above, topmost first.
    pub ancestors: Vec<(Selection, String)>,
    /// The topics directly below, by name.
    pub children: Vec<(Selection, String)>,
}

impl TopicLinks {
    pub(super) fn of(config: &Config, slug: &Arc<str>) -> Self {
        let named = |topic: &TopicSettings| (Selection::Topic(topic.slug.clone()), topic.name.to_string());
        let ancestors = config.topics.ancestors(slug).filter_map(|slug| config.topics.get(slug));
        let ancestors = ancestors.filter(|topic| !topic.retired);
        let mut ancestors: Vec<_> = ancestors.map(named).collect();
        ancestors.reverse();
        let children = config.topics.iter().filter(|topic| topic.parent.as_ref() == Some(slug));
        let mut children: Vec<_> = children.filter(|topic| !topic.retired).map(named).collect();
        children.sort_by_cached_key(|(_, name)| name.to_lowercase());
        Self { ancestors, children }
    }
}
