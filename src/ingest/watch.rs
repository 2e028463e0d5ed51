//! Watching: from the events of the file system to hints about where to look.
//!
//! Events are only hints, since they get lost: in new folders, in overflowing queues, and for ever
//! after the root itself was replaced. So an event about anything but a plain file also asks for a
//! look everywhere a little later, everything is gone through periodically whatever is heard, and the
//! root's identity is compared every second.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{info, warn};

use crate::config::Watching;

/// How long it must be quiet before changes are looked at.
const QUIET: Duration = Duration::from_millis(20);
/// The same for a save or two, which are not likely to be part of something larger.
const QUIET_FEW: Duration = Duration::from_millis(5);
/// At most so many paths are a few: an editor touches two or three for one file.
const FEW: usize = 4;
/// How long changes wait at most while it does not get quiet.
const IMPATIENCE: Duration = Duration::from_millis(500);
/// How long a file that is written to, and not closed, is left alone after the last write.
const UNFINISHED: Duration = Duration::from_secs(3);
/// How long after an event about a folder everything is looked at.
const SECOND_LOOK: Duration = Duration::from_secs(1);
/// How often everything is looked at, whatever is heard.
const RESCAN: Duration = Duration::from_secs(30);
/// How often everything is looked at if nothing is heard.
const POLL: Duration = Duration::from_secs(2);
/// Looking everywhere takes no more than one part in so many of the time,
const SPARING: u32 = 10;
/// but is never put off for longer than this: who asks whether all is well takes it for broken.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Where looking everywhere takes longer, all cores do it: going through everything in steps takes one.
const QUICK: Duration = Duration::from_secs(3);
/// How often it is tried to hear something again.
const LISTEN: Duration = Duration::from_secs(60);
/// How often the root's identity is compared, and the longest sleep.
const TICK: Duration = Duration::from_secs(1);
/// Paths to remember; with more, everything is looked at.
const MOST_PATHS: usize = 10_000;
/// Whether the system tells when a file that was written to is closed.
const TELLS_CLOSE: bool = cfg!(target_os = "linux");

/// Where something may have changed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Anywhere.
    pub everywhere: bool,
    /// At or below these paths.
    pub paths: BTreeSet<PathBuf>,
    /// Files that somebody is still writing: they are left for a later look.
    pub unfinished: BTreeSet<PathBuf>,
    /// When the first change was heard of, if one was.
    pub heard: Option<Instant>,
    /// Nowhere that is known of; but it is time to go through everything, beside what else there is to do.
    pub round: bool,
}

impl Hint {
    /// Look everywhere.
    pub fn everywhere() -> Self {
        Self { everywhere: true, ..Self::default() }
    }

    /// Whether there is nowhere to look.
    pub fn is_empty(&self) -> bool {
        !self.everywhere && self.paths.is_empty()
    }
}

/// Watches a directory.
#[derive(Debug)]
pub struct Watch {
    root: PathBuf,
    watching: Watching,
    heard: Arc<Heard>,
    watcher: Option<RecommendedWatcher>,
    deaf: bool,
    root_was: Option<Identity>,
    next_tick: Instant,
    next_rescan: Instant,
    next_listen: Instant,
    /// How long the last look everywhere took.
    cost: Duration,
}

/// Stops a watch from another thread.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Heard>);

impl Stopper {
    /// Ends the watch: its next or current wait returns at once.
    pub fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.woken.notify_all();
    }
}

/// What was heard and not yet handed on.
#[derive(Debug, Default)]
struct Heard {
    events: Mutex<Events>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct Events {
    stopped: bool,
    everywhere: bool,
    round: bool,
    folders: Folders,
    /// What was renamed last, and what was to be looked at before that.
    renamed: Option<(PathBuf, Folders)>,
    paths: BTreeSet<PathBuf>,
    /// Files that were written to and not closed yet, with the time of the last write.
    open: BTreeMap<PathBuf, Instant>,
    /// What is heard of.
    reach: Reach,
    /// The first and the last event since the last hint.
    since: Option<(Instant, Instant)>,
}

/// What follows from events about what may be folders.
#[derive(Debug, Default, Clone, Copy)]
struct Folders {
    /// When everything is looked at.
    second_look: Option<Instant>,
    /// When the last was heard.
    last: Option<Instant>,
}

impl Folders {
    fn note(&mut self, now: Instant) {
        self.last = Some(now);
        self.second_look.get_or_insert(now + SECOND_LOOK);
    }
}

/// How far hearing reaches.
#[derive(Debug, Default, Clone, Copy)]
struct Reach {
    /// Some folder could not be watched.
    partial: bool,
    /// A folder is not watched that perhaps may be by now.
    more: bool,
}

/// What tells one directory from another at the same path.
pub(crate) type Identity = (u64, u64, Option<SystemTime>);

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Begins to watch. What happens from now on is in the hints to come.
    pub fn new(root: &Path, watching: Watching) -> Self {
        let now = Instant::now();
        let mut watch = Self {
            root: root.to_owned(),
            watching,
            heard: Arc::default(),
            watcher: None,
            deaf: false,
            root_was: identity(root).ok(),
            next_tick: now + TICK,
            next_rescan: now + RESCAN,
            next_listen: now,
            cost: Duration::ZERO,
        };
        watch.listen();
        watch
    }

    /// Watches another directory from now on, or in another way.
    pub fn turn_to(&mut self, root: &Path, watching: Watching) {
        root.clone_into(&mut self.root);
        self.watching = watching;
        self.root_was = identity(root).ok();
        self.watcher = None;
        self.listen();
        self.heard.lock().look_everywhere(Instant::now());
    }

    /// What stops this watch.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.heard.clone())
    }

    /// A hint at those of these paths of which nothing was heard: the others are in one to come, once it is quiet.
    pub fn hint_at(&self, paths: BTreeSet<PathBuf>) -> Hint {
        let events = self.heard.lock();
        let is_heard_of = |path: &Path| {
            events.everywhere
                || events.open.contains_key(path)
                || path.ancestors().any(|way| events.paths.contains(way))
        };
        let paths = paths.into_iter().filter(|path| !is_heard_of(path)).collect();
        Hint { paths, unfinished: events.open.keys().cloned().collect(), ..Hint::default() }
    }

    /// Has the next hint be to look everywhere.
    pub fn look_everywhere(&self) {
        self.heard.lock().look_everywhere(Instant::now());
    }

    /// Takes note of how long a look everywhere took that found nothing to read.
    pub fn took(&mut self, cost: Duration) {
        self.cost = cost;
    }

    /// Whether no events are heard though they should be, or not of every folder, so that the directory
    /// is read through instead.
    pub fn is_deaf(&self) -> bool {
        self.deaf || self.heard.lock().reach.partial
    }

    /// Has everything looked at a little later: a look failed, and what it was told is lost.
    pub fn look_again(&self) {
        self.heard.lock().folders.second_look.get_or_insert(Instant::now() + SECOND_LOOK);
    }

    /// Waits until there is somewhere to look, or for `patience` at most; then the hint may be
    /// empty. None once the watch is stopped.
    pub fn next(&mut self, patience: Duration) -> Option<Hint> {
        let until = Instant::now() + patience;
        loop {
            let now = Instant::now();
            self.tick(now);
            let heard = self.heard.clone();
            let mut events = heard.lock();
            if events.stopped {
                return None;
            }
            let due = events.due(now);
            if due.is_some_and(|due| due <= now) {
                return Some(events.take(now));
            }
            if events.round || until <= now {
                let round = std::mem::take(&mut events.round);
                // What it is not quiet about yet stays for a later hint.
                let hint = if events.is_waiting(now) { Hint::default() } else { events.take(now) };
                return Some(Hint { round, ..hint });
            }
            let wake = due.into_iter().chain([until, self.next_tick]).min().unwrap_or(until);
            let (_guard, _) =
                heard.woken.wait_timeout(events, wake - now).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Once a second: is the root still the one that is watched? Is it time to look everywhere?
    fn tick(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        let is = identity(&self.root).ok();
        let more = std::mem::take(&mut self.heard.lock().reach.more);
        if is != self.root_was || more {
            self.root_was = is;
            self.watcher = None;
            if is.is_some() {
                self.listen();
            }
            self.heard.lock().look_everywhere(now);
        }
        if now >= self.next_rescan {
            let partial = self.heard.lock().reach.partial;
            if (self.deaf || partial) && is.is_some() && now >= self.next_listen {
                self.listen();
            }
            let mut events = self.heard.lock();
            // Where changes are heard of, this finds none, and they do not wait for it.
            if self.watcher.is_some() && !events.reach.partial && self.cost <= QUICK {
                events.round = true;
            } else {
                events.look_everywhere(now);
            }
        }
        let (partial, is_looked_at) = {
            let events = self.heard.lock();
            (events.reach.partial, events.everywhere || events.round)
        };
        let pause = if self.watcher.is_some() && !partial { RESCAN } else { POLL };
        let next = now + pause.max(self.cost * SPARING).min(LONGEST_PAUSE);
        self.next_rescan = if is_looked_at { next } else { next.min(self.next_rescan) };
    }

    fn listen(&mut self) {
        // The one before holds what the system has to give.
        self.watcher = None;
        self.heard.lock().reach.partial = false;
        self.next_listen = Instant::now() + LISTEN;
        if self.watching == Watching::Poll {
            self.deaf = false;
            self.next_rescan = Instant::now() + POLL;
            return;
        }
        let heard = self.heard.clone();
        let handler = move |event: notify::Result<Event>| {
            heard.lock().hear(event, Instant::now());
            heard.woken.notify_all();
        };
        let config =
            notify::Config::default().with_event_kinds(EventKindMask::CORE | EventKindMask::ACCESS_CLOSE);
        let watcher = RecommendedWatcher::new(handler, config)
            .and_then(|mut watcher| watcher.watch(&self.root, RecursiveMode::Recursive).map(|()| watcher));
        match watcher {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                if std::mem::take(&mut self.deaf) {
                    info!("the seed directory is watched again");
                }
            }
            Err(error) => {
                self.next_rescan = Instant::now() + POLL;
                if std::mem::replace(&mut self.deaf, true) {
                    return;
                }
                warn!(
                    "the seed directory cannot be watched ({}); it is read through every {} s instead{}",
                    error.to_string().trim_end_matches('.'),
                    POLL.as_secs(),
                    remedy(&error),
                );
            }
        }
    }
}

impl Events {
    fn hear(&mut self, event: notify::Result<Event>, now: Instant) {
        self.since = Some((self.since.map_or(now, |(first, _)| first), now));
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            Ok(_) => return self.look_everywhere(now),
            Err(error) => {
                if !std::mem::replace(&mut self.reach.partial, true) {
                    warn!(
                        "some folders of the seed directory cannot be watched ({}); it is read through every {} s instead{}",
                        error.to_string().trim_end_matches('.'),
                        POLL.as_secs(),
                        remedy(&error),
                    );
                }
                return self.look_everywhere(now);
            }
        };
        if let (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) =
            (event.kind, &*event.paths)
        {
            // An atomic save: what had the other name was a file as well, whatever that may be.
            let before = self.renamed.take().filter(|(renamed, _)| renamed == from);
            if let Some((_, before)) = before.filter(|_| is_file(to)) {
                self.folders = before;
            }
        }
        for path in event.paths {
            match event.kind {
                // Both were told one by one.
                EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {}
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Remove(RemoveKind::File) => {
                    self.open.remove(&path);
                }
                EventKind::Access(_) => continue,
                // Nobody writes to a link, so nobody closes it.
                EventKind::Create(CreateKind::File) if path.is_symlink() => {
                    self.reach.more |= path.is_dir();
                }
                EventKind::Create(CreateKind::File)
                | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
                    if TELLS_CLOSE {
                        self.open.insert(path.clone(), now);
                    }
                }
                EventKind::Modify(ModifyKind::Metadata(_)) => {
                    self.reach.more |= self.reach.partial && may_be_folder(&path);
                }
                kind => {
                    self.open.remove(&path);
                    if kind == EventKind::Modify(ModifyKind::Name(RenameMode::From)) {
                        self.renamed = Some((path.clone(), self.folders));
                    }
                    if may_be_folder(&path) {
                        self.folders.note(now);
                    }
                    self.reach.more |= path.is_symlink() && path.is_dir();
                }
            }
            self.paths.insert(path);
        }
        if self.paths.len() > MOST_PATHS || self.open.len() > MOST_PATHS {
            self.look_everywhere(now);
        }
    }

    fn look_everywhere(&mut self, now: Instant) {
        self.everywhere = true;
        // What is named and gone is believed to be.
        if self.paths.len() > MOST_PATHS {
            self.paths.clear();
        }
        if self.open.len() > MOST_PATHS {
            self.open.clear();
        }
        self.since.get_or_insert((now, now));
    }

    /// When there will be somewhere to look, if nothing more is heard.
    fn due(&self, now: Instant) -> Option<Instant> {
        let quiet = if self.everywhere || self.paths.len() > FEW { QUIET } else { QUIET_FEW };
        let quiet = self.since.map(|(first, last)| (last + quiet).min(first + IMPATIENCE));
        let ready = quiet.filter(|_| self.is_waiting(now));
        let closed = self.open.values().map(|written| *written + UNFINISHED).min();
        ready.into_iter().chain(closed).chain(self.folders.second_look).min()
    }

    /// Whether there is somewhere to look once it is quiet.
    fn is_waiting(&self, now: Instant) -> bool {
        self.everywhere || self.paths.iter().any(|path| !self.is_open(path, now))
    }

    fn is_open(&self, path: &Path, now: Instant) -> bool {
        self.open.get(path).is_some_and(|written| *written + UNFINISHED > now)
    }

    fn take(&mut self, now: Instant) -> Hint {
        // Of what was never closed, the event may have been lost.
        let paths = &mut self.paths;
        self.open.retain(|path, written| {
            let is_open = *written + UNFINISHED > now;
            if !is_open {
                paths.insert(path.clone());
            }
            is_open
        });
        let Folders { second_look, last } = &mut self.folders;
        let is_due = second_look.take_if(|due| *due <= now).is_some();
        if is_due {
            *second_look = last.map(|heard| heard + SECOND_LOOK).filter(|due| *due > now);
        }
        let everywhere = std::mem::take(&mut self.everywhere) || is_due;
        let unfinished: BTreeSet<_> = self.open.keys().cloned().collect();
        // What is not closed yet is heard of once more.
        let paths = std::mem::take(&mut self.paths);
        let paths = paths.into_iter().filter(|path| !unfinished.contains(path)).collect();
        let heard = self.since.take().map(|(first, _)| first);
        Hint { everywhere, paths, unfinished, heard, round: false }
    }
}

/// What to do about limits of the system, as inotify(7) has them.
fn remedy(error: &notify::Error) -> &'static str {
    /// `EMFILE`
    const TOO_MANY_OPEN: i32 = 24;
    match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "; it has more folders than the system watches for one user: `sysctl fs.inotify.max_user_watches=1048576` allows more"
        }
        notify::ErrorKind::Io(error)
            if cfg!(target_os = "linux") && error.raw_os_error() == Some(TOO_MANY_OPEN) =>
        {
            "; too many programs watch: `sysctl fs.inotify.max_user_instances=1024` allows more"
        }
        _ => "",
    }
}

/// Whether a path may be a folder's, or a link's through which folders are seen. It may be gone, so
/// its name must tell; the timer makes up for folders that are named like files.
fn may_be_folder(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    hidden || path.extension().is_none()
}

/// Whether a file is there, and no link.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_file())
}

/// What a directory is, if it is there: an inode is used again, so its birth counts too.
#[cfg(unix)]
pub(crate) fn identity(root: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(root)?;
    Ok((meta.dev(), meta.ino(), meta.created().ok()))
}

#[cfg(not(unix))]
pub(crate) fn identity(root: &Path) -> io::Result<Identity> {
    Ok((0, 0, std::fs::metadata(root)?.created().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{DataChange, Flag, MetadataKind};
    use proptest::prelude::*;

    fn event(kind: EventKind, path: &str) -> Event {
        Event::new(kind).add_path(path.into())
    }

    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));

    #[test]
    fn a_save_is_handed_on_once_it_is_quiet() {
        let start = Instant::now();
        let mut events = Events::default();
        assert_eq!(events.due(start), None);
        events.hear(Ok(event(EventKind::Create(CreateKind::File), "a.md")), start);
        events.hear(Ok(event(CLOSED, "a.md")), start);
        assert_eq!(events.due(start), Some(start + QUIET_FEW));
        let hint = events.take(start + QUIET);
        let paths = BTreeSet::from(["a.md".into()]);
        assert_eq!(hint, Hint { paths, heard: Some(start), ..Hint::default() });
        assert_eq!(events.due(start + QUIET), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_is_left_alone_until_it_is_closed() {
        let start = Instant::now();
        let mut events = Events::default();
        events.hear(Ok(event(WRITTEN, "half.md")), start);
        events.hear(Ok(event(CLOSED, "whole.md")), start);
        let hint = events.take(start + QUIET);
        assert_eq!(hint.paths, BTreeSet::from(["whole.md".into()]));
        assert_eq!(hint.unfinished, BTreeSet::from(["half.md".into()]));
        assert_eq!(events.due(start + QUIET), Some(start + UNFINISHED), "nobody waits for ever");
        let hint = events.take(start + UNFINISHED);
        assert_eq!((hint.paths.len(), hint.unfinished.len()), (1, 0));
    }

    #[test]
    fn a_stream_of_changes_does_not_starve_publishing() {
        let start = Instant::now();
        let mut events = Events::default();
        let mut now = start;
        while events.due(now).is_none_or(|due| due > now) {
            events.hear(Ok(event(CLOSED, "a.md")), now);
            now += Duration::from_millis(4);
        }
        assert_eq!(now, start + IMPATIENCE);
    }

    #[test]
    fn many_changes_at_once_are_one_batch() {
        let start = Instant::now();
        let mut events = Events::default();
        for number in 0..=FEW {
            events.hear(Ok(event(CLOSED, &format!("{number}.md"))), start);
        }
        assert_eq!(events.due(start), Some(start + QUIET));
    }

    #[test]
    fn a_watch_that_polls_hears_nothing_and_says_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Poll);
        assert!(watch.watcher.is_none() && !watch.is_deaf());
        let soon = Instant::now() + POLL;
        watch.tick(soon);
        assert!(watch.heard.lock().everywhere && watch.next_rescan <= soon + POLL);
        watch.took(POLL);
        watch.tick(soon + 2 * POLL);
        assert!(watch.next_rescan >= soon + 2 * POLL + POLL * SPARING, "it is sparing where that is dear");
    }

    #[test]
    fn what_may_hide_more_asks_for_a_look_everywhere() {
        let start = Instant::now();
        for (heard, at_once) in [
            (Ok(event(EventKind::Create(CreateKind::Folder), "new")), false),
            (Ok(event(EventKind::Remove(RemoveKind::Folder), "old")), false),
            (Ok(event(EventKind::Modify(ModifyKind::Name(RenameMode::To)), "..data")), false),
            (Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), true),
            (Err(notify::Error::generic("lost")), true),
        ] {
            let mut events = Events::default();
            events.hear(heard, start);
            assert_eq!(events.take(start + QUIET).everywhere, at_once);
            let later = events.due(start + QUIET);
            assert_eq!(later, (!at_once).then_some(start + SECOND_LOOK));
            if !at_once {
                assert!(events.take(start + SECOND_LOOK).everywhere);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_atomic_save_asks_for_no_look_everywhere() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("a.md"), "").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink("folder", at("..data")).unwrap();
        for (from, to, everywhere) in
            [(".a.md.x1", "a.md", false), ("before", "folder", true), ("..data_tmp", "..data", true)]
        {
            for heard_before in [false, true] {
                let (start, mut events) = (Instant::now(), Events::default());
                let renamed = |mode| Event::new(EventKind::Modify(ModifyKind::Name(mode)));
                if heard_before {
                    events.hear(Ok(event(EventKind::Create(CreateKind::Folder), "new")), start);
                }
                events.hear(Ok(renamed(RenameMode::From).add_path(at(from))), start);
                events.hear(Ok(renamed(RenameMode::To).add_path(at(to))), start);
                events.hear(Ok(renamed(RenameMode::Both).add_path(at(from)).add_path(at(to))), start);
                let hint = events.take(start + QUIET);
                assert!(hint.paths.contains(&at(to)) && hint.paths.contains(&at(from)));
                assert_eq!(events.take(start + SECOND_LOOK).everywhere, everywhere || heard_before, "{from}");
            }
        }
    }

    #[test]
    fn a_file_whose_closing_was_lost_is_looked_at_all_the_same() {
        let (start, mut events) = (Instant::now(), Events::default());
        events.hear(Ok(event(EventKind::Create(CreateKind::File), "a.md")), start);
        events.hear(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), start);
        let hint = events.take(start + QUIET);
        assert!(hint.everywhere && hint.unfinished.contains(Path::new("a.md")));
        assert_eq!(events.due(start), Some(start + UNFINISHED));
        let hint = events.take(start + UNFINISHED);
        assert!(hint.paths.contains(Path::new("a.md")) && hint.unfinished.is_empty());
    }

    #[test]
    fn where_changes_are_heard_of_everything_is_gone_through_beside_them() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Events);
        let later = Instant::now() + RESCAN;
        watch.tick(later);
        assert!(watch.next_rescan >= later + RESCAN);
        let soon = Instant::now() + TICK;
        watch.heard.lock().hear(Ok(event(EventKind::Remove(RemoveKind::File), "gone.md")), soon);
        let hint = watch.next(RESCAN).unwrap();
        assert!(hint.round && hint.is_empty() && hint.heard.is_none());
        let hint = watch.next(Duration::ZERO).unwrap();
        assert!(!hint.round && hint.is_empty(), "it may come back at once");
        let paths = ["gone.md", "gone.md/a.md", "other.md"].map(PathBuf::from);
        assert_eq!(watch.hint_at(paths.clone().into()).paths, [paths[2].clone()].into());
        let hint = watch.next(RESCAN).unwrap();
        assert!(hint.paths == [paths[0].clone()].into() && !hint.everywhere);
        assert_eq!(watch.hint_at(paths.clone().into()).paths, paths.clone().into());
        watch.heard.lock().hear(Ok(event(EventKind::Create(CreateKind::File), "other.md")), soon);
        watch.heard.lock().paths.clear();
        assert_eq!(watch.hint_at(paths.clone().into()).paths.contains(&paths[2]), !TELLS_CLOSE);
        watch.look_everywhere();
        assert!(watch.next(RESCAN).unwrap().everywhere);
    }

    #[test]
    fn what_is_not_heard_of_is_read_through_often() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Events);
        assert!(!watch.is_deaf());
        watch.took(Duration::from_secs(3600));
        let now = Instant::now() + TICK;
        watch.tick(now);
        assert!(watch.next_rescan <= now + LONGEST_PAUSE);
        watch.took(Duration::ZERO);
        watch.heard.lock().hear(Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch)), now);
        watch.heard.lock().everywhere = false;
        watch.tick(now + TICK);
        assert!(watch.is_deaf() && watch.next_rescan <= now + TICK + POLL);
    }

    #[test]
    fn a_folder_that_could_not_be_watched_is_watched_once_it_may_be() {
        let start = Instant::now();
        let metadata = || event(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "folder");
        let mut events = Events::default();
        events.hear(Ok(metadata()), start);
        assert_eq!((events.reach.partial, events.reach.more), (false, false));
        events.hear(Err(notify::Error::generic("refused")), start);
        assert_eq!((events.reach.partial, events.reach.more), (true, false));
        events.hear(Ok(metadata()), start);
        assert!(events.reach.more);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_whole_at_once_and_the_folder_that_it_leads_to_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link.md");
        for (leads_to, to_folder) in [(link.clone(), false), (directory.path().to_owned(), true)] {
            for kind in
                [EventKind::Create(CreateKind::File), EventKind::Modify(ModifyKind::Name(RenameMode::To))]
            {
                std::os::unix::fs::symlink(&leads_to, &link).unwrap();
                let (start, mut events) = (Instant::now(), Events::default());
                events.hear(Ok(Event::new(kind).add_path(link.clone())), start);
                let hint = events.take(start + QUIET);
                assert!(hint.paths.contains(&link) && hint.unfinished.is_empty());
                assert_eq!(events.reach.more, to_folder, "{kind:?}");
                std::fs::remove_file(&link).unwrap();
            }
        }
    }

    #[test]
    fn a_flood_is_bounded() {
        let start = Instant::now();
        let mut events = Events::default();
        for number in 0..=2 * MOST_PATHS {
            events.hear(Ok(event(CLOSED, &format!("{number}.md"))), start);
        }
        assert!(events.everywhere && events.paths.len() <= MOST_PATHS);
    }

    /// What is heard, and how many milliseconds after what was heard before.
    fn heard() -> impl Strategy<Value = (EventKind, &'static str, u64)> {
        let kinds = [
            EventKind::Create(CreateKind::File),
            EventKind::Create(CreateKind::Folder),
            EventKind::Remove(RemoveKind::File),
            EventKind::Remove(RemoveKind::Folder),
            EventKind::Modify(ModifyKind::Name(RenameMode::From)),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)),
            EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)),
            WRITTEN,
            CLOSED,
        ];
        let paths = ["a.md", "b.md", "c.md", "d.md", "e.md", "f.md", "folder", ".hidden"];
        (
            prop::sample::select(kinds.to_vec()),
            prop::sample::select(paths.to_vec()),
            prop_oneof![0..10_u64, 0..2000_u64],
        )
            .prop_map(|(kind, path, after)| (kind, path, after))
    }

    proptest! {
        /// Whatever is heard, in whatever order, however often: each path is handed on, in time.
        #[test]
        fn nothing_that_is_heard_is_forgotten(history in prop::collection::vec(heard(), 0..60)) {
            let (mut now, mut events) = (Instant::now(), Events::default());
            // What is to be looked at, and by when at the latest; and when everything is.
            let (mut expected, mut everywhere) = (BTreeMap::<PathBuf, Instant>::new(), None::<Instant>);
            let last = (EventKind::Any, "", 10_000);
            for (kind, path, after) in history.into_iter().chain([last]) {
                let until = now + Duration::from_millis(after);
                while let Some(due) = events.due(now).filter(|due| *due <= until) {
                    now = now.max(due);
                    let hint = events.take(now);
                    prop_assert!(hint.everywhere || !hint.paths.is_empty(), "nobody is woken for nothing");
                    for path in &hint.paths {
                        prop_assert!(hint.everywhere || expected.remove(path).is_some(), "{path:?}: not heard of");
                    }
                    if hint.everywhere {
                        expected.retain(|path, _| hint.unfinished.contains(path));
                        everywhere = everywhere.filter(|due| *due > now);
                    }
                    for (path, due) in &expected {
                        prop_assert!(*due >= now, "{path:?}: late by {:?}", now - *due);
                    }
                    prop_assert!(everywhere.is_none_or(|due| due >= now));
                }
                now = until;
                if path.is_empty() {
                    break;
                }
                let is_open = TELLS_CLOSE && (kind == WRITTEN || kind == EventKind::Create(CreateKind::File));
                let patience = if is_open { UNFINISHED } else { IMPATIENCE };
                let due = expected.entry(path.into()).or_insert(now);
                *due = (*due).max(now + patience);
                let is_name = matches!(kind, EventKind::Modify(ModifyKind::Name(_)));
                let of_folder = [EventKind::Create(CreateKind::Folder), EventKind::Remove(RemoveKind::Folder)];
                if may_be_folder(Path::new(path)) && (is_name || of_folder.contains(&kind)) {
                    everywhere = Some(now + SECOND_LOOK);
                }
                events.hear(Ok(event(kind, path)), now);
            }
            prop_assert!(expected.is_empty() && everywhere.is_none(), "{expected:?} {everywhere:?}");
        }
    }

    #[test]
    fn a_watch_that_is_stopped_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = Watch::new(directory.path(), Watching::Events);
        let stopper = watch.stopper();
        let waiting = std::thread::spawn(move || watch.next(Duration::from_secs(600)));
        stopper.stop();
        assert_eq!(waiting.join().unwrap(), None);
    }
}
