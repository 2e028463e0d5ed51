//! Permalinks: the addresses of records that do not state one, by file name and date.

use chrono::Datelike;
use url::Url;

use super::faults::Check;
use super::topics::FieldTopics;
use crate::config::Piece;
use crate::seed::fields::{FieldValue, FrontMatter};
use crate::seed::form::{is_index, stem};
use crate::seed::{date, link};
use crate::syntax::yaml::Step;

impl Check<'_> {
    /// Returns the address by the configured pattern, or `None` if the record lacks a part of it.
    pub(super) fn permalink(&mut self, fields: &FrontMatter, topics: &[FieldTopics<'_>]) -> Option<String> {
        let permalink = self.rules.seeds.permalink.as_ref()?;
        match fields.page_address.path.as_ref().map(|field| (field, OwnPath::of(field))) {
            Some((_, OwnPath::Path(path))) => return link::web(&path, permalink.site()),
            Some((field, OwnPath::Pattern)) => {
                let place = self.place_of(&[Step::Key(field.key)]);
                let reason = format!("`{}` is a pattern, which is not supported", field.key);
                let help = "write the address itself; the link follows `permalink` in sower.yaml";
                self.warning(place, reason, Some(help));
            }
            Some((_, OwnPath::Style)) | None => {}
        }
        let mut path = String::new();
        for piece in permalink.pieces() {
            path.push_str(&self.piece(piece, fields, topics)?);
        }
        // An empty part leaves no empty folder.
        while path.contains("//") {
            path = path.replace("//", "/");
        }
        link::web(&path, permalink.site())
    }

    /// Returns the base of the images of a record with a permalink: its folder if it has one of its own, whether the
    /// address ends with a slash or not, else the site.
    pub(super) fn image_base(&self, link: &str) -> Option<Url> {
        let site = self.rules.seeds.permalink.as_ref()?.site();
        if !is_index(self.path) {
            return Some(site.clone());
        }
        let mut link = Url::parse(link).ok()?;
        let is_file = link.path().rsplit('/').next().is_some_and(|name| name.contains('.'));
        if !is_file && !link.path().ends_with('/') {
            link.set_path(&format!("{}/", link.path()));
        }
        Some(link)
    }

    fn piece(&self, piece: &Piece, fields: &FrontMatter, topics: &[FieldTopics<'_>]) -> Option<String> {
        let stem = &*stem(self.path);
        let day = || {
            let date = fields.published_at.as_ref().map(|field| field.value.trim());
            date.filter(|date| !date.is_empty()).map_or_else(|| date::day(stem), date::day)
        };
        let slug = fields.page_address.slug.as_deref().map(str::trim);
        Some(match piece {
            Piece::Text(text) => text.clone(),
            Piece::Year => format!("{:04}", day()?.year()),
            Piece::Month => format!("{:02}", day()?.month()),
            Piece::Day => format!("{:02}", day()?.day()),
            Piece::Stem => link::path_segment(slug.unwrap_or(stem)),
            Piece::Name => link::path_segment(slug.unwrap_or_else(|| date::without_date(stem))),
            Piece::Folder => self.folders().map(link::path_segment).collect::<Vec<_>>().join("/"),
            Piece::Topics(field) => {
                let names = topics.iter().find(|topics| topics.field == Some(*field));
                let names = names.into_iter().flat_map(|topics| topics.names.iter().flatten());
                names
                    .map(|name| link::path_segment(&name.trim().to_lowercase()))
                    .collect::<Vec<_>>()
                    .join("/")
            }
        })
    }

    /// Returns the folders of a seed, except for its own folder and for those that begin with an underscore.
    fn folders(&self) -> impl Iterator<Item = &str> {
        let folders: Vec<_> = self.path.split('/').collect();
        let own = if is_index(self.path) { 2 } else { 1 };
        let count = folders.len().saturating_sub(own);
        folders.into_iter().take(count).filter(|folder| !folder.starts_with('_'))
    }
}

/// The path that a seed states for its page.
enum OwnPath {
    /// From the root of the site.
    Path(String),
    /// A pattern of Hugo or Jekyll, which is not supported.
    Pattern,
    /// The name of a built-in pattern of Jekyll.
    Style,
}

impl OwnPath {
    fn of(field: &FieldValue<String>) -> Self {
        const STYLES: &[&str] = &["date", "pretty", "ordinal", "weekdate", "none"];
        let path = field.value.trim().trim_start_matches('/');
        match field.key {
            "permalink" if STYLES.contains(&path) => Self::Style,
            _ if path.contains(':') => Self::Pattern,
            // A page of Zola is a folder.
            "path" => Self::Path(format!("/{}/", path.trim_end_matches('/'))),
            _ => Self::Path(format!("/{path}")),
        }
    }
}
