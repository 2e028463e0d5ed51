//! The Content Security Policy of pages.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use sha2::{Digest, Sha256};
use url::Url;

use crate::config::Config;
use crate::render::style;

/// Returns the policy, which allows the inline style sheet, the script, and the pictures that the
/// publisher enabled.
pub(super) fn policy(style_sheet: &str, config: &Config) -> String {
    let style = BASE64_STANDARD.encode(Sha256::digest(style::inline(style_sheet)));
    let pictures = if config.pictures { " https:" } else { "" };
    let icon = config.icon.as_deref().and_then(|icon| Url::parse(icon).ok());
    let icon = icon.map(|icon| format!(" {}", icon.origin().ascii_serialization())).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; script-src 'self'; img-src 'self'{pictures}{icon}; \
         base-uri 'none'; form-action 'self'"
    )
}
