//! Text for feeds, terminals and addresses.

mod clean;
mod slug;

pub use clean::{allowed_in_xml, clean, count, plain, printable};
pub use slug::{address_slug, slug, topic_slug};
