use std::time::Duration;

use url::Url;

use super::check::{MAX_FAULTS, duration};
use super::*;
use crate::config::{Config, SeedSettings};

fn rules() -> Rules {
    Rules {
        url: Url::parse("https://feeds.example.org/").unwrap(),
        max_size: 1 << 20,
        strict: false,
        frame_hosts: vec!["www.youtube.com".to_owned()],
        seeds: SeedSettings::default(),
        content: ContentMode::Defer,
    }
}

fn read_text(path: &str, text: &str) -> Reading {
    read(&rules(), &path.into(), text.as_bytes())
}

/// Returns the record of a seed with this front matter.
pub(super) fn record(yaml: &str) -> Record {
    let (record, faults) = seed("a.md", &format!("---\n{yaml}---\n"));
    *record.unwrap_or_else(|| panic!("{faults:#?}"))
}

fn seed(path: &str, text: &str) -> (Option<Box<Record>>, Vec<Fault>) {
    match read_text(path, text) {
        Reading::Seed { record, faults } => (record.map(|record| Box::new(record.record())), faults),
        other => panic!("{other:?}"),
    }
}

fn at(text: &str) -> Option<Timestamp> {
    date::parse(text).map(|parsed| parsed.at)
}

#[test]
fn every_field_is_in_the_record() {
    let record = record(
        r#"
title: "The &#8220;title&#8221;"
excerpt: "An  excerpt\n"
publishedDateTime: 2024-03-26T08:00:23Z
updatedDateTime: 2024-04-01
expiryDateTime: 2090-01-01
webUrl: https://a.example/x
originalUrl: https://b.example/y
topics: [C++, c++, RSS]
provider:
  name: A
  domain: a.example
  images: [{url: /a.png, width: 50, height: 50}]
  authors: [{name: Jane}, {name: ~}, {name: "  Joe  Doe "}]
images:
  - {url: "https://a.example/i.png?a=1&b=2", width: 640px, height: 480, title: "A &amp; B", isCached: true}
related:
  - {title: R, webUrl: "https://c.example/", excerpt: E, publishedDateTime: 2020-01-01T00:00:00Z, type: article, provider: {name: C}}
lang: pt-BR
type: video
category: news
quality: 61.5
heat: -1
length: PT1H29M
actions: [{url: "https://a.example/d.zip", title: Download, type: download, attribution: x}]
featuredContent: "<iframe src='https://www.youtube.com/embed/x'></iframe>"
secured: "TOPSECRET"
"#,
    );
    let image = |url: &str| Image { url: url.to_owned(), width: None, height: None, title: None };
    let topic = |name: &str, slug: &str| Topic { name: name.into(), slug: slug.into() };
    let expected = Record {
        path: "a.md".into(),
        id: "https://b.example/y".into(),
        id_by_name: false,
        title: "The “title”".to_owned(),
        summary: Some("An excerpt".to_owned()),
        link: Some("https://a.example/x".to_owned()),
        via: Some("https://b.example/y".to_owned()),
        published: at("2024-03-26T08:00:23Z"),
        updated: at("2024-04-01"),
        expires: at("2090-01-01"),
        hidden: None,
        topics: vec![topic("C++", "c-plus-plus"), topic("RSS", "rss")],
        provider: Some(Provider {
            name: "A".to_owned(),
            site: Some("https://a.example".to_owned()),
            image: Some("https://feeds.example.org/a.png".to_owned()),
        }),
        authors: vec!["Jane".to_owned(), "Joe Doe".to_owned()],
        language: Some("pt-BR".to_owned()),
        kind: Some("video".to_owned()),
        category: Some("news".to_owned()),
        quality: 61.5,
        heat: -1.0,
        length: Some(Duration::from_secs(89 * 60)),
        images: vec![Image {
            width: Some(640),
            height: Some(480),
            title: Some("A & B".to_owned()),
            ..image("https://a.example/i.png?a=1&b=2")
        }],
        related: vec![Related {
            title: "R".to_owned(),
            link: "https://c.example/".to_owned(),
            published: at("2020-01-01T00:00:00Z"),
            provider: Some("C".to_owned()),
        }],
        actions: vec![Action {
            url: "https://a.example/d.zip".to_owned(),
            title: Some("Download".to_owned()),
        }],
        embed: Some(Embed { url: "https://www.youtube.com/embed/x".to_owned(), kind: EmbedKind::Player }),
        content: record.content.clone(),
    };
    assert_eq!(record, expected);
    assert_eq!(
        record.content.full(),
        "<p><img src=\"https://a.example/i.png?a=1&amp;b=2\" width=\"640\" height=\"480\" alt=\"A &amp; B\"></p>\
                  <iframe src=\"https://www.youtube.com/embed/x\"></iframe><p>An excerpt</p>\
                  <ul><li><a href=\"https://a.example/d.zip\">Download</a></li></ul>\
                  <h3>Related</h3><ul><li><a href=\"https://c.example/\">R</a> (C, 2020-01-01)</li></ul>"
    );
}

#[test]
fn id_does_not_depend_on_the_text() {
    for (path, extra, expected) in [
        ("a.md", "id: urn:x:1\noriginalUrl: https://b.example/\n", "urn:x:1"),
        ("a.md", "originalUrl: https://b.example/\nwebUrl: https://a.example/\n", "https://b.example/"),
        ("a.md", "webUrl: https://a.example/\n", "https://a.example/"),
        ("x/2024-03-26-näme.md", "", "tag:feeds.example.org,2024-03-26:2024-03-26-n%C3%A4me"),
        ("x/a b.md", "date: 2020-01-02T03:04:05Z\n", "tag:feeds.example.org,2020-01-02:a%20b"),
        ("x/bundle/index.md", "date: 2020-01-02\n", "tag:feeds.example.org,2020-01-02:bundle"),
    ] {
        let (record, faults) = seed(path, &format!("---\ntitle: A\ntopics: t\n{extra}---\n"));
        assert_eq!(&*record.unwrap_or_else(|| panic!("{faults:?}")).id, expected);
    }
}

#[test]
fn body_has_no_characters_that_xml_forbids() {
    for (path, text, expected) in [
        ("a.html", "<p>a\u{7}b&#7;c</p>", "<p>abc</p>"),
        ("a.md", "a *b* [c](d)\n", "<p>a <em>b</em> <a href=\"https://a.example/x/d\">c</a></p>"),
        ("a.md", "", ""),
    ] {
        let (record, _) =
            seed(path, &format!("---\ntitle: A\ntopics: t\nwebUrl: https://a.example/x/y\n---\n{text}"));
        assert_eq!(record.unwrap().content.full(), expected, "{text}");
    }
}

#[test]
fn part_that_nests_too_deeply_is_left_out_alone() {
    let (deep, open) = ("<b>".repeat(2000), "---\ntitle: A\ntopics: t\nexcerpt: E\n");
    let why = "is left out: its elements nest too deeply";
    let embed = format!("featuredContent: {deep}\n");
    for (embed, body, content, expected) in [
        ("", &*deep, "<p>E</p>", vec![format!("a.html:7:1: the body {why}")]),
        (&embed, "B", "B", vec![format!("a.html:5:18: `featuredContent` {why}")]),
        (
            &embed,
            &deep,
            "<p>E</p>",
            vec![format!("a.html:5:18: `featuredContent` {why}"), format!("a.html:8:1: the body {why}")],
        ),
    ] {
        let (record, faults) = seed("a.html", &format!("{open}{embed}---\n\n{body}"));
        let help = " (close every element)";
        let faults: Vec<_> = faults.iter().map(|fault| fault.to_string().replace(help, "")).collect();
        assert_eq!((record.unwrap().content.full().as_str(), faults), (content, expected));
    }
}

#[test]
fn hiding_fields_make_a_record_unpublished_or_removed() {
    for (yaml, expected) in [
        ("published: true\n", None),
        ("published: false\n", Some(Hidden::Unpublished)),
        ("published: \"False\"\n", Some(Hidden::Unpublished)),
        ("draft: yes\n", Some(Hidden::Unpublished)),
        ("removed: true\npublished: true\n", Some(Hidden::Removed)),
        ("deleted: true\ndraft: true\n", Some(Hidden::Removed)),
        ("published: ~\n", None),
    ] {
        assert_eq!(record(&format!("title: A\ntopics: t\n{yaml}")).hidden, expected, "{yaml}");
    }
}

#[test]
fn drafts_folder_makes_its_seeds_unpublished() {
    let hidden = |path| seed(path, "---\ntitle: A\ntopics: t\npublished: true\n---\n").0.unwrap().hidden;
    assert_eq!(hidden("blog/_drafts/a.md"), Some(Hidden::Unpublished));
    assert_eq!(hidden("_drafts/a.md"), Some(Hidden::Unpublished));
    assert_eq!(hidden("drafts/_drafts.md"), None);
}

#[test]
fn dates_of_hugo_and_jekyll_are_read() {
    let dates = |yaml: &str| {
        let record = record(&format!("title: A\ntopics: t\n{yaml}"));
        [record.published, record.updated, record.expires].map(|at| at.map(|at| at.format("%F").to_string()))
    };
    let expected = ["2024-02-01", "2024-03-01", "2024-04-01"].map(|date| Some(date.to_owned()));
    assert_eq!(
        dates("date: 2024-01-01\npublishDate: 2024-02-01\nupdated: 2024-03-01\nexpiryDate: 2024-04-01\n"),
        expected
    );
    assert_eq!(
        dates("publishdate: 2024-02-01\nlastmod: 2024-03-01\nupdated: 2020-01-01\nexpirydate: 2024-04-01\n"),
        expected
    );
    for (yaml, path, day) in [
        ("", "x/2024-02-03-a/index.md", Some(3)),
        ("", "2024-02-03-x/a.md", None),
        ("date: ~\n", "2024-02-03-a.md", Some(3)),
    ] {
        let (record, _) = seed(path, &format!("---\ntitle: A\ntopics: t\n{yaml}---\n"));
        assert_eq!(record.unwrap().published.map(|at| chrono::Datelike::day(&at)), day, "{path}");
    }
}

#[test]
fn image_may_be_an_address_alone() {
    let record = record("title: A\ntopics: t\nimages: [/a.png, {url: b.png, width: 3}]\n");
    let urls: Vec<_> = record.images.iter().map(|image| (&*image.url, image.width)).collect();
    assert_eq!(
        urls,
        [("https://feeds.example.org/a.png", None), ("https://feeds.example.org/b.png", Some(3))]
    );
}

/// Returns the rules of a configuration.
fn configured(yaml: &str) -> Rules {
    Rules { url: rules().url, ..Rules::new(&Config::sample(yaml), false) }
}

#[test]
fn topic_fields_name_topics() {
    let fields = "topic_fields: [tags, categories, taxonomies.tags, category]\n";
    let words = "topic_fields: [tags, categories]\ntopic_words: true\n";
    let all = "topic_fields: [tags]\ndefault_topic: R&amp;D\n";
    for (configuration, yaml, expected) in [
        (fields, "tags: [B, a]\ntopics: [T]\ncategories: C d\n", Ok(&["T", "B", "a", "C d"][..])),
        (fields, "taxonomies:\n  other: 1\n  tags: [x]\ncategory: y\ntags: [X]\n", Ok(&["X", "y"])),
        (fields, "tags:\ntaxonomies: {}\ncategories: ['', ~, x]\n", Ok(&["x"])),
        (words, "tags: a b  c\ncategories: d e, f\n", Ok(&["a", "b", "c", "d e", "f"])),
        (words, "topics: a b\ntags: [c d]\n", Ok(&["a b", "c d"])),
        (all, "", Ok(&["R&D"])),
        (all, "topics: []\ntags: ''\n", Ok(&["R&D"])),
        (all, "tags: x\n", Ok(&["x"])),
        (
            fields,
            "tags: []\n",
            Err(
                "1:1 [---] a seed needs one of `topics`, `tags`, `categories`, `taxonomies.tags`, `category`, or it would be in no topic's feed (add one, or set `default_topic` in sower.yaml)",
            ),
        ),
        (
            fields,
            "tags: {a: b}\n",
            Err("3:7 [{a: b}] `tags` should be a list of names, or one name, but is a mapping"),
        ),
        (fields, "taxonomies: x\n", Err("3:13 [x] `taxonomies` should be a mapping, but is text")),
        (
            fields,
            "taxonomies:\n  tags: [a, [b]]\n",
            Err("4:13 [[b]]] `taxonomies.tags[1]` should be text, but is a list"),
        ),
        (fields, "taxonomies:\n  x: 1\n  x: 2\n", Err("5:3 [x: 2] this key appears twice")),
        (fields, "tags: a\ntags: b\n", Err("4:1 [tags: b] this key appears twice")),
        (
            all,
            "tags: ['!']\n",
            Err("3:8 ['!'] this topic is left out: a name needs a letter or a digit to have an address"),
        ),
        (
            "",
            "tags: a\n",
            Err(
                "1:1 [---] a seed needs `topics`, or it would be in no topic's feed (add `topics: …`: a name, or a list of names)",
            ),
        ),
    ] {
        let (rules, text) = (configured(configuration), format!("---\ntitle: A\n{yaml}---\n"));
        match expected {
            Ok(names) => {
                let reading = read(&rules, &"a.md".into(), text.as_bytes());
                let Reading::Seed { record: Some(record), faults } = reading else { panic!("{reading:?}") };
                let found: Vec<_> = record.facets.topics.iter().map(|topic| &*topic.name).collect();
                assert_eq!((found.as_slice(), faults.len()), (names, 0), "{yaml}");
            }
            Err(faults) => {
                assert_eq!(
                    verdict("a.md", text.as_bytes(), &rules),
                    (false, vec![faults.to_owned()]),
                    "{yaml}"
                );
            }
        }
    }
}

#[test]
fn fault_in_one_topic_field_leaves_the_others() {
    let rules = configured("topic_fields: [tags, taxonomies.tags]\n");
    let text = "---\ntitle: A\ntags: {}\ntaxonomies: {tags: x}\n---\n";
    let (has_record, faults) = verdict("a.md", text.as_bytes(), &rules);
    assert_eq!((has_record, faults.len()), (true, 1), "{faults:?}");
    let most = format!("---\ntitle: A\ntopics: [{}]\ntags: [x, y]\n---\n", "a, ".repeat(49));
    let (has_record, faults) = verdict("a.md", most.as_bytes(), &rules);
    let expected = "4:11 [y] the topics from here on are left out: a seed can have 50";
    assert_eq!((has_record, faults), (true, vec![expected.to_owned()]));
}

#[test]
fn topic_fields_may_not_name_other_known_fields() {
    let others = fields::KEYS.iter().filter(|key| !["topics", "type", "category"].contains(key));
    assert!(others.eq(crate::config::FIELDS_IN_USE));
}

#[test]
fn permalink_is_made_of_name_and_date() {
    let dated = "topic_fields: [categories]\npermalink: https://b.example/{categories}/{year}/{month}/{day}/{name}.html\n";
    let pretty = "permalink: https://b.example/{folder}/{stem}/\n";
    for (configuration, path, yaml, expected) in [
        (dated, "2024-02-03-a.md", "", Some("https://b.example/2024/02/03/a.html")),
        (
            dated,
            "2024-02-03-a b.md",
            "date: 2024-02-04 23:00:00 -0800\ncategories: [X, Y z]\n",
            Some("https://b.example/x/y%20z/2024/02/04/a%20b.html"),
        ),
        (dated, "a.md", "", None),
        (pretty, "posts/2024-02-03-a.md", "", Some("https://b.example/posts/2024-02-03-a/")),
        (pretty, "blog/_posts/ä/b/index.md", "", Some("https://b.example/blog/%C3%A4/b/")),
        (pretty, "a.md", "slug: ../b?\n", Some("https://b.example/..%2Fb%3F/")),
        (pretty, "a.md", "url: /b/c.html\nslug: d\n", Some("https://b.example/b/c.html")),
        (pretty, "a.md", "url: b\n", Some("https://b.example/b")),
        (pretty, "a.md", "path: b\n", Some("https://b.example/b/")),
        (pretty, "b/index.fr.md", "", Some("https://b.example/b.fr/")),
        (dated, "2024-2-3_a/index.fr.md", "", Some("https://b.example/2024/02/03/a.fr.html")),
        (pretty, "a.md", "permalink: pretty\n", Some("https://b.example/a/")),
        (pretty, "a.md", "path: //c.example/x\n", Some("https://b.example/c.example/x/")),
        (pretty, "a.md", "webUrl: https://c.example/\nurl: /b/\n", Some("https://c.example/")),
        ("", "a.md", "url: /b/\nslug: [x]\n", None),
    ] {
        let text = format!("---\ntitle: A\ntopics: t\n{yaml}---\n");
        let reading = read(&configured(configuration), &path.into(), text.as_bytes());
        let Reading::Seed { record: Some(record), faults } = reading else { panic!("{reading:?}") };
        assert_eq!((record.record().link.as_deref(), faults.len()), (expected, 0), "{path} {yaml}");
    }
}

#[test]
fn relative_links_use_the_page_and_images_its_folder_or_the_site() {
    let rules = configured("permalink: https://b.example/{folder}/{stem}/\n");
    let text = b"---\ntitle: A\ntopics: t\nimages: [a.png]\n---\n![](b.png)\n";
    let text = String::from_utf8_lossy(text);
    for (path, url, pictures) in [
        ("x/y/index.md", "", ["https://b.example/x/y/a.png", "https://b.example/x/y/b.png"]),
        ("x/y/index.md", "url: z\n", ["https://b.example/z/a.png", "https://b.example/z/b.png"]),
        ("x/y/index.md", "url: z/i.html\n", ["https://b.example/z/a.png", "https://b.example/z/b.png"]),
        ("x/y.md", "", ["https://b.example/a.png", "https://b.example/x/y/b.png"]),
    ] {
        let text = text.replacen("---\n", &format!("---\n{url}"), 1);
        let reading = read(&rules, &path.into(), text.as_bytes());
        let Reading::Seed { record: Some(record), .. } = reading else { panic!("{reading:?}") };
        let record = record.record();
        assert_eq!(record.images[0].url, pictures[0], "{path} {url}");
        assert!(record.content.full().contains(pictures[1]), "{path} {url}");
    }
}

#[test]
fn address_pattern_is_a_warning() {
    let rules = configured("permalink: https://b.example/{stem}/\n");
    let text = b"---\ntitle: A\ntopics: t\npermalink: /:year/:title/\n---\n";
    let (has_record, faults) = verdict("a.md", text, &rules);
    let expected = "warning 4:12 [/:year/:title/] `permalink` is a pattern, which is not supported (write the \
                    address itself; the link follows `permalink` in sower.yaml)";
    assert_eq!((has_record, faults), (true, vec![expected.to_owned()]));
}

#[test]
fn hiding_fields_of_hugo_hide_in_any_spelling() {
    let hidden = |yaml: &str| record(&format!("title: A\ntopics: t\ndate: 2024-01-01\n{yaml}"));
    assert_eq!(hidden("headless: true\n").hidden, Some(Hidden::Unpublished));
    assert!(hidden("unpublishdate: 2024-01-02\n").expires.is_some());
    let at = hidden("pubdate: 2099-01-02\n").published.unwrap();
    assert_eq!(at.format("%F").to_string(), "2099-01-02");
    for key in ["PublishDate", "publishDATE", "ExpiryDate", "Draft", "HEADLESS"] {
        let text = format!(
            "---\ntitle: A\ntopics: t\ndate: 2024-01-01\nexpires: 2099-01-01\ndraft: false\n{key}: x\n---\n"
        );
        assert!(seed("a.md", &text).0.is_none(), "{key}");
    }
}

/// Returns `true` if a seed with one more line of front matter is shown, or `None` if the line costs its record.
fn is_shown_with(line: &str) -> Option<bool> {
    let text = format!("---\ntitle: A\ntopics: t\n{line}\n---\n");
    let now = at("2024-06-01").unwrap();
    match read_text("2024-01-01-a.md", &text) {
        Reading::Seed { record, .. } => record.map(|record| record.visibility(now, false).shown.is_ok()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_name_that_can_hide_a_record_costs_it_if_misspelt() {
    assert_eq!(is_shown_with(""), Some(true));
    let values = ["true", "false", "2023-01-01", "2099-01-01"];
    for key in fields::KEYS {
        let hides = values.iter().any(|value| is_shown_with(&format!("{key}: {value}")) == Some(false));
        let marked =
            fields::Field::named(key).is_some_and(|field| field.cost == fields::Cost::RecordAlsoIfMisspelt);
        assert_eq!(hides, marked, "{key}");
        if marked {
            assert_eq!(is_shown_with(&format!("{key}: [x]")), None, "{key} of another type");
            let upper = key.to_uppercase();
            let expected = if *key == "date" { Some(true) } else { None };
            assert_eq!(is_shown_with(&format!("{upper}: x")), expected, "{upper}");
        }
    }
}

#[test]
fn numeric_id_is_ignored_with_a_warning() {
    let (record, faults) = seed("2024-01-02-a.md", "---\ntitle: A\ntopics: t\nid: 42\n---\n");
    assert_eq!((&*record.unwrap().id, faults.len()), ("tag:feeds.example.org,2024-01-02:2024-01-02-a", 1));
    assert_eq!(faults[0].severity, Severity::Warning);
}

#[test]
fn toml_and_yaml_give_the_same_record() {
    let yaml = "title: A\ntopics: [x, y]\ndate: 2024-02-03T04:05:06Z\nquality: 2.0\ndraft: true\n\
                provider: {name: P, authors: [{name: J}]}\nimages: [{url: /a.png, width: 3}, b.png]\nextra: {a: 1}\n";
    let toml = "title = 'A'\ntopics = ['x', 'y']\ndate = 2024-02-03 04:05:06Z\nquality = 2.0\ndraft = true\n\
                [provider]\nname = 'P'\n[[provider.authors]]\nname = 'J'\n[[images]]\nurl = '/a.png'\nwidth = 3\n\
                [[images]]\nurl = 'b.png'\n[extra]\na = 1\n";
    let (record, faults) = seed("a.md", &format!("+++\n{toml}+++\nBody\n"));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(record, seed("a.md", &format!("---\n{yaml}---\nBody\n")).0);
}

#[test]
fn json_front_matter_is_read() {
    let text = "{\n  \"title\": \"A \\u00e4 \\/ \\uD83D\\ude00 \\\\ud83d\\\\ude00\",\n\t\"topics\": [\"t\"],\n  \"draft\": true\n}\n\nBody\n";
    let (record, faults) = seed("a.md", text);
    let record = record.unwrap_or_else(|| panic!("{faults:?}"));
    assert_eq!(
        (&*record.title, record.hidden, faults.len()),
        ("A ä / 😀 \\ud83d\\ude00", Some(Hidden::Unpublished), 0)
    );
    assert_eq!(record.content.full(), "<p>Body</p>");
    for (text, expected) in [
        (
            "{\n  \"title\": [1],\n  \"topics\": \"t\"\n}\n",
            "2:12 [[1],] `title` should be text, but is a list",
        ),
        (
            "{\n  \"title\": \"A\"\n}\n",
            "1:1 [{] a seed needs `topics`, or it would be in no topic's feed (add `topics: …`: a name, or a list of names)",
        ),
        (
            "{\n}\nnot JSON at all: {\n}\n\u{FFFE}",
            "1:1 [{] a seed needs a `title` (add `title: …` to its front matter)",
        ),
    ] {
        assert_eq!(verdict("a.md", text.as_bytes(), &rules()).1[0], expected, "{text}");
    }
    let deep = "<b>".repeat(2000);
    let (_, faults) = seed("a.html", &format!("{{\n\"title\": \"A\",\"topics\": \"t\"\n}}\n\n{deep}"));
    assert!(faults[0].to_string().starts_with("a.html:5:1: the body is left out"), "{}", faults[0]);
}

#[test]
fn toml_faults_have_place_reason_and_help() {
    let cases: &[(&str, bool, &[&str])] = &[
        (
            "+++\ntitle = 'A'\n",
            false,
            &["1:1 [+++] front matter opens here and never closes (end it with a line of three plus signs)"],
        ),
        (
            "++\ntitle = 'A'\n+++\n",
            false,
            &[
                "1:1 [++] front matter must begin with a line of three plus signs as the first line (write `+++` there, with nothing before it)",
            ],
        ),
        (
            "+++\ntitel = 'A'\n+++\n",
            false,
            &[
                "1:1 [+++] a seed needs a `title` (add `title = …` to its front matter)",
                "1:1 [+++] a seed needs `topics`, or it would be in no topic's feed (add `topics = …`: a name, or a list of names)",
                "warning 2:1 [titel] `titel` is not a field of a seed (did you mean `title`?)",
            ],
        ),
        (
            "+++\ntitle = 'A'\ntopics = 't'\ndate = 2024-01-01T10:00:00\nquality = 'high'\n[[images]]\nurl = 'data:x'\n+++\n",
            true,
            &[
                "warning 4:8 [2024-01-01T10:00:00] `date` has no offset, so UTC is assumed (add `Z` or an offset such as `+02:00`)",
                "5:11 ['high'] `quality` is left out: it is not a number",
                "7:7 ['data:x'] this image is left out: its `url` is not an http or https address",
            ],
        ),
        (
            "+++\ntitle = ['A']\ntopics = {}\ndraft = 'maybe'\n+++\n",
            false,
            &[
                "2:9 [['A']] `title` should be text, but is a list",
                "3:10 [{}] `topics` should be a list of names, or one name, but is a mapping",
                "4:9 ['maybe'] `draft` should be true or false",
            ],
        ),
        ("+++\ntitle = 'A'\ntitle = 'B'\n+++\n", false, &["3:1 [title = 'B'] this key appears twice"]),
        (
            "+++\ntitle: A\n+++\n",
            false,
            &[
                "2:8 [A] this is not valid TOML: key with no value, expected `=` (write `key = value`, or YAML between lines of three hyphens)",
            ],
        ),
    ];
    for (text, expects_record, expected) in cases {
        let (has_record, faults) = verdict("a.md", text.as_bytes(), &rules());
        assert_eq!(
            (faults, has_record),
            (expected.iter().map(ToString::to_string).collect(), *expects_record),
            "{text}"
        );
    }
}

/// Reads a seed. Returns `true` if it has a record, and its faults in a short form.
fn verdict(path: &str, bytes: &[u8], rules: &Rules) -> (bool, Vec<String>) {
    match read(rules, &path.into(), bytes) {
        Reading::Seed { record, faults } => {
            let short = |fault: &Fault| {
                let level = if fault.severity == Severity::Fault { "" } else { "warning " };
                let place = fault.place.as_ref().map_or_else(String::new, |place| {
                    let marked = place.excerpt.chars().skip(place.marked.start).take(place.marked.len());
                    format!("{}:{} [{}] ", place.at.line, place.at.column, marked.collect::<String>())
                });
                let help = fault.help.as_ref().map_or_else(String::new, |help| format!(" ({help})"));
                format!("{level}{place}{}{help}", fault.reason)
            };
            (record.is_some(), faults.iter().map(short).collect())
        }
        Reading::NotASeed => (false, vec!["not a seed".to_owned()]),
        Reading::Blank => (false, vec!["blank".to_owned()]),
    }
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[test]
fn yaml_faults_have_place_reason_and_help() {
    let cases: &[(&str, bool, &[&str])] = &[
        ("# no front matter\n", false, &["not a seed"]),
        ("\n", false, &["blank"]),
        (
            "---\ntitle: A\n",
            false,
            &["1:1 [---] front matter opens here and never closes (end it with a line of three hyphens)"],
        ),
        (
            "---\ntitle: A\ntopics: t\nquality: high\n---\n",
            true,
            &["4:10 [high] `quality` is left out: it is not a number"],
        ),
        (
            "---\ntitel: A\ntopics: t\n---\n",
            false,
            &[
                "1:1 [---] a seed needs a `title` (add `title: …` to its front matter)",
                "warning 2:1 [titel] `titel` is not a field of a seed (did you mean `title`?)",
            ],
        ),
        ("---\ntitle: A\ntopics: t\nprice: free\n---\n", true, &[]),
        ("---\ntitle: \" \"\ntopics: t\n---\n", false, &["2:8 [\" \"] `title` has no text"]),
        (
            "---\ntitle: A\n---\n",
            false,
            &[
                "1:1 [---] a seed needs `topics`, or it would be in no topic's feed (add `topics: …`: a name, or a list of names)",
            ],
        ),
        ("---\ntitle: A\ntopics: []\n---\n", false, &["3:9 [[]] `topics` has no topic"]),
        (
            "---\ntitle: A\ntopics:\n  - ok\n  - ../x\n---\n",
            true,
            &["5:5 [../x] this topic is left out: a name cannot have `..` as a path segment"],
        ),
        (
            "---\ntitle: A\ntopics: '!'\n---\n",
            false,
            &["3:9 ['!'] this topic is left out: a name needs a letter or a digit to have an address"],
        ),
        (
            "---\ntitle: A\ntopics: t\npublishedDateTime: tomorrow\n---\n",
            false,
            &[
                "4:20 [tomorrow] `publishedDateTime` is not a date in the years 1 to 9999 (write `2024-03-26T08:00:23Z`, `2024-03-26 08:00:23 +0000` or `2024-03-26`)",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\ndate: 2024-01-01 10:00\nlastmod: 2023-01-01\n---\n",
            true,
            &[
                "warning 4:7 [2024-01-01 10:00] `date` has no offset, so UTC is assumed (add `Z` or an offset such as `+02:00`)",
                "warning 5:10 [2023-01-01] `lastmod` is before publication, so the date of publication is used",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\ndraft: maybe\n---\n",
            false,
            &["4:8 [maybe] `draft` should be true or false"],
        ),
        (
            "---\ntitle: A\ntopics: t\npublished: [x]\n---\n",
            false,
            &["4:12 [[x]] `published` should be text, but is a list"],
        ),
        (
            "---\ntitle: A\ntopics: t\nid: x42\n---\n",
            false,
            &[
                "4:5 [x42] `id` should be an absolute URI (write an address, `urn:uuid:…` or `tag:example.org,2024:…`, or leave it out)",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\nwebUrl: javascript:alert(1)\n---\n",
            false,
            &[
                "4:9 [javascript:alert(1)] `webUrl` is not an http or https address (write the full address, such as `https://example.com/page`)",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\nwebUrl: example.com\noriginalUrl: https://a.example/\n---\n",
            true,
            &[
                "4:9 [example.com] `webUrl` is not an http or https address (write the full address, such as `https://example.com/page`)",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\nwebUrl: https://a.example/\noriginalUrl: htps://x y\n---\n",
            false,
            &[
                "5:14 [htps://x y] `originalUrl` is not an http or https address (write the full address, such as `https://example.com/page`)",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\nid: urn:x:1\noriginalUrl: [x]\nwebUrl: x\n---\n",
            true,
            &[
                "5:14 [[x]] `originalUrl` should be text, but is a list",
                "6:9 [x] `webUrl` is not an http or https address (write the full address, such as `https://example.com/page`)",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\npublised: false\n---\n",
            false,
            &["4:1 [publised] `publised` is not a field of a seed (did you mean `published`?)"],
        ),
        ("---\ntitle: A\ntopics: t\ndate: 2020-01-01\ndata: x\n---\n", true, &[]),
        (
            "---\ntitle: A\ntopics: t\nimages:\n  - url: data:x\n  - {url: /i.png, width: wide}\n---\n",
            true,
            &[
                "5:10 [data:x] this image is left out: its `url` is not an http or https address",
                "6:26 [wide] `width` is left out: it is not a number of pixels",
            ],
        ),
        (
            "---\ntitle: A\ntopics: t\nrelated: [{title: R, webUrl: /r, type: [x], provider: {domain: a b, images: [{}]}}]\nactions: [{url: /a, type: [x]}]\n---\n",
            true,
            &[],
        ),
        (
            "---\ntitle: A\ntopics: t\nrelated:\n  - title: R\n---\n",
            true,
            &["5:5 [title: R] this related entry is left out: it needs a `title` and a `webUrl`"],
        ),
        (
            "---\ntitle: A\ntopics: t\nexcerpt: {a: b}\nprovider: me\nlength: long\n---\n",
            true,
            &[
                "4:10 [{a: b}] `excerpt` should be text, but is a mapping",
                "5:11 [me] `provider` should be a mapping, but is text",
                "6:9 [long] `length` is left out: it is not a duration (write an ISO 8601 duration such as `PT1H29M`)",
            ],
        ),
        ("---\ntitle: A\ntopics: t\ntitle: B\n---\n", false, &["4:1 [title: B] this key appears twice"]),
        (
            "---\njust text\n---\n",
            false,
            &["2:1 [just text] front matter should be `key: value` lines, but is text"],
        ),
        (
            "---\ntitle: A\n  topics: t\n---\n",
            false,
            &[
                "3:9 [: t] this is not valid YAML: mapping values are not allowed in this context (put a value with a colon in it in quotes)",
            ],
        ),
        (
            "---\n---\n",
            false,
            &[
                "1:1 [---] a seed needs a `title` (add `title: …` to its front matter)",
                "1:1 [---] a seed needs `topics`, or it would be in no topic's feed (add `topics: …`: a name, or a list of names)",
            ],
        ),
        (
            "---\ntitle: A\0\n---\n",
            false,
            &["2:9 [\u{FFFD}] a NUL byte: this is not a text file (save the file as UTF-8)"],
        ),
    ];
    for (text, expects_record, expected) in cases {
        let (has_record, faults) = verdict("a.md", text.as_bytes(), &rules());
        assert_eq!(faults, *expected, "{text}");
        assert_eq!(has_record, *expects_record, "{text}");
    }
}

#[test]
fn strict_mode_reports_unknown_keys_and_missing_dates() {
    let strict = Rules { strict: true, ..rules() };
    let (has_record, faults) = verdict("a.md", b"---\ntitle: A\ntopics: t\nprice: free\n---\n", &strict);
    assert!(has_record);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].contains("undated"), "{faults:?}");
    assert_eq!(faults[1], "4:1 [price] `price` is not a field of a seed");
}

#[test]
fn binary_and_oversized_files_are_faults() {
    let small = Rules { max_size: 64, ..rules() };
    let large = format!("---\ntitle: {}\n---\n", "x".repeat(64));
    for (bytes, expected) in [
        (&b"---\ntitle: \xFFA\n---\n"[..], "2:8 [\u{FFFD}] this is not UTF-8"),
        (b"\xFF\xFE-\0-\0-\0", "1:1 [\u{FFFD}] this is not UTF-8"),
        (large.as_bytes(), "1:1 [-] this seed is larger than 64 bytes"),
    ] {
        let (_, faults) = verdict("a.md", bytes, &small);
        assert!(faults[0].starts_with(expected), "{faults:?}");
    }
    let long = |end: &[u8]| [b"---\ntitle: A\ntopics: t\n---\n", &*b"x".repeat(300), end].concat();
    for (bytes, expected) in [
        (long(b"\xFFx"), "5:301 [\u{FFFD}] this is not UTF-8"),
        (long(b"\xE6\x9C"), "5:301 [\u{FFFD}] this is not UTF-8"),
    ] {
        let (_, faults) = verdict("a.md", &bytes, &rules());
        assert!(faults[0].starts_with(expected), "{faults:?}");
    }
    assert!(verdict("a.md", &long("机".as_bytes()), &rules()).0);
    assert_eq!(verdict("a.txt", &[0xE9; 10], &rules()).1, ["not a seed"]);
}

#[test]
fn hostile_yaml_is_refused_at_once() {
    let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (letter, previous) in ('b'..='z').zip('a'..='y') {
        bomb += &format!("{letter}: &{letter} [{}*{previous}]\n", format!("*{previous},").repeat(8));
    }
    let deep = format!("title: {}1{}\ntopics: t\n", "{a: ".repeat(3000), "}".repeat(3000));
    let nested = format!("title: A\ntopics: t\nx: {}\n", "[".repeat(15_000));
    let large = format!("title: A\ntopics: t\nx: {}\n", "y".repeat(17_000));
    for yaml in [bomb, deep, nested, large] {
        let (record, faults) = seed("a.md", &format!("---\n{yaml}---\n"));
        assert!(record.is_none() && faults.len() == 1, "{faults:?}");
    }
}

#[test]
fn faults_beyond_the_limit_are_counted() {
    let many = "  - url: data:x\n".repeat(1000);
    let (record, faults) =
        seed("a.md", &format!("---\ntitle: A\ntopics: t\nimages:\n{many}---\n{}", "x".repeat(1 << 19)));
    assert!(record.is_some_and(|record| record.images.is_empty()));
    assert_eq!(faults.len(), MAX_FAULTS + 1);
    assert_eq!(faults.last().map(|fault| fault.reason.as_str()), Some("and 980 more faults of this seed"));
}

#[test]
fn secured_text_is_in_no_record_and_no_fault() {
    for yaml in [
        "title: A\ntopics: t\nsecured: \"TOPSECRET\"\n",
        "title: A\ntopics: t\nsecured: [TOPSECRET, {a: TOPSECRET}]\n",
        "title: A\ntopics: t\nsecured: TOPSECRET: TOPSECRET\n",
        "title: A\ntopics: t\nsecured: \"TOPSECRET\nTOPSECRET\n",
        "title: \"A\ntopics: t\nsecured: \"TOPSECRET\"\n",
        "title: A\ntopics: t\nsecurd: TOPSECRET\n",
        "secured: TOPSECRET\nsecured: TOPSECRET\n",
        "title: A\ntopics: t\nprovider:\n  secured: TOPSECRET\n  secured: [TOPSECRET\n",
    ] {
        for rules in [rules(), Rules { strict: true, ..rules() }] {
            let reading = read(&rules, &"a.md".into(), format!("---\n{yaml}---\n").as_bytes());
            assert!(!format!("{reading:?}").contains("SECRET"), "{reading:#?}");
        }
    }
    for toml in [
        "title = 'A'\ntopics = 't'\nsecured = 'TOPSECRET'\n",
        "title = 'A'\ntopics = 't'\nsecured = TOPSECRET\nquality = 'x'\n",
        "title = ['A']\n[secured]\na = 'TOPSECRET'\nb = TOPSECRET\n",
        "title = 'A'\n\"sec\\u0075red\" = [1, 'TOPSECRET'\n",
        "title = 'A'\nsecurd = 'TOPSECRET'\n[x.secured]\nx = 'TOPSECRET'\nx = 'TOPSECRET'\n",
    ] {
        for rules in [Rules { strict: true, ..rules() }, configured("topic_fields: [x.y]\n")] {
            let reading = read(&rules, &"a.md".into(), format!("+++\n{toml}+++\n").as_bytes());
            assert!(!format!("{reading:?}").contains("SECRET"), "{reading:#?}");
        }
    }
}

#[test]
fn durations_are_iso_8601() {
    for (text, seconds) in
        [("PT1H29M", 5340), ("PT10M15S", 615), ("P1DT1S", 86_401), ("P1W", 604_800), ("PT1.5M", 90)]
    {
        assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
    }
    for text in ["", "P", "PT", "PT0S", "10:15", "PT5", "P1H", "PT1S1H", "PT-1S", "PT1e300S"] {
        assert_eq!(duration(text), None, "{text}");
    }
}
