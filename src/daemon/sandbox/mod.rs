//! A sandbox for the process that serves, made of Landlock rules: it limits the damage that a bug in sower or in a
//! library can do.

mod paths;
#[cfg(target_os = "linux")]
mod links;
#[cfg(target_os = "linux")]
mod folders;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::Config;
#[cfg(target_os = "linux")]
use crate::ingest::mark_sandboxed;
use paths::{existing_directory, is_within};

/// The rules that this process runs under.
#[derive(Debug)]
pub enum Sandbox {
    /// No rules, for this reason.
    Off(String),
    /// No programs, no outgoing TCP connections, and access to some folders only.
    On {
        /// The folders that can be written.
        writable: Vec<PathBuf>,
        /// The folders that can be read besides files of the system, or the reason for which reading is unrestricted.
        readable: Result<Vec<PathBuf>, &'static str>,
        /// Set if the kernel is too old for some of the rules.
        is_partial: bool,
    },
}

impl Sandbox {
    /// Returns `true` if the sandbox lets this process write a directory.
    pub fn allows_writing(&self, directory: &Path) -> bool {
        match self {
            Self::On { writable, .. } => is_within(&existing_directory(directory), writable),
            Self::Off(_) => true,
        }
    }

    /// Returns `true` if the sandbox lets this process read a directory.
    pub fn allows_reading(&self, directory: &Path) -> bool {
        match self {
            Self::On { readable: Ok(readable), .. } => is_within(&existing_directory(directory), readable),
            Self::On { readable: Err(_), .. } | Self::Off(_) => true,
        }
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (writable, readable, is_partial) = match self {
            Self::Off(reason) => return write!(f, "sandbox off: {reason}"),
            Self::On { writable, readable, is_partial } => (writable, readable, is_partial),
        };
        let extent = if *is_partial { "Landlock, as far as this kernel supports it" } else { "Landlock" };
        write!(f, "sandbox on ({extent}): runs no program, opens no connection, ")?;
        let list = |folders: &[PathBuf]| {
            folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" and ")
        };
        match readable {
            Ok(readable) => write!(f, "reads only below {}, ", list(readable))?,
            Err(reason) => write!(f, "reads anywhere ({reason}), ")?,
        }
        match writable.as_slice() {
            [] => f.write_str("writes nowhere"),
            writable => write!(f, "writes only below {}", list(writable)),
        }
    }
}

/// Puts this thread, and all that it will start, into a sandbox, as far as the kernel supports it. There must be no
/// other threads.
#[cfg(target_os = "linux")]
pub fn enter(config: &Config, cache: Option<&Path>) -> Sandbox {
    use landlock::RulesetStatus;

    let writable = folders::writable(config, cache);
    let readable = folders::readable(config, &writable);
    match restrict(&writable, readable.as_deref().ok(), &folders::of_sockets(config)) {
        Ok(RulesetStatus::NotEnforced) => Sandbox::Off("this kernel has no Landlock".to_owned()),
        Ok(status) => {
            mark_sandboxed();
            Sandbox::On { writable, readable, is_partial: status == RulesetStatus::PartiallyEnforced }
        }
        Err(error) => Sandbox::Off(format!("Landlock failed: {error}")),
    }
}

/// Does nothing on systems without Landlock.
#[cfg(not(target_os = "linux"))]
pub fn enter(_: &Config, _: Option<&Path>) -> Sandbox {
    Sandbox::Off("this system has no Landlock".to_owned())
}

/// Enforces the rules. Without `readable`, reading is unrestricted.
#[cfg(target_os = "linux")]
fn restrict(
    writable: &[PathBuf],
    readable: Option<&[PathBuf]>,
    sockets: &[PathBuf],
) -> Result<landlock::RulesetStatus, landlock::RulesetError> {
    use landlock::{
        ABI, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
        make_bitflags,
    };

    let write = make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir});
    let listen = make_bitflags!(AccessFs::{MakeSock | RemoveFile});
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let reading = if readable.is_some() { read } else { BitFlags::EMPTY };

    let mut rules: Vec<(&Path, BitFlags<AccessFs>)> = Vec::new();
    rules.extend(writable.iter().map(|folder| (&**folder, write)));
    rules.extend(sockets.iter().map(|folder| (&**folder, listen)));
    if let Some(readable) = readable {
        rules.extend(readable.iter().map(|folder| (&**folder, read)));
        rules.extend(folders::SYSTEM_FILES.map(|path| (Path::new(path), AccessFs::ReadFile.into())));
    }

    // Rights that are handled are denied, except where a rule allows them.
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_write(ABI::V5) | AccessFs::Execute | reading)?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?;
    for (path, access) in rules {
        // A path that does not exist gets no rule. Using it later fails with an error of its own.
        if let Ok(path) = PathFd::new(path) {
            ruleset = ruleset.add_rule(PathBeneath::new(path, access))?;
        }
    }
    Ok(ruleset.restrict_self()?.ruleset)
}
