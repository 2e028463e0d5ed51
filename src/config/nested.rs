//! What stands in sower.yaml below `topics` and `selections`.

use std::sync::Arc;

use serde::Deserialize;

use super::topics::{TopicSettings, Topics};
use super::{
    CONTENT, ConfigError, ContentLength, ENTRIES, MOST_ENTRIES, PICTURE, Source, content, entries, picture,
    some_text,
};
use crate::config::criteria::{Criteria, Word, is_language_tag};
use crate::syntax::yaml::{self, Names, Step};
use crate::text;
use crate::text::plain;

/// A selection with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectionSettings {
    /// What its address ends with: a slug.
    pub name: Arc<str>,
    /// What it is called.
    pub title: String,
    /// What it is, in a sentence or two of plain text.
    pub description: Option<String>,
    /// Its picture: an absolute address.
    pub icon: Option<String>,
    /// How much of a record its entries show, if it is not what the publication shows.
    pub content: Option<ContentLength>,
    /// What picks its entries.
    pub criteria: Criteria,
}

/// A topic as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`key: value` lines")]
pub(super) struct TopicLines {
    name: Option<String>,
    slug: Option<String>,
    parent: Option<String>,
    description: Option<String>,
    icon: Option<String>,
    language: Option<String>,
    entries: Option<String>,
    content: Option<String>,
    aliases: Names,
    retired: Option<String>,
}

/// A selection as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`key: value` lines")]
pub(super) struct SelectionLines {
    name: Option<String>,
    title: Option<String>,
    description: Option<String>,
    icon: Option<String>,
    content: Option<String>,
    any: Names,
    all: Names,
    none: Names,
    #[serde(alias = "type")]
    types: Names,
    #[serde(alias = "category")]
    categories: Names,
    #[serde(alias = "provider")]
    providers: Names,
    language: Option<String>,
    min_quality: Option<String>,
    order: Option<String>,
    age: Option<String>,
    #[serde(alias = "limit")]
    entries: Option<String>,
}

/// One item of a list in the file.
struct Item<'a> {
    source: &'a Source<'a>,
    list: &'static str,
    index: usize,
}

impl Item<'_> {
    fn read<T>(
        &self,
        key: &str,
        text: Option<&String>,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let value = parse(text.trim());
        value
            .map(Some)
            .ok_or_else(|| self.wrong(&[Step::Key(key)], format!("`{key}`: `{text}` should be {expected}")))
    }

    /// What is wrong with a part of the item, or with all of it.
    fn wrong(&self, path: &[Step<'_>], reason: String) -> ConfigError {
        let item = [Step::Key(self.list), Step::Index(self.index)];
        self.source.wrong(&[&item, path].concat(), reason)
    }

    /// What is wrong with a criterion, or with an item of its list, under the name by which it
    /// stands here.
    fn wrong_criterion(&self, word: Word, index: Option<usize>, reason: &str) -> ConfigError {
        let item = [Step::Key(self.list), Step::Index(self.index)];
        let stands = |key| yaml::key_at(self.source.text, &[item[0], item[1], Step::Key(key)]).is_some();
        let [key, other] = word.names();
        let key = if stands(other) { other } else { key };
        let path: Vec<_> = [Step::Key(key)].into_iter().chain(index.map(Step::Index)).collect();
        self.wrong(&path, format!("`{key}`: {reason}"))
    }

    fn names(&self, key: &str, names: &Names) -> Result<Vec<Arc<str>>, ConfigError> {
        let slugs = names.0.iter().enumerate().map(|(index, name)| {
            let slug = text::topic_slug(name.as_deref().unwrap_or_default());
            slug.map(Arc::from).map_err(|reason| {
                self.wrong(&[Step::Key(key), Step::Index(index)], format!("`{key}`: {reason}"))
            })
        });
        slugs.collect()
    }
}

const LANGUAGE: &str = "a language tag such as `en` or `pt-BR`";

/// The topics of the file. A parent that is not among them is called as its child says.
pub(super) fn topics(lines: &[TopicLines], source: &Source<'_>) -> Result<Topics, ConfigError> {
    let mut list = Vec::with_capacity(lines.len());
    let mut parents: Vec<TopicSettings> = Vec::new();
    for (index, topic) in lines.iter().enumerate() {
        let item = Item { source, list: "topics", index };
        let name = item.read("name", topic.name.as_ref(), "text", some_text)?;
        let slug = |key: &str, text: &str| {
            text::topic_slug(text)
                .map_err(|reason| item.wrong(&[Step::Key(key)], format!("`{key}`: {reason}")))
        };
        let of_name = name.as_deref().map(|name| slug("name", name)).transpose()?;
        let own = item.read("slug", topic.slug.as_ref(), "a slug, such as `power-apps`", |text| {
            text::topic_slug(text).ok().filter(|slug| slug == text)
        })?;
        let Some(now) = own.or_else(|| of_name.clone()) else {
            return Err(item.wrong(&[], "a topic needs a `name`".to_owned()));
        };
        let now: Arc<str> = now.into();
        let parent = topic.parent.as_deref().map(plain).filter(|parent| !parent.is_empty());
        let parent_slug: Option<Arc<str>> =
            parent.as_deref().map(|parent| slug("parent", parent)).transpose()?.map(Arc::from);
        if let (Some(name), Some(slug)) = (parent, &parent_slug) {
            parents.push(TopicSettings { slug: slug.clone(), name: name.into(), ..TopicSettings::default() });
        }
        // Under its name's own slug the topic may have been before it was given another.
        let mut old = item.names("aliases", &topic.aliases)?;
        old.extend(of_name.map(Arc::from));
        let settings = TopicSettings {
            name: name.map_or_else(|| now.clone(), Arc::from),
            slug: now,
            parent: parent_slug,
            description: item.read("description", topic.description.as_ref(), "text", some_text)?,
            icon: item.read("icon", topic.icon.as_ref(), PICTURE, picture)?,
            language: item.read("language", topic.language.as_ref(), LANGUAGE, |text| {
                is_language_tag(text).then(|| text.to_owned())
            })?,
            entries: item.read("entries", topic.entries.as_ref(), ENTRIES, entries)?,
            content: item.read("content", topic.content.as_ref(), CONTENT, content)?,
            retired: item
                .read("retired", topic.retired.as_ref(), "`true` or `false`", |text| text.parse().ok())?
                .unwrap_or(false),
        };
        list.push((settings, old));
    }
    let known: Vec<Arc<str>> =
        list.iter().flat_map(|(topic, old)| old.iter().chain([&topic.slug])).cloned().collect();
    for parent in parents {
        if !known.contains(&parent.slug) && list.iter().all(|(topic, _)| topic.slug != parent.slug) {
            list.push((parent, Vec::new()));
        }
    }
    Topics::new(&list).map_err(|conflict| {
        let item = Item { source, list: "topics", index: conflict.index };
        item.wrong(&[], conflict.reason)
    })
}

/// The selections of the file, by name.
pub(super) fn selections(
    lines: &[SelectionLines],
    topics: &Topics,
    source: &Source<'_>,
) -> Result<Vec<SelectionSettings>, ConfigError> {
    let mut selections: Vec<SelectionSettings> = Vec::with_capacity(lines.len());
    for (index, selection) in lines.iter().enumerate() {
        let item = Item { source, list: "selections", index };
        let named = item.read("name", selection.name.as_ref(), "text", some_text)?;
        let Some(named) = named else {
            return Err(item.wrong(&[], "a selection needs a `name`".to_owned()));
        };
        let name: Arc<str> = text::address_slug(&named)
            .map_err(|reason| item.wrong(&[Step::Key("name")], format!("`name`: {reason}")))?
            .into();
        if selections.iter().any(|known| known.name == name) {
            return Err(item.wrong(&[Step::Key("name")], format!("the selection `{name}` stands here twice")));
        }
        let mut criteria = Criteria::default();
        let mut add = |word, index, value: Option<&String>| {
            let added = match value {
                Some(value) => criteria
                    .add(word, value.trim(), MOST_ENTRIES)
                    .map_err(|reason| format!("`{value}`: {reason}")),
                None => Err("an item is empty; fill it in, or remove it".to_owned()),
            };
            added.map_err(|reason| item.wrong_criterion(word, index, &reason))
        };
        for (word, values) in [
            (Word::Any, &selection.any),
            (Word::All, &selection.all),
            (Word::None, &selection.none),
            (Word::Type, &selection.types),
            (Word::Category, &selection.categories),
            (Word::Provider, &selection.providers),
        ] {
            for (index, value) in values.0.iter().enumerate() {
                add(word, Some(index), value.as_ref())?;
            }
        }
        for (word, value) in [
            (Word::Language, &selection.language),
            (Word::MinQuality, &selection.min_quality),
            (Word::Order, &selection.order),
            (Word::Age, &selection.age),
            (Word::Limit, &selection.entries),
        ] {
            value.iter().try_for_each(|value| add(word, None, Some(value)))?;
        }
        criteria.rename_topics(|slug| topics.now(slug));
        selections.push(SelectionSettings {
            name,
            title: item.read("title", selection.title.as_ref(), "text", some_text)?.unwrap_or(named),
            description: item.read("description", selection.description.as_ref(), "text", some_text)?,
            icon: item.read("icon", selection.icon.as_ref(), PICTURE, picture)?,
            content: item.read("content", selection.content.as_ref(), CONTENT, content)?,
            criteria,
        });
    }
    selections.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(selections)
}
