//! The error of rendering.

use crate::feed::FeedDocument;
use crate::render::format::Format;
use crate::render::path::document_path;

/// A document that cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[error("cannot render {path}: {reason}")]
pub struct RenderError {
    pub(super) path: String,
    pub(super) reason: String,
}

impl RenderError {
    pub(super) fn new(feed: &FeedDocument, format: Format, reason: &impl ToString) -> Self {
        let path = document_path(&feed.selection, feed.archive, format);
        Self { path, reason: reason.to_string() }
    }
}
