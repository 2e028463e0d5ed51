//! The files that pages refer to.

/// The files: path, media type, content.
pub const FILES: [(&str, &str, &str); 2] = [
    (SCRIPT, "text/javascript; charset=utf-8", include_str!("../pages/script.js")),
    (ICON, "image/svg+xml", include_str!("../pages/icon.svg")),
];
pub(super) const SCRIPT: &str = "script.js";
/// The default icon.
pub(super) const ICON: &str = "icon.svg";
