//! Media RSS (<https://www.rssboard.org/media-rss>), for the formats that are XML.

use std::collections::BTreeMap;

use crate::render::file::{Medium, duration_of, files};
use crate::seed::{EmbedKind, Image, Record, media_type};

/// The namespace of Media RSS.
pub(super) const NAMESPACE: &str = "http://search.yahoo.com/mrss/";
pub(super) const PREFIX: &str = "media";

/// An element of the namespace, independent of the format. Its text and attributes are not escaped.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The name without its prefix: `content`, `title` …
    pub(super) name: &'static str,
    pub(super) attributes: BTreeMap<&'static str, String>,
    pub(super) text: Option<String>,
    pub(super) children: Vec<Element>,
}

impl Element {
    fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn with(mut self, attribute: &'static str, value: Option<impl ToString>) -> Self {
        self.attributes.extend(value.map(|value| (attribute, value.to_string())));
        self
    }

    fn holding(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// Returns the name with its prefix.
    pub(super) fn prefixed(&self) -> String {
        format!("{PREFIX}:{}", self.name)
    }
}

/// Returns the pictures of a record, its media files, and the first picture as its thumbnail.
pub(super) fn elements(record: &Record) -> Vec<Element> {
    let mut elements: Vec<_> = record.images.iter().map(image).collect();
    let thumbnail = || record.images.first().map(thumbnail);
    let embed = record.embed.as_ref();
    elements.extend(embed.map(|embed| {
        let content = Element::new("content");
        let content = match embed.kind {
            EmbedKind::Player => {
                content.holding([Element::new("player").with("url", Some(&embed.url))]).medium(Medium::Video)
            }
            EmbedKind::Video => content.file(&embed.url).medium(Medium::Video),
            EmbedKind::Audio => content.file(&embed.url).medium(Medium::Audio),
        };
        content
            .with("duration", duration_of(record, &embed.url))
            .holding([title(&record.title)])
            .holding(thumbnail())
    }));
    for file in files(record).filter(|file| embed.is_none_or(|embed| embed.url != file.url)) {
        let content = Element::new("content").file(file.url).with("duration", file.duration);
        let content = content.holding(file.title.map(title));
        elements.extend(file.media_type.and_then(Medium::of).map(|medium| content.medium(medium)));
    }
    elements.extend(thumbnail());
    elements
}

impl Element {
    fn medium(self, medium: Medium) -> Self {
        self.with("medium", Some(medium.name()))
    }

    fn file(self, url: &str) -> Self {
        self.with("url", Some(url)).with("type", media_type(url))
    }

    fn sized(self, image: &Image) -> Self {
        self.with("width", image.width).with("height", image.height)
    }
}

fn image(image: &Image) -> Element {
    let content = Element::new("content").file(&image.url).medium(Medium::Image).sized(image);
    content.holding(image.title.as_deref().map(title))
}

fn thumbnail(image: &Image) -> Element {
    Element::new("thumbnail").with("url", Some(&image.url)).sized(image)
}

fn title(text: &str) -> Element {
    Element { text: Some(text.to_owned()), ..Element::new("title").with("type", Some("plain")) }
}
