//! A cache of unpacked records: when an entry changes, the other entries of its feeds are rendered again.

use std::convert::Infallible;
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::seed::{PackedRecord, Record};

/// The most bytes of records that are cached.
const CAPACITY: u64 = 16 << 20;

/// Unpacked records by their hash, which covers everything that is rendered of them. Their paths may differ.
#[derive(Debug)]
pub(super) struct RecordCache(Cache<u128, (Arc<Record>, u64), Weight>);

#[derive(Debug, Clone)]
struct Weight;

impl Weighter<u128, (Arc<Record>, u64)> for Weight {
    fn weight(&self, _: &u128, (_, weight): &(Arc<Record>, u64)) -> u64 {
        *weight
    }
}

impl RecordCache {
    pub(super) fn new() -> Self {
        Self(Cache::with_weighter(4096, CAPACITY, Weight))
    }

    /// Returns a record, unpacking it unless it is cached.
    pub(super) fn get(&self, packed: &PackedRecord) -> Arc<Record> {
        let unpack = || {
            let record = packed.record();
            let weight = (packed.payload().len() + record.content.weight()) as u64;
            Ok::<_, Infallible>((Arc::new(record), weight))
        };
        let Ok((record, _)) = self.0.get_or_insert_with(&packed.hash, unpack);
        record
    }
}
