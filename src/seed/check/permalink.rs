//! Permalinks: where a record is that does not say so, by its file's name and its date.

use chrono::Datelike;
use percent_encoding::utf8_percent_encode;
use url::Url;

use super::topics::Named;
use super::{Check, TAG_ESCAPES, stem};
use crate::config::Piece;
use crate::seed::Severity;
use crate::seed::fields::{FrontMatter, Given};
use crate::seed::{date, link};
use crate::syntax::yaml::Step;

impl Check<'_> {
    /// The address that the configuration has for records without one. None if what it is made of
    /// is not known.
    pub(super) fn permalink(&mut self, fields: &FrontMatter, named: &[Named<'_>]) -> Option<String> {
        let permalink = self.rules.seeds.permalink.as_ref()?;
        match fields.whereabouts.path.as_ref().map(|given| (given, own_path(given))) {
            Some((_, Own::Path(path))) => return link::web(&path, permalink.site()),
            Some((given, Own::Pattern)) => {
                let place = self.place_of(&[Step::Key(given.key)]);
                let reason = format!("`{}` is a pattern, which is not followed", given.key);
                let help = "write the address itself; the link is made by the `permalink` of sower.yaml";
                self.push(Severity::Warning, place, reason, Some(help));
            }
            Some((_, Own::Style)) | None => {}
        }
        let mut path = String::new();
        for piece in permalink.pieces() {
            path.push_str(&self.piece(piece, fields, named)?);
        }
        // What is empty leaves no trace.
        while path.contains("//") {
            path = path.replace("//", "/");
        }
        link::web(&path, permalink.site())
    }

    /// What the pictures of a record with a permalink are relative to: those of a folder of its own lie
    /// there, whether its address says so with a slash or not; others belong to the site.
    pub(super) fn base_of_pictures(&self, link: &str) -> Option<Url> {
        let site = self.rules.seeds.permalink.as_ref()?.site();
        if !self.is_index() {
            return Some(site.clone());
        }
        let mut link = Url::parse(link).ok()?;
        let is_file = link.path().rsplit('/').next().is_some_and(|name| name.contains('.'));
        if !is_file && !link.path().ends_with('/') {
            link.set_path(&format!("{}/", link.path()));
        }
        Some(link)
    }

    pub(super) fn is_index(&self) -> bool {
        self.path.rsplit('/').next().is_some_and(|name| name.starts_with("index."))
    }

    fn piece(&self, piece: &Piece, fields: &FrontMatter, named: &[Named<'_>]) -> Option<String> {
        let stem = &*stem(self.path);
        let day = || {
            let date = fields.published_at.as_ref().map(|given| given.value.trim());
            date.filter(|date| !date.is_empty()).map_or_else(|| date::day(stem), date::day)
        };
        let slug = fields.whereabouts.slug.as_deref().map(str::trim);
        Some(match piece {
            Piece::Text(text) => text.clone(),
            Piece::Year => format!("{:04}", day()?.year()),
            Piece::Month => format!("{:02}", day()?.month()),
            Piece::Day => format!("{:02}", day()?.day()),
            Piece::Stem => escaped(slug.unwrap_or(stem)),
            Piece::Name => escaped(slug.unwrap_or_else(|| date::without_date(stem))),
            Piece::Folder => self.folders().map(escaped).collect::<Vec<_>>().join("/"),
            Piece::Topics(field) => {
                let names = named.iter().find(|named| named.field == Some(*field));
                let names = names.into_iter().flat_map(|named| named.names.iter().flatten());
                names.map(|name| escaped(&name.trim().to_lowercase())).collect::<Vec<_>>().join("/")
            }
        })
    }

    /// The folders that a seed lies in, but for its own, and for those that are no part of an address.
    fn folders(&self) -> impl Iterator<Item = &str> {
        let folders: Vec<_> = self.path.split('/').collect();
        let own = if self.is_index() { 2 } else { 1 };
        let count = folders.len().saturating_sub(own);
        folders.into_iter().take(count).filter(|folder| !folder.starts_with('_'))
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, TAG_ESCAPES).to_string()
}

/// What a seed says of its whole address.
enum Own {
    /// From the root of the site.
    Path(String),
    /// What Hugo and Jekyll make one of by rules of theirs.
    Pattern,
    /// The name of one of Jekyll's patterns.
    Style,
}

fn own_path(given: &Given<String>) -> Own {
    const STYLES: &[&str] = &["date", "pretty", "ordinal", "weekdate", "none"];
    let path = given.value.trim().trim_start_matches('/');
    match given.key {
        "permalink" if STYLES.contains(&path) => Own::Style,
        _ if path.contains(':') => Own::Pattern,
        // Zola's pages are folders.
        "path" => Own::Path(format!("/{}/", path.trim_end_matches('/'))),
        _ => Own::Path(format!("/{path}")),
    }
}
