//! Addresses: topics, old and retired ones, selections, archives, the list of all feeds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sower::config::args::Settings;
use sower::render::Format;

use crate::cold::{self, read_back};
use crate::support::{Daemon, Workspace, dated, parse, seed, titles};
use crate::valid;

const CONFIGURATION: &str = "
topics:
  - {name: Artificial Intelligence, slug: ai, aliases: [KI, Künstliche Intelligenz], description: About machines & minds}
  - {name: Deep Learning, parent: ai, icon: 'https://a.example/deep.png?a=1&b=2', language: de, content: excerpt, entries: 1}
  - {name: Vision, parent: Deep Learning}
  - {name: Coming}
  - {name: Flash, retired: true}
selections:
  - {name: Best videos, title: The best videos, types: [video], min_quality: 60, order: heat}
  - {name: not-ai, none: [KI]}
  - {name: forbes, providers: [forbes.com]}
";

fn configured(yaml: &str) -> Workspace {
    let work = Workspace::new();
    fs::write(work.path().join("sower.yaml"), yaml).unwrap();
    work
}

fn statuses(daemon: &Daemon, paths: &[&str]) -> Vec<u16> {
    paths.iter().map(|path| daemon.get(path).status).collect()
}

#[test]
fn child_topic_entries_are_in_every_ancestor_feed() {
    let work = configured(CONFIGURATION);
    work.write("a.md", dated("Seeing", "Vision"));
    work.write("b.md", dated("Thinking", "künstliche intelligenz"));
    let daemon = work.serve();
    daemon.shows(&["Seeing", "Thinking"]);
    assert_eq!(daemon.titles("/topics/vision.atom"), ["Seeing"]);
    assert_eq!(daemon.titles("/topics/deep-learning.rss"), ["Seeing"]);
    assert_eq!(daemon.titles("/topics/ai.atom").len(), 2);
    let deep = parse(&daemon.get("/topics/deep-learning.atom").body);
    assert_eq!(deep.title.unwrap().content, "Deep Learning · Feeds");
    let ai = parse(&daemon.get("/topics/ai.atom").body);
    assert_eq!(ai.description.unwrap().content, "About machines & minds");
    work.in_step(&daemon);
}

#[test]
fn old_slug_redirects_and_retired_topic_is_410() {
    let work = configured(CONFIGURATION);
    work.write("a.md", dated("A", "[KI, Flash]"));
    let daemon = work.serve();
    for (path, to) in [
        ("/topics/ki.atom", "topics/ai.atom"),
        ("/topics/artificial-intelligence.rss?x=y", "topics/ai.rss"),
        ("/topics/k%C3%BCnstliche-intelligenz.json", "topics/ai.json"),
        ("/topics/ki/2024-01.atom", "topics/ai/2024-01.atom"),
        ("/topics/ki", "topics/ai"),
    ] {
        let response = daemon.get(path);
        assert_eq!(response.status, 301, "{path}");
        assert_eq!(response.field("location"), format!("https://feeds.example.org/{to}"), "{path}");
    }
    assert_eq!(daemon.titles("/topics/ai.atom"), ["A"]);
    let paths = ["/topics/flash.atom", "/topics/flash.rss", "/topics/flash", "/topics/never.atom"];
    assert_eq!(statuses(&daemon, &paths), [410, 410, 410, 404]);
    assert!(!work.feeds().join("topics/flash.atom").exists());
}

#[test]
fn emptied_topic_keeps_its_feeds_over_restarts() {
    let work = configured(CONFIGURATION);
    work.write("a.md", dated("A", "[Passing, Staying]"));
    let daemon = work.serve();
    daemon.shows(&["A"]);
    work.in_step(&daemon);
    drop(daemon);
    work.write("a.md", dated("A", "Staying"));
    for _ in 0..2 {
        let daemon = work.serve();
        daemon.shows(&["A"]);
        for format in Format::FEEDS {
            for topic in ["passing", "coming"] {
                let path = format!("topics/{topic}{}", format.ending());
                let response = daemon.get(&format!("/{path}"));
                assert_eq!((response.status, titles(&response.body).len()), (200, 0), "{path}");
                let faults = valid::faults(&path, &response.body, "https://feeds.example.org/");
                assert_eq!(faults, Vec::<String>::new(), "{path}");
            }
        }
        let list = String::from_utf8(daemon.get("/feeds.opml").body).unwrap();
        assert!(list.contains("topics/coming.atom") && !list.contains("topics/passing.atom"), "{list}");
        work.in_step(&daemon);
    }
}

fn varied(work: &Workspace) {
    let extra = |kind: &str, quality: u8, heat: u8, host: &str, day: u8| {
        format!(
            "type: {kind}\nquality: {quality}\nheat: {heat}\ncategory: news\nprovider: {{name: At {host}, domain: {host}}}\ndate: 2024-01-0{day}\n"
        )
    };
    work.write("a.md", seed("A", "[KI]", &extra("video", 70, 1, "forbes.com", 1)));
    work.write("b.md", seed("B", "[Vision, Robots]", &extra("Video", 80, 9, "aws.amazon.com", 2)));
    work.write("c.md", seed("C", "[Robots]", &extra("article", 90, 5, "forbes.com", 3)));
    work.write("d.md", seed("D", "[Robots]", &extra("video", 50, 7, "a.example", 4)));
}

#[test]
fn selection_has_the_entries_that_match_its_criteria() {
    let work = configured(CONFIGURATION);
    varied(&work);
    let daemon = work.serve();
    daemon.shows(&["A", "B", "C", "D"]);
    for (path, expected) in [
        ("/selections/best-videos.atom", &["B", "A"][..]),
        ("/selections/not-ai.rss", &["D", "C"]),
        ("/selections/forbes.atom", &["C", "A"]),
        ("/all.atom?any=ai", &["B", "A"]),
        ("/all.atom?any=ai,robots&all=robots", &["D", "C", "B"]),
        ("/all.rss?none=vision&type=video", &["D", "A"]),
        ("/all.atom?provider=at-forbes-com", &["C", "A"]),
        ("/all.atom?provider=at.forbes.com", &["C", "A"]),
        ("/all.atom?min_quality=70.5", &["C", "B"]),
        ("/all.atom?category=news&order=heat&limit=2", &["B", "D"]),
        ("/all.atom?category=sport", &[]),
        ("/all.atom?language=en&limit=1", &["D"]),
        ("/all.atom?language=de", &[]),
        ("/all.atom?age=1h", &[]),
        ("/all.atom?age=36500d&limit=3", &["D", "C", "B"]),
    ] {
        assert_eq!(daemon.get(path).status, 200, "{path}");
        assert_eq!(daemon.titles(path), expected, "{path}");
    }
    let titled = parse(&daemon.get("/selections/best-videos.atom").body);
    assert_eq!(titled.title.unwrap().content, "The best videos · Feeds");
    work.in_step(&daemon);
    work.write("a.md", dated("A", "KI"));
    daemon.shows(&["A", "B", "C", "D"]);
    crate::support::eventually("selections show the change", || {
        daemon.titles("/selections/best-videos.atom") == ["B"]
            && daemon.titles("/all.atom?type=video") == ["D", "B"]
    });
}

#[test]
fn selection_has_one_canonical_address() {
    let work = configured(CONFIGURATION);
    varied(&work);
    let daemon = work.serve();
    daemon.shows(&["A", "B", "C", "D"]);
    for format in Format::FEEDS {
        let ending = format.ending();
        let canonical = format!("/all{ending}?any=ai,robots&type=video&min_quality=60");
        for spelling in [
            "type=video&min_quality=60&any=robots,ai",
            "any=Robots&any=KI&types=VIDEO&min_quality=60.0&utm_source=x",
            "any=robots%2Cai&type=video&min_quality=60&limit=50",
        ] {
            let response = daemon.get(&format!("/all{ending}?{spelling}"));
            assert_eq!(response.status, 301, "{spelling}");
            assert_eq!(
                response.field("location"),
                format!("https://feeds.example.org{canonical}"),
                "{spelling}"
            );
        }
        let response = daemon.get(&canonical);
        assert_eq!(response.status, 200, "{canonical}");
        assert_eq!(response.field("link"), format!("<https://feeds.example.org{canonical}>; rel=\"self\""));
        let faults =
            valid::faults(canonical.strip_prefix('/').unwrap(), &response.body, "https://feeds.example.org/");
        assert_eq!(faults, Vec::<String>::new(), "{canonical}");
        let tag = response.field("etag");
        assert_eq!(daemon.request("GET", &canonical, &[("If-None-Match", tag)]).status, 304);
        let dated = response.field("last-modified");
        assert_eq!(daemon.request("GET", &canonical, &[("If-Modified-Since", dated)]).status, 304);
        assert_eq!(daemon.request("HEAD", &canonical, &[]).field("etag"), tag);
    }
    for (path, to) in [("/all.atom?limit=50", "/all.atom"), ("/all.rss?any=&x=1", "/all.rss")] {
        assert_eq!(daemon.get(path).field("location"), format!("https://feeds.example.org{to}"), "{path}");
    }
    assert_eq!(statuses(&daemon, &["/all.atom?utm_source=x", "/topics/ai.atom?any=x"]), [200, 200]);
    for (path, message) in [
        ("/all.atom?any=!!!", "`any=!!!`: a name needs a letter or a digit"),
        ("/all.rss?min_quality=high", "`min_quality=high`: expected a number"),
        ("/all.atom?type=video&limit=51", "`limit=51`: expected a number from 1 to 50"),
        ("/all.atom?order=%1B%5B31m", "`order=\u{FFFD}[31m`: expected `date` or `heat`"),
    ] {
        let response = daemon.get(path);
        let body = String::from_utf8(response.body).unwrap();
        assert!(response.status == 400 && body.starts_with(message), "{path}: {} {body}", response.status);
    }
}

#[test]
fn archives_hold_every_entry_once_and_are_linked() {
    let work = configured("entries: 3\n");
    for number in 0..20 {
        let (month, day) = (1 + number / 6, 1 + number % 6);
        let topics = if number % 2 == 0 { "[Even, Number]" } else { "Number" };
        work.write(
            &format!("{number}.md"),
            seed(&format!("N{number}"), topics, &format!("date: 2024-0{month}-0{day}\n")),
        );
    }
    let daemon = work.serve();
    daemon.shows(&["N17", "N18", "N19"]);
    for (feed, count) in [("all", 20), ("topics/number", 20), ("topics/even", 10)] {
        for ending in ["atom", "rss"] {
            let mut path = format!("{feed}.{ending}");
            let mut seen = Vec::new();
            let mut documents = 0;
            loop {
                let response = daemon.get(&format!("/{path}"));
                assert_eq!(response.status, 200, "{path}");
                let text = String::from_utf8(response.body.clone()).unwrap();
                let archived = documents > 0;
                assert_eq!(text.contains("fh:archive"), archived, "{path}");
                let settled = response.field("cache-control").contains("max-age=604800");
                assert_eq!(settled, documents > 1, "{path}: the newest month may still grow");
                if archived {
                    assert!(text.contains(&format!("https://feeds.example.org/{feed}.{ending}")), "{path}");
                    seen.extend(titles(&response.body));
                }
                documents += 1;
                let document = roxmltree::Document::parse(&text).unwrap();
                let link = document.descendants().find(|node| node.attribute("rel") == Some("prev-archive"));
                let Some(link) = link else { break };
                let href = link.attribute("href").unwrap();
                path = href.strip_prefix("https://feeds.example.org/").unwrap().to_owned();
                crate::support::eventually("the document is mirrored", || work.feeds().join(&path).exists());
            }
            assert_eq!((seen.len(), documents), (count, 5), "{feed}.{ending}");
            assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), count, "{feed}.{ending}");
        }
    }
    work.in_step(&daemon);
    for number in 0..17 {
        work.remove(&format!("{number}.md"));
    }
    daemon.shows(&["N17", "N18", "N19"]);
    crate::support::eventually("archives disappear when all entries fit into the feed", || {
        daemon.get("/all/2024-03.atom").status == 404
    });
    work.in_step(&daemon);
}

#[test]
fn real_records_are_archived_once_each() {
    let Some(records) = crate::records::real_records() else { return };
    let config = cold::config(&records, Settings::default());
    let (tree, catalog) = (cold::tree(&config, cold::now()), cold::catalog(&config, cold::now()));
    let mut archived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_archive = |path: &str| path.starts_with("all/") && !path.ends_with(".html");
    for (path, body) in tree.iter().filter(|(path, _)| is_archive(path)) {
        let ids = read_back(path, body).into_iter().map(|seen| seen.id);
        archived.entry(path.rsplit('.').next().unwrap().to_owned()).or_default().extend(ids);
    }
    let mut expected: Vec<_> = catalog.entries().all().map(|entry| entry.record.id.to_string()).collect();
    expected.sort();
    assert!(expected.len() > 100 && archived.len() == Format::FEEDS.len());
    for (format, mut ids) in archived {
        ids.sort();
        assert_eq!(ids, expected, "{format}");
    }
}

#[test]
fn opml_is_nested_like_the_topics() {
    let work = configured(CONFIGURATION);
    varied(&work);
    let daemon = work.serve();
    daemon.shows(&["A", "B", "C", "D"]);
    let response = daemon.get("/feeds.opml");
    assert_eq!(response.field("content-type"), "text/x-opml; charset=utf-8");
    let text = String::from_utf8(response.body.clone()).unwrap();
    assert_eq!(
        valid::faults("feeds.opml", &response.body, "https://feeds.example.org/"),
        Vec::<String>::new()
    );
    let document = roxmltree::Document::parse(&text).unwrap();
    let outlines = document.descendants().filter(|node| node.has_tag_name("outline"));
    let nested: Vec<_> = outlines
        .map(|node| {
            let depth = node.ancestors().filter(|above| above.has_tag_name("outline")).count() - 1;
            let url = node.attribute("xmlUrl").map_or("", |url| &url["https://feeds.example.org/".len()..]);
            format!("{}{} {url}", "  ".repeat(depth), node.attribute("text").unwrap())
        })
        .collect();
    let expected = [
        "Feeds all.atom",
        "Artificial Intelligence ",
        "  Artificial Intelligence topics/ai.atom",
        "  Deep Learning ",
        "    Deep Learning topics/deep-learning.atom",
        "    Vision topics/vision.atom",
        "Coming topics/coming.atom",
        "Robots topics/robots.atom",
        "The best videos selections/best-videos.atom",
        "forbes selections/forbes.atom",
        "not-ai selections/not-ai.atom",
    ];
    assert_eq!(nested, expected);
}
