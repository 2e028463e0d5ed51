//! The paths of documents, and their addresses.

use percent_encoding::{CONTROLS, utf8_percent_encode};
use url::Url;

use crate::feed::Selection;
use crate::render::format::Format;
use crate::seed::Month;

/// Returns the path of a document: of an archived month, or without one of the subscription document.
/// `topics/SLUG.atom`, `topics/SLUG/2024-03.atom`, `topics/SLUG/index.html`
pub fn document_path(selection: &Selection, archive: Option<Month>, format: Format) -> String {
    let (path, ending) = (selection.path(), format.ending());
    archive.map_or_else(|| format!("{path}{ending}"), |month| format!("{path}/{month}{ending}"))
}

/// Parses the path of a document. Returns `None` if no feed can have such a document.
pub fn document_at(path: &str) -> Option<(Selection, Option<Month>, Format)> {
    let split = |format: &Format| Some((path.strip_suffix(format.ending())?, *format));
    let (path, format) = Format::ALL.iter().find_map(split)?;
    let archive = path.rsplit_once('/').and_then(|(feed, month)| Some((feed, month.parse().ok()?)));
    let archived = archive.and_then(|(feed, month)| Some((Selection::at(feed)?, Some(month), format)));
    archived.or_else(|| Some((Selection::at(path)?, None, format)))
}

/// The path of the home page.
pub const HOME: &str = "index.html";

/// Percent-encodes a path.
pub fn encoded(path: &str) -> String {
    // Of the characters that RFC 3986 §3.3 excludes from a path, a slug contains only non-ASCII ones.
    utf8_percent_encode(path, CONTROLS).to_string()
}

/// Returns the address of a path under that of the publication. A page has the address of its folder.
pub fn address(publication: &Url, path: &str) -> String {
    format!("{publication}{}", encoded(path.strip_suffix(Format::Html.ending()).unwrap_or(path)))
}
