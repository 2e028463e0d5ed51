//! Permalinks: where a record is that does not say so, by its file's name and its date.

use chrono::Datelike;
use percent_encoding::utf8_percent_encode;
use url::Url;

use super::topics::Named;
use super::{Check, TAG_ESCAPES, stem};
use crate::config::Piece;
use crate::seed::front_matter::FrontMatter;
use crate::seed::{link, time};

impl Check<'_> {
    /// The address that the configuration has for records without one. None if what it is made of
    /// is not known.
    pub(super) fn permalink(&self, fields: &FrontMatter, named: &[Named<'_>]) -> Option<String> {
        let permalink = self.rules.seeds.permalink.as_ref()?;
        if let Some(path) = fields.whereabouts.path.as_deref().and_then(whole_path) {
            return link::web(&format!("/{path}"), permalink.site());
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
    /// there, others belong to the site.
    pub(super) fn base_of_pictures(&self, link: &str) -> Option<Url> {
        let site = self.rules.seeds.permalink.as_ref()?.site();
        if self.is_index() { Url::parse(link).ok() } else { Some(site.clone()) }
    }

    fn is_index(&self) -> bool {
        self.path.rsplit('/').next().is_some_and(|name| name.starts_with("index."))
    }

    fn piece(&self, piece: &Piece, fields: &FrontMatter, named: &[Named<'_>]) -> Option<String> {
        let stem = stem(self.path);
        let day = || {
            let date = fields.published_at.as_ref().map(|given| given.value.trim());
            date.filter(|date| !date.is_empty()).map_or_else(|| time::day(stem), time::day)
        };
        let slug = fields.whereabouts.slug.as_deref().map(str::trim);
        Some(match piece {
            Piece::Text(text) => text.clone(),
            Piece::Year => format!("{:04}", day()?.year()),
            Piece::Month => format!("{:02}", day()?.month()),
            Piece::Day => format!("{:02}", day()?.day()),
            Piece::Stem => escaped(slug.unwrap_or(stem)),
            Piece::Name => escaped(slug.unwrap_or_else(|| time::without_date(stem))),
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

/// A path as a seed has it. One that is a pattern, or only the name of one, is no path.
fn whole_path(path: &str) -> Option<&str> {
    let path = path.trim();
    (path.contains(['/', '.']) && !path.contains(':')).then(|| path.trim_start_matches('/'))
}
