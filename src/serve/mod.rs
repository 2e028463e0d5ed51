//! Serving: connections in, answers from the current edition out.

mod access_log;
mod admin;
mod client;
mod connection;
mod fields;
mod keepers;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only Linux sends from files"))]
mod large;
mod listener;
mod makers;
mod negotiate;
mod timeout;
mod conditional;
mod on_demand;
mod response;
mod room;
mod route;
mod speaker;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::task::JoinSet;
use tracing::warn;

use crate::config::Config;
use crate::edition::audience::{Answer, Audience, Day};
use crate::edition::coding::Coding;
use crate::edition::{Edition, Representation};
use crate::publish::Current;
use crate::publish::archive::Address;
use crate::render::{Format, document_path, html};
use crate::seed::Timestamp;
use crate::status::Status;
use access_log::AccessLog;
use admin::Admin;
use admin::metrics::Others;
use client::{Limit, Peer};
use conditional::Outcome;
use fields::{Field, Fields};
use keepers::Keepers;
use large::Files;
use makers::Makers;
use on_demand::{NotMade, Queries, Wanted};
use room::Room;
use route::{Route, is_raw, route};

pub use listener::Listener;

/// How long requests in flight may take to finish once serving stops.
const DRAIN: Duration = Duration::from_secs(10);
/// Most connections to the admin listener.
const MOST_ADMINS: usize = 100;
/// How many representations are coded at once: serving goes on beside it.
const CODED_AT_ONCE: usize = 2;

/// Where to serve.
#[derive(Debug)]
pub struct Doors {
    /// For everybody.
    pub public: Vec<Listener>,
    /// For the operator.
    pub admin: Option<Listener>,
}

/// Under which name clients are limited in asking for selections that addresses spell.
const QUERIES: &str = "queries";

/// Doors of which that for the operator is open, and those for everybody open once there is something
/// to serve.
#[derive(Debug)]
pub struct Opening {
    public: Vec<Listener>,
    admin: Arc<Admin>,
    back_room: Arc<Room>,
    accepting: JoinSet<()>,
}

impl Doors {
    /// Opens the door for the operator: that this process is alive, and reads, can be seen from the
    /// start.
    pub fn open(self) -> Opening {
        let (admin, back_room) = (Arc::new(Admin::default()), Arc::new(Room::new(MOST_ADMINS)));
        let mut accepting = JoinSet::new();
        if let Some(listener) = self.admin {
            let (admin, back_room) = (admin.clone(), back_room.clone());
            let (files, keepers) = Default::default();
            accepting.spawn(async move { listener.accept(&admin, &back_room, &files, &keepers).await });
        }
        Opening { public: self.public, admin, back_room, accepting }
    }
}

/// Serves the current edition until `shutdown`, then lets the requests in flight finish. In the directory `files`
/// large bodies are written to files, which have no names.
pub async fn serve(
    opening: Opening,
    current: Current,
    status: Arc<Status>,
    config: &Config,
    files: Option<PathBuf>,
    shutdown: impl Future<Output = ()>,
) {
    let Opening { public, admin, back_room, mut accepting } = opening;
    let room = Arc::new(Room::new(config.serving.max_connections));
    let files = Arc::new(Files::new(files));
    let site = Arc::new(Site::new(current, status, room.clone(), files.clone(), config));
    admin.show(site.clone());
    let (keepers, keeping) = Keepers::start();
    let keepers = Arc::new(keepers);
    for listener in public {
        let (site, room, files, keepers) = (site.clone(), room.clone(), files.clone(), keepers.clone());
        accepting.spawn(async move { listener.accept(&site, &room, &files, &keepers).await });
    }
    shutdown.await;
    accepting.shutdown().await;
    let (public, _) = tokio::join!(room.close(DRAIN), back_room.close(DRAIN));
    drop(keeping);
    if !public {
        warn!("some requests were still unfinished after {} s", DRAIN.as_secs());
    }
    if let Some(log) = &site.access_log {
        log.finish().await;
    }
}

/// What answers requests.
trait Answers: Send + Sync + 'static {
    /// The answer to a request that came from a peer at an instant. What needs no waiting for is answered before
    /// anybody waits: then the memory that the request was read into is free to read the next one into.
    fn answer(self: &Arc<Self>, request: Request<()>, peer: Peer, now: SystemTime) -> Answering;

    /// Takes note that what a peer sent was no request, and of the status that it was told.
    fn note_unread(&self, status: StatusCode, peer: Peer, now: SystemTime);
}

/// An answer, which is there at once or has to be made. As a future it is what hyper waits for, and cannot fail.
enum Answering {
    /// None once it was taken.
    There(Option<Response<Full<Bytes>>>),
    /// Boxed, since it is seldom, and much state.
    Making(Pin<Box<dyn Future<Output = Response<Full<Bytes>>> + Send>>),
}

impl Answering {
    fn there(answer: Response<Full<Bytes>>) -> Self {
        Self::There(Some(answer))
    }

    fn making(making: impl Future<Output = Response<Full<Bytes>>> + Send + 'static) -> Self {
        Self::Making(Box::pin(making))
    }
}

impl Future for Answering {
    type Output = Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            #[expect(clippy::expect_used, reason = "nothing is polled after it has ended")]
            Self::There(answer) => Poll::Ready(Ok(answer.take().expect("an answer is taken once"))),
            Self::Making(making) => making.as_mut().poll(cx).map(Ok),
        }
    }
}

/// Everything that answers to everybody depend on, and what is counted of them.
struct Site {
    current: Current,
    status: Arc<Status>,
    room: Arc<Room>,
    files: Arc<Files>,
    queries: Queries,
    coders: Makers,
    limit: Limit,
    access_log: Option<AccessLog>,
    day: ArcSwap<Day>,
    /// Who asks for selections that addresses spell.
    queried: Arc<Audience>,
    others: Others,
}

/// A representation that was asked for, and until when it is what it is.
#[derive(Clone, Copy)]
struct Asked<'a> {
    representation: &'a Arc<Representation>,
    audience: &'a Audience,
    due: Option<Timestamp>,
}

/// A request, as far as answers depend on it.
struct Ask<'a> {
    uri: &'a Uri,
    is_head: bool,
    /// Whether a browser goes there, to see a page rather than a feed.
    for_page: bool,
    fields: Fields<'a>,
    peer: Peer,
    now: SystemTime,
}

impl<'a> Ask<'a> {
    fn of<B>(request: &'a Request<B>, fields: Fields<'a>, peer: Peer, now: SystemTime) -> Self {
        let navigates = fields.get(Field::Destination).is_some_and(|to| to == "document");
        let for_page = navigates && !is_raw(request.uri().query().unwrap_or_default());
        let is_head = request.method() == Method::HEAD;
        Self { uri: request.uri(), is_head, for_page, fields, peer, now }
    }

    /// The address of the client.
    fn client(&self, config: &Config) -> Peer {
        client::address(self.peer, &self.fields, &config.serving.trusted_proxies)
    }
}

/// What must be made before there is an answer.
enum Unmade {
    /// A representation in a coding that nobody asked for before.
    Coded(Arc<Representation>, Coding, Option<Timestamp>),
    /// A page in such a coding, for a browser that went to the address of this feed.
    Page(Arc<Representation>, Coding, Arc<Representation>),
    /// What is made when it is asked for.
    Wanted(Arc<Edition>, Wanted),
}

impl Answers for Site {
    fn answer(self: &Arc<Self>, request: Request<()>, peer: Peer, now: SystemTime) -> Answering {
        self.reply(request, peer, now)
    }

    fn note_unread(&self, status: StatusCode, peer: Peer, now: SystemTime) {
        self.others.count(status);
        if let Some(log) = &self.access_log {
            log.log_unread(peer, status, now);
        }
    }
}

impl Site {
    /// The answer to a request that came from a peer at an instant.
    fn reply<B: Send + Sync + 'static>(
        self: &Arc<Self>,
        request: Request<B>,
        peer: Peer,
        now: SystemTime,
    ) -> Answering {
        let fields = Fields::of(request.headers());
        let answer = match response::refused(&request, &fields) {
            Some(refused) => Ok(self.other(refused)),
            None => self.find(&Ask::of(&request, fields, peer, now)),
        };
        match answer {
            Ok(answer) => {
                self.log(&request, peer, &answer, now);
                Answering::there(answer)
            }
            Err(unmade) => {
                let site = self.clone();
                Answering::making(async move {
                    let fields = Fields::of(request.headers());
                    let answer = site.make(unmade, &Ask::of(&request, fields, peer, now)).await;
                    site.log(&request, peer, &answer, now);
                    answer
                })
            }
        }
    }

    fn log<B>(&self, request: &Request<B>, peer: Peer, answer: &Response<Full<Bytes>>, now: SystemTime) {
        if let Some(log) = &self.access_log {
            let proxies = &self.current.load().config.serving.trusted_proxies;
            let client = client::address(peer, &Fields::of(request.headers()), proxies);
            log.log(client, request, answer, now);
        }
    }

    fn new(
        current: Current,
        status: Arc<Status>,
        room: Arc<Room>,
        files: Arc<Files>,
        config: &Config,
    ) -> Self {
        Self {
            current,
            status,
            room,
            files,
            queries: Queries::new(),
            coders: Makers::new(CODED_AT_ONCE),
            limit: Limit::new(),
            access_log: config.serving.access_log.map(AccessLog::new),
            day: ArcSwap::default(),
            queried: Arc::default(),
            others: Others::default(),
        }
    }

    /// The day of an instant, or the one after: a request may have come before midnight and be noted
    /// after it.
    fn day(&self, now: SystemTime) -> Guard<Arc<Day>> {
        const SECONDS: u64 = 24 * 60 * 60;
        let number = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() / SECONDS);
        let is_over = |day: &Day| day.number != number && day.number != number + 1;
        let day = self.day.load();
        if !is_over(&day) {
            return day;
        }
        // Threads that see a new day at once agree on the key of one of them.
        self.day.rcu(|day| if is_over(day) { Arc::new(Day::new(number)) } else { day.clone() });
        self.day.load()
    }

    /// The answer with what is at an address, from one edition; or what must be made for it first.
    fn find(&self, ask: &Ask<'_>) -> Result<Response<Full<Bytes>>, Unmade> {
        let edition = self.current.load();
        Ok(match route(&edition, ask.uri, ask.for_page) {
            Route::Found(representation) => {
                let due = edition.next_due;
                let asked = Asked { representation, audience: &representation.audience, due };
                return self.poll_limited(&asked, &edition.config, ask);
            }
            Route::Page { page, feed } => {
                let asked = Asked { representation: page, audience: &page.audience, due: None };
                // It may not be kept, so that nobody asks for it too often.
                match self.poll(&asked, ask) {
                    Ok(answer) => response::in_place_of(&feed.url, feed.media_type, answer),
                    Err(Unmade::Coded(page, coding, _)) => {
                        return Err(Unmade::Page(page, coding, feed.clone()));
                    }
                    Err(unmade) => return Err(unmade),
                }
            }
            Route::Query(criteria, format) => {
                let wanted = Wanted::Query(criteria, format);
                let url = wanted.url(&edition.config);
                // Without validators all selections have one store: anyone can spell as many as they like.
                let store = if conditional::has_validators(&ask.fields) { &url } else { QUERIES };
                let client = ask.client(&edition.config);
                if let Some(limited) = self.limited((client, store), edition.next_due, &edition.config, ask) {
                    self.queried.count(Answer::Limited, Coding::Identity);
                    return Ok(limited);
                }
                return Err(Unmade::Wanted(Guard::into_inner(edition), wanted));
            }
            Route::Archive(address) => {
                let wanted = Wanted::Archive(address);
                let url = wanted.url(&edition.config);
                let client = ask.client(&edition.config);
                if let Some(limited) = self.limited((client, &url), None, &edition.config, ask) {
                    self.audience(&edition, &wanted).count(Answer::Limited, Coding::Identity);
                    return Ok(limited);
                }
                return Err(Unmade::Wanted(Guard::into_inner(edition), wanted));
            }
            Route::Moved(to) => self.other(response::moved(to, edition.config.max_age)),
            Route::Gone => self.other(response::gone(ask.uri, edition.config.max_age)),
            Route::Bad(value) => self.other(response::bad(&value)),
            Route::Nothing => self.nothing(&edition, ask),
        })
    }

    /// The answer with what must be made first.
    async fn make(&self, unmade: Unmade, ask: &Ask<'_>) -> Response<Full<Bytes>> {
        match unmade {
            Unmade::Coded(representation, coding, due) => {
                self.code(&representation, coding, due, ask.now).await
            }
            Unmade::Page(page, coding, feed) => {
                let answer = self.code(&page, coding, None, ask.now).await;
                response::in_place_of(&feed.url, feed.media_type, answer)
            }
            Unmade::Wanted(edition, wanted) => {
                if !ask.for_page || wanted.format() == Format::Html {
                    return self.make_wanted(&edition, &wanted, ask).await;
                }
                let url = wanted.url(&edition.config);
                let answer = self.make_wanted(&edition, &wanted.page(), ask).await;
                response::in_place_of(&url, wanted.format().media_type(), answer)
            }
        }
    }

    async fn make_wanted(
        &self,
        edition: &Arc<Edition>,
        wanted: &Wanted,
        ask: &Ask<'_>,
    ) -> Response<Full<Bytes>> {
        let made = match self.queries.get(edition, wanted, ask.now).await {
            Ok(made) => made,
            Err(NotMade::Nothing) => return self.nothing(edition, ask),
            Err(NotMade::Busy) => return self.other(response::busy()),
            Err(NotMade::Failed) => return self.other(response::broken()),
        };
        let audience = self.audience(edition, wanted);
        let asked = Asked { representation: &made.representation, audience: &audience, due: made.until };
        match self.poll(&asked, ask) {
            Ok(answer) => answer,
            Err(Unmade::Coded(representation, coding, due)) => {
                self.code(&representation, coding, due, ask.now).await
            }
            Err(Unmade::Page(..) | Unmade::Wanted(..)) => self.other(response::broken()),
        }
    }

    /// The answer for an address at which there is nothing: a page to a browser that goes there.
    fn nothing(&self, edition: &Edition, ask: &Ask<'_>) -> Response<Full<Bytes>> {
        let page = edition.representations.get(html::MISSING).filter(|_| ask.for_page);
        self.other(
            page.map_or_else(|| response::nothing(edition, ask.uri), |page| response::nothing_page(page)),
        )
    }

    /// Who asks for something like this: the archive documents of a feed count with the feed.
    fn audience(&self, edition: &Edition, wanted: &Wanted) -> Arc<Audience> {
        let Wanted::Archive(Address { selection, format, .. }) = wanted else { return self.queried.clone() };
        let feed = edition.representations.get(&*document_path(selection, None, *format));
        feed.map_or_else(|| self.queried.clone(), |feed| feed.audience.clone())
    }

    /// The answer to a client that asks for something too often.
    fn limited(
        &self,
        (client, address): (Peer, &str),
        due: Option<Timestamp>,
        config: &Config,
        ask: &Ask<'_>,
    ) -> Option<Response<Full<Bytes>>> {
        let store = config.max_age.saturating_mul(config.serving.client_limit?);
        let fresh = response::fresh(config.max_age, due, ask.now);
        let taken = self.limit.take((client, address), &ask.fields, (fresh, store), ask.now);
        taken.err().map(response::limited)
    }

    /// The answer with a representation, unless the client asks for it too often; or in which coding
    /// it must be made first.
    fn poll_limited(
        &self,
        asked: &Asked<'_>,
        config: &Config,
        ask: &Ask<'_>,
    ) -> Result<Response<Full<Bytes>>, Unmade> {
        let client = ask.client(config);
        if let Some(limited) = self.limited((client, &asked.representation.url), asked.due, config, ask) {
            asked.audience.count(Answer::Limited, Coding::Identity);
            return Ok(limited);
        }
        // A reader is whoever polls a feed, rather than one of its archives or a page, or a selection that
        // an address spells.
        if asked.representation.page.is_some() {
            let agent = ask.fields.get(Field::UserAgent).and_then(|agent| agent.to_str().ok());
            asked.audience.note(&self.day(ask.now), client, agent.unwrap_or_default());
        }
        self.poll(asked, ask)
    }

    /// The answer with a representation; or in which coding it must be made first.
    fn poll(&self, asked: &Asked<'_>, ask: &Ask<'_>) -> Result<Response<Full<Bytes>>, Unmade> {
        let (Asked { representation, audience, due }, now) = (*asked, ask.now);
        let Some(coding) = negotiate::coding(&ask.fields) else {
            return Ok(self.other(response::unacceptable()));
        };
        let tag = representation.entity_tag(coding);
        match conditional::evaluate(&ask.fields, tag, representation.last_modified) {
            Outcome::NotModified => {
                audience.count(Answer::NotModified, coding);
                if !ask.is_head {
                    audience.save(representation.length(coding), coding);
                }
                Ok(response::not_modified(representation, coding, due, now))
            }
            Outcome::Failed => {
                audience.count(Answer::Failed, coding);
                Ok(response::failed())
            }
            Outcome::Proceed => {
                let asked = audience.count(Answer::Full, coding);
                let Some(body) = representation.coded(coding) else {
                    return Err(Unmade::Coded(representation.clone(), coding, due));
                };
                // What an address spells is counted with others like it, and seldom asked for twice.
                if !ask.is_head && std::ptr::eq(audience, Arc::as_ptr(&representation.audience)) {
                    self.files.offer(representation, body, asked);
                }
                Ok(response::found(representation, coding, body.clone(), due, now))
            }
        }
    }

    /// The answer with a representation in a coding that nobody asked for before. Whoever else
    /// asks meanwhile waits for the same making of it.
    async fn code(
        &self,
        representation: &Arc<Representation>,
        coding: Coding,
        due: Option<Timestamp>,
        now: SystemTime,
    ) -> Response<Full<Bytes>> {
        let turn = self.coders.turn().await;
        // Who had a turn before may have coded it.
        if representation.coded(coding).is_none() {
            let uncoded = representation.clone();
            let code = move || {
                uncoded.encode(coding);
            };
            // If it panics there is nothing, and the bytes as they are do.
            let _ = turn.make(code).await;
        }
        match representation.coded(coding) {
            Some(body) => response::found(representation, coding, body.clone(), due, now),
            None => response::found(representation, Coding::Identity, representation.body.clone(), due, now),
        }
    }

    /// Counts an answer that is of no feed.
    fn other(&self, answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
        self.others.count(answer.status());
        answer
    }
}
