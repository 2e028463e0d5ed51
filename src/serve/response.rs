//! Responses: pure functions of the representation, the edition and the instant.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, DATE,
    ETAG, HOST, HeaderName, HeaderValue, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER, TRANSFER_ENCODING, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use percent_encoding::percent_decode_str;

use crate::config::criteria::InvalidValue;
use crate::edition::{Coding, Edition, Representation};
use crate::seed::Timestamp;
use crate::text::printable;

/// The methods that every address allows.
const METHODS: &str = "GET, HEAD, OPTIONS";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
/// The request fields that select the response at the address of a feed, and of errors, which browsers may get as
/// pages.
const VARY_FEED: &str = "Accept-Encoding, Sec-Fetch-Dest";
/// The request fields that select all other responses.
const VARY_OTHER: &str = "Accept-Encoding";
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The time that a browser may keep the response to a preflight request, in seconds.
const PREFLIGHT_MAX_AGE: &str = "86400";
/// The most addresses that a 404 lists.
const MAX_ADDRESSES: usize = 200;
/// The time that a reader may show a stale feed while the server cannot be reached, in seconds.
const STALE_IF_ERROR: u64 = 24 * 60 * 60;

/// Returns the response to a request whose address does not matter: an invalid one, or another method than GET and
/// HEAD.
pub(super) fn early_response(request: &Request<()>) -> Option<Response<Full<Bytes>>> {
    let headers = request.headers();
    // RFC 9112 §3.2: exactly one Host, which HTTP/1.0 may omit. §6.1: a request with both lengths may smuggle another
    // one in its body; hyper leaves only Transfer-Encoding of the two.
    let mut hosts = headers.get_all(HOST).iter();
    let is_valid_host = match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host),
        (Some(_), Some(_)) => false,
    };
    if !is_valid_host {
        let text = "a request needs one valid Host field\n";
        return Some(closing(text_response(StatusCode::BAD_REQUEST, [], text.to_owned())));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let text = "requests here have no body and no Transfer-Encoding\n";
        return Some(closing(text_response(StatusCode::BAD_REQUEST, [], text.to_owned())));
    }
    let has_body = headers.get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    match *request.method() {
        Method::GET | Method::HEAD if has_body => {
            let text = "a GET or HEAD request has no body\n";
            Some(closing(text_response(StatusCode::PAYLOAD_TOO_LARGE, [], text.to_owned())))
        }
        Method::GET | Method::HEAD => None,
        Method::OPTIONS => Some(options(headers)),
        _ => {
            let allow = [(ALLOW, HeaderValue::from_static(METHODS))];
            let text = format!("this address allows {METHODS}\n");
            let refused = text_response(StatusCode::METHOD_NOT_ALLOWED, allow, text);
            Some(if has_body { closing(refused) } else { refused })
        }
    }
}

/// Returns `true` if RFC 3986 §3.2 allows these bytes in a host and port.
fn is_host(host: &HeaderValue) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte);
    host.as_bytes().iter().all(is_allowed)
}

/// Returns the allowed methods; to a preflight request, the permission for scripts of other sites (Fetch §3.3).
fn options(request: &HeaderMap) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::NO_CONTENT, Bytes::new());
    let headers = response.headers_mut();
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    if request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_MAX_AGE));
    }
    response
}

/// Closes the connection after the response: a proxy in between may disagree on where the refused request ends.
fn closing(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The response heads of one representation, each made for its first response and cloned for the others.
#[derive(Debug)]
pub(super) struct Heads {
    representation: Weak<Representation>,
    full: [OnceLock<HeaderMap>; Coding::ALL.len()],
    not_modified: [OnceLock<HeaderMap>; Coding::ALL.len()],
}

impl Heads {
    pub(super) fn new(representation: &Arc<Representation>) -> Self {
        let representation = Arc::downgrade(representation);
        Self { representation, full: Default::default(), not_modified: Default::default() }
    }

    /// Returns `true` if they were made for this representation.
    pub(super) fn are_of(&self, representation: &Arc<Representation>) -> bool {
        // The weak reference keeps the memory from being used again.
        std::ptr::eq(self.representation.as_ptr(), Arc::as_ptr(representation))
    }

    /// Returns the response with the body in a coding. `due` is when the representation changes by itself.
    pub(super) fn full(
        &self,
        representation: &Arc<Representation>,
        coding: Coding,
        body: Bytes,
        due: Option<Timestamp>,
        now: SystemTime,
    ) -> Response<Full<Bytes>> {
        debug_assert!(self.are_of(representation), "the tag of another body");
        let head = self.full[coding as usize].get_or_init(|| full_fields(representation, coding));
        let mut response = Response::new(Full::new(body));
        *response.headers_mut() = with_freshness(head.clone(), representation, due, now);
        response
    }

    /// Returns the 304, with the fields that RFC 9110 §15.4.5 asks for.
    pub(super) fn not_modified(
        &self,
        representation: &Arc<Representation>,
        coding: Coding,
        due: Option<Timestamp>,
        now: SystemTime,
    ) -> Response<Full<Bytes>> {
        debug_assert!(self.are_of(representation), "the tag of another body");
        let head =
            self.not_modified[coding as usize].get_or_init(|| validator_fields(representation, coding));
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.headers_mut() = with_freshness(head.clone(), representation, due, now);
        response
    }
}

/// Adapts the head of a representation to the instant of its response.
fn with_freshness(
    mut head: HeaderMap,
    representation: &Representation,
    due: Option<Timestamp>,
    now: SystemTime,
) -> HeaderMap {
    // A clock that was set back must not lead to a date in the future (RFC 9110 §8.8.2.1).
    if representation.last_modified > now {
        head.insert(LAST_MODIFIED, date(now));
    }
    let fresh = freshness(representation.max_age, due, now);
    if fresh < representation.max_age {
        head.insert(CACHE_CONTROL, cache_control(fresh));
    }
    head
}

/// Returns the fields that a 304 has as well.
fn validator_fields(representation: &Representation, coding: Coding) -> HeaderMap {
    let mut head = HeaderMap::with_capacity(6);
    head.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let vary = if representation.page.is_some() { VARY_FEED } else { VARY_OTHER };
    head.insert(VARY, HeaderValue::from_static(vary));
    insert(&mut head, ETAG, representation.entity_tag(coding).to_owned());
    head.insert(LAST_MODIFIED, date(representation.last_modified));
    head.insert(CACHE_CONTROL, cache_control(representation.max_age));
    if let Some(policy) = &representation.policy {
        insert(&mut head, CONTENT_SECURITY_POLICY, format!("{policy}; frame-ancestors 'none'"));
    }
    head
}

fn full_fields(representation: &Representation, coding: Coding) -> HeaderMap {
    let mut head = validator_fields(representation, coding);
    head.insert(CONTENT_TYPE, HeaderValue::from_static(representation.media_type));
    head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, Link"));
    insert(&mut head, LINK, format!("<{}>; rel=\"self\"", representation.url));
    if coding != Coding::Identity {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    }
    head
}

/// Inserts a field whose value is visible ASCII: a tag, a policy, or a percent-encoded address.
fn insert(head: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        head.insert(name, value);
    }
}

/// Returns a date in the format of HTTP.
pub(super) fn date(at: SystemTime) -> HeaderValue {
    HeaderValue::try_from(httpdate::fmt_http_date(at)).unwrap_or(HeaderValue::from_static(""))
}

/// Dates a response if the wall clock was set back since an earlier request. Otherwise hyper dates it, from a cache
/// that repeats the latest date until the clock has passed it again.
pub(super) fn date_after_set_back(response: &mut Response<Full<Bytes>>, now: SystemTime) {
    static LATEST_SECOND: AtomicU64 = AtomicU64::new(0);
    let second = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let latest = LATEST_SECOND.load(Relaxed);
    if latest < second {
        LATEST_SECOND.store(second, Relaxed);
    } else if second < latest {
        response.headers_mut().insert(DATE, date(now));
    }
}

/// Returns `Cache-Control` for a representation.
fn cache_control(max_age: Duration) -> HeaderValue {
    let seconds = max_age.as_secs();
    let text = format!(
        "public, max-age={seconds}, stale-while-revalidate={seconds}, stale-if-error={STALE_IF_ERROR}"
    );
    HeaderValue::try_from(text).unwrap_or(NO_CACHE)
}

/// Returns the time that a response stays fresh: `max_age`, or less if the representation changes before by itself.
pub(super) fn freshness(max_age: Duration, due: Option<Timestamp>, now: SystemTime) -> Duration {
    let left = due.map(|due| SystemTime::from(due).duration_since(now).unwrap_or_default());
    left.map_or(max_age, |left| left.min(max_age))
}

/// Turns the response with a page into one at the address of a feed, for a browser that navigates there. It is
/// private: a shared cache that ignores `Vary` must not give it to feed readers.
pub(super) fn page_for_feed(
    url: &str,
    media_type: &str,
    mut response: Response<Full<Bytes>>,
) -> Response<Full<Bytes>> {
    if ![StatusCode::OK, StatusCode::NOT_MODIFIED].contains(&response.status()) {
        return response;
    }
    let media_type = media_type.split(';').next().unwrap_or_default();
    let head = response.headers_mut();
    head.insert(VARY, HeaderValue::from_static(VARY_FEED));
    head.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    insert(head, LINK, format!("<{url}>; rel=\"alternate\"; type=\"{media_type}\""));
    response
}

/// Returns 412.
pub(super) fn precondition_failed() -> Response<Full<Bytes>> {
    text_response(StatusCode::PRECONDITION_FAILED, [], "another version is published here now\n".to_owned())
}

/// Returns 406.
pub(super) fn not_acceptable() -> Response<Full<Bytes>> {
    let text = "available as identity, gzip and br; your Accept-Encoding excludes all of them\n";
    text_response(StatusCode::NOT_ACCEPTABLE, [], text.to_owned())
}

/// Returns 301 to an address.
pub(super) fn moved(to: String, max_age: Duration) -> Response<Full<Bytes>> {
    let text = format!("moved to {to}\n");
    let fields = [(CACHE_CONTROL, cacheable_for(max_age))];
    let fields = fields.into_iter().chain(to.try_into().ok().map(|to| (LOCATION, to)));
    text_response(StatusCode::MOVED_PERMANENTLY, fields, text)
}

/// Returns `Cache-Control` for a response that the configuration decides.
fn cacheable_for(max_age: Duration) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={}", max_age.as_secs())).unwrap_or(NO_CACHE)
}

/// Returns 410, for the feeds of a retired topic.
pub(super) fn gone(uri: &Uri, max_age: Duration) -> Response<Full<Bytes>> {
    let text = format!("{} was retired for good; unsubscribe from it\n", shown(uri));
    text_response(StatusCode::GONE, [(CACHE_CONTROL, cacheable_for(max_age))], text)
}

/// Returns 400, for an invalid value in a selection.
pub(super) fn bad_request(value: &InvalidValue) -> Response<Full<Bytes>> {
    text_response(StatusCode::BAD_REQUEST, [], format!("{}\n", printable(&value.to_string())))
}

/// Returns 503, while too many documents are being rendered.
pub(super) fn busy() -> Response<Full<Bytes>> {
    let retry = [(RETRY_AFTER, HeaderValue::from_static("10"))];
    text_response(
        StatusCode::SERVICE_UNAVAILABLE,
        retry,
        "too many selections are requested; try again\n".to_owned(),
    )
}

/// Returns 500, for a document that cannot be rendered.
pub(super) fn internal_error() -> Response<Full<Bytes>> {
    let text = "this document cannot be rendered; this is a bug in sower, and its log says more\n";
    text_response(StatusCode::INTERNAL_SERVER_ERROR, [], text.to_owned())
}

/// Returns 429. The client may retry after `wait`.
pub(super) fn rate_limited(wait: Duration) -> Response<Full<Bytes>> {
    let seconds = wait.as_millis().div_ceil(1000);
    let text = format!(
        "too many requests for this address; send If-None-Match with the ETag that you have, and retry in {seconds} s\n"
    );
    let retry = HeaderValue::try_from(seconds.to_string()).ok();
    text_response(StatusCode::TOO_MANY_REQUESTS, retry.map(|retry| (RETRY_AFTER, retry)), text)
}

/// Returns 404 with a list of the feeds.
pub(super) fn not_found(edition: &Edition, uri: &Uri) -> Response<Full<Bytes>> {
    let mut text = format!("nothing is published at {}; these are the feeds:\n\n", shown(uri));
    let feeds = edition.representations.values().filter(|representation| representation.page.is_some());
    for feed in feeds.take(MAX_ADDRESSES) {
        text.push_str(&feed.url);
        text.push('\n');
    }
    text_response(StatusCode::NOT_FOUND, [], text)
}

/// Returns 404 with a page, for a browser.
pub(super) fn not_found_page(page: &Representation) -> Response<Full<Bytes>> {
    let mut response = response(StatusCode::NOT_FOUND, page.body.clone());
    let mut head = full_fields(page, Coding::Identity);
    for name in [ETAG, LAST_MODIFIED, LINK] {
        head.remove(name);
    }
    head.insert(CACHE_CONTROL, NO_CACHE);
    head.insert(VARY, HeaderValue::from_static(VARY_FEED));
    *response.headers_mut() = head;
    response
}

/// Returns the path of a request as people read it.
fn shown(uri: &Uri) -> String {
    let path = percent_decode_str(uri.path()).decode_utf8().unwrap_or_else(|_| uri.path().into());
    printable(&path).into_owned()
}

fn text_response(
    status: StatusCode,
    fields: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    text: String,
) -> Response<Full<Bytes>> {
    let mut response = response(status, text.into());
    let head = response.headers_mut();
    head.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(VARY, HeaderValue::from_static(VARY_FEED));
    head.insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN_TEXT));
    head.insert(CACHE_CONTROL, NO_CACHE);
    for (name, value) in fields {
        head.insert(name, value);
    }
    response
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let head = response.headers_mut();
    head.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    head.insert(VARY, HeaderValue::from_static(VARY_OTHER));
    response
}
