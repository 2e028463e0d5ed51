//! Fields with fields of their own: provider, images, related entries, actions.

use super::faults::Check;
use super::scalars::some_text;
use crate::seed::fields::{self, FieldValue};
use crate::seed::link;
use crate::seed::record::{Action, Image, Provider, Related};
use crate::syntax::yaml::Step;

impl Check<'_> {
    /// Checks the address of an item that is left out without it.
    fn asset(&mut self, url: Option<&str>, item: &str, path: &[Step<'_>]) -> Option<String> {
        let given = url.map(str::trim).filter(|url| !url.is_empty());
        let url = given.and_then(|url| link::web(url, self.asset_base.as_ref().unwrap_or(&self.rules.url)));
        if url.is_none() {
            let within = [path, &[Step::Key("url")]].concat();
            let place = given.and_then(|_| self.place_of(&within)).or_else(|| self.place_of(path));
            let problem =
                if given.is_some() { "its `url` is not an http or https address" } else { "it has no `url`" };
            self.fault(place, format!("this {item} is left out: {problem}"), None);
        }
        url
    }

    pub(super) fn provider(&mut self, provider: Option<fields::Provider>) -> (Option<Provider>, Vec<String>) {
        let Some(provider) = provider else { return (None, Vec::new()) };
        let authors =
            provider.authors.iter().filter_map(|author| some_text(author.name.as_deref()?)).collect();
        let domain = provider.domain.as_deref().map(str::trim).filter(|domain| !domain.is_empty());
        let site = domain.and_then(|domain| {
            let site = link::site(domain);
            if site.is_none() {
                let place = self.place_of(&[Step::Key("provider"), Step::Key("domain")]);
                self.fault(place, "`domain` is left out: it is not the name of a host".to_owned(), None);
            }
            site
        });
        let image = match provider.images.first() {
            Some(image) => {
                let path = [Step::Key("provider"), Step::Key("images"), Step::Index(0)];
                self.asset(image.url.as_deref(), "image", &path)
            }
            None => None,
        };
        (provider_name(&provider).map(|name| Provider { name, site, image }), authors)
    }

    pub(super) fn images(&mut self, images: Option<FieldValue<Vec<fields::ImageOrUrl>>>) -> Vec<Image> {
        let given = images.map(|images| images.value).unwrap_or_default();
        let mut images = Vec::with_capacity(given.len());
        for (index, fields::ImageOrUrl(image)) in given.into_iter().enumerate() {
            let path = [Step::Key("images"), Step::Index(index)];
            let Some(url) = self.asset(image.url.as_deref(), "image", &path) else { continue };
            let width = self.pixels(image.width.as_deref(), index, "width");
            let height = self.pixels(image.height.as_deref(), index, "height");
            let title = image.title.as_deref().and_then(some_text);
            images.push(Image { url, width, height, title });
        }
        images
    }

    fn pixels(&mut self, text: Option<&str>, index: usize, key: &str) -> Option<u32> {
        let text = text?.trim();
        let pixels = text.trim_end_matches("px").trim_end().parse().ok().filter(|&pixels| pixels > 0);
        if pixels.is_none() {
            let place = self.place_of(&[Step::Key("images"), Step::Index(index), Step::Key(key)]);
            self.fault(place, format!("`{key}` is left out: it is not a number of pixels"), None);
        }
        pixels
    }

    pub(super) fn related(&mut self, related: Option<FieldValue<Vec<fields::Related>>>) -> Vec<Related> {
        let given = related.map(|related| related.value).unwrap_or_default();
        let mut related = Vec::with_capacity(given.len());
        for (index, item) in given.into_iter().enumerate() {
            let path = [Step::Key("related"), Step::Index(index)];
            let title = item.title.as_deref().and_then(some_text);
            let link = item.web_url.as_deref().or(item.original_url.as_deref());
            let link = link.and_then(|link| link::page(link, &self.rules.url));
            let (Some(title), Some(link)) = (title, link) else {
                let place = self.place_of(&path);
                let reason = "this related entry is left out: it needs a `title` and a `webUrl`".to_owned();
                self.fault(place, reason, None);
                continue;
            };
            let date = item.published_date_time.as_deref().filter(|date| !date.trim().is_empty());
            let key = "publishedDateTime";
            let published = date.and_then(|date| self.date(date, key, &[path[0], path[1], Step::Key(key)]));
            let provider = item.provider.as_ref().and_then(provider_name);
            related.push(Related { title, link, published, provider });
        }
        related
    }

    pub(super) fn actions(&mut self, actions: Option<FieldValue<Vec<fields::Action>>>) -> Vec<Action> {
        let given = actions.map(|actions| actions.value).unwrap_or_default();
        let mut actions = Vec::with_capacity(given.len());
        for (index, action) in given.into_iter().enumerate() {
            let path = [Step::Key("actions"), Step::Index(index)];
            if let Some(url) = self.asset(action.url.as_deref(), "action", &path) {
                actions.push(Action { url, title: action.title.as_deref().and_then(some_text) });
            }
        }
        actions
    }
}

/// Returns the name of a provider, or else its domain.
fn provider_name(provider: &fields::Provider) -> Option<String> {
    let domain = || provider.domain.as_deref().filter(|domain| link::site(domain.trim()).is_some());
    provider.name.as_deref().and_then(some_text).or_else(|| some_text(domain()?))
}
