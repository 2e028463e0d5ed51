//! What each core has of its own, for which the threads stand that answer. Of one thing that many change, be it a count
//! of those who use it, one core at a time can have the line of its cache, and for the others it is as far away as
//! memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Of more threads than this some share: then few meet at each, and nothing is held for each of a hundred.
const MOST: usize = 8;

thread_local! {
    static PLACE: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Relaxed) % MOST
    };
}

/// Which of them is this thread's, counted from 0.
pub fn number() -> usize {
    PLACE.with(|place| *place)
}

/// One of a kind for each core, made when a thread asks for its own first.
#[derive(Debug)]
pub struct PerCore<T>([OnceLock<Box<T>>; MOST]);

impl<T> Default for PerCore<T> {
    fn default() -> Self {
        Self(Default::default())
    }
}

impl<T: Default> PerCore<T> {
    /// That of this thread, which it seldom shares.
    pub fn own(&self) -> &T {
        self.0[number()].get_or_init(Box::default)
    }

    /// All that there are.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(|one| one.get().map(|one| &**one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn each_thread_has_its_own_and_all_are_found() {
        let counts: PerCore<AtomicUsize> = PerCore::default();
        assert_eq!(counts.all().count(), 0);
        let count = || {
            counts.own().fetch_add(1, Relaxed);
            counts.own().fetch_add(1, Relaxed);
            std::ptr::from_ref(counts.own()).addr()
        };
        let mut seen: Vec<_> =
            (0..2 * MOST).map(|_| thread::scope(|scope| scope.spawn(count).join().unwrap())).collect();
        assert_eq!(counts.all().map(|count| count.load(Relaxed)).sum::<usize>(), 4 * MOST);
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), counts.all().count());
        assert!(
            seen.len() > 1,
            "threads of other tests may have taken places in between, but not all of them"
        );
    }
}
