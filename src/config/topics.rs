//! Topics that need more than a name, and the tree that they form.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, TopicKeys};
use crate::config::setting::ListItem;
use crate::config::value::{CONTENT, ContentLength, ENTRIES, Kind, LANGUAGE, PICTURE, SWITCH, TEXT};
use crate::text;
use crate::text::plain;

/// The topics of the configuration. A topic that it does not mention has its name from the seeds, and no parent.
#[derive(Debug, Clone, Default)]
pub struct Topics {
    by_slug: BTreeMap<Arc<str>, TopicSettings>,
    /// Old slugs, each with the slug that replaces it.
    moved: BTreeMap<Arc<str>, Arc<str>>,
}

/// The settings of one topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicSettings {
    /// The slug, which identifies the topic.
    pub slug: Arc<str>,
    /// The name for people.
    pub name: Arc<str>,
    /// The slug of the parent, whose feeds contain the entries of this topic too.
    pub parent: Option<Arc<str>>,
    /// A description of one or two sentences, in plain text.
    pub description: Option<String>,
    /// The absolute address of a picture.
    pub icon: Option<String>,
    /// The language of the feeds (RFC 5646), if it differs from that of the publication.
    pub language: Option<String>,
    /// The largest number of entries in a feed, if it differs from that of the publication.
    pub entries: Option<usize>,
    /// The part of a record that entries show, if it differs from that of the publication.
    pub content: Option<ContentLength>,
    /// Set if the topic is retired: its feeds answer 410.
    pub retired: bool,
}

/// A topic, and its old slugs.
type TopicWithAliases = (TopicSettings, Vec<Arc<str>>);

const SLUG: Kind<String> = Kind {
    expected: "a slug, such as `power-apps`",
    parse: |text| text::topic_slug(text).ok().filter(|slug| slug == text),
};

/// A contradiction between topics.
#[derive(Debug, PartialEq, Eq)]
struct Conflict {
    /// The index of the topic in the list.
    index: usize,
    reason: String,
}

impl Topics {
    /// Checks the topics of the file. A parent that is not in the list becomes a topic with the name that its
    /// child gives it.
    pub(super) fn resolve(list: &[TopicKeys], file: &ConfigFile) -> Result<Self, ConfigError> {
        let item = |index| ListItem { file, list: "topics", index };
        let mut topics: Vec<TopicWithAliases> = Vec::with_capacity(list.len());
        let mut parents: Vec<TopicSettings> = Vec::new();
        for (index, keys) in list.iter().enumerate() {
            let parent = parent(&item(index), keys)?;
            topics.push(topic(&item(index), keys, parent.as_ref())?);
            parents.extend(parent);
        }
        let known: Vec<Arc<str>> =
            topics.iter().flat_map(|(topic, aliases)| aliases.iter().chain([&topic.slug])).cloned().collect();
        for parent in parents {
            if !known.contains(&parent.slug) && topics.iter().all(|(topic, _)| topic.slug != parent.slug) {
                topics.push((parent, Vec::new()));
            }
        }
        Self::new(&topics).map_err(|conflict| item(conflict.index).error_at(&[], conflict.reason))
    }

    fn new(list: &[TopicWithAliases]) -> Result<Self, Conflict> {
        let mut topics = Self::default();
        for (index, (topic, _)) in list.iter().enumerate() {
            if topics.by_slug.insert(topic.slug.clone(), topic.clone()).is_some() {
                return Err(Conflict { index, reason: format!("duplicate topic `{}`", topic.slug) });
            }
        }
        for (index, (topic, aliases)) in list.iter().enumerate() {
            for alias in aliases.iter().filter(|alias| **alias != topic.slug) {
                let is_taken = topics.by_slug.contains_key(alias)
                    || topics
                        .moved
                        .insert(alias.clone(), topic.slug.clone())
                        .is_some_and(|other| other != topic.slug);
                if is_taken {
                    return Err(Conflict { index, reason: format!("`{alias}` belongs to another topic") });
                }
            }
        }
        for topic in topics.by_slug.values_mut() {
            if let Some(parent) = topic.parent.as_mut()
                && let Some(current) = topics.moved.get(parent)
            {
                parent.clone_from(current);
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

    /// Returns the settings of a topic.
    pub fn get(&self, slug: &str) -> Option<&TopicSettings> {
        self.by_slug.get(slug)
    }

    /// Iterates over all topics of the configuration, by slug.
    pub fn iter(&self) -> impl Iterator<Item = &TopicSettings> {
        self.by_slug.values()
    }

    /// Returns the current slug of a topic if `slug` is an old one.
    pub fn moved(&self, slug: &str) -> Option<&Arc<str>> {
        self.moved.get(slug)
    }

    /// Returns the current slug of a topic.
    pub fn current_slug(&self, slug: &Arc<str>) -> Arc<str> {
        self.moved(slug).unwrap_or(slug).clone()
    }

    /// Returns `true` if a topic is retired.
    pub fn is_retired(&self, slug: &str) -> bool {
        self.get(slug).is_some_and(|topic| topic.retired)
    }

    /// Iterates over the parent of a topic, its parent, and so on to the root.
    pub fn ancestors<'a>(&'a self, slug: &str) -> impl Iterator<Item = &'a Arc<str>> {
        let parent = |slug: &str| self.get(slug).and_then(|topic| topic.parent.as_ref());
        std::iter::successors(parent(slug), move |slug| parent(slug))
    }
}

/// Returns the parent that a topic names, as a topic with nothing but a name.
fn parent(item: &ListItem<'_>, keys: &TopicKeys) -> Result<Option<TopicSettings>, ConfigError> {
    let Some(name) = keys.parent.as_deref().map(plain).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let slug = text::topic_slug(&name).map_err(|reason| item.key_error("parent", reason))?;
    Ok(Some(TopicSettings { slug: slug.into(), name: name.into(), ..TopicSettings::default() }))
}

/// Reads one topic.
fn topic(
    item: &ListItem<'_>,
    keys: &TopicKeys,
    parent: Option<&TopicSettings>,
) -> Result<TopicWithAliases, ConfigError> {
    let name = item.read("name", keys.name.as_ref(), &TEXT)?;
    let slug_of_name = match &name {
        Some(name) => Some(text::topic_slug(name).map_err(|reason| item.key_error("name", reason))?),
        None => None,
    };
    let slug = item.read("slug", keys.slug.as_ref(), &SLUG)?.or_else(|| slug_of_name.clone());
    let Some(slug) = slug.map(Arc::from) else {
        return Err(item.error_at(&[], "a topic needs a `name`".to_owned()));
    };
    // Before the topic was given a slug of its own, its address was made of its name.
    let mut aliases = item.topic_slugs("aliases", &keys.aliases)?;
    aliases.extend(slug_of_name.map(Arc::from));
    let settings = TopicSettings {
        name: name.map_or_else(|| Arc::clone(&slug), Arc::from),
        slug,
        parent: parent.map(|parent| parent.slug.clone()),
        description: item.read("description", keys.description.as_ref(), &TEXT)?,
        icon: item.read("icon", keys.icon.as_ref(), &PICTURE)?,
        language: item.read("language", keys.language.as_ref(), &LANGUAGE)?,
        entries: item.read("entries", keys.entries.as_ref(), &ENTRIES)?,
        content: item.read("content", keys.content.as_ref(), &CONTENT)?,
        retired: item.read("retired", keys.retired.as_ref(), &SWITCH)?.unwrap_or(false),
    };
    Ok((settings, aliases))
}
