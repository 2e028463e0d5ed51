//! Pages, as a browser meets them on a real socket.

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
fn a_feed_has_a_page_at_its_own_address_and_for_browsers_at_the_feeds() {
    let (work, daemon) = configured();
    for (page, feed, entries) in [
        ("/topics/one", "/topics/one.rss", &["A"][..]),
        (
            "/topics/%E6%9C%BA%E5%99%A8%E5%AD%A6%E4%B9%A0",
            "/topics/%E6%9C%BA%E5%99%A8%E5%AD%A6%E4%B9%A0.json",
            &["A"],
        ),
        ("/selections/ones", "/selections/ones.atom", &["A"]),
        ("/", "/all.atom", &[]),
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
    let style = daemon.get("/style.css");
    assert_eq!((style.status, style.field("content-type")), (200, "text/css; charset=utf-8"));
    for (path, to) in [("/topics/one/", "topics/one"), ("/selections/ones/index.html", "selections/ones")] {
        let moved = daemon.get(path);
        assert_eq!(moved.status, 301, "{path}");
        assert_eq!(moved.field("location"), format!("https://feeds.example.org/{to}"), "{path}");
    }
    let query = daemon.request("GET", "/all.atom?any=one", &[NAVIGATES]);
    assert_eq!(titles(&query.body), ["A"], "a selection on the spot has no page");
    work.in_step(&daemon);
}

#[test]
fn a_page_is_asked_for_again_only_once_it_changed() {
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
    eventually("the page follows", || shown(&daemon.get("/topics/one")) == ["Changed"]);
    assert_eq!(again("/topics/one.rss").status, 200);
    assert_eq!(daemon.get("/topics/two").tag(), other);
    work.in_step(&daemon);
}
