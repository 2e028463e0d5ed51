//! The content that a feed shows of a record.

use crate::config::ContentLength;
use crate::feed::{FeedDocument, ShownEntry};
use crate::seed::Record;

/// Allocates a buffer of about the size of a document, so that it does not have to grow.
pub(super) fn buffer(feed: &FeedDocument) -> Vec<u8> {
    const OVERHEAD: usize = 1024;
    let content = |record: &Record| match feed.about.content {
        ContentLength::Full => record.content.weight(),
        ContentLength::Excerpt => record.content.excerpt_weight(),
    };
    // Escaped markup takes more bytes.
    let bytes = |entry: &ShownEntry| OVERHEAD + content(&entry.record) * 5 / 4;
    Vec::with_capacity(feed.entries.iter().map(bytes).sum())
}

/// Returns the HTML content of a record in a feed. A record with neither content nor link shows its
/// title, since RFC 4287 §4.1.2 requires one of the two.
pub(super) fn content(feed: &FeedDocument, record: &Record) -> String {
    let content = match feed.about.content {
        ContentLength::Full => record.content.full(),
        ContentLength::Excerpt => record.content.excerpt(),
    };
    if content.is_empty() && record.link.is_none() {
        return format!("<p>{}</p>", htmlize::escape_text(&*record.title));
    }
    content
}
