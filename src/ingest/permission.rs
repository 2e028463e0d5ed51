//! A hint for permission errors of a process in a sandbox.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether this process is in a sandbox, which lasts for the rest of its life.
static IN_SANDBOX: AtomicBool = AtomicBool::new(false);

/// Records that this process is in a sandbox from now on.
pub fn note_sandbox() {
    IN_SANDBOX.store(true, Ordering::Relaxed);
}

/// Returns the end of a message about an error that a restart may clear, or nothing: the rules of the sandbox
/// are tied to the directories that existed when the process started.
pub fn restart_hint(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::PermissionDenied && IN_SANDBOX.load(Ordering::Relaxed) {
        "; if that place was mounted or linked there since sower started, a restart lets sower use it"
    } else {
        ""
    }
}
