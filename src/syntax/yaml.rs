//! Positions of keys and values in a YAML text.
//!
//! The parser reports positions only for errors. So a position is found by parsing the text again and raising an error
//! on purpose. That is exact in every style of YAML, and costs time only if there is a fault to report.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A line and a column, in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// Returns the position of a byte. Only `\n` ends a line, as in editors.
    pub(crate) fn of(text: &str, index: usize) -> Self {
        let before = text.get(..index).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        Self { line, column: before[line_start..].chars().count() + 1 }
    }
}

/// One step from a value into a part of it.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// The value under a key.
    Key(&'a str),
    /// The item at an index, from 0.
    Index(usize),
}

/// Returns the position of the value at the end of a path.
pub fn value_at(yaml: &str, path: &[Step<'_>]) -> Option<Position> {
    position_where_raised(yaml, PathWalk { path, target: Target::Value })
}

/// Returns the position of the key at the end of a path.
pub fn key_at(yaml: &str, path: &[Step<'_>]) -> Option<Position> {
    position_where_raised(yaml, PathWalk { path, target: Target::Key })
}

/// Returns the position of the first duplicate key of a mapping, at any depth.
pub fn duplicate_key(yaml: &str) -> Option<Position> {
    serde_yaml::from_str::<NoDuplicates>(yaml).err().and_then(|error| position(yaml, &error))
}

/// Returns the position of an error of the parser, if it has one.
///
/// The parser counts every line end of YAML 1.1, editors do not. So the position is computed from the byte index of
/// the error.
pub fn position(yaml: &str, error: &serde_yaml::Error) -> Option<Position> {
    Some(Position::of(yaml, error.location()?.index()))
}

/// Returns the message of an error of the parser without positions, which count from the start of the YAML and not of
/// the file.
pub fn reason(error: &serde_yaml::Error) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(" at line ").or_else(|| text.find(" at position ")) {
        let end = text[start..].find(',').map_or(text.len(), |comma| start + comma);
        text.replace_range(start..end, "");
    }
    text
}

/// Returns `true` if a text has only comments and white space.
pub fn is_empty(yaml: &str) -> bool {
    yaml.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#')))
}

/// Rewords the message `a.b: invalid type: sequence, expected a string` for people, without the value, which may be
/// confidential. Returns `None` for any other message.
pub fn type_mismatch(reason: &str, whole: &str) -> Option<String> {
    let (path, found) = reason.split_once("invalid type: ")?;
    let path = path.trim_end_matches(": ");
    let (found, expected) = found.rsplit_once(", expected ")?;
    let found = match found.split(' ').next()? {
        "sequence" => "a list",
        "map" => "a mapping",
        "unit" | "null" => "empty",
        "integer" | "floating" => "a number (quote it if it is a name)",
        "boolean" => "true or false (quote it if it is a name)",
        _ => "text",
    };
    let expected = match expected {
        "a string" => "text",
        "a sequence" => "a list",
        other => other,
    };
    if path.is_empty() {
        return Some(format!("{whole} should be {expected}, but is {found}"));
    }
    Some(format!("`{path}` should be {expected}, but is {found}"))
}

/// Returns the known key that is most similar to a misspelt one.
pub fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowance = if key.chars().count() < 5 { 1 } else { 2 };
    known
        .iter()
        .map(|&candidate| {
            (strsim::damerau_levenshtein(&key.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|&(distance, _)| distance <= allowance)
        .min()
        .map(|(_, candidate)| candidate)
}

fn position_where_raised(yaml: &str, walk: PathWalk<'_>) -> Option<Position> {
    let error = walk.deserialize(serde_yaml::Deserializer::from_str(yaml)).err()?;
    if reason(&error).ends_with(ON_PURPOSE) { position(yaml, &error) } else { None }
}

/// The message of an error that is raised on purpose.
const ON_PURPOSE: &str = "raised on purpose";

/// The target of a walk: the value or the key at the end of its path.
#[derive(Clone, Copy)]
enum Target {
    Value,
    Key,
}

/// Follows a path and raises an error at its end.
#[derive(Clone, Copy)]
struct PathWalk<'a> {
    path: &'a [Step<'a>],
    target: Target,
}

impl<'de> DeserializeSeed<'de> for PathWalk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            deserializer.deserialize_any(RaiseError)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for PathWalk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with parts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [Step::Key(wanted), rest @ ..] = self.path else { return Ok(()) };
        let raise = matches!(self.target, Target::Key) && rest.is_empty();
        while let Some(found) = map.next_key_seed(KeyMatcher { wanted, raise })? {
            if found {
                return map.next_value_seed(PathWalk { path: rest, ..self });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let [Step::Index(index), rest @ ..] = self.path else { return Ok(()) };
        for _ in 0..*index {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(PathWalk { path: rest, ..self }).map(|_| ())
    }
}

/// Compares a key, and raises an error at the wanted one if asked to.
struct KeyMatcher<'a> {
    wanted: &'a str,
    raise: bool,
}

impl<'de> DeserializeSeed<'de> for KeyMatcher<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyMatcher<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.raise => Err(E::custom(ON_PURPOSE)),
            found => Ok(found),
        }
    }
}

/// Raises an error for any value, so that the parser reports its position.
struct RaiseError;

impl Visitor<'_> for RaiseError {
    type Value = ();

    // The only method: by default a visitor accepts nothing, and its error has this text.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ON_PURPOSE)
    }
}

/// A list of names, or one name.
#[derive(Debug, Default)]
pub struct Names(pub Vec<Option<String>>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names, or one name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Names, E> {
        Ok(Names(vec![Some(name.to_owned())]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Names, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = items.next_element()? {
            names.push(name);
        }
        Ok(Names(names))
    }
}

/// A value of any type without duplicate keys. It is checked and discarded.
#[derive(Debug)]
pub struct NoDuplicates;

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NoDuplicatesVisitor)
    }
}

struct NoDuplicatesVisitor;

macro_rules! accept {
    ($($visit:ident($($argument:ty)?)),* $(,)?) => {
        $(fn $visit<E: serde::de::Error>(self $(, _: $argument)?) -> Result<NoDuplicates, E> {
            Ok(NoDuplicates)
        })*
    };
}

impl<'de> Visitor<'de> for NoDuplicatesVisitor {
    type Value = NoDuplicates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    accept!(
        visit_bool(bool),
        visit_i64(i64),
        visit_i128(i128),
        visit_u64(u64),
        visit_u128(u128),
        visit_f64(f64),
        visit_str(&str),
        visit_unit(),
        visit_none(),
    );

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<NoDuplicates, A::Error> {
        while items.next_element::<NoDuplicates>()?.is_some() {}
        Ok(NoDuplicates)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NoDuplicates, A::Error> {
        let mut keys = HashSet::new();
        while map.next_key_seed(NewKey(&mut keys))?.is_some() {
            map.next_value::<NoDuplicates>()?;
        }
        Ok(NoDuplicates)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<NoDuplicates, A::Error> {
        use serde::de::VariantAccess;
        tagged.variant::<IgnoredAny>()?.1.newtype_variant::<IgnoredAny>().map(|_| NoDuplicates)
    }
}

/// Records a key, and raises an error if the mapping has it already.
struct NewKey<'a>(&'a mut HashSet<String>);

impl<'de> DeserializeSeed<'de> for NewKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        if self.0.insert(key.to_owned()) { Ok(()) } else { Err(E::custom(DUPLICATE_KEY)) }
    }
}

/// The message of [`NoDuplicates`] for a duplicate key.
pub const DUPLICATE_KEY: &str = "this key appears twice";

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str =
        "title: One\nimages:\n  - url: a\n    width: wide\n  - {url: b, width: 2}\ntext: |\n  block\n";

    #[test]
    fn values_and_keys_are_found_in_every_style() {
        use Step::{Index, Key};
        for (path, line, column) in [
            (&[Key("title")][..], 1, 8),
            (&[Key("images"), Index(0), Key("width")], 4, 12),
            (&[Key("images"), Index(1)], 5, 5),
            (&[Key("images"), Index(1), Key("width")], 5, 21),
            (&[Key("text")], 6, 7),
        ] {
            assert_eq!(value_at(SAMPLE, path), Some(Position { line, column }), "{path:?}");
        }
        assert_eq!(key_at(SAMPLE, &[Key("images")]), Some(Position { line: 2, column: 1 }));
        assert_eq!(value_at(SAMPLE, &[Key("nothing")]), None);
        assert_eq!(key_at("[a, list]", &[Key("a")]), None);
    }

    #[test]
    fn only_newlines_end_lines() {
        let yaml = "a: \"x\u{2028}y\u{85}z\"\r\nb: 1\r\nc: [d]\r\n";
        assert_eq!(key_at(yaml, &[Step::Key("b")]), Some(Position { line: 2, column: 1 }));
        assert_eq!(value_at(yaml, &[Step::Key("c"), Step::Index(0)]), Some(Position { line: 3, column: 5 }));
    }

    #[test]
    fn columns_count_characters() {
        let yaml = "é: {ü: 1, width: x}";
        let at = value_at(yaml, &[Step::Key("é"), Step::Key("width")]);
        assert_eq!(at, Some(Position { line: 1, column: 18 }));
    }

    #[test]
    fn duplicate_key_is_found_at_any_depth() {
        assert_eq!(duplicate_key("a: 1\nb: 2\na: 3\n"), Some(Position { line: 3, column: 1 }));
        assert_eq!(duplicate_key("a:\n  - {x: 1, x: 2}\n"), Some(Position { line: 2, column: 12 }));
        assert_eq!(duplicate_key("a: {x: 1}\nb: {x: 2}\n"), None);
    }

    #[test]
    fn nearest_key_is_one_or_two_edits_away() {
        let known = ["title", "date", "webUrl", "publishedDateTime"];
        assert_eq!(nearest("titel", &known), Some("title"));
        assert_eq!(nearest("weburl", &known), Some("webUrl"));
        assert_eq!(nearest("publishedDatetime", &known), Some("publishedDateTime"));
        assert_eq!(nearest("price", &known), None);
        assert_eq!(nearest("dt", &known), None);
    }

    #[test]
    fn reason_has_no_position() {
        let error = serde_yaml::from_str::<NoDuplicates>("a: [1,\nb: }").unwrap_err();
        assert!(!reason(&error).contains("line"), "{}", reason(&error));
        assert!(!reason(&error).is_empty());
    }
}
