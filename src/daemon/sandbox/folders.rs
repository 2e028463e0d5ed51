//! The folders that the sandbox leaves accessible.
//!
//! A Landlock rule is bound to the file or folder that is at a path when the rule is made, and rules cannot be added
//! later. A directory that is replaced loses its rule. So the rules are made for the folders around the directories
//! that sower uses, and around the targets of their links: a directory can then be removed, created again, swapped and
//! mounted again. A link to somewhere else needs a restart.

use std::path::{Path, PathBuf};

use crate::config::{Config, ListenAddress};
use crate::daemon::sandbox::links::link_targets;
use crate::daemon::sandbox::paths::{containing_folder, existing_directory, outermost, with_target};

/// Files and folders of the system that are read: the number of cores, the limits of the control group, and the time
/// zone.
pub(super) const SYSTEM_FILES: [&str; 5] =
    ["/proc/self", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/etc/localtime", "/usr/share/zoneinfo"];

/// Returns the folders to write to: around the feeds directory, and that of the cache, which is created.
pub(super) fn writable(config: &Config, cache: Option<&Path>) -> Vec<PathBuf> {
    let feeds = config.feeds.iter().flat_map(|feeds| with_target(feeds));
    let mut folders: Vec<_> = feeds.map(|feeds| around_writable(&feeds)).collect();
    if let Some(cache) = cache.and_then(Path::parent) {
        // It cannot be created later. Without it, all seeds are read at the next start.
        let _ = std::fs::create_dir_all(cache);
        folders.extend(cache.canonicalize());
    }
    outermost(folders)
}

/// Returns the folders to read from: around the seeds, around the configuration file, and those to write to.
///
/// # Errors
///
/// Returns the reason for which reading cannot be restricted.
pub(super) fn readable(config: &Config, writable: &[PathBuf]) -> Result<Vec<PathBuf>, &'static str> {
    let seeds = around_seeds(&config.seeds)?;
    let config_file = around_path_and_links(&config.file);
    Ok(outermost(seeds.into_iter().chain(config_file).chain(writable.iter().cloned()).collect()))
}

/// Returns the folders in which Unix sockets are created.
pub(super) fn of_sockets(config: &Config) -> Vec<PathBuf> {
    let admin = config.serving.admin_listen.iter().map(|(address, _)| address);
    let sockets = config.serving.listen.iter().chain(admin).filter_map(|address| match address {
        ListenAddress::Unix(path) => std::path::absolute(path).ok()?.parent().map(Path::to_owned),
        ListenAddress::Tcp(_) => None,
    });
    sockets.collect()
}

/// Returns the folders around the seed directory and around the targets of its links.
///
/// # Errors
///
/// Returns the reason for which only the root of the file system surely contains the seed directory.
fn around_seeds(directory: &Path) -> Result<Vec<PathBuf>, &'static str> {
    if !directory.is_dir() {
        return Err("the seed directory does not exist yet");
    }
    if with_target(directory).iter().any(|path| containing_folder(path).is_none()) {
        return Err("the seed directory is in the root directory");
    }
    let targets = link_targets(directory).into_iter().filter_map(|target| around_readable(&target));
    Ok(targets.chain(around_path_and_links(directory)).collect())
}

/// Returns the folders around a path, around each link on it, and around their targets.
fn around_path_and_links(path: &Path) -> Vec<PathBuf> {
    let Ok(path) = std::path::absolute(path) else { return Vec::new() };
    let links = path.ancestors().filter(|path| path.is_symlink());
    let paths = std::iter::once(&*path).chain(links).flat_map(with_target);
    paths.filter_map(|path| around_readable(&path)).collect()
}

/// Returns the folder around a path, or the path itself if it is in the root directory.
fn around_readable(path: &Path) -> Option<PathBuf> {
    containing_folder(path).or_else(|| path.canonicalize().ok())
}

/// Returns the folder around a directory, or the directory itself if it is in the root directory. It is created then,
/// since it cannot be created later.
fn around_writable(directory: &Path) -> PathBuf {
    containing_folder(directory).unwrap_or_else(|| {
        let _ = std::fs::create_dir(directory);
        existing_directory(directory)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_directory_that_is_missing_or_in_the_root_directory_leaves_reading_unrestricted() {
        assert!(around_seeds(Path::new("/usr")).unwrap_err().contains("root directory"));
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("seeds");
        assert!(around_seeds(&directory).unwrap_err().contains("does not exist yet"));
        std::fs::create_dir(&directory).unwrap();
        assert_eq!(around_seeds(&directory).map(outermost), Ok(vec![folder.path().canonicalize().unwrap()]));
    }
}
