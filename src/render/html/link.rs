//! Links within the publication, and the languages of texts.

use crate::render::publication::Publication;

/// The language of the templates.
const LANGUAGE: &str = "en";

/// Returns a language, if it differs from that of the templates.
pub(super) fn other_language(language: &str) -> Option<&str> {
    Some(language).filter(|language| !language.eq_ignore_ascii_case(LANGUAGE))
}

/// Converts an address to one without scheme and host, so that pages work under every host name.
pub(super) fn at_home(url: &str, publication: &Publication) -> String {
    let path = url.strip_prefix(publication.url.as_str()).unwrap_or(url);
    format!("{}{path}", publication.url.path())
}
