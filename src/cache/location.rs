//! The location of the cache file.

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

/// Returns the path of the cache file of a seed directory: in the service's cache directory, else in
/// the user's. Returns `None` if the environment names neither.
pub fn default_path(seeds: &Path) -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = variable("CACHE_DIRECTORY")
        .or_else(|| variable("XDG_CACHE_HOME").map(|home| home.join("sower")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/sower")))?;
    let seeds = std::path::absolute(seeds).ok()?;
    Some(directory.join(format!("{:032x}.seeds", xxh3_128(seeds.as_os_str().as_encoded_bytes()))))
}
