//! Makes the record of a seed from its front matter and its body.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::faults::{Check, Rejected};
use super::scalars::text_of;
use super::topics::FieldTopics;
use crate::seed::content::{self, ContentError, ContentParts};
use crate::seed::date::Timestamp;
use crate::seed::deferred::DeferredBody;
use crate::seed::fault::{Place, Severity};
use crate::seed::fields::{self, FieldValue, FrontMatter};
use crate::seed::form::{Body, Markup, is_index};
use crate::seed::front_matter;
use crate::seed::media;
use crate::seed::packed::PackedRecord;
use crate::seed::reading::Reading;
use crate::seed::record::{Action, Hidden, Image, Provider, Record, Related, Topic};
use crate::seed::rules::ContentMode;
use crate::syntax::yaml::Step;

/// The fields that a record cannot do without, or that decide when it is shown. A mistake in one costs the record, except
/// in `updated`, which is checked against `published`.
struct RequiredFields {
    title: String,
    topics: Vec<Topic>,
    published: Option<Timestamp>,
    updated: Option<Timestamp>,
    expires: Option<Timestamp>,
    hidden: Option<Hidden>,
    id: Option<String>,
}

/// The addresses of a record, each with its mistake, which costs the record only if the id depends on the address.
struct RecordAddresses {
    web: Result<Option<String>, Rejected>,
    original: Result<Option<String>, Rejected>,
    permalink: Option<String>,
}

/// The id of a record and the addresses of its page.
struct RecordIdentity {
    id: String,
    id_by_name: bool,
    link: Option<String>,
    via: Option<String>,
}

/// The fields that are left out if invalid.
struct OptionalFields {
    provider: Option<Provider>,
    authors: Vec<String>,
    images: Vec<Image>,
    related: Vec<Related>,
    actions: Vec<Action>,
    quality: Option<f64>,
    heat: Option<f64>,
    length: Option<Duration>,
    language: Option<String>,
}

impl Check<'_> {
    /// Returns the record and every fault of the seed.
    pub(in crate::seed) fn read(mut self, body: Option<Body<'_>>) -> Reading {
        let record = self.front_matter().and_then(|fields| {
            let unknown_keys = self.unknown_keys(&fields);
            let record = self.record(fields, body)?;
            unknown_keys.map(|()| record)
        });
        Reading::Seed { record: record.ok().map(Arc::new), faults: self.into_faults() }
    }

    /// Parses the front matter without the fields that have a value of the wrong type.
    fn front_matter(&mut self) -> Result<FrontMatter, Rejected> {
        loop {
            let settings = &self.rules.seeds;
            let is_mistyped = |key: &str| self.mistyped.contains(&key);
            match front_matter::parse(self.front_matter, settings, &is_mistyped) {
                Ok(fields) => return Ok(fields),
                Err(error) => {
                    // If parsing fails without any field too, the field is not the cause.
                    let all = front_matter::parse(self.front_matter, settings, &|_| true);
                    let error = all.err().unwrap_or(error);
                    let place = error.at.map(|at| self.place_at(at));
                    self.fault(place, error.reason, error.help);
                    let field = error.field.filter(|field| !self.mistyped.contains(field)).ok_or(Rejected)?;
                    self.mistyped.push(field);
                }
            }
        }
    }

    /// Reports unknown keys. A misspelt key that would hide the record costs the record, which would otherwise be
    /// shown for a typing error.
    fn unknown_keys(&mut self, fields: &FrontMatter) -> Result<(), Rejected> {
        let mut result = Ok(());
        for key in &fields.unknown {
            let similar = fields::similar_key(key, &fields.known);
            let costs_record = similar.is_some_and(fields::misspelling_costs_record);
            if costs_record {
                result = Err(Rejected);
            }
            let severity = match (self.rules.strict || costs_record, similar) {
                (true, _) => Severity::Fault,
                (false, Some(_)) => Severity::Warning,
                (false, None) => continue,
            };
            let place = self.place_of_key(key);
            let help = similar.map(|similar| format!("did you mean `{similar}`?"));
            self.add(severity, place, format!("`{key}` is not a field of a seed"), help.as_deref());
        }
        result
    }

    /// Makes the record. Every field is checked before a mistake in one of them costs the record, so that all
    /// faults are reported at once.
    fn record(&mut self, mut fields: FrontMatter, body: Option<Body<'_>>) -> Result<PackedRecord, Rejected> {
        let field_topics = self.field_topics(&mut fields);
        let required = self.required_fields(&fields, &field_topics);
        let addresses = self.addresses(&fields, &field_topics);
        self.asset_base = addresses.permalink.as_deref().and_then(|link| self.image_base(link));
        let optional = self.optional_fields(&mut fields);

        let required = required?;
        if self.mistyped.iter().any(|key| fields::costs_record(key)) {
            return Err(Rejected);
        }
        let RecordIdentity { id, id_by_name, link, via } =
            self.identity(required.id, required.published, addresses)?;
        let base = self.content_base(link.as_deref());
        let embed = self.embed(fields.featured_content.as_ref(), &base);
        let summary = text_of(fields.excerpt.as_ref());
        let content = content::without_body(ContentParts {
            summary: summary.as_deref(),
            image: optional.images.first(),
            embed,
            actions: &optional.actions,
            related: &optional.related,
        });
        let record = Record {
            path: self.path.clone(),
            id: id.into(),
            id_by_name,
            title: required.title,
            summary,
            link,
            via,
            published: required.published,
            updated: required.updated,
            expires: required.expires,
            hidden: required.hidden,
            topics: required.topics,
            provider: optional.provider,
            authors: optional.authors,
            language: optional.language,
            kind: text_of(fields.kind.as_ref()),
            category: text_of(fields.category.as_ref()),
            quality: optional.quality.unwrap_or_default(),
            heat: optional.heat.unwrap_or_default(),
            length: optional.length,
            images: optional.images,
            related: optional.related,
            actions: optional.actions,
            embed: media::embed(&content.embed),
            content,
        };
        Ok(self.pack(record, body, &base))
    }

    fn required_fields(
        &mut self,
        fields: &FrontMatter,
        field_topics: &[FieldTopics<'_>],
    ) -> Result<RequiredFields, Rejected> {
        let title = self.title(fields.title.as_ref());
        let topics = self.topics(field_topics);
        let published = self.published(fields.published_at.as_ref());
        let expires = self.decisive_date(fields.expires_at.as_ref());
        let hidden = self.hidden(fields);
        let id = self.explicit_id(fields.id.as_ref());
        let updated = self.updated(fields.updated_at.as_ref(), published.as_ref().ok().copied().flatten());
        let (title, topics, published, expires) = (title?, topics?, published?, expires?);
        Ok(RequiredFields { title, topics, published, updated, expires, hidden: hidden?, id: id? })
    }

    fn addresses(&mut self, fields: &FrontMatter, field_topics: &[FieldTopics<'_>]) -> RecordAddresses {
        let web = self.page_address(fields.web_url.as_ref());
        let original = self.page_address(fields.original_url.as_ref());
        let has_address = fields.web_url.is_some() || fields.original_url.is_some();
        let permalink = if has_address { None } else { self.permalink(fields, field_topics) };
        RecordAddresses { web, original, permalink }
    }

    fn optional_fields(&mut self, fields: &mut FrontMatter) -> OptionalFields {
        let (provider, authors) = self.provider(fields.provider.take().map(|provider| provider.value));
        OptionalFields {
            provider,
            authors,
            images: self.images(fields.images.take()),
            related: self.related(fields.related.take()),
            actions: self.actions(fields.actions.take()),
            quality: self.number(fields.quality.as_ref()),
            heat: self.number(fields.heat.as_ref()),
            length: self.length(fields.length.as_ref()),
            language: self.language(fields.language.as_ref()),
        }
    }

    /// Returns the id and the addresses of the page. A mistake in an address costs the record if the id would be
    /// made of it: any other id would be that of another entry.
    fn identity(
        &self,
        id: Option<String>,
        published: Option<Timestamp>,
        addresses: RecordAddresses,
    ) -> Result<RecordIdentity, Rejected> {
        let RecordAddresses { web, original, permalink } = addresses;
        let original = original.or_else(|rejected| id.as_ref().map(|_| None).ok_or(rejected))?;
        let has_id = id.is_some() || original.is_some();
        let web = web.or_else(|rejected| has_id.then_some(None).ok_or(rejected))?;
        let id = id.or_else(|| original.clone()).or_else(|| web.clone());
        let id_by_name = id.is_none();
        let id = id.unwrap_or_else(|| self.tag_uri(published));
        let (link, via) = match (web, original) {
            (Some(link), via) => (Some(link.clone()), via.filter(|via| *via != link)),
            (None, link) => (link.or(permalink), None),
        };
        Ok(RecordIdentity { id, id_by_name, link, via })
    }

    /// Returns the base of the addresses in the content: the page, or for an `index` file its folder.
    fn content_base(&mut self, link: Option<&str>) -> String {
        let folder = self.asset_base.take().filter(|_| is_index(self.path)).map(String::from);
        folder.or_else(|| link.map(str::to_owned)).unwrap_or_else(|| self.rules.url.to_string())
    }

    fn parsed_base(&self, base: &str) -> Url {
        Url::parse(base).unwrap_or_else(|_| self.rules.url.clone())
    }

    /// Returns the sanitised embed, or nothing if the seed has none.
    fn embed(&mut self, embed: Option<&FieldValue<String>>, base: &str) -> String {
        let Some(field) = embed else { return String::new() };
        let base = self.parsed_base(base);
        let place = |check: &Self| check.place_of(&[Step::Key(field.key)]);
        let faults_before = self.fault_count();
        let embed = self.sanitize("`featuredContent`", Markup::Html, &field.value, &base, place);
        if embed.is_empty() && !field.value.trim().is_empty() && self.fault_count() == faults_before {
            let place = self.place_of(&[Step::Key(field.key)]);
            let reason = format!("`{}` has nothing that can be shown", field.key);
            let help = "`frame_hosts` in sower.yaml lists the hosts whose players are shown";
            self.warning(place, reason, Some(help));
        }
        embed
    }

    /// Packs a record with its body, rendered or deferred.
    fn pack(&mut self, mut record: Record, body: Option<Body<'_>>, base: &str) -> PackedRecord {
        let mode = self.rules.content;
        let markdown = body.filter(|body| body.markup == Markup::Markdown && mode != ContentMode::Render);
        let deferred = markdown.and_then(|body| DeferredBody::new(body.text, base));
        if let Some(body) = body.filter(|_| deferred.is_none()) {
            let place = |check: &Self| Some(check.place_of_body(body));
            let base = self.parsed_base(base);
            let html = self.sanitize("the body", body.markup, body.text, &base, place);
            content::add_body(&mut record, html, &base);
        }
        if mode == ContentMode::Omit {
            PackedRecord::without_content(record)
        } else {
            PackedRecord::new(record, deferred)
        }
    }

    /// Returns a sanitised part of the content, or nothing if it cannot be shown.
    fn sanitize(
        &mut self,
        part: &str,
        markup: Markup,
        text: &str,
        base: &Url,
        place: impl FnOnce(&Self) -> Option<Place>,
    ) -> String {
        content::sanitize(markup, text, base, &self.rules.frame_hosts).unwrap_or_else(|error| {
            let (reason, help) = match error {
                ContentError::TooDeep => ("its elements nest too deeply", "close every element"),
                ContentError::TooManyAddresses => (
                    "it has too many addresses for so long a page address",
                    "give the record a shorter `webUrl`",
                ),
            };
            let place = place(self);
            self.fault(place, format!("{part} is left out: {reason}"), Some(help));
            String::new()
        })
    }
}
