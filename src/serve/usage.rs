//! Usage: responses by kind, and an estimate of the number of readers that stores no addresses.
//!
//! Aggregators poll once for many people and report the number in their `User-Agent`. Every other client counts as
//! one reader a day, by a hash under a key that is dropped with the day; of the hash, only its register in a sketch
//! remains (Flajolet and others, `HyperLogLog`, 2007). No address of a client is stored.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use hyper::StatusCode;
use siphasher::sip::SipHasher13;

use crate::edition::Coding;

/// The kinds of responses of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseKind {
    /// 200.
    Full,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 429.
    RateLimited,
}

impl ResponseKind {
    /// All kinds, in the order of their use as an index.
    const ALL: [Self; 4] = [Self::Full, Self::NotModified, Self::PreconditionFailed, Self::RateLimited];

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Full => StatusCode::OK,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// The usage of one address since the process started.
#[derive(Debug, Default)]
pub(super) struct AddressUsage {
    responses: [[AtomicU64; Coding::ALL.len()]; ResponseKind::ALL.len()],
    saved: AtomicU64,
    readers: Readers,
}

/// The number of people who read a feed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Readership {
    /// The subscribers that aggregators report, by the name of the aggregator.
    pub(super) aggregators: BTreeMap<String, u64>,
    /// An estimate of the distinct direct readers of yesterday; 0 if the process is younger.
    pub(super) yesterday: u64,
    /// An estimate of the distinct direct readers of today so far.
    pub(super) today: u64,
}

impl Readership {
    /// Returns the known subscribers: those that aggregators report, and the direct readers of a whole day.
    pub(super) fn subscribers(&self) -> u64 {
        self.aggregators.values().sum::<u64>() + self.yesterday.max(self.today)
    }
}

impl AddressUsage {
    /// Counts a response.
    pub(super) fn count(&self, kind: ResponseKind, coding: Coding) {
        self.responses[kind as usize][coding as usize].fetch_add(1, Relaxed);
    }

    /// Counts body bytes that a 304 did not send.
    pub(super) fn count_saved(&self, bytes: usize) {
        self.saved.fetch_add(bytes as u64, Relaxed);
    }

    /// Iterates over the number of responses of each kind in each coding.
    pub(super) fn responses(&self) -> impl Iterator<Item = (ResponseKind, Coding, u64)> {
        ResponseKind::ALL.into_iter().flat_map(move |kind| {
            Coding::ALL
                .map(|coding| (kind, coding, self.responses[kind as usize][coding as usize].load(Relaxed)))
        })
    }

    /// Returns the body bytes that 304s did not send.
    pub(super) fn saved(&self) -> u64 {
        self.saved.load(Relaxed)
    }

    /// Records a poll by a reader.
    pub(super) fn record_reader(&self, day: &Day, client: Option<IpAddr>, user_agent: &str) {
        self.readers.record(day, client, user_agent);
    }

    /// Returns the readers of a feed as of a day, given the usage of the addresses of all its formats.
    pub(super) fn readership<'a>(addresses: impl IntoIterator<Item = &'a Self>, day: u64) -> Readership {
        let mut readership = Readership::default();
        let (mut today, mut yesterday) = (Vec::new(), Vec::new());
        for Self { readers, .. } in addresses {
            for (name, subscribers) in readers.aggregators(day) {
                *readership.aggregators.entry(name).or_default() += subscribers;
            }
            today.extend(readers.on(Some(day)));
            yesterday.extend(readers.on(day.checked_sub(1)));
        }
        Readership { today: Seen::union(&today), yesterday: Seen::union(&yesterday), ..readership }
    }
}

/// The numbers of responses that belong to no address of an edition, by status.
#[derive(Debug, Default)]
pub(super) struct UnroutedUsage([AtomicU64; UnroutedUsage::STATUSES.len()]);

impl UnroutedUsage {
    const STATUSES: [StatusCode; 11] = [
        StatusCode::NO_CONTENT,
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::NOT_ACCEPTABLE,
        StatusCode::GONE,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::INTERNAL_SERVER_ERROR,
    ];

    /// Counts a response.
    pub(super) fn count(&self, status: StatusCode) {
        let last = Self::STATUSES.len() - 1;
        let index = Self::STATUSES.iter().position(|known| *known == status).unwrap_or(last);
        self.0[index].fetch_add(1, Relaxed);
    }

    /// Iterates over the number of responses of each status.
    pub(super) fn responses(&self) -> impl Iterator<Item = (StatusCode, u64)> {
        Self::STATUSES.into_iter().zip(self.0.iter().map(|count| count.load(Relaxed)))
    }
}

/// The current day.
#[derive(Debug, Default)]
pub(super) struct Today(ArcSwap<Day>);

impl Today {
    /// Returns the day of an instant, or the day after it: a request received before midnight may be recorded after
    /// it.
    pub(super) fn at(&self, now: SystemTime) -> Guard<Arc<Day>> {
        const SECONDS: u64 = 24 * 60 * 60;
        let number = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() / SECONDS);
        let is_over = |day: &Day| day.number != number && day.number != number + 1;
        let day = self.0.load();
        if !is_over(&day) {
            return day;
        }
        // Threads that begin the day at once agree on the key of one of them.
        self.0.rcu(|day| if is_over(day) { Arc::new(Day::new(number)) } else { day.clone() });
        self.0.load()
    }
}

/// A day in UTC, and the key under which its readers are hashed.
#[derive(Debug, Default)]
pub(super) struct Day {
    /// Days since 1970.
    pub(super) number: u64,
    /// `None` if the system gave no random key; readers are not counted on that day.
    hasher: Option<SipHasher13>,
}

impl Day {
    /// Creates a day with a random key of its own.
    pub(super) fn new(number: u64) -> Self {
        let mut key = [0; 16];
        let hasher = getrandom::fill(&mut key).ok().map(|()| SipHasher13::new_with_key(&key));
        Self { number, hasher }
    }
}

/// The most aggregators of an address, so that invented names fill no memory.
const MAX_AGGREGATORS: usize = 100;
/// The days without a poll after which the subscribers of an aggregator no longer count.
const AGGREGATOR_DAYS: u64 = 3;

#[derive(Debug, Default)]
struct Readers {
    /// By name. Only a new name takes the lock `changing`.
    aggregators: ArcSwap<BTreeMap<String, Arc<Aggregator>>>,
    changing: Mutex<()>,
    today: ArcSwapOption<Seen>,
    yesterday: ArcSwapOption<Seen>,
}

/// The last report of an aggregator, and its day.
#[derive(Debug, Default)]
struct Aggregator {
    subscribers: AtomicU64,
    seen: AtomicU64,
}

impl Aggregator {
    fn report(&self, subscribers: u64, day: u64) {
        self.subscribers.store(subscribers, Relaxed);
        self.seen.store(day, Relaxed);
    }

    fn is_known(&self, day: u64) -> bool {
        day < self.seen.load(Relaxed) + AGGREGATOR_DAYS
    }
}

/// The readers of one address on one day.
#[derive(Debug, Default)]
struct Seen {
    day: u64,
    sketch: Sketch,
}

impl Seen {
    /// Returns the number of distinct readers of several addresses.
    fn union(seen: &[Arc<Self>]) -> u64 {
        let [first, others @ ..] = seen else { return 0 };
        if others.is_empty() {
            return first.sketch.estimate();
        }
        let mut all = Sketch::default();
        for readers in seen {
            all.merge(&readers.sketch);
        }
        all.estimate()
    }
}

impl Readers {
    fn record(&self, day: &Day, client: Option<IpAddr>, user_agent: &str) {
        if let Some((name, subscribers)) = aggregator(user_agent) {
            match self.aggregators.load().get(name) {
                Some(aggregator) => aggregator.report(subscribers, day.number),
                None => self.add_aggregator(name, subscribers, day.number),
            }
            return;
        }
        let Some(mut hasher) = day.hasher else { return };
        (client, user_agent).hash(&mut hasher);
        let hash = hasher.finish();
        match &*self.today.load() {
            Some(seen) if seen.day == day.number => seen.sketch.insert(hash),
            // The request was received before midnight; the key of its day has been dropped.
            Some(seen) if seen.day == day.number + 1 => {}
            _ => self.begin(day.number).sketch.insert(hash),
        }
    }

    /// Adds an aggregator, unless the address has too many that are still active.
    fn add_aggregator(&self, name: &str, subscribers: u64, day: u64) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.aggregators.load();
        let is_full = known.len() >= MAX_AGGREGATORS;
        if is_full && known.values().all(|aggregator| aggregator.is_known(day)) {
            return;
        }
        let mut aggregators = BTreeMap::clone(&known);
        if is_full {
            aggregators.retain(|_, aggregator| aggregator.is_known(day));
        }
        if aggregators.len() < MAX_AGGREGATORS {
            aggregators.entry(name.to_owned()).or_default().report(subscribers, day);
            self.aggregators.store(Arc::new(aggregators));
        }
    }

    /// Begins a day, unless another thread has done so.
    fn begin(&self, day: u64) -> Arc<Seen> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(begun) = self.today.load_full().filter(|seen| seen.day >= day) {
            return begun;
        }
        let begun = Arc::new(Seen { day, ..Seen::default() });
        self.yesterday.store(self.today.swap(Some(begun.clone())));
        begun
    }

    fn on(&self, day: Option<u64>) -> Option<Arc<Seen>> {
        let seen = [self.today.load_full(), self.yesterday.load_full()];
        seen.into_iter().flatten().find(|seen| Some(seen.day) == day)
    }

    fn aggregators(&self, day: u64) -> Vec<(String, u64)> {
        let aggregators = self.aggregators.load();
        let known = aggregators.iter().filter(|(_, aggregator)| aggregator.is_known(day));
        known.map(|(name, aggregator)| (name.clone(), aggregator.subscribers.load(Relaxed))).collect()
    }
}

/// Returns the name of an aggregator and the number of people it polls for, as in
/// `Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)`.
fn aggregator(user_agent: &str) -> Option<(&str, u64)> {
    let before = &user_agent[..memchr::memmem::find(user_agent.as_bytes(), b" subscriber")?];
    let digits = before.len() - before.bytes().rev().take_while(u8::is_ascii_digit).count();
    // 32 bits, so that sums of invented numbers do not overflow.
    let subscribers = before[digits..].parse::<u32>().ok()?.into();
    // `Mozilla/5.0 (compatible; theoldreader.com; 2 subscribers)`
    let named = user_agent.split_once("(compatible; ").map_or(user_agent, |(_, named)| named);
    let name = named.split(['/', ';', '(']).next()?;
    // `Feedbin feed-id:1234 - 5 subscribers`
    let name = name.split(" feed-id").next()?.split(" - ").next()?.trim();
    Some((name.get(..MAX_OF_A_NAME).unwrap_or(name), subscribers)).filter(|(name, _)| !name.is_empty())
}

/// The most bytes of the name of an aggregator.
const MAX_OF_A_NAME: usize = 40;

/// The base-2 logarithm of the number of registers; the standard error is 2.3 %.
const PRECISION: u32 = 11;
const REGISTERS: usize = 1 << PRECISION;

/// A sketch of a set of hashes in 2 KiB, which estimates their number within a few percent.
struct Sketch(Box<[AtomicU8; REGISTERS]>);

impl Default for Sketch {
    fn default() -> Self {
        Self(Box::new([const { AtomicU8::new(0) }; REGISTERS]))
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch(about {})", self.estimate())
    }
}

impl Sketch {
    fn insert(&self, hash: u64) {
        let register = &self.0[(hash >> (u64::BITS - PRECISION)) as usize];
        #[expect(clippy::cast_possible_truncation, reason = "64 at most")]
        let rank = ((hash << PRECISION).leading_zeros().min(u64::BITS - PRECISION) + 1) as u8;
        // Most registers keep their value, and a load does not take the cache line from other cores.
        if register.load(Relaxed) < rank {
            register.fetch_max(rank, Relaxed);
        }
    }

    fn merge(&mut self, other: &Self) {
        for (register, other) in self.0.iter().zip(other.0.iter()) {
            register.fetch_max(other.load(Relaxed), Relaxed);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate that is not negative, and of far fewer readers than 2^52"
    )]
    fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let ranks = self.0.iter().map(|register| i32::from(register.load(Relaxed)));
        let (sum, empty) = ranks
            .fold((0.0, 0_u32), |(sum, empty), rank| (sum + 2_f64.powi(-rank), empty + u32::from(rank == 0)));
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let few = raw <= 2.5 * registers && empty > 0;
        (if few { registers * (registers / f64::from(empty)).ln() } else { raw }).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_agent_of_an_aggregator_is_parsed() {
        for (user_agent, expected) in [
            (
                "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)",
                Some(("Feedly", 16)),
            ),
            ("Feedbin feed-id:1234 - 5 subscribers", Some(("Feedbin", 5))),
            (
                "NewsBlur Feed Fetcher - 1 subscriber - https://www.newsblur.com",
                Some(("NewsBlur Feed Fetcher", 1)),
            ),
            (
                "Mozilla/5.0 (compatible; theoldreader.com; 2 subscribers; feed-id=1)",
                Some(("theoldreader.com", 2)),
            ),
            ("Mozilla/5.0 (X11; Linux x86_64)", None),
            ("we have subscribers", None),
            ("A 9999999999 subscribers", None),
            ("/1 5 subscribers", None),
            ("", None),
        ] {
            assert_eq!(aggregator(user_agent), expected, "{user_agent}");
        }
    }

    #[test]
    fn responses_of_all_threads_are_counted() {
        let usage = AddressUsage::default();
        let answer = || {
            for _ in 0..100 {
                usage.count(ResponseKind::NotModified, Coding::Gzip);
                usage.count_saved(3);
            }
        };
        std::thread::scope(|scope| (0..20).for_each(|_| drop(scope.spawn(answer))));
        assert_eq!(usage.saved(), 6000);
        let counted: Vec<_> = usage.responses().filter(|(.., count)| *count > 0).collect();
        assert_eq!(counted, [(ResponseKind::NotModified, Coding::Gzip, 2000)]);
    }

    #[test]
    fn readers_are_counted_once_a_day() {
        let (rss, atom) = (AddressUsage::default(), AddressUsage::default());
        let (monday, tuesday) = (Day::new(5), Day::new(6));
        let client = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        for _ in 0..3 {
            rss.record_reader(&monday, client(1), "reader");
            rss.record_reader(&monday, client(1), "another reader behind one address");
            atom.record_reader(&monday, client(1), "reader");
            atom.record_reader(&monday, client(2), "Feedly/1.0 (16 subscribers)");
        }
        rss.record_reader(&tuesday, client(1), "reader");
        rss.record_reader(&monday, client(3), "a reader whose request came before midnight");
        let readership = AddressUsage::readership([&rss, &atom], 6);
        assert_eq!((readership.yesterday, readership.today), (2, 1));
        assert_eq!(readership.aggregators, BTreeMap::from([("Feedly".to_owned(), 16)]));
        let later = AddressUsage::readership([&rss, &atom], 8);
        assert_eq!(later, Readership::default());
    }

    #[test]
    fn invented_aggregators_are_bounded() {
        let usage = AddressUsage::default();
        for number in 0..1000 {
            usage.record_reader(&Day::new(1), None, &format!("name{number} - 7 subscribers"));
        }
        assert_eq!(AddressUsage::readership([&usage], 1).aggregators.len(), MAX_AGGREGATORS);
        usage.record_reader(&Day::new(9), None, "Feedly - 7 subscribers");
        assert_eq!(
            AddressUsage::readership([&usage], 9).aggregators.len(),
            1,
            "inactive aggregators make room"
        );
    }

    #[test]
    fn estimate_is_within_a_few_percent() {
        for count in [0, 1, 10, 1000, 100_000_u64] {
            let sketch = Sketch::default();
            for number in 0..count {
                sketch.insert(xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()));
            }
            assert!(sketch.estimate().abs_diff(count) <= count / 15, "{count}: {}", sketch.estimate());
        }
    }
}
