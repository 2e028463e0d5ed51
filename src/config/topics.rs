//! Topics that need more than their name, and how topics hang together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ContentLength;

/// What the configuration says of topics. A topic that it does not mention has its name from the
/// seeds, and no parent.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    by_slug: BTreeMap<Arc<str>, TopicSettings>,
    /// The slugs that lead elsewhere, and where to.
    moved: BTreeMap<Arc<str>, Arc<str>>,
}

/// What the configuration says of one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSettings {
    /// What it is the same topic by.
    pub slug: Arc<str>,
    /// What it is called.
    pub name: Arc<str>,
    /// The slug of the topic whose feed has its entries too.
    pub parent: Option<Arc<str>>,
    /// What it is about, in a sentence or two of plain text.
    pub description: Option<String>,
    /// Its picture: an absolute address.
    pub icon: Option<String>,
    /// Language of its feeds (RFC 5646), if it is not the publication's.
    pub language: Option<String>,
    /// Most entries of its feeds, if it is not the publication's number.
    pub entries: Option<usize>,
    /// How much of a record its entries show, if it is not what the publication shows.
    pub content: Option<ContentLength>,
    /// Whether its feeds are gone for good.
    pub retired: bool,
}

/// Why topics do not hang together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    /// The topic that is one too many, by its place in the list.
    pub(super) index: usize,
    pub(super) reason: String,
}

impl Topics {
    /// Puts topics together, each with its old slugs.
    pub(super) fn new(list: &[(TopicSettings, Vec<Arc<str>>)]) -> Result<Self, Conflict> {
        let mut topics = Self::default();
        for (index, (topic, _)) in list.iter().enumerate() {
            if topics.by_slug.insert(topic.slug.clone(), topic.clone()).is_some() {
                let reason = format!("the topic `{}` stands here twice", topic.slug);
                return Err(Conflict { index, reason });
            }
        }
        for (index, (topic, old_slugs)) in list.iter().enumerate() {
            for old in old_slugs.iter().filter(|old| **old != topic.slug) {
                let taken = topics.by_slug.contains_key(old)
                    || topics
                        .moved
                        .insert(old.clone(), topic.slug.clone())
                        .is_some_and(|other| other != topic.slug);
                if taken {
                    let reason = format!("`{old}` is another topic's already");
                    return Err(Conflict { index, reason });
                }
            }
        }
        for topic in topics.by_slug.values_mut() {
            if let Some(parent) = topic.parent.as_mut()
                && let Some(now) = topics.moved.get(parent)
            {
                parent.clone_from(now);
            }
        }
        for (index, (topic, _)) in list.iter().enumerate() {
            if topics.ancestors(&topic.slug).take(list.len() + 1).any(|ancestor| *ancestor == topic.slug) {
                let reason = format!("the topic `{}` cannot be its own ancestor", topic.slug);
                return Err(Conflict { index, reason });
            }
        }
        Ok(topics)
    }

    /// What is said of a topic.
    pub fn get(&self, slug: &str) -> Option<&TopicSettings> {
        self.by_slug.get(slug)
    }

    /// Every topic that is mentioned, by slug.
    pub fn iter(&self) -> impl Iterator<Item = &TopicSettings> {
        self.by_slug.values()
    }

    /// The slug that a topic has now, if the one it had leads elsewhere.
    pub fn moved(&self, slug: &str) -> Option<&Arc<str>> {
        self.moved.get(slug)
    }

    /// The slug that a topic has now.
    pub fn now(&self, slug: &Arc<str>) -> Arc<str> {
        self.moved(slug).unwrap_or(slug).clone()
    }

    /// Whether a topic's feeds are gone for good.
    pub fn is_retired(&self, slug: &str) -> bool {
        self.get(slug).is_some_and(|topic| topic.retired)
    }

    /// The parent of a topic, and so on to the topmost.
    pub fn ancestors<'a>(&'a self, slug: &str) -> impl Iterator<Item = &'a Arc<str>> {
        let parent = |slug: &str| self.get(slug).and_then(|topic| topic.parent.as_ref());
        std::iter::successors(parent(slug), move |slug| parent(slug))
    }
}
