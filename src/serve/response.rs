//! Answers: pure functions of what is found, the edition and the instant.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION,
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
    LINK, LOCATION, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use percent_encoding::percent_decode_str;

use super::fields::{Field, Fields};
use crate::config::criteria::BadValue;
use crate::edition::coding::Coding;
use crate::edition::{Edition, Head, Representation};
use crate::seed::Timestamp;
use crate::text::printable;

/// The methods that every address answers.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// What explanations are.
const PLAIN: &str = "text/plain; charset=utf-8";
/// What answers at the address of a feed depend on.
const FEED_VARY: &str = "Accept-Encoding, Sec-Fetch-Dest";
/// What all others depend on.
const VARIES: &str = "Accept-Encoding";
/// What `Cache-Control` says of an answer that may be another at any moment.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// How long a browser need not ask again whether a script may read feeds, in seconds.
const PREFLIGHT_AGE: &str = "86400";
/// Most addresses that an answer lists.
const MOST_ADDRESSES: usize = 200;

/// The answer to a request that is none for a representation, whatever the address.
pub(super) fn refused<B>(request: &Request<B>, fields: &Fields<'_>) -> Option<Response<Full<Bytes>>> {
    // RFC 9112 §3.2: one Host, which HTTP/1.0 may leave out. §6.1: who sends two lengths may be
    // hiding another request in the body; of the two, only Transfer-Encoding is left here.
    let host = fields.get(Field::Host);
    let nameless = host.is_none() && request.version() >= Version::HTTP_11;
    let problem = if nameless || fields.is_repeated(Field::Host) || !host.is_none_or(is_host) {
        "a request needs one Host"
    } else if fields.has(Field::TransferEncoding) {
        "a request here has no body, and no Transfer-Encoding"
    } else {
        ""
    };
    if !problem.is_empty() {
        return Some(closing(explain(StatusCode::BAD_REQUEST, [], format!("{problem}\n"))));
    }
    let has_body = fields.get(Field::ContentLength).is_some_and(|length| length.as_bytes() != b"0");
    match *request.method() {
        Method::GET | Method::HEAD if has_body => Some(closing(explain(
            StatusCode::PAYLOAD_TOO_LARGE,
            [],
            "A request for a feed has no body\n".to_owned(),
        ))),
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(options(fields)),
        _ => {
            let allow = [(ALLOW, HeaderValue::from_static(METHODS))];
            let refused =
                explain(StatusCode::METHOD_NOT_ALLOWED, allow, format!("This address answers {METHODS}\n"));
            Some(if has_body { closing(refused) } else { refused })
        }
    }
}

/// Whether this may be a host and a port.
fn is_host(host: &HeaderValue) -> bool {
    host.as_bytes().iter().all(|byte| IN_HOSTS[usize::from(*byte)])
}

/// By bytes, whether RFC 3986 §3.2 allows them in a host and a port: looked up, since every request has some.
static IN_HOSTS: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut bytes =
        b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~%!$&'()*+,;=:[]".as_slice();
    while let [byte, rest @ ..] = bytes {
        allowed[*byte as usize] = true;
        bytes = rest;
    }
    allowed
};

/// What an address answers to; and to browsers, that scripts of other sites may ask (Fetch §3.3).
fn options(asked: &Fields<'_>) -> Response<Full<Bytes>> {
    let mut answer = answer(StatusCode::NO_CONTENT, Bytes::new());
    let fields = answer.headers_mut();
    fields.insert(ALLOW, HeaderValue::from_static(METHODS));
    if asked.has(Field::RequestMethod) {
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_AGE));
    }
    answer
}

/// The rest of a body cannot be told from a next request, so there is none.
fn closing(mut answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The answer with a representation, of which these are the bytes in a coding.
pub(super) fn found(
    representation: &Representation,
    coding: Coding,
    body: Bytes,
    due: Option<Timestamp>,
    now: SystemTime,
) -> Response<Full<Bytes>> {
    head(representation, Head::Full, coding, due, now).map(|()| Full::new(body))
}

/// The answer to a client that has these bytes: what a full answer says of them (RFC 9110 §15.4.5).
pub(super) fn not_modified(
    representation: &Representation,
    coding: Coding,
    due: Option<Timestamp>,
    now: SystemTime,
) -> Response<Full<Bytes>> {
    head(representation, Head::NotModified, coding, due, now).map(|()| Full::default())
}

/// The head of an answer with a representation at an instant.
fn head(
    representation: &Representation,
    head: Head,
    coding: Coding,
    due: Option<Timestamp>,
    now: SystemTime,
) -> Response<()> {
    let made = || {
        let mut made = Response::new(());
        let (status, mut fields) = match head {
            Head::Full => (StatusCode::OK, full(representation, coding)),
            Head::NotModified => (StatusCode::NOT_MODIFIED, short(representation, coding)),
        };
        gather(&mut fields);
        (*made.status_mut(), *made.headers_mut()) = (status, fields);
        made
    };
    let mut answer = representation.head(head, coding, made).clone();
    let fields = answer.headers_mut();
    // A clock that was set back must not make a date in the future (RFC 9110 §8.8.2.1).
    if representation.last_modified > now {
        fields.insert(LAST_MODIFIED, date(now));
    }
    let kept = fresh(representation.max_age, due, now);
    if kept < representation.max_age {
        fields.insert(CACHE_CONTROL, cache_control(kept));
    }
    answer
}

/// Has all values that were made lie in one piece of memory: each answer holds on to them, and is counted in one place
/// instead of five.
fn gather(fields: &mut HeaderMap) {
    let made = [ETAG, LAST_MODIFIED, CACHE_CONTROL, CONTENT_SECURITY_POLICY, LINK];
    let values: Vec<_> = made.iter().filter_map(|name| fields.get(name)).map(HeaderValue::as_bytes).collect();
    let mut gathered = Bytes::from(values.concat());
    for name in made {
        if let Some(value) = fields.get_mut(name)
            && let Ok(part) = HeaderValue::from_maybe_shared(gathered.split_to(value.len()))
        {
            *value = part;
        }
    }
}

/// What is said of a representation to those who have it.
fn short(representation: &Representation, coding: Coding) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(FEW_FIELDS);
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let vary = if representation.page.is_some() { FEED_VARY } else { VARIES };
    fields.insert(VARY, HeaderValue::from_static(vary));
    fields.insert(ETAG, representation.entity_tag(coding).clone());
    fields.insert(LAST_MODIFIED, date(representation.last_modified));
    fields.insert(CACHE_CONTROL, cache_control(representation.max_age));
    let policy = representation.policy.as_ref().map(|policy| format!("{policy}; frame-ancestors 'none'"));
    if let Some(Ok(policy)) = policy.map(HeaderValue::try_from) {
        fields.insert(CONTENT_SECURITY_POLICY, policy);
    }
    fields
}

/// What is said of a representation with its bytes.
fn full(representation: &Representation, coding: Coding) -> HeaderMap {
    let mut fields = short(representation, coding);
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(representation.media_type));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Link"));
    // Addresses are percent-encoded, so every one is valid.
    if let Ok(link) = HeaderValue::try_from(format!("<{}>; rel=\"self\"", representation.url)) {
        fields.insert(LINK, link);
    }
    if coding != Coding::Identity {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    fields
}

/// A date as HTTP has it, which is visible ASCII.
pub(super) fn date(at: SystemTime) -> HeaderValue {
    HeaderValue::try_from(httpdate::fmt_http_date(at)).unwrap_or(HeaderValue::from_static(""))
}

/// How long a reader may show an old feed while the server cannot be reached, in seconds.
const STALE_IF_ERROR: u64 = 24 * 60 * 60;

/// `Cache-Control` of what may be kept for a time.
fn cache_control(max_age: Duration) -> HeaderValue {
    let seconds = max_age.as_secs();
    let text = format!(
        "public, max-age={seconds}, stale-while-revalidate={seconds}, stale-if-error={STALE_IF_ERROR}"
    );
    HeaderValue::try_from(text).unwrap_or(NO_CACHE)
}

/// How long an answer may be kept: no longer than until it is due to be another.
pub(super) fn fresh(max_age: Duration, due: Option<Timestamp>, now: SystemTime) -> Duration {
    let left = due.map(|due| SystemTime::from(due).duration_since(now).unwrap_or_default());
    left.map_or(max_age, |left| left.min(max_age))
}

/// The answer with a page to a browser that went to the address of a feed. A cache that others share
/// and that passes over `Vary` must never give it to their feed readers.
pub(super) fn in_place_of(
    url: &str,
    media_type: &str,
    mut answer: Response<Full<Bytes>>,
) -> Response<Full<Bytes>> {
    if ![StatusCode::OK, StatusCode::NOT_MODIFIED].contains(&answer.status()) {
        return answer;
    }
    let media_type = media_type.split(';').next().unwrap_or_default();
    let link = format!("<{url}>; rel=\"alternate\"; type=\"{media_type}\"");
    let fields = answer.headers_mut();
    fields.insert(VARY, HeaderValue::from_static(FEED_VARY));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // Addresses are percent-encoded, so every one is valid.
    if let Ok(link) = HeaderValue::try_from(link) {
        fields.insert(LINK, link);
    }
    answer
}

/// The answer to preconditions that fail.
pub(super) fn failed() -> Response<Full<Bytes>> {
    explain(StatusCode::PRECONDITION_FAILED, [], "This is not what is published here now\n".to_owned())
}

/// The answer to a client that takes no coding that there is.
pub(super) fn unacceptable() -> Response<Full<Bytes>> {
    let text = "This can be had as it is, or with gzip or br; your Accept-Encoding takes none of them\n";
    explain(StatusCode::NOT_ACCEPTABLE, [], text.to_owned())
}

/// The answer for an address that leads to another for good.
pub(super) fn moved(to: String, max_age: Duration) -> Response<Full<Bytes>> {
    let text = format!("This is at {to}\n");
    let fields = [(CACHE_CONTROL, kept_for(max_age))];
    // Addresses are percent-encoded, so every one is valid.
    let fields = fields.into_iter().chain(to.try_into().ok().map(|to| (LOCATION, to)));
    explain(StatusCode::MOVED_PERMANENTLY, fields, text)
}

/// `Cache-Control` of an answer about an address that is no feed: the configuration decides it, and
/// may change.
fn kept_for(max_age: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={}", max_age.as_secs())).unwrap_or(NO_CACHE)
}

/// The answer for the feeds of a retired topic.
pub(super) fn gone(uri: &Uri, max_age: Duration) -> Response<Full<Bytes>> {
    let text = format!("{} was here, and is gone for good. Unsubscribe from it.\n", shown(uri));
    explain(StatusCode::GONE, [(CACHE_CONTROL, kept_for(max_age))], text)
}

/// The answer for a selection that cannot be meant.
pub(super) fn bad(value: &BadValue) -> Response<Full<Bytes>> {
    explain(StatusCode::BAD_REQUEST, [], format!("{}\n", printable(&value.to_string())))
}

/// The answer when too many selections are being made.
pub(super) fn busy() -> Response<Full<Bytes>> {
    not_now("Too many selections are asked for; try again\n")
}

fn not_now(text: &str) -> Response<Full<Bytes>> {
    let again = [(RETRY_AFTER, HeaderValue::from_static("10"))];
    explain(StatusCode::SERVICE_UNAVAILABLE, again, text.to_owned())
}

/// The answer with what should be there and cannot be made.
pub(super) fn broken() -> Response<Full<Bytes>> {
    let text = "This cannot be made, which is a fault of sower's own; its log says more\n";
    explain(StatusCode::INTERNAL_SERVER_ERROR, [], text.to_owned())
}

/// The answer to a client that asks too often.
pub(super) fn limited(wait: Duration) -> Response<Full<Bytes>> {
    let seconds = wait.as_millis().div_ceil(1000);
    let text = format!(
        "You ask for this too often, or without the ETag and Last-Modified that you were given; \
         ask again in {seconds} s\n"
    );
    let again = HeaderValue::try_from(seconds.to_string()).ok();
    explain(StatusCode::TOO_MANY_REQUESTS, again.map(|again| (RETRY_AFTER, again)), text)
}

/// The answer for an address at which there is nothing: the feeds that there are.
pub(super) fn nothing(edition: &Edition, uri: &Uri) -> Response<Full<Bytes>> {
    let mut text = format!("Nothing is published at {}. These are the feeds:\n\n", shown(uri));
    let listed = edition.representations.values().filter(|representation| representation.page.is_some());
    for representation in listed.take(MOST_ADDRESSES) {
        text.push_str(&representation.url);
        text.push('\n');
    }
    explain(StatusCode::NOT_FOUND, [], text)
}

/// The same for a browser: a page that says so.
pub(super) fn nothing_page(page: &Representation) -> Response<Full<Bytes>> {
    let mut answer = answer(StatusCode::NOT_FOUND, page.body.clone());
    let mut fields = full(page, Coding::Identity);
    for field in [ETAG, LAST_MODIFIED, LINK] {
        fields.remove(field);
    }
    fields.insert(CACHE_CONTROL, NO_CACHE);
    fields.insert(VARY, HeaderValue::from_static(FEED_VARY));
    *answer.headers_mut() = fields;
    answer
}

/// The path that was asked for, as people read it.
fn shown(uri: &Uri) -> String {
    let path = percent_decode_str(uri.path()).decode_utf8().unwrap_or_else(|_| uri.path().into());
    printable(&path).into_owned()
}

fn explain(
    status: StatusCode,
    fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    text: String,
) -> Response<Full<Bytes>> {
    let mut answer = answer(status, text.into());
    let described = answer.headers_mut();
    described.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Whatever went wrong, a browser that goes there may be told otherwise.
    described.insert(VARY, HeaderValue::from_static(FEED_VARY));
    described.insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    described.insert(CACHE_CONTROL, NO_CACHE);
    for (name, value) in fields {
        described.insert(name, value);
    }
    answer
}

/// Room for the fields of a short answer, made at once.
const FEW_FIELDS: usize = 6;

fn answer(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let fields = answer.headers_mut();
    fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    fields.insert(VARY, HeaderValue::from_static(VARIES));
    answer
}
