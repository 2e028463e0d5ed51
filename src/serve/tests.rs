use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, Version};

use super::admin::{Admin, Durations, Monitor, View, exposition, feed_usage};
use super::connection::{Connections, Handler};
use super::connection_limit::ConnectionLimit;
use super::handler::Site;
use crate::config::Config;
use crate::edition::{Edition, Representation};
use crate::publish::mirror_worker::MirrorMonitor;
use crate::render::Format;
use crate::seed::Timestamp;

const PATH: &str = "/topics/%E6%9C%BA.atom";
/// Sun, 06 Nov 1994 08:49:37 GMT
const PUBLISHED: u64 = 784_111_777;
const NOW: u64 = 800_000_000;

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn edition() -> Edition {
    let url = "https://a.example/topics/%E6%9C%BA.atom".to_owned();
    let body = "<feed/>".repeat(100).into_bytes();
    let media_type = "application/atom+xml; charset=utf-8";
    let mut feed = Representation::new(body, media_type, url, at(PUBLISHED), Duration::from_secs(900));
    feed.page = Some("topics/机/index.html".to_owned());
    let page = |url: &str| {
        let (body, url) = (b"<!doctype html>".repeat(100), format!("https://a.example/{url}"));
        let media_type = Format::Html.media_type();
        let mut page = Representation::new(body, media_type, url, at(PUBLISHED), Duration::from_secs(900));
        page.policy = Some("default-src 'none'".into());
        Arc::new(page)
    };
    let representations = [
        ("index.html".to_owned(), page("")),
        ("topics/机.atom".to_owned(), Arc::new(feed)),
        ("topics/机/index.html".to_owned(), page("topics/%E6%9C%BA")),
    ];
    let representations =
        representations.map(|(path, it)| (Arc::<str>::from(path), it)).into_iter().collect();
    let config = Arc::new(Config::sample("topics: [{name: Old, retired: true}, {name: 机, aliases: [ji]}]"));
    Edition { number: 1, representations, ..Edition::empty(config) }
}

fn site(edition: Edition) -> Arc<Site> {
    Arc::new(Site::new(Arc::new(ArcSwap::from_pointee(edition)), None))
}

fn view(site: &Arc<Site>) -> View {
    let monitor = Monitor::new(Durations::default(), MirrorMonitor::default());
    View { site: site.clone(), connections: Arc::new(ConnectionLimit::new(10)), monitor: Arc::new(monitor) }
}

async fn ask(
    site: &Arc<Site>,
    now: u64,
    method: &Method,
    path: &str,
    fields: &[(&str, &str)],
) -> Response<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "a.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let Ok(response) = site.handle(request.body(()).unwrap(), None, at(now)).await;
    response
}

async fn get(site: &Arc<Site>, path: &str, fields: &[(&str, &str)]) -> Response<Full<Bytes>> {
    ask(site, NOW, &Method::GET, path, fields).await
}

fn field<'a>(response: &'a Response<Full<Bytes>>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn body(response: Response<Full<Bytes>>) -> Bytes {
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
}

#[tokio::test]
async fn feed_has_all_response_fields() {
    let site = site(edition());
    for path in [PATH, "/topics/%e6%9c%ba.atom?utm_source=x"] {
        let response = get(&site, path, &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        for (name, expected) in [
            ("content-type", "application/atom+xml; charset=utf-8"),
            ("content-encoding", ""),
            ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("cache-control", "public, max-age=900, stale-while-revalidate=900, stale-if-error=86400"),
            ("vary", "Accept-Encoding, Sec-Fetch-Dest"),
            ("link", "<https://a.example/topics/%E6%9C%BA.atom>; rel=\"self\""),
            ("access-control-allow-origin", "*"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(field(&response, name), expected);
        }
    }
}

#[tokio::test]
async fn each_coding_has_its_own_tag_and_the_same_bytes() {
    let site = site(edition());
    let plain = get(&site, PATH, &[]).await;
    let hash = field(&plain, "etag").trim_matches('"').to_owned();
    let plain = body(plain).await;
    for (coding, suffix) in [("gzip", "-gz"), ("br", "-br")] {
        let response = get(&site, PATH, &[("accept-encoding", coding)]).await;
        assert_eq!(field(&response, "content-encoding"), coding);
        assert_eq!(field(&response, "etag"), format!("\"{hash}{suffix}\""));
        assert_eq!(field(&response, "vary"), "Accept-Encoding, Sec-Fetch-Dest");
        let coded = body(response).await;
        assert!(coded.len() < plain.len());
        let mut decoded = Vec::new();
        match coding {
            "gzip" => drop(flate2::read::GzDecoder::new(&*coded).read_to_end(&mut decoded).unwrap()),
            _ => brotli::BrotliDecompress(&mut &*coded, &mut decoded).unwrap(),
        }
        assert_eq!(decoded, plain);
    }
    let refused = get(&site, PATH, &[("accept-encoding", "identity;q=0")]).await;
    assert_eq!(
        (refused.status(), field(&refused, "vary")),
        (StatusCode::NOT_ACCEPTABLE, "Accept-Encoding, Sec-Fetch-Dest")
    );
}

#[tokio::test]
async fn not_modified_has_the_fields_of_the_full_response() {
    let site = site(edition());
    for coding in ["identity", "gzip", "br"] {
        let accept = ("accept-encoding", coding);
        let full = get(&site, PATH, &[accept]).await;
        let tag = field(&full, "etag").to_owned();
        let suffixed = format!("{}-gzip\"", tag.trim_end_matches('"'));
        for tag in [&tag, &format!("W/{tag}"), &suffixed] {
            let short = get(&site, PATH, &[accept, ("if-none-match", tag)]).await;
            assert_eq!(short.status(), StatusCode::NOT_MODIFIED, "{coding} {tag}");
            for name in ["etag", "last-modified", "cache-control", "vary", "access-control-allow-origin"] {
                assert_eq!(field(&short, name), field(&full, name));
            }
            for name in ["content-type", "content-encoding"] {
                assert_eq!(field(&short, name), "");
            }
        }
        // The tag of one coding does not match in another.
        let other = if coding == "gzip" { "br" } else { "gzip" };
        let other = get(&site, PATH, &[("accept-encoding", other), ("if-none-match", &tag)]).await;
        assert_eq!(other.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn encoding_is_shared_by_concurrent_requests() {
    let site = site(edition());
    let asked = || get(&site, PATH, &[("accept-encoding", "br")]);
    let (one, two, three) = tokio::join!(asked(), asked(), asked());
    let bodies = [body(one).await, body(two).await, body(three).await];
    assert!(bodies.iter().all(|body| body.as_ptr() == bodies[0].as_ptr()), "shared, not copied");
}

#[tokio::test]
async fn max_age_ends_when_the_next_edition_is_due() {
    let mut edition = edition();
    edition.next_due = Timestamp::from_timestamp(800_000_100, 0);
    let site = site(edition);
    for (now, expected) in
        [(800_000_000, "max-age=100,"), (799_000_000, "max-age=900,"), (800_000_200, "max-age=0,")]
    {
        let response = ask(&site, now, &Method::GET, PATH, &[]).await;
        assert!(field(&response, "cache-control").contains(expected), "{response:?}");
    }
}

#[tokio::test]
async fn last_modified_is_never_in_the_future() {
    let response = ask(&site(edition()), 784_111_000, &Method::GET, PATH, &[]).await;
    assert_eq!(field(&response, "last-modified"), "Sun, 06 Nov 1994 08:36:40 GMT");
}

#[tokio::test]
async fn methods_and_addresses_have_their_status() {
    let site = site(edition());
    for (method, path, status) in [
        (Method::GET, "//", StatusCode::NOT_FOUND),
        (Method::HEAD, "/nothing.atom", StatusCode::NOT_FOUND),
        (Method::GET, "/%FF", StatusCode::NOT_FOUND),
        (Method::GET, "/../topics/%E6%9C%BA.atom", StatusCode::NOT_FOUND),
        (Method::GET, "/topics/old.rss", StatusCode::GONE),
        (Method::GET, "/topics/ji.atom", StatusCode::MOVED_PERMANENTLY),
        (Method::GET, "/topics/ji/a%20b%22%3C", StatusCode::NOT_FOUND),
        (Method::GET, "/all.rss?limit=many", StatusCode::BAD_REQUEST),
        (Method::POST, PATH, StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/", StatusCode::METHOD_NOT_ALLOWED),
        (Method::OPTIONS, PATH, StatusCode::NO_CONTENT),
    ] {
        let response = ask(&site, NOW, &method, path, &[]).await;
        assert_eq!(response.status(), status, "{method} {path}");
        let allowed = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NO_CONTENT);
        assert_eq!(field(&response, "allow"), if allowed { "GET, HEAD, OPTIONS" } else { "" });
        let vary =
            if method == Method::OPTIONS { "Accept-Encoding" } else { "Accept-Encoding, Sec-Fetch-Dest" };
        assert_eq!(field(&response, "vary"), vary, "{method} {path}");
    }
    let moved = get(&site, "/topics/ji.atom", &[]).await;
    assert_eq!(field(&moved, "location"), "https://a.example/topics/%E6%9C%BA.atom");
}

#[tokio::test]
async fn preflight_request_is_allowed() {
    let preflight = [("origin", "https://b.example"), ("access-control-request-method", "GET")];
    let response = ask(&site(edition()), NOW, &Method::OPTIONS, PATH, &preflight).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(field(&response, "access-control-allow-origin"), "*");
    assert_eq!(field(&response, "access-control-allow-methods"), "GET, HEAD, OPTIONS");
    assert_eq!(field(&response, "access-control-allow-headers"), "*");
}

#[tokio::test]
async fn request_that_may_smuggle_another_is_refused() {
    let site = site(edition());
    let host = ("host", "a.example");
    for (version, fields, status) in [
        (Version::HTTP_11, &[host][..], StatusCode::OK),
        (Version::HTTP_10, &[], StatusCode::OK),
        (Version::HTTP_11, &[host, ("content-length", "0")], StatusCode::OK),
        (Version::HTTP_11, &[], StatusCode::BAD_REQUEST),
        (Version::HTTP_11, &[host, host], StatusCode::BAD_REQUEST),
        (Version::HTTP_10, &[host, host], StatusCode::BAD_REQUEST),
        (
            Version::HTTP_11,
            &[host, ("content-length", "5"), ("transfer-encoding", "chunked")],
            StatusCode::BAD_REQUEST,
        ),
        (Version::HTTP_11, &[host, ("content-length", "5")], StatusCode::PAYLOAD_TOO_LARGE),
        (Version::HTTP_11, &[host, ("transfer-encoding", "chunked")], StatusCode::BAD_REQUEST),
    ] {
        let mut request = Request::get(PATH).version(version);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let Ok(response) = site.handle(request.body(()).unwrap(), None, at(NOW)).await;
        assert_eq!(response.status(), status, "{version:?} {fields:?}");
        assert_eq!(field(&response, "connection"), if status.is_success() { "" } else { "close" });
    }
}

#[tokio::test]
async fn client_that_polls_too_often_is_rate_limited() {
    let mut edition = edition();
    edition.config = Arc::new(Config::sample("client_limit: 5"));
    let site = site(edition);
    let tag = field(&get(&site, PATH, &[]).await, "etag").to_owned();
    let polite = ask(&site, NOW, &Method::GET, PATH, &[("if-none-match", &tag)]).await;
    assert_eq!(polite.status(), StatusCode::NOT_MODIFIED);
    let greedy = get(&site, PATH, &[]).await;
    assert_eq!(greedy.status(), StatusCode::TOO_MANY_REQUESTS);
    let retry_after: u64 = field(&greedy, "retry-after").parse().unwrap();
    assert!((1..=3600).contains(&retry_after), "{retry_after}");
    // All selections share a bucket.
    let mut spelled = Vec::new();
    for number in 1..4 {
        spelled.push(get(&site, &format!("/all.rss?limit={number}"), &[]).await.status());
    }
    assert_eq!(spelled, [StatusCode::OK, StatusCode::TOO_MANY_REQUESTS, StatusCode::TOO_MANY_REQUESTS]);
}

#[tokio::test]
async fn responses_are_counted() {
    let site = site(edition());
    let aggregator = ("user-agent", "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers)");
    let tag = field(&get(&site, PATH, &[aggregator]).await, "etag").to_owned();
    get(&site, PATH, &[("if-none-match", &tag)]).await;
    get(&site, "/nothing", &[]).await;
    let shown = exposition(&view(&site));
    for line in [
        "sower_polls_total{feed=\"topics/机\",format=\"atom\",status=\"200\",coding=\"identity\"} 1",
        "sower_polls_total{feed=\"topics/机\",format=\"atom\",status=\"304\",coding=\"identity\"} 1",
        "sower_saved_bytes_total 700",
        "sower_other_answers_total{status=\"404\"} 1",
        "sower_not_modified 0.5",
        "sower_edition 1",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    assert!(shown.ends_with("# EOF\n"));
}

const PAGE: &str = "/topics/%E6%9C%BA";
const NAVIGATES: (&str, &str) = ("sec-fetch-dest", "document");

#[tokio::test]
async fn page_has_one_address() {
    let site = site(edition());
    for path in ["/", PAGE, "/topics/%e6%9c%ba?x"] {
        let response = get(&site, path, &[]).await;
        assert_eq!(
            (response.status(), field(&response, "vary")),
            (StatusCode::OK, "Accept-Encoding"),
            "{path}"
        );
        assert_eq!(field(&response, "content-type"), "text/html; charset=utf-8");
        assert!(field(&response, "cache-control").starts_with("public, max-age=900,"), "{path}");
        assert!(
            field(&response, "content-security-policy").starts_with("default-src 'none'; frame-ancestors"),
            "{path}"
        );
    }
    for (path, to) in [
        ("/index.html", ""),
        ("/topics/%E6%9C%BA/", "topics/%E6%9C%BA"),
        ("/topics/%E6%9C%BA/?x", "topics/%E6%9C%BA"),
        ("/topics/%E6%9C%BA/index.html", "topics/%E6%9C%BA"),
        ("/topics/ji/", "topics/%E6%9C%BA"),
    ] {
        let response = get(&site, path, &[]).await;
        assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY, "{path}");
        assert_eq!(field(&response, "location"), format!("https://a.example/{to}"), "{path}");
    }
    for path in ["//", "/topics", "/topics/", "/topics/x/", "/topics/%E6%9C%BA//", "/index.html/"] {
        assert_eq!(get(&site, path, &[]).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(get(&site, "/topics/old/", &[]).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn browser_at_the_address_of_a_feed_gets_its_page() {
    let site = site(edition());
    let own = get(&site, PAGE, &[]).await;
    let tag = field(&own, "etag").to_owned();
    let full = get(&site, PATH, &[NAVIGATES]).await;
    let short = get(&site, PATH, &[NAVIGATES, ("if-none-match", &tag)]).await;
    let coded = get(&site, PATH, &[NAVIGATES, ("accept-encoding", "br")]).await;
    assert_eq!((full.status(), short.status()), (StatusCode::OK, StatusCode::NOT_MODIFIED));
    assert_eq!((field(&full, "etag"), field(&coded, "content-encoding")), (&*tag, "br"));
    for response in [&full, &short, &coded] {
        for (name, expected) in [
            ("cache-control", "private, no-cache"),
            ("vary", "Accept-Encoding, Sec-Fetch-Dest"),
            (
                "link",
                "<https://a.example/topics/%E6%9C%BA.atom>; rel=\"alternate\"; type=\"application/atom+xml\"",
            ),
            ("content-security-policy", field(&own, "content-security-policy")),
        ] {
            assert_eq!(field(response, name), expected);
        }
    }
    assert_eq!(body(full).await, body(own).await);
}

#[tokio::test]
async fn other_clients_get_the_feed() {
    let site = site(edition());
    let html = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    for (query, fields) in [
        ("", &[html][..]),
        ("", &[("sec-fetch-dest", "empty")]),
        ("", &[("sec-fetch-dest", "image"), html]),
        ("?raw", &[NAVIGATES]),
        ("?utm_source=x&raw=1", &[NAVIGATES]),
    ] {
        let response = get(&site, &format!("{PATH}{query}"), fields).await;
        assert_eq!(
            field(&response, "content-type"),
            "application/atom+xml; charset=utf-8",
            "{query} {fields:?}"
        );
        assert_eq!(field(&response, "vary"), "Accept-Encoding, Sec-Fetch-Dest");
        assert!(field(&response, "cache-control").starts_with("public, "));
        assert_eq!(field(&response, "content-security-policy"), "");
    }
}

#[tokio::test]
async fn visitor_of_a_page_is_no_reader_of_the_feed() {
    let site = site(edition());
    get(&site, PATH, &[NAVIGATES]).await;
    get(&site, PAGE, &[]).await;
    get(&site, "/", &[]).await;
    let readers = |site: &Arc<Site>| -> Vec<_> {
        let usage = feed_usage(&view(site), at(NOW)).into_iter();
        usage.map(|feed| (feed.path, feed.readership.today)).collect()
    };
    assert_eq!(readers(&site), [("topics/机".to_owned(), 0)]);
    let shown = exposition(&view(&site));
    for line in [
        "sower_polls_total{feed=\"topics/机\",format=\"html\",status=\"200\",coding=\"identity\"} 2",
        "sower_polls_total{feed=\"all\",format=\"html\",status=\"200\",coding=\"identity\"} 1",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
    get(&site, PATH, &[]).await;
    assert_eq!(readers(&site), [("topics/机".to_owned(), 1)]);
}

/// Returns the bytes that answer these bytes on a connection of its own.
#[cfg(unix)]
async fn exchange<H: Handler>(handler: &Arc<H>, bytes: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let connections = Connections::new(handler.clone(), Arc::new(ConnectionLimit::new(10)));
    let (near, mut far) = tokio::net::UnixStream::pair().unwrap();
    connections.serve(near, None).await;
    far.write_all(bytes.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // The connection is reset if the server closes it before it has read everything.
    let read = far.read_to_end(&mut received).await;
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    assert!(connections.finish(Duration::from_secs(20)).await);
    String::from_utf8(received).unwrap()
}

#[tokio::test]
#[cfg(unix)]
async fn invalid_request_is_counted() {
    let site = site(edition());
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    for (bytes, status) in [("GET nothing\r\n\r\n", 400), (&long, 431), ("\0\r\n\r\n", 400)] {
        let response = exchange(&site, bytes).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
    let shown = exposition(&view(&site));
    for line in ["sower_other_answers_total{status=\"400\"} 2", "sower_other_answers_total{status=\"431\"} 1"]
    {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in {shown}");
    }
}

#[tokio::test]
#[cfg(unix)]
async fn admin_listener_answers_before_the_first_edition() {
    let admin = Arc::new(Admin::default());
    let get = async |path: &str| {
        exchange(&admin, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
    };
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200 "));
    for path in ["/", "/readyz", "/metrics", "/status.json"] {
        let response = get(path).await;
        assert!(
            response.starts_with("HTTP/1.1 503 ") && response.contains("still being read"),
            "{path}: {response}"
        );
    }
    let View { site, connections, monitor } = view(&site(edition()));
    admin.show(site, connections, monitor);
    assert!(get("/metrics").await.starts_with("HTTP/1.1 200 "));
}
