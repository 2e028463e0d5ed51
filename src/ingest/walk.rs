//! Walking the seed directory: which files may be seeds.
//!
//! Links are followed, but for those that lead back to where the walk came from; what is hidden is passed by, and
//! so is the mirror.

use std::io;
use std::path::{Component, Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::ingest::restart_hint;
use crate::ingest::watch::{Identity, identity};
use crate::seed;

/// Why what a link leads to is not read.
const LOOPS: &str = "a symbolic link leads back into its own directory";

/// What a walk finds.
pub(crate) struct Found {
    pub(crate) file: PathBuf,
    /// Why it, or what lies below it, cannot be read.
    pub(crate) unreadable: Option<String>,
}

/// A walk at or below a place. It fails if the system has nothing left to walk with.
pub(crate) struct Walk {
    /// The folder above the place that is a loop, if one is.
    loops: Option<Found>,
    place: PathBuf,
    /// None if there is nothing to walk through.
    entries: Option<walkdir::IntoIter>,
    /// Below which nothing is found.
    except: Option<PathBuf>,
    /// The folders above the place. Of what links lead back to, walkdir knows only what lies at the place or below it.
    above: Vec<Identity>,
}

impl Walk {
    /// A walk at or below a place in the root; elsewhere nothing is found.
    pub(crate) fn new(root: &Path, except: Option<&Path>, place: &Path) -> Self {
        let (place, except) = (place.to_owned(), except.map(ToOwned::to_owned));
        let walk = Self { loops: None, place, entries: None, except, above: Vec::new() };
        let Self { place, except, .. } = &walk;
        let Ok(relative) = place.strip_prefix(root) else { return walk };
        if except.as_ref().is_some_and(|except| place.starts_with(except)) || has_hidden_part(relative) {
            return walk;
        }
        let way: Vec<_> = place.ancestors().skip(1).take_while(|way| way.starts_with(root)).collect();
        let mut above = Vec::new();
        for &way in way.iter().rev() {
            let Ok(there) = identity(way) else { break };
            if leads_back(&there, &above) {
                let loops = Found { file: way.to_owned(), unreadable: Some(LOOPS.to_owned()) };
                return Self { loops: Some(loops), ..walk };
            }
            above.push(there);
        }
        let entries = WalkDir::new(place).follow_links(true).into_iter();
        Self { entries: Some(entries), above, ..walk }
    }

    fn is_passed_by(&self, entry: &DirEntry) -> bool {
        let is_hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        is_hidden || Some(entry.path()) == self.except.as_deref()
    }

    /// Whether an entry is a link to a folder above the place.
    fn leads_back(&self, entry: &DirEntry) -> bool {
        entry.path_is_symlink() && identity(entry.path()).is_ok_and(|there| leads_back(&there, &self.above))
    }

    /// Goes on by one entry of a folder, which may be nothing. None at the end.
    pub(crate) fn entry(&mut self) -> Option<io::Result<Option<Found>>> {
        if let Some(loops) = self.loops.take() {
            return Some(Ok(Some(loops)));
        }
        Some(match self.entries.as_mut()?.next()? {
            Ok(entry) if entry.file_type().is_dir() => {
                let is_passed_by = self.is_passed_by(&entry);
                let leads_back = !is_passed_by && self.leads_back(&entry);
                if is_passed_by || leads_back {
                    self.entries.as_mut()?.skip_current_dir();
                }
                let unreadable = Some(LOOPS.to_owned());
                Ok(leads_back.then(|| Found { file: entry.into_path(), unreadable }))
            }
            Ok(entry) => {
                let is_seed = || seed::is_seed_name(&entry.file_name().to_string_lossy());
                let is_found = entry.file_type().is_file() && !self.is_passed_by(&entry) && is_seed();
                Ok(is_found.then(|| Found { file: entry.into_path(), unreadable: None }))
            }
            Err(error) if error.io_error().is_some_and(is_missing) => Ok(None),
            Err(error) if error.io_error().is_some_and(is_exhausted) => {
                // As the system says it, without the path.
                error.into_io_error().map_or(Ok(None), Err)
            }
            Err(error) => {
                let file = error.path().unwrap_or(&self.place).to_owned();
                Ok(Some(Found { file, unreadable: Some(reason(&error)) }))
            }
        })
    }
}

impl Iterator for Walk {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        loop {
            if let Some(found) = self.entry()?.transpose() {
                return Some(found);
            }
        }
    }
}

/// Whether too many files are open, by this process or by all.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    /// `ENFILE` and `EMFILE`
    const TOO_MANY_OPEN: [i32; 2] = [23, 24];
    cfg!(unix) && error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN.contains(&code))
}

pub(crate) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether what is there is one of those above it. Elsewhere nothing tells one directory from another for certain.
fn leads_back(there: &Identity, above: &[Identity]) -> bool {
    cfg!(unix) && above.contains(there)
}

/// Why a walk stopped. Its only error that is none of the file system's is a loop.
fn reason(error: &walkdir::Error) -> String {
    error.io_error().map_or_else(|| LOOPS.to_owned(), |error| format!("{error}{}", restart_hint(error)))
}

fn has_hidden_part(relative: &Path) -> bool {
    relative
        .components()
        .any(|part| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b".")))
}
