//! The page for an address at which nothing exists.

use serde::Serialize;

use crate::feed::Selection;
use crate::render::error::RenderError;
use crate::render::html::frame::{Frame, frame};
use crate::render::html::template::render_template;
use crate::render::path::address;
use crate::render::publication::Publication;

/// The path of the page.
pub const MISSING: &str = "404.html";

/// Renders the page.
///
/// # Errors
///
/// A template is invalid.
pub fn missing(publication: &Publication) -> Result<Vec<u8>, RenderError> {
    #[derive(Serialize)]
    struct Missing<'a> {
        frame: Frame<'a>,
    }
    let frame = Frame {
        title: format!("Nothing here · {}", publication.title),
        description: "Nothing is published at this address".to_owned(),
        url: address(&publication.url, MISSING),
        ..frame(&Selection::All, publication)
    };
    render_template("missing.html", &Missing { frame })
        .map_err(|reason| RenderError { path: MISSING.to_owned(), reason })
}
