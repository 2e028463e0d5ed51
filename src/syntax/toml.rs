//! Values of a TOML text as serde reads them, and where they stand in it.
//!
//! The parser tells the place of everything. What it makes is read as YAML is: every scalar is text
//! for whoever asks for text, so that `2.0` keeps its spelling and a date need not be quoted.

use std::borrow::Cow;
use std::fmt::{self, Display};

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeArray, DeString, DeTable, DeValue};

use crate::syntax::yaml::{Position, Step};

/// Why a text cannot be read.
#[derive(Debug)]
pub struct Error {
    /// Where, if that is known.
    pub at: Option<Position>,
    /// What is wrong, after the path to it: `a.b: invalid type: …`.
    pub reason: String,
    /// Whether the text is no TOML at all.
    pub is_syntax: bool,
}

/// Reads a text.
///
/// # Errors
///
/// It is no TOML, or a value is not what is asked for.
pub fn read<'de, S: DeserializeSeed<'de>>(text: &str, seed: S) -> Result<S::Value, Error> {
    let document = Document::parse(text)?;
    seed.deserialize(Value(&document.0)).map_err(|error: Refusal| Error {
        at: error.at.map(|index| Position::of(text, index)),
        reason: error.to_string(),
        is_syntax: false,
    })
}

/// Where the value at the end of a path begins.
pub fn value_at(text: &str, path: &[Step<'_>]) -> Option<Position> {
    let document = Document::parse(text).ok()?;
    let found = path.iter().try_fold(&document.0, |value, step| part(value, *step).map(|(_, part)| part))?;
    Some(Position::of(text, found.span().start))
}

/// Where the key at the end of a path stands.
pub fn key_at(text: &str, path: &[Step<'_>]) -> Option<Position> {
    let document = Document::parse(text).ok()?;
    let (last, path) = path.split_last()?;
    let found = path.iter().try_fold(&document.0, |value, step| part(value, *step).map(|(_, part)| part))?;
    let (key, _) = part(found, *last)?;
    Some(Position::of(text, key?.span().start))
}

/// Deepest nesting that is read: keys with dots nest without brackets, and what reads nested values
/// reads one within the other.
const DEEPEST: usize = 64;

type Key<'d> = Spanned<DeString<'d>>;

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
struct Document<'d>(Spanned<DeValue<'d>>);

impl<'d> Document<'d> {
    fn parse(text: &'d str) -> Result<Self, Error> {
        // What was read up to an error comes with it, to be taken apart here.
        let (table, errors) = DeTable::parse_recoverable(text);
        let document = Self(Spanned::new(table.span(), DeValue::Table(table.into_inner())));
        let (at, reason) = match errors.first() {
            Some(error) => (error.span().map(|span| span.start), error.message().to_owned()),
            None => match document.too_deep() {
                Some(at) => (Some(at), format!("keys nest more than {DEEPEST} deep")),
                None => return Ok(document),
            },
        };
        Err(Error { at: at.map(|index| Position::of(text, index)), reason, is_syntax: true })
    }

    /// Where a value stands that nests too deeply.
    fn too_deep(&self) -> Option<usize> {
        let mut values = vec![(&self.0, 0)];
        while let Some((value, depth)) = values.pop() {
            if depth > DEEPEST {
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

impl Drop for Document<'_> {
    /// What is too deep to be read is too deep to be taken apart one within the other.
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

/// What a reader refused, and the way to it.
#[derive(Debug)]
struct Refusal {
    path: String,
    reason: String,
    at: Option<usize>,
}

impl Refusal {
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

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.path, self.reason)
    }
}

impl std::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    fn custom<T: Display>(reason: T) -> Self {
        Self { path: String::new(), reason: reason.to_string(), at: None }
    }
}

/// A value, to be read.
#[derive(Clone, Copy)]
struct Value<'v, 'd>(&'v Spanned<DeValue<'d>>);

impl Value<'_, '_> {
    /// A scalar as it was typed.
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
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let read = match self.0.get_ref() {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Datetime(date) => visitor.visit_str(&date.to_string()),
            DeValue::Boolean(truth) => visitor.visit_bool(*truth),
            // Nobody asks what numbers they are.
            DeValue::Integer(_) => visitor.visit_i64(0),
            DeValue::Float(_) => visitor.visit_f64(0.0),
            DeValue::Array(items) => visitor.visit_seq(Items { items, next: 0 }),
            DeValue::Table(table) => visitor.visit_map(Entries { entries: table.iter(), next: None }),
        };
        read.map_err(|refusal| refusal.at(self.0))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.text() {
            Some(text) => visitor.visit_str(&text).map_err(|refusal: Refusal| refusal.at(self.0)),
            None => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

struct Items<'v, 'd> {
    items: &'v DeArray<'d>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Value(item)).map(Some).map_err(|refusal| refusal.below(&format!("[{index}]")))
    }
}

struct Entries<'v, 'd, I> {
    entries: I,
    next: Option<(&'v Key<'d>, &'v Spanned<DeValue<'d>>)>,
}

impl<'de, 'v, 'd: 'v, I> MapAccess<'de> for Entries<'v, 'd, I>
where
    I: Iterator<Item = (&'v Key<'d>, &'v Spanned<DeValue<'d>>)>,
{
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        self.next = self.entries.next();
        let Some((key, _)) = self.next else { return Ok(None) };
        let name = CowStrDeserializer::new(Cow::Borrowed(&**key.get_ref()));
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Refusal> {
        let Some((key, value)) = self.next.take() else {
            return Err(serde::de::Error::custom("a value without its key"));
        };
        seed.deserialize(Value(value)).map_err(|refusal| refusal.below(key.get_ref()))
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
    fn scalars_are_text() {
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
    fn refusals_have_a_path_and_a_place() {
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
            let (found, told) = sample(text).unwrap_err();
            assert_eq!((found, told.as_str()), (Some(at), reason), "{text}");
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
    fn what_nests_without_brackets_fills_no_stack() {
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
