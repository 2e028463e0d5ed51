//! Configuration: flags, then `SOWER_*` variables, then `sower.yaml`, then defaults, resolved once
//! into values that need no further checking.

pub mod args;
pub mod criteria;
mod nested;
mod seeds;
mod serving;
mod topics;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::config::args::Settings;
use crate::config::criteria::is_language_tag;
use crate::syntax::yaml::{self, Names, Position, Step};
use crate::text::plain;
use nested::{SelectionLines, TopicLines};

pub use nested::SelectionSettings;
pub use seeds::{FIELDS_IN_USE, Permalink, Piece, SeedSettings, TopicField};
pub use serving::{AccessLog, Address, Proxies, Serving};
pub use topics::{TopicSettings, Topics};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "sower.yaml";

/// Everything a run depends on.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Config {
    /// Title of the publication.
    pub title: String,
    /// Where readers reach the publication: http or https, ending with a slash.
    pub url: Url,
    /// Whether `url` was chosen, or only follows `listen`.
    url_given: bool,
    /// Where and whom to serve.
    pub serving: Serving,
    /// The file that says so, which need not be there.
    pub file: PathBuf,
    /// Directory of the seeds.
    pub seeds: PathBuf,
    /// Which of their fields say what.
    pub seed_settings: SeedSettings,
    /// How changes of them are noticed.
    pub watch: Watching,
    /// Directory that mirrors what is served. A preview has none, unless one was named for it.
    pub feeds: Option<PathBuf>,
    /// Most entries of a feed.
    pub entries: usize,
    /// Whether feeds that cannot show all their entries have archives.
    pub archives: bool,
    /// Whether pages show the pictures of entries, which come from other hosts.
    pub pictures: bool,
    /// The colour of what can be clicked on pages: red, green, blue.
    pub accent: Option<[u8; 3]>,
    /// How much of a record its entries show.
    pub content: ContentLength,
    /// Topics that need more than their name.
    pub topics: Arc<Topics>,
    /// Selections with a name, by name.
    pub selections: Vec<SelectionSettings>,
    /// Hosts whose frames, video players that is, are shown in content.
    pub frame_hosts: Vec<String>,
    /// How long readers may keep a feed.
    pub max_age: Duration,
    /// Language of the publication (RFC 5646).
    pub language: String,
    /// Who owns the rights, for people.
    pub copyright: Option<String>,
    /// Small square picture of the publication: an absolute address.
    pub icon: Option<String>,
    /// Large picture of the publication, twice as wide as high: an absolute address.
    pub logo: Option<String>,
    /// Largest seed, in bytes.
    pub max_seed_size: u64,
    /// Whether unpublished and removed records are shown.
    pub unpublished: bool,
    /// Whether every seed is read at the start, and nothing is remembered for the next.
    pub no_cache: bool,
}

/// How much of a record its entries show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentLength {
    /// The whole body.
    Full,
    /// The excerpt in its place.
    Excerpt,
}

/// How changes of seeds are noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watching {
    /// By what the system tells, and by reading through the directory now and then.
    Events,
    /// By reading through it all the time: of a network file system the system tells nothing.
    Poll,
}

/// What says that there is to be none of something.
const OFF: &str = "off";

/// Hosts whose frames are shown unless others are named.
const FRAME_HOSTS: &[&str] =
    &["www.youtube.com", "youtube.com", "www.youtube-nocookie.com", "player.vimeo.com"];

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named cannot be read.
    #[error("{}: {cause}; `--config` names the file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A line of the file is wrong.
    #[error("{}:{}:{}: {reason}", path.display(), at.line, at.column)]
    File {
        /// The file.
        path: PathBuf,
        /// Where.
        at: Position,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A flag or its variable is wrong.
    #[error("--{flag} (or SOWER_{}): {reason}", flag.to_uppercase().replace('-', "_"))]
    Flag {
        /// The flag, without its hyphens.
        flag: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

/// `sower.yaml` as written. Every scalar is text, so that it is checked in one place wherever it
/// was set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "`key: value` lines")]
struct File {
    title: Option<String>,
    url: Option<String>,
    listen: Option<Names>,
    admin_listen: Option<String>,
    trusted_proxies: Option<Names>,
    max_connections: Option<String>,
    client_limit: Option<String>,
    access_log: Option<String>,
    seeds: Option<String>,
    topic_fields: Option<Names>,
    topic_words: Option<String>,
    default_topic: Option<String>,
    permalink: Option<String>,
    watch: Option<String>,
    feeds: Option<String>,
    entries: Option<String>,
    archives: Option<String>,
    pictures: Option<String>,
    accent: Option<String>,
    content: Option<String>,
    frame_hosts: Option<Vec<String>>,
    max_age: Option<String>,
    language: Option<String>,
    copyright: Option<String>,
    icon: Option<String>,
    logo: Option<String>,
    max_seed_size: Option<String>,
    unpublished: Option<String>,
    topics: Option<Vec<TopicLines>>,
    selections: Option<Vec<SelectionLines>>,
}

impl Config {
    /// Resolves what was typed. The configuration file is read if it is named, or there.
    ///
    /// # Errors
    ///
    /// A value that cannot be meant, with the place where it was set; a file that cannot be read.
    pub fn resolve(mut settings: Settings) -> Result<Self, ConfigError> {
        let (path, named) = match settings.config.take().filter(|path| !path.is_empty()) {
            Some(path) => (PathBuf::from(path), true),
            None => (PathBuf::from(DEFAULT_FILE), false),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if !named && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(cause) => return Err(ConfigError::Unreadable { path, cause }),
        };
        let mut file = parse(&path, &text)?;
        let beside = path.parent().unwrap_or(Path::new("")).to_owned();
        let source = Source { path: &path, text: &text };
        let setting = |key, flag: Option<String>, line: Option<String>| {
            let [flag, line] = [flag, line].map(|value| value.filter(|value| !value.trim().is_empty()));
            Setting { key, from_file: flag.is_none(), text: flag.or(line), source: &source }
        };

        let serving = Serving::resolve(setting, &mut settings, &mut file)?;
        let seed_settings = SeedSettings::resolve(setting, &mut settings, &mut file)?;
        let url = setting("url", settings.url, file.url).read(
            "an http or https address without `?` or `#`, such as `https://feeds.example.org/`",
            publication_url,
        )?;
        let directory = |setting: &Setting<'_>, default: &str| {
            let beside = if setting.from_file { &beside } else { Path::new("") };
            beside.join(setting.text.as_deref().unwrap_or(default))
        };
        let seeds = directory(&setting("seeds", settings.seeds, file.seeds), "seeds");
        let unpublished = setting("unpublished", settings.unpublished, file.unpublished).switch(false)?;
        let feeds = setting("feeds", settings.feeds, file.feeds);
        let feeds = match feeds.text.as_deref().map(str::trim) {
            Some(OFF) => None,
            // A preview is not for the directory from which others may publish.
            None if unpublished => None,
            _ => Some(directory(&feeds, "feeds")),
        };
        let topics = nested::topics(&file.topics.unwrap_or_default(), &source)?;
        let selections = nested::selections(&file.selections.unwrap_or_default(), &topics, &source)?;
        let config = Self {
            title: setting("title", settings.title, file.title)
                .read("text", some_text)?
                .unwrap_or_else(|| "Feeds".to_owned()),
            url_given: url.is_some(),
            url: match url {
                Some(url) => url,
                None => serving::local_url(&serving.listen),
            },
            serving,
            entries: setting("entries", settings.entries, file.entries).read(ENTRIES, entries)?.unwrap_or(50),
            archives: setting("archives", settings.archives, file.archives).switch(true)?,
            pictures: setting("pictures", settings.pictures, file.pictures).switch(false)?,
            accent: setting("accent", settings.accent, file.accent)
                .read("a colour such as `\"#a63f06\"`", colour)?,
            content: setting("content", settings.content, file.content)
                .read(CONTENT, content)?
                .unwrap_or(ContentLength::Full),
            frame_hosts: setting(
                "frame-hosts",
                settings.frame_hosts,
                file.frame_hosts.map(|hosts| if hosts.is_empty() { OFF.to_owned() } else { hosts.join(",") }),
            )
            .read("names of hosts, such as `www.youtube.com`, or `off`", host_names)?
            .unwrap_or_else(|| FRAME_HOSTS.iter().map(ToString::to_string).collect()),
            max_age: setting("max-age", settings.max_age, file.max_age)
                .read("a time of at most a year, such as `15m`, `2h` or `90s`", |text| {
                    let year = Duration::from_secs(365 * 24 * 60 * 60);
                    humantime::parse_duration(text).ok().filter(|time| *time <= year)
                })?
                .unwrap_or(Duration::from_secs(15 * 60)),
            language: setting("language", settings.language, file.language)
                .read("a language tag such as `en` or `pt-BR`", |text| {
                    is_language_tag(text).then(|| text.to_owned())
                })?
                .unwrap_or_else(|| "en".to_owned()),
            copyright: setting("copyright", settings.copyright, file.copyright).read("text", some_text)?,
            icon: setting("icon", settings.icon, file.icon).read(PICTURE, picture)?,
            logo: setting("logo", settings.logo, file.logo).read(PICTURE, picture)?,
            max_seed_size: setting("max-seed-size", settings.max_seed_size, file.max_seed_size)
                .read("a size such as `1MiB`, `200KiB` or a number of bytes", size)?
                .unwrap_or(1 << 20),
            topics: Arc::new(topics),
            selections,
            unpublished,
            no_cache: setting("no-cache", settings.no_cache, None).switch(false)?,
            watch: setting("watch", settings.watch, file.watch)
                .read("`events` or `poll`", |text| match text {
                    "events" => Some(Watching::Events),
                    "poll" => Some(Watching::Poll),
                    _ => None,
                })?
                .unwrap_or(Watching::Events),
            file: path.clone(),
            seeds,
            seed_settings,
            feeds,
        };
        let absolute = |path: &Path| std::path::absolute(path).ok();
        if config.feeds.as_deref().is_some_and(|feeds| absolute(feeds) == absolute(&config.seeds)) {
            let reason = "the feeds directory cannot be the seed directory".to_owned();
            return Err(ConfigError::Flag { flag: "feeds".to_owned(), reason });
        }
        Ok(config)
    }

    /// The configuration once the addresses are known that the listeners got, which are others
    /// than were asked for where that was port 0.
    #[must_use]
    pub fn listening_on(mut self, listen: Vec<Address>) -> Self {
        if !self.url_given {
            self.url = serving::local_url(&listen);
        }
        self.serving.listen = listen;
        self
    }
}

/// A list as a flag would have it.
fn joined(names: Names) -> String {
    if names.0.is_empty() {
        return OFF.to_owned();
    }
    names.0.into_iter().flatten().collect::<Vec<_>>().join(",")
}

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    if yaml::is_empty(text) {
        return Ok(File::default());
    }
    serde_yaml::from_str(text).map_err(|error| {
        let said = yaml::reason(&error);
        let mut at = yaml::position(text, &error).unwrap_or(Position { line: 1, column: 1 });
        let reason = if let Some((_, rest)) = said.split_once("unknown field `") {
            let key = rest.split('`').next().unwrap_or_default();
            let path: Vec<_> = list_item(&said).into_iter().flatten().chain([Step::Key(key)]).collect();
            at = yaml::key_at(text, &path).unwrap_or(at);
            let keys: Vec<_> =
                rest.split('`').skip(1).filter(|key| key.starts_with(char::is_alphabetic)).collect();
            let meant = yaml::nearest(key, &keys).map_or_else(
                || format!("the keys are {}", keys.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            format!("unknown key `{key}`; {meant}")
        } else if said.contains("duplicate field") {
            at = yaml::duplicate_key(text).unwrap_or(at);
            yaml::DUPLICATE_KEY.to_owned()
        } else {
            yaml::type_mismatch(&said, "the configuration").unwrap_or(said)
        };
        ConfigError::File { path: path.to_owned(), at, reason }
    })
}

/// The item of a list that an error of the parser is about: `topics[1]: …`.
fn list_item(said: &str) -> Option<[Step<'_>; 2]> {
    let (list, rest) = said.split_once('[')?;
    let (index, _) = rest.split_once(']')?;
    let index = index.parse().ok()?;
    ["topics", "selections"].contains(&list).then_some([Step::Key(list), Step::Index(index)])
}

/// The configuration file and its text, to point into it.
struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    /// What is wrong with the value at the end of a path, or with the nearest that is there.
    fn wrong(&self, path: &[Step<'_>], reason: String) -> ConfigError {
        let at = (1..=path.len()).rev().find_map(|length| yaml::value_at(self.text, &path[..length]));
        let at = at.unwrap_or(Position { line: 1, column: 1 });
        ConfigError::File { path: self.path.to_owned(), at, reason }
    }
}

/// One value and where it was set.
struct Setting<'a> {
    /// The flag; the key has underscores for its hyphens.
    key: &'static str,
    from_file: bool,
    text: Option<String>,
    source: &'a Source<'a>,
}

impl Setting<'_> {
    fn switch(self, default: bool) -> Result<bool, ConfigError> {
        Ok(self.read("`true` or `false`", |text| text.parse().ok())?.unwrap_or(default))
    }

    fn read<T>(
        self,
        expected: impl Display,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = &self.text else { return Ok(None) };
        if let Some(value) = parse(text.trim()) {
            return Ok(Some(value));
        }
        let reason = format!("`{text}` should be {expected}");
        let key = self.key.replace('-', "_");
        Err(if self.from_file {
            self.source.wrong(&[Step::Key(&key)], format!("`{key}`: {reason}"))
        } else {
            ConfigError::Flag { flag: self.key.to_owned(), reason }
        })
    }
}

fn publication_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok()?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    fits.then_some(url)
}

fn some_text(text: &str) -> Option<String> {
    Some(plain(text)).filter(|text| !text.is_empty())
}

/// Most entries of a feed.
const MOST_ENTRIES: usize = 100_000;
const ENTRIES: &str = "a number from 1 to 100000";

fn entries(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=MOST_ENTRIES).contains(number))
}

const CONTENT: &str = "`full` or `excerpt`";

fn content(text: &str) -> Option<ContentLength> {
    match text {
        "full" => Some(ContentLength::Full),
        "excerpt" => Some(ContentLength::Excerpt),
        _ => None,
    }
}

const PICTURE: &str = "an http or https address, such as `https://example.org/icon.png`";

fn picture(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

fn colour(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let [_, red, green, blue] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    (!digits.starts_with('+')).then_some([red, green, blue])
}

fn host_names(text: &str) -> Option<Vec<String>> {
    if text == OFF {
        return Some(Vec::new());
    }
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| url::Host::parse(name).ok().map(|host| host.to_string())).collect()
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" | "kb" => 1 << 10,
        "m" | "mib" | "mb" => 1 << 20,
        _ => return None,
    };
    let bytes = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (1..=1 << 30).contains(&bytes).then_some(bytes)
}

#[cfg(test)]
impl Config {
    /// A configuration for a test: this file's text, and nothing else.
    pub(crate) fn sample(yaml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sower.yaml");
        std::fs::write(&path, format!("url: https://a.example/\nfeeds: off\n{yaml}")).unwrap();
        let config = Some(path.display().to_string());
        Self::resolve(Settings { config, ..Settings::default() }).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(yaml: &str, settings: Settings) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sower.yaml");
        std::fs::write(&path, yaml).unwrap();
        let within = format!("{}/", directory.path().display());
        Config::resolve(Settings { config: Some(path.display().to_string()), ..settings })
            .map_err(|error| error.to_string().replace(&within, ""))
    }

    #[test]
    fn everything_has_a_default() {
        let config = resolved("# nothing\n", Settings::default()).unwrap();
        assert_eq!(config.title, "Feeds");
        assert_eq!(config.url.as_str(), "http://127.0.0.1:8080/");
        assert_eq!((config.entries, config.max_age.as_secs(), config.max_seed_size), (50, 900, 1 << 20));
        assert!(config.seeds.ends_with("seeds") && config.feeds.is_some() && !config.unpublished);
    }

    #[test]
    fn flags_win_over_the_file() {
        let yaml = "title: From the file\nentries: 7\nlisten: 0.0.0.0:99\nfeeds: off\nmax_age: 2h\n";
        let flag = |text: &str| Some(text.to_owned());
        let settings = Settings {
            title: flag("From a flag"),
            seeds: flag("elsewhere"),
            url: flag(""),
            ..Settings::default()
        };
        let config = resolved(yaml, settings).unwrap();
        assert_eq!(config.title, "From a flag");
        assert_eq!(config.entries, 7);
        assert_eq!(config.url.as_str(), "http://127.0.0.1:99/");
        assert_eq!(config.feeds, None);
        assert_eq!(config.seeds, Path::new("elsewhere"));
        assert_eq!(config.listening_on(vec![Address::local(5)]).url.port(), Some(5));
    }

    #[test]
    fn a_preview_is_mirrored_only_where_it_was_asked_for() {
        let unpublished = || Some("true".to_owned());
        let feeds = |yaml, feeds: Option<&str>| {
            let feeds = feeds.map(str::to_owned);
            resolved(yaml, Settings { unpublished: unpublished(), feeds, ..Settings::default() })
                .unwrap()
                .feeds
        };
        assert_eq!(feeds("", None), None);
        assert_eq!(feeds("", Some("preview")), Some(PathBuf::from("preview")));
        assert!(feeds("feeds: preview\n", Some("")).is_some());
        assert_eq!(feeds("feeds: off\n", Some("")), None);
    }

    #[test]
    fn frames_of_no_host_can_be_asked_for() {
        let hosts = |yaml| resolved(yaml, Settings::default()).unwrap().frame_hosts;
        assert_eq!(hosts("").len(), 4);
        assert_eq!(hosts("frame_hosts: []\n"), Vec::<String>::new());
        assert_eq!(hosts("frame_hosts: [Video.Example]\n"), ["video.example"]);
        let off = Settings { frame_hosts: Some("off".to_owned()), ..Settings::default() };
        assert_eq!(resolved("", off).unwrap().frame_hosts, Vec::<String>::new());
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let config = resolved("seeds: content\n", Settings::default()).unwrap();
        assert!(config.seeds.is_absolute() && config.seeds.ends_with("content"));
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (yaml, expected) in [
            ("title: A\ntitel: B\n", "sower.yaml:2:1: unknown key `titel`; did you mean `title`?"),
            (
                "colour: red\n",
                "sower.yaml:1:1: unknown key `colour`; the keys are title, url, listen, admin_listen, trusted_proxies, max_connections, client_limit, access_log, seeds, topic_fields, topic_words, default_topic, permalink, watch, feeds, entries, archives, pictures, accent, content, frame_hosts, max_age, language, copyright, icon, logo, max_seed_size, unpublished, topics, selections",
            ),
            ("title: A\ntitle: B\n", "sower.yaml:2:1: this key appears twice"),
            ("entries: many\n", "sower.yaml:1:10: `entries`: `many` should be a number from 1 to 100000"),
            (
                "\nmax_age: 15 parsecs\n",
                "sower.yaml:2:10: `max_age`: `15 parsecs` should be a time of at most a year, such as `15m`, `2h` or `90s`",
            ),
            ("- a\n", "sower.yaml:1:1: the configuration should be `key: value` lines, but is a list"),
            ("entries: [a]\n", "sower.yaml:1:10: `entries` should be text, but is a list"),
        ] {
            assert_eq!(resolved(yaml, Settings::default()).unwrap_err(), expected);
        }
        let settings = Settings { max_age: Some("soon".to_owned()), ..Settings::default() };
        let expected = "--max-age (or SOWER_MAX_AGE): `soon` should be a time of at most a year, such as `15m`, `2h` or `90s`";
        assert_eq!(resolved("", settings).unwrap_err(), expected);
    }

    #[test]
    fn topics_hang_together() {
        let yaml = "\
topics:
  - name: Artificial Intelligence
    slug: ai
    aliases: [machine-intelligence, KI]
  - name: Deep Learning
    parent: Machine Learning
    entries: 5
    content: excerpt
  - name: Machine Learning
    parent: Artificial Intelligence
    description: Learning &amp; machines
    icon: https://a.example/ml.png
    language: de
  - {name: Robots, parent: Engineering}
  - {slug: flash, retired: true}
";
        let topics = resolved(yaml, Settings::default()).unwrap().topics;
        let slugs: Vec<_> = topics.iter().map(|topic| &*topic.slug).collect();
        assert_eq!(slugs, ["ai", "deep-learning", "engineering", "flash", "machine-learning", "robots"]);
        let ancestors: Vec<_> = topics.ancestors("deep-learning").map(|slug| &**slug).collect();
        assert_eq!(ancestors, ["machine-learning", "ai"]);
        for old in ["artificial-intelligence", "machine-intelligence", "ki"] {
            assert_eq!(topics.moved(old).map(|slug| &**slug), Some("ai"), "{old}");
        }
        let learning = topics.get("machine-learning").unwrap();
        assert_eq!(learning.description.as_deref(), Some("Learning & machines"));
        assert_eq!(
            (topics.get("deep-learning").unwrap().entries, &*topics.get("engineering").unwrap().name),
            (Some(5), "Engineering")
        );
        assert!(topics.is_retired("flash") && !topics.is_retired("ai"));
    }

    #[test]
    fn selections_are_picked_by_criteria() {
        let yaml = "\
topics: [{name: AI, aliases: [KI]}]
selections:
  - name: Best videos
    title: The best videos
    any: [ki, Robots]
    none: Sport
    type: video
    providers: [forbes.com]
    min_quality: 60
    order: heat
    age: 30d
    entries: 20
  - name: all-news
    categories: news
    language: en
";
        let selections = resolved(yaml, Settings::default()).unwrap().selections;
        let told: Vec<_> = selections
            .iter()
            .map(|selection| (&*selection.name, &*selection.title, selection.criteria.query()))
            .collect();
        assert_eq!(
            told,
            [
                ("all-news", "all-news", "category=news&language=en".to_owned()),
                (
                    "best-videos",
                    "The best videos",
                    "any=ai,robots&none=sport&type=video&provider=forbes.com&min_quality=60&order=heat&age=30d&limit=20"
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn mistakes_in_topics_and_selections_are_named_with_their_place() {
        for (yaml, expected) in [
            ("topics:\n  - nmae: A\n", "2:5: unknown key `nmae`; did you mean `name`?"),
            (
                "topics:\n  - name: A\n    color: red\n",
                "3:5: unknown key `color`; the keys are name, slug, parent, description, icon, language, entries, content, aliases, retired",
            ),
            ("topics:\n  - parent: A\n", "2:5: a topic needs a `name`"),
            (
                "topics:\n  - name: '!!'\n",
                "2:11: `name`: a name needs a letter or a digit to have an address",
            ),
            (
                "topics:\n  - name: A\n    slug: A B\n",
                "3:11: `slug`: `A B` should be a slug, such as `power-apps`",
            ),
            (
                "topics:\n  - name: A\n    entries: 0\n",
                "3:14: `entries`: `0` should be a number from 1 to 100000",
            ),
            ("topics:\n  - name: A\n  - name: a\n", "3:5: the topic `a` stands here twice"),
            ("topics:\n  - name: A\n  - {name: B, aliases: [a]}\n", "3:5: `a` is another topic's already"),
            (
                "topics:\n  - {name: A, parent: B}\n  - {name: B, parent: a}\n",
                "2:5: the topic `a` cannot be its own ancestor",
            ),
            ("topics: AI\n", "1:9: `topics` should be a list, but is text"),
            (
                "selections:\n  - name: '!'\n",
                "2:11: `name`: a name needs a letter or a digit to have an address",
            ),
            ("selections:\n  - title: x\n", "2:5: a selection needs a `name`"),
            (
                "selections:\n  - name: x\n    order: random\n",
                "3:12: `order`: `random`: this should be `date` or `heat`",
            ),
            (
                "selections:\n  - name: x\n    any: [a, '!']\n",
                "3:14: `any`: `!`: a name needs a letter or a digit to have an address",
            ),
            (
                "selections:\n  - name: x\n    any: [a, ~]\n",
                "3:14: `any`: an item is empty; fill it in, or remove it",
            ),
            (
                "selections:\n  - name: x\n    providers:\n      -\n",
                "4:8: `providers`: an item is empty; fill it in, or remove it",
            ),
            (
                "selections:\n  - name: x\n    type: ['!']\n",
                "3:12: `type`: `!`: this should have a letter or a digit",
            ),
            (
                "selections:\n  - name: x\n    types: '!'\n",
                "3:12: `types`: `!`: this should have a letter or a digit",
            ),
            (
                "selections:\n  - name: x\n    limit: 0\n",
                "3:12: `limit`: `0`: this should be a number from 1 to 100000",
            ),
            ("selections:\n  - name: x\n  - name: X\n", "3:11: the selection `x` stands here twice"),
            (
                "selections:\n  - name: x\n    min-quality: 3\n",
                "3:5: unknown key `min-quality`; did you mean `min_quality`?",
            ),
        ] {
            assert_eq!(resolved(yaml, Settings::default()).unwrap_err(), format!("sower.yaml:{expected}"));
        }
    }

    #[test]
    fn publication_addresses() {
        for (text, expected) in [
            ("https://example.org", Some("https://example.org/")),
            ("https://example.org/feeds", Some("https://example.org/feeds/")),
            ("https://example.org/?a", None),
            ("ftp://example.org", None),
            ("example.org", None),
            ("https://me:secret@example.org", None),
        ] {
            assert_eq!(publication_url(text).map(String::from).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("1MiB", Some(1 << 20)),
            ("200 KiB", Some(204_800)),
            ("5", Some(5)),
            ("0", None),
            ("1GiB", None),
            ("x", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }
}
