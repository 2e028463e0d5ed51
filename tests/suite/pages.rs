//! Pages over HTTP, as a browser requests them.

use std::fs;

use crate::support::{Daemon, Response, Workspace, dated, eventually, titles};
use crate::valid::headings;

const NAVIGATES: (&str, &str) = ("Sec-Fetch-Dest", "document");

fn shown(response: &Response) -> Vec<String> {
    assert_eq!((response.status, response.field("content-type")), (200, "text/html; charset=utf-8"));
    headings(std::str::from_utf8(&response.body).unwrap())
}

fn configured() -> (Workspace, Daemon) {
    let work = Workspace::new();
    fs::write(work.path().join("sower.yaml"), "selections: [{name: ones, any: [One]}]\n").unwrap();
    work.write("a.md", dated("A", "[One, 机器学习]"));
    work.write("b.md", dated("B", "Two"));
    let daemon = work.serve();
    daemon.shows(&["A", "B"]);
    (work, daemon)
}

#[test]
fn feed_page_is_at_its_address_and_for_browsers_at_the_feed() {
    let (work, daemon) = configured();
    for (page, feed, entries) in [
        ("/topics/one", "/topics/one.rss", &["A"][..]),
        (
            "/topics/%E6%9C%BA%E5%99%A8%E5%AD%A6%E4%B9%A0",
            "/topics/%E6%9C%BA%E5%99%A8%E5%AD%A6%E4%B9%A0.json",
            &["A"],
        ),
        ("/selections/ones", "/selections/ones.atom", &["A"]),
        ("/all", "/all.atom", &["A", "B"]),
    ] {
        let own = daemon.get(page);
        assert_eq!(shown(&own), entries, "{page}");
        let instead = daemon.request("GET", feed, &[NAVIGATES]);
        assert_eq!((instead.tag(), &instead.body), (own.tag(), &own.body), "{feed}");
        assert_eq!(instead.field("cache-control"), "private, no-cache", "{feed}");
        let raw = daemon.request("GET", &format!("{feed}?raw"), &[NAVIGATES]);
        assert_eq!(raw.body, daemon.get(feed).body, "{feed}");
        assert_eq!(raw.field("vary"), "Accept-Encoding, Sec-Fetch-Dest", "{feed}");
    }
    assert_eq!(shown(&daemon.get("/")), [""; 0], "the home page has feeds, and no entries");
    for (file, media_type) in
        [("/script.js", "text/javascript; charset=utf-8"), ("/icon.svg", "image/svg+xml")]
    {
        let response = daemon.get(file);
        assert_eq!((response.status, response.field("content-type")), (200, media_type));
    }
    for (path, to) in [("/topics/one/", "topics/one"), ("/selections/ones/index.html", "selections/ones")] {
        let moved = daemon.get(path);
        assert_eq!(moved.status, 301, "{path}");
        assert_eq!(moved.field("location"), format!("https://feeds.example.org/{to}"), "{path}");
    }
    let page = daemon.get("/all?any=one");
    assert_eq!(shown(&page), ["A"]);
    let query = daemon.request("GET", "/all.atom?any=one", &[NAVIGATES]);
    assert_eq!((&query.body, query.field("cache-control")), (&page.body, "private, no-cache"));
    assert_eq!(titles(&daemon.request("GET", "/all.atom?any=one&raw", &[NAVIGATES]).body), ["A"]);
    work.in_step(&daemon);
}

#[test]
fn client_with_a_page_gets_304_until_a_change() {
    let (work, daemon) = configured();
    let before = daemon.request("GET", "/topics/one", &[("Accept-Encoding", "br")]);
    let again = |path: &str| {
        daemon.request("GET", path, &[NAVIGATES, ("If-None-Match", before.tag()), ("Accept-Encoding", "br")])
    };
    for path in ["/topics/one", "/topics/one.rss"] {
        let response = again(path);
        assert_eq!((response.status, response.field("etag").contains("-br")), (304, true), "{path}");
        assert_ne!(response.field("content-security-policy"), "", "{path}");
    }
    let other = daemon.get("/topics/two").tag().to_owned();
    work.write("a.md", dated("Changed", "One"));
    daemon.shows(&["Changed", "B"]);
    eventually("the page shows the change", || shown(&daemon.get("/topics/one")) == ["Changed"]);
    assert_eq!(again("/topics/one.rss").status, 200);
    assert_eq!(daemon.get("/topics/two").tag(), other);
    work.in_step(&daemon);
}

#[test]
fn archive_pages_link_from_month_to_month() {
    let work = Workspace::new();
    fs::write(work.path().join("sower.yaml"), "entries: 1\n").unwrap();
    for month in 1..=3 {
        let seed = format!("---\ntitle: M{month}\ndate: 2024-0{month}-01\ntopics: One\n---\n");
        work.write(&format!("{month}.md"), seed);
    }
    let daemon = work.serve();
    daemon.shows(&["M3"]);
    let page = |path: &str| String::from_utf8(daemon.get(path).body).unwrap();
    assert!(page("/topics/one").contains("href=\"/topics/one/2024-01\""));
    let month = daemon.get("/topics/one/2024-02");
    assert_eq!(shown(&month), ["M2"]);
    let text = std::str::from_utf8(&month.body).unwrap();
    for link in ["2024-03\" rel=\"next\"", "2024-01\" rel=\"prev\""] {
        assert!(text.contains(&format!("<a href=\"/topics/one/{link}")), "{link}");
    }
    for (path, to) in [("/all/2024-02/", "all/2024-02"), ("/all/2024-02/index.html", "all/2024-02")] {
        let moved = daemon.get(path);
        assert_eq!(
            (moved.status, moved.field("location")),
            (301, &*format!("https://feeds.example.org/{to}"))
        );
    }
    let instead = daemon.request("GET", "/topics/one/2024-02.atom", &[NAVIGATES]);
    assert_eq!((&instead.body, instead.field("cache-control")), (&month.body, "private, no-cache"));
    let feed = daemon.get("/topics/one/2024-02.atom");
    assert_eq!(
        (titles(&feed.body), feed.field("vary")),
        (vec!["M2".to_owned()], "Accept-Encoding, Sec-Fetch-Dest")
    );
    assert_eq!(daemon.get("/topics/one/2023-02").status, 404);
    work.in_step(&daemon);
}

#[test]
fn browser_gets_a_page_with_404() {
    let (_work, daemon) = configured();
    let nothing = daemon.request("GET", "/topics/none", &[NAVIGATES]);
    assert_eq!((nothing.status, nothing.field("content-type")), (404, "text/html; charset=utf-8"));
    assert_eq!((nothing.field("etag"), nothing.field("cache-control")), ("", "no-cache"));
    assert!(nothing.field("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(nothing.body, daemon.get("/404.html").body);
    assert_eq!(daemon.get("/topics/none").field("content-type"), "text/plain; charset=utf-8");
}
