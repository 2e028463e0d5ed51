//! The meaning of fields in seeds, where it can be chosen: for seeds that were written for another program.

use std::fmt;

use url::Url;

use crate::config::args::Settings;
use crate::config::error::ConfigError;
use crate::config::file::{ConfigFile, FileKeys};
use crate::config::setting::{Setting, comma_separated};
use crate::config::value::{Kind, OFF};
use crate::text;
use crate::text::plain;

const TOPIC_FIELDS: Kind<Vec<TopicField>> = Kind {
    expected: "names of fields that have no other meaning, such as `tags` or `taxonomies.tags`, or `off`",
    parse: topic_fields,
};

const DEFAULT_TOPIC: Kind<String> = Kind {
    expected: "the name of a topic, with a letter or a digit",
    parse: |text| {
        let name = plain(text);
        text::topic_slug(&name).is_ok().then_some(name)
    },
};

const PERMALINK: &str = "an http or https address with `{stem}` or `{name}` in its path, and optionally `{year}`, \
                         `{month}`, `{day}`, `{folder}`, or one of `topic_fields`, such as \
                         `https://example.org/posts/{name}/`";

/// Fields of seeds with a meaning of their own, which cannot be topics.
pub const FIELDS_IN_USE: &[&str] = &[
    "title",
    "name",
    "excerpt",
    "description",
    "summary",
    "bio",
    "featuredContent",
    "publishedDateTime",
    "publishDate",
    "publishdate",
    "pubDate",
    "pubdate",
    "date",
    "updatedDateTime",
    "lastmod",
    "last_modified_at",
    "updated",
    "modified",
    "expiryDateTime",
    "expires",
    "expiryDate",
    "expirydate",
    "unpublishDate",
    "unpublishdate",
    "webUrl",
    "originalUrl",
    "id",
    "provider",
    "images",
    "related",
    "language",
    "lang",
    "quality",
    "heat",
    "length",
    "actions",
    "published",
    "draft",
    "headless",
    "removed",
    "deleted",
    "secured",
];

/// The meaning of fields in seeds, where it can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedSettings {
    /// The fields that topics are taken from, besides `topics`.
    pub topic_fields: Vec<TopicField>,
    /// Set if text in these fields is split into words, each of them a topic.
    pub topic_words: bool,
    /// The topic of seeds that name none.
    pub default_topic: Option<String>,
    /// The pattern for links of records that have none.
    pub permalink: Option<Permalink>,
}

/// A field that topics are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicField {
    /// The key of the field.
    pub key: String,
    /// The key within the field, if it is a mapping.
    pub within: Option<String>,
}

impl fmt::Display for TopicField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        self.within.iter().try_for_each(|within| write!(f, ".{within}"))
    }
}

impl SeedSettings {
    pub(super) fn resolve(
        flags: &mut Settings,
        keys: &mut FileKeys,
        file: &ConfigFile,
    ) -> Result<Self, ConfigError> {
        let setting = |flag, value, key| Setting::new(file, flag, value, key);
        let listed = keys.topic_fields.take().map(comma_separated);
        let topic_fields = setting("topic-fields", flags.topic_fields.take(), listed)
            .read(&TOPIC_FIELDS)?
            .unwrap_or_default();
        Ok(Self {
            topic_words: setting("topic-words", flags.topic_words.take(), keys.topic_words.take())
                .switch(false)?,
            default_topic: setting("default-topic", flags.default_topic.take(), keys.default_topic.take())
                .read(&DEFAULT_TOPIC)?,
            permalink: setting("permalink", flags.permalink.take(), keys.permalink.take())
                .read_with(PERMALINK, |text| Permalink::parse(text, &topic_fields))?,
            topic_fields,
        })
    }

    /// Returns `true` if topics are taken from the field with this key, or from a field within it.
    pub fn is_of_topics(&self, key: &str) -> bool {
        self.topic_fields.iter().any(|field| field.key == key)
    }
}

/// Parses a list of fields. `off` and `topics` add nothing to it.
fn topic_fields(text: &str) -> Option<Vec<TopicField>> {
    let mut fields: Vec<TopicField> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| *name != OFF && *name != "topics") {
        let (key, within) = name.split_once('.').map_or((name, None), |(key, within)| (key, Some(within)));
        let is_key = |key: &str| {
            !key.is_empty() && !key.contains(['.', '{', '}']) && !key.to_lowercase().contains("secured")
        };
        let field = TopicField { key: key.to_owned(), within: within.map(str::to_owned) };
        // A field is either a list of topics or a mapping.
        let is_contradiction =
            |other: &TopicField| other.key == key && other.within.is_some() != within.is_some();
        let is_valid = is_key(key) && within.is_none_or(is_key) && !fields.iter().any(is_contradiction);
        if !is_valid
            || FIELDS_IN_USE.contains(&key)
            || matches!((key, within), ("category" | "type", Some(_)))
        {
            return None;
        }
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Some(fields)
}

/// A pattern for addresses, with placeholders for the date, the file name and the topics of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permalink {
    site: Url,
    pieces: Vec<Piece>,
}

/// A part of a permalink's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Literal text.
    Text(String),
    /// The year of publication.
    Year,
    /// The month of publication, with two digits.
    Month,
    /// The day of publication, with two digits.
    Day,
    /// The file name of the seed without its ending.
    Stem,
    /// The file name without its ending and without a leading date.
    Name,
    /// The folders that contain the seed.
    Folder,
    /// The names in a topic field, by its index.
    Topics(usize),
}

impl Permalink {
    fn parse(text: &str, fields: &[TopicField]) -> Option<Self> {
        let host = text.find("://")? + "://".len();
        let path = text[host..].find('/').map(|slash| host + slash)?;
        let site = Url::parse(&text[..=path]).ok()?;
        if !matches!(site.scheme(), "http" | "https") || text[..path].contains(['{', '}', '?', '#', '@']) {
            return None;
        }
        let mut pieces = Vec::new();
        let mut rest = &text[path..];
        while let Some((before, placeholder)) = rest.split_once('{') {
            let (name, after) = placeholder.split_once('}')?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name {
                "year" => Piece::Year,
                "month" => Piece::Month,
                "day" => Piece::Day,
                "stem" => Piece::Stem,
                "name" => Piece::Name,
                "folder" => Piece::Folder,
                _ => Piece::Topics(fields.iter().position(|field| field.to_string() == name)?),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        // The file name alone makes the addresses of two records differ.
        let is_unique = pieces.iter().any(|piece| matches!(piece, Piece::Stem | Piece::Name));
        (is_unique && !rest.contains('}')).then_some(Self { site, pieces })
    }

    /// Returns the site that the paths are relative to: an address without a path.
    pub fn site(&self) -> &Url {
        &self.site
    }

    /// Returns the parts of the path.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_fields_have_no_other_meaning() {
        let parsed = |text| {
            topic_fields(text).map(|fields| fields.iter().map(TopicField::to_string).collect::<Vec<_>>())
        };
        assert_eq!(parsed("topics, tags,taxonomies.tags,tags").unwrap(), ["tags", "taxonomies.tags"]);
        assert_eq!(parsed("category,type").unwrap(), ["category", "type"]);
        assert_eq!(parsed("off").unwrap(), [""; 0]);
        for wrong in ["", "tags,", "draft", "secured", "a.Secured", "a.b.c", "a.", ".a", "a,a.b", "type.x"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn permalinks_are_absolute_and_contain_the_file_name() {
        let fields = topic_fields("categories,taxonomies.tags").unwrap();
        for text in [
            "https://example.org/{name}",
            "http://localhost:4000/{categories}/{year}/{month}/{day}/{name}.html",
            "https://example.org/x/{taxonomies.tags}/{folder}/{stem}/?a#b",
        ] {
            assert!(Permalink::parse(text, &fields).is_some(), "{text}");
        }
        for text in [
            "/posts/{name}/",
            "https://example.org",
            "https://example.org/",
            "https://example.org/{year}/",
            "https://{name}.example.org/{name}",
            "https://example.org/{name",
            "https://example.org/{name}}",
            "https://example.org/{tags}/{name}",
            "ftp://example.org/{name}",
        ] {
            assert_eq!(Permalink::parse(text, &fields), None, "{text}");
        }
    }
}
