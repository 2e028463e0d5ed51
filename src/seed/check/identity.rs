//! The identity of a record: its id, and the addresses that ids are made of.

use super::faults::{Check, Rejected};
use crate::seed::date::Timestamp;
use crate::seed::fields::FieldValue;
use crate::seed::form::stem;
use crate::seed::link;
use crate::syntax::yaml::Step;

impl Check<'_> {
    /// Returns the value of `id`. One that is not a valid id costs the record.
    pub(super) fn explicit_id(
        &mut self,
        id: Option<&FieldValue<String>>,
    ) -> Result<Option<String>, Rejected> {
        let Some(field) = id else { return Ok(None) };
        let id = field.value.trim();
        if link::is_iri(id) {
            return Ok(Some(id.to_owned()));
        }
        let place = self.place_of(&[Step::Key(field.key)]);
        // Other publishers number their pages, and do not mean the number as an address.
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
            let help = "write an absolute URI to identify the entry permanently";
            self.warning(place, "`id` is a number, so it is ignored".to_owned(), Some(help));
            return Ok(None);
        }
        let help = "write an address, `urn:uuid:…` or `tag:example.org,2024:…`, or leave it out";
        self.fault(place, "`id` should be an absolute URI".to_owned(), Some(help));
        Err(Rejected)
    }

    /// Returns a tag URI (RFC 4151) of the host of the publication, the day of publication and the name of the seed.
    pub(super) fn tag_uri(&self, published: Option<Timestamp>) -> String {
        let host = self.rules.url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let day = published.map_or_else(|| "1970-01-01".to_owned(), |at| at.format("%Y-%m-%d").to_string());
        format!("tag:{host},{day}:{}", link::path_segment(&stem(self.path)))
    }

    /// Checks an address of the record itself. A mistake costs the record if its id depends on the address, which
    /// the caller decides.
    pub(super) fn page_address(
        &mut self,
        url: Option<&FieldValue<String>>,
    ) -> Result<Option<String>, Rejected> {
        let Some(field) = url.filter(|field| !field.value.trim().is_empty()) else {
            let is_mistyped = self.is_mistyped("webUrl") || self.is_mistyped("originalUrl");
            return if is_mistyped { Err(Rejected) } else { Ok(None) };
        };
        let page = link::page(&field.value, &self.rules.url);
        if page.is_none() {
            let place = self.place_of(&[Step::Key(field.key)]);
            let reason = format!("`{}` is not an http or https address", field.key);
            self.fault(place, reason, Some("write the full address, such as `https://example.com/page`"));
        }
        page.map(Some).ok_or(Rejected)
    }
}
