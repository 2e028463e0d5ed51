//! Updating the mirror to an edition.

use std::path::{Path, PathBuf};

use crate::edition::Edition;
use crate::publish::mirror::archives::update_archives;
use crate::publish::mirror::directory::Directory;
use crate::publish::mirror::error::MirrorError;
use crate::publish::mirror::plan::MirrorPlan;
use crate::publish::mirror::representations::update_representations;

/// The public tree as files.
#[derive(Debug)]
pub struct Mirror {
    directory: Directory,
    /// Set once the unfinished files of killed processes have been removed.
    is_cleaned: bool,
}

/// The numbers of files that an update changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Mirrored {
    /// Files that were written.
    pub written: usize,
    /// Files that were removed.
    pub removed: usize,
}

impl Mirror {
    /// Creates the mirror in a directory, which need not exist yet.
    pub fn new(root: PathBuf) -> Self {
        Self { directory: Directory::new(root), is_cleaned: false }
    }

    /// Returns the directory.
    pub fn root(&self) -> &Path {
        &self.directory.root
    }

    /// Returns the number of files that are up to date.
    pub fn files(&self) -> usize {
        self.directory.contents.len()
    }

    /// Updates the files to an edition, the archive documents last. An error does not stop the update of
    /// the other files. The plan is emptied unless an error occurred or the update was interrupted.
    ///
    /// # Errors
    ///
    /// The first error of the update.
    pub fn update(
        &mut self,
        edition: &Edition,
        plan: &mut MirrorPlan,
        is_interrupted: &(impl Fn() -> bool + Sync),
    ) -> Result<Mirrored, MirrorError> {
        let directory = &mut self.directory;
        let _lock = directory.lock()?;
        // If the directory was replaced, every file has to be checked.
        plan.everything |= directory.read_list()?;
        if !std::mem::replace(&mut self.is_cleaned, true) {
            directory.remove_unfinished();
        }
        let mut errors = Vec::new();
        let (written, removed) = update_representations(directory, edition, plan, &mut errors);
        let archives = update_archives(directory, edition, plan, is_interrupted, &mut errors);
        errors.extend(directory.write_list().err());
        if archives.is_complete && errors.is_empty() {
            *plan = MirrorPlan::default();
        }
        let mirrored = Mirrored { written: written + archives.written, removed: removed + archives.removed };
        errors.into_iter().next().map_or(Ok(mirrored), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::edition::Representation;
    use crate::publish::mirror::directory::{LIST, LIST_HEAD, unfinished};
    use std::collections::BTreeMap;
    use std::fs;
    use std::sync::Arc;
    use std::time::{Duration, SystemTime};

    fn edition(feeds: &[(&str, &str)]) -> Edition {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let representation = |body: &str| {
            Arc::new(Representation::new(body.to_owned(), "a/b", String::new(), at, Duration::ZERO))
        };
        let mut edition = Edition::empty(Arc::new(Config::sample("")));
        for (path, body) in feeds {
            edition.insert(&(*path).into(), representation(body));
        }
        edition
    }

    fn update(mirror: &mut Mirror, edition: &Edition) -> Result<Mirrored, MirrorError> {
        mirror.update(edition, &mut MirrorPlan::everything(), &|| false)
    }

    fn files(root: &Path) -> BTreeMap<String, String> {
        let walk = walkdir::WalkDir::new(root)
            .into_iter()
            .filter_map(Result::ok)
            .filter(|file| file.file_type().is_file());
        walk.map(|file| {
            let path = file.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            (path, fs::read_to_string(file.path()).unwrap())
        })
        .filter(|(path, _)| path != LIST)
        .collect()
    }

    fn paths(root: &Path) -> Vec<String> {
        files(root).into_keys().collect()
    }

    #[test]
    fn only_changed_files_are_written_and_stale_ones_removed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("deep/feeds");
        let mut mirror = Mirror::new(root.clone());
        let first = edition(&[("all.rss", "a"), ("topics/x.rss", "x"), ("topics/机.rss", "y")]);
        assert_eq!(update(&mut mirror, &first).unwrap(), Mirrored { written: 3, removed: 0 });
        assert_eq!(update(&mut mirror, &first).unwrap(), Mirrored::default());
        assert_eq!(update(&mut Mirror::new(root.clone()), &first).unwrap(), Mirrored::default());
        let time = fs::metadata(root.join("all.rss")).unwrap().modified().unwrap();
        assert_eq!(time, first.representations["all.rss"].last_modified);

        let mut mirror = Mirror::new(root.clone());
        assert_eq!(
            update(&mut mirror, &edition(&[("all.rss", "b")])).unwrap(),
            Mirrored { written: 1, removed: 2 }
        );
        assert_eq!(paths(&root), ["all.rss"]);
        assert!(!root.join("topics").exists());
    }

    #[test]
    fn foreign_files_are_never_changed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir(root.join("topics")).unwrap();
        for (path, text) in [("index.html", "mine"), ("topics/x.rss", "mine"), ("topics/mine.txt", "mine")] {
            fs::write(root.join(path), text).unwrap();
        }
        let mut mirror = Mirror::new(root.to_owned());
        let error = update(&mut mirror, &edition(&[("all.rss", "a"), ("topics/x.rss", "x")])).unwrap_err();
        assert!(matches!(&error, MirrorError::Foreign { path } if path.ends_with("topics/x.rss")), "{error}");
        assert_eq!(files(root)["topics/x.rss"], "mine");
        assert_eq!(files(root)["all.rss"], "a", "the other files are written");
        fs::remove_file(root.join("topics/x.rss")).unwrap();
        update(&mut mirror, &edition(&[("all.rss", "a"), ("topics/x.rss", "x")])).unwrap();
        update(&mut mirror, &edition(&[])).unwrap();
        assert_eq!(paths(root), ["index.html", "topics/mine.txt"]);
    }

    #[test]
    fn files_of_a_replaced_directory_are_foreign() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        let mut mirror = Mirror::new(root.clone());
        update(&mut mirror, &edition(&[("all.rss", "a")])).unwrap();
        fs::rename(&root, directory.path().join("away")).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(root.join("all.rss"), "mine").unwrap();
        assert!(matches!(
            update(&mut mirror, &edition(&[("all.rss", "b")])),
            Err(MirrorError::Foreign { .. })
        ));
        assert_eq!(files(&root)["all.rss"], "mine");
    }

    #[test]
    fn paths_outside_the_mirror_are_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        fs::create_dir(&root).unwrap();
        fs::write(directory.path().join("precious"), "mine").unwrap();
        fs::write(root.join(LIST), format!("{LIST_HEAD}../precious\n/etc/hostname\nall.rss\n")).unwrap();
        update(&mut Mirror::new(root), &edition(&[])).unwrap();
        assert!(directory.path().join("precious").exists());
    }

    #[test]
    fn foreign_changes_are_reverted() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut mirror = Mirror::new(root.to_owned());
        let feeds = edition(&[("all.rss", "a"), ("all.atom", "b")]);
        update(&mut mirror, &feeds).unwrap();
        fs::write(root.join("all.rss"), "tampered").unwrap();
        fs::remove_file(root.join("all.atom")).unwrap();
        fs::write(root.join(".all.rss.sower-unfinished"), "half").unwrap();
        assert_eq!(update(&mut mirror, &feeds).unwrap(), Mirrored { written: 2, removed: 0 });
        assert_eq!(
            files(root),
            BTreeMap::from([("all.atom".into(), "b".into()), ("all.rss".into(), "a".into())])
        );
    }

    #[test]
    fn file_that_cannot_be_listed_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut mirror = Mirror::new(root.to_owned());
        update(&mut mirror, &edition(&[("all.rss", "a"), ("old.rss", "o")])).unwrap();
        let obstacle = unfinished(&root.join(LIST));
        fs::create_dir(&obstacle).unwrap();
        let next = edition(&[("all.rss", "b"), ("new.rss", "n")]);
        assert!(
            matches!(update(&mut mirror, &next), Err(MirrorError::Io { path, .. }) if path.ends_with(LIST))
        );
        assert_eq!(files(root), BTreeMap::from([("all.rss".into(), "b".into())]));
        fs::write(root.join("new.rss"), "mine").unwrap();
        fs::remove_dir(&obstacle).unwrap();
        assert!(matches!(update(&mut mirror, &next), Err(MirrorError::Foreign { .. })));
        assert_eq!(files(root)["new.rss"], "mine");
        fs::remove_file(root.join("new.rss")).unwrap();
        update(&mut mirror, &next).unwrap();
        assert_eq!(paths(root), ["all.rss", "new.rss"]);
    }

    #[test]
    fn unfinished_files_of_a_killed_process_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        update(&mut Mirror::new(root.to_owned()), &edition(&[("all.rss", "a"), ("x.rss", "x")])).unwrap();
        fs::write(root.join(".x.rss.sower-unfinished"), "half").unwrap();
        update(&mut Mirror::new(root.to_owned()), &edition(&[("all.rss", "a")])).unwrap();
        assert_eq!(paths(root), ["all.rss"]);
    }

    #[test]
    fn error_names_the_unwritable_directory() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("feeds");
        fs::write(&root, "a file").unwrap();
        let error = update(&mut Mirror::new(root), &edition(&[("all.rss", "a")])).unwrap_err();
        assert!(error.to_string().contains("--feeds"), "{error}");
    }
}
