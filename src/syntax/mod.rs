//! Positions of values in YAML and TOML, which their parsers report only for errors.

pub mod yaml;
pub mod toml;
