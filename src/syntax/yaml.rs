//! Where things stand in a YAML text.
//!
//! The parser tells the position of what it refuses and of nothing else. So a place is found by
//! reading the text once more and refusing on purpose: exact in every style of YAML, and paid for
//! only when there is something to report.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A line and a column, in characters, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    /// The position of a byte. Lines end where editors end them.
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

/// Where the value at the end of a path begins.
pub fn value_at(yaml: &str, path: &[Step<'_>]) -> Option<Position> {
    refused(yaml, Walk { path, goal: Goal::Value })
}

/// Where the key at the end of a path stands.
pub fn key_at(yaml: &str, path: &[Step<'_>]) -> Option<Position> {
    refused(yaml, Walk { path, goal: Goal::Key })
}

/// The place of the first key that stands twice in one mapping, at any depth.
pub fn duplicate_key(yaml: &str) -> Option<Position> {
    serde_yaml::from_str::<Unrepeated>(yaml).err().and_then(|error| position(yaml, &error))
}

/// Where an error of the parser points, if it points anywhere.
///
/// The parser counts lines at every character that YAML 1.1 takes for the end of one; people's
/// editors do not. Its index, which counts bytes, is what both can agree on.
pub fn position(yaml: &str, error: &serde_yaml::Error) -> Option<Position> {
    Some(Position::of(yaml, error.location()?.index()))
}

/// What an error of the parser says, without the positions it mixes in: they count from the start
/// of the YAML, not of the file.
pub fn reason(error: &serde_yaml::Error) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(" at line ").or_else(|| text.find(" at position ")) {
        let end = text[start..].find(',').map_or(text.len(), |comma| start + comma);
        text.replace_range(start..end, "");
    }
    text
}

/// Whether there is nothing but comments and white space.
pub fn is_empty(yaml: &str) -> bool {
    yaml.lines().all(|line| matches!(line.trim_start().chars().next(), None | Some('#')))
}

/// Says `a.b: invalid type: sequence, expected a string` in words for people, and without the value,
/// since what was typed there may be anything. None if the error is another one.
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

/// The known key that a misspelt one was most likely meant to be.
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

fn refused(yaml: &str, walk: Walk<'_>) -> Option<Position> {
    let error = walk.deserialize(serde_yaml::Deserializer::from_str(yaml)).err()?;
    if reason(&error).ends_with(HERE) { position(yaml, &error) } else { None }
}

/// How a refusal on purpose is told from any other.
const HERE: &str = "refused on purpose";

#[derive(Clone, Copy)]
enum Goal {
    Value,
    Key,
}

/// Follows the path and refuses its end.
#[derive(Clone, Copy)]
struct Walk<'a> {
    path: &'a [Step<'a>],
    goal: Goal,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() {
            deserializer.deserialize_any(Refuse)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value with parts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let [Step::Key(wanted), rest @ ..] = self.path else { return Ok(()) };
        let refuse = matches!(self.goal, Goal::Key) && rest.is_empty();
        while let Some(found) = map.next_key_seed(KeyIs { wanted, refuse })? {
            if found {
                return map.next_value_seed(Walk { path: rest, ..self });
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
        items.next_element_seed(Walk { path: rest, ..self }).map(|_| ())
    }
}

struct KeyIs<'a> {
    wanted: &'a str,
    refuse: bool,
}

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match key == self.wanted {
            true if self.refuse => Err(E::custom(HERE)),
            found => Ok(found),
        }
    }
}

/// Refuses whatever it is shown, so that the parser says where that was.
struct Refuse;

impl Visitor<'_> for Refuse {
    type Value = ();

    // The only method: by default a visitor refuses everything, and says what it expected.
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HERE)
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

/// Any value in which no mapping names a key twice. Nothing of it is kept.
#[derive(Debug)]
pub struct Unrepeated;

impl<'de> Deserialize<'de> for Unrepeated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnrepeatedVisitor)
    }
}

struct UnrepeatedVisitor;

macro_rules! accept {
    ($($visit:ident($($argument:ty)?)),* $(,)?) => {
        $(fn $visit<E: serde::de::Error>(self $(, _: $argument)?) -> Result<Unrepeated, E> {
            Ok(Unrepeated)
        })*
    };
}

impl<'de> Visitor<'de> for UnrepeatedVisitor {
    type Value = Unrepeated;

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

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unrepeated, A::Error> {
        while items.next_element::<Unrepeated>()?.is_some() {}
        Ok(Unrepeated)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unrepeated, A::Error> {
        let mut keys = HashSet::new();
        while map.next_key_seed(NewKey(&mut keys))?.is_some() {
            map.next_value::<Unrepeated>()?;
        }
        Ok(Unrepeated)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Unrepeated, A::Error> {
        use serde::de::VariantAccess;
        tagged.variant::<IgnoredAny>()?.1.newtype_variant::<IgnoredAny>().map(|_| Unrepeated)
    }
}

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
        if self.0.insert(key.to_owned()) { Ok(()) } else { Err(E::custom(REPEATED)) }
    }
}

/// What [`Unrepeated`] says of a second key of the same name.
pub const REPEATED: &str = "this key appears twice";

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
    fn lines_end_where_editors_end_them() {
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
    fn a_repeated_key_is_found_at_any_depth() {
        assert_eq!(duplicate_key("a: 1\nb: 2\na: 3\n"), Some(Position { line: 3, column: 1 }));
        assert_eq!(duplicate_key("a:\n  - {x: 1, x: 2}\n"), Some(Position { line: 2, column: 12 }));
        assert_eq!(duplicate_key("a: {x: 1}\nb: {x: 2}\n"), None);
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["title", "date", "webUrl", "publishedDateTime"];
        assert_eq!(nearest("titel", &known), Some("title"));
        assert_eq!(nearest("weburl", &known), Some("webUrl"));
        assert_eq!(nearest("publishedDatetime", &known), Some("publishedDateTime"));
        assert_eq!(nearest("price", &known), None);
        assert_eq!(nearest("dt", &known), None);
    }

    #[test]
    fn reasons_come_without_positions() {
        let error = serde_yaml::from_str::<Unrepeated>("a: [1,\nb: }").unwrap_err();
        assert!(!reason(&error).contains("line"), "{}", reason(&error));
        assert!(!reason(&error).is_empty());
    }
}
