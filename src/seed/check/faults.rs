//! The state of a check: the seed, and the faults found so far, each with its place.

use std::cell::OnceCell;
use std::sync::Arc;

use url::Url;

use crate::seed::fault::{Fault, Place, Severity};
use crate::seed::fields::Field;
use crate::seed::form::Body;
use crate::seed::rules::Rules;
use crate::seed::secured::without_secured;
use crate::seed::split::RawFrontMatter;
use crate::syntax::yaml::{Position, Step};
use crate::text::count;

/// Number of faults of one seed that are reported one by one.
pub(in crate::seed) const MAX_FAULTS: usize = 20;

/// The error of a check that costs the record, for which a fault is recorded.
pub(super) struct Rejected;

/// A check of one seed.
pub(in crate::seed) struct Check<'a> {
    pub(super) rules: &'a Rules,
    pub(super) path: &'a Arc<str>,
    text: &'a str,
    pub(super) front_matter: RawFrontMatter<'a>,
    /// Fields with a value of the wrong type, under the names that the seed uses.
    pub(super) mistyped: Vec<&'a str>,
    /// The front matter without secured values, once a fault needs it.
    showable: OnceCell<String>,
    /// The base of the addresses of images and downloads, if it is not the publication.
    pub(super) asset_base: Option<Url>,
    faults: Vec<Fault>,
    /// Number of faults beyond [`MAX_FAULTS`].
    more_faults: usize,
}

impl<'a> Check<'a> {
    /// Returns a check of a seed whose text has this front matter.
    pub(in crate::seed) fn new(
        rules: &'a Rules,
        path: &'a Arc<str>,
        text: &'a str,
        front_matter: RawFrontMatter<'a>,
    ) -> Self {
        let (mistyped, faults, showable) = (Vec::new(), Vec::new(), OnceCell::new());
        Self { rules, path, text, front_matter, mistyped, showable, asset_base: None, faults, more_faults: 0 }
    }

    /// Returns every fault, in the order of their places.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        if self.more_faults > 0 {
            let reason = format!("and {} of this seed", count(self.more_faults, "more fault"));
            let severity = Severity::Fault;
            self.faults.push(Fault { severity, path: self.path.clone(), place: None, reason, help: None });
        }
        self.faults.sort_by_key(|fault| {
            fault.place.as_ref().map_or((usize::MAX, 0), |place| (place.at.line, place.at.column))
        });
        self.faults
    }

    /// Returns `true` if a field has a value of the wrong type, under any of its names.
    pub(super) fn is_mistyped(&self, preferred_name: &str) -> bool {
        let is_it = |key: &&str| Field::named(key).is_some_and(|field| field.names[0] == preferred_name);
        self.mistyped.iter().any(is_it)
    }

    /// Returns the place of a value in the front matter, marked to its end.
    pub(super) fn place_of(&self, path: &[Step<'_>]) -> Option<Place> {
        if self.has_enough_faults() {
            return None;
        }
        let place = self.front_matter.value_at(path).map(|at| self.place_at(at))?;
        let shown: Vec<char> = place.excerpt.chars().collect();
        let (before, value) = shown.split_at(place.marked.start.min(shown.len()));
        let width = match value.first() {
            Some(&quote @ ('"' | '\'')) => value.iter().skip(1).position(|&c| c == quote).map(|end| end + 2),
            Some('[' | '{') => None,
            _ if before.contains(&'[') || before.contains(&'{') => {
                value.iter().position(|c| ",]}".contains(*c))
            }
            _ => None,
        };
        Some(match width {
            Some(width) => place.marking(width),
            None => place,
        })
    }

    /// Returns the place of a key in the front matter, without the value that follows it: an unknown key may be a
    /// misspelt `secured`.
    pub(super) fn place_of_key(&self, key: &str) -> Option<Place> {
        if self.has_enough_faults() {
            return None;
        }
        let mut place =
            self.place_at(self.front_matter.key_at(&[Step::Key(key)])?).marking(key.chars().count());
        place.excerpt = place.excerpt.chars().take(place.marked.end).collect();
        Some(place)
    }

    /// Returns the place where the text of the body begins.
    pub(super) fn place_of_body(&self, body: Body<'_>) -> Place {
        let blank = body.text.lines().take_while(|line| line.trim().is_empty()).count();
        // There are as many lines of fences after front matter as before it.
        let line = 2 * self.front_matter.lines_before + self.front_matter.text.lines().count() + blank + 1;
        Place::in_text(&without_secured(self.text), Position { line, column: 1 })
    }

    /// Returns the place of a missing field: the start of the front matter.
    pub(super) fn opening(&self) -> Place {
        Place::in_text(self.showable(), Position { line: 1, column: 1 })
    }

    /// Returns the place at a position in the front matter.
    pub(super) fn place_at(&self, at: Position) -> Place {
        Place::in_text(self.showable(), self.front_matter.in_file(at))
    }

    /// Returns the front matter and its fences without secured values.
    fn showable(&self) -> &str {
        self.showable.get_or_init(|| {
            let lines = self.front_matter.lines_before + self.front_matter.text.lines().count() + 1;
            let end = self.text.split_inclusive('\n').take(lines).map(str::len).sum();
            without_secured(&self.text[..end])
        })
    }

    /// Returns the end of a key in an example: `title: …`, `title = …`.
    pub(super) fn sign(&self) -> &'static str {
        self.front_matter.notation.sign_in_help()
    }

    /// Returns the number of faults and warnings so far, without those beyond [`MAX_FAULTS`].
    pub(super) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// Returns `true` if further faults are only counted: a place is found by parsing the front matter again.
    fn has_enough_faults(&self) -> bool {
        self.faults.len() >= MAX_FAULTS
    }

    pub(super) fn fault(&mut self, place: Option<Place>, reason: String, help: Option<&str>) {
        self.add(Severity::Fault, place, reason, help);
    }

    pub(super) fn warning(&mut self, place: Option<Place>, reason: String, help: Option<&str>) {
        self.add(Severity::Warning, place, reason, help);
    }

    pub(super) fn add(
        &mut self,
        severity: Severity,
        place: Option<Place>,
        reason: String,
        help: Option<&str>,
    ) {
        if self.has_enough_faults() {
            self.more_faults += 1;
            return;
        }
        let help = help.map(str::to_owned);
        self.faults.push(Fault { severity, path: self.path.clone(), place, reason, help });
    }
}
