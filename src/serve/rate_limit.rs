//! The rate limit on polls: a token bucket for each client and address.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quick_cache::DefaultHashBuilder;
use quick_cache::sync::Cache;

use super::client::Client;

/// The number of buckets that are kept. The least used make room for new ones, which start full, so memory is
/// bounded to about 4 MiB for any number of clients.
const BUCKETS: usize = 50_000;

/// Limits the polls of each client for each address (the generic cell rate algorithm). A poll takes as much time from
/// the bucket as its response stays fresh, so a client that polls as often as `Cache-Control` allows is never limited.
pub(super) struct RateLimiter {
    hasher: DefaultHashBuilder,
    epoch: Instant,
    /// By a hash of the client and the address: when the bucket is full again, in milliseconds since the epoch.
    buckets: Cache<u64, Arc<AtomicU64>>,
}

/// The owner of a bucket.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct BucketKey<'a> {
    network: Option<u128>,
    /// One address may hide many clients.
    user_agent: Option<&'a [u8]>,
    address: &'a str,
}

impl<'a> BucketKey<'a> {
    pub(super) fn new(client: Client, user_agent: Option<&'a [u8]>, address: &'a str) -> Self {
        // A subscriber of IPv6 has a whole /64.
        let network = client.map(|client| match client {
            IpAddr::V4(address) => address.to_bits().into(),
            IpAddr::V6(address) => address.to_bits() >> 64,
        });
        Self { network, user_agent, address }
    }
}

impl RateLimiter {
    pub(super) fn new(now: Instant) -> Self {
        Self { hasher: DefaultHashBuilder::default(), epoch: now, buckets: Cache::new(BUCKETS) }
    }

    /// Takes `cost` from a bucket of this capacity. A cost above the capacity empties a full bucket.
    ///
    /// # Errors
    ///
    /// The bucket has too little left; the error is the time until it has enough.
    pub(super) fn take(
        &self,
        key: BucketKey<'_>,
        cost: Duration,
        capacity: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = milliseconds(now.saturating_duration_since(self.epoch));
        let capacity = milliseconds(capacity);
        let cost = milliseconds(cost).min(capacity);
        if cost == 0 {
            return Ok(());
        }
        let new_bucket = || Ok::<_, std::convert::Infallible>(Arc::default());
        let Ok(full_at) = self.buckets.get_or_insert_with(&self.hasher.hash_one(key), new_bucket);
        let latest = now.saturating_add(capacity);
        let taken = full_at.fetch_update(Relaxed, Relaxed, |full_at| {
            let next = full_at.max(now).saturating_add(cost);
            (next <= latest).then_some(next)
        });
        taken.map(drop).map_err(|full_at| Duration::from_millis(full_at.saturating_add(cost) - latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn key(client: u32) -> BucketKey<'static> {
        BucketKey::new(Some(IpAddr::from(client.to_be_bytes())), None, "/all.rss")
    }

    #[test]
    fn polls_above_the_rate_wait() {
        let epoch = Instant::now();
        let limiter = RateLimiter::new(epoch);
        let waits = |client, cost, seconds: &[u64]| -> Vec<u64> {
            let take = |&second| {
                let taken = limiter.take(key(client), cost, 6 * MINUTE, epoch + Duration::from_secs(second));
                taken.map_or_else(|wait| wait.as_secs(), |()| 0)
            };
            seconds.iter().map(take).collect()
        };
        let every_minute: Vec<_> = (0..100).map(|poll| poll * 60).collect();
        assert_eq!(waits(1, MINUTE, &every_minute), vec![0; 100]);
        assert_eq!(waits(2, MINUTE, &[0, 1, 2, 3, 4, 5, 6, 54, 60]), [0, 0, 0, 0, 0, 0, 54, 6, 0]);
        assert_eq!(waits(3, 4 * MINUTE, &[0, 60, 120, 240]), [0, 60, 0, 120]);
        let every_second: Vec<_> = (0..100).collect();
        assert_eq!(waits(4, Duration::from_secs(1), &every_second), vec![0; 100]);
        assert_eq!(
            waits(5, Duration::ZERO, &[2, 1, 2]),
            [0; 3],
            "a response that is never fresh costs nothing"
        );
        assert_eq!(waits(6, 60 * MINUTE, &[0, 1]), [0, 359], "the first poll of a client is always answered");
    }

    #[test]
    fn each_client_and_address_has_its_own_bucket() {
        let epoch = Instant::now();
        let limiter = RateLimiter::new(epoch);
        let is_taken = |key| limiter.take(key, MINUTE, MINUTE, epoch).is_ok();
        let address = |address: &str| Some(address.parse().unwrap());
        let v6 = |last: &str| address(&format!("2001:db8::{last}"));
        assert!(is_taken(BucketKey::new(v6("1"), None, "/all.rss")));
        assert!(!is_taken(BucketKey::new(v6("2"), None, "/all.rss")), "a /64 is one client");
        assert!(is_taken(BucketKey::new(address("2001:db8:0:1::1"), None, "/all.rss")));
        assert!(is_taken(BucketKey::new(v6("1"), Some(b"reader"), "/all.rss")));
        assert!(is_taken(BucketKey::new(v6("1"), None, "/all.atom")));
        assert!(is_taken(BucketKey::new(None, None, "/all.rss")));
    }

    #[test]
    fn ten_thousand_clients_are_limited_at_once_in_bounded_memory() {
        let epoch = Instant::now();
        let limiter = RateLimiter::new(epoch);
        let taken = |clients: std::ops::Range<u32>| {
            clients.filter(|client| limiter.take(key(*client), MINUTE, MINUTE, epoch).is_ok()).count()
        };
        assert_eq!((taken(0..10_000), taken(0..10_000)), (10_000, 0));
        taken(10_000..500_000);
        assert!(limiter.buckets.len() <= BUCKETS);
    }
}
