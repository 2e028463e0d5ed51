//! Mirroring the representations of an edition.

use std::sync::Arc;

use rayon::prelude::*;

use crate::edition::Edition;
use crate::publish::archive::ArchiveAddress;
use crate::publish::mirror::directory::{Directory, FileContent, replace};
use crate::publish::mirror::error::MirrorError;
use crate::publish::mirror::plan::MirrorPlan;

/// Writes the new and changed representations of a plan and removes the others. Returns the numbers of
/// files written and removed.
pub(super) fn update_representations(
    directory: &mut Directory,
    edition: &Edition,
    plan: &MirrorPlan,
    errors: &mut Vec<MirrorError>,
) -> (usize, usize) {
    let stale = stale_files(directory, edition, plan);
    let paths: Vec<&Arc<str>> =
        if plan.everything { edition.representations.keys().collect() } else { plan.paths.iter().collect() };
    let mut changed = Vec::new();
    for path in paths {
        let Some(representation) = edition.representations.get(path) else { continue };
        let body = &representation.body;
        let content = FileContent {
            hash: representation.hash,
            length: body.len() as u64,
            modified: representation.last_modified,
        };
        match directory.needs_write(path, content, body) {
            Ok(true) => changed.push((path, content, body)),
            Ok(false) => {}
            Err(error) => errors.push(error),
        }
    }
    let new = changed.iter().map(|(path, ..)| path.to_string());
    let new = new.filter(|path| !directory.listed.contains(path)).collect();
    let new = directory.list_new(new, errors);
    // A file that is not on the list must not be written.
    changed.retain(|(path, ..)| directory.listed.contains(&***path));
    let root = &directory.root;
    let results: Vec<_> = changed
        .into_par_iter()
        .map(|(path, content, body)| (path, content, replace(&root.join(&**path), body, content.modified)))
        .collect();
    let mut written = 0;
    for (path, content, result) in results {
        match result {
            Ok(()) => {
                written += 1;
                directory.contents.insert(path.to_string(), content);
            }
            Err(error) => {
                // A file that was never written may be written by another program later, so it leaves the list.
                if new.contains(&**path) {
                    directory.listed.remove(&**path);
                }
                errors.push(error);
            }
        }
    }
    (written, directory.remove_all(&stale, errors))
}

/// Returns the files of representations that the edition does not have any more.
fn stale_files(directory: &Directory, edition: &Edition, plan: &MirrorPlan) -> Vec<String> {
    let is_stale =
        |path: &&str| !edition.representations.contains_key(*path) && ArchiveAddress::parse(path).is_none();
    if plan.everything {
        directory.listed.iter().map(String::as_str).filter(is_stale).map(str::to_owned).collect()
    } else {
        let listed = plan.paths.iter().map(|path| &**path).filter(|path| directory.listed.contains(*path));
        listed.filter(is_stale).map(str::to_owned).collect()
    }
}
