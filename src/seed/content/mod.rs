//! Content: the HTML that a feed shows of a record, sanitised.

mod nesting;
mod markdown;
mod attributes;
mod prune;
mod sanitize;
mod summary;
mod assemble;

pub(super) use assemble::{ContentParts, add_body, without_body};
pub(super) use sanitize::{ContentError, MAX_ADDRESS_BYTES, sanitize};
