//! Threads that keep connections which stay, one for each core.
//!
//! A new connection is answered by whichever thread is free: most are gone after an answer. One that goes on asking
//! would be answered now by one core and now by another, and each time what the system and its task hold of it would
//! have to be fetched from the other's caches. So it is moved to a keeper, which answers it as long as it lasts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::{io, thread};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tracing::warn;

/// The keepers of a process, to which connections are moved in turns.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    all: Vec<Handle>,
    next: AtomicUsize,
}

/// Starts a thread that does what it is given until the other end of this is dropped.
fn start_one(mut ended: watch::Receiver<()>) -> io::Result<Handle> {
    // The thread comes first: a runtime for which there is none would be dropped here, where tokio panics.
    let (give, given) = mpsc::channel::<Runtime>();
    thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        if let Ok(runtime) = given.recv() {
            let _ended = runtime.block_on(ended.changed());
        }
    })?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let keeper = runtime.handle().clone();
    let _ = give.send(runtime);
    Ok(keeper)
}

impl Keepers {
    /// As many as there are threads that answer; none beside a single one, which keeps all connections anyway. They
    /// end when what is given with them is dropped.
    pub(super) fn start() -> (Self, watch::Sender<()>) {
        let answering = Handle::current().metrics().num_workers();
        Self::start_with(if answering == 1 { 0 } else { answering }, start_one)
    }

    fn start_with(
        wanted: usize,
        start_one: impl Fn(watch::Receiver<()>) -> io::Result<Handle>,
    ) -> (Self, watch::Sender<()>) {
        let (keeping, ended) = watch::channel(());
        match (0..wanted).map(|_| start_one(ended.clone())).collect() {
            Ok(all) => (Self { all, next: AtomicUsize::new(0) }, keeping),
            Err(error) => {
                warn!(
                    "connections that stay are answered by any thread, for none can be started that keep them: {error}"
                );
                // Those that have begun end with `keeping`.
                (Self::default(), watch::channel(()).0)
            }
        }
    }

    /// The one whose turn it is, if there are any.
    pub(super) fn next(&self) -> Option<&Handle> {
        if self.all.is_empty() {
            return None;
        }
        self.all.get(self.next.fetch_add(1, Ordering::Relaxed) % self.all.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_threads_that_answer_has_a_keeper_and_a_single_one_has_none() {
        for (mut answering, expected) in
            [(Builder::new_current_thread(), 0), (Builder::new_multi_thread(), 3)]
        {
            let runtime = answering.worker_threads(3).build().unwrap();
            let (keepers, _keeping) = runtime.block_on(async { Keepers::start() });
            assert_eq!((keepers.all.len(), keepers.next().is_some()), (expected, expected > 0));
        }
    }

    #[tokio::test]
    async fn where_there_are_too_few_threads_there_are_no_keepers_and_none_is_left_behind() {
        let begun = std::sync::Mutex::new(Vec::new());
        let (keepers, _keeping) = Keepers::start_with(3, |ended| {
            let mut begun = begun.lock().unwrap();
            if begun.len() == 2 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            begun.push(ended.clone());
            start_one(ended)
        });
        assert!(keepers.next().is_none());
        for ended in begun.into_inner().unwrap() {
            assert!(ended.has_changed().is_err());
        }
    }
}
