//! A hint for permission errors of a process in a sandbox.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once this process is in a sandbox, which lasts for the rest of its life.
static IN_SANDBOX: AtomicBool = AtomicBool::new(false);

/// Records that this process is in a sandbox from now on.
pub fn mark_sandboxed() {
    IN_SANDBOX.store(true, Ordering::Relaxed);
}

/// Returns a hint to append to the message of an error that a restart may clear, else an empty
/// string. The rules of the sandbox are tied to the directories that existed at start-up.
pub fn restart_hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied && IN_SANDBOX.load(Ordering::Relaxed) {
        "; if it was mounted or linked there after sower started, restart sower to use it"
    } else {
        ""
    }
}
