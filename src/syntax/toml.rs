//! Deserializes TOML with serde, and finds the positions of keys and values.
//!
//! Values are read as in YAML: every scalar can be read as text, so that `2.0` keeps its spelling and a date needs no
//! quotes.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::syntax::yaml::{Position, Step};

/// An error of reading a text.
#[derive(Debug)]
pub struct Error {
    /// The position, if it is known.
    pub at: Option<Position>,
    /// The message, after the path to the value: `a.b: invalid type: …`.
    pub reason: String,
    /// Set if the text is not valid TOML.
    pub is_syntax: bool,
}

/// Deserializes a text.
///
/// # Errors
///
/// The text is not valid TOML, or a value has the wrong type.
pub fn read<'de, S: DeserializeSeed<'de>>(text: &str, seed: S) -> Result<S::Value, Error> {
    let document = ParsedToml::parse(text)?;
    seed.deserialize(Value(&document.0)).map_err(|error: ValueError| Error {
        at: error.at.map(|index| Position::of(text, index)),
        reason: error.to_string(),
        is_syntax: false,
    })
}

/// Returns the position of the value at the end of a path.
pub fn value_at(text: &str, path: &[Step<'_>]) -> Option<Position> {
    let document = ParsedToml::parse(text).ok()?;
    let found = path.iter().try_fold(&document.0, |value, step| part(value, *step).map(|(_, part)| part))?;
    Some(Position::of(text, found.span().start))
}

/// Returns the position of the key at the end of a path.
pub fn key_at(text: &str, path: &[Step<'_>]) -> Option<Position> {
    let document = ParsedToml::parse(text).ok()?;
    let (last, path) = path.split_last()?;
    let found = path.iter().try_fold(&document.0, |value, step| part(value, *step).map(|(_, part)| part))?;
    let (key, _) = part(found, *last)?;
    Some(Position::of(text, key?.span().start))
}

/// Deepest nesting that is read. Reading is recursive, and dotted keys nest without brackets.
const MAX_DEPTH: usize = 64;

type Key<'d> = Spanned<DeString<'d>>;

/// Returns the part of a value at one step of a path, and its key.
fn part<'v, 'd>(
    value: &'v Spanned<DeValue<'d>>,
    step: Step<'_>,
) -> Option<(Option<&'v Key<'d>>, &'v Spanned<DeValue<'d>>)> {
    match (value.get_ref(), step) {
        (DeValue::Table(table), Step::Key(key)) => {
            table.get_key_value(key).map(|(key, part)| (Some(key), part))
        }
        (DeValue::Array(items), Step::Index(index)) => items.get(index).map(|part| (None, part)),
        _ => None,
    }
}

/// A parsed text.
struct ParsedToml<'d>(Spanned<DeValue<'d>>);

impl<'d> ParsedToml<'d> {
    fn parse(text: &'d str) -> Result<Self, Error> {
        // The values before an error are returned too, and must be dropped without recursion.
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = Self(Spanned::new(table.span(), DeValue::Table(table.into_inner())));
        let (at, reason) = match errors.first() {
            Some(error) => (error.span().map(|span| span.start), error.message().to_owned()),
            None => match document.too_deep() {
                Some(at) => (Some(at), format!("keys nest more than {MAX_DEPTH} deep")),
                None => return Ok(document),
            },
        };
        Err(Error { at: at.map(|index| Position::of(text, index)), reason, is_syntax: true })
    }

    /// Returns the offset of a value that nests too deeply.
    fn too_deep(&self) -> Option<usize> {
        let mut values = vec![(&self.0, 0)];
        while let Some((value, depth)) = values.pop() {
            if depth > MAX_DEPTH {
                return Some(value.span().start);
            }
            match value.get_ref() {
                DeValue::Table(table) => values.extend(table.values().map(|value| (value, depth + 1))),
                DeValue::Array(items) => values.extend(items.iter().map(|value| (value, depth + 1))),
                _ => {}
            }
        }
        None
    }
}

impl Drop for ParsedToml<'_> {
    /// Drops the values one by one: dropping them recursively could overflow the stack.
    fn drop(&mut self) {
        let mut values = vec![std::mem::replace(self.0.get_mut(), DeValue::Boolean(false))];
        while let Some(value) = values.pop() {
            match value {
                DeValue::Table(table) => {
                    values.extend(table.into_iter().map(|(_, value)| value.into_inner()));
                }
                DeValue::Array(items) => values.extend(items.into_iter().map(Spanned::into_inner)),
                _ => {}
            }
        }
    }
}

/// An error of deserializing a value, with the path to the value.
#[derive(Debug)]
struct ValueError {
    path: String,
    reason: String,
    at: Option<usize>,
}

impl ValueError {
    fn at(mut self, value: &Spanned<DeValue<'_>>) -> Self {
        self.at.get_or_insert(value.span().start);
        self
    }

    fn below(mut self, step: &str) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}

impl Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.path, self.reason)
    }
}

impl std::error::Error for ValueError {}

impl serde::de::Error for ValueError {
    fn custom<T: Display>(reason: T) -> Self {
        Self { path: String::new(), reason: reason.to_string(), at: None }
    }
}

/// A deserializer of a value.
#[derive(Clone, Copy)]
struct Value<'v, 'd>(&'v Spanned<DeValue<'d>>);

impl Value<'_, '_> {
    /// Returns the source text of a scalar.
    fn text(&self) -> Option<Cow<'_, str>> {
        Some(match self.0.get_ref() {
            DeValue::String(text) => Cow::Borrowed(text),
            DeValue::Integer(number) if number.radix() == 10 => Cow::Borrowed(number.as_str()),
            DeValue::Integer(number) => Cow::Owned(number.to_string()),
            DeValue::Float(number) => Cow::Borrowed(number.as_str()),
            DeValue::Boolean(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
            DeValue::Datetime(date) => Cow::Owned(date.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => return None,
        })
    }
}

impl<'de> Deserializer<'de> for Value<'_, '_> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let read = match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Datetime(date) => visitor.visit_str(&date.to_string()),
            DeValue::Boolean(truth) => visitor.visit_bool(*truth),
            // Numbers are read as text, so their values are not needed.
            DeValue::Integer(_) => visitor.visit_i64(0),
            DeValue::Float(_) => visitor.visit_f64(0.0),
            DeValue::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            DeValue::Table(table) => visitor.visit_map(TableEntries { entries: table.iter(), next: None }),
        };
        read.map_err(|error| error.at(self.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.text() {
            Some(text) => visitor.visit_str(&text).map_err(|error: ValueError| error.at(self.0)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// Deserializes the items of an array.
struct Items<'v, 'd> {
    items: &'v DeArray<'d>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Value(item)).map(Some).map_err(|error| error.below(&format!("[{index}]")))
    }
}

/// Deserializes the entries of a table.
struct TableEntries<'v, 'd, I> {
    entries: I,
    next: Option<(&'v Key<'d>, &'v Spanned<DeValue<'d>>)>,
}

impl<'de, 'v, 'd: 'v, I> MapAccess<'de> for TableEntries<'v, 'd, I>
where
    I: Iterator<Item = (&'v Key<'d>, &'v Spanned<DeValue<'d>>)>,
{
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ValueError> {
        self.next = self.entries.next();
        let Some((key, _)) = self.next else { return Ok(None) };
        let name = CowStrDeserializer::new(Cow::Borrowed(&**key.get_ref()));
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, ValueError> {
        let Some((key, value)) = self.next.take() else {
            return Err(serde::de::Error::custom("a value without its key"));
        };
        seed.deserialize(Value(value)).map_err(|error| error.below(key.get_ref()))
    }
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, expecting = "a mapping")]
    struct Sample {
        a: Option<String>,
        list: Vec<String>,
        below: Option<Box<Sample>>,
        many: Vec<Sample>,
    }

    fn sample(text: &str) -> Result<Sample, (Option<(usize, usize)>, String)> {
        read(text, PhantomData::<Sample>)
            .map_err(|error| (error.at.map(|at| (at.line, at.column)), error.reason))
    }

    #[test]
    fn scalars_are_read_as_text() {
        for (value, text) in [
            ("2.0", "2.0"),
            ("1_000", "1000"),
            ("0xff", "0xff"),
            ("true", "true"),
            ("2024-03-26", "2024-03-26"),
            ("2024-03-26 08:00:23z", "2024-03-26T08:00:23Z"),
            ("2024-03-26T08:00:23.5-08:00", "2024-03-26T08:00:23.5-08:00"),
            ("'''\nx'''", "x"),
        ] {
            assert_eq!(sample(&format!("a = {value}\n")).unwrap().a.unwrap(), text, "{value}");
        }
        let read = sample("list = [1, 2.0, \"x\"]\n[below]\na = 'b'\n[[many]]\n[[many]]\na = 1\n").unwrap();
        assert_eq!(read.list, ["1", "2.0", "x"]);
        assert_eq!(read.below.unwrap().a.as_deref(), Some("b"));
        assert_eq!(read.many.iter().map(|it| it.a.as_deref()).collect::<Vec<_>>(), [None, Some("1")]);
    }

    #[test]
    fn errors_have_a_path_and_a_position() {
        for (text, at, reason) in [
            ("b = 1\na = [1]\n", (2, 5), "a: invalid type: sequence, expected a string"),
            ("'é' = 1\nlist = ['é', {}]\n", (2, 14), "list[1]: invalid type: map, expected a string"),
            (
                "[[many]]\n[[many]]\n  below.a = {}\n",
                (3, 13),
                "many[1].below.a: invalid type: map, expected a string",
            ),
            ("many = [1]\n", (1, 9), "many[0]: invalid type: integer `0`, expected a mapping"),
            ("a = 1\na = 2\n", (2, 1), "duplicate key"),
            ("a = b\n", (1, 5), "string values must be quoted, expected literal string"),
            ("a: b\n", (1, 4), "key with no value, expected `=`"),
        ] {
            let (found, message) = sample(text).unwrap_err();
            assert_eq!((found, message.as_str()), (Some(at), reason), "{text}");
        }
    }

    #[test]
    fn values_and_keys_are_found() {
        use Step::{Index, Key};
        let text =
            "title = 'One'\nimages = [{url = 'a'},\n  {url = 'b', 'ü' = 2}]\n[x.y]\nz = 1\n[[w]]\nv = 2\n";
        for (path, value, key) in [
            (&[Key("title")][..], (1, 9), Some((1, 1))),
            (&[Key("images"), Index(1), Key("ü")], (3, 21), Some((3, 15))),
            (&[Key("images"), Index(1)], (3, 3), None),
            (&[Key("x"), Key("y"), Key("z")], (5, 5), Some((5, 1))),
            (&[Key("x"), Key("y")], (4, 1), Some((4, 4))),
            (&[Key("w"), Index(0), Key("v")], (7, 5), Some((7, 1))),
        ] {
            let place = |at: Option<Position>| at.map(|at| (at.line, at.column));
            assert_eq!(place(value_at(text, path)), Some(value), "{path:?}");
            assert_eq!(place(key_at(text, path)), key, "{path:?}");
        }
        assert_eq!(value_at(text, &[Key("nothing")]), None);
        assert_eq!(key_at(text, &[]), None);
    }

    #[test]
    fn dotted_keys_do_not_overflow_the_stack() {
        let dotted = |times: usize| vec!["a"; times].join(".");
        let inline = format!("{} = {{", dotted(79)).repeat(79) + "b = 1" + &"}".repeat(79);
        let headed = format!("[{}]\n{} = 1\n", dotted(79), dotted(79));
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let read = small.spawn(move || [inline, headed].map(|text| sample(&text).unwrap_err().1));
        for reason in read.unwrap().join().unwrap() {
            assert_eq!(reason, "keys nest more than 64 deep");
        }
    }
}
