//! Mirroring archive documents, which are rendered for the mirror alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::time::SystemTime;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use crate::edition::Edition;
use crate::feed::{FeedDocument, Selection};
use crate::publish::archive::{ArchiveAddress, Archives};
use crate::publish::mirror::directory::{Directory, FileContent, replace};
use crate::publish::mirror::error::MirrorError;
use crate::publish::mirror::plan::MirrorPlan;
use crate::render::{self, Format, Publication};
use crate::seed::Month;

/// An archive document that may have changed.
struct Candidate<'a> {
    archives: &'a Archives<'a>,
    month: Month,
    format: Format,
    path: String,
}

/// The result of updating the archive documents.
pub(super) struct ArchiveUpdate {
    pub(super) written: usize,
    pub(super) removed: usize,
    /// Set unless the update was interrupted.
    pub(super) is_complete: bool,
}

/// Writes the new and changed archive documents of a plan and removes the others.
pub(super) fn update_archives(
    directory: &mut Directory,
    edition: &Edition,
    plan: &MirrorPlan,
    is_interrupted: &(impl Fn() -> bool + Sync),
    errors: &mut Vec<MirrorError>,
) -> ArchiveUpdate {
    let selections: Vec<Selection> = if plan.everything {
        Archives::selections(edition).collect()
    } else {
        plan.archives.keys().cloned().collect()
    };
    let feeds: Vec<Archives<'_>> =
        selections.iter().filter_map(|selection| Archives::of(edition, selection)).collect();
    let mut candidates: Vec<Candidate<'_>> =
        feeds.iter().flat_map(|archives| candidates(directory, archives, plan)).collect();
    let stale = stale_files(directory, &selections, &feeds, plan.everything);

    // An existing file that is not on the list may belong to another program, unless it has the same bytes.
    let is_free = |path: &str| fs::symlink_metadata(directory.root.join(path)).is_err();
    let new = candidates.iter().map(|candidate| &candidate.path);
    let new: BTreeSet<String> =
        new.filter(|path| !directory.listed.contains(*path) && is_free(path)).cloned().collect();
    let listed = directory.list_new(new.clone(), errors);
    candidates.retain(|candidate| !new.contains(&candidate.path) || listed.contains(&candidate.path));

    // The newest months first, since they change most and are read most.
    candidates.sort_by_key(|candidate| Reverse(candidate.month));
    let results = write_documents(directory, edition, &candidates, is_interrupted);
    let (mut written, mut is_complete) = (0, true);
    for (path, result) in results {
        match result {
            Some(Ok((content, is_written))) => {
                written += usize::from(is_written);
                directory.contents.insert(path.clone(), content);
                directory.listed.insert(path);
                continue;
            }
            Some(Err(error)) => errors.push(error),
            None => is_complete = false,
        }
        if new.contains(&path) {
            directory.listed.remove(&path);
        }
    }
    ArchiveUpdate { written, removed: directory.remove_all(&stale, errors), is_complete }
}

/// The content of a file, with `true` if it was written now. `None` if the update was interrupted.
type WriteResult = Option<Result<(FileContent, bool), MirrorError>>;

/// Writes documents on all cores.
fn write_documents(
    directory: &Directory,
    edition: &Edition,
    candidates: &[Candidate<'_>],
    is_interrupted: &(impl Fn() -> bool + Sync),
) -> Vec<(String, WriteResult)> {
    let publication = Publication::new(&edition.config);
    // The entries of a document are unpacked once for all its formats.
    let is_same_document =
        |a: &Candidate<'_>, b: &Candidate<'_>| std::ptr::eq(a.archives, b.archives) && a.month == b.month;
    let documents: Vec<&[Candidate<'_>]> = candidates.chunk_by(is_same_document).collect();
    let results = documents.into_par_iter().flat_map_iter(|formats| {
        let document = (!is_interrupted()).then(|| formats[0].archives.document(formats[0].month));
        let results = formats.iter().map(|candidate| {
            let write = |document: &Option<FeedDocument>| {
                write_document(directory, candidate, document.as_ref(), &publication, edition.since)
            };
            (candidate.path.clone(), document.as_ref().map(write))
        });
        results.collect::<Vec<_>>()
    });
    results.collect()
}

/// Returns the archive documents of a feed whose files may be out of date.
fn candidates<'a>(
    directory: &Directory,
    archives: &'a Archives<'a>,
    plan: &MirrorPlan,
) -> Vec<Candidate<'a>> {
    let changed = plan.archives.get(archives.selection()).map(Option::as_ref);
    let months = archives.months();
    let is_affected = |index: usize| {
        let Some(changed) = changed else { return false };
        let Some(changed) = changed else { return true };
        // A document also changes when a month between it and a neighbour appears or vanishes, since it
        // links to its neighbours.
        let newer = index.checked_sub(1).map(|newer| months[newer]);
        let older = months.get(index + 1);
        changed.iter().any(|month| {
            newer.is_none_or(|newer| *month <= newer) && older.is_none_or(|older| month >= older)
        })
    };
    let mut candidates = Vec::new();
    for (index, &month) in months.iter().enumerate() {
        let is_affected = is_affected(index);
        for format in Format::ALL {
            let path = render::document_path(archives.selection(), Some(month), format);
            if is_affected || !directory.is_up_to_date(&path) {
                candidates.push(Candidate { archives, month, format, path });
            }
        }
    }
    candidates
}

/// Returns the files of archive documents that the edition does not have any more: those of some
/// selections, or with `everywhere` those of all.
fn stale_files(
    directory: &Directory,
    selections: &[Selection],
    feeds: &[Archives<'_>],
    everywhere: bool,
) -> Vec<String> {
    let archived: BTreeMap<&Selection, &[Month]> =
        feeds.iter().map(|archives| (archives.selection(), archives.months())).collect();
    let is_stale = |path: &&String| {
        ArchiveAddress::parse(path).is_some_and(|address| {
            let months = archived.get(&address.selection);
            !months.is_some_and(|months| months.contains(&address.month))
        })
    };
    if everywhere {
        return directory.listed.iter().filter(is_stale).cloned().collect();
    }
    let below = |selection: &Selection| {
        let folder = format!("{}/", selection.path());
        let paths =
            directory.listed.range(folder.clone()..).take_while(move |path| path.starts_with(&folder));
        paths.filter(is_stale).cloned().collect::<Vec<_>>()
    };
    selections.iter().flat_map(below).collect()
}

/// Renders a document and writes it if its file differs. A file with the same bytes keeps its time.
fn write_document(
    directory: &Directory,
    candidate: &Candidate<'_>,
    document: Option<&FeedDocument>,
    publication: &Publication,
    since: SystemTime,
) -> Result<(FileContent, bool), MirrorError> {
    let file = directory.root.join(&candidate.path);
    let Some(document) = document else {
        let cause = io::Error::other("this month has no archive document");
        return Err(MirrorError::Io { path: file, cause });
    };
    let body = candidate.format.render(document, publication)?;
    let content = FileContent { hash: xxh3_128(&body), length: body.len() as u64, modified: since };
    if let Ok(meta) = fs::symlink_metadata(&file) {
        let known = directory.contents.get(&candidate.path).filter(|known| known.matches(&meta));
        if let Some(known) = known.filter(|known| known.hash == content.hash) {
            return Ok((*known, false));
        }
        if known.is_none() && meta.len() == content.length && fs::read(&file).is_ok_and(|bytes| bytes == body)
        {
            let modified = meta.modified().unwrap_or(since);
            return Ok((FileContent { modified, ..content }, false));
        }
        if !directory.listed.contains(&candidate.path) {
            return Err(MirrorError::Foreign { path: file });
        }
    }
    replace(&file, &body, since)?;
    Ok((content, true))
}
