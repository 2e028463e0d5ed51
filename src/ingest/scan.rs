//! The seed directory: what is there, what changed since the last look, and its bytes.
//!
//! A hint says where to look; what is found there decides. A file is read if its size, times or
//! inode changed, and is passed on only if its bytes did. Nothing that cannot be read is taken for
//! gone: not a file, and not what lies in a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::ingest::progress::Progress;
use crate::ingest::restart_hint;
use crate::ingest::walk::{Found, Walk, is_exhausted, is_missing};
use crate::ingest::watch::{Hint, Identity, identity};
use crate::seed::{self, Change, ContentMode, FacetPool, Packed, Reading, Rules};

/// A file that was written less than this ago may be written again within the same tick of the
/// file system's clock, so its times prove nothing yet.
const SETTLED: Duration = Duration::from_secs(2);
/// Files that one core looks at together.
const AT_ONCE: usize = 64;

/// A seed directory that cannot be looked into. What was found there before still stands.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It cannot be read.
    #[error(
        "the seed directory {} cannot be read: {cause}; `--seeds` names another{}", path.display(), restart_hint(cause)
    )]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// All that was there is gone at once, as if it was on a disk that is not mounted any more.
    #[error(
        "the seed directory {} is empty, and had {had} files: is its disk mounted? \
         If it stays empty for {} s, all entries are withdrawn", path.display(), left.as_secs()
    )]
    Emptied {
        /// The directory.
        path: PathBuf,
        /// How many files it had.
        had: usize,
        /// How long that is not yet believed.
        left: Duration,
    },
    /// Half of what was there, or more, is gone at once.
    #[error(
        "{gone} of the {had} files of the seed directory {} are gone at once: is a disk not mounted? \
         If they stay away for {} s, their entries are withdrawn", path.display(), left.as_secs()
    )]
    Missing {
        /// The directory.
        path: PathBuf,
        /// How many files it had.
        had: usize,
        /// How many of them are gone.
        gone: usize,
        /// How long that is not yet believed.
        left: Duration,
    },
}

/// Fewer files that are gone are somebody's tidying, and believed.
const MANY: usize = 10;

/// The seed directory, as it was at the last look.
#[derive(Debug)]
pub struct Scan {
    pub(super) root: PathBuf,
    /// The mirror, should it lie within.
    pub(super) except: Option<PathBuf>,
    rules: Rules,
    progress: Arc<Progress>,
    pub(super) common: FacetPool,
    pub(super) known: BTreeMap<Arc<str>, Known>,
    /// Files of which something else is known than when it was last remembered.
    unremembered: usize,
    /// How long it is not believed that all is gone.
    grace: Duration,
    /// Since when all is gone, or much of it.
    pub(super) emptied: Option<Instant>,
    /// What the last look saw and did not believe yet.
    doubt: Option<ScanError>,
}

/// What is known of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// None if a change might leave it the same.
    pub(super) stamp: Option<Stamp>,
    /// Hash of the bytes, or of the reason why there are none.
    hash: u128,
}

/// What changes when a file does, as a hash: stamps are many, and are only compared. None takes no room of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp(NonZero<u128>);

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Self {
        // Without its device, whose number may be another after each start of the system.
        #[cfg(unix)]
        let parts = {
            use std::os::unix::fs::MetadataExt;
            let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
            let [modified, nanoseconds, changed, their_nanoseconds] = times.map(i64::cast_unsigned);
            [meta.len(), meta.ino(), modified, nanoseconds, changed, their_nanoseconds]
        };
        #[cfg(not(unix))]
        let parts = {
            let modified = meta.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            let modified = modified.unwrap_or_default();
            [meta.len(), modified.as_secs(), modified.subsec_nanos().into()]
        };
        let hash = xxh3_128(parts.map(u64::to_le_bytes).as_flattened());
        Self(NonZero::new(hash).unwrap_or(NonZero::<u128>::MIN))
    }

    /// That of a file; none if a change after an instant, before which this was seen of it, might leave it the
    /// same.
    fn settled(meta: &Metadata, at: SystemTime) -> Option<Self> {
        #[cfg(not(unix))]
        let changed = meta.modified().ok()?;
        // A file's date may be set to any other, and that leaves a mark here.
        #[cfg(unix)]
        let changed = {
            use std::os::unix::fs::MetadataExt;
            let (seconds, nanoseconds) = (meta.ctime(), meta.ctime_nsec());
            let since = Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanoseconds).ok()?);
            SystemTime::UNIX_EPOCH + since
        };
        let age = at.duration_since(changed).ok()?;
        (age > SETTLED).then(|| Self::of(meta))
    }
}

/// What became of what was found.
enum Looked {
    /// The system had nothing left to look with, which says nothing of the file.
    Exhausted(io::Error),
    /// It is not there any more.
    Missing,
    /// It is as it was, or left for later.
    Same,
    /// It was read, and nothing is known of it unless something is said here.
    Read(Option<Known>, Option<Change>),
}

/// What became of what was found at a path.
type Seen = (Arc<str>, Looked);

impl Scan {
    /// The directory, before the first look. Nothing is read below `except`.
    pub fn new(root: &Path, except: Option<&Path>, rules: Rules) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let root = absolute(root);
        let except = except.map(absolute).filter(|except| except.starts_with(&root));
        Self {
            root,
            except,
            rules,
            progress: Arc::default(),
            common: FacetPool::default(),
            known: BTreeMap::new(),
            unremembered: 0,
            grace: Duration::ZERO,
            emptied: None,
            doubt: None,
        }
    }

    /// The same, which does not believe for a while that all files are gone at once, or half of them.
    pub fn with_grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Reads these seeds again, on all cores, and leaves nothing out.
    ///
    /// # Errors
    ///
    /// The system has nothing left to read with.
    pub fn read_whole(
        &self,
        paths: impl IntoIterator<Item = Arc<str>>,
    ) -> Result<Vec<(Arc<str>, Change)>, ScanError> {
        let rules = Rules { content: ContentMode::Defer, ..self.rules.clone() };
        let paths: Vec<_> = paths.into_iter().collect();
        let read = paths.into_par_iter().map_init(Vec::new, |buffer, path| {
            let content = content(&self.root.join(&*path), self.rules.max_size, buffer)?;
            let reading = reading(&rules, &path, content);
            Ok((path, reading.map_or(Change::Gone, Change::Read)))
        });
        read.collect::<io::Result<_>>().map_err(|cause| self.unreadable(cause))
    }

    /// The directory's absolute path. Symbolic links in it are not resolved.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks where something may have changed, and reads what did, on all cores.
    ///
    /// # Errors
    ///
    /// The directory itself cannot be read, or is empty all of a sudden. Nothing is forgotten then.
    /// If only [much is gone](Self::doubt), what is there is taken in, and the rest is not forgotten.
    pub fn look(&mut self, hint: &Hint) -> Result<Vec<(Arc<str>, Change)>, ScanError> {
        let root_was = self.identity()?;
        let root = BTreeSet::from([self.root.clone()]);
        let places = if hint.everywhere { &root } else { &hint.paths };
        let (mut looked, unsure) = self.look_below(places, hint).map_err(|cause| self.unreadable(cause))?;
        let is_exhausted = |(_, looked): &(_, Looked)| matches!(looked, Looked::Exhausted(_));
        if let Some(place) = looked.iter().position(is_exhausted)
            && let (_, Looked::Exhausted(cause)) = looked.swap_remove(place)
        {
            return Err(self.unreadable(cause));
        }
        looked.par_sort_by(|(a, _), (b, _)| a.cmp(b));
        let mut gone = self.gone(places, &looked, &unsure);

        // What was not found while the directory itself went away is not gone.
        if self.identity()? != root_was {
            return Err(self.unreadable(io::Error::other("it was replaced while it was read")));
        }

        let nothing_there = looked.iter().all(|(_, looked)| matches!(looked, Looked::Missing));
        // Whoever deletes the only file means it, and who deletes each file by its name.
        let root = self.root.clone();
        let is_named = |path: &Arc<str>| hint.paths.contains(&root.join(&**path));
        let is_meant = gone.len() < 2 || gone.iter().all(is_named);
        if gone.len() == self.known.len()
            && nothing_there
            && !is_meant
            && let Some(left) = self.still_doubted()
        {
            return Err(ScanError::Emptied { path: self.root.clone(), had: gone.len(), left });
        }
        if hint.everywhere {
            self.doubt = None;
        }
        let is_new = |(path, looked): &&(Arc<str>, Looked)| {
            matches!(looked, Looked::Read(..)) && !self.known.contains_key(path)
        };
        // Folders are renamed: what came stands for what went.
        let unnamed = gone.iter().filter(|path| !is_named(path)).count();
        let lost = unnamed.saturating_sub(looked.iter().filter(is_new).count());
        let had = self.known.len();
        if lost >= MANY && lost * 2 >= had {
            if let Some(left) = self.still_doubted() {
                self.doubt = Some(ScanError::Missing { path: self.root.clone(), had, gone: unnamed, left });
                gone.retain(is_named);
            }
        } else if hint.everywhere {
            self.emptied = None;
        }

        let is_first = self.known.is_empty();
        let first = if is_first { looked.len() } else { 0 };
        let (mut changes, mut known_first) = (Vec::with_capacity(first), Vec::with_capacity(first));
        for path in gone {
            self.known.remove(&path);
            self.unremembered += 1;
            changes.push((path, Change::Gone));
        }
        for (path, looked) in looked {
            let Looked::Read(known, change) = looked else { continue };
            let may_be_remembered = known.as_ref().is_some_and(|known| known.stamp.is_some());
            self.unremembered += usize::from(may_be_remembered);
            match known {
                Some(known) if is_first => known_first.push((path.clone(), known)),
                Some(known) => drop(self.known.insert(path.clone(), known)),
                None => drop(self.known.remove(&path)),
            }
            changes.extend(change.map(|change| (path, change)));
        }
        if is_first {
            // Sorted, they need no look for the place of each.
            self.known = known_first.into_iter().collect();
        }
        if hint.everywhere {
            self.common.remove_unused();
        }
        Ok(changes)
    }

    /// How long it is not believed yet that much is gone. None if it is.
    fn still_doubted(&mut self) -> Option<Duration> {
        let since = *self.emptied.get_or_insert_with(Instant::now);
        Some(self.grace.saturating_sub(since.elapsed())).filter(|left| !left.is_zero())
    }

    /// That much was gone at the last look, if that is not believed yet.
    pub fn doubt(&self) -> Option<&ScanError> {
        self.doubt.as_ref()
    }

    /// Expects seeds that were there before, though nothing is known of them: they are read when they
    /// are found, and gone when they are not.
    pub fn expect(&mut self, paths: impl IntoIterator<Item = Arc<str>>) {
        for path in paths {
            self.known.entry(path).or_insert(Known { stamp: None, hash: 0 });
        }
    }

    /// Takes up what was known of files by a scan before.
    pub fn recall(&mut self, known: impl IntoIterator<Item = (Arc<str>, Known)>) {
        self.known = known.into_iter().collect();
    }

    /// Forgets all that was known of files, but that they were there.
    pub fn forget(&mut self) {
        for known in self.known.values_mut() {
            *known = Known { stamp: None, hash: 0 };
        }
    }

    /// Of how many files something else is known than when it was last remembered.
    pub fn unremembered(&self) -> usize {
        self.unremembered
    }

    /// Takes note that what is known is remembered.
    pub fn note_remembered(&mut self) {
        self.unremembered = 0;
    }

    /// How many files are known.
    pub fn files(&self) -> usize {
        self.known.len()
    }

    /// What is known of files that cannot have changed since without a trace.
    pub fn remembered(&self) -> impl Iterator<Item = (&Arc<str>, &Known)> {
        self.known.iter().filter(|(_, known)| known.stamp.is_some())
    }

    /// How far the look is that is under way.
    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// What reading depends on.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What tells the directory from another at the same path.
    fn identity(&self) -> Result<Identity, ScanError> {
        fs::read_dir(&self.root).and_then(|_| identity(&self.root)).map_err(|cause| self.unreadable(cause))
    }

    fn unreadable(&self, cause: io::Error) -> ScanError {
        ScanError::Unreadable { path: self.root.clone(), cause }
    }

    /// How a path is known: relative to the directory, with slashes.
    fn key(&self, path: &Path) -> Option<Arc<str>> {
        Some(key(path.strip_prefix(&self.root).ok()?))
    }

    /// Looks at what may be seeds at or below places, on all cores, while more is found. Tells of which paths it
    /// is not known what lies there, too.
    fn look_below(&self, places: &BTreeSet<PathBuf>, hint: &Hint) -> io::Result<(Vec<Seen>, Vec<Arc<str>>)> {
        self.progress.begin();
        let (looked, mut unsure) = (Mutex::new(Vec::new()), Vec::new());
        let walked: io::Result<()> = rayon::in_place_scope(|scope| {
            let looked = &looked;
            let look = |found: Vec<Found>| {
                self.progress.found(found.len());
                scope.spawn(move |_| {
                    let seen = self.look_at_all(found, hint);
                    looked.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                });
            };
            let (mut batch, mut walked) = (Vec::new(), None::<&Path>);
            for place in places {
                // They are sorted, so that what lies below a place comes right after it.
                if walked.is_some_and(|walked| place.starts_with(walked)) {
                    continue;
                }
                let unsure_before = unsure.len();
                for found in Walk::new(&self.root, self.except.as_deref(), place) {
                    let found = found?;
                    if found.unreadable.is_some() {
                        unsure.extend(self.key(&found.file));
                    }
                    batch.push(found);
                    if batch.len() == AT_ONCE {
                        look(std::mem::take(&mut batch));
                    }
                }
                // What cannot be listed may have files that can be read by their names.
                walked = (unsure.len() == unsure_before).then_some(place);
            }
            if !batch.is_empty() {
                look(batch);
            }
            Ok(())
        });
        walked?;
        let batches = looked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut looked = Vec::with_capacity(batches.iter().map(Vec::len).sum());
        looked.extend(batches.into_iter().flatten());
        Ok((looked, unsure))
    }

    fn look_at_all(&self, found: Vec<Found>, hint: &Hint) -> Vec<Seen> {
        let (files, mut buffer) = (found.len(), Vec::new());
        let looked = found.into_iter().filter_map(|found| self.look_at(found, hint, &mut buffer));
        let mut looked: Vec<_> = looked.collect();
        let read = looked.iter_mut().filter_map(|(_, looked)| match looked {
            // Nobody else has it yet.
            Looked::Read(_, Some(Change::Read(Reading::Seed { record, .. }))) => {
                Arc::get_mut(record.as_mut()?)
            }
            _ => None,
        });
        let mut read: Vec<_> = read.collect();
        self.common.share(read.iter_mut().map(|record| &mut record.facets));
        // Later each may be replaced by itself, and one that stays would keep the memory of all.
        if self.known.is_empty() && self.rules.content != ContentMode::Omit {
            Packed::join_payloads(&mut read);
        }
        self.progress.looked(files);
        looked
    }

    /// Looks at a file. It is read if its stamp is another, or if it is named, whatever its times say.
    fn look_at(&self, found: Found, hint: &Hint, buffer: &mut Vec<u8>) -> Option<Seen> {
        let Found { file, mut unreadable } = found;
        let relative = file.strip_prefix(&self.root).ok()?;
        if relative.to_str().is_none() {
            unreadable.get_or_insert("the file's name is not UTF-8".to_owned());
        }
        let path = key(relative);
        let before = self.known.get_key_value(&path);
        let path = before.map_or(path, |(path, _)| path.clone());
        let before = before.map(|(_, known)| known);
        let is_same = |known: &Known| {
            known.stamp.is_some_and(|stamp| fs::metadata(&file).is_ok_and(|meta| Stamp::of(&meta) == stamp))
        };
        let read = match unreadable {
            Some(reason) => Content::Unreadable(reason),
            None if hint.unfinished.contains(&file) && file.exists() => return Some((path, Looked::Same)),
            None if !hint.paths.contains(&file) && before.is_some_and(is_same) => {
                return Some((path, Looked::Same));
            }
            None => match content(&file, self.rules.max_size, buffer) {
                Ok(content) => content,
                Err(exhausted) => return Some((path, Looked::Exhausted(exhausted))),
            },
        };
        let looked = self.read(&path, read, before);
        Some((path, looked))
    }

    /// What was known at or below places, and is not there any more.
    fn gone(
        &self,
        places: &BTreeSet<PathBuf>,
        looked: &[(Arc<str>, Looked)],
        unsure: &[Arc<str>],
    ) -> BTreeSet<Arc<str>> {
        let mut gone = BTreeSet::new();
        for place in places.iter().filter_map(|place| self.key(place)) {
            let there = looked[looked.partition_point(|(path, _)| *path < place)..].iter();
            let there = there.filter(|(_, looked)| !matches!(looked, Looked::Missing));
            let mut there = there.map(|(path, _)| path).peekable();
            let known = self.known.range(place.clone()..).map(|(path, _)| path);
            let lost = known.take_while(|path| path.starts_with(&*place)).filter(|path| {
                while there.next_if(|there| there < path).is_some() {}
                let is_there = there.peek() == Some(path);
                !is_there && below(path, &place) && !unsure.iter().any(|unsure| below(path, unsure))
            });
            gone.extend(lost.cloned());
        }
        gone
    }

    /// Takes in what a file holds, if that is new.
    fn read(&self, path: &Arc<str>, content: Content<'_>, before: Option<&Known>) -> Looked {
        if self.rules.content == ContentMode::Omit && !matches!(content, Content::Missing) {
            // Who has no use for texts looks once, and needs to know nothing of files.
            return Looked::Read(None, reading(&self.rules, path, content).map(Change::Read));
        }
        let (stamp, hash) = match &content {
            Content::Bytes(bytes, stamp) => (*stamp, xxh3_128(bytes)),
            Content::Unreadable(reason) => (None, xxh3_128(reason.as_bytes())),
            Content::Missing => return Looked::Missing,
        };
        let known = Some(Known { stamp, hash });
        if before.is_some_and(|before| before.hash == hash) {
            return Looked::Read(known, None);
        }
        Looked::Read(known, reading(&self.rules, path, content).map(Change::Read))
    }
}

/// What a file turned out to be. None if it is not there.
fn reading(rules: &Rules, path: &Arc<str>, content: Content<'_>) -> Option<Reading> {
    match content {
        Content::Bytes(bytes, _) => Some(seed::read(rules, path, bytes)),
        Content::Unreadable(reason) => Some(seed::unreadable(path, format!("this cannot be read: {reason}"))),
        Content::Missing => None,
    }
}

/// What a file turned out to hold.
enum Content<'a> {
    Bytes(&'a [u8], Option<Stamp>),
    Unreadable(String),
    Missing,
}

/// As many bytes of a file as decide whether it is too large, and its stamp before it was read. Fails
/// if the system has nothing left to read with. The buffer holds what was read last, so that files take turns
/// in memory that is close at hand.
fn content<'a>(file: &Path, largest: u64, buffer: &'a mut Vec<u8>) -> io::Result<Content<'a>> {
    let mut read = || {
        let mut file = fs::File::open(file)?;
        let (now, meta) = (SystemTime::now(), file.metadata()?);
        let room = usize::try_from(meta.len().min(largest)).unwrap_or_default() + 1;
        buffer.try_reserve_exact(room.saturating_sub(buffer.len()))?;
        buffer.resize(room, 0);
        let read = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            read => read?,
        };
        buffer.truncate(read);
        // There was room for more, and there is as much as there should be. Whatever says that it is empty may
        // just not know how long it is.
        let is_complete = read > 0 && read as u64 == meta.len();
        if !is_complete {
            file.take((largest + 1).saturating_sub(read as u64)).read_to_end(buffer)?;
        }
        Ok(Stamp::settled(&meta, now))
    };
    match read() {
        Ok(stamp) => Ok(Content::Bytes(buffer, stamp)),
        Err(error) if is_missing(&error) => Ok(Content::Missing),
        Err(error) if is_exhausted(&error) => Err(error),
        Err(error) => Ok(Content::Unreadable(format!("{error}{}", restart_hint(&error)))),
    }
}

/// Whether a path that is known is a place or lies below it.
pub(super) fn below(path: &str, place: &str) -> bool {
    place.is_empty() || path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How a path is known: with slashes.
pub(super) fn key(relative: &Path) -> Arc<str> {
    let text = relative.to_string_lossy();
    if MAIN_SEPARATOR == '/' { text.into() } else { text.replace(MAIN_SEPARATOR, "/").into() }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    const SEED: &str = "---\ntitle: A\ntopics: t\n---\n";

    fn scan(root: &Path, except: Option<&Path>) -> Scan {
        let rules = Rules::sample();
        Scan::new(root, except, rules)
    }

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// What a look tells, in short: `+` for read, `-` for gone, `!` for a fault that cost the record.
    fn told(scan: &mut Scan, hint: &Hint) -> Vec<String> {
        let changes = scan.look(hint).unwrap();
        let mut told: Vec<_> = changes
            .iter()
            .map(|(path, change)| match change {
                Change::Gone => format!("-{path}"),
                Change::Read(Reading::Seed { record: None, .. }) => format!("!{path}"),
                Change::Read(_) => format!("+{path}"),
            })
            .collect();
        told.sort();
        told
    }

    fn at(root: &Path, paths: &[&str]) -> Hint {
        Hint { paths: paths.iter().map(|path| root.join(path)).collect(), ..Hint::default() }
    }

    #[test]
    fn only_what_changed_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        for path in ["a.md", "b/c.md", "b/d/e.md", "x.rs", ".hidden/a.md", "b~.md~"] {
            write(root, path, SEED);
        }
        let everywhere = Hint::everywhere();
        assert_eq!(told(&mut scan, &everywhere), ["+a.md", "+b/c.md", "+b/d/e.md"]);
        assert_eq!(scan.progress().now(), (3, 3));
        assert_eq!(told(&mut scan, &everywhere), [""; 0]);
        write(root, "a.md", SEED);
        assert_eq!(told(&mut scan, &at(root, &["a.md"])), [""; 0], "the same bytes are no change");
        write(root, "a.md", "---\n");
        write(root, "b/new.md", SEED);
        assert_eq!(told(&mut scan, &at(root, &["b/c.md"])), [""; 0]);
        assert_eq!(told(&mut scan, &everywhere), ["!a.md", "+b/new.md"]);
        fs::rename(root.join("b"), root.join("z")).unwrap();
        let gone_and_new = ["+z/c.md", "+z/d/e.md", "+z/new.md", "-b/c.md", "-b/d/e.md", "-b/new.md"];
        assert_eq!(told(&mut scan, &at(root, &["b", "z"])), gone_and_new);
        fs::remove_dir_all(root.join("z/d")).unwrap();
        assert_eq!(told(&mut scan, &at(root, &["z/d"])), ["-z/d/e.md"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_says_it_is_empty_and_is_not_is_read_whole() {
        let (path, mut buffer) = (Path::new("/proc/self/status"), vec![b'x'; 1 << 20]);
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        let Content::Bytes(bytes, _) = content(path, 1 << 20, &mut buffer).unwrap() else {
            panic!("no bytes")
        };
        assert!(bytes.starts_with(b"Name:") && bytes.ends_with(b"\n"), "{}", String::from_utf8_lossy(bytes));
    }

    #[test]
    fn what_is_left_out_is_read_once_it_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let rules = Rules { content: ContentMode::Omit, ..Rules::sample() };
        let mut scan = Scan::new(root, None, rules);
        for path in ["broken.md", "gone.md", "kept.md"] {
            write(root, path, SEED);
        }
        let whole = |(path, change): &(Arc<str>, Change)| match change {
            Change::Read(Reading::Seed { record, .. }) => {
                format!("{path} {:?}", record.as_ref().map(|record| record.is_complete()))
            }
            change => format!("{path} {change:?}"),
        };
        let read = scan.look(&Hint::everywhere()).unwrap();
        let told: Vec<_> = read.iter().map(whole).collect();
        assert_eq!(told, ["broken.md Some(false)", "gone.md Some(false)", "kept.md Some(false)"]);
        write(root, "broken.md", "---\n");
        fs::remove_file(root.join("gone.md")).unwrap();
        let read = scan.read_whole(read.into_iter().map(|(path, _)| path)).unwrap();
        let told: Vec<_> = read.iter().map(whole).collect();
        assert_eq!(told, ["broken.md None", "gone.md Gone", "kept.md Some(true)"]);
    }

    #[test]
    fn a_file_that_is_being_written_is_left_for_later() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        write(root, "a.md", "---\ntit");
        let unfinished = BTreeSet::from([root.join("a.md")]);
        assert_eq!(told(&mut scan, &Hint { unfinished, ..Hint::everywhere() }), [""; 0]);
        write(root, "a.md", SEED);
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["+a.md"]);
    }

    #[test]
    fn a_directory_with_a_common_beginning_is_another() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        for path in ["a/x.md", "ab/x.md", "a.md"] {
            write(root, path, SEED);
        }
        scan.look(&Hint::everywhere()).unwrap();
        fs::remove_dir_all(root.join("a")).unwrap();
        assert_eq!(told(&mut scan, &at(root, &["a"])), ["-a/x.md"]);
    }

    #[test]
    fn what_cannot_be_read_is_a_fault_and_stops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut scan = scan(root, None);
        write(root, "a.md", SEED);
        symlink(root, root.join("loop")).unwrap();
        symlink(root.join("nowhere"), root.join("dangling.md")).unwrap();
        let latin1 = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.md"));
        fs::write(root.join(latin1), SEED).unwrap();
        fs::create_dir(root.join("folder.md")).unwrap();
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["!caf\u{FFFD}.md", "!loop", "+a.md"]);
        assert_eq!(told(&mut scan, &Hint::everywhere()), [""; 0], "and is told once");
        fs::remove_file(root.join("loop")).unwrap();
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["-loop"]);
    }

    #[test]
    fn links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (directory.path().join("seeds"), directory.path().join("elsewhere"));
        write(&elsewhere, "v1/a.md", SEED);
        fs::create_dir(&root).unwrap();
        symlink(elsewhere.join("v1"), root.join("..data")).unwrap();
        symlink("..data/a.md", root.join("a.md")).unwrap();
        let mut scan = scan(&root, None);
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["+a.md"]);
        write(&elsewhere, "v2/a.md", "---\ntitle: B\ntopics: t\n---\n");
        fs::remove_file(root.join("..data")).unwrap();
        symlink(elsewhere.join("v2"), root.join("..data")).unwrap();
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["+a.md"]);
    }

    #[test]
    fn a_link_that_leads_back_is_seen_from_wherever_one_looks() {
        let directory = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (directory.path().join("seeds"), directory.path().join("elsewhere"));
        write(&root, "a.md", SEED);
        write(&root, "deep/b.md", SEED);
        write(&elsewhere, "c.md", SEED);
        symlink(&elsewhere, root.join("folder")).unwrap();
        let mut scan = scan(&root, None);
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["+a.md", "+deep/b.md", "+folder/c.md"]);
        fs::remove_file(root.join("folder")).unwrap();
        symlink(".", root.join("folder")).unwrap();
        symlink("..", root.join("deep/up")).unwrap();
        let below = at(&root, &["folder/c.md", "deep/up/a.md"]);
        assert_eq!(told(&mut scan, &below), ["!deep/up", "!folder"]);
        let named = at(&root, &["folder", "deep"]);
        assert_eq!(told(&mut scan, &named), [""; 0], "and what was there is not gone");
        assert_eq!(told(&mut scan, &Hint::everywhere()), [""; 0]);
    }

    #[test]
    fn the_mirror_within_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let feeds = root.join("feeds");
        write(root, "a.md", SEED);
        write(&feeds, "b.md", SEED);
        let mut scan = scan(root, Some(&feeds));
        assert_eq!(told(&mut scan, &Hint::everywhere()), ["+a.md"]);
        assert_eq!(told(&mut scan, &at(root, &["feeds/b.md", "feeds"])), [""; 0]);
    }

    #[test]
    fn that_all_is_gone_is_believed_after_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut patient = scan(root, None).with_grace(Duration::from_secs(600));
        let mut scan = scan(root, None);
        let everywhere = Hint::everywhere();
        for path in ["a.md", "b/c.md"] {
            write(root, path, SEED);
        }
        for scan in [&mut patient, &mut scan] {
            assert_eq!(told(scan, &everywhere), ["+a.md", "+b/c.md"]);
        }
        fs::rename(root.join("b"), root.join(".b")).unwrap();
        fs::rename(root.join("a.md"), root.join(".a.md")).unwrap();
        let error = patient.look(&everywhere).unwrap_err().to_string();
        assert!(error.contains("is empty, and had 2 files: is its disk mounted?"), "{error}");
        assert_eq!(told(&mut scan, &everywhere), ["-a.md", "-b/c.md"], "a command does as it is told");
        fs::rename(root.join(".b"), root.join("b")).unwrap();
        assert_eq!(told(&mut patient, &everywhere), ["-a.md"]);
        fs::remove_file(root.join("b/c.md")).unwrap();
        assert_eq!(told(&mut patient, &everywhere), ["-b/c.md"], "the only file");
        for path in ["a.md", "b.md"] {
            write(root, path, SEED);
        }
        assert_eq!(told(&mut patient, &everywhere), ["+a.md", "+b.md"]);
        fs::remove_file(root.join("a.md")).unwrap();
        fs::remove_file(root.join("b.md")).unwrap();
        assert_eq!(told(&mut patient, &at(root, &["a.md", "b.md"])), ["-a.md", "-b.md"], "by name");
    }

    #[test]
    fn that_much_is_gone_is_believed_after_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let mut patient = scan(root, None).with_grace(Duration::from_secs(600));
        let mut scan = scan(root, None);
        let everywhere = Hint::everywhere();
        for number in 10..40 {
            write(root, &format!("{}/{number}.md", if number < 35 { "disk" } else { "here" }), SEED);
        }
        for scan in [&mut patient, &mut scan] {
            assert_eq!(told(scan, &everywhere).len(), 30);
        }
        fs::rename(root.join("disk"), root.join(".disk")).unwrap();
        write(root, "disk/10.md", SEED);
        write(root, "new.md", SEED);
        assert_eq!(told(&mut patient, &everywhere), ["+new.md"]);
        let doubt = patient.doubt().unwrap().to_string();
        assert!(doubt.contains("24 of the 30 files of the seed directory "), "{doubt}");
        write(root, "here/36.md", "---\n");
        assert_eq!(told(&mut patient, &at(root, &["here/36.md"])), ["!here/36.md"]);
        assert_eq!(told(&mut scan, &everywhere).len(), 26, "a command does as it is told");
        fs::remove_dir_all(root.join("disk")).unwrap();
        fs::rename(root.join(".disk"), root.join("disk")).unwrap();
        assert_eq!((told(&mut patient, &everywhere).len(), patient.doubt().is_none()), (0, true));
        fs::rename(root.join("disk"), root.join("renamed")).unwrap();
        assert_eq!((told(&mut patient, &everywhere).len(), patient.doubt().is_none()), (50, true));
        patient.grace = Duration::ZERO;
        fs::rename(root.join("renamed"), root.join(".renamed")).unwrap();
        assert_eq!((told(&mut patient, &everywhere).len(), patient.doubt().is_none()), (25, true));
    }

    #[test]
    fn a_date_that_was_set_says_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (root, began) = (directory.path(), Instant::now());
        write(root, "a.md", SEED);
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        fs::File::options()
            .write(true)
            .open(root.join("a.md"))
            .unwrap()
            .set_modified(SystemTime::now() + year)
            .unwrap();
        let mut scan = scan(root, None);
        while scan.remembered().count() == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "it settles");
            std::thread::sleep(Duration::from_millis(50));
            scan.look(&Hint::everywhere()).unwrap();
        }
    }

    #[test]
    fn without_the_directory_nothing_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("seeds");
        write(&root, "a.md", SEED);
        let mut scan = scan(&root, None);
        scan.look(&Hint::everywhere()).unwrap();
        fs::rename(&root, directory.path().join("away")).unwrap();
        assert!(scan.look(&Hint::everywhere()).unwrap_err().to_string().contains("--seeds"));
        fs::rename(directory.path().join("away"), &root).unwrap();
        assert_eq!(told(&mut scan, &Hint::everywhere()), [""; 0]);
    }
}
