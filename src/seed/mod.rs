//! Seeds: from the bytes of a file to a record, or to the faults that explain why there is none.
//!
//! Nothing here touches the disk or the clock. A mistake in a field costs that field, unless the record requires
//! the field, or would then be shown too early, be shown although it is hidden, or have another id. Then it costs the
//! record.

mod date;
mod fault;
mod link;
mod form;
mod split;
mod limits;
mod fields;
mod secured;
mod front_matter;
mod html;
mod media;
mod record;
mod content;
mod deferred;
mod packed;
mod rules;
mod reading;
mod decode;
mod check;

use std::sync::Arc;

use crate::syntax::yaml::{Position, Step};
use check::Check;
use form::{Body, Form};
use secured::without_secured;
use split::{Notation, Split};

pub use date::{Month, Timestamp};
pub use fault::{Fault, Place, Severity};
pub use form::{is_in_drafts, is_seed_name};
pub use media::{Embed, EmbedKind, media_type};
pub use packed::{FacetPool, Facets, PackedRecord};
pub use reading::{Change, Reading};
pub use record::{Action, Content, Held, Hidden, Image, Provider, Record, Related, Topic, Visibility};
pub use rules::{ContentMode, Rules};

/// Returns the reading of a file that the system could not read.
pub fn unreadable(path: &Arc<str>, reason: String) -> Reading {
    Reading::rejected(path, None, reason, None)
}

/// Reads a seed. The first `rules.max_size + 1` bytes of the file suffice.
pub fn read(rules: &Rules, path: &Arc<str>, bytes: &[u8]) -> Reading {
    let Some(form) = Form::of(path) else { return Reading::NotASeed };
    let text = match decode::decode(rules, path, form, bytes) {
        Ok(text) => text,
        Err(reading) => return *reading,
    };
    let text = &*split::decode_surrogate_pairs(text);
    let reject = |reason: String, help: &str| {
        let opening = Place::in_text(text, Position { line: 1, column: 1 }).marking(3);
        Reading::rejected(path, Some(opening), reason, Some(help))
    };
    match split::split(text, form == Form::Yaml) {
        Split::NotASeed => decode::without_front_matter(path, text),
        Split::Blank => Reading::Blank,
        Split::Unclosed(notation) => reject(
            "front matter opens here and never closes".to_owned(),
            &format!("end it with {}", notation.fence_in_words()),
        ),
        Split::Complete { front_matter, .. } if front_matter.text.len() > limits::MAX_SIZE => reject(
            format!("front matter is larger than {} bytes", limits::MAX_SIZE),
            "move long text to the body",
        ),
        Split::Complete { front_matter, .. } if limits::is_too_deep(front_matter.text) => reject(
            format!("`[` and `{{` nest more than {} deep", limits::MAX_DEPTH),
            "close them, or move such text to the body",
        ),
        Split::Complete { front_matter, .. }
            if front_matter.notation == Notation::Yaml && limits::has_aliases(front_matter.text) =>
        {
            reject(
                "anchors and aliases (`&name`, `*name`) are not supported".to_owned(),
                "repeat the value in place of the alias, or quote the text",
            )
        }
        Split::Complete { front_matter, body } => {
            Check::new(rules, path, text, front_matter).read(Body::new(form, body))
        }
    }
}

/// Returns the place of a field in a seed.
pub fn place_of(rules: &Rules, path: &Arc<str>, bytes: &[u8], field: &str) -> Option<Place> {
    let form = Form::of(path)?;
    let text = decode::decode(rules, path, form, bytes).ok()?;
    let Split::Complete { front_matter, .. } = split::split(text, form == Form::Yaml) else { return None };
    let at = front_matter.key_at(&[Step::Key(field)])?;
    Some(Place::in_text(&without_secured(text), front_matter.in_file(at)))
}

/// Returns `true` if a file contains a text in any case, except in `secured`. The file need not be a seed.
pub fn mentions(bytes: &[u8], text: &str) -> bool {
    let content = without_secured(&String::from_utf8_lossy(bytes)).to_lowercase();
    content.contains(&text.to_lowercase())
}

#[cfg(test)]
mod tests;
