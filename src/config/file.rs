//! `sower.yaml` as written: its keys, and errors with their positions.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::error::ConfigError;
use crate::syntax::yaml::{self, Names, Position, Step};

/// The file that is read unless `--config` names another. It may be missing.
const DEFAULT_PATH: &str = "sower.yaml";

/// The path and the text of a configuration file.
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    text: String,
}

/// The keys of the file. All scalars are text, so that a value is checked in the same way whether a flag, a
/// variable or the file sets it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`key: value` lines")]
pub(super) struct FileKeys {
    pub(super) title: Option<String>,
    pub(super) url: Option<String>,
    pub(super) listen: Option<Names>,
    pub(super) admin_listen: Option<String>,
    pub(super) trusted_proxies: Option<Names>,
    pub(super) max_connections: Option<String>,
    pub(super) client_limit: Option<String>,
    pub(super) access_log: Option<String>,
    pub(super) seeds: Option<String>,
    pub(super) topic_fields: Option<Names>,
    pub(super) topic_words: Option<String>,
    pub(super) default_topic: Option<String>,
    pub(super) permalink: Option<String>,
    pub(super) watch: Option<String>,
    pub(super) feeds: Option<String>,
    pub(super) entries: Option<String>,
    pub(super) archives: Option<String>,
    pub(super) pictures: Option<String>,
    pub(super) accent: Option<String>,
    pub(super) content: Option<String>,
    pub(super) frame_hosts: Option<Vec<String>>,
    pub(super) max_age: Option<String>,
    pub(super) language: Option<String>,
    pub(super) copyright: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) logo: Option<String>,
    pub(super) max_seed_size: Option<String>,
    pub(super) unpublished: Option<String>,
    pub(super) topics: Option<Vec<TopicKeys>>,
    pub(super) selections: Option<Vec<SelectionKeys>>,
}

/// The keys of one item of `topics`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`key: value` lines")]
pub(super) struct TopicKeys {
    pub(super) name: Option<String>,
    pub(super) slug: Option<String>,
    pub(super) parent: Option<String>,
    pub(super) description: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) language: Option<String>,
    pub(super) entries: Option<String>,
    pub(super) content: Option<String>,
    pub(super) aliases: Names,
    pub(super) retired: Option<String>,
}

/// The keys of one item of `selections`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`key: value` lines")]
pub(super) struct SelectionKeys {
    pub(super) name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) icon: Option<String>,
    pub(super) content: Option<String>,
    pub(super) any: Names,
    pub(super) all: Names,
    pub(super) none: Names,
    #[serde(alias = "type")]
    pub(super) types: Names,
    #[serde(alias = "category")]
    pub(super) categories: Names,
    #[serde(alias = "provider")]
    pub(super) providers: Names,
    pub(super) language: Option<String>,
    pub(super) min_quality: Option<String>,
    pub(super) order: Option<String>,
    pub(super) age: Option<String>,
    #[serde(alias = "limit")]
    pub(super) entries: Option<String>,
}

impl ConfigFile {
    /// Reads the file at `path`, or the default file if there is no path. The default file may be missing.
    pub(super) fn read(path: Option<String>) -> Result<Self, ConfigError> {
        let path = path.filter(|path| !path.is_empty());
        let is_default = path.is_none();
        let path = PathBuf::from(path.unwrap_or_else(|| DEFAULT_PATH.to_owned()));
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Self { path, text }),
            Err(error) if is_default && error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self { path, text: String::new() })
            }
            Err(cause) => Err(ConfigError::Unreadable { path, cause }),
        }
    }

    /// Returns the directory that paths in the file are relative to.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Parses the keys of the file.
    pub(super) fn parse(&self) -> Result<FileKeys, ConfigError> {
        if yaml::is_empty(&self.text) {
            return Ok(FileKeys::default());
        }
        serde_yaml::from_str(&self.text).map_err(|error| {
            let (at, reason) = explain(&self.text, &error);
            ConfigError::File { path: self.path.clone(), at, reason }
        })
    }

    /// Returns an error at the value that a path of keys leads to, or at its nearest parent in the file.
    pub(super) fn error_at(&self, path: &[Step<'_>], reason: String) -> ConfigError {
        let at = (1..=path.len()).rev().find_map(|length| yaml::value_at(&self.text, &path[..length]));
        let at = at.unwrap_or(Position { line: 1, column: 1 });
        ConfigError::File { path: self.path.clone(), at, reason }
    }

    /// Returns `true` if the file has a key at this path.
    pub(super) fn has_key(&self, path: &[Step<'_>]) -> bool {
        yaml::key_at(&self.text, path).is_some()
    }
}

/// Returns the position of an error of the YAML parser, and a message for people.
fn explain(text: &str, error: &serde_yaml::Error) -> (Position, String) {
    let message = yaml::reason(error);
    let at = yaml::position(text, error).unwrap_or(Position { line: 1, column: 1 });
    if let Some((_, rest)) = message.split_once("unknown field `") {
        let key = rest.split('`').next().unwrap_or_default();
        let path: Vec<_> = list_item(&message).into_iter().flatten().chain([Step::Key(key)]).collect();
        let keys: Vec<_> =
            rest.split('`').skip(1).filter(|key| key.starts_with(char::is_alphabetic)).collect();
        let hint = yaml::nearest(key, &keys).map_or_else(
            || format!("the keys are {}", keys.join(", ")),
            |nearest| format!("did you mean `{nearest}`?"),
        );
        return (yaml::key_at(text, &path).unwrap_or(at), format!("unknown key `{key}`; {hint}"));
    }
    if message.contains("duplicate field") {
        return (yaml::duplicate_key(text).unwrap_or(at), yaml::DUPLICATE_KEY.to_owned());
    }
    (at, yaml::type_mismatch(&message, "the configuration").unwrap_or(message))
}

/// Returns the path of the list item that an error of the parser is about: `topics[1]: …`.
fn list_item(message: &str) -> Option<[Step<'_>; 2]> {
    let (list, rest) = message.split_once('[')?;
    let (index, _) = rest.split_once(']')?;
    let index = index.parse().ok()?;
    ["topics", "selections"].contains(&list).then_some([Step::Key(list), Step::Index(index)])
}
