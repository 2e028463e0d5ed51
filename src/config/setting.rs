//! One setting: the value that wins, and the place where it was set.

use std::sync::Arc;

use crate::config::error::ConfigError;
use crate::config::file::ConfigFile;
use crate::config::value::{Kind, OFF, SWITCH};
use crate::syntax::yaml::{Names, Step};
use crate::text;

/// A setting that a flag, its environment variable or the file can set. A flag or variable wins over the file.
pub(super) struct Setting<'a> {
    /// The name of the flag, such as `max-age`. The key in the file has underscores instead.
    flag: &'static str,
    /// The value. `None` if the setting has its default.
    text: Option<String>,
    /// `true` if the value comes from the file.
    from_file: bool,
    file: &'a ConfigFile,
}

impl<'a> Setting<'a> {
    /// Chooses between the value of the flag and that of the key. Blank values count as not set.
    pub(super) fn new(
        file: &'a ConfigFile,
        flag: &'static str,
        flag_value: Option<String>,
        key_value: Option<String>,
    ) -> Self {
        let [flag_value, key_value] =
            [flag_value, key_value].map(|value| value.filter(|value| !value.trim().is_empty()));
        Self { flag, from_file: flag_value.is_none(), text: flag_value.or(key_value), file }
    }

    /// Returns the value as text.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns `true` if the value comes from the file, or is the default.
    pub(super) fn is_from_file(&self) -> bool {
        self.from_file
    }

    /// Parses a boolean value.
    pub(super) fn switch(self, default: bool) -> Result<bool, ConfigError> {
        Ok(self.read(&SWITCH)?.unwrap_or(default))
    }

    /// Parses the value. Returns `None` if the setting has its default.
    pub(super) fn read<T>(self, kind: &Kind<T>) -> Result<Option<T>, ConfigError> {
        self.read_with(kind.expected, kind.parse)
    }

    /// Parses the value with a parser that needs more than the text.
    pub(super) fn read_with<T>(
        self,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = &self.text else { return Ok(None) };
        if let Some(value) = parse(text.trim()) {
            return Ok(Some(value));
        }
        let reason = invalid(text, expected);
        let key = self.flag.replace('-', "_");
        Err(if self.from_file {
            self.file.error_at(&[Step::Key(&key)], format!("`{key}`: {reason}"))
        } else {
            ConfigError::Flag { flag: self.flag.to_owned(), reason }
        })
    }
}

/// One item of a list of mappings in the file: a topic or a selection.
pub(super) struct ListItem<'a> {
    pub(super) file: &'a ConfigFile,
    /// The key of the list.
    pub(super) list: &'static str,
    pub(super) index: usize,
}

impl ListItem<'_> {
    /// Parses the value of a key. Returns `None` if it is missing or blank.
    pub(super) fn read<T>(
        &self,
        key: &str,
        text: Option<&String>,
        kind: &Kind<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        match (kind.parse)(text.trim()) {
            Some(value) => Ok(Some(value)),
            None => Err(self.key_error(key, &invalid(text, kind.expected))),
        }
    }

    /// Turns the names under a key into slugs of topics.
    pub(super) fn topic_slugs(&self, key: &str, names: &Names) -> Result<Vec<Arc<str>>, ConfigError> {
        let slugs = names.0.iter().enumerate().map(|(index, name)| {
            let slug = text::topic_slug(name.as_deref().unwrap_or_default());
            slug.map(Arc::from).map_err(|reason| {
                self.error_at(&[Step::Key(key), Step::Index(index)], format!("`{key}`: {reason}"))
            })
        });
        slugs.collect()
    }

    /// Returns `true` if the item has this key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        self.file.has_key(&[Step::Key(self.list), Step::Index(self.index), Step::Key(key)])
    }

    /// Returns an error about the value of a key.
    pub(super) fn key_error(&self, key: &str, reason: &str) -> ConfigError {
        self.error_at(&[Step::Key(key)], format!("`{key}`: {reason}"))
    }

    /// Returns an error at a path within the item. An empty path is the item itself.
    pub(super) fn error_at(&self, path: &[Step<'_>], reason: String) -> ConfigError {
        let item = [Step::Key(self.list), Step::Index(self.index)];
        self.file.error_at(&[&item, path].concat(), reason)
    }
}

/// Writes a list of the file as a flag has it: with commas, or `off` if it is empty.
pub(super) fn comma_separated(names: Names) -> String {
    if names.0.is_empty() {
        return OFF.to_owned();
    }
    names.0.into_iter().flatten().collect::<Vec<_>>().join(",")
}

fn invalid(text: &str, expected: &str) -> String {
    format!("invalid value `{text}`; expected {expected}")
}
