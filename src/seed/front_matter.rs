//! Parses front matter into its fields.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::fields::{FieldValue, FrontMatter, PAGE_ADDRESS_KEYS, known_key};
use super::split::{Notation, RawFrontMatter};
use crate::config::{SeedSettings, TopicField};
use crate::syntax::toml;
use crate::syntax::yaml::{self, Names, NoDuplicates, Position};

/// An error of the parser.
#[derive(Debug)]
pub(super) struct ParseError<'k> {
    /// The field with the error, or `None` if the front matter as a whole cannot be read.
    pub(super) field: Option<&'k str>,
    /// The position of the error, counted from the start of the front matter.
    pub(super) at: Option<Position>,
    /// The error, in words.
    pub(super) reason: String,
    /// Advice on how to correct it.
    pub(super) help: Option<&'static str>,
}

/// Parses front matter, without the fields that `skip` returns `true` for.
///
/// The parser stops at the first value of the wrong type. The caller records that error and parses again
/// without the field.
pub(super) fn parse<'k>(
    raw: RawFrontMatter<'_>,
    settings: &'k SeedSettings,
    skip: &dyn Fn(&str) -> bool,
) -> Result<FrontMatter, ParseError<'k>> {
    if yaml::is_empty(raw.text) {
        return Ok(FrontMatter::default());
    }
    let current = Cell::new(None);
    let visitor = FieldsVisitor { settings, skip, current: &current };
    match raw.notation {
        Notation::Yaml => visitor
            .deserialize(serde_yaml::Deserializer::from_str(raw.text))
            .map_err(|error| yaml_error(raw.text, &error, current.get())),
        Notation::Toml => toml::read(raw.text, visitor).map_err(|error| toml_error(error, current.get())),
    }
}

fn yaml_error<'k>(yaml: &str, error: &serde_yaml::Error, field: Option<&'k str>) -> ParseError<'k> {
    let reason = yaml::reason(error);
    let at = yaml::position(yaml, error);
    if reason.contains("duplicate field") || reason.contains(yaml::DUPLICATE_KEY) {
        let at = yaml::duplicate_key(yaml).or(at);
        return ParseError { field: None, at, reason: yaml::DUPLICATE_KEY.to_owned(), help: None };
    }
    if let Some(reason) = yaml::type_mismatch(&reason, "front matter") {
        return ParseError { field, at, reason, help: None };
    }
    // The parser repeats the value, which may be confidential.
    let reason = if reason.contains("invalid value: ") { "a value does not match its tag" } else { &reason };
    let help = [
        ("mapping values are not allowed", "put a value with a colon in it in quotes"),
        ("cannot start any token", "put the value in quotes, and indent with spaces, not tabs"),
        ("violates indentation", "indent with spaces, not tabs"),
        ("did not find expected key", "check the indentation, and close every quote"),
    ];
    let help = help.iter().find(|(part, _)| reason.contains(part)).map(|(_, help)| *help);
    ParseError { field: None, at, reason: format!("this is not valid YAML: {reason}"), help }
}

fn toml_error(error: toml::Error, field: Option<&str>) -> ParseError<'_> {
    let toml::Error { at, reason, is_syntax } = error;
    if reason == "duplicate key" {
        return ParseError { field: None, at, reason: yaml::DUPLICATE_KEY.to_owned(), help: None };
    }
    let mismatch = yaml::type_mismatch(&reason, "front matter").filter(|_| !is_syntax);
    match mismatch {
        Some(reason) => ParseError { field, at, reason, help: None },
        None => {
            let help = [
                ("must be quoted", "put text in quotes"),
                ("key with no value", "write `key = value`, or YAML between lines of three hyphens"),
            ];
            let help = help.iter().find(|(part, _)| reason.contains(part)).map(|(_, help)| *help);
            ParseError { field: None, at, reason: format!("this is not valid TOML: {reason}"), help }
        }
    }
}

/// Reads the fields of front matter.
struct FieldsVisitor<'a, 'k> {
    settings: &'k SeedSettings,
    skip: &'a dyn Fn(&str) -> bool,
    current: &'a Cell<Option<&'k str>>,
}

impl<'de> DeserializeSeed<'de> for FieldsVisitor<'_, '_> {
    type Value = FrontMatter;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FrontMatter, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for FieldsVisitor<'_, '_> {
    type Value = FrontMatter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`key: value` lines")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FrontMatter, A::Error> {
        let mut fields = FrontMatter::default();
        let mut configured: Vec<&str> = Vec::new();
        while let Some(key) = map.next_key::<Key>()? {
            let is_read = match key {
                Key::Known(known) => {
                    record_key(&mut fields.known, known)?;
                    let is_wanted = self.begin(known);
                    if is_wanted {
                        fields.read_value(known, &mut map)?;
                    }
                    is_wanted
                }
                Key::Other(key) => match configured_key(&key, self.settings) {
                    Some(known) => {
                        record_key(&mut configured, known)?;
                        let is_wanted = self.begin(known);
                        if is_wanted {
                            fields.read_configured_value(known, self.settings, &mut map)?;
                        }
                        is_wanted
                    }
                    None => {
                        record_key(&mut fields.unknown, key)?;
                        false
                    }
                },
            };
            if !is_read {
                map.next_value::<NoDuplicates>()?;
            }
            self.current.set(None);
        }
        Ok(fields)
    }
}

impl<'k> FieldsVisitor<'_, 'k> {
    /// Returns `true` if the value of a key is to be read, and remembers the key for errors.
    fn begin(&self, key: &'k str) -> bool {
        let is_wanted = !(self.skip)(key);
        if is_wanted {
            self.current.set(Some(key));
        }
        is_wanted
    }
}

/// Records a key, which may appear once.
fn record_key<K: PartialEq, E: serde::de::Error>(keys: &mut Vec<K>, key: K) -> Result<(), E> {
    if keys.contains(&key) {
        return Err(E::custom(yaml::DUPLICATE_KEY));
    }
    keys.push(key);
    Ok(())
}

/// A key of front matter.
enum Key {
    Known(&'static str),
    Other(String),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
        Ok(known_key(key).map_or_else(|| Key::Other(key.to_owned()), Key::Known))
    }
}

/// Returns the key that equals `key` among those with a meaning by configuration.
fn configured_key<'k>(key: &str, settings: &'k SeedSettings) -> Option<&'k str> {
    let topics = settings.topic_fields.iter().map(|field| &*field.key).find(|&known| known == key);
    let address = || PAGE_ADDRESS_KEYS.iter().copied().find(|&known| known == key);
    topics.or_else(|| settings.permalink.as_ref().and_then(|_| address()))
}

impl FrontMatter {
    /// Reads the value of a configured key.
    fn read_configured_value<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        settings: &SeedSettings,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let mut nested: Vec<_> =
            settings.topic_fields.iter().enumerate().filter(|(_, field)| field.key == key).collect();
        match nested.pop() {
            Some((index, field)) if field.within.is_none() => {
                let names = map.next_value_seed(TopicNames { words: settings.topic_words })?;
                self.more_topics.extend(names.map(|names| (index, names)));
            }
            Some(last) => {
                nested.push(last);
                let visitor = NestedTopics {
                    fields: &nested,
                    words: settings.topic_words,
                    found: &mut self.more_topics,
                };
                map.next_value_seed(visitor)?;
            }
            None => {
                let text: Option<String> = map.next_value()?;
                let text = text.filter(|text| !text.trim().is_empty());
                let address = &mut self.page_address;
                match PAGE_ADDRESS_KEYS.iter().find(|&&known| known == key) {
                    Some(&"slug") => address.slug = text.or(address.slug.take()),
                    Some(key) => {
                        let path = text.map(|value| FieldValue { key, value });
                        address.path = path.or(address.path.take());
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }
}

/// Reads the topics of a field: a list of names, one name, or words.
struct TopicNames {
    words: bool,
}

impl<'de> DeserializeSeed<'de> for TopicNames {
    type Value = Option<Names>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Names>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TopicNames {
    type Value = Option<Names>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names, or one name")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Option<Names>, E> {
        let names: Vec<_> = match (self.words, text.contains(',')) {
            (true, true) => text.split(',').collect(),
            (true, false) => text.split_whitespace().collect(),
            (false, _) => vec![text],
        };
        Ok(Some(Names(names.into_iter().map(|name| Some(name.to_owned())).collect())))
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Option<Names>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Option<Names>, A::Error> {
        Names::deserialize(SeqAccessDeserializer::new(items)).map(Some)
    }
}

/// Reads topics from fields of a mapping.
struct NestedTopics<'a, 'k> {
    fields: &'a [(usize, &'k TopicField)],
    words: bool,
    found: &'a mut Vec<(usize, Names)>,
}

impl<'de> DeserializeSeed<'de> for NestedTopics<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NestedTopics<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let field = self.fields.iter().find(|(_, field)| field.within.as_deref() == Some(&key));
            match field {
                Some((index, _)) => {
                    let names = map.next_value_seed(TopicNames { words: self.words })?;
                    self.found.extend(names.map(|names| (*index, names)));
                }
                None => {
                    map.next_value::<NoDuplicates>()?;
                }
            }
            if !keys.insert(key) {
                return Err(A::Error::custom(yaml::DUPLICATE_KEY));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    fn parse<'k>(yaml: &str, skip: &[&str]) -> Result<FrontMatter, ParseError<'k>> {
        static DEFAULTS: LazyLock<SeedSettings> = LazyLock::new(SeedSettings::default);
        super::parse(RawFrontMatter::yaml(yaml), &DEFAULTS, &|key| skip.contains(&key))
    }

    #[test]
    fn preferred_name_of_a_field_wins_in_any_order() {
        for yaml in ["title: T\nname: N\n", "name: N\ntitle: T\n"] {
            let fields = parse(yaml, &[]).unwrap();
            assert_eq!(fields.title.as_ref().unwrap().value, "T", "{yaml}");
        }
        let fields = parse("title: ~\nname: N\n", &[]).unwrap();
        assert_eq!(fields.title.unwrap().key, "name");
    }

    #[test]
    fn scalars_keep_their_spelling() {
        let fields = parse("title: 2.0\nquality: 061\ntopics: [1.10]\nid: yes\n", &[]).unwrap();
        assert_eq!(fields.title.unwrap().value, "2.0");
        assert_eq!(fields.quality.unwrap().value, "061");
        assert_eq!(fields.topics.unwrap().value.0, [Some("1.10".to_owned())]);
    }

    #[test]
    fn errors_name_the_field_and_the_position() {
        for (yaml, field, place, reason) in [
            ("title: [a]\n", Some("title"), (1, 8), "`title` should be text, but is a list"),
            ("a: 1\nimages: x\n", Some("images"), (2, 9), "`images` should be a list, but is text"),
            (
                "related:\n  - title: {a: b}\n",
                Some("related"),
                (2, 12),
                "`related[0].title` should be text, but is a mapping",
            ),
            ("- a\n- b\n", None, (1, 1), "front matter should be `key: value` lines, but is a list"),
            ("a: 1\nb: 2\na: 3\n", None, (3, 1), yaml::DUPLICATE_KEY),
            ("images:\n  - url: a\n    url: b\n", None, (3, 5), yaml::DUPLICATE_KEY),
            ("x:\n  y: 1\n  y: 2\n", None, (3, 3), yaml::DUPLICATE_KEY),
            ("provider: me\n", Some("provider"), (1, 11), "`provider` should be a mapping, but is text"),
            (
                "topics: {a: b}\n",
                Some("topics"),
                (1, 9),
                "`topics` should be a list of names, or one name, but is a mapping",
            ),
        ] {
            let error = parse(yaml, &[]).unwrap_err();
            assert_eq!(error.reason, reason, "{yaml}");
            assert_eq!(error.field, field, "{yaml}");
            let at = error.at.map(|at| (at.line, at.column));
            assert_eq!(at, Some(place), "{yaml}");
        }
        assert!(parse("title: [a]\n", &["title"]).unwrap().title.is_none());
    }
}
