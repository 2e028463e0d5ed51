//! Answers: pure functions of what is found, the edition and the instant.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use super::precondition::{self, Outcome};
use crate::criteria::BadValue;
use crate::edition::{Edition, Representation};
use crate::seed::Timestamp;
use crate::text::printable;

/// The methods that every address answers.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What explanations are.
const PLAIN: &str = "text/plain; charset=utf-8";
/// How long an archive document may be kept to which no new entry is expected: those who follow a
/// feed back through its archives need not ask for them again (RFC 5005 §4).
const SETTLED: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Most addresses that an answer lists.
const MOST_ADDRESSES: usize = 200;
/// How long a reader may show an old feed while the server cannot be reached, in seconds.
const STALE_IF_ERROR: u64 = 24 * 60 * 60;

/// What a request asks for, if its method is one that asks for something.
pub(super) fn refused(method: &Method) -> Option<Response<Full<Bytes>>> {
    match *method {
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(answer(StatusCode::NO_CONTENT, [(ALLOW, METHODS.to_owned())], Bytes::new())),
        _ => {
            let text = format!("This address answers {METHODS}\n");
            Some(explain(StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, METHODS.to_owned())], text))
        }
    }
}

/// The answer with what an edition has at an address.
pub(super) fn found(
    representation: &Representation,
    edition: &Edition,
    max_age: Duration,
    now: SystemTime,
    headers: &HeaderMap,
) -> Response<Full<Bytes>> {
    let (longest, due) = match representation.archive {
        Some(archive) if archive.settled => (SETTLED, archive.until),
        _ => (max_age, edition.next_due),
    };
    represent(representation, until_due(due, longest, now), now, headers)
}

/// The answer with a selection that the address spells, which changes when one of its entries is too
/// old, or when the edition does.
pub(super) fn selected(
    representation: &Representation,
    edition: &Edition,
    until: Option<Timestamp>,
    max_age: Duration,
    now: SystemTime,
    headers: &HeaderMap,
) -> Response<Full<Bytes>> {
    let due = edition.next_due.into_iter().chain(until).min();
    represent(representation, until_due(due, max_age, now), now, headers)
}

/// The answer for an address that leads to another for good.
pub(super) fn moved(to: String, max_age: Duration) -> Response<Full<Bytes>> {
    let text = format!("This is at {to}\n");
    let keep = format!("public, max-age={}", max_age.as_secs());
    let described = [(CONTENT_TYPE, PLAIN.to_owned()), (LOCATION, to), (CACHE_CONTROL, keep)];
    answer(StatusCode::MOVED_PERMANENTLY, described, text.into())
}

/// The answer for the feeds of a retired topic.
pub(super) fn gone(uri: &Uri) -> Response<Full<Bytes>> {
    let text = format!("{} was here, and is gone for good. Unsubscribe from it.\n", shown(uri));
    explain(StatusCode::GONE, [], text)
}

/// The answer for a selection that cannot be meant.
pub(super) fn bad(value: &BadValue) -> Response<Full<Bytes>> {
    explain(StatusCode::BAD_REQUEST, [], format!("{}\n", printable(&value.to_string())))
}

/// The answer when too many selections are being made.
pub(super) fn busy() -> Response<Full<Bytes>> {
    let again = [(RETRY_AFTER, "10".to_owned())];
    explain(
        StatusCode::SERVICE_UNAVAILABLE,
        again,
        "Too many selections are asked for; try again\n".to_owned(),
    )
}

/// The answer for an address at which there is nothing: the feeds that there are.
pub(super) fn nothing(edition: &Edition, uri: &Uri) -> Response<Full<Bytes>> {
    let mut text = format!("Nothing is published at {}. These are the feeds:\n\n", shown(uri));
    let listed = edition.representations.values().filter(|representation| representation.archive.is_none());
    for representation in listed.take(MOST_ADDRESSES) {
        text.push_str(&representation.url);
        text.push('\n');
    }
    explain(StatusCode::NOT_FOUND, [], text)
}

/// The path that was asked for, as people read it.
fn shown(uri: &Uri) -> String {
    let path = percent_decode_str(uri.path()).decode_utf8().unwrap_or_else(|_| uri.path().into());
    printable(&path).into_owned()
}

fn represent(
    representation: &Representation,
    max_age: Duration,
    now: SystemTime,
    headers: &HeaderMap,
) -> Response<Full<Bytes>> {
    // A clock that was set back must not make a date in the future (RFC 9110 §8.8.2.1).
    let last_modified = representation.last_modified.min(now);
    let seconds = max_age.as_secs();
    let validators = [
        (ETAG, representation.entity_tag.clone()),
        (LAST_MODIFIED, httpdate::fmt_http_date(last_modified)),
        (
            CACHE_CONTROL,
            format!(
                "public, max-age={seconds}, stale-while-revalidate={seconds}, stale-if-error={STALE_IF_ERROR}"
            ),
        ),
        (VARY, "Accept-Encoding".to_owned()),
    ];
    match precondition::evaluate(headers, &representation.entity_tag, representation.last_modified) {
        Outcome::NotModified => answer(StatusCode::NOT_MODIFIED, validators, Bytes::new()),
        Outcome::Failed => explain(
            StatusCode::PRECONDITION_FAILED,
            [],
            "This is not what is published here now\n".to_owned(),
        ),
        Outcome::Proceed => {
            let description = [
                (CONTENT_TYPE, representation.media_type.to_owned()),
                (LINK, format!("<{}>; rel=\"self\"", representation.url)),
            ];
            answer(StatusCode::OK, validators.into_iter().chain(description), representation.body.clone())
        }
    }
}

/// How long an answer may be kept: no longer than until it is due to be another.
fn until_due(due: Option<Timestamp>, longest: Duration, now: SystemTime) -> Duration {
    due.map_or(longest, |due| longest.min(SystemTime::from(due).duration_since(now).unwrap_or_default()))
}

fn explain(
    status: StatusCode,
    fields: impl IntoIterator<Item = (HeaderName, String)>,
    text: String,
) -> Response<Full<Bytes>> {
    let described = [
        (CONTENT_TYPE, PLAIN.to_owned()),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (VARY, "Accept-Encoding".to_owned()),
    ];
    answer(status, fields.into_iter().chain(described), text.into())
}

fn answer(
    status: StatusCode,
    fields: impl IntoIterator<Item = (HeaderName, String)>,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    for (name, value) in fields {
        // Addresses are percent-encoded and everything else is ours, so every value is valid.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::serve::route::{Route, route};
    use std::sync::Arc;

    const MAX_AGE: Duration = Duration::from_secs(900);

    fn edition() -> Edition {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let url = "https://a.example/topics/%E6%9C%BA.atom".to_owned();
        let representation =
            Representation::new(b"<feed/>".to_vec(), "application/atom+xml; charset=utf-8", url, at);
        let representations = [("topics/机.atom".to_owned(), Arc::new(representation))].into();
        Edition { number: 1, representations, ..Edition::default() }
    }

    fn get(
        edition: &Edition,
        now: u64,
        method: &Method,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Response<Full<Bytes>> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
        let uri = path.parse().unwrap();
        refused(method).unwrap_or_else(|| match route(edition, &Config::sample(""), &uri) {
            Route::Found(representation) => found(representation, edition, MAX_AGE, now, &headers),
            _ => nothing(edition, &uri),
        })
    }

    fn field<'a>(response: &'a Response<Full<Bytes>>, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_feed_is_described_in_full() {
        let edition = edition();
        for path in ["/topics/%E6%9C%BA.atom", "/topics/%e6%9c%ba.atom?utm_source=x"] {
            let response = get(&edition, 800_000_000, &Method::GET, path, &[]);
            assert_eq!(response.status(), StatusCode::OK);
            for (name, expected) in [
                ("content-type", "application/atom+xml; charset=utf-8"),
                ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("cache-control", "public, max-age=900, stale-while-revalidate=900, stale-if-error=86400"),
                ("vary", "Accept-Encoding"),
                ("link", "<https://a.example/topics/%E6%9C%BA.atom>; rel=\"self\""),
                ("access-control-allow-origin", "*"),
                ("x-content-type-options", "nosniff"),
                ("etag", &edition.representations["topics/机.atom"].entity_tag),
            ] {
                assert_eq!(field(&response, name), expected);
            }
        }
    }

    #[test]
    fn not_modified_says_what_a_full_answer_would() {
        let edition = edition();
        let path = "/topics/%E6%9C%BA.atom";
        let full = get(&edition, 800_000_000, &Method::GET, path, &[]);
        let short =
            get(&edition, 800_000_000, &Method::GET, path, &[("if-none-match", field(&full, "etag"))]);
        assert_eq!(short.status(), StatusCode::NOT_MODIFIED);
        for name in ["etag", "last-modified", "cache-control", "vary"] {
            assert_eq!(field(&short, name), field(&full, name));
        }
        assert_eq!(field(&short, "content-type"), "");
    }

    #[test]
    fn an_answer_is_kept_no_longer_than_it_is_true() {
        let mut edition = edition();
        edition.next_due = Timestamp::from_timestamp(800_000_100, 0);
        for (now, expected) in
            [(800_000_000, "max-age=100,"), (799_000_000, "max-age=900,"), (800_000_200, "max-age=0,")]
        {
            let response = get(&edition, now, &Method::GET, "/topics/%E6%9C%BA.atom", &[]);
            assert!(field(&response, "cache-control").contains(expected), "{response:?}");
        }
    }

    #[test]
    fn a_clock_set_back_makes_no_date_in_the_future() {
        let response = get(&edition(), 784_111_000, &Method::GET, "/topics/%E6%9C%BA.atom", &[]);
        assert_eq!(field(&response, "last-modified"), "Sun, 06 Nov 1994 08:36:40 GMT");
    }

    #[test]
    fn other_methods_and_other_addresses() {
        let edition = edition();
        for (method, path, status) in [
            (Method::GET, "/", StatusCode::NOT_FOUND),
            (Method::HEAD, "/nothing.atom", StatusCode::NOT_FOUND),
            (Method::GET, "/%FF", StatusCode::NOT_FOUND),
            (Method::GET, "/../topics/%E6%9C%BA.atom", StatusCode::NOT_FOUND),
            (Method::POST, "/topics/%E6%9C%BA.atom", StatusCode::METHOD_NOT_ALLOWED),
            (Method::DELETE, "/", StatusCode::METHOD_NOT_ALLOWED),
            (Method::OPTIONS, "/topics/%E6%9C%BA.atom", StatusCode::NO_CONTENT),
        ] {
            let response = get(&edition, 800_000_000, &method, path, &[]);
            assert_eq!(response.status(), status, "{method} {path}");
            let allowed = matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NO_CONTENT);
            assert_eq!(field(&response, "allow"), if allowed { METHODS } else { "" });
        }
    }
}
