//! Who polls an address: answers by kind, and how many people read it, as far as that can be told
//! without telling one person from another.
//!
//! Aggregators poll once for many people and say for how many. Everybody else counts as one reader
//! a day, by a hash under a key that is thrown away with the day; of the hash, no more is kept than
//! its place in a sketch (Flajolet and others, `HyperLogLog`, 2007). No address is stored.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use siphasher::sip::SipHasher13;

use crate::edition::coding::Coding;
use crate::edition::per_core::PerCore;

/// Kinds of answers that an address gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Full,
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 429.
    Limited,
}

impl Answer {
    /// All of them, in the order of their use as an index.
    pub const ALL: [Self; 4] = [Self::Full, Self::NotModified, Self::Failed, Self::Limited];

    /// The status code.
    pub fn status(self) -> u16 {
        match self {
            Self::Full => 200,
            Self::NotModified => 304,
            Self::Failed => 412,
            Self::Limited => 429,
        }
    }
}

/// Who polls one address. It outlives editions, and every count only grows.
#[derive(Debug, Default)]
pub struct Audience {
    counts: PerCore<[Counts; Coding::ALL.len()]>,
    readers: Readers,
}

/// Answers in one coding, by kind, and the bytes of which those spared the sending: a line of a core's cache, which it
/// shares with no other.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Counts {
    answers: [AtomicU64; Answer::ALL.len()],
    saved: AtomicU64,
}

/// How many people read something.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Readership {
    /// Subscribers as aggregators report them, by the aggregator's name.
    pub aggregators: BTreeMap<String, u64>,
    /// Distinct direct readers of the day before, an estimate; 0 if the process is younger.
    pub yesterday: u64,
    /// Distinct direct readers of the day that has not ended.
    pub today: u64,
}

impl Audience {
    /// Counts an answer. Tells how many of its kind this core gave.
    pub fn count(&self, answer: Answer, coding: Coding) -> u64 {
        self.counts.own()[coding as usize].answers[answer as usize].fetch_add(1, Relaxed) + 1
    }

    /// How many answers of a kind there were.
    pub fn counted(&self, answer: Answer, coding: Coding) -> u64 {
        self.counts.all().map(|counts| counts[coding as usize].answers[answer as usize].load(Relaxed)).sum()
    }

    /// Counts bytes in a coding of which a 304 spared the sending.
    pub fn save(&self, bytes: usize, coding: Coding) {
        self.counts.own()[coding as usize].saved.fetch_add(bytes as u64, Relaxed);
    }

    /// The answers so far.
    pub fn answers(&self) -> impl Iterator<Item = (Answer, Coding, u64)> {
        Answer::ALL
            .into_iter()
            .flat_map(move |answer| Coding::ALL.map(|coding| (answer, coding, self.counted(answer, coding))))
    }

    /// Bytes of which 304s spared the sending.
    pub fn saved(&self) -> u64 {
        self.counts.all().flatten().map(|counts| counts.saved.load(Relaxed)).sum()
    }

    /// Takes note of a reader on a day.
    pub fn note(&self, day: &Day, client: Option<IpAddr>, user_agent: &str) {
        self.readers.note(day, client, user_agent);
    }

    /// How many people read several addresses of one feed, as of a day.
    pub fn readership<'a>(addresses: impl IntoIterator<Item = &'a Self>, day: u64) -> Readership {
        let mut readership = Readership::default();
        let (mut today, mut yesterday) = (Vec::new(), Vec::new());
        for Self { readers, .. } in addresses {
            for (name, count) in readers.aggregators(day) {
                *readership.aggregators.entry(name).or_default() += count;
            }
            today.extend(readers.on(Some(day)));
            yesterday.extend(readers.on(day.checked_sub(1)));
        }
        Readership { today: Seen::together(&today), yesterday: Seen::together(&yesterday), ..readership }
    }
}

/// A day since 1970 in UTC, and the key under which its readers are hashed.
#[derive(Debug, Default)]
pub struct Day {
    /// Days since 1970.
    pub number: u64,
    /// With the key. None if the system had none to give; readers of that day are not counted.
    hasher: Option<SipHasher13>,
}

impl Day {
    /// A day with a key of its own, which tells nothing of that of another day.
    pub fn new(number: u64) -> Self {
        let mut key = [0; 16];
        let hasher = getrandom::fill(&mut key).ok().map(|()| SipHasher13::new_with_key(&key));
        Self { number, hasher }
    }
}

/// Most aggregators that an address remembers: whoever makes up names fills no memory.
const MOST_AGGREGATORS: usize = 100;
/// Days without a poll after which an aggregator's subscribers count no more.
const FORGOTTEN: u64 = 3;

#[derive(Debug, Default)]
struct Readers {
    /// By name. Only a new name takes the lock.
    aggregators: ArcSwap<BTreeMap<String, Arc<Aggregator>>>,
    changing: Mutex<()>,
    today: ArcSwapOption<Seen>,
    yesterday: ArcSwapOption<Seen>,
}

/// What an aggregator reported last, and on which day.
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
        day < self.seen.load(Relaxed) + FORGOTTEN
    }
}

/// The readers of a day.
#[derive(Debug, Default)]
struct Seen {
    day: u64,
    sketch: Sketch,
}

impl Seen {
    /// How many distinct readers several addresses have together.
    fn together(seen: &[Arc<Self>]) -> u64 {
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
    fn note(&self, day: &Day, client: Option<IpAddr>, user_agent: &str) {
        if let Some((name, subscribers)) = aggregator(user_agent) {
            match self.aggregators.load().get(name) {
                Some(aggregator) => aggregator.report(subscribers, day.number),
                None => self.meet(name, subscribers, day.number),
            }
            return;
        }
        let Some(mut hasher) = day.hasher else { return };
        (client, user_agent).hash(&mut hasher);
        let hash = hasher.finish();
        match &*self.today.load() {
            Some(seen) if seen.day == day.number => seen.sketch.insert(hash),
            // The key of a day that is over for others is one of the past.
            Some(seen) if seen.day == day.number + 1 => {}
            _ => self.begin(day.number).sketch.insert(hash),
        }
    }

    /// Takes up an aggregator, if there is room for it.
    fn meet(&self, name: &str, subscribers: u64, day: u64) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.aggregators.load();
        let is_full = known.len() >= MOST_AGGREGATORS;
        if is_full && known.values().all(|aggregator| aggregator.is_known(day)) {
            return;
        }
        let mut aggregators = BTreeMap::clone(&known);
        if is_full {
            aggregators.retain(|_, aggregator| aggregator.is_known(day));
        }
        if aggregators.len() < MOST_AGGREGATORS {
            aggregators.entry(name.to_owned()).or_default().report(subscribers, day);
            self.aggregators.store(Arc::new(aggregators));
        }
    }

    /// Begins a day, unless another thread did.
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

/// An aggregator's name and the number of people it polls for, as in
/// `Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)`.
fn aggregator(user_agent: &str) -> Option<(&str, u64)> {
    let before = &user_agent[..memchr::memmem::find(user_agent.as_bytes(), b" subscriber")?];
    let digits = before.len() - before.bytes().rev().take_while(u8::is_ascii_digit).count();
    // Few enough that sums of them are numbers still, whatever is made up.
    let subscribers = before[digits..].parse::<u32>().ok()?.into();
    // `Mozilla/5.0 (compatible; theoldreader.com; 2 subscribers)`
    let named = user_agent.split_once("(compatible; ").map_or(user_agent, |(_, named)| named);
    let name = named.split(['/', ';', '(']).next()?;
    // `Feedbin feed-id:1234 - 5 subscribers`: what follows the name is no part of it.
    let name = name.split(" feed-id").next()?.split(" - ").next()?.trim();
    Some((name.get(..MOST_OF_A_NAME).unwrap_or(name), subscribers)).filter(|(name, _)| !name.is_empty())
}

/// Most bytes of an aggregator's name.
const MOST_OF_A_NAME: usize = 40;

/// Base-two logarithm of the registers of a sketch: the standard error is 2.3 %.
const PRECISION: u32 = 11;
const REGISTERS: usize = 1 << PRECISION;

/// How many distinct hashes were inserted, within a few percent, in 2 KiB.
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
        // Most readers have been here before, and reading a register costs other cores nothing.
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
    fn aggregators_say_for_how_many_they_poll() {
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
    fn what_all_cores_answer_is_counted() {
        let audience = Audience::default();
        let answer = || {
            for _ in 0..100 {
                audience.count(Answer::NotModified, Coding::Gzip);
                audience.save(3, Coding::Gzip);
            }
        };
        std::thread::scope(|scope| (0..20).for_each(|_| drop(scope.spawn(answer))));
        assert_eq!(audience.counted(Answer::NotModified, Coding::Gzip), 2000);
        assert_eq!(audience.counted(Answer::NotModified, Coding::Identity), 0);
        assert_eq!(audience.saved(), 6000);
        assert_eq!(audience.answers().map(|(.., count)| count).sum::<u64>(), 2000);
    }

    #[test]
    fn readers_are_counted_once_a_day() {
        let (rss, atom) = (Audience::default(), Audience::default());
        let (monday, tuesday) = (Day::new(5), Day::new(6));
        let client = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        for _ in 0..3 {
            rss.note(&monday, client(1), "reader");
            rss.note(&monday, client(1), "another reader behind one address");
            atom.note(&monday, client(1), "reader");
            atom.note(&monday, client(2), "Feedly/1.0 (16 subscribers)");
        }
        rss.note(&tuesday, client(1), "reader");
        rss.note(&monday, client(3), "a reader whose request came before midnight");
        let readership = Audience::readership([&rss, &atom], 6);
        assert_eq!((readership.yesterday, readership.today), (2, 1));
        assert_eq!(readership.aggregators, BTreeMap::from([("Feedly".to_owned(), 16)]));
        let later = Audience::readership([&rss, &atom], 8);
        assert_eq!(later, Readership::default());
    }

    #[test]
    fn whoever_makes_up_aggregators_fills_no_memory() {
        let audience = Audience::default();
        for number in 0..1000 {
            audience.note(&Day::new(1), None, &format!("name{number} - 7 subscribers"));
        }
        assert_eq!(Audience::readership([&audience], 1).aggregators.len(), MOST_AGGREGATORS);
        audience.note(&Day::new(9), None, "Feedly - 7 subscribers");
        assert_eq!(Audience::readership([&audience], 9).aggregators.len(), 1, "old names make room");
    }

    #[test]
    fn estimates_are_near() {
        for count in [0, 1, 10, 1000, 100_000_u64] {
            let sketch = Sketch::default();
            for number in 0..count {
                sketch.insert(xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes()));
            }
            assert!(sketch.estimate().abs_diff(count) <= count / 15, "{count}: {}", sketch.estimate());
        }
    }
}
