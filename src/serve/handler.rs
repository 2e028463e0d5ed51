//! The handler of the public listeners: from a request to its response.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};

use super::access_log::AccessLog;
use super::addresses::{AddressState, Addresses};
use super::blocking::BlockingLimit;
use super::client::{self, Client};
use super::conditional::{self, Outcome};
use super::connection::Handler;
use super::negotiate;
use super::on_demand::{NotRendered, OnDemand, OnDemandCache};
use super::rate_limit::{BucketKey, RateLimiter};
use super::response::{self, Heads};
use super::route::{Resource, Route, is_raw, route};
use super::usage::{AddressUsage, ResponseKind, Today, UnroutedUsage};
use crate::config::Config;
use crate::edition::{Coding, Edition, Representation};
use crate::publish::CurrentEdition;
use crate::publish::archive::ArchiveAddress;
use crate::render::{Format, document_path, html};
use crate::seed::Timestamp;

/// The name under which metrics count selections on the spot, and the bucket that they share for clients without
/// validators.
pub(super) const SELECTIONS: &str = "queries";
/// The most encodings at once; the other threads serve.
const ENCODED_AT_ONCE: usize = 2;
/// The polls that a request without validators counts for, since it can never be answered with a 304.
const UNCONDITIONAL_COST: u32 = 4;
/// The destination of a request, in browsers (Fetch Metadata §2.1).
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The publication as it is served to the public, and its usage.
pub(super) struct Site {
    pub(super) current: CurrentEdition,
    pub(super) addresses: Addresses,
    /// The usage of all selections on the spot together.
    pub(super) selections: AddressUsage,
    pub(super) unrouted: UnroutedUsage,
    pub(super) today: Today,
    on_demand: OnDemandCache,
    encoders: BlockingLimit,
    rate_limiter: RateLimiter,
    access_log: Option<AccessLog>,
}

/// The parts of a request that its response depends on.
struct RequestContext<'a> {
    uri: &'a Uri,
    headers: &'a HeaderMap,
    is_head: bool,
    /// Set for a browser that navigates, and gets a page rather than a feed.
    for_page: bool,
    client: Client,
    now: SystemTime,
}

impl<'a> RequestContext<'a> {
    fn new(request: &'a Request<()>, client: Client, now: SystemTime) -> Self {
        let (uri, headers) = (request.uri(), request.headers());
        let navigates = headers.get(SEC_FETCH_DEST).is_some_and(|destination| destination == "document");
        let for_page = navigates && !is_raw(uri.query().unwrap_or_default());
        Self { uri, headers, is_head: *request.method() == Method::HEAD, for_page, client, now }
    }
}

/// The representation to respond with, and the inputs of its response.
struct Target<'a> {
    representation: &'a Arc<Representation>,
    heads: &'a Heads,
    usage: &'a AddressUsage,
    /// The time at which the representation changes by itself.
    due: Option<Timestamp>,
}

impl Handler for Site {
    async fn handle(
        &self,
        request: Request<()>,
        peer: Client,
        now: SystemTime,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        // A request is answered from one edition, whatever is published meanwhile.
        let edition = self.current.load_full();
        let client = client::behind_proxies(peer, request.headers(), &edition.config.serving.trusted_proxies);
        let mut response = match response::early_response(&request) {
            Some(response) => self.unrouted(response),
            None => self.respond(&edition, &RequestContext::new(&request, client, now)).await,
        };
        if let Some(log) = &self.access_log {
            log.record(client, &request, &response, now);
        }
        response::date_after_set_back(&mut response, now);
        Ok(response)
    }

    fn note_invalid_request(&self, status: StatusCode, peer: Client, now: SystemTime) {
        self.unrouted.count(status);
        if let Some(log) = &self.access_log {
            log.record_invalid_request(peer, status, now);
        }
    }
}

impl Site {
    pub(super) fn new(current: CurrentEdition, access_log: Option<AccessLog>) -> Self {
        Self {
            current,
            addresses: Addresses::default(),
            selections: AddressUsage::default(),
            unrouted: UnroutedUsage::default(),
            today: Today::default(),
            on_demand: OnDemandCache::new(),
            encoders: BlockingLimit::new(ENCODED_AT_ONCE),
            rate_limiter: RateLimiter::new(Instant::now()),
            access_log,
        }
    }

    async fn respond(&self, edition: &Arc<Edition>, request: &RequestContext<'_>) -> Response<Full<Bytes>> {
        let config = &edition.config;
        match route(edition, request.uri, request.for_page) {
            Route::Found(found) => self.found(edition, found, request).await,
            Route::Page { page: Resource { path, representation }, feed } => {
                let state = self.addresses.get_or_insert(path);
                let heads = state.heads(representation);
                // Browsers may not cache it, so it is not rate-limited, and its freshness is not cut short.
                let target = Target { representation, heads: &heads, usage: &state.usage, due: None };
                let response = self.respond_with(&target, request).await;
                response::page_for_feed(&feed.url, feed.media_type, response)
            }
            // Boxed, since its state is large and seldom needed.
            Route::OnDemand(document) => Box::pin(self.on_demand(edition, &document, request)).await,
            Route::Moved(to) => self.unrouted(response::moved(to, config.max_age)),
            Route::Gone => self.unrouted(response::gone(request.uri, config.max_age)),
            Route::BadRequest(value) => self.unrouted(response::bad_request(&value)),
            Route::NotFound => self.not_found(edition, request),
        }
    }

    /// Responds with a representation of the edition.
    async fn found(
        &self,
        edition: &Edition,
        Resource { path, representation }: Resource<'_>,
        request: &RequestContext<'_>,
    ) -> Response<Full<Bytes>> {
        let (state, due) = (self.addresses.get_or_insert(path), edition.next_due);
        if let Err(wait) = self.limit(&representation.url, due, &edition.config, request) {
            state.usage.count(ResponseKind::RateLimited, Coding::Identity);
            return response::rate_limited(wait);
        }
        // Readers are the clients that poll a subscription document.
        if representation.page.is_some() {
            let user_agent = request.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
            let today = self.today.at(request.now);
            state.usage.record_reader(&today, request.client, user_agent.unwrap_or_default());
        }
        let heads = state.heads(representation);
        self.respond_with(&Target { representation, heads: &heads, usage: &state.usage, due }, request).await
    }

    /// Responds with a document that is rendered on demand. A browser that navigates gets the page about it.
    async fn on_demand(
        &self,
        edition: &Arc<Edition>,
        document: &OnDemand,
        request: &RequestContext<'_>,
    ) -> Response<Full<Bytes>> {
        let state = self.feed_of(edition, document);
        let usage = state.as_ref().map_or(&self.selections, |state| &state.usage);
        let url = document.url(&edition.config);
        // Clients can invent selections, so requests without validators share one bucket.
        let is_shared =
            matches!(document, OnDemand::Selection(..)) && !conditional::has_validators(request.headers);
        let (bucket, due) = match document {
            OnDemand::Selection(..) => (if is_shared { SELECTIONS } else { &url }, edition.next_due),
            OnDemand::Archive(_) => (&*url, None),
        };
        if let Err(wait) = self.limit(bucket, due, &edition.config, request) {
            usage.count(ResponseKind::RateLimited, Coding::Identity);
            return response::rate_limited(wait);
        }
        if !request.for_page || document.format() == Format::Html {
            return self.send_on_demand(edition, document, usage, request).await;
        }
        let page = document.page();
        let state = self.feed_of(edition, &page);
        let usage = state.as_ref().map_or(&self.selections, |state| &state.usage);
        let response = self.send_on_demand(edition, &page, usage, request).await;
        response::page_for_feed(&url, document.format().media_type(), response)
    }

    async fn send_on_demand(
        &self,
        edition: &Arc<Edition>,
        document: &OnDemand,
        usage: &AddressUsage,
        request: &RequestContext<'_>,
    ) -> Response<Full<Bytes>> {
        match self.on_demand.get(edition, document, request.now).await {
            Ok(rendered) => {
                let (representation, due) = (&rendered.representation, rendered.until);
                self.respond_with(&Target { representation, heads: &rendered.heads, usage, due }, request)
                    .await
            }
            Err(NotRendered::NotFound) => self.not_found(edition, request),
            Err(NotRendered::Busy) => self.unrouted(response::busy()),
            Err(NotRendered::Failed) => self.unrouted(response::internal_error()),
        }
    }

    /// Returns the state of the feed that an archive document belongs to and is counted with.
    fn feed_of(&self, edition: &Edition, document: &OnDemand) -> Option<Arc<AddressState>> {
        let OnDemand::Archive(ArchiveAddress { selection, format, .. }) = document else { return None };
        let path = document_path(selection, None, *format);
        let (path, _) = edition.representations.get_key_value(&*path)?;
        Some(self.addresses.get_or_insert(path))
    }

    /// Takes a poll from the bucket of the client for an address.
    ///
    /// # Errors
    ///
    /// The client polls too often; the error is the time to wait.
    fn limit(
        &self,
        address: &str,
        due: Option<Timestamp>,
        config: &Config,
        request: &RequestContext<'_>,
    ) -> Result<(), Duration> {
        let Some(polls) = config.serving.client_limit else { return Ok(()) };
        let weight = if conditional::has_validators(request.headers) { 1 } else { UNCONDITIONAL_COST };
        let cost = response::freshness(config.max_age, due, request.now).saturating_mul(weight);
        if cost.is_zero() {
            return Ok(());
        }
        let user_agent = request.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
        let key = BucketKey::new(request.client, user_agent, address);
        let capacity = config.max_age.saturating_mul(polls);
        self.rate_limiter.take(key, cost, capacity, Instant::now())
    }

    /// Negotiates the coding, evaluates the preconditions, and responds with the representation.
    async fn respond_with(&self, target: &Target<'_>, request: &RequestContext<'_>) -> Response<Full<Bytes>> {
        let Target { representation, heads, usage, due } = *target;
        let Some(coding) = negotiate::coding(request.headers) else {
            return self.unrouted(response::not_acceptable());
        };
        let entity_tag = representation.entity_tag(coding);
        match conditional::evaluate(request.headers, entity_tag, representation.last_modified) {
            Outcome::NotModified => {
                usage.count(ResponseKind::NotModified, coding);
                if !request.is_head {
                    let body = representation.encoded(coding).unwrap_or(&representation.body);
                    usage.count_saved(body.len());
                }
                heads.not_modified(representation, coding, due, request.now)
            }
            Outcome::Failed => {
                usage.count(ResponseKind::PreconditionFailed, coding);
                response::precondition_failed()
            }
            Outcome::Proceed => {
                if representation.encoded(coding).is_none() {
                    Box::pin(self.encode(representation, coding)).await;
                }
                // Identity if encoding failed.
                let (coding, body) = match representation.encoded(coding) {
                    Some(body) => (coding, body),
                    None => (Coding::Identity, &representation.body),
                };
                usage.count(ResponseKind::Full, coding);
                heads.full(representation, coding, body.clone(), due, request.now)
            }
        }
    }

    /// Encodes a representation, once for all clients that wait for it.
    async fn encode(&self, representation: &Arc<Representation>, coding: Coding) {
        let worker = self.encoders.acquire().await;
        if representation.encoded(coding).is_none() {
            let representation = representation.clone();
            let encode = move || {
                representation.encode(coding);
            };
            // A panic was reported by its hook.
            let _ = worker.run(encode).await;
        }
    }

    /// Responds with 404; to a browser that navigates, as a page.
    fn not_found(&self, edition: &Edition, request: &RequestContext<'_>) -> Response<Full<Bytes>> {
        let page = edition.representations.get(html::MISSING).filter(|_| request.for_page);
        self.unrouted(match page {
            Some(page) => response::not_found_page(page),
            None => response::not_found(edition, request.uri),
        })
    }

    /// Counts a response that belongs to no address of the edition.
    fn unrouted(&self, response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        self.unrouted.count(response.status());
        response
    }
}
