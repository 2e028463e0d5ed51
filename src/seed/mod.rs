//! Seeds: from the bytes of a file to a record, or to the faults that say why not.
//!
//! Nothing here touches the disk or the clock. What is wrong with a field costs that field, unless
//! the record would then say something its writer did not mean: shown too early, shown at all, or
//! under another id. Then it costs the record.

mod check;
mod content;
mod date;
mod fault;
mod fields;
mod link;
mod media;
mod packed;
mod record;
mod split;

use std::sync::Arc;

use url::Url;

use crate::config::{Config, SeedSettings};
use crate::syntax::yaml::{Position, Step};
use check::Check;
use split::{Cut, Notation};

pub use content::Content;
pub use date::{Month, Timestamp};
pub use fault::{Fault, Place, Severity};
pub use media::{Embed, Source, media_type};
pub use packed::{Common, Facets, Packed};
pub use record::{Action, Held, Hidden, Image, Provider, Record, Related, Standing, Topic};

/// What reading depends on besides the file.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The publication's own address, for relative links and for ids.
    pub url: Url,
    /// Largest seed, in bytes.
    pub largest: u64,
    /// Whether unknown keys and missing dates are faults.
    pub strict: bool,
    /// Hosts whose frames may be shown.
    pub frame_hosts: Vec<String>,
    /// Which fields say what, where that can be chosen.
    pub seeds: SeedSettings,
    /// What becomes of what only feeds show of records.
    pub texts: Texts,
}

/// What becomes of the texts of seeds, which only feeds show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// Nothing: records are not [whole](Packed::is_whole).
    LeftOut,
    /// A body may stay as it is written until it is shown.
    Written,
    /// Each body is made into content at once, since it will be shown more than once.
    Made,
}

impl Rules {
    /// What a configuration says about reading seeds.
    pub fn new(config: &Config, strict: bool) -> Self {
        Self {
            url: config.url.clone(),
            largest: config.max_seed_size,
            strict,
            frame_hosts: config.frame_hosts.clone(),
            seeds: config.seed_settings.clone(),
            texts: Texts::Written,
        }
    }
}

#[cfg(test)]
impl Rules {
    /// Rules for a test.
    pub(crate) fn sample() -> Self {
        let frame_hosts = vec!["www.youtube.com".to_owned()];
        let url = Url::parse("https://a.example/").unwrap();
        let seeds = SeedSettings::default();
        Self { url, largest: 1 << 20, strict: false, frame_hosts, seeds, texts: Texts::Written }
    }
}

/// What a file turned out to be.
#[derive(Debug)]
pub enum Reading {
    /// Not a seed: it has no front matter.
    NotASeed,
    /// Empty, or no more than the first characters of a seed: perhaps one that is being written.
    Blank,
    /// A seed.
    Seed {
        /// None if a fault cost the whole record.
        record: Option<Arc<Packed>>,
        /// Everything that is wrong with the seed.
        faults: Vec<Fault>,
    },
}

/// What happened to one seed.
#[derive(Debug)]
pub enum Change {
    /// It is new, or it was written.
    Read(Reading),
    /// It is not there any more.
    Gone,
}

/// Whether a file with this name can be a seed: one of the endings, not hidden, not an editor's
/// temporary file, not what says something of its whole folder.
pub fn is_seed_name(name: &str) -> bool {
    let temporary = name.starts_with(['.', '#']) || name.ends_with(['~', '#']);
    !temporary && !name.starts_with("_index.") && Form::of(name).is_some()
}

/// Whether a seed lies in a folder `_drafts`, so that it is not published.
pub fn is_in_drafts(path: &str) -> bool {
    path.rsplit('/').skip(1).any(|folder| folder == "_drafts")
}

/// What follows the front matter.
#[derive(Debug, Clone, Copy)]
struct Body<'a> {
    /// How it is written.
    markup: Markup,
    /// The text, without the white space that it ends with.
    text: &'a str,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Markup {
    /// `.html`, `.htm`
    Html,
    /// `.md`, `.markdown`, `.txt`
    Markdown,
}

/// What a seed's ending says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text(Markup),
    Yaml,
}

impl Form {
    fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        Some(match ending.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "txt" => Self::Text(Markup::Markdown),
            "html" | "htm" => Self::Text(Markup::Html),
            "yaml" | "yml" => Self::Yaml,
            _ => return None,
        })
    }
}

/// A byte order mark: no part of the text.
const BOM: &[u8] = "\u{FEFF}".as_bytes();

/// A seed that could not be read at all.
pub fn unreadable(path: &Arc<str>, reason: String) -> Reading {
    lost(path, None, reason, None)
}

/// Reads a seed. At most `rules.largest + 1` of its bytes are needed.
pub fn read(rules: &Rules, path: &Arc<str>, bytes: &[u8]) -> Reading {
    let Some(form) = Form::of(path) else { return Reading::NotASeed };
    let text = match text(rules, path, form, bytes) {
        Ok(text) => text,
        Err(reading) => return *reading,
    };
    let text = &*split::without_pairs(text);
    let opening = || Some(Place::in_text(text, Position { line: 1, column: 1 }).marking(3));
    match split::cut(text, form == Form::Yaml) {
        Cut::NotASeed => no_seed(path, text),
        Cut::Blank => Reading::Blank,
        Cut::Unclosed(notation) => {
            let reason = "front matter opens here and never closes".to_owned();
            lost(path, opening(), reason, Some(&format!("end it with {}", notation.fence_in_words())))
        }
        Cut::Whole { matter, .. } if matter.text.len() > fields::LARGEST => {
            let reason = format!("front matter is larger than {} bytes", fields::LARGEST);
            lost(path, opening(), reason, Some("long text belongs in the body"))
        }
        Cut::Whole { matter, .. } if fields::is_too_deep(matter.text) => {
            let reason = format!("`[` and `{{` open more than {} deep", fields::DEEPEST);
            lost(path, opening(), reason, Some("close them, or put such text into the body"))
        }
        Cut::Whole { matter, .. }
            if matter.notation == Notation::Yaml && fields::has_aliases(matter.text) =>
        {
            let reason = "anchors and aliases (`&name`, `*name`) are not read".to_owned();
            lost(path, opening(), reason, Some("write the value where it belongs, or in quotes"))
        }
        Cut::Whole { matter, body } => {
            let body = match form {
                Form::Text(markup) if !body.trim().is_empty() => Some(Body { markup, text: body.trim_end() }),
                Form::Text(_) | Form::Yaml => None,
            };
            Check::new(rules, path, text, matter).seed(body)
        }
    }
}

/// Where a field of a seed stands in it, with what is said there.
pub fn place_of(rules: &Rules, path: &Arc<str>, bytes: &[u8], field: &str) -> Option<Place> {
    let text = text(rules, path, Form::of(path)?, bytes).ok()?;
    let Cut::Whole { matter, .. } = split::cut(text, Form::of(path)? == Form::Yaml) else {
        return None;
    };
    let at = matter.key_at(&[Step::Key(field)])?;
    let text = fields::without_secured(text);
    Some(Place::in_text(&text, Position { line: at.line + matter.lines_before, ..at }))
}

/// Whether a text stands in a file, whatever else the file is. What is `secured` does not count.
pub fn mentions(bytes: &[u8], text: &str) -> bool {
    let said = fields::without_secured(&String::from_utf8_lossy(bytes)).to_lowercase();
    said.contains(&text.to_lowercase())
}

/// What has no front matter is passed over, unless it lacks no more than its opening line.
fn no_seed(path: &Arc<str>, text: &str) -> Reading {
    let Some(notation) = split::lacks_only_its_fence(text) else { return Reading::NotASeed };
    let place = Place::in_text(&fields::without_secured(text), Position { line: 1, column: 1 });
    let reason = format!("front matter begins with {}, the first of the file", notation.fence_in_words());
    let help = format!("write `{}` there, and nothing before it", notation.fence());
    lost(path, Some(place), reason, Some(&help))
}

/// The text of what may be a seed, without its byte order mark.
fn text<'a>(rules: &Rules, path: &Arc<str>, form: Form, bytes: &'a [u8]) -> Result<&'a str, Box<Reading>> {
    let lost = |at, reason: &str, help| {
        Err(Box::new(lost(path, Some(byte_place(bytes, at)), reason.to_owned(), help)))
    };
    // An editor that writes UTF-16 says so in the first two bytes; such a file looks like no seed.
    let utf16 = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    // Whatever else it is, a picture or a novel, it is none of our business.
    let beginning = &bytes[..bytes.len().min(3)];
    let may_be_fenced = b"---".starts_with(beginning)
        || b"+++".starts_with(beginning)
        || beginning.starts_with(b"{\n")
        || beginning == b"{\r\n";
    if form != Form::Yaml && !utf16 && !may_be_fenced && !bytes.iter().all(u8::is_ascii_whitespace) {
        let beginning = String::from_utf8_lossy(&bytes[..bytes.len().min(fields::LARGEST)]);
        return Err(Box::new(no_seed(path, &beginning)));
    }
    if bytes.len() as u64 > rules.largest {
        let reason = format!("this seed is larger than {} bytes", rules.largest);
        return lost(0, &reason, Some("`--max-seed-size` allows larger ones"));
    }
    if let Some(at) = memchr::memchr(0, bytes).filter(|_| !utf16) {
        return lost(at, "a NUL byte: this is not a text file", Some("save the file as UTF-8"));
    }
    // The standard library tells where they are no text.
    simdutf8::basic::from_utf8(bytes)
        .or_else(|_| str::from_utf8(bytes))
        .or_else(|error| lost(error.valid_up_to(), "this is not UTF-8", Some("save the file as UTF-8")))
}

fn lost(path: &Arc<str>, place: Option<Place>, reason: String, help: Option<&str>) -> Reading {
    let help = help.map(str::to_owned);
    let fault = Fault { severity: Severity::Fault, path: path.clone(), place, reason, help };
    Reading::Seed { record: None, faults: vec![fault] }
}

/// The place of a byte in what need not be text.
fn byte_place(bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let text = fields::without_secured(&String::from_utf8_lossy(bytes));
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Place::in_text(&text, Position { line, column }).marking(1)
}

#[cfg(test)]
mod tests;
