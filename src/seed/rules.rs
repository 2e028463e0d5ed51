//! The settings that reading a seed depends on.

use url::Url;

use crate::config::{Config, SeedSettings};

/// The settings that reading a seed depends on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The address of the publication, for relative links and for ids.
    pub url: Url,
    /// The size of the largest seed that is read, in bytes.
    pub max_size: u64,
    /// Set if unknown keys and missing dates are faults.
    pub strict: bool,
    /// Hosts whose frames may be shown.
    pub frame_hosts: Vec<String>,
    /// The configurable meaning of fields.
    pub seeds: SeedSettings,
    /// The treatment of content.
    pub content: ContentMode,
}

/// The treatment of content, which is needed for the records that a feed shows and for no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentMode {
    /// Leaves it out: records are not [complete](super::PackedRecord::is_complete).
    Omit,
    /// Keeps the source of a body if it can be rendered later.
    Defer,
    /// Renders every body at once, for records that are shown more than once.
    Render,
}

impl Rules {
    /// Returns the rules that a configuration asks for.
    pub fn new(config: &Config, strict: bool) -> Self {
        Self {
            url: config.url.clone(),
            max_size: config.max_seed_size,
            strict,
            frame_hosts: config.frame_hosts.clone(),
            seeds: config.seed_settings.clone(),
            content: ContentMode::Defer,
        }
    }
}

#[cfg(test)]
impl Rules {
    /// Returns rules for a test.
    pub(crate) fn sample() -> Self {
        let frame_hosts = vec!["www.youtube.com".to_owned()];
        let url = Url::parse("https://a.example/").unwrap();
        let (seeds, content) = (SeedSettings::default(), ContentMode::Defer);
        Self { url, max_size: 1 << 20, strict: false, frame_hosts, seeds, content }
    }
}
