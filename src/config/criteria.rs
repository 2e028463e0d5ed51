//! Criteria that pick the entries of a selection. They have the same names in `sower.yaml` and in the query of an
//! address.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, form_urlencoded};

use crate::text;

/// The criteria of a selection. Without any, the selection has all entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Criteria {
    /// Slugs of topics. An entry has at least one of them.
    pub any: BTreeSet<Arc<str>>,
    /// Slugs of topics. An entry has all of them.
    pub all: BTreeSet<Arc<str>>,
    /// Slugs of topics. An entry has none of them.
    pub none: BTreeSet<Arc<str>>,
    /// Slugs of types. An entry has one of them.
    pub types: BTreeSet<Arc<str>>,
    /// Slugs of categories. An entry has one of them.
    pub categories: BTreeSet<Arc<str>>,
    /// Hosts of providers, or slugs of their names. An entry has one of them.
    pub providers: BTreeSet<Arc<str>>,
    /// The language of an entry, in lower case: `en` includes `en-US`.
    pub language: Option<Arc<str>>,
    /// The lowest quality.
    pub min_quality: Option<f64>,
    /// The order of entries; by default the newest come first.
    pub order: Option<Order>,
    /// The greatest age, in hours.
    pub age: Option<u32>,
    /// The largest number of entries.
    pub entries: Option<usize>,
}

/// The order of entries in a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    Date,
    /// The highest `heat` first, then the newest.
    Heat,
}

/// The name of a criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Criterion {
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

/// The names in the order of a canonical address, each with an alternative that `sower.yaml` may use: a plural for lists.
/// An address accepts both.
const NAMES: &[(Criterion, &str, &str)] = &[
    (Criterion::Any, "any", ""),
    (Criterion::All, "all", ""),
    (Criterion::None, "none", ""),
    (Criterion::Type, "type", "types"),
    (Criterion::Category, "category", "categories"),
    (Criterion::Provider, "provider", "providers"),
    (Criterion::Language, "language", ""),
    (Criterion::MinQuality, "min_quality", ""),
    (Criterion::Order, "order", ""),
    (Criterion::Age, "age", ""),
    (Criterion::Limit, "limit", "entries"),
];

/// The largest number of values in one selection: each is compared with every entry.
const MAX_VALUES: usize = 50;
/// The greatest age: a hundred years.
const MAX_AGE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
const HOUR: u64 = 60 * 60;

/// Everything but the unreserved characters of RFC 3986 §2.3.
const ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An invalid value of a criterion.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}={value}`: {reason}")]
pub struct InvalidValue {
    /// The name of the criterion, as the query spells it.
    pub name: String,
    /// The invalid value.
    pub value: String,
    /// The problem.
    pub reason: String,
}

impl Criterion {
    /// Returns the criterion with this name.
    pub fn named(name: &str) -> Option<Self> {
        let plural = |plural: &str| !plural.is_empty() && plural == name;
        NAMES
            .iter()
            .find(|(_, singular, many)| *singular == name || plural(many))
            .map(|(criterion, ..)| *criterion)
    }

    /// Returns the canonical name, and the alternative name, which may be empty.
    pub fn names(self) -> [&'static str; 2] {
        let names = NAMES.iter().find(|(criterion, ..)| *criterion == self);
        names.map_or(["", ""], |(_, singular, plural)| [singular, plural])
    }
}

impl Criteria {
    /// Parses the criteria in the query of an address. Returns `None` if the query has none. Unknown parameters are
    /// ignored. `max_entries` is both the largest and the default number of entries.
    ///
    /// # Errors
    ///
    /// Returns the first invalid value.
    pub fn from_query(query: &str, max_entries: usize) -> Result<Option<Self>, InvalidValue> {
        let (mut criteria, mut has_criteria) = (Self::default(), false);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(criterion) = Criterion::named(&name) else { continue };
            has_criteria = true;
            for value in value.split(',').map(str::trim).filter(|value| !value.is_empty()) {
                criteria.add(criterion, value, max_entries).map_err(|reason| InvalidValue {
                    name: name.clone().into_owned(),
                    value: value.to_owned(),
                    reason,
                })?;
            }
        }
        if criteria.entries == Some(max_entries) {
            criteria.entries = None;
        }
        Ok(has_criteria.then_some(criteria))
    }

    /// Adds one value to a criterion.
    ///
    /// # Errors
    ///
    /// Returns the problem with the value.
    pub fn add(&mut self, criterion: Criterion, value: &str, max_entries: usize) -> Result<(), String> {
        let topic = || text::topic_slug(value).map(Arc::from).map_err(str::to_owned);
        let name = || match text::slug(value) {
            slug if slug.is_empty() => Err("expected a name with a letter or a digit".to_owned()),
            slug => Ok(slug.into()),
        };
        match criterion {
            Criterion::Any => drop(self.any.insert(topic()?)),
            Criterion::All => drop(self.all.insert(topic()?)),
            Criterion::None => drop(self.none.insert(topic()?)),
            Criterion::Type => drop(self.types.insert(name()?)),
            Criterion::Category => drop(self.categories.insert(name()?)),
            Criterion::Provider => drop(self.providers.insert(provider(value)?)),
            Criterion::Language => set_once(&mut self.language, language(value)?)?,
            Criterion::MinQuality => set_once(&mut self.min_quality, quality(value)?)?,
            Criterion::Order => set_once(&mut self.order, order(value)?)?,
            Criterion::Age => set_once(&mut self.age, age(value)?)?,
            Criterion::Limit => {
                let number = value.parse().ok().filter(|number| (1..=max_entries).contains(number));
                set_once(
                    &mut self.entries,
                    number.ok_or(format!("expected a number from 1 to {max_entries}"))?,
                )?;
            }
        }
        match self.lists().iter().map(|(_, list)| list.len()).sum::<usize>() {
            0..=MAX_VALUES => Ok(()),
            _ => Err(format!("a selection has at most {MAX_VALUES} values")),
        }
    }

    fn lists(&self) -> [(Criterion, &BTreeSet<Arc<str>>); 6] {
        [
            (Criterion::Any, &self.any),
            (Criterion::All, &self.all),
            (Criterion::None, &self.none),
            (Criterion::Type, &self.types),
            (Criterion::Category, &self.categories),
            (Criterion::Provider, &self.providers),
        ]
    }

    /// Returns `true` if the entries with the highest heat come first.
    pub fn by_heat(&self) -> bool {
        self.order == Some(Order::Heat)
    }

    /// Replaces the slugs of topics.
    pub fn rename_topics(&mut self, rename: impl Fn(&Arc<str>) -> Arc<str>) {
        for topics in [&mut self.any, &mut self.all, &mut self.none] {
            *topics = topics.iter().map(&rename).collect();
        }
    }

    /// Returns the canonical query. All other spellings of these criteria redirect to it.
    pub fn query(&self) -> String {
        let mut query = String::new();
        let mut put = |criterion: Criterion, values: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            let [name, _] = criterion.names();
            let _ = write!(query, "{name}={values}");
        };
        for (criterion, values) in self.lists() {
            if !values.is_empty() {
                let values: Vec<_> =
                    values.iter().map(|value| utf8_percent_encode(value, ESCAPES).to_string()).collect();
                put(criterion, &values.join(","));
            }
        }
        if let Some(language) = &self.language {
            put(Criterion::Language, language);
        }
        if let Some(quality) = self.min_quality {
            put(Criterion::MinQuality, &quality.to_string());
        }
        if self.by_heat() {
            put(Criterion::Order, "heat");
        }
        if let Some(hours) = self.age {
            put(Criterion::Age, &age_in_words(hours));
        }
        if let Some(entries) = self.entries {
            put(Criterion::Limit, &entries.to_string());
        }
        query
    }

    /// Describes the selection for people. `name` returns the name of a topic.
    pub fn in_words(&self, name: impl Fn(&str) -> String) -> String {
        let joined = |values: &BTreeSet<Arc<str>>, by: &str| {
            values.iter().map(|value| name(value)).collect::<Vec<_>>().join(by)
        };
        let listed = |values: &BTreeSet<Arc<str>>| {
            values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
        };
        let mut words = Vec::new();
        let mut put = |is_set: bool, phrase: String| words.extend(is_set.then_some(phrase));
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

/// Sets a criterion that has one value.
fn set_once<T: PartialEq>(criterion: &mut Option<T>, value: T) -> Result<(), String> {
    match criterion {
        Some(other) if *other != value => Err("given twice, with different values".to_owned()),
        criterion => {
            *criterion = Some(value);
            Ok(())
        }
    }
}

/// Returns the host if the value is one, or else the slug of the name. Names may contain dots too.
fn provider(value: &str) -> Result<Arc<str>, String> {
    let host = Host::parse(value).ok().filter(|_| value.contains('.'));
    let provider = host.map_or_else(|| text::slug(value), |host| host.to_string());
    // An address is neither a host nor a name.
    if provider.is_empty() || value.contains("://") {
        return Err("expected a host, such as `example.org`, or a name".to_owned());
    }
    Ok(provider.into())
}

/// Returns `true` if the text has the form of a language tag (RFC 5646 §2.1).
pub fn is_language_tag(text: &str) -> bool {
    text.split('-')
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn language(value: &str) -> Result<Arc<str>, String> {
    if is_language_tag(value) {
        Ok(value.to_ascii_lowercase().into())
    } else {
        Err("expected a language tag such as `en` or `pt-BR`".to_owned())
    }
}

fn quality(value: &str) -> Result<f64, String> {
    let quality = value.parse().ok().filter(|quality: &f64| quality.is_finite());
    // Adding zero turns -0 into 0, so that both have one spelling.
    quality.map(|quality| quality + 0.0).ok_or("expected a number".to_owned())
}

fn order(value: &str) -> Result<Order, String> {
    match value {
        "date" => Ok(Order::Date),
        "heat" => Ok(Order::Heat),
        _ => Err("expected `date` or `heat`".to_owned()),
    }
}

fn age(value: &str) -> Result<u32, String> {
    let age = humantime::parse_duration(value).ok().filter(|age| *age <= MAX_AGE);
    age.filter(|age| age.as_secs() >= HOUR && age.as_secs().is_multiple_of(HOUR))
        .and_then(|age| u32::try_from(age.as_secs() / HOUR).ok())
        .ok_or("expected a time in whole hours, such as `12h` or `30d`".to_owned())
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
    fn all_spellings_have_one_canonical_query() {
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
    fn invalid_values_are_reported() {
        for (query, expected) in [
            ("any=a,!!", "`any=!!`: a name needs a letter or a digit to have an address"),
            ("type=%00", "`type=\0`: expected a name with a letter or a digit"),
            (
                "provider=https://a.b",
                "`provider=https://a.b`: expected a host, such as `example.org`, or a name",
            ),
            ("min_quality=high", "`min_quality=high`: expected a number"),
            ("min_quality=NaN", "`min_quality=NaN`: expected a number"),
            ("order=random", "`order=random`: expected `date` or `heat`"),
            ("age=5m", "`age=5m`: expected a time in whole hours, such as `12h` or `30d`"),
            ("age=1000y", "`age=1000y`: expected a time in whole hours, such as `12h` or `30d`"),
            ("limit=0", "`limit=0`: expected a number from 1 to 50"),
            ("entries=51", "`entries=51`: expected a number from 1 to 50"),
            ("limit=5&limit=6", "`limit=6`: given twice, with different values"),
            ("order=heat&order=date", "`order=date`: given twice, with different values"),
            ("language=_", "`language=_`: expected a language tag such as `en` or `pt-BR`"),
        ] {
            assert_eq!(canonical(query), Err(expected.to_owned()), "{query}");
        }
        let many: Vec<_> = (0..51).map(|number| format!("t{number}")).collect();
        let error = canonical(&format!("any={}", many.join(","))).unwrap_err();
        assert_eq!(error, "`any=t50`: a selection has at most 50 values");
    }

    #[test]
    fn criteria_are_described_in_words() {
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
        fn canonical_query_is_stable(query in "(any|all|none|type|provider|language|min_quality|age|limit|x)=[a-zA-Z0-9+%,.é&=-]{0,40}") {
            if let Ok(once) = canonical(&query) {
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
                prop_assert!(once.is_ascii());
            }
        }
    }
}
