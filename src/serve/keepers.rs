//! Threads that keep connections which stay, one for each core.
//!
//! A new connection is answered by whichever thread is free: most are gone after an answer. One that goes on asking
//! would be answered now by one core and now by another, and each time what the system and its task hold of it would
//! have to be fetched from the other's caches. So it is moved to a keeper, which answers it as long as it lasts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tracing::warn;

/// The keepers of a process, in whose turns connections are moved to them.
#[derive(Debug, Default)]
pub(super) struct Keepers {
    all: Vec<Handle>,
    next: AtomicUsize,
}

/// Starts a thread that does what it is given until the other end of this is dropped.
fn start(mut ended: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let keeper = runtime.handle().clone();
    thread::Builder::new().name("keeper".to_owned()).spawn(move || {
        let _ended = runtime.block_on(ended.changed());
    })?;
    Ok(keeper)
}

impl Keepers {
    /// As many as there are threads that answer; none beside a single one, which keeps all connections anyway. They
    /// end when the other end of this is dropped.
    pub(super) fn start(ended: &watch::Receiver<()>) -> Self {
        let answering = Handle::current().metrics().num_workers();
        let wanted = if answering == 1 { 0 } else { answering };
        let all = (0..wanted).map(|_| start(ended.clone())).collect::<io::Result<_>>();
        let all = all.unwrap_or_else(|error| {
            warn!("connections that stay are not kept each on a core, which takes some more time: {error}");
            Vec::new()
        });
        Self { all, next: AtomicUsize::new(0) }
    }

    /// The one whose turn it is, if there are any.
    pub(super) fn next(&self) -> Option<&Handle> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.all.get(turn.checked_rem(self.all.len())?)
    }

    pub(super) fn has_any(&self) -> bool {
        !self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_several_threads_that_answer_has_a_keeper_and_a_single_one_has_none() {
        let (_keeping, ended) = watch::channel(());
        for (mut answering, expected) in
            [(Builder::new_current_thread(), 0), (Builder::new_multi_thread(), 3)]
        {
            let runtime = answering.worker_threads(3).build().unwrap();
            let keepers = runtime.block_on(async { Keepers::start(&ended) });
            assert_eq!((keepers.all.len(), keepers.next().is_some()), (expected, expected > 0));
        }
    }
}
