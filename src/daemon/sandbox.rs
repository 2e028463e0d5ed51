//! Confinement: what a process that serves can do no more, whatever it may be made to do.
//!
//! Landlock has no rule that takes something away again, and each rule is tied to what is at a path
//! when it is made, not to the path. So what is allowed is the folder in which a directory lies, and
//! the folders in which what links lead to does: there it may be removed, made again, swapped and
//! mounted anew. Links that lead elsewhere later need a restart, which whoever meets them is told.

#[cfg(target_os = "linux")]
use std::collections::HashSet;
use std::fmt;
#[cfg(target_os = "linux")]
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZero;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::thread;

use crate::config::Config;
#[cfg(target_os = "linux")]
use crate::ingest::mark_sandboxed;

/// What a process may do.
#[derive(Debug, Default)]
pub struct Confinement {
    /// Nothing else is written to; anything is if this is None.
    writable: Option<Vec<PathBuf>>,
    /// Nothing else is read, but of the system; anything is if this is None.
    readable: Option<Vec<PathBuf>>,
    /// Whether the kernel can do only a part of it.
    partial: bool,
    /// Why there is none, or why anything is read.
    reason: String,
}

impl Confinement {
    /// Whether a directory can be written, as far as this is concerned.
    pub fn lets_write(&self, directory: &Path) -> bool {
        self.writable.as_ref().is_none_or(|writable| lies_in(&existing(directory), writable))
    }

    /// Whether a directory can be read, as far as this is concerned.
    pub fn lets_read(&self, directory: &Path) -> bool {
        self.readable.as_ref().is_none_or(|readable| lies_in(&existing(directory), readable))
    }
}

fn lies_in(path: &Path, places: &[PathBuf]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(writable) = &self.writable else { return write!(f, "not confined: {}", self.reason) };
        let as_far = if self.partial { ", as far as this kernel can" } else { "" };
        write!(f, "confined by Landlock{as_far}: no program is run, no connection is made, ")?;
        let listed = |places: &[PathBuf]| {
            places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" and ")
        };
        match &self.readable {
            Some(readable) => write!(f, "nothing is read but below {}, ", listed(readable))?,
            None => write!(f, "anything may be read, for {}, ", self.reason)?,
        }
        match writable.as_slice() {
            [] => f.write_str("and nothing is written"),
            writable => write!(f, "and nothing is written but below {}", listed(writable)),
        }
    }
}

/// Confines this thread and all that it will start, as far as the system can. There must be no others.
#[cfg(target_os = "linux")]
pub fn confine(config: &Config, cache: Option<&Path>) -> Confinement {
    use crate::config::Address;
    use landlock::{
        ABI, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetError, RulesetStatus, make_bitflags,
    };

    let mut writable: Vec<_> =
        config.feeds.iter().flat_map(|feeds| ends(feeds)).map(|end| writable_round(&end)).collect();
    if let Some(cache) = cache.and_then(Path::parent) {
        // Only here: it cannot be made later, and what cannot be remembered is read again.
        let _ = std::fs::create_dir_all(cache);
        writable.extend(cache.canonicalize());
    }
    let writable = outermost(writable);
    let (readable, reason) = match seeds(&config.seeds) {
        Ok(seeds) => {
            let places = seeds.into_iter().chain(on_the_way_to(&config.file)).chain(writable.iter().cloned());
            (Some(outermost(places.collect())), "")
        }
        Err(reason) => (None, reason),
    };
    let admin = config.serving.admin_listen.iter().map(|(address, _)| address);
    let sockets = config.serving.listen.iter().chain(admin).filter_map(|address| match address {
        Address::Unix(path) => std::path::absolute(path).ok()?.parent().map(Path::to_owned),
        Address::Tcp(_) => None,
    });

    let write = make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir});
    let listen = make_bitflags!(AccessFs::{MakeSock | RemoveFile});
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let reading = if readable.is_some() { read } else { BitFlags::EMPTY };
    let rules: Vec<(PathBuf, BitFlags<AccessFs>)> = writable
        .iter()
        .map(|place| (place.clone(), write))
        .chain(sockets.map(|place| (place, listen)))
        .chain(readable.iter().flatten().map(|place| (place.clone(), read)))
        .chain(OF_THE_SYSTEM.map(|place| (place.into(), reading & AccessFs::ReadFile)))
        .collect();
    let restrict = || -> Result<_, RulesetError> {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_write(ABI::V5) | AccessFs::Execute | reading)?
            .handle_access(AccessNet::ConnectTcp)?
            .create()?;
        for (place, access) in rules {
            // What is not there cannot be allowed; whoever needs it says so.
            if let (false, Ok(place)) = (access.is_empty(), PathFd::new(place)) {
                ruleset = ruleset.add_rule(PathBeneath::new(place, access))?;
            }
        }
        Ok(ruleset.restrict_self()?.ruleset)
    };
    match restrict() {
        Ok(RulesetStatus::NotEnforced) => {
            Confinement { reason: "this kernel has no Landlock".to_owned(), ..Confinement::default() }
        }
        Ok(status) => {
            mark_sandboxed();
            let partial = status == RulesetStatus::PartiallyEnforced;
            Confinement { writable: Some(writable), readable, partial, reason: reason.to_owned() }
        }
        Err(error) => Confinement { reason: format!("Landlock refuses: {error}"), ..Confinement::default() },
    }
}

/// Elsewhere a process is as it is.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &Config, _: Option<&Path>) -> Confinement {
    Confinement { reason: "this system has no Landlock".to_owned(), ..Confinement::default() }
}

/// What is read of the system: how many cores there are and may be used, and what time it is here.
#[cfg(target_os = "linux")]
const OF_THE_SYSTEM: [&str; 5] =
    ["/proc/self", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/etc/localtime", "/usr/share/zoneinfo"];

/// The places that seeds are read from: round the seed directory, and round what links in it lead to.
///
/// # Errors
/// Why it may come to lie in a place that nothing but the whole file system is round.
#[cfg(target_os = "linux")]
fn seeds(directory: &Path) -> Result<Vec<PathBuf>, &'static str> {
    if !directory.is_dir() {
        return Err("the seed directory is not there yet");
    }
    if ends(directory).iter().any(|end| folder_of(end).is_none()) {
        return Err("the seed directory lies right in the root directory, where it may be made anew");
    }
    let places = links_lead_to(directory).into_iter().filter_map(|place| readable_round(&place));
    Ok(places.chain(on_the_way_to(directory)).collect())
}

/// Where the links in a directory lead to, and the links in what those lead to.
///
/// Of many folders, it takes as long as much of the rest of a start does, so they are listed on all cores. Each thread
/// is joined before this returns, as [`confine`] needs.
#[cfg(target_os = "linux")]
fn links_lead_to(directory: &Path) -> Vec<PathBuf> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let (mut lead_to, mut seen) = (Vec::new(), HashSet::new());
    let mut folders: Vec<_> = directory.canonicalize().into_iter().collect();
    while !folders.is_empty() {
        // What is no link, in a folder whose path has none, has none in its path either.
        folders.retain(|folder| seen.insert(folder.clone()));
        let listed = thread::scope(|scope| {
            let parts = folders.chunks(folders.len().div_ceil(cores).max(1));
            let begin = |part| (part, thread::Builder::new().spawn_scoped(scope, move || list(part)));
            let begun: Vec<_> = parts.map(begin).collect();
            let end = |(part, listing): (_, io::Result<thread::ScopedJoinHandle<'_, _>>)| match listing {
                Ok(listing) => listing.join().unwrap_or_else(|_| list(part)),
                // There can be no more threads.
                Err(_) => list(part),
            };
            begun.into_iter().map(end).collect::<Vec<_>>()
        });
        folders.clear();
        for (below, links) in listed {
            let links = links.iter().filter_map(|link| link.canonicalize().ok());
            folders.extend(below);
            for place in links {
                folders.extend(place.is_dir().then(|| place.clone()));
                lead_to.push(place);
            }
        }
    }
    lead_to
}

/// The folders that lie in some others, and the links. Of what cannot be listed nothing can be read.
#[cfg(target_os = "linux")]
fn list(folders: &[PathBuf]) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let (mut below, mut links) = (Vec::new(), Vec::new());
    for entry in folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
        match entry.file_type() {
            Ok(is) if is.is_dir() => below.push(entry.path()),
            Ok(is) if is.is_symlink() => links.push(entry.path()),
            _ => {}
        }
    }
    (below, links)
}

/// The places round a path, and round each link on the way.
#[cfg(target_os = "linux")]
fn on_the_way_to(path: &Path) -> Vec<PathBuf> {
    let Ok(path) = std::path::absolute(path) else { return Vec::new() };
    let links = path.ancestors().filter(|path| path.is_symlink());
    let ends = std::iter::once(&*path).chain(links).flat_map(ends);
    ends.filter_map(|end| readable_round(&end)).collect()
}

/// The folder in which something lies, or itself.
#[cfg(target_os = "linux")]
fn readable_round(path: &Path) -> Option<PathBuf> {
    folder_of(path).or_else(|| path.canonicalize().ok())
}

/// The folder in which a directory lies, or itself, made for that: it cannot be made later.
#[cfg(target_os = "linux")]
fn writable_round(directory: &Path) -> PathBuf {
    folder_of(directory).unwrap_or_else(|| {
        let _ = std::fs::create_dir(directory);
        existing(directory)
    })
}

/// Places, each of them in no other.
#[cfg(target_os = "linux")]
fn outermost(mut places: Vec<PathBuf>) -> Vec<PathBuf> {
    places.sort();
    // What lies in a place comes after it.
    let mut outer: Vec<PathBuf> = Vec::new();
    for place in places {
        if !lies_in(&place, &outer) {
            outer.push(place);
        }
    }
    outer
}

/// Where a path says it is, and where that leads to.
#[cfg(target_os = "linux")]
fn ends(path: &Path) -> Vec<PathBuf> {
    let mut ends: Vec<_> = std::path::absolute(path).into_iter().chain(path.canonicalize()).collect();
    ends.dedup();
    ends
}

/// The folder in which something lies, and may be removed, made again, and mounted again; if that is the
/// root of a disk, of which there is another once it is mounted again, the folder around that. None if it
/// would be the whole file system.
#[cfg(target_os = "linux")]
fn folder_of(path: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let folder = existing(path.parent().unwrap_or(path));
    let lasts = |folder: &&Path| folder.parent().is_some_and(|above| device(above) == device(folder));
    let lasting = folder.ancestors().find(lasts).map(Path::to_owned);
    lasting.or_else(|| folder.parent().is_some().then_some(folder))
}

/// A path without links, as far as it leads to a directory that is there.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = |path: &Path| path.canonicalize().ok().filter(|path| path.is_dir());
    path.ancestors().find_map(there).unwrap_or(path)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_seed_directory_that_may_be_made_anew_in_the_root_directory_leaves_reading_free() {
        assert!(seeds(Path::new("/usr")).unwrap_err().contains("root directory"));
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("seeds");
        assert!(seeds(&directory).unwrap_err().contains("not there yet"));
        std::fs::create_dir(&directory).unwrap();
        assert_eq!(seeds(&directory).map(outermost), Ok(vec![folder.path().canonicalize().unwrap()]));
    }

    #[test]
    fn links_are_found_wherever_they_lie_and_go_round_in_no_circle() {
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
        let mut found = links_lead_to(&at("seeds"));
        found.sort();
        assert_eq!(found, ["far/file.md", "other", "other", "seeds", "seeds/c"].map(at));
    }
}
