//! From front matter as typed to a record, field by field, with a fault for whatever is wrong.

mod nested;
mod permalink;
mod topics;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::content::unmade::Unmade;
use super::content::{self, Parts, Refused};
use super::date::{self, Timestamp};
use super::fields::{self, FrontMatter, Given};
use super::record::{Hidden, Record};
use super::split::{Matter, Notation};
use super::{Body, Markup, Packed, Reading, Rules, Texts, is_in_drafts, link};
use crate::config::criteria::is_language_tag;
use crate::seed::{Fault, Place, Severity};
use crate::syntax::yaml::{Position, Step};
use crate::text::{count, plain};

/// Characters that a tag URI's specific part may have as they are (RFC 4151 §2.1).
const TAG_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Most faults of one seed that are told one by one.
pub(super) const MOST_FAULTS: usize = 20;

/// A fault that costs the record.
struct Lost;

/// One seed under examination.
pub(super) struct Check<'a> {
    rules: &'a Rules,
    path: &'a Arc<str>,
    text: &'a str,
    matter: Matter<'a>,
    /// Fields whose values are of another type than the field's.
    refused: Vec<&'a str>,
    showable: OnceCell<String>,
    /// What relative addresses are relative to, if that is not the publication.
    base: Option<Url>,
    faults: Vec<Fault>,
    /// Faults beyond the most that are told.
    more: usize,
}

impl<'a> Check<'a> {
    /// A seed whose text has this front matter.
    pub(super) fn new(rules: &'a Rules, path: &'a Arc<str>, text: &'a str, matter: Matter<'a>) -> Self {
        let (refused, faults) = (Vec::new(), Vec::new());
        let showable = OnceCell::new();
        Self { rules, path, text, matter, refused, showable, base: None, faults, more: 0 }
    }

    /// The record, and everything that is wrong with the seed.
    pub(super) fn seed(mut self, body: Option<Body<'_>>) -> Reading {
        let record = self.front_matter().and_then(|fields| {
            let keys = self.unknown_keys(&fields);
            let record = self.record(fields, body)?;
            keys.map(|()| record)
        });
        if self.more > 0 {
            let reason = format!("and {} of this seed", count(self.more, "more fault"));
            let severity = Severity::Fault;
            self.faults.push(Fault { severity, path: self.path.clone(), place: None, reason, help: None });
        }
        self.faults.sort_by_key(|fault| {
            fault.place.as_ref().map_or((usize::MAX, 0), |place| (place.at.line, place.at.column))
        });
        let record = record.ok().map(Arc::new);
        Reading::Seed { record, faults: self.faults }
    }

    /// Reads the front matter, without the fields that are of another type than they should be.
    fn front_matter(&mut self) -> Result<FrontMatter, Lost> {
        loop {
            let settings = &self.rules.seeds;
            let is_refused = |key: &str| self.refused.contains(&key);
            match fields::parse(self.matter, settings, &is_refused) {
                Ok(fields) => return Ok(fields),
                Err(refusal) => {
                    // A field in front matter that cannot be read as a whole is not to blame.
                    let all = fields::parse(self.matter, settings, &|_| true);
                    let refusal = all.err().unwrap_or(refusal);
                    let place = refusal.at.map(|at| self.place(at));
                    self.fault(place, refusal.reason, refusal.help);
                    let field = refusal.field.filter(|field| !self.refused.contains(field)).ok_or(Lost)?;
                    self.refused.push(field);
                }
            }
        }
    }

    /// Every fault is told before any of them costs the record.
    fn record(&mut self, mut fields: FrontMatter, body: Option<Body<'_>>) -> Result<Packed, Lost> {
        let title = self.title(fields.title.as_ref());
        let named = self.named_topics(&mut fields);
        let topics = self.topics(&named);
        let published = self.published(fields.published_at.as_ref());
        let expires = self.decisive_date(fields.expires_at.as_ref());
        let hidden = self.hidden(&fields);
        let id = self.explicit_id(fields.id.as_ref());
        let updated = self.updated(fields.updated_at.as_ref(), published.as_ref().ok().copied().flatten());

        let (web_url, original_url) =
            (self.page(fields.web_url.as_ref()), self.page(fields.original_url.as_ref()));
        let has_address = fields.web_url.is_some() || fields.original_url.is_some();
        let permalink = if has_address { None } else { self.permalink(&fields, &named) };
        self.base = permalink.as_deref().and_then(|link| self.base_of_pictures(link));
        let provider = fields.provider.map(|provider| provider.value);
        let (provider, authors) = self.provider(provider);
        let images = self.images(fields.images);
        let related = self.related(fields.related);
        let actions = self.actions(fields.actions);
        let quality = self.number(fields.quality.as_ref());
        let heat = self.number(fields.heat.as_ref());
        let length = self.length(fields.length.as_ref());
        let language = self.language(fields.language.as_ref());

        let (title, topics, published, expires) = (title?, topics?, published?, expires?);
        let (hidden, id) = (hidden?, id?);
        if self.refused.iter().any(|key| fields::costs_record(key)) {
            return Err(Lost);
        }
        // An id that is made of an address is lost with it, and any other would be another entry's.
        let original_url = original_url.or_else(|lost| id.as_ref().map(|_| None).ok_or(lost))?;
        let known = id.is_some() || original_url.is_some();
        let web_url = web_url.or_else(|lost| known.then_some(None).ok_or(lost))?;
        let id = id.or_else(|| original_url.clone()).or_else(|| web_url.clone());
        let id_by_name = id.is_none();
        let id = id.unwrap_or_else(|| self.tag(published));
        let (link, via) = match (web_url, original_url) {
            (Some(link), via) => (Some(link.clone()), via.filter(|via| *via != link)),
            (None, link) => (link.or(permalink), None),
        };
        // The pictures of a folder stand in its text, too.
        let of_pictures = self.base.take().filter(|_| self.is_index()).map(String::from);
        let base = of_pictures.or_else(|| link.clone()).unwrap_or_else(|| self.rules.url.to_string());
        // Few seeds have anything that is made absolute right away.
        let base_url = |rules: &Rules| Url::parse(&base).unwrap_or_else(|_| rules.url.clone());
        let embed = fields.featured_content.as_ref().map(|embed| {
            let place = |check: &Self| check.place_of(&[Step::Key(embed.key)]);
            let faults = self.faults.len();
            let shown =
                self.sanitised("`featuredContent`", Markup::Html, &embed.value, &base_url(self.rules), place);
            if shown.is_empty() && !embed.value.trim().is_empty() && self.faults.len() == faults {
                let place = self.place_of(&[Step::Key(embed.key)]);
                let reason = format!("nothing of `{}` can be shown", embed.key);
                let help = "`frame_hosts` lists the hosts whose players are shown";
                self.push(Severity::Warning, place, reason, Some(help));
            }
            shown
        });
        let summary = text_of(fields.excerpt.as_ref());
        let content = content::content(Parts {
            summary: summary.as_deref(),
            image: images.first(),
            embed: embed.unwrap_or_default(),
            actions: &actions,
            related: &related,
        });
        let mut record = Record {
            path: self.path.clone(),
            id: id.into(),
            id_by_name,
            title,
            summary,
            link,
            via,
            published,
            updated,
            expires,
            hidden,
            topics,
            provider,
            authors,
            language,
            kind: text_of(fields.kind.as_ref()),
            category: text_of(fields.category.as_ref()),
            quality: quality.unwrap_or_default(),
            heat: heat.unwrap_or_default(),
            length,
            images,
            related,
            actions,
            embed: content.embed(),
            content,
        };
        let texts = self.rules.texts;
        let unmade = body.filter(|body| body.markup == Markup::Markdown && texts != Texts::Made);
        let unmade = unmade.and_then(|body| Unmade::of(body.text, &base));
        if let Some(body) = body.filter(|_| unmade.is_none()) {
            let place = |check: &Self| Some(check.place_of_body(body));
            let base = base_url(self.rules);
            let body = self.sanitised("the body", body.markup, body.text, &base, place);
            record.take_body(body, &base);
        }
        Ok(if texts == Texts::LeftOut { Packed::in_part(record) } else { Packed::of(record, unmade) })
    }

    /// A part of the content, or nothing if it cannot be shown.
    fn sanitised(
        &mut self,
        part: &str,
        markup: Markup,
        text: &str,
        base: &Url,
        place: impl FnOnce(&Self) -> Option<Place>,
    ) -> String {
        content::sanitised(markup, text, base, &self.rules.frame_hosts).unwrap_or_else(|refused| {
            let (reason, help) = match refused {
                Refused::TooDeep => {
                    ("its elements are nested too deeply", "see whether every element in it is closed")
                }
                Refused::TooManyAddresses => {
                    ("it has too many addresses for so long a link", "give the record a shorter `webUrl`")
                }
            };
            let place = place(self);
            self.fault(place, format!("{part} is left out: {reason}"), Some(help));
            String::new()
        })
    }

    fn title(&mut self, title: Option<&Given<String>>) -> Result<String, Lost> {
        if let Some(text) = text_of(title) {
            return Ok(text);
        }
        match title {
            Some(given) => {
                let place = self.place_of(&[Step::Key(given.key)]);
                self.fault(place, format!("`{}` has no text", given.key), None);
            }
            None if self
                .refused
                .iter()
                .any(|key| fields::Field::named(key).is_some_and(|field| field.names[0] == "title")) => {}
            None => {
                let help = format!("add `title{} …` to its front matter", self.sign());
                self.fault(Some(self.opening()), "a seed needs a `title`".to_owned(), Some(&help));
            }
        }
        Err(Lost)
    }

    /// A date without which the record might be shown when it must not be.
    fn decisive_date(&mut self, date: Option<&Given<String>>) -> Result<Option<Timestamp>, Lost> {
        let Some(given) = date.filter(|given| !given.value.trim().is_empty()) else { return Ok(None) };
        self.date(&given.value, given.key, &[Step::Key(given.key)]).map(Some).ok_or(Lost)
    }

    fn published(&mut self, date: Option<&Given<String>>) -> Result<Option<Timestamp>, Lost> {
        let published = self.decisive_date(date)?.or_else(|| date::beginning(&stem(self.path)));
        if published.is_none() && self.rules.strict {
            let sign = self.sign();
            let help = format!("add `publishedDateTime{sign} …`, or begin the file name with its date");
            self.fault(
                Some(self.opening()),
                "undated: nobody knows when this was published".to_owned(),
                Some(&help),
            );
        }
        Ok(published)
    }

    fn updated(&mut self, date: Option<&Given<String>>, published: Option<Timestamp>) -> Option<Timestamp> {
        let given = date.filter(|given| !given.value.trim().is_empty())?;
        let updated = self.date(&given.value, given.key, &[Step::Key(given.key)])?;
        if published.is_some_and(|published| updated < published) {
            let place = self.place_of(&[Step::Key(given.key)]);
            let reason = format!("`{}` is before the seed was published, so that date is taken", given.key);
            self.push(Severity::Warning, place, reason, None);
            return published;
        }
        Some(updated)
    }

    fn date(&mut self, text: &str, key: &str, path: &[Step<'_>]) -> Option<Timestamp> {
        match date::parse(text) {
            Some(dated) => {
                if dated.assumed_utc {
                    let place = self.place_of(path);
                    let reason = format!("`{key}` has no offset, so it is taken as UTC");
                    self.push(
                        Severity::Warning,
                        place,
                        reason,
                        Some("add `Z` or an offset such as `+02:00`"),
                    );
                }
                Some(dated.at)
            }
            None => {
                let place = self.place_of(path);
                let help = "write `2024-03-26T08:00:23Z`, `2024-03-26 08:00:23 +0000` or `2024-03-26`";
                self.fault(place, format!("`{key}` is not a date in the years 1 to 9999"), Some(help));
                None
            }
        }
    }

    fn hidden(&mut self, fields: &FrontMatter) -> Result<Option<Hidden>, Lost> {
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

    fn flag(&mut self, flag: Option<&Given<String>>) -> Result<Option<bool>, Lost> {
        let Some(given) = flag else { return Ok(None) };
        match given.value.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => {
                let place = self.place_of(&[Step::Key(given.key)]);
                self.fault(place, format!("`{}` should be true or false", given.key), None);
                Err(Lost)
            }
        }
    }

    fn explicit_id(&mut self, id: Option<&Given<String>>) -> Result<Option<String>, Lost> {
        let Some(given) = id else { return Ok(None) };
        let id = given.value.trim();
        if link::is_iri(id) {
            return Ok(Some(id.to_owned()));
        }
        let place = self.place_of(&[Step::Key(given.key)]);
        // Others number what they hold, and nobody means that to be an address.
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
            let help = "an absolute URI would be what the entry is known by for ever";
            self.push(
                Severity::Warning,
                place,
                "`id` is a number and means nothing here".to_owned(),
                Some(help),
            );
            return Ok(None);
        }
        let help = "write an address, `urn:uuid:…` or `tag:example.org,2024:…`, or leave it out";
        self.fault(place, "`id` should be an absolute URI".to_owned(), Some(help));
        Err(Lost)
    }

    /// RFC 4151: the publication's host, the day of publication and the file's stem.
    fn tag(&self, published: Option<Timestamp>) -> String {
        let host = self.rules.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let day = published.map_or_else(|| "1970-01-01".to_owned(), |at| at.format("%Y-%m-%d").to_string());
        format!("tag:{host},{day}:{}", utf8_percent_encode(&stem(self.path), TAG_ESCAPES))
    }

    /// An address of the record itself. The fault costs it, or the record, if the id depends on it.
    fn page(&mut self, url: Option<&Given<String>>) -> Result<Option<String>, Lost> {
        let Some(given) = url.filter(|given| !given.value.trim().is_empty()) else {
            let refused = ["webUrl", "originalUrl"].iter().any(|field| self.refused.contains(field));
            return if refused { Err(Lost) } else { Ok(None) };
        };
        let page = link::page(&given.value, &self.rules.url);
        if page.is_none() {
            let place = self.place_of(&[Step::Key(given.key)]);
            let reason = format!("`{}` is not an http or https address", given.key);
            self.fault(place, reason, Some("write it whole, such as `https://example.com/page`"));
        }
        page.map(Some).ok_or(Lost)
    }

    fn number(&mut self, number: Option<&Given<String>>) -> Option<f64> {
        let given = number?;
        let number = given.value.trim().parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() {
            let place = self.place_of(&[Step::Key(given.key)]);
            self.fault(place, format!("`{}` is left out: it is not a number", given.key), None);
        }
        number
    }

    fn length(&mut self, length: Option<&Given<String>>) -> Option<Duration> {
        let given = length.filter(|given| !given.value.trim().is_empty())?;
        let length = duration(given.value.trim());
        if length.is_none() {
            let place = self.place_of(&[Step::Key(given.key)]);
            let help = "write an ISO 8601 duration such as `PT1H29M`";
            self.fault(place, "`length` is left out: it is not a duration".to_owned(), Some(help));
        }
        length
    }

    fn language(&mut self, language: Option<&Given<String>>) -> Option<String> {
        let given = language.filter(|given| !given.value.trim().is_empty())?;
        let language = given.value.trim();
        if is_language_tag(language) {
            return Some(language.to_owned());
        }
        let place = self.place_of(&[Step::Key(given.key)]);
        let reason = format!("`{}` is left out: it is not a language tag", given.key);
        self.fault(place, reason, Some("write one such as `en` or `pt-BR`"));
        None
    }

    /// A slip in a key that would hide the record costs it: it must not be shown for a typing error.
    fn unknown_keys(&mut self, fields: &FrontMatter) -> Result<(), Lost> {
        let mut kept = Ok(());
        for key in &fields.unknown {
            let meant = fields::meant(key, &fields.known);
            let hides = meant.is_some_and(fields::misspelling_costs_record);
            if hides {
                kept = Err(Lost);
            }
            let severity = match (self.rules.strict || hides, meant) {
                (true, _) => Severity::Fault,
                (false, Some(_)) => Severity::Warning,
                (false, None) => continue,
            };
            // What follows the key may be anything, a misspelt `secured` among it.
            let at = if self.has_enough() { None } else { self.matter.key_at(&[Step::Key(key)]) };
            let place = at.map(|at| {
                let mut place = self.place(at).marking(key.chars().count());
                place.excerpt = place.excerpt.chars().take(place.marked.end).collect();
                place
            });
            let help = meant.map(|meant| format!("did you mean `{meant}`?"));
            self.push(severity, place, format!("`{key}` is not a field of a seed"), help.as_deref());
        }
        kept
    }

    /// The place of a value in the front matter.
    fn place_of(&self, path: &[Step<'_>]) -> Option<Place> {
        if self.has_enough() {
            return None;
        }
        let place = self.matter.value_at(path).map(|at| self.place(at))?;
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

    /// Where the text of the body begins.
    fn place_of_body(&self, body: Body<'_>) -> Place {
        let blank = body.text.lines().take_while(|line| line.trim().is_empty()).count();
        // As many lines stand after front matter as before it.
        let line = 2 * self.matter.lines_before + self.matter.text.lines().count() + blank + 1;
        Place::in_text(&fields::without_secured(self.text), Position { line, column: 1 })
    }

    /// What stands between a key and its value, as help has it.
    fn sign(&self) -> &'static str {
        match self.matter.notation {
            Notation::Yaml => ":",
            Notation::Toml => " =",
        }
    }

    /// The place of what is missing: where the front matter opens.
    fn opening(&self) -> Place {
        Place::in_text(self.showable(), Position { line: 1, column: 1 })
    }

    fn place(&self, at: Position) -> Place {
        let at = Position { line: at.line + self.matter.lines_before, ..at };
        Place::in_text(self.showable(), at)
    }

    /// The front matter as it may be shown, with what stands before and after it on its lines.
    fn showable(&self) -> &str {
        self.showable.get_or_init(|| {
            let lines = self.matter.lines_before + self.matter.text.lines().count() + 1;
            let end = self.text.split_inclusive('\n').take(lines).map(str::len).sum();
            fields::without_secured(&self.text[..end])
        })
    }

    /// Whether no more faults are looked for: each costs reading the front matter once more.
    fn has_enough(&self) -> bool {
        self.faults.len() >= MOST_FAULTS
    }

    fn fault(&mut self, place: Option<Place>, reason: String, help: Option<&str>) {
        self.push(Severity::Fault, place, reason, help);
    }

    fn push(&mut self, severity: Severity, place: Option<Place>, reason: String, help: Option<&str>) {
        if self.has_enough() {
            self.more += 1;
            return;
        }
        let help = help.map(str::to_owned);
        self.faults.push(Fault { severity, path: self.path.clone(), place, reason, help });
    }
}

/// What a seed is called: its file's name without the ending, or its folder's if that is `index`. One in
/// a language (`index.fr.md`) is called as it would be beside its folder (`folder.fr.md`).
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

fn some_text(text: &str) -> Option<String> {
    Some(plain(text)).filter(|text| !text.is_empty())
}

fn text_of(given: Option<&Given<String>>) -> Option<String> {
    some_text(&given?.value)
}

/// An ISO 8601 duration in weeks, days, hours, minutes and seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
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
