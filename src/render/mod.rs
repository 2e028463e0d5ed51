//! Rendering: from a feed to the bytes of one format.
//!
//! The bytes depend only on the feed and the publication: on no clock, no file time, and no order of a
//! hash map.

#[cfg(test)]
mod tests;

mod format;
mod path;
mod style;
mod policy;
mod publication;
mod error;
mod content;
mod namespace;
mod file;
mod media;
mod rss;
mod atom;
mod json;
pub mod opml;
pub mod html;

use crate::feed::FeedDocument;

pub use error::RenderError;
pub use format::Format;
pub use path::{HOME, address, document_at, document_path, encoded};
pub use publication::Publication;

impl Format {
    /// Renders a feed in this format.
    ///
    /// # Errors
    ///
    /// The library that writes the format refuses.
    pub fn render(self, feed: &FeedDocument, publication: &Publication) -> Result<Vec<u8>, RenderError> {
        let mut bytes = match self {
            Self::Rss => rss::render(feed, publication),
            Self::Atom => atom::render(feed, publication),
            Self::Json => json::render(feed, publication),
            Self::Html => html::render(feed, publication),
        }?;
        bytes.shrink_to_fit();
        Ok(bytes)
    }
}
