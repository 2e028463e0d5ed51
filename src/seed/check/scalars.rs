//! Fields with one value: text, dates, flags, numbers, durations and languages.

use std::time::Duration;

use super::faults::{Check, Rejected};
use crate::config::criteria::is_language_tag;
use crate::seed::date::{self, Timestamp};
use crate::seed::fields::{FieldValue, FrontMatter};
use crate::seed::form::{is_in_drafts, stem};
use crate::seed::record::Hidden;
use crate::syntax::yaml::Step;
use crate::text::plain;

impl Check<'_> {
    /// Returns the title. Without one there is no record.
    pub(super) fn title(&mut self, title: Option<&FieldValue<String>>) -> Result<String, Rejected> {
        if let Some(text) = text_of(title) {
            return Ok(text);
        }
        match title {
            Some(field) => {
                let place = self.place_of(&[Step::Key(field.key)]);
                self.fault(place, format!("`{}` has no text", field.key), None);
            }
            None if self.is_mistyped("title") => {}
            None => {
                let help = format!("add `title{} …` to its front matter", self.sign());
                self.fault(Some(self.opening()), "a seed needs a `title`".to_owned(), Some(&help));
            }
        }
        Err(Rejected)
    }

    /// Checks a date that decides when the record is shown. A mistake in it costs the record.
    pub(super) fn decisive_date(
        &mut self,
        date: Option<&FieldValue<String>>,
    ) -> Result<Option<Timestamp>, Rejected> {
        let Some(field) = date.filter(|field| !field.value.trim().is_empty()) else { return Ok(None) };
        self.date(&field.value, field.key, &[Step::Key(field.key)]).map(Some).ok_or(Rejected)
    }

    /// Returns the time of publication, from its field or else from the file name.
    pub(super) fn published(
        &mut self,
        date: Option<&FieldValue<String>>,
    ) -> Result<Option<Timestamp>, Rejected> {
        let published = self.decisive_date(date)?.or_else(|| date::of_name(&stem(self.path)));
        if published.is_none() && self.rules.strict {
            let sign = self.sign();
            let help = format!("add `publishedDateTime{sign} …`, or begin the file name with a date");
            self.fault(Some(self.opening()), "undated: no time of publication".to_owned(), Some(&help));
        }
        Ok(published)
    }

    /// Returns the time of the last update, but none before publication.
    pub(super) fn updated(
        &mut self,
        date: Option<&FieldValue<String>>,
        published: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let field = date.filter(|field| !field.value.trim().is_empty())?;
        let updated = self.date(&field.value, field.key, &[Step::Key(field.key)])?;
        if published.is_some_and(|published| updated < published) {
            let place = self.place_of(&[Step::Key(field.key)]);
            let reason = format!("`{}` is before publication, so the date of publication is used", field.key);
            self.warning(place, reason, None);
            return published;
        }
        Some(updated)
    }

    /// Parses a date, with a warning if it has no offset.
    pub(super) fn date(&mut self, text: &str, key: &str, path: &[Step<'_>]) -> Option<Timestamp> {
        match date::parse(text) {
            Some(parsed) => {
                if parsed.assumed_utc {
                    let place = self.place_of(path);
                    let reason = format!("`{key}` has no offset, so UTC is assumed");
                    self.warning(place, reason, Some("add `Z` or an offset such as `+02:00`"));
                }
                Some(parsed.at)
            }
            None => {
                let place = self.place_of(path);
                let help = "write `2024-03-26T08:00:23Z`, `2024-03-26 08:00:23 +0000` or `2024-03-26`";
                self.fault(place, format!("`{key}` is not a date in the years 1 to 9999"), Some(help));
                None
            }
        }
    }

    /// Returns the reason for which the seed asks not to be shown. A mistake in one of its fields costs the record.
    pub(super) fn hidden(&mut self, fields: &FrontMatter) -> Result<Option<Hidden>, Rejected> {
        let published = self.flag(fields.published.as_ref());
        let [draft, headless, removed, deleted] =
            [&fields.draft, &fields.headless, &fields.removed, &fields.deleted]
                .map(|flag| Ok(self.flag(flag.as_ref())?.unwrap_or(false)));
        let (published, draft, headless) = (published?.unwrap_or(true), draft?, headless?);
        if removed? || deleted? {
            return Ok(Some(Hidden::Removed));
        }
        let unpublished = draft || headless || is_in_drafts(self.path) || !published;
        Ok(unpublished.then_some(Hidden::Unpublished))
    }

    fn flag(&mut self, flag: Option<&FieldValue<String>>) -> Result<Option<bool>, Rejected> {
        let Some(field) = flag else { return Ok(None) };
        match field.value.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => {
                let place = self.place_of(&[Step::Key(field.key)]);
                self.fault(place, format!("`{}` should be true or false", field.key), None);
                Err(Rejected)
            }
        }
    }

    pub(super) fn number(&mut self, number: Option<&FieldValue<String>>) -> Option<f64> {
        let field = number?;
        let number = field.value.trim().parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() {
            let place = self.place_of(&[Step::Key(field.key)]);
            self.fault(place, format!("`{}` is left out: it is not a number", field.key), None);
        }
        number
    }

    pub(super) fn length(&mut self, length: Option<&FieldValue<String>>) -> Option<Duration> {
        let field = length.filter(|field| !field.value.trim().is_empty())?;
        let length = duration(field.value.trim());
        if length.is_none() {
            let place = self.place_of(&[Step::Key(field.key)]);
            let help = "write an ISO 8601 duration such as `PT1H29M`";
            self.fault(place, "`length` is left out: it is not a duration".to_owned(), Some(help));
        }
        length
    }

    pub(super) fn language(&mut self, language: Option<&FieldValue<String>>) -> Option<String> {
        let field = language.filter(|field| !field.value.trim().is_empty())?;
        let language = field.value.trim();
        if is_language_tag(language) {
            return Some(language.to_owned());
        }
        let place = self.place_of(&[Step::Key(field.key)]);
        let reason = format!("`{}` is left out: it is not a language tag", field.key);
        self.fault(place, reason, Some("write one such as `en` or `pt-BR`"));
        None
    }
}

/// Returns a text as one line of plain text, or `None` if nothing is left of it.
pub(super) fn some_text(text: &str) -> Option<String> {
    Some(plain(text)).filter(|text| !text.is_empty())
}

pub(super) fn text_of(field: Option<&FieldValue<String>>) -> Option<String> {
    some_text(&field?.value)
}

/// Parses an ISO 8601 duration in weeks, days, hours, minutes and seconds.
pub(in crate::seed) fn duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('P')?;
    let (days, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let units =
        [(days, &[('W', 604_800.0), ('D', 86_400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])];
    let mut seconds = 0.0;
    for (mut part, units) in units {
        for &(unit, length) in units {
            if let Some((number, rest)) = part.split_once(unit) {
                let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                seconds += number.parse::<f64>().ok().filter(|_| digits)? * length;
                part = rest;
            }
        }
        if !part.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|length| !length.is_zero())
}
