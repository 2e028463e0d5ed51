//! Paths without links, and folders around them.

use std::path::{Path, PathBuf};

/// Returns `true` if a path lies in one of some folders.
pub(super) fn is_within(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// Returns the nearest directory on a path that exists, without links: the directory itself, or one above it.
pub(super) fn existing_directory(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let existing = |path: &Path| path.canonicalize().ok().filter(|path| path.is_dir());
    path.ancestors().find_map(existing).unwrap_or(path)
}

/// Removes the folders that lie in others of the list.
#[cfg(target_os = "linux")]
pub(super) fn outermost(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    // Sorting puts a folder before those that it contains.
    folders.sort();
    let mut outermost: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !is_within(&folder, &outermost) {
            outermost.push(folder);
        }
    }
    outermost
}

/// Returns a path as written, and with its links resolved if that differs.
#[cfg(target_os = "linux")]
pub(super) fn with_target(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = std::path::absolute(path).into_iter().chain(path.canonicalize()).collect();
    paths.dedup();
    paths
}

/// Returns the folder that contains a path, so that the path can be removed, created again and mounted again there.
/// The root of a mounted disk is replaced when the disk is mounted again, so the folder around it is returned instead.
/// Returns `None` if that would be the root of the file system.
#[cfg(target_os = "linux")]
pub(super) fn containing_folder(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let folder = existing_directory(path.parent().unwrap_or(path));
    let is_no_mount = |folder: &&Path| folder.parent().is_some_and(|above| device(above) == device(folder));
    let lasting = folder.ancestors().find(is_no_mount).map(Path::to_owned);
    lasting.or_else(|| folder.parent().is_some().then_some(folder))
}
