//! The fields of front matter: their names, their types, and the cost of a mistake in each.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::syntax::yaml::{self, Names, NoDuplicates};

/// The cost of a mistake in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cost {
    /// The field is left out.
    Field,
    /// The record is left out: it cannot be shown without the field, or would have another id.
    Record,
    /// The record is left out, even for a misspelt name: otherwise it might show what its author hides.
    RecordAlsoIfMisspelt,
}

/// A field of front matter.
#[derive(Debug)]
pub(super) struct Field {
    /// The names of the field, the preferred one first.
    pub(super) names: &'static [&'static str],
    pub(super) cost: Cost,
}

/// A value, with the name of the field that was used for it.
#[derive(Debug, Clone)]
pub(super) struct FieldValue<T> {
    pub(super) key: &'static str,
    pub(super) value: T,
}

/// Defines [`FIELDS`], [`FrontMatter`] and what depends on them, so that each name stands in one place here.
/// `config::FIELDS_IN_USE` repeats the names, and a test compares them.
macro_rules! fields {
    ($($field:ident: $type:ty, $cost:ident, [$($name:literal),+];)*) => {
        /// Every field of a seed.
        pub(super) const FIELDS: &[Field] =
            &[$(Field { names: &[$($name),+], cost: Cost::$cost }),*];

        /// Every key with a meaning.
        pub(super) const KEYS: &[&str] = &[$($($name,)+)* SECURED];

        /// Returns the known key that equals `key`. This is a `match`, since it runs for every line of front
        /// matter, and a `match` on strings is faster than a map.
        pub(super) fn known_key(key: &str) -> Option<&'static str> {
            match key {
                $($($name => Some($name),)+)*
                SECURED => Some(SECURED),
                _ => None,
            }
        }

        /// The front matter of a seed, before it is checked.
        #[derive(Debug, Default)]
        pub(super) struct FrontMatter {
            $(pub(super) $field: Option<FieldValue<$type>>,)*
            /// Known keys, in order of appearance.
            pub(super) known: Vec<&'static str>,
            /// Unknown keys, in order of appearance.
            pub(super) unknown: Vec<String>,
            /// The topics in each field of `topic_fields`, by the index of that field.
            pub(super) more_topics: Vec<(usize, Names)>,
            pub(super) page_address: PageAddress,
        }

        impl FrontMatter {
            /// Reads the value of a known key. If a field has values under two names, the preferred name wins.
            pub(super) fn read_value<'de, A: MapAccess<'de>>(
                &mut self,
                key: &'static str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match key {
                    $($($name)|+ => {
                        let names: &[&str] = &[$($name),+];
                        let rank = |key| names.iter().position(|&name| name == key);
                        if let Some(value) = map.next_value()?
                            && self.$field.as_ref().is_none_or(|known| rank(key) < rank(known.key))
                        {
                            self.$field = Some(FieldValue { key, value });
                        }
                    })*
                    _ => {
                        map.next_value::<NoDuplicates>()?;
                    }
                }
                Ok(())
            }
        }
    };
}

/// The field that holds ciphertext for another reader: it is skipped while parsing, and never stored.
pub(super) const SECURED: &str = "secured";

fields! {
    // Field: type, cost of a mistake, names with the preferred one first.
    title: String, Record, ["title", "name"];
    excerpt: String, Field, ["excerpt", "description", "summary", "bio"];
    featured_content: String, Field, ["featuredContent"];
    published_at: String, RecordAlsoIfMisspelt,
        ["publishedDateTime", "publishDate", "publishdate", "pubDate", "pubdate", "date"];
    updated_at: String, Field, ["updatedDateTime", "lastmod", "last_modified_at", "updated", "modified"];
    expires_at: String, RecordAlsoIfMisspelt,
        ["expiryDateTime", "expires", "expiryDate", "expirydate", "unpublishDate", "unpublishdate"];
    // These two cost the record as well if its id depends on them.
    web_url: String, Field, ["webUrl"];
    original_url: String, Field, ["originalUrl"];
    id: String, Record, ["id"];
    topics: Names, Record, ["topics"];
    provider: Provider, Field, ["provider"];
    images: Vec<ImageOrUrl>, Field, ["images"];
    related: Vec<Related>, Field, ["related"];
    language: String, Field, ["language", "lang"];
    kind: String, Field, ["type"];
    category: String, Field, ["category"];
    quality: String, Field, ["quality"];
    heat: String, Field, ["heat"];
    length: String, Field, ["length"];
    actions: Vec<Action>, Field, ["actions"];
    published: String, RecordAlsoIfMisspelt, ["published"];
    draft: String, RecordAlsoIfMisspelt, ["draft"];
    headless: String, RecordAlsoIfMisspelt, ["headless"];
    removed: String, RecordAlsoIfMisspelt, ["removed"];
    deleted: String, RecordAlsoIfMisspelt, ["deleted"];
}

impl Field {
    /// Returns the field with this name.
    pub(super) fn named(key: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.names.contains(&key))
    }
}

/// Returns `true` if a value of the wrong type under this key costs the record.
pub(super) fn costs_record(key: &str) -> bool {
    Field::named(key).is_some_and(|field| field.cost != Cost::Field)
}

/// Returns `true` if an unknown key that resembles `name` costs the record.
///
/// Names of up to four letters are excepted, as too many other words resemble them: `data` is rarely a misspelt
/// `date`.
pub(super) fn misspelling_costs_record(name: &str) -> bool {
    name.len() > 4 && Field::named(name).is_some_and(|field| field.cost == Cost::RecordAlsoIfMisspelt)
}

/// Returns the known key that an unknown one was probably meant to be: one that differs in case alone, or a
/// similar name of a field that is not used yet.
pub(super) fn similar_key(unknown: &str, used: &[&str]) -> Option<&'static str> {
    if let Some(same) = KEYS.iter().find(|key| key.eq_ignore_ascii_case(unknown)) {
        return Some(same);
    }
    let longest = KEYS.iter().map(|key| key.len()).max().unwrap_or_default() + 2;
    let is_free = |field: &&Field| field.names.iter().all(|name| !used.contains(name));
    let free: Vec<&'static str> =
        FIELDS.iter().filter(is_free).flat_map(|field| field.names).copied().collect();
    (unknown.len() <= longest).then(|| yaml::nearest(unknown, &free)).flatten()
}

/// The fields of Hugo, Jekyll and Zola that determine the address of a page. They are read if `permalink` is
/// set.
#[derive(Debug, Default)]
pub(super) struct PageAddress {
    pub(super) slug: Option<String>,
    /// A path from the root of the site.
    pub(super) path: Option<FieldValue<String>>,
}

/// The keys of [`PageAddress`]: the slug, and the paths of Hugo, Jekyll and Zola.
pub(super) const PAGE_ADDRESS_KEYS: &[&str] = &["slug", "url", "permalink", "path"];

/// The original publisher.
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

/// An image, or its address alone.
#[derive(Debug)]
pub(super) struct ImageOrUrl(pub(super) Image);

impl<'de> Deserialize<'de> for ImageOrUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ImageOrUrlVisitor)
    }
}

struct ImageOrUrlVisitor;

impl<'de> Visitor<'de> for ImageOrUrlVisitor {
    type Value = ImageOrUrl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with a `url`")
    }

    fn visit_str<E: serde::de::Error>(self, url: &str) -> Result<ImageOrUrl, E> {
        Ok(ImageOrUrl(Image { url: Some(url.to_owned()), ..Image::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ImageOrUrl, A::Error> {
        Image::deserialize(MapAccessDeserializer::new(map)).map(ImageOrUrl)
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
