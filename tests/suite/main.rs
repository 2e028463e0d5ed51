//! Tests from outside: built trees, the command line, the running daemon.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "these names are sower's own")]

mod addresses;
mod architecture;
mod cli;
mod clients;
mod cold;
mod confined;
mod history;
mod hostile;
mod kill;
mod live;
mod machine;
mod moving;
mod packaging;
mod pages;
mod records;
mod remembered;
mod samples;
mod serving;
mod shapes;
mod support;
mod valid;
mod why;
