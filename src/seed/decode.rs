//! Decodes the bytes of a file that may be a seed.

use std::sync::Arc;

use super::fault::Place;
use super::fields::Field;
use super::form::Form;
use super::limits;
use super::reading::Reading;
use super::rules::Rules;
use super::secured::without_secured;
use super::split::Notation;
use crate::syntax::yaml::Position;

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// Returns the text of a file without its byte order mark, or the reading of a file that is rejected.
pub(super) fn decode<'a>(
    rules: &Rules,
    path: &Arc<str>,
    form: Form,
    bytes: &'a [u8],
) -> Result<&'a str, Box<Reading>> {
    // UTF-16 begins with a mark of its own, and would otherwise not look like a seed.
    let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let reject = |offset, reason: &str, help| {
        let place = Some(place_of_byte(bytes, offset));
        Err(Box::new(Reading::rejected(path, place, reason.to_owned(), Some(help))))
    };
    // A file that cannot have front matter is not a seed, even if it is too large or not UTF-8.
    let beginning = &bytes[..bytes.len().min(3)];
    let may_be_fenced = b"---".starts_with(beginning)
        || b"+++".starts_with(beginning)
        || beginning.starts_with(b"{\n")
        || beginning == b"{\r\n";
    if form != Form::Yaml && !utf16 && !may_be_fenced && !bytes.iter().all(u8::is_ascii_whitespace) {
        let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(limits::MAX_SIZE)]);
        return Err(Box::new(without_front_matter(path, &beginning)));
    }
    if bytes.len() as u64 > rules.max_size {
        let reason = format!("this seed is larger than {} bytes", rules.max_size);
        return reject(0, &reason, "raise `--max-seed-size` to allow it");
    }
    if let Some(at) = memchr::memchr(0, bytes).filter(|_| !utf16) {
        return reject(at, "a NUL byte: this is not a text file", "save the file as UTF-8");
    }
    // The fast check does not return a position, the one of the standard library does.
    simdutf8::basic::from_utf8(bytes)
        .or_else(|_| str::from_utf8(bytes))
        .or_else(|error| reject(error.valid_up_to(), "this is not UTF-8", "save the file as UTF-8"))
}

/// Returns the reading of a file without front matter: not a seed, unless only its opening fence is missing.
pub(super) fn without_front_matter(path: &Arc<str>, text: &str) -> Reading {
    let Some(notation) = missing_fence(text) else { return Reading::NotASeed };
    let place = Place::in_text(&without_secured(text), Position { line: 1, column: 1 });
    let reason = format!("front matter must begin with {} as the first line", notation.fence_in_words());
    let help = format!("write `{}` there, with nothing before it", notation.fence());
    Reading::rejected(path, Some(place), reason, Some(&help))
}

/// Returns the notation of text that looks like front matter without its opening fence.
///
/// A typing error in the first line would otherwise make a seed an ordinary file, and remove its entry without
/// a fault.
fn missing_fence(text: &str) -> Option<Notation> {
    let is_usual =
        |key: &str| Field::named(key).is_some_and(|field| ["title", "topics"].contains(&field.names[0]));
    Notation::ALL.into_iter().find(|notation| {
        let is_key = |line: &&str| {
            let key = line.split(notation.sign()).next().filter(|key| key.len() < line.len());
            let key = key.map(|key| if *notation == Notation::Toml { key.trim_end() } else { key });
            key.is_some_and(is_usual)
        };
        let is_fence = |line: &&str| notation.is_fence(line);
        let lines = || text.lines().take(100);
        let has_key_before_fence = lines().take_while(|line| !is_fence(line)).any(|line| is_key(&line));
        let fence = notation.fence();
        let fence_is_late = || {
            text.trim_start().strip_prefix(fence).is_some_and(|rest| rest.starts_with('\n'))
                && !text.starts_with(fence)
        };
        (has_key_before_fence && lines().any(|line| is_fence(&line))) || fence_is_late()
    })
}

/// Returns the place of a byte in a file that may not be text.
fn place_of_byte(bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let text = without_secured(&String::from_utf8_lossy(bytes));
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::in_text(&text, Position { line, column }).marking(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_opening_fence_is_detected() {
        for text in [
            "--\ntitle: A\n---\n",
            "x---\ntitle: A\n---\n",
            "\n---\ntitle: A\n---\n",
            " title: x\ntopics: a\n---\nb",
            "++\ntitle = 'A'\n+++\n",
            "\n+++\ntitle = 'A'\n+++\n",
        ] {
            assert!(missing_fence(text).is_some(), "{text}");
        }
        for text in ["# Heading\n\n---\n\ntext\n", "title: A\n", "text\n---\ntitle: A\n", "title = 1\n---\n"]
        {
            assert!(missing_fence(text).is_none(), "{text}");
        }
    }
}
