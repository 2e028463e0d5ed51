//! Tests of the configuration as a whole.

use std::path::{Path, PathBuf};

use crate::config::args::Settings;
use crate::config::{Config, ListenAddress};
use crate::syntax::yaml;

fn resolved(yaml: &str, settings: Settings) -> Result<Config, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sower.yaml");
    std::fs::write(&path, yaml).unwrap();
    let within = format!("{}/", directory.path().display());
    Config::resolve(Settings { config: Some(path.display().to_string()), ..settings })
        .map_err(|error| error.to_string().replace(&within, ""))
}

#[test]
fn every_setting_has_a_default() {
    let config = resolved("# nothing\n", Settings::default()).unwrap();
    assert_eq!(config.title, "Feeds");
    assert_eq!(config.url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!((config.entries, config.max_age.as_secs(), config.max_seed_size), (50, 900, 1 << 20));
    assert!(config.seeds.ends_with("seeds") && config.feeds.is_some() && !config.unpublished);
}

#[test]
fn flags_override_the_file() {
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
    assert_eq!(config.listening_on(vec![ListenAddress::local(5)]).url.port(), Some(5));
}

#[test]
fn preview_has_no_default_feeds_directory() {
    let unpublished = || Some("true".to_owned());
    let feeds = |yaml, feeds: Option<&str>| {
        let feeds = feeds.map(str::to_owned);
        resolved(yaml, Settings { unpublished: unpublished(), feeds, ..Settings::default() }).unwrap().feeds
    };
    assert_eq!(feeds("", None), None);
    assert_eq!(feeds("", Some("preview")), Some(PathBuf::from("preview")));
    assert!(feeds("feeds: preview\n", Some("")).is_some());
    assert_eq!(feeds("feeds: off\n", Some("")), None);
}

#[test]
fn frame_hosts_can_be_turned_off() {
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
fn errors_have_positions() {
    for (yaml, expected) in [
        ("title: A\ntitel: B\n", "sower.yaml:2:1: unknown key `titel`; did you mean `title`?"),
        (
            "colour: red\n",
            "sower.yaml:1:1: unknown key `colour`; the keys are title, url, listen, admin_listen, trusted_proxies, max_connections, client_limit, access_log, seeds, topic_fields, topic_words, default_topic, permalink, watch, feeds, entries, archives, pictures, accent, content, frame_hosts, max_age, language, copyright, icon, logo, max_seed_size, unpublished, topics, selections",
        ),
        ("title: A\ntitle: B\n", &*format!("sower.yaml:2:1: {}", yaml::DUPLICATE_KEY)),
        (
            "entries: many\n",
            "sower.yaml:1:10: `entries`: invalid value `many`; expected a number from 1 to 100000",
        ),
        (
            "\nmax_age: 15 parsecs\n",
            "sower.yaml:2:10: `max_age`: invalid value `15 parsecs`; expected a time of at most a year, such as `15m`, `2h` or `90s`",
        ),
        ("- a\n", "sower.yaml:1:1: the configuration should be `key: value` lines, but is a list"),
        ("entries: [a]\n", "sower.yaml:1:10: `entries` should be text, but is a list"),
    ] {
        assert_eq!(resolved(yaml, Settings::default()).unwrap_err(), expected);
    }
    let settings = Settings { max_age: Some("soon".to_owned()), ..Settings::default() };
    let expected = "--max-age (or SOWER_MAX_AGE): invalid value `soon`; expected a time of at most a year, such as `15m`, `2h` or `90s`";
    assert_eq!(resolved("", settings).unwrap_err(), expected);
}

#[test]
fn topics_form_a_tree() {
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
fn selections_are_read_with_their_criteria() {
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
    let found: Vec<_> = selections
        .iter()
        .map(|selection| (&*selection.name, &*selection.title, selection.criteria.query()))
        .collect();
    assert_eq!(
        found,
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
fn errors_in_topics_and_selections_have_positions() {
    for (yaml, expected) in [
        ("topics:\n  - nmae: A\n", "2:5: unknown key `nmae`; did you mean `name`?"),
        (
            "topics:\n  - name: A\n    color: red\n",
            "3:5: unknown key `color`; the keys are name, slug, parent, description, icon, language, entries, content, aliases, retired",
        ),
        ("topics:\n  - parent: A\n", "2:5: a topic needs a `name`"),
        ("topics:\n  - name: '!!'\n", "2:11: `name`: a name needs a letter or a digit to have an address"),
        (
            "topics:\n  - name: A\n    slug: A B\n",
            "3:11: `slug`: invalid value `A B`; expected a slug, such as `power-apps`",
        ),
        (
            "topics:\n  - name: A\n    entries: 0\n",
            "3:14: `entries`: invalid value `0`; expected a number from 1 to 100000",
        ),
        ("topics:\n  - name: A\n  - name: a\n", "3:5: duplicate topic `a`"),
        ("topics:\n  - name: A\n  - {name: B, aliases: [a]}\n", "3:5: `a` belongs to another topic"),
        (
            "topics:\n  - {name: A, parent: B}\n  - {name: B, parent: a}\n",
            "2:5: the topic `a` cannot be its own ancestor",
        ),
        ("topics: AI\n", "1:9: `topics` should be a list, but is text"),
        ("selections:\n  - name: '!'\n", "2:11: `name`: a name needs a letter or a digit to have an address"),
        ("selections:\n  - title: x\n", "2:5: a selection needs a `name`"),
        (
            "selections:\n  - name: x\n    order: random\n",
            "3:12: `order`: invalid value `random`; expected `date` or `heat`",
        ),
        (
            "selections:\n  - name: x\n    any: [a, '!']\n",
            "3:14: `any`: invalid value `!`; a name needs a letter or a digit to have an address",
        ),
        ("selections:\n  - name: x\n    any: [a, ~]\n", "3:14: `any`: empty item; fill it in or remove it"),
        (
            "selections:\n  - name: x\n    providers:\n      -\n",
            "4:8: `providers`: empty item; fill it in or remove it",
        ),
        (
            "selections:\n  - name: x\n    type: ['!']\n",
            "3:12: `type`: invalid value `!`; expected a name with a letter or a digit",
        ),
        (
            "selections:\n  - name: x\n    types: '!'\n",
            "3:12: `types`: invalid value `!`; expected a name with a letter or a digit",
        ),
        (
            "selections:\n  - name: x\n    limit: 0\n",
            "3:12: `limit`: invalid value `0`; expected a number from 1 to 100000",
        ),
        ("selections:\n  - name: x\n  - name: X\n", "3:11: duplicate selection `x`"),
        (
            "selections:\n  - name: x\n    min-quality: 3\n",
            "3:5: unknown key `min-quality`; did you mean `min_quality`?",
        ),
    ] {
        assert_eq!(resolved(yaml, Settings::default()).unwrap_err(), format!("sower.yaml:{expected}"));
    }
}
