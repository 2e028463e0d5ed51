//! Positions in YAML and TOML, which their parsers tell only of what they refuse.

pub mod yaml;
pub mod toml;
