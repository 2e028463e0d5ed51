//! Targets of the symbolic links in a directory.

use std::collections::HashSet;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::{self, Builder, ScopedJoinHandle};

/// Returns the targets of all links in a directory, and of the links in those targets.
///
/// The folders are listed on all cores: with many folders this takes a large part of a start. All threads have ended
/// when this returns, as the sandbox requires.
pub(super) fn link_targets(directory: &Path) -> Vec<PathBuf> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut targets, mut seen) = (Vec::new(), HashSet::new());
    // All paths here are canonical: a folder that is no link, in a folder with a canonical path, has one too.
    let mut folders: Vec<_> = directory.canonicalize().into_iter().collect();
    while !folders.is_empty() {
        folders.retain(|folder| seen.insert(folder.clone()));
        let listings = thread::scope(|scope| {
            let chunks = folders.chunks(folders.len().div_ceil(cores).max(1));
            let started: Vec<_> = chunks
                .map(|chunk| (chunk, Builder::new().spawn_scoped(scope, move || list(chunk))))
                .collect();
            started.into_iter().map(|(chunk, thread)| join(chunk, thread)).collect::<Vec<_>>()
        });
        folders.clear();
        for (subfolders, links) in listings {
            folders.extend(subfolders);
            for target in links.iter().filter_map(|link| link.canonicalize().ok()) {
                folders.extend(target.is_dir().then(|| target.clone()));
                targets.push(target);
            }
        }
    }
    targets
}

/// Subfolders and links.
type Listing = (Vec<PathBuf>, Vec<PathBuf>);

/// Waits for the thread that lists some folders. Lists them on this thread if the system refused to start another.
fn join(folders: &[PathBuf], thread: io::Result<ScopedJoinHandle<'_, Listing>>) -> Listing {
    let listing = thread.ok().and_then(|thread| thread.join().ok());
    listing.unwrap_or_else(|| list(folders))
}

/// Lists the subfolders and the links in some folders. Folders that cannot be listed are ignored: their seeds cannot be
/// read either.
fn list(folders: &[PathBuf]) -> Listing {
    let (mut subfolders, mut links) = (Vec::new(), Vec::new());
    for entry in folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => subfolders.push(entry.path()),
            Ok(kind) if kind.is_symlink() => links.push(entry.path()),
            _ => {}
        }
    }
    (subfolders, links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_once_each_even_in_a_cycle() {
        use std::os::unix::fs::symlink;
        let work = tempfile::tempdir().unwrap();
        let work = work.path().canonicalize().unwrap();
        let at = |path: &str| work.join(path);
        for folder in ["seeds/a/b", "seeds/c", "other/deep", "far", "nothing"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at("far/file.md"), "").unwrap();
        for (link, to) in [
            ("seeds/a/b/other", "other"),
            ("seeds/c/again", "other"),
            ("other/deep/file.md", "far/file.md"),
            ("other/back", "seeds"),
            ("seeds/c/up", "seeds/c"),
            ("seeds/c/broken", "is not there"),
        ] {
            symlink(at(to), at(link)).unwrap();
        }
        let mut targets = link_targets(&at("seeds"));
        targets.sort();
        assert_eq!(targets, ["far/file.md", "other", "other", "seeds", "seeds/c"].map(at));
    }
}
