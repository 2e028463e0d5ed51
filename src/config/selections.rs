//! Selections that `sower.yaml` names.

use std::sync::Arc;

use crate::config::criteria::{Criteria, Criterion};
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, SelectionKeys};
use crate::config::setting::ListItem;
use crate::config::topics::Topics;
use crate::config::value::{CONTENT, ContentLength, MAX_ENTRIES, PICTURE, TEXT};
use crate::syntax::yaml::Step;
use crate::text;

/// A named selection.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectionSettings {
    /// The slug at the end of its address.
    pub name: Arc<str>,
    /// The title of its feeds.
    pub title: String,
    /// A description of one or two sentences, in plain text.
    pub description: Option<String>,
    /// The absolute address of a picture.
    pub icon: Option<String>,
    /// The part of a record that entries show, if it differs from that of the publication.
    pub content: Option<ContentLength>,
    /// The criteria that pick its entries.
    pub criteria: Criteria,
}

/// Checks the selections of the file, and returns them by name.
pub(super) fn resolve(
    list: &[SelectionKeys],
    topics: &Topics,
    file: &ConfigFile,
) -> Result<Vec<SelectionSettings>, ConfigError> {
    let mut selections: Vec<SelectionSettings> = Vec::with_capacity(list.len());
    for (index, keys) in list.iter().enumerate() {
        let item = ListItem { file, list: "selections", index };
        let selection = selection(&item, keys, topics)?;
        if selections.iter().any(|other| other.name == selection.name) {
            let reason = format!("duplicate selection `{}`", selection.name);
            return Err(item.error_at(&[Step::Key("name")], reason));
        }
        selections.push(selection);
    }
    selections.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(selections)
}

/// Reads one selection.
fn selection(
    item: &ListItem<'_>,
    keys: &SelectionKeys,
    topics: &Topics,
) -> Result<SelectionSettings, ConfigError> {
    let Some(name) = item.read("name", keys.name.as_ref(), &TEXT)? else {
        return Err(item.error_at(&[], "a selection needs a `name`".to_owned()));
    };
    let slug = text::address_slug(&name).map_err(|reason| item.key_error("name", reason))?;
    let mut criteria = criteria(item, keys)?;
    criteria.rename_topics(|slug| topics.current_slug(slug));
    Ok(SelectionSettings {
        name: slug.into(),
        title: item.read("title", keys.title.as_ref(), &TEXT)?.unwrap_or(name),
        description: item.read("description", keys.description.as_ref(), &TEXT)?,
        icon: item.read("icon", keys.icon.as_ref(), &PICTURE)?,
        content: item.read("content", keys.content.as_ref(), &CONTENT)?,
        criteria,
    })
}

/// Reads the criteria of a selection.
fn criteria(item: &ListItem<'_>, keys: &SelectionKeys) -> Result<Criteria, ConfigError> {
    let mut criteria = Criteria::default();
    for (criterion, values) in [
        (Criterion::Any, &keys.any),
        (Criterion::All, &keys.all),
        (Criterion::None, &keys.none),
        (Criterion::Type, &keys.types),
        (Criterion::Category, &keys.categories),
        (Criterion::Provider, &keys.providers),
    ] {
        for (index, value) in values.0.iter().enumerate() {
            add(&mut criteria, item, criterion, Some(index), value.as_deref())?;
        }
    }
    for (criterion, value) in [
        (Criterion::Language, &keys.language),
        (Criterion::MinQuality, &keys.min_quality),
        (Criterion::Order, &keys.order),
        (Criterion::Age, &keys.age),
        (Criterion::Limit, &keys.entries),
    ] {
        if let Some(value) = value {
            add(&mut criteria, item, criterion, None, Some(value))?;
        }
    }
    Ok(criteria)
}

/// Adds one value of a criterion. An error names the key as the file spells it, and the item of its list.
fn add(
    criteria: &mut Criteria,
    item: &ListItem<'_>,
    criterion: Criterion,
    index: Option<usize>,
    value: Option<&str>,
) -> Result<(), ConfigError> {
    let added = match value {
        Some(value) => criteria
            .add(criterion, value.trim(), MAX_ENTRIES)
            .map_err(|reason| format!("invalid value `{value}`; {reason}")),
        None => Err("empty item; fill it in or remove it".to_owned()),
    };
    added.map_err(|reason| {
        let [name, plural] = criterion.names();
        let key = if item.has_key(plural) { plural } else { name };
        let path: Vec<_> = [Step::Key(key)].into_iter().chain(index.map(Step::Index)).collect();
        item.error_at(&path, format!("`{key}`: {reason}"))
    })
}
