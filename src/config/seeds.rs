//! Which fields of seeds say what, where that can be chosen: for seeds that were written for others.

use std::fmt;

use url::Url;

use super::{ConfigError, File, OFF, Setting, joined};
use crate::config::args::Settings;
use crate::text;
use crate::text::plain;

const TOPIC_FIELDS: &str =
    "names of fields that say nothing else, such as `tags` or `taxonomies.tags`, or `off`";
const PERMALINK: &str = "an http or https address with `{stem}` or `{name}` in its path, and perhaps `{year}`, \
                         `{month}`, `{day}`, `{folder}`, or one of `topic_fields`, such as \
                         `https://example.org/posts/{name}/`";

/// Fields of seeds that mean something else than topics.
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

/// What fields of seeds say, where that can be chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeedSettings {
    /// Fields that topics are taken from, besides `topics`.
    pub topic_fields: Vec<TopicField>,
    /// Whether text in these is words, each a topic.
    pub topic_words: bool,
    /// The topic of seeds that name none.
    pub default_topic: Option<String>,
    /// Where the records are that do not say so.
    pub permalink: Option<Permalink>,
}

/// A field that topics are taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicField {
    /// Its key.
    pub key: String,
    /// The key within, if the field is a mapping.
    pub within: Option<String>,
}

impl fmt::Display for TopicField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        self.within.iter().try_for_each(|within| write!(f, ".{within}"))
    }
}

impl SeedSettings {
    pub(super) fn resolve<'a>(
        setting: impl Fn(&'static str, Option<String>, Option<String>) -> Setting<'a>,
        typed: &mut Settings,
        file: &mut File,
    ) -> Result<Self, ConfigError> {
        let topic_fields = file.topic_fields.take().map(joined);
        let topic_fields = setting("topic-fields", typed.topic_fields.take(), topic_fields);
        let topic_words = setting("topic-words", typed.topic_words.take(), file.topic_words.take());
        let default_topic = setting("default-topic", typed.default_topic.take(), file.default_topic.take());
        let permalink = setting("permalink", typed.permalink.take(), file.permalink.take());
        let topic_fields = topic_fields.read(TOPIC_FIELDS, fields_of_topics)?.unwrap_or_default();
        Ok(Self {
            topic_words: topic_words.switch(false)?,
            default_topic: default_topic.read("the name of a topic, with a letter or a digit", |text| {
                let name = plain(text);
                text::topic_slug(&name).is_ok().then_some(name)
            })?,
            permalink: permalink.read(PERMALINK, |text| Permalink::parse(text, &topic_fields))?,
            topic_fields,
        })
    }

    /// Whether topics are taken from a field with this key, or from one within it.
    pub fn is_of_topics(&self, key: &str) -> bool {
        self.topic_fields.iter().any(|field| field.key == key)
    }
}

fn fields_of_topics(text: &str) -> Option<Vec<TopicField>> {
    let mut fields: Vec<TopicField> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| *name != OFF && *name != "topics") {
        let (key, within) = name.split_once('.').map_or((name, None), |(key, within)| (key, Some(within)));
        let is_key = |key: &str| {
            !key.is_empty() && !key.contains(['.', '{', '}']) && !key.to_lowercase().contains("secured")
        };
        let field = TopicField { key: key.to_owned(), within: within.map(str::to_owned) };
        // A field is a list of topics, or a mapping that has some.
        let is_other = |other: &TopicField| other.key == key && other.within.is_some() != within.is_some();
        let fits = is_key(key) && within.is_none_or(is_key) && !fields.iter().any(is_other);
        if !fits || FIELDS_IN_USE.contains(&key) || matches!((key, within), ("category" | "type", Some(_))) {
            return None;
        }
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Some(fields)
}

/// An address with gaps for what is known of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permalink {
    site: Url,
    pieces: Vec<Piece>,
}

/// A part of a permalink's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// What it is for all.
    Text(String),
    /// The year of publication.
    Year,
    /// The month, with two digits.
    Month,
    /// The day, with two digits.
    Day,
    /// What the seed is called.
    Stem,
    /// The same without the date that begins it.
    Name,
    /// The folders that it lies in.
    Folder,
    /// The names in a field of topics.
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
        while let Some((before, gap)) = rest.split_once('{') {
            let (name, after) = gap.split_once('}')?;
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
        // Without its name one record's address would be another's.
        let tells_apart = pieces.iter().any(|piece| matches!(piece, Piece::Stem | Piece::Name));
        (tells_apart && !rest.contains('}')).then_some(Self { site, pieces })
    }

    /// Where the paths begin: an address of a host alone.
    pub fn site(&self) -> &Url {
        &self.site
    }

    /// What the path is made of.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_topics_are_taken_from() {
        let told = |text| {
            fields_of_topics(text).map(|fields| fields.iter().map(TopicField::to_string).collect::<Vec<_>>())
        };
        assert_eq!(told("topics, tags,taxonomies.tags,tags").unwrap(), ["tags", "taxonomies.tags"]);
        assert_eq!(told("category,type").unwrap(), ["category", "type"]);
        assert_eq!(told("off").unwrap(), [""; 0]);
        for wrong in ["", "tags,", "draft", "secured", "a.Secured", "a.b.c", "a.", ".a", "a,a.b", "type.x"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn permalinks() {
        let fields = fields_of_topics("categories,taxonomies.tags").unwrap();
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
