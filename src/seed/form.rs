//! The form of a seed file: its name, its markup and its body.

use std::borrow::Cow;

/// The content of a seed file, by its ending.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Front matter and a body.
    Text(Markup),
    /// Front matter alone.
    Yaml,
}

/// The markup of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Markup {
    /// `.html`, `.htm`
    Html,
    /// `.md`, `.markdown`, `.txt`
    Markdown,
}

/// The text after the front matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a> {
    pub(super) markup: Markup,
    /// The text without trailing white space.
    pub(super) text: &'a str,
}

impl Form {
    /// Returns the form of a file, or `None` if its ending is not that of a seed.
    pub(super) fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        Some(match ending.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "txt" => Self::Text(Markup::Markdown),
            "html" | "htm" => Self::Text(Markup::Html),
            "yaml" | "yml" => Self::Yaml,
            _ => return None,
        })
    }
}

impl<'a> Body<'a> {
    /// Returns the body of a file of this form, or `None` if it is blank.
    pub(super) fn new(form: Form, text: &'a str) -> Option<Self> {
        match form {
            Form::Text(markup) if !text.trim().is_empty() => Some(Self { markup, text: text.trim_end() }),
            Form::Text(_) | Form::Yaml => None,
        }
    }
}

/// Returns `true` if a file with this name can be a seed: it has one of the endings, is neither hidden nor an
/// editor's temporary file, and does not describe its whole folder (`_index.md`).
pub fn is_seed_name(name: &str) -> bool {
    let temporary = name.starts_with(['.', '#']) || name.ends_with(['~', '#']);
    !temporary && !name.starts_with("_index.") && Form::of(name).is_some()
}

/// Returns `true` if a seed lies in a folder `_drafts`, at any depth, which makes it unpublished.
pub fn is_in_drafts(path: &str) -> bool {
    path.rsplit('/').skip(1).any(|folder| folder == "_drafts")
}

/// Returns `true` if a seed stands for its folder (`index.md`).
pub(super) fn is_index(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with("index."))
}

/// Returns the name of a seed: that of its file without the ending, or that of its folder if the file is
/// `index`. A translation (`index.fr.md`) is named as it would be beside its folder (`folder.fr.md`).
pub(super) fn stem(path: &str) -> Cow<'_, str> {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    match (parts.next(), stem.strip_prefix("index")) {
        (Some(folder), Some("")) => folder.into(),
        (Some(folder), Some(language)) if language.starts_with('.') => format!("{folder}{language}").into(),
        _ => stem.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_names_have_a_known_ending_and_are_not_temporary() {
        for name in ["a.md", "a.MARKDOWN", "a.html", "a.htm", "a.txt", "a.yaml", "a.yml", "a.b.md"] {
            assert!(is_seed_name(name), "{name}");
        }
        for name in [
            "_index.md",
            "_index.fr.md",
            ".a.md",
            "a.md~",
            "#a.md#",
            ".#a.md",
            "a.md.swp",
            "a.md.tmp",
            "a",
            "a.rs",
            "4913",
            ".a.md.swp",
        ] {
            assert!(!is_seed_name(name), "{name}");
        }
    }
}
