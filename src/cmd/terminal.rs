//! Output on a terminal.

use std::io::IsTerminal;

/// Returns `true` if a stream shows colours: it is a terminal, and `NO_COLOR` is not set.
pub(super) fn has_colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
