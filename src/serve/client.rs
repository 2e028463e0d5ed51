//! Who asks: the address of a client, behind proxies if those are believed.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use hyper::header::HeaderValue;
use quick_cache::DefaultHashBuilder;

use super::conditional::has_validators;
use super::fields::{Field, Fields};
use crate::config::Proxies;

/// The other end of a connection: an address, or None for a Unix socket.
pub(super) type Peer = Option<IpAddr>;

/// The address of the client who asks: the peer, or whom proxies that are believed name. Each adds
/// the one that it heard from at the end, so the last that is none of them is it.
pub(super) fn address(peer: Peer, fields: &Fields<'_>, proxies: &Proxies) -> Peer {
    let believed = |peer: Peer| peer.map_or(proxies.unix, |address| proxies.contain(address));
    let mut client = peer.map(|address| address.to_canonical());
    if !believed(client) {
        return client;
    }
    for hop in
        fields.lines(Field::ForwardedFor).rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
    {
        let Some(address) = std::str::from_utf8(hop).ok().and_then(|hop| hop_address(hop.trim())) else {
            break;
        };
        client = Some(address.to_canonical());
        if !believed(client) {
            break;
        }
    }
    client
}

/// Some proxies add the port.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

/// How many polls one counts for that could not be answered with 304, because it has no validators.
const UNCONDITIONAL: u32 = 4;
/// A store that is full later than it can be, by more than requests at once see it out of order, was
/// taken from before the clock was set back.
const SET_BACK: Duration = Duration::from_secs(60);

/// Limits how often each client polls each address: it has time in store, and a poll takes as much of
/// it as the answer may be kept (the generic cell rate algorithm). Who asks as often as answers say,
/// and with validators, never runs out.
///
/// Cores that look for different clients at once seldom meet, and no client takes memory of its own: the table has
/// 1 MiB, and is there when somebody is limited.
pub(super) struct Limit {
    key: DefaultHashBuilder,
    /// By hashes of client and address. Made when somebody is limited.
    lines: OnceLock<Box<[Line]>>,
}

/// Stores of clients whose hashes lead here, which is one line of a core's cache: of each store when it is full again,
/// in milliseconds since 1970, below bits of the hash that tell whose it is.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; 8]);

/// 10,000 stores that are not full find a place each; of 100,000, one in twenty does not.
const LINES: usize = 1 << 14;
/// The bits of an instant. In the year 2109 nobody is limited any more.
const INSTANT: u64 = (1 << 42) - 1;

impl Line {
    /// The store of a client; or that of another which is full again, or will be before all others, to be its own.
    /// Another may take it first, whose store is full then, too.
    fn store_of(&self, client: u64, latest: u64) -> &AtomicU64 {
        let held = self.0.each_ref().map(|store| store.load(Relaxed));
        let own = held.iter().position(|held| held & !INSTANT == client);
        let place = own.or_else(|| (0..held.len()).min_by_key(|place| full_at(held[*place], latest)));
        &self.0[place.unwrap_or_default()]
    }
}

/// When a store is full again, which can be no later than an instant unless the clock was set back since: then it
/// is full.
fn full_at(held: u64, latest: u64) -> u64 {
    if held & INSTANT <= latest { held & INSTANT } else { 0 }
}

impl Limit {
    pub(super) fn new() -> Self {
        Self { key: DefaultHashBuilder::default(), lines: OnceLock::new() }
    }

    /// Takes a poll, whose answer may be kept for `fresh`, from what a client has in store for an
    /// address. If too little is left: how long to wait.
    pub(super) fn take(
        &self,
        (client, address): (Peer, &str),
        fields: &Fields<'_>,
        (fresh, store): (Duration, Duration),
        now: SystemTime,
    ) -> Result<(), Duration> {
        // Behind one address there may be many; and in IPv6 one has all of a /64.
        let network = client.map(|client| match client {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits() >> 64,
        });
        let agent = fields.get(Field::UserAgent).map(HeaderValue::as_bytes);
        let hash = self.key.hash_one((network, agent, address));
        let client = hash & !INSTANT;
        let lines = self.lines.get_or_init(|| std::iter::repeat_with(Line::default).take(LINES).collect());
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are meant")]
        let line = &lines[hash as usize % LINES];
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = milliseconds(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default());
        let store = milliseconds(store).min(INSTANT.saturating_sub(now));
        let cost = milliseconds(fresh * if has_validators(fields) { 1 } else { UNCONDITIONAL }).min(store);
        let latest = now + store + milliseconds(SET_BACK);
        let own_full_at = |held: u64| if held & !INSTANT == client { full_at(held, latest) } else { 0 };
        let store_of_client = line.store_of(client, latest);
        // Cores that look for one client would wait for each other to write down nothing.
        if cost == 0 {
            return Ok(());
        }
        let taken = store_of_client.fetch_update(Relaxed, Relaxed, |held| {
            let next = own_full_at(held).max(now) + cost;
            // Requests at the same time may see it in another order than that of their instants.
            (next <= now + store).then_some(client | next & INSTANT)
        });
        taken.map(drop).map_err(|held| Duration::from_millis(own_full_at(held) + cost - now - store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use hyper::HeaderMap;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_proxies_that_are_believed_name_the_client() {
        let proxies = Config::sample("trusted_proxies: [10.0.0.0/8, unix]").serving.trusted_proxies;
        for (peer, forwarded, expected) in [
            (Some("192.0.2.1"), &[][..], Some("192.0.2.1")),
            (Some("192.0.2.1"), &["198.51.100.7"], Some("192.0.2.1")),
            (Some("10.0.0.1"), &["198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["203.0.113.9, 198.51.100.7, 10.0.0.2"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["203.0.113.9", "198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["198.51.100.7:4711"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (Some("10.0.0.1"), &["198.51.100.7, unknown"], Some("10.0.0.1")),
            (Some("10.0.0.1"), &["203.0.113.9, \u{e4}, 198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &["198.51.100.7, \u{e4}"], Some("10.0.0.1")),
            (Some("::ffff:10.0.0.1"), &["198.51.100.7"], Some("198.51.100.7")),
            (Some("10.0.0.1"), &[], Some("10.0.0.1")),
            (None, &["198.51.100.7"], Some("198.51.100.7")),
            (None, &[], None),
        ] {
            let forwarded: Vec<_> = forwarded.iter().map(|line| ("x-forwarded-for", *line)).collect();
            let peer = peer.map(|peer| peer.parse().unwrap());
            let expected = expected.map(|address| address.parse().unwrap());
            let headers = headers(&forwarded);
            assert_eq!(address(peer, &Fields::of(&headers), &proxies), expected, "{peer:?} {forwarded:?}");
        }
        let forwarded = headers(&[("x-forwarded-for", "192.0.2.1")]);
        assert_eq!(address(None, &Fields::of(&forwarded), &Proxies::default()), None);
    }

    #[test]
    fn only_those_are_limited_who_ask_too_often_or_without_validators() {
        let (limit, minute) = (Limit::new(), Duration::from_secs(60));
        let (with, without) = (headers(&[("if-none-match", "\"x\"")]), headers(&[]));
        let at = |second: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + second);
        let polls_of = |fresh, client: u8, headers: &HeaderMap, times: &[u64]| -> Vec<u64> {
            let client = Some(IpAddr::from([192, 0, 2, client]));
            let take = |&second| match limit.take(
                (client, "a"),
                &Fields::of(headers),
                (fresh, 6 * minute),
                at(second),
            ) {
                Ok(()) => 0,
                Err(wait) => wait.as_secs(),
            };
            times.iter().map(take).collect()
        };
        let polls = |client, headers, times: &[_]| polls_of(minute, client, headers, times);
        let politely: Vec<_> = (0..100).map(|poll| poll * 60).collect();
        assert_eq!(polls(1, &with, &politely), vec![0; 100]);
        assert_eq!(polls(2, &with, &[0, 1, 2, 3, 4, 5, 6, 54, 60]), [0, 0, 0, 0, 0, 0, 54, 6, 0]);
        assert_eq!(polls(3, &without, &[0, 60, 120, 240]), [0, 60, 0, 120]);
        // Told to come back every second, since a record is due.
        let often: Vec<_> = (0..100).collect();
        assert_eq!(polls_of(Duration::from_secs(1), 4, &with, &often), vec![0; 100]);
        assert_eq!(polls_of(Duration::ZERO, 5, &with, &[2, 1, 2]), [0; 3], "what may not be kept is free");
        let set_back = [10_000, 10_001, 10_002, 10_003, 10_004, 10_005, 0, 60];
        assert_eq!(polls(6, &with, &set_back), [0; 8], "who polled by a clock that was set back is let in");
    }

    #[test]
    fn each_of_many_clients_has_a_store_of_its_own() {
        const MANY: u32 = 10_000;
        let (limit, headers, minute) = (Limit::new(), HeaderMap::new(), Duration::from_secs(60));
        let is_let_in = |client: u32| {
            let client = Some(IpAddr::from(client.to_be_bytes()));
            let now = SystemTime::UNIX_EPOCH + 50 * 365 * 24 * 60 * minute;
            limit.take((client, "/all.rss"), &Fields::of(&headers), (minute, 4 * minute), now).is_ok()
        };
        // By chance few of them may be taken for each other, or have to share.
        let first = (0..MANY).filter(|client| is_let_in(*client)).count();
        let again = (0..MANY).filter(|client| is_let_in(*client)).count();
        assert!(first > 9_990 && again < 10, "{first} and {again}");
    }

    #[test]
    fn whoever_polled_by_a_clock_that_was_set_back_is_in_nobodys_way() {
        let (limit, headers, minute) = (Limit::new(), HeaderMap::new(), Duration::from_secs(60));
        let is_let_in = |client: u32, years: u32| {
            let client = Some(IpAddr::from(client.to_be_bytes()));
            let now = SystemTime::UNIX_EPOCH + years * 365 * 24 * 60 * minute;
            limit.take((client, "/all.rss"), &Fields::of(&headers), (minute, 4 * minute), now).is_ok()
        };
        let let_in =
            |clients: std::ops::Range<u32>, years| clients.filter(|client| is_let_in(*client, years)).count();
        // Enough of them to fill all lines.
        assert!(let_in(0..500_000, 70) > 499_900);
        let (first, again) = (let_in(500_000..510_000, 56), let_in(500_000..510_000, 56));
        assert!(first > 9_990 && again < 10, "{first} and {again}");
    }

    #[test]
    fn everybody_may_ask_once() {
        let limit = Limit::new();
        let asked = |polls| {
            let minute = Duration::from_secs(60);
            let (headers, now) = (HeaderMap::new(), SystemTime::now());
            limit.take((None, "/all.rss"), &Fields::of(&headers), (minute, polls * minute), now)
        };
        assert!(asked(1).is_ok() && asked(1).is_err());
    }
}
