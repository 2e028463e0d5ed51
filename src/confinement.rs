//! Confinement: what a process that serves can do no more, whatever it may be made to do.
//!
//! Landlock has no rule that takes something away again, and each rule is tied to what is at a path
//! when it is made, not to the path. So reading is left free: links in the seed directory may lead to
//! somewhere else at any time, and it may be swapped, cloned or mounted anew, at any height, and what
//! is there then must be served. Writing is allowed in the folder in which the feeds directory lies
//! too, so that this may be removed and made again.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;

/// Whether this process is confined. That is so for the rest of its life.
static CONFINED: AtomicBool = AtomicBool::new(false);

/// What is to be said of a file that cannot be written for want of permission.
pub fn remedy() -> &'static str {
    if CONFINED.load(Ordering::Relaxed) {
        "; if that place was mounted or linked there since sower started, a restart lets sower write to it"
    } else {
        ""
    }
}

/// What a process may do.
#[derive(Debug, Default)]
pub struct Confinement {
    /// Nothing else is written to; anything is if this is None.
    writable: Option<Vec<PathBuf>>,
    /// Whether the kernel can do only a part of it.
    partial: bool,
    /// Why there is none.
    reason: String,
}

impl Confinement {
    /// Whether a directory can be written, as far as this is concerned.
    pub fn allows(&self, directory: &Path) -> bool {
        let there = existing(directory);
        self.writable.as_ref().is_none_or(|writable| writable.iter().any(|place| there.starts_with(place)))
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(writable) = &self.writable else { return write!(f, "not confined: {}", self.reason) };
        let as_far = if self.partial { ", as far as this kernel can" } else { "" };
        write!(f, "confined by Landlock{as_far}: no program is run, no connection is made, and ")?;
        match writable.as_slice() {
            [] => f.write_str("nothing is written"),
            writable => {
                let places: Vec<_> = writable.iter().map(|place| place.display().to_string()).collect();
                write!(f, "nothing is written but below {}", places.join(" and "))
            }
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

    let mut writable: Vec<_> = config.feeds.iter().flat_map(|feeds| around(feeds)).collect();
    if let Some(cache) = cache.and_then(Path::parent) {
        // Only here: it cannot be made later, and what cannot be remembered is read again.
        let _ = std::fs::create_dir_all(cache);
        writable.extend(cache.canonicalize());
    }
    writable.sort();
    writable.dedup();
    let admin = config.serving.admin_listen.iter().map(|(address, _)| address);
    let sockets = config.serving.listen.iter().chain(admin).filter_map(|address| match address {
        Address::Unix(path) => std::path::absolute(path).ok()?.parent().map(Path::to_owned),
        Address::Tcp(_) => None,
    });

    let write = make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir});
    let listen = make_bitflags!(AccessFs::{MakeSock | RemoveFile});
    let rules: Vec<(PathBuf, BitFlags<AccessFs>)> = writable
        .iter()
        .map(|place| (place.clone(), write))
        .chain(sockets.map(|place| (place, listen)))
        .collect();
    let restrict = || -> Result<_, RulesetError> {
        let mut ruleset = Ruleset::default()
            .handle_access(AccessFs::from_write(ABI::V5) | AccessFs::Execute)?
            .handle_access(AccessNet::ConnectTcp)?
            .create()?;
        for (place, access) in rules {
            // What is not there cannot be allowed; whoever needs it says so.
            if let Ok(place) = PathFd::new(place) {
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
            CONFINED.store(true, Ordering::Relaxed);
            let partial = status == RulesetStatus::PartiallyEnforced;
            Confinement { writable: Some(writable), partial, ..Confinement::default() }
        }
        Err(error) => Confinement { reason: format!("Landlock refuses: {error}"), ..Confinement::default() },
    }
}

/// Elsewhere a process is as it is.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &Config, _: Option<&Path>) -> Confinement {
    Confinement { reason: "this system has no Landlock".to_owned(), ..Confinement::default() }
}

/// The folders in which a directory may be removed, made again, and mounted again: where its path
/// says it is, and where that leads to.
#[cfg(target_os = "linux")]
fn around(directory: &Path) -> Vec<PathBuf> {
    let Ok(path) = std::path::absolute(directory) else { return Vec::new() };
    let leads_to = path.canonicalize().ok();
    let mut places: Vec<_> =
        [Some(path.clone()), leads_to].into_iter().flatten().map(|path| folder_of(&path)).collect();
    places.dedup();
    places
}

/// The folder in which a directory lies; if that is the root of a disk, of which there is another once
/// it is mounted again, the folder around that. It is never the whole file system: there it is the root
/// of the disk after all, or the directory itself.
#[cfg(target_os = "linux")]
fn folder_of(directory: &Path) -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let folder = existing(directory.parent().unwrap_or(directory));
    let lasts = |folder: &&Path| folder.parent().is_some_and(|above| device(above) == device(folder));
    match folder.ancestors().find(lasts) {
        Some(folder) => folder.to_owned(),
        None if folder.parent().is_some() => folder,
        None => {
            // It cannot be made later.
            let _ = std::fs::create_dir(directory);
            existing(directory)
        }
    }
}

/// A path without links, as far as it leads to a directory that is there.
fn existing(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let there = |path: &Path| path.canonicalize().ok().filter(|path| path.is_dir());
    path.ancestors().find_map(there).unwrap_or(path)
}
