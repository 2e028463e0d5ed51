//! JSON Feed 1.1.

use std::collections::BTreeSet;
use std::fmt;

use chrono::DateTime;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::value::{Rule, filled, language, media_type, name, plain, rfc3339, uri, web};
use super::{Breach, Faults, html};

enum Kind {
    Text(Rule),
    Number,
    Flag,
    Texts(Rule),
    Objects(&'static [Key]),
}

/// A key of an object: its name, `true` if required, and the rule for the value.
struct Key(&'static str, bool, Kind);

const FEED: &[Key] = &[
    Key("version", true, Kind::Text(version)),
    Key("title", true, Kind::Text(plain)),
    Key("home_page_url", true, Kind::Text(web)),
    Key("feed_url", true, Kind::Text(web)),
    Key("description", false, Kind::Text(plain)),
    Key("user_comment", false, Kind::Text(filled)),
    Key("next_url", false, Kind::Text(web)),
    Key("icon", false, Kind::Text(web)),
    Key("favicon", false, Kind::Text(web)),
    Key("authors", false, Kind::Objects(AUTHOR)),
    Key("language", false, Kind::Text(language)),
    Key("expired", false, Kind::Flag),
    Key("hubs", false, Kind::Objects(HUB)),
    Key("items", true, Kind::Objects(ITEM)),
];

const ITEM: &[Key] = &[
    Key("id", true, Kind::Text(filled)),
    Key("url", false, Kind::Text(web)),
    Key("external_url", false, Kind::Text(web)),
    Key("title", false, Kind::Text(plain)),
    Key("content_html", false, Kind::Text(|_| Ok(()))),
    Key("content_text", false, Kind::Text(|_| Ok(()))),
    Key("summary", false, Kind::Text(filled)),
    Key("image", false, Kind::Text(web)),
    Key("banner_image", false, Kind::Text(web)),
    Key("date_published", false, Kind::Text(rfc3339)),
    Key("date_modified", false, Kind::Text(rfc3339)),
    Key("authors", false, Kind::Objects(AUTHOR)),
    Key("tags", false, Kind::Texts(plain)),
    Key("language", false, Kind::Text(language)),
    Key("attachments", false, Kind::Objects(ATTACHMENT)),
];

const AUTHOR: &[Key] = &[
    Key("name", false, Kind::Text(name)),
    Key("url", false, Kind::Text(uri)),
    Key("avatar", false, Kind::Text(web)),
];

const ATTACHMENT: &[Key] = &[
    Key("url", true, Kind::Text(web)),
    Key("mime_type", true, Kind::Text(media_type)),
    Key("title", false, Kind::Text(plain)),
    Key("size_in_bytes", false, Kind::Number),
    Key("duration_in_seconds", false, Kind::Number),
];

const HUB: &[Key] = &[Key("type", true, Kind::Text(filled)), Key("url", true, Kind::Text(web))];

fn version(text: &str) -> Result<(), String> {
    if text == "https://jsonfeed.org/version/1.1" { Ok(()) } else { Err(format!("is not 1.1: {text:?}")) }
}

/// Returns the faults of a document of the feed at an address.
pub(super) fn check(text: &str, address: &str, faults: &mut Faults) {
    if let Err(error) = serde_json::from_str::<NoDuplicateKeys>(text) {
        return faults.add("the document", format!("is not well-formed: {error}"));
    }
    let Ok(Value::Object(feed)) = serde_json::from_str(text) else {
        return faults.add("the document", "is not an object");
    };
    check_keys("feed", &feed, FEED, faults);
    let is_own = feed.get("feed_url").and_then(Value::as_str) == Some(address);
    faults.check("feed", is_own, format!("does not state its own address, {address}"));
    let items: Vec<_> = feed.get("items").and_then(Value::as_array).into_iter().flatten().collect();
    for (item, at) in items.iter().filter_map(|item| item.as_object()).zip(1..) {
        check_item(&format!("item {at}"), item, faults);
    }
    faults.check_unique("item id", items.iter().filter_map(|item| item.get("id")?.as_str()));
}

fn check_item(place: &str, item: &Map<String, Value>, faults: &mut Faults) {
    let text = |key: &str| item.get(key).and_then(Value::as_str);
    let has_content = text("content_html").or(text("content_text")).is_some();
    faults.check(place, has_content, "has neither content_html nor content_text");
    html::check(&format!("{place} content_html"), text("content_html").unwrap_or_default(), faults);
    let date = |key: &str| DateTime::parse_from_rfc3339(text(key)?).ok();
    if let (Some(published), Some(modified)) = (date("date_published"), date("date_modified")) {
        faults.check(place, published <= modified, "was modified before it was published");
    }
}

fn check_keys(place: &str, object: &Map<String, Value>, known: &[Key], faults: &mut Faults) {
    for (key, value) in object {
        match known.iter().find(|Key(known, ..)| known == key) {
            Some(Key(_, _, kind)) => check_kind(&format!("{place} {key}"), value, kind, faults),
            // The keys of extensions begin with an underscore.
            None if key.starts_with('_') => {
                faults.check(place, value.is_object(), format!("has {key} that is not an object"));
            }
            None => faults.add(place, format!("has the unknown key {key}")),
        }
    }
    for Key(key, ..) in known.iter().filter(|Key(_, must, _)| *must) {
        faults.check(place, object.contains_key(*key), format!("lacks {key}"));
    }
}

fn check_kind(place: &str, value: &Value, kind: &Kind, faults: &mut Faults) {
    match (kind, value) {
        (Kind::Text(rule), Value::String(text)) => check_text(place, *rule, text, faults),
        (Kind::Number, Value::Number(number)) => {
            faults.check(place, number.as_f64().is_some_and(|number| number >= 0.0), "is negative");
        }
        (Kind::Flag, Value::Bool(_)) => {}
        (Kind::Texts(rule), Value::Array(texts)) => {
            for (text, at) in texts.iter().zip(1..) {
                check_kind(&format!("{place} {at}"), text, &Kind::Text(*rule), faults);
            }
        }
        (Kind::Objects(keys), Value::Array(objects)) => {
            let one = place.strip_suffix('s').unwrap_or(place);
            let one = one.strip_prefix("feed item").map_or(one.to_owned(), |rest| format!("item{rest}"));
            for (object, at) in objects.iter().zip(1..) {
                let place = format!("{one} {at}");
                let Some(object) = object.as_object() else {
                    faults.add(&place, "is not an object");
                    continue;
                };
                check_keys(&place, object, keys, faults);
                // An author needs at least one of its fields.
                faults.check(&place, !object.is_empty(), "is empty");
            }
        }
        _ => faults.add(place, "is of the wrong type"),
    }
}

fn check_text(place: &str, rule: Rule, text: &str, faults: &mut Faults) {
    let odd = |c: char| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || c == '\u{FFFD}';
    faults.check(place, !text.contains(odd), "has control or replacement characters");
    faults.check_value(place, rule, text);
}

/// RFC 8259 §4: parsers differ about duplicate keys.
struct NoDuplicateKeys;

impl<'de> Deserialize<'de> for NoDuplicateKeys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoDuplicateKeys {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some((key, Self)) = map.next_entry::<String, Self>()? {
            if let Some(again) = seen.replace(key) {
                return Err(A::Error::custom(format!("{again} appears twice")));
            }
        }
        Ok(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while let Some(Self) = list.next_element()? {}
        Ok(Self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

const GOOD: &str = r#"{
"version": "https://jsonfeed.org/version/1.1",
"title": "Feeds & more",
"home_page_url": "https://feeds.example.org/",
"feed_url": "https://feeds.example.org/all.json",
"next_url": "https://feeds.example.org/all/2020-07.json",
"language": "en",
"authors": [{"name": "Feeds"}],
"_sower": {"about": "https://feeds.example.org/"},
"items": [
{"id": "https://a.example/1", "url": "https://a.example/1", "title": "One", "content_html": "<p>One</p>", "summary": "a < b", "date_published": "2020-08-07T16:44:36Z", "date_modified": "2020-08-08T00:00:00+02:00", "authors": [{"url": "https://a.example/ann"}], "tags": ["Snails"], "attachments": [{"url": "https://a.example/1.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 12}]},
{"id": "tag:b.example,2020-08-06:two", "content_text": "Two"}
]
}"#;

const BREACHES: &[Breach] = &[
    ("\"language\": \"en\",", "\"language\": \"en\"", &["the document is not well-formed"]),
    (
        "\"language\": \"en\"",
        "\"language\": \"en\", \"language\": \"de\"",
        &["the document is not well-formed"],
    ),
    ("version/1.1", "version/1", &["feed version is not 1.1: \"https://jsonfeed.org/version/1\""]),
    ("\"title\": \"Feeds & more\",", "", &["feed lacks title"]),
    (
        "Feeds & more",
        "Feeds &amp; more",
        &["feed title is not the same if read as HTML: \"Feeds &amp; more\""],
    ),
    ("\"home_page_url\": \"https://feeds.example.org/\",", "", &["feed lacks home_page_url"]),
    (
        "https://feeds.example.org/all.json",
        "https://feeds.example.org/all.rss",
        &["feed does not state its own address, https://feeds.example.org/all.json"],
    ),
    (
        "https://feeds.example.org/all/2020-07.json",
        "all/2020-07.json",
        &["feed next_url is not an absolute address: \"all/2020-07.json\""],
    ),
    ("\"language\": \"en\"", "\"language\": \"\"", &["feed language is not a language: \"\""]),
    (
        "\"authors\": [{\"name\": \"Feeds\"}]",
        "\"author\": {\"name\": \"Feeds\"}",
        &["feed has the unknown key author"],
    ),
    ("{\"name\": \"Feeds\"}", "{}", &["feed author 1 is empty"]),
    ("{\"name\": \"Feeds\"}", "\"Feeds\"", &["feed author 1 is not an object"]),
    ("{\"about\": \"https://feeds.example.org/\"}", "1", &["feed has _sower that is not an object"]),
    ("{\"id\": \"https://a.example/1\", ", "{", &["item 1 lacks id"]),
    ("{\"id\": \"https://a.example/1\", ", "{\"id\": 1, ", &["item 1 id is of the wrong type"]),
    (
        "tag:b.example,2020-08-06:two",
        "https://a.example/1",
        &["item id \"https://a.example/1\" appears more than once"],
    ),
    (
        "\"url\": \"https://a.example/1\"",
        "\"url\": \"/1\"",
        &["item 1 url is not an absolute address: \"/1\""],
    ),
    (
        "\"title\": \"One\"",
        "\"title\": \"O\\u0001ne\"",
        &["item 1 title has control or replacement characters"],
    ),
    ("<p>One</p>", "<p style='a'>One</p>", &["item 1 content_html has the attribute style of p"]),
    (", \"content_text\": \"Two\"", "", &["item 2 has neither content_html nor content_text"]),
    (
        "2020-08-07T16:44:36Z",
        "Fri, 07 Aug 2020 16:44:36 +0000",
        &["item 1 date_published is not an RFC 3339 date: \"Fri, 07 Aug 2020 16:44:36 +0000\""],
    ),
    ("2020-08-08T00:00:00+02:00", "2020-08-07T16:44:35Z", &["item 1 was modified before it was published"]),
    (
        "\"url\": \"https://a.example/ann\"",
        "\"url\": \"ann\"",
        &["item 1 author 1 url is not an absolute address: \"ann\""],
    ),
    ("\"url\": \"https://a.example/ann\"", "\"name\": \"\"", &["item 1 author 1 name is empty"]),
    ("[\"Snails\"]", "[\"\"]", &["item 1 tags 1 is empty"]),
    ("[\"Snails\"]", "\"Snails\"", &["item 1 tags is of the wrong type"]),
    (", \"mime_type\": \"audio/mpeg\"", "", &["item 1 attachment 1 lacks mime_type"]),
    ("\"size_in_bytes\": 12", "\"size_in_bytes\": -12", &["item 1 attachment 1 size_in_bytes is negative"]),
];

#[test]
fn every_json_feed_violation_is_found() {
    super::each_breach_is_found("all.json", GOOD, BREACHES);
    super::each_breach_is_found("all/2020-08.json", GOOD, &[]);
    assert_eq!(super::faults("all.json", b"[]", ""), ["the document is not an object"]);
}
