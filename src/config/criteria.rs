//! Criteria: what picks the entries of a selection, with the same words in sower.yaml and in an
//! address.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, form_urlencoded};

use crate::text;

/// What picks the entries of a selection. Without any, everything is picked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Criteria {
    /// Slugs of topics, one of which an entry has.
    pub any: BTreeSet<Arc<str>>,
    /// Slugs of topics, all of which an entry has.
    pub all: BTreeSet<Arc<str>>,
    /// Slugs of topics, none of which an entry has.
    pub none: BTreeSet<Arc<str>>,
    /// Slugs of types, one of which is the entry's.
    pub types: BTreeSet<Arc<str>>,
    /// Slugs of categories, one of which is the entry's.
    pub categories: BTreeSet<Arc<str>>,
    /// Hosts of providers, or slugs of their names, one of which is the entry's.
    pub providers: BTreeSet<Arc<str>>,
    /// Language of the entry, in lower case: `en` is `en-US` too.
    pub language: Option<Arc<str>>,
    /// Lowest quality.
    pub min_quality: Option<f64>,
    /// What comes first; the newest, if nothing is said.
    pub order: Option<Order>,
    /// Greatest age, in whole hours.
    pub age: Option<u32>,
    /// Most entries.
    pub entries: Option<usize>,
}

/// What comes first in a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    Date,
    /// What is talked about most; of equals the newest.
    Heat,
}

/// What a criterion is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// `any`
    Any,
    /// `all`
    All,
    /// `none`
    None,
    /// `type`
    Type,
    /// `category`
    Category,
    /// `provider`
    Provider,
    /// `language`
    Language,
    /// `min_quality`
    MinQuality,
    /// `order`
    Order,
    /// `age`
    Age,
    /// `limit`
    Limit,
}

/// In the order of a canonical address. In sower.yaml, which has lists, some have a plural too.
const WORDS: &[(Word, &str, &str)] = &[
    (Word::Any, "any", ""),
    (Word::All, "all", ""),
    (Word::None, "none", ""),
    (Word::Type, "type", "types"),
    (Word::Category, "category", "categories"),
    (Word::Provider, "provider", "providers"),
    (Word::Language, "language", ""),
    (Word::MinQuality, "min_quality", ""),
    (Word::Order, "order", ""),
    (Word::Age, "age", ""),
    (Word::Limit, "limit", "entries"),
];

/// Most values of one selection: each is looked for in every entry.
const MOST_VALUES: usize = 50;
/// Greatest age: a hundred years.
const OLDEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const HOUR: u64 = 60 * 60;

/// What stands in an address as it is: what RFC 3986 §2.3 calls unreserved.
const ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}={value}`: {reason}")]
pub struct BadValue {
    /// The word, as it was spelled.
    pub word: String,
    /// The value.
    pub value: String,
    /// What it should be.
    pub reason: String,
}

impl Word {
    /// The criterion of a name.
    pub fn named(name: &str) -> Option<Self> {
        let plural = |plural: &str| !plural.is_empty() && plural == name;
        WORDS.iter().find(|(_, singular, many)| *singular == name || plural(many)).map(|(word, ..)| *word)
    }

    /// Its name in an address, and another that it may have in sower.yaml, if that is not empty.
    pub fn names(self) -> [&'static str; 2] {
        let names = WORDS.iter().find(|(word, ..)| *word == self);
        names.map_or(["", ""], |(_, singular, plural)| [singular, plural])
    }
}

impl Criteria {
    /// The criteria in the query of an address, if it has any; everything else in it means nothing.
    /// A selection has at most `most` entries.
    ///
    /// # Errors
    ///
    /// The first value that cannot be meant.
    pub fn from_query(query: &str, most: usize) -> Result<Option<Self>, BadValue> {
        let (mut criteria, mut spelled) = (Self::default(), false);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(word) = Word::named(&name) else { continue };
            spelled = true;
            for value in value.split(',').map(str::trim).filter(|value| !value.is_empty()) {
                criteria.add(word, value, most).map_err(|reason| BadValue {
                    word: name.clone().into_owned(),
                    value: value.to_owned(),
                    reason,
                })?;
            }
        }
        if criteria.entries == Some(most) {
            criteria.entries = None;
        }
        Ok(spelled.then_some(criteria))
    }

    /// Adds one value of one criterion.
    ///
    /// # Errors
    ///
    /// What the value should be.
    pub fn add(&mut self, word: Word, value: &str, most: usize) -> Result<(), String> {
        let topic = || text::topic_slug(value).map(Arc::from).map_err(str::to_owned);
        let name = || match text::slug(value) {
            slug if slug.is_empty() => Err("this should have a letter or a digit".to_owned()),
            slug => Ok(slug.into()),
        };
        match word {
            Word::Any => drop(self.any.insert(topic()?)),
            Word::All => drop(self.all.insert(topic()?)),
            Word::None => drop(self.none.insert(topic()?)),
            Word::Type => drop(self.types.insert(name()?)),
            Word::Category => drop(self.categories.insert(name()?)),
            Word::Provider => drop(self.providers.insert(provider(value)?)),
            Word::Language => once(&mut self.language, language(value)?)?,
            Word::MinQuality => once(&mut self.min_quality, quality(value)?)?,
            Word::Order => once(&mut self.order, order(value)?)?,
            Word::Age => once(&mut self.age, age(value)?)?,
            Word::Limit => {
                let number = value.parse().ok().filter(|number| (1..=most).contains(number));
                once(&mut self.entries, number.ok_or(format!("this should be a number from 1 to {most}"))?)?;
            }
        }
        match self.lists().iter().map(|(_, list)| list.len()).sum::<usize>() {
            0..=MOST_VALUES => Ok(()),
            _ => Err(format!("a selection has at most {MOST_VALUES} values")),
        }
    }

    fn lists(&self) -> [(Word, &BTreeSet<Arc<str>>); 6] {
        [
            (Word::Any, &self.any),
            (Word::All, &self.all),
            (Word::None, &self.none),
            (Word::Type, &self.types),
            (Word::Category, &self.categories),
            (Word::Provider, &self.providers),
        ]
    }

    /// Whether what is talked about most comes first.
    pub fn by_heat(&self) -> bool {
        self.order == Some(Order::Heat)
    }

    /// Calls every topic by another slug.
    pub fn rename_topics(&mut self, rename: impl Fn(&Arc<str>) -> Arc<str>) {
        for topics in [&mut self.any, &mut self.all, &mut self.none] {
            *topics = topics.iter().map(&rename).collect();
        }
    }

    /// The query that spells these criteria, the one that all spellings of them lead to.
    pub fn query(&self) -> String {
        let mut query = String::new();
        let mut put = |word: Word, values: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            let [name, _] = word.names();
            let _ = write!(query, "{name}={values}");
        };
        for (word, values) in self.lists() {
            if !values.is_empty() {
                let values: Vec<_> =
                    values.iter().map(|value| utf8_percent_encode(value, ESCAPES).to_string()).collect();
                put(word, &values.join(","));
            }
        }
        if let Some(language) = &self.language {
            put(Word::Language, language);
        }
        if let Some(quality) = self.min_quality {
            put(Word::MinQuality, &quality.to_string());
        }
        if self.by_heat() {
            put(Word::Order, "heat");
        }
        if let Some(hours) = self.age {
            put(Word::Age, &age_in_words(hours));
        }
        if let Some(entries) = self.entries {
            put(Word::Limit, &entries.to_string());
        }
        query
    }

    /// What is picked, for people; topics are called as `name` says.
    pub fn in_words(&self, name: impl Fn(&str) -> String) -> String {
        let joined = |values: &BTreeSet<Arc<str>>, by: &str| {
            values.iter().map(|value| name(value)).collect::<Vec<_>>().join(by)
        };
        let listed = |values: &BTreeSet<Arc<str>>| {
            values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
        };
        let mut words = Vec::new();
        let mut put = |there: bool, said: String| words.extend(there.then_some(said));
        put(!self.any.is_empty(), joined(&self.any, " or "));
        put(!self.all.is_empty(), joined(&self.all, " and "));
        put(!self.none.is_empty(), format!("not {}", joined(&self.none, " or ")));
        put(!self.types.is_empty(), listed(&self.types));
        put(!self.categories.is_empty(), listed(&self.categories));
        put(!self.providers.is_empty(), format!("from {}", listed(&self.providers)));
        put(self.language.is_some(), format!("in {}", self.language.as_deref().unwrap_or_default()));
        put(self.min_quality.is_some(), format!("quality {} or more", self.min_quality.unwrap_or_default()));
        put(self.age.is_some(), format!("of the last {}", age_in_words(self.age.unwrap_or_default())));
        put(self.by_heat(), "what is talked about most first".to_owned());
        put(self.entries.is_some(), format!("at most {}", self.entries.unwrap_or_default()));
        words.join(", ")
    }
}

/// Sets what can be said once.
fn once<T: PartialEq>(held: &mut Option<T>, value: T) -> Result<(), String> {
    match held {
        Some(held) if *held != value => Err("this stands here twice, with two values".to_owned()),
        held => {
            *held = Some(value);
            Ok(())
        }
    }
}

/// A host, or else the slug of a name, in which a dot may stand too.
fn provider(value: &str) -> Result<Arc<str>, String> {
    let host = Host::parse(value).ok().filter(|_| value.contains('.'));
    let provider = host.map_or_else(|| text::slug(value), |host| host.to_string());
    // Nobody is called an address.
    if provider.is_empty() || value.contains("://") {
        return Err("this should be a host, such as `example.org`, or a name".to_owned());
    }
    Ok(provider.into())
}

/// Whether a text has the form of a language tag (RFC 5646 §2.1).
pub fn is_language_tag(text: &str) -> bool {
    text.split('-')
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn language(value: &str) -> Result<Arc<str>, String> {
    if is_language_tag(value) {
        Ok(value.to_ascii_lowercase().into())
    } else {
        Err("this should be a language tag such as `en` or `pt-BR`".to_owned())
    }
}

fn quality(value: &str) -> Result<f64, String> {
    let quality = value.parse().ok().filter(|quality: &f64| quality.is_finite());
    // Minus zero is zero, and is spelled so.
    quality.map(|quality| quality + 0.0).ok_or("this should be a number".to_owned())
}

fn order(value: &str) -> Result<Order, String> {
    match value {
        "date" => Ok(Order::Date),
        "heat" => Ok(Order::Heat),
        _ => Err("this should be `date` or `heat`".to_owned()),
    }
}

fn age(value: &str) -> Result<u32, String> {
    let age = humantime::parse_duration(value).ok().filter(|age| *age <= OLDEST);
    age.filter(|age| age.as_secs() >= HOUR && age.as_secs().is_multiple_of(HOUR))
        .and_then(|age| u32::try_from(age.as_secs() / HOUR).ok())
        .ok_or("this should be a time in whole hours, such as `12h` or `30d`".to_owned())
}

fn age_in_words(hours: u32) -> String {
    if hours.is_multiple_of(24) { format!("{}d", hours / 24) } else { format!("{hours}h") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(query: &str) -> Result<String, String> {
        Criteria::from_query(query, 50)
            .map(|criteria| criteria.unwrap_or_default().query())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_spelling_has_one_address() {
        for (query, expected) in [
            ("", ""),
            ("utm_source=x&any=", ""),
            ("any=b,a", "any=a,b"),
            ("any=Power+Apps&any=C%2B%2B,power-apps", "any=c-plus-plus,power-apps"),
            ("none=d&all=c&any=a", "any=a&all=c&none=d"),
            ("any=机器学习", "any=%E6%9C%BA%E5%99%A8%E5%AD%A6%E4%B9%A0"),
            ("types=Video&type=article", "type=article,video"),
            ("provider=Forbes.COM,The%20Garden", "provider=forbes.com,the-garden"),
            ("provider=St.+Louis+Post,Mr.Smith", "provider=mr.smith,st-louis-post"),
            ("min_quality=60.00&limit=20", "min_quality=60&limit=20"),
            ("min_quality=-0", "min_quality=0"),
            ("entries=5", "limit=5"),
            ("limit=50&order=date", ""),
            ("order=heat&age=48h", "order=heat&age=2d"),
            ("age=1w&age=7d", "age=7d"),
            ("age=30h&language=pt-BR", "language=pt-br&age=30h"),
            ("categories=News", "category=news"),
            ("limit=5&limit=5", "limit=5"),
        ] {
            assert_eq!(canonical(query).as_deref(), Ok(expected), "{query}");
        }
    }

    #[test]
    fn values_that_cannot_be_meant_are_named() {
        for (query, expected) in [
            ("any=a,!!", "`any=!!`: a name needs a letter or a digit to have an address"),
            ("type=%00", "`type=\0`: this should have a letter or a digit"),
            (
                "provider=https://a.b",
                "`provider=https://a.b`: this should be a host, such as `example.org`, or a name",
            ),
            ("min_quality=high", "`min_quality=high`: this should be a number"),
            ("min_quality=NaN", "`min_quality=NaN`: this should be a number"),
            ("order=random", "`order=random`: this should be `date` or `heat`"),
            ("age=5m", "`age=5m`: this should be a time in whole hours, such as `12h` or `30d`"),
            ("age=1000y", "`age=1000y`: this should be a time in whole hours, such as `12h` or `30d`"),
            ("limit=0", "`limit=0`: this should be a number from 1 to 50"),
            ("entries=51", "`entries=51`: this should be a number from 1 to 50"),
            ("limit=5&limit=6", "`limit=6`: this stands here twice, with two values"),
            ("order=heat&order=date", "`order=date`: this stands here twice, with two values"),
            ("language=_", "`language=_`: this should be a language tag such as `en` or `pt-BR`"),
        ] {
            assert_eq!(canonical(query), Err(expected.to_owned()), "{query}");
        }
        let many: Vec<_> = (0..51).map(|number| format!("t{number}")).collect();
        let told = canonical(&format!("any={}", many.join(","))).unwrap_err();
        assert_eq!(told, "`any=t50`: a selection has at most 50 values");
    }

    #[test]
    fn what_is_picked_is_told_in_words() {
        let criteria = Criteria::from_query("any=a,b&none=c&type=video&min_quality=60&order=heat&age=2d", 50)
            .unwrap()
            .unwrap();
        assert_eq!(
            criteria.in_words(str::to_uppercase),
            "A or B, not C, video, quality 60 or more, of the last 2d, what is talked about most first"
        );
    }

    proptest! {
        #[test]
        fn the_canonical_spelling_is_its_own(query in "(any|all|none|type|provider|language|min_quality|age|limit|x)=[a-zA-Z0-9+%,.é&=-]{0,40}") {
            if let Ok(once) = canonical(&query) {
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
                prop_assert!(once.is_ascii());
            }
        }
    }
}
