//! The front matter of a seed: its fields as they were typed.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use memchr::memchr2_iter;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::split::{Matter, Notation};
use crate::config::{SeedSettings, TopicField};
use crate::syntax::toml;
use crate::syntax::yaml::{self, Names, Position, Unrepeated};

/// Largest front matter that is parsed, in bytes. YAML can be made to cost time that grows with
/// the square of its length and memory that grows with its aliases; below this size neither can
/// be felt.
pub(super) const LARGEST: usize = 16 * 1024;

/// Deepest nesting of brackets that is parsed: the parser's time grows with the product of depth
/// and length.
pub(super) const DEEPEST: usize = 64;

/// Whether brackets open so often without closing, quoted or not, that parsing would take long.
pub(super) fn is_too_deep(yaml: &str) -> bool {
    // Nearly no front matter opens so many in all, and to see that takes no look at each byte.
    if memchr2_iter(b'[', b'{', yaml.as_bytes()).count() <= DEEPEST {
        return false;
    }
    let mut depth: usize = 0;
    yaml.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEEPEST
    })
}

/// A value and the key it stood under: a field may have several names.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) key: &'static str,
    pub(super) value: T,
}

/// The cost of a mistake in the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// The field is left out.
    Field,
    /// The record is left out: without the field it cannot be shown, or would be another entry.
    Record,
    /// The record is left out, for a misspelt name of the field too: it might show what its writer
    /// means to hide.
    Hidden,
}

/// A field of front matter, as the table below describes it.
#[derive(Debug)]
pub(super) struct Field {
    /// Names, the preferred one first.
    pub(super) names: &'static [&'static str],
    pub(super) cost: Cost,
}

/// Makes everything that depends on the fields from one table, so that a name stands in one place.
macro_rules! fields {
    ($($field:ident: $type:ty, $cost:ident, [$($name:literal),+];)*) => {
        /// The fields of a seed as they were typed, each under the first of its names that is used.
        #[derive(Debug, Default)]
        pub(super) struct FrontMatter {
            $(pub(super) $field: Option<Given<$type>>,)*
            /// Known keys, in order of appearance.
            pub(super) known: Vec<&'static str>,
            /// Unknown keys, in order of appearance.
            pub(super) unknown: Vec<String>,
            /// Topics of fields that the configuration names, each by its place there.
            pub(super) more_topics: Vec<(usize, Names)>,
            /// Where the record is said to be, apart from its link.
            pub(super) whereabouts: Whereabouts,
        }

        /// The fields of a seed.
        pub(super) const FIELDS: &[Field] =
            &[$(Field { names: &[$($name),+], cost: Cost::$cost }),*];

        /// Every known key.
        pub(super) const KEYS: &[&str] = &[$($($name,)+)* SECURED];

        /// Returns the known key that equals `key`.
        fn known_key(key: &str) -> Option<&'static str> {
            match key {
                $($($name => Some($name),)+)*
                SECURED => Some(SECURED),
                _ => None,
            }
        }

        impl FrontMatter {
            /// Reads the value of a known key. Of two names of one field the preferred one wins.
            fn take<'de, A: MapAccess<'de>>(&mut self, key: &'static str, map: &mut A) -> Result<(), A::Error> {
                match key {
                    $($($name)|+ => {
                        let names: &[&str] = &[$($name),+];
                        let rank = |key| names.iter().position(|&name| name == key);
                        if let Some(value) = map.next_value()?
                            && self.$field.as_ref().is_none_or(|given| rank(key) < rank(given.key))
                        {
                            self.$field = Some(Given { key, value });
                        }
                    })*
                    _ => {
                        map.next_value::<Unrepeated>()?;
                    }
                }
                Ok(())
            }
        }
    };
}

/// Ciphertext for somebody else: skipped while parsing, never stored.
pub(super) const SECURED: &str = "secured";

fields! {
    // Field: type, cost of a mistake, names with the preferred one first.
    title: String, Record, ["title", "name"];
    excerpt: String, Field, ["excerpt", "description", "summary", "bio"];
    featured_content: String, Field, ["featuredContent"];
    published_at: String, Hidden, ["publishedDateTime", "publishDate", "publishdate", "pubDate", "pubdate", "date"];
    updated_at: String, Field, ["updatedDateTime", "lastmod", "last_modified_at", "updated", "modified"];
    expires_at: String, Hidden, ["expiryDateTime", "expires", "expiryDate", "expirydate", "unpublishDate", "unpublishdate"];
    // An address costs the record only if the id depends on it.
    web_url: String, Field, ["webUrl"];
    original_url: String, Field, ["originalUrl"];
    id: String, Record, ["id"];
    topics: Names, Record, ["topics"];
    provider: Provider, Field, ["provider"];
    images: Vec<Picture>, Field, ["images"];
    related: Vec<Related>, Field, ["related"];
    language: String, Field, ["language", "lang"];
    kind: String, Field, ["type"];
    category: String, Field, ["category"];
    quality: String, Field, ["quality"];
    heat: String, Field, ["heat"];
    length: String, Field, ["length"];
    actions: Vec<Action>, Field, ["actions"];
    published: String, Hidden, ["published"];
    draft: String, Hidden, ["draft"];
    headless: String, Hidden, ["headless"];
    removed: String, Hidden, ["removed"];
    deleted: String, Hidden, ["deleted"];
}

impl Field {
    /// Returns the field with this name.
    pub(super) fn named(key: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.names.contains(&key))
    }
}

/// Returns `true` if a value that is not of the type of its field costs the record.
pub(super) fn costs_record(key: &str) -> bool {
    Field::named(key).is_some_and(|field| field.cost != Cost::Field)
}

/// Returns `true` if a key that was probably meant to be `name` costs the record.
///
/// A name of four letters is one letter away from too many other words: `data` is seldom a misspelt `date`.
pub(super) fn misspelling_costs_record(name: &str) -> bool {
    name.len() > 4 && Field::named(name).is_some_and(|field| field.cost == Cost::Hidden)
}

/// What other publishers make a page's address of. It is read where there is a `permalink`.
#[derive(Debug, Default)]
pub(super) struct Whereabouts {
    pub(super) slug: Option<String>,
    /// A path from the root of the site.
    pub(super) path: Option<Given<String>>,
}

/// Who says where a page is: anything that begins file names, Hugo, Jekyll, Zola.
const WHEREABOUTS: &[&str] = &["slug", "url", "permalink", "path"];

/// Who published something elsewhere.
#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a mapping")]
pub(super) struct Provider {
    pub(super) name: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) images: Vec<Image>,
    pub(super) authors: Vec<Author>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a mapping with a `name`")]
pub(super) struct Author {
    pub(super) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a mapping with a `url`")]
pub(super) struct Image {
    pub(super) url: Option<String>,
    pub(super) width: Option<String>,
    pub(super) height: Option<String>,
    pub(super) title: Option<String>,
}

/// A picture, or no more than its address.
#[derive(Debug)]
pub(super) struct Picture(pub(super) Image);

impl<'de> Deserialize<'de> for Picture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PictureVisitor)
    }
}

struct PictureVisitor;

impl<'de> Visitor<'de> for PictureVisitor {
    type Value = Picture;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with a `url`")
    }

    fn visit_str<E: serde::de::Error>(self, url: &str) -> Result<Picture, E> {
        Ok(Picture(Image { url: Some(url.to_owned()), ..Image::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Picture, A::Error> {
        Image::deserialize(MapAccessDeserializer::new(map)).map(Picture)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", expecting = "a mapping with a `title` and a `webUrl`")]
pub(super) struct Related {
    pub(super) title: Option<String>,
    pub(super) published_date_time: Option<String>,
    pub(super) web_url: Option<String>,
    pub(super) original_url: Option<String>,
    pub(super) provider: Option<Provider>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, expecting = "a mapping with a `url`")]
pub(super) struct Action {
    pub(super) url: Option<String>,
    pub(super) title: Option<String>,
}

/// What the parser refused.
#[derive(Debug)]
pub(super) struct Refusal<'k> {
    /// The field it was in; none if the front matter as a whole cannot be read.
    pub(super) field: Option<&'k str>,
    /// Where, counted from the start of the front matter.
    pub(super) at: Option<Position>,
    /// What is wrong.
    pub(super) reason: String,
    /// What to do about it.
    pub(super) help: Option<&'static str>,
}

/// Reads front matter, passing over the fields to skip.
///
/// The parser cannot go on after a value of another type than the field's, so the caller notes
/// the refusal and reads again without that field.
pub(super) fn parse<'k>(
    matter: Matter<'_>,
    settings: &'k SeedSettings,
    skip: &dyn Fn(&str) -> bool,
) -> Result<FrontMatter, Refusal<'k>> {
    if yaml::is_empty(matter.text) {
        return Ok(FrontMatter::default());
    }
    let reading = Cell::new(None);
    let fields = Fields { settings, skip, reading: &reading };
    match matter.notation {
        Notation::Yaml => fields
            .deserialize(serde_yaml::Deserializer::from_str(matter.text))
            .map_err(|error| refusal(matter.text, &error, reading.get())),
        Notation::Toml => toml::read(matter.text, fields).map_err(|error| toml_refusal(error, reading.get())),
    }
}

fn refusal<'k>(yaml: &str, error: &serde_yaml::Error, field: Option<&'k str>) -> Refusal<'k> {
    let reason = yaml::reason(error);
    let at = yaml::position(yaml, error);
    if reason.contains("duplicate field") || reason.contains(yaml::REPEATED) {
        let at = yaml::duplicate_key(yaml).or(at);
        return Refusal { field: None, at, reason: yaml::REPEATED.to_owned(), help: None };
    }
    if let Some(reason) = yaml::type_mismatch(&reason, "front matter") {
        return Refusal { field, at, reason, help: None };
    }
    // What was typed there may be anything, so it is not told.
    let reason =
        if reason.contains("invalid value: ") { "a value is not what its tag says" } else { &reason };
    let help = [
        ("mapping values are not allowed", "put a value with a colon in it in quotes"),
        ("cannot start any token", "put the value in quotes, and indent with spaces, not tabs"),
        ("violates indentation", "indent with spaces, not tabs"),
        ("did not find expected key", "see whether the lines are indented alike, and every quote is closed"),
    ];
    let help = help.iter().find(|(slip, _)| reason.contains(slip)).map(|(_, help)| *help);
    Refusal { field: None, at, reason: format!("this is not valid YAML: {reason}"), help }
}

fn toml_refusal(error: toml::Error, field: Option<&str>) -> Refusal<'_> {
    let toml::Error { at, reason, is_syntax } = error;
    if reason == "duplicate key" {
        return Refusal { field: None, at, reason: yaml::REPEATED.to_owned(), help: None };
    }
    let mismatch = yaml::type_mismatch(&reason, "front matter").filter(|_| !is_syntax);
    match mismatch {
        Some(reason) => Refusal { field, at, reason, help: None },
        None => {
            let help = [
                ("must be quoted", "put text in quotes"),
                ("key with no value", "write `key = value`, or YAML between lines of three hyphens"),
            ];
            let help = help.iter().find(|(slip, _)| reason.contains(slip)).map(|(_, help)| *help);
            Refusal { field: None, at, reason: format!("this is not valid TOML: {reason}"), help }
        }
    }
}

struct Fields<'a, 'k> {
    settings: &'k SeedSettings,
    skip: &'a dyn Fn(&str) -> bool,
    reading: &'a Cell<Option<&'k str>>,
}

impl<'de> DeserializeSeed<'de> for Fields<'_, '_> {
    type Value = FrontMatter;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FrontMatter, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_, '_> {
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
                    once(&mut fields.known, known)?;
                    let begins = self.begins(known);
                    if begins {
                        fields.take(known, &mut map)?;
                    }
                    begins
                }
                Key::Other(key) => match configured_key(&key, self.settings) {
                    Some(known) => {
                        once(&mut configured, known)?;
                        let begins = self.begins(known);
                        if begins {
                            fields.take_configured(known, self.settings, &mut map)?;
                        }
                        begins
                    }
                    None => {
                        once(&mut fields.unknown, key)?;
                        false
                    }
                },
            };
            if !is_read {
                map.next_value::<Unrepeated>()?;
            }
            self.reading.set(None);
        }
        Ok(fields)
    }
}

impl<'k> Fields<'_, 'k> {
    /// Whether the value of a key is read, and not passed over. If so, it is the one that is being read.
    fn begins(&self, key: &'k str) -> bool {
        let begins = !(self.skip)(key);
        if begins {
            self.reading.set(Some(key));
        }
        begins
    }
}

/// Notes a key, which may stand there once.
fn once<K: PartialEq, E: serde::de::Error>(keys: &mut Vec<K>, key: K) -> Result<(), E> {
    if keys.contains(&key) {
        return Err(E::custom(yaml::REPEATED));
    }
    keys.push(key);
    Ok(())
}

/// A key of front matter. Only one that means nothing is worth keeping as it was typed.
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

/// A key that means something by configuration.
fn configured_key<'k>(key: &str, settings: &'k SeedSettings) -> Option<&'k str> {
    let of_topics = settings.topic_fields.iter().map(|field| &*field.key).find(|&known| known == key);
    let of_places = || WHEREABOUTS.iter().copied().find(|&known| known == key);
    of_topics.or_else(|| settings.permalink.as_ref().and_then(|_| of_places()))
}

impl FrontMatter {
    fn take_configured<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        settings: &SeedSettings,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let mut below: Vec<_> =
            settings.topic_fields.iter().enumerate().filter(|(_, field)| field.key == key).collect();
        match below.pop() {
            Some((place, field)) if field.within.is_none() => {
                let names = map.next_value_seed(TopicNames { words: settings.topic_words })?;
                self.more_topics.extend(names.map(|names| (place, names)));
            }
            Some(last) => {
                below.push(last);
                let within =
                    Within { fields: &below, words: settings.topic_words, found: &mut self.more_topics };
                map.next_value_seed(within)?;
            }
            None => {
                let text: Option<String> = map.next_value()?;
                let text = text.filter(|text| !text.trim().is_empty());
                let whereabouts = &mut self.whereabouts;
                match WHEREABOUTS.iter().find(|&&known| known == key) {
                    Some(&"slug") => whereabouts.slug = text.or(whereabouts.slug.take()),
                    Some(key) => {
                        let given = text.map(|value| Given { key, value });
                        whereabouts.path = given.or(whereabouts.path.take());
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }
}

/// The topics that a field names, if it names any: a list of names, or one name, or words.
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

/// Topics in fields of a mapping.
struct Within<'a, 'k> {
    fields: &'a [(usize, &'k TopicField)],
    words: bool,
    found: &'a mut Vec<(usize, Names)>,
}

impl<'de> DeserializeSeed<'de> for Within<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_, '_> {
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
                Some((place, _)) => {
                    let names = map.next_value_seed(TopicNames { words: self.words })?;
                    self.found.extend(names.map(|names| (*place, names)));
                }
                None => {
                    map.next_value::<Unrepeated>()?;
                }
            }
            if !keys.insert(key) {
                return Err(A::Error::custom(yaml::REPEATED));
            }
        }
        Ok(())
    }
}

/// The known key that an unknown one was most likely meant to be: the same in other letters, or one of a
/// field that is not given.
pub(super) fn meant(unknown: &str, given: &[&str]) -> Option<&'static str> {
    if let Some(same) = KEYS.iter().find(|key| key.eq_ignore_ascii_case(unknown)) {
        return Some(same);
    }
    let longest = KEYS.iter().map(|key| key.len()).max().unwrap_or_default() + 2;
    let is_free = |field: &&Field| field.names.iter().all(|name| !given.contains(name));
    let free: Vec<&'static str> =
        FIELDS.iter().filter(is_free).flat_map(|field| field.names).copied().collect();
    (unknown.len() <= longest).then(|| yaml::nearest(unknown, &free)).flatten()
}

/// A file's text in which no value of `secured` can be read, line for line as long as before, for
/// showing pieces of it to people.
///
/// It hides too much rather than too little: from the word on, whatever stands round it, up to the
/// next line that begins with a known key. Where a key may be spelled so that the word cannot be
/// seen, all is hidden.
pub(super) fn without_secured(text: &str) -> String {
    let notation = text.lines().next().and_then(Notation::opened_by).unwrap_or(Notation::Yaml);
    let mut hiding = text.lines().any(|line| may_hide_a_key(line, notation));
    let everything = hiding;
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        hiding = everything || (hiding && !notation.is_fence(line) && !begins_with_known_key(line));
        let secured = line.to_ascii_lowercase().find(SECURED);
        match secured.filter(|_| !hiding) {
            Some(start) => {
                shown.push_str(&line[..start + SECURED.len()]);
                shown.push_str(": …\n");
                hiding = true;
            }
            None if hiding => shown.push_str("…\n"),
            None => shown.push_str(line),
        }
    }
    shown
}

/// Whether a key of a line may be spelled with escapes, or stand after a question mark.
fn may_hide_a_key(line: &str, notation: Notation) -> bool {
    let follows_a_key: &[char] = match notation {
        Notation::Yaml => &[':'],
        Notation::Toml => &['=', '.', ']'],
    };
    let quoted: Vec<_> = line.split('"').collect();
    let escaped = quoted
        .windows(2)
        .any(|pair| pair[0].contains('\\') && pair[1].trim_start().starts_with(follows_a_key));
    escaped || line.trim_start_matches([' ', '-', '[', '{', ',']).starts_with("? ")
}

fn begins_with_known_key(line: &str) -> bool {
    let key = line.split(':').next().filter(|key| key.len() < line.len()).unwrap_or_default();
    KEYS.iter().any(|&known| known == key.trim_end().trim_matches(['"', '\'']) && known != SECURED)
}

/// Whether a name is given to a value and used in place of another. Nobody needs that in front
/// matter; it is how a few lines become megabytes, and how what is skipped gets into another field.
pub(super) fn has_aliases(yaml: &str) -> bool {
    let named = |sign: char| -> HashSet<&str> {
        let starts = yaml.match_indices(sign).filter(|(at, _)| {
            yaml[..*at]
                .chars()
                .next_back()
                .is_none_or(|before| before.is_whitespace() || "[{,:-?".contains(before))
        });
        let ends = |c: char| c.is_whitespace() || "[]{},".contains(c);
        let names = starts.map(|(at, _)| yaml[at + 1..].split(ends).next().unwrap_or_default());
        names.filter(|name| !name.is_empty()).collect()
    };
    let anchors = named('&');
    !anchors.is_empty() && named('*').iter().any(|alias| anchors.contains(alias.trim_end_matches(':')))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    #[test]
    fn brackets_are_too_deep_where_more_are_open() {
        for (yaml, expected) in [
            ("[".repeat(DEEPEST), false),
            ("[{".repeat(DEEPEST / 2) + "{", true),
            ("[]".repeat(DEEPEST * 2), false),
            ("[]".repeat(DEEPEST) + &"{".repeat(DEEPEST + 1), true),
            (format!("a: {}", "[".repeat(DEEPEST) + "]["), false),
        ] {
            assert_eq!(is_too_deep(&yaml), expected, "{yaml}");
        }
    }

    fn parse<'k>(yaml: &str, skip: &[&str]) -> Result<FrontMatter, Refusal<'k>> {
        static DEFAULTS: LazyLock<SeedSettings> = LazyLock::new(SeedSettings::default);
        super::parse(Matter::yaml(yaml), &DEFAULTS, &|key| skip.contains(&key))
    }

    #[test]
    fn the_preferred_name_of_a_field_wins_wherever_it_stands() {
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
    fn refusals_name_the_field_and_the_place() {
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
            ("a: 1\nb: 2\na: 3\n", None, (3, 1), yaml::REPEATED),
            ("images:\n  - url: a\n    url: b\n", None, (3, 5), yaml::REPEATED),
            ("x:\n  y: 1\n  y: 2\n", None, (3, 3), yaml::REPEATED),
            ("provider: me\n", Some("provider"), (1, 11), "`provider` should be a mapping, but is text"),
            (
                "topics: {a: b}\n",
                Some("topics"),
                (1, 9),
                "`topics` should be a list of names, or one name, but is a mapping",
            ),
        ] {
            let refusal = parse(yaml, &[]).unwrap_err();
            assert_eq!(refusal.reason, reason, "{yaml}");
            assert_eq!(refusal.field, field, "{yaml}");
            let at = refusal.at.map(|at| (at.line, at.column));
            assert_eq!(at, Some(place), "{yaml}");
        }
        assert!(parse("title: [a]\n", &["title"]).unwrap().title.is_none());
    }

    #[test]
    fn secured_values_cannot_be_read_in_what_is_shown() {
        for text in [
            "a: 1\nsecured: \"TOP TOP\"\nheat: 2\n",
            "secured: >\n  TOP\n  TOP\nheat: 2\n",
            "secured: \"TOP\nTOP\n  TOP\"\nheat: 2\n",
            "\"Secured\" : TOP\n  TOP\nheat: 2\n",
            "{a: 1, secured: TOP, b: 2}\n",
            "a:\n  secured: TOP\nheat: 2\n",
            "? secured\n: TOP\nheat: 2\n",
            "\"sec\\u0075red\": TOP?\nheat: 2\n",
            "secured: \"AAA\nabc:TOP\nheat: 2\n",
            "secured:\n- a: \"TOP\n- b: TOP\nheat: 2\n",
            "provider: {name: [x], secured:\nTOP: x}\nheat: 2\n",
            "a: \"unclosed\nsecured: \"TOP;TOP==\"\n---\nheat: 2\n",
            "a: 1\nsecured: |\n+++\nTOP\n---\nheat: 2\n",
            "+++\na = 1\nsecured = \"TOP\"\nb = \"TOP\"\n+++\nheat: 2\n",
            "+++\n[a.secured]\nb = \"\"\"\nTOP\n---\nTOP\"\"\"\n+++\nheat: 2\n",
            "+++\na = {\"sec\\u0075red\" = \"TOP?\"}\nheat: 2\n",
            "+++\n[\"sec\\u0075red\"]\nx = \"TOP?\"\nheat: 2\n",
            "+++\n\"sec\\u0075red\" . x = \"TOP?\"\nheat: 2\n",
        ] {
            let shown = without_secured(text);
            assert!(!shown.contains("TOP"), "{shown}");
            assert_eq!(shown.lines().count(), text.lines().count(), "{shown}");
            assert!(shown.contains("heat: 2") || text.starts_with('{') || text.contains('?'), "{shown}");
        }
    }

    #[test]
    fn aliases_are_told_from_words() {
        for yaml in
            ["a: &x b\nc: *x\n", "[&a b, *a]", "secured: &x S\nexcerpt: *x\n", "a: &b\n  c: d\n? *b : 1\n"]
        {
            assert!(has_aliases(yaml), "{yaml}");
        }
        for yaml in ["a: R&D *x*\n", "a: this &x and *y\n", "a: &x b\n", "a: *x\n", "a: 2*x &\n", ""] {
            assert!(!has_aliases(yaml), "{yaml}");
        }
    }
}
