//! The front matter of a seed: where it stands in the file, and its fields as they were typed.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::yaml::{self, Names, Position, Unrepeated};

/// Largest front matter that is parsed, in bytes. YAML can be made to cost time that grows with
/// the square of its length and memory that grows with its aliases; below this size neither can
/// be felt.
pub(super) const LARGEST: usize = 16 * 1024;

/// Deepest nesting of brackets that is parsed: the parser's time grows with the product of depth
/// and length.
pub(super) const DEEPEST: usize = 64;

/// Whether brackets open so often without closing, quoted or not, that parsing would take long.
pub(super) fn is_too_deep(yaml: &str) -> bool {
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

/// A file cut into front matter and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut<'a> {
    /// No front matter: not a seed.
    NotASeed,
    /// Nothing yet, or only the beginning of an opening line: perhaps a seed that is being written.
    Blank,
    /// Front matter that opens and never closes.
    Unclosed,
    /// Front matter, the number of lines before it, and what follows it.
    Whole { yaml: &'a str, lines_before: usize, body: &'a str },
}

/// Cuts a file at the `---` lines round its front matter.
pub(super) fn cut(text: &str, all_yaml: bool) -> Cut<'_> {
    if text.trim().is_empty() || (!all_yaml && "--".starts_with(text.trim_end())) {
        return Cut::Blank;
    }
    match fenced(text) {
        // More than one document: the parser says so, in its place.
        Cut::Whole { body, .. } if all_yaml && !body.trim().is_empty() => {
            Cut::Whole { yaml: text, lines_before: 0, body: "" }
        }
        Cut::NotASeed | Cut::Unclosed if all_yaml => Cut::Whole { yaml: text, lines_before: 0, body: "" },
        cut => cut,
    }
}

fn fenced(text: &str) -> Cut<'_> {
    let mut lines = text.split_inclusive('\n');
    let Some(opening) = lines.next().filter(|line| is_fence(line)) else { return Cut::NotASeed };
    let mut end = opening.len();
    for line in lines {
        if is_fence(line) {
            let (yaml, body) = (&text[opening.len()..end], &text[end + line.len()..]);
            return Cut::Whole { yaml, lines_before: 1, body };
        }
        end += line.len();
    }
    Cut::Unclosed
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---"
}

/// A value and the key it stood under: a field may have several names.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) key: &'static str,
    pub(super) value: T,
}

macro_rules! front_matter {
    ($($field:ident: $type:ty = $($key:literal),+;)*) => {
        /// The fields of a seed as they were typed, each under the first of its names that is used.
        #[derive(Debug, Default)]
        pub(super) struct FrontMatter {
            $(pub(super) $field: Option<Given<$type>>,)*
            /// Keys that mean something, in their order.
            pub(super) known: Vec<&'static str>,
            /// Keys that mean nothing here, in their order.
            pub(super) unknown: Vec<String>,
        }

        /// The names of every field, the preferred one first.
        const FIELDS: &[&[&str]] = &[$(&[$($key),+]),*];

        /// Every key that means something.
        pub(super) const KEYS: &[&str] = &[$($($key,)+)* SECURED];

        impl FrontMatter {
            fn take<'de, A: MapAccess<'de>>(&mut self, key: &'static str, map: &mut A) -> Result<(), A::Error> {
                match key {
                    $($($key)|+ => {
                        let names: &[&str] = &[$($key),+];
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

/// Ciphertext for somebody else: skipped where it is read, never stored.
const SECURED: &str = "secured";

front_matter! {
    title: String = "title", "name";
    excerpt: String = "excerpt", "description", "summary", "bio";
    featured_content: String = "featuredContent";
    published_at: String = "publishedDateTime", "date";
    updated_at: String = "updatedDateTime", "lastmod", "last_modified_at";
    expires_at: String = "expiryDateTime", "expires";
    web_url: String = "webUrl";
    original_url: String = "originalUrl";
    id: String = "id";
    topics: Names = "topics";
    provider: Provider = "provider";
    images: Vec<Image> = "images";
    related: Vec<Related> = "related";
    language: String = "language", "lang";
    kind: String = "type";
    category: String = "category";
    quality: String = "quality";
    heat: String = "heat";
    length: String = "length";
    actions: Vec<Action> = "actions";
    published: String = "published";
    draft: String = "draft";
    removed: String = "removed";
    deleted: String = "deleted";
}

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
pub(super) struct Refusal {
    /// The field it was in; none if the front matter as a whole cannot be read.
    pub(super) field: Option<&'static str>,
    /// Where, counted from the start of the YAML.
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
pub(super) fn parse(yaml: &str, skip: &[&'static str]) -> Result<FrontMatter, Refusal> {
    if yaml::is_empty(yaml) {
        return Ok(FrontMatter::default());
    }
    let reading = Cell::new(None);
    let fields = Fields { skip, reading: &reading };
    fields
        .deserialize(serde_yaml::Deserializer::from_str(yaml))
        .map_err(|error| refusal(yaml, &error, reading.get()))
}

fn refusal(yaml: &str, error: &serde_yaml::Error, field: Option<&'static str>) -> Refusal {
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

struct Fields<'a> {
    skip: &'a [&'static str],
    reading: &'a Cell<Option<&'static str>>,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = FrontMatter;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<FrontMatter, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = FrontMatter;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`key: value` lines")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FrontMatter, A::Error> {
        let mut fields = FrontMatter::default();
        while let Some(key) = map.next_key::<String>()? {
            let Some(&known) = KEYS.iter().find(|&&known| known == key) else {
                if fields.unknown.contains(&key) {
                    return Err(A::Error::custom(yaml::REPEATED));
                }
                fields.unknown.push(key);
                map.next_value::<Unrepeated>()?;
                continue;
            };
            if fields.known.contains(&known) {
                return Err(A::Error::custom(yaml::REPEATED));
            }
            fields.known.push(known);
            if self.skip.contains(&known) {
                map.next_value::<Unrepeated>()?;
                continue;
            }
            self.reading.set(Some(known));
            fields.take(known, &mut map)?;
            self.reading.set(None);
        }
        Ok(fields)
    }
}

/// The known key that an unknown one was most likely meant to be: one of a field that is not given.
pub(super) fn meant(unknown: &str, given: &[&str]) -> Option<&'static str> {
    let longest = KEYS.iter().map(|key| key.len()).max().unwrap_or_default() + 2;
    let free = FIELDS.iter().filter(|names| names.iter().all(|name| !given.contains(name)));
    let free: Vec<&'static str> = free.copied().flatten().copied().collect();
    (unknown.len() <= longest).then(|| yaml::nearest(unknown, &free)).flatten()
}

/// A file's text in which no value of `secured` can be read, line for line as long as before, for
/// showing pieces of it to people.
///
/// It hides too much rather than too little: from the word on, whatever stands round it, up to the
/// next line that begins with a known key. Where a key may be spelled so that the word cannot be
/// seen, all is hidden.
pub(super) fn without_secured(text: &str) -> String {
    let mut hiding = text.lines().any(may_hide_a_key);
    let everything = hiding;
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        hiding = everything || (hiding && !is_fence(line) && !begins_with_known_key(line));
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
fn may_hide_a_key(line: &str) -> bool {
    let quoted: Vec<_> = line.split('"').collect();
    let escaped =
        quoted.windows(2).any(|pair| pair[0].contains('\\') && pair[1].trim_start().starts_with(':'));
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

/// Whether what has no opening line looks like front matter all the same: a slip in its first line
/// must not withdraw an entry without a word.
pub(super) fn lacks_only_its_fence(text: &str) -> bool {
    let before = text.lines().take(100).take_while(|line| !is_fence(line));
    let has_fence = text.lines().take(100).any(is_fence);
    let keys = before.filter(|line| ["title:", "name:", "topics:"].iter().any(|key| line.starts_with(key)));
    has_fence && keys.count() > 0 || text.trim_start().starts_with("---\n") && !text.starts_with("---")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_at_their_fences() {
        let whole = |yaml, lines_before, body| Cut::Whole { yaml, lines_before, body };
        for (text, all_yaml, expected) in [
            ("---\na: 1\n---\nbody\n", false, whole("a: 1\n", 1, "body\n")),
            ("---  \r\na: 1\r\n--- \r\nbody", false, whole("a: 1\r\n", 1, "body")),
            ("---\na: 1\n---", false, whole("a: 1\n", 1, "")),
            ("---\n---\n", false, whole("", 1, "")),
            ("---\na: 1\n", false, Cut::Unclosed),
            ("# Heading\n", false, Cut::NotASeed),
            ("----\na\n----\n", false, Cut::NotASeed),
            ("", false, Cut::Blank),
            ("--", false, Cut::Blank),
            ("---", false, Cut::Unclosed),
            ("a: 1\n", true, whole("a: 1\n", 0, "")),
            ("---\na: 1\n", true, whole("---\na: 1\n", 0, "")),
            ("---\na: 1\n---\n", true, whole("a: 1\n", 1, "")),
            (" \n", true, Cut::Blank),
        ] {
            assert_eq!(cut(text, all_yaml), expected, "{text:?}");
        }
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

    #[test]
    fn a_slip_in_the_opening_line_is_seen() {
        for text in [
            "--\ntitle: A\n---\n",
            "x---\ntitle: A\n---\n",
            "\n---\ntitle: A\n---\n",
            " title: x\ntopics: a\n---\nb",
        ] {
            assert!(lacks_only_its_fence(text), "{text}");
        }
        for text in ["# Heading\n\n---\n\ntext\n", "title: A\n", "text\n---\ntitle: A\n"] {
            assert!(!lacks_only_its_fence(text), "{text}");
        }
    }
}
