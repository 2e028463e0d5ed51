//! Debouncing: from the events of the file system to hints.
//!
//! Events get lost: in new folders, and in queues that overflow. So an event about anything but a plain
//! file also requests a scan of the whole directory a little later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Event, EventKind};

use crate::ingest::hint::Hint;

/// The pause without events after which changes are handed on.
const QUIET: Duration = Duration::from_millis(20);
/// The same for a save or two, which are hardly part of something larger.
const QUIET_FEW: Duration = Duration::from_millis(5);
/// The maximum number of paths that count as few: an editor touches two or three to save one file.
const FEW: usize = 4;
/// The maximum delay of changes while events keep coming.
const MAX_DELAY: Duration = Duration::from_millis(500);
/// The time after the last write at which a file that was never closed is scanned.
const UNFINISHED: Duration = Duration::from_secs(3);
/// The time after an event about a folder at which everything is scanned.
const SECOND_SCAN: Duration = Duration::from_secs(1);
/// The maximum number of paths to keep. With more, everything is scanned.
const MAX_PATHS: usize = 10_000;
/// Set if the system reports that a file that was written to is closed.
const REPORTS_CLOSE: bool = cfg!(target_os = "linux");

/// Events that have not been handed on yet.
#[derive(Debug, Default)]
pub(super) struct Events {
    everywhere: bool,
    folders: FolderEvents,
    /// The last path that was renamed, and the state of `folders` before.
    renamed: Option<(PathBuf, FolderEvents)>,
    paths: BTreeSet<PathBuf>,
    /// Files that were written to and not closed yet, with the time of the last write.
    open: BTreeMap<PathBuf, Instant>,
    pub(super) coverage: Coverage,
    /// The first and the last event since the last hint.
    since: Option<(Instant, Instant)>,
}

/// The consequences of events about paths that may be folders.
#[derive(Debug, Default, Clone, Copy)]
struct FolderEvents {
    /// The time at which everything is scanned.
    scan_at: Option<Instant>,
    last: Option<Instant>,
}

impl FolderEvents {
    fn record(&mut self, now: Instant) {
        self.last = Some(now);
        self.scan_at.get_or_insert(now + SECOND_SCAN);
    }
}

/// The part of the directory from which events come.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Coverage {
    /// Set if some folder could not be watched.
    pub(super) is_partial: bool,
    /// Set if a folder is not watched that may be watchable by now.
    pub(super) may_grow: bool,
}

impl Events {
    /// Records an event. Returns the error if it is the first since the coverage was complete.
    pub(super) fn observe(&mut self, event: notify::Result<Event>, now: Instant) -> Option<notify::Error> {
        self.since = Some((self.since.map_or(now, |(first, _)| first), now));
        match event {
            Ok(event) if event.need_rescan() => self.request_scan(now),
            Ok(event) => self.record(event, now),
            Err(error) => {
                let was_partial = std::mem::replace(&mut self.coverage.is_partial, true);
                self.request_scan(now);
                return (!was_partial).then_some(error);
            }
        }
        None
    }

    fn record(&mut self, event: Event, now: Instant) {
        if let (EventKind::Modify(ModifyKind::Name(RenameMode::Both)), [from, to]) =
            (event.kind, &*event.paths)
        {
            // An atomic save: the new path is a file, so the old one was no folder either.
            let before = self.renamed.take().filter(|(renamed, _)| renamed == from);
            if let Some((_, before)) = before.filter(|_| is_file(to)) {
                self.folders = before;
            }
        }
        for path in event.paths {
            if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) {
                continue;
            }
            self.record_path(&path, event.kind, now);
            self.paths.insert(path);
        }
        if self.paths.len() > MAX_PATHS || self.open.len() > MAX_PATHS {
            self.request_scan(now);
        }
    }

    fn record_path(&mut self, path: &Path, kind: EventKind, now: Instant) {
        match kind {
            // Both paths had an event of their own before.
            EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {}
            EventKind::Access(_) | EventKind::Remove(RemoveKind::File) => {
                self.open.remove(path);
            }
            // A link is never written to, and so never closed.
            EventKind::Create(CreateKind::File) if path.is_symlink() => {
                self.coverage.may_grow |= path.is_dir();
            }
            EventKind::Create(CreateKind::File)
            | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
                if REPORTS_CLOSE {
                    self.open.insert(path.to_owned(), now);
                }
            }
            EventKind::Modify(ModifyKind::Metadata(_)) => {
                self.coverage.may_grow |= self.coverage.is_partial && may_be_folder(path);
            }
            kind => {
                self.open.remove(path);
                if kind == EventKind::Modify(ModifyKind::Name(RenameMode::From)) {
                    self.renamed = Some((path.to_owned(), self.folders));
                }
                if may_be_folder(path) {
                    self.folders.record(now);
                }
                self.coverage.may_grow |= path.is_symlink() && path.is_dir();
            }
        }
    }

    /// Requests a scan of the whole directory.
    pub(super) fn request_scan(&mut self, now: Instant) {
        self.everywhere = true;
        // Named paths are kept even though everything is scanned, unless there are too many: a missing
        // file that an event names was deleted on purpose.
        if self.paths.len() > MAX_PATHS {
            self.paths.clear();
        }
        if self.open.len() > MAX_PATHS {
            self.open.clear();
        }
        self.since.get_or_insert((now, now));
    }

    /// Requests a scan of the whole directory a little later.
    pub(super) fn request_delayed_scan(&mut self, now: Instant) {
        self.folders.scan_at.get_or_insert(now + SECOND_SCAN);
    }

    /// Returns `true` if a scan of the whole directory is requested.
    pub(super) fn is_everywhere(&self) -> bool {
        self.everywhere
    }

    /// Returns the time of the next hint if no more events come.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let quiet = if self.everywhere || self.paths.len() > FEW { QUIET } else { QUIET_FEW };
        let quiet = self.since.map(|(first, last)| (last + quiet).min(first + MAX_DELAY));
        let ready = quiet.filter(|_| self.is_pending(now));
        let closed = self.open.values().map(|written| *written + UNFINISHED).min();
        ready.into_iter().chain(closed).chain(self.folders.scan_at).min()
    }

    /// Returns `true` if the next hint will not be empty.
    pub(super) fn is_pending(&self, now: Instant) -> bool {
        self.everywhere || self.paths.iter().any(|path| !self.is_open(path, now))
    }

    fn is_open(&self, path: &Path, now: Instant) -> bool {
        self.open.get(path).is_some_and(|written| *written + UNFINISHED > now)
    }

    /// Returns a hint for those of some paths that no later hint will contain.
    pub(super) fn hint_for(&self, paths: BTreeSet<PathBuf>) -> Hint {
        let is_pending = |path: &Path| {
            self.everywhere
                || self.open.contains_key(path)
                || path.ancestors().any(|ancestor| self.paths.contains(ancestor))
        };
        let paths = paths.into_iter().filter(|path| !is_pending(path)).collect();
        Hint { paths, unfinished: self.open.keys().cloned().collect(), ..Hint::default() }
    }

    /// Takes the events out as a hint.
    pub(super) fn take(&mut self, now: Instant) -> Hint {
        // A file that is still open after so long may have lost its close event.
        let paths = &mut self.paths;
        self.open.retain(|path, written| {
            let is_open = *written + UNFINISHED > now;
            if !is_open {
                paths.insert(path.clone());
            }
            is_open
        });
        let FolderEvents { scan_at, last } = &mut self.folders;
        let is_due = scan_at.take_if(|due| *due <= now).is_some();
        if is_due {
            *scan_at = last.map(|last| last + SECOND_SCAN).filter(|due| *due > now);
        }
        let everywhere = std::mem::take(&mut self.everywhere) || is_due;
        let unfinished: BTreeSet<_> = self.open.keys().cloned().collect();
        // An unfinished file has another event when it is closed.
        let paths = std::mem::take(&mut self.paths);
        let paths = paths.into_iter().filter(|path| !unfinished.contains(path)).collect();
        let observed = self.since.take().map(|(first, _)| first);
        Hint { everywhere, paths, unfinished, observed, rescan: false }
    }
}

/// Returns `true` if a path may be that of a folder, or of a link to one. The path may not exist any
/// more, so only its name counts; the periodic rescan makes up for folders that are named like files.
fn may_be_folder(path: &Path) -> bool {
    let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    is_hidden || path.extension().is_none()
}

/// Returns `true` if a path is that of a file, and not of a link.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_file())
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
    fn save_is_handed_on_after_a_quiet_pause() {
        let start = Instant::now();
        let mut events = Events::default();
        assert_eq!(events.due(start), None);
        events.observe(Ok(event(EventKind::Create(CreateKind::File), "a.md")), start);
        events.observe(Ok(event(CLOSED, "a.md")), start);
        assert_eq!(events.due(start), Some(start + QUIET_FEW));
        let hint = events.take(start + QUIET);
        let paths = BTreeSet::from(["a.md".into()]);
        assert_eq!(hint, Hint { paths, observed: Some(start), ..Hint::default() });
        assert_eq!(events.due(start + QUIET), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn open_file_waits_until_it_is_closed() {
        let start = Instant::now();
        let mut events = Events::default();
        events.observe(Ok(event(WRITTEN, "half.md")), start);
        events.observe(Ok(event(CLOSED, "whole.md")), start);
        let hint = events.take(start + QUIET);
        assert_eq!(hint.paths, BTreeSet::from(["whole.md".into()]));
        assert_eq!(hint.unfinished, BTreeSet::from(["half.md".into()]));
        assert_eq!(
            events.due(start + QUIET),
            Some(start + UNFINISHED),
            "an open file does not wait for ever"
        );
        let hint = events.take(start + UNFINISHED);
        assert_eq!((hint.paths.len(), hint.unfinished.len()), (1, 0));
    }

    #[test]
    fn stream_of_changes_does_not_starve_publishing() {
        let start = Instant::now();
        let mut events = Events::default();
        let mut now = start;
        while events.due(now).is_none_or(|due| due > now) {
            events.observe(Ok(event(CLOSED, "a.md")), now);
            now += Duration::from_millis(4);
        }
        assert_eq!(now, start + MAX_DELAY);
    }

    #[test]
    fn many_changes_are_one_batch() {
        let start = Instant::now();
        let mut events = Events::default();
        for number in 0..=FEW {
            events.observe(Ok(event(CLOSED, &format!("{number}.md"))), start);
        }
        assert_eq!(events.due(start), Some(start + QUIET));
    }

    #[test]
    fn folder_events_request_a_full_scan() {
        let start = Instant::now();
        for (observed, at_once) in [
            (Ok(event(EventKind::Create(CreateKind::Folder), "new")), false),
            (Ok(event(EventKind::Remove(RemoveKind::Folder), "old")), false),
            (Ok(event(EventKind::Modify(ModifyKind::Name(RenameMode::To)), "..data")), false),
            (Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), true),
            (Err(notify::Error::generic("lost")), true),
        ] {
            let mut events = Events::default();
            events.observe(observed, start);
            assert_eq!(events.take(start + QUIET).everywhere, at_once);
            let later = events.due(start + QUIET);
            assert_eq!(later, (!at_once).then_some(start + SECOND_SCAN));
            if !at_once {
                assert!(events.take(start + SECOND_SCAN).everywhere);
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn atomic_save_requests_no_full_scan() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("a.md"), "").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink("folder", at("..data")).unwrap();
        for (from, to, everywhere) in
            [(".a.md.x1", "a.md", false), ("before", "folder", true), ("..data_tmp", "..data", true)]
        {
            for has_folder_event in [false, true] {
                let (start, mut events) = (Instant::now(), Events::default());
                let renamed = |mode| Event::new(EventKind::Modify(ModifyKind::Name(mode)));
                if has_folder_event {
                    events.observe(Ok(event(EventKind::Create(CreateKind::Folder), "new")), start);
                }
                events.observe(Ok(renamed(RenameMode::From).add_path(at(from))), start);
                events.observe(Ok(renamed(RenameMode::To).add_path(at(to))), start);
                events.observe(Ok(renamed(RenameMode::Both).add_path(at(from)).add_path(at(to))), start);
                let hint = events.take(start + QUIET);
                assert!(hint.paths.contains(&at(to)) && hint.paths.contains(&at(from)));
                assert_eq!(
                    events.take(start + SECOND_SCAN).everywhere,
                    everywhere || has_folder_event,
                    "{from}"
                );
            }
        }
    }

    #[test]
    fn file_with_a_lost_close_event_is_scanned() {
        let (start, mut events) = (Instant::now(), Events::default());
        events.observe(Ok(event(EventKind::Create(CreateKind::File), "a.md")), start);
        events.observe(Ok(Event::new(EventKind::Other).set_flag(Flag::Rescan)), start);
        let hint = events.take(start + QUIET);
        assert!(hint.everywhere && hint.unfinished.contains(Path::new("a.md")));
        assert_eq!(events.due(start), Some(start + UNFINISHED));
        let hint = events.take(start + UNFINISHED);
        assert!(hint.paths.contains(Path::new("a.md")) && hint.unfinished.is_empty());
    }

    #[test]
    fn unwatchable_folder_is_retried_after_a_permission_change() {
        let start = Instant::now();
        let metadata = || event(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), "folder");
        let mut events = Events::default();
        events.observe(Ok(metadata()), start);
        assert_eq!((events.coverage.is_partial, events.coverage.may_grow), (false, false));
        events.observe(Err(notify::Error::generic("refused")), start);
        assert_eq!((events.coverage.is_partial, events.coverage.may_grow), (true, false));
        events.observe(Ok(metadata()), start);
        assert!(events.coverage.may_grow);
    }

    #[cfg(unix)]
    #[test]
    fn new_link_is_complete_and_its_folder_is_watched() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link.md");
        for (leads_to, to_folder) in [(link.clone(), false), (directory.path().to_owned(), true)] {
            for kind in
                [EventKind::Create(CreateKind::File), EventKind::Modify(ModifyKind::Name(RenameMode::To))]
            {
                std::os::unix::fs::symlink(&leads_to, &link).unwrap();
                let (start, mut events) = (Instant::now(), Events::default());
                events.observe(Ok(Event::new(kind).add_path(link.clone())), start);
                let hint = events.take(start + QUIET);
                assert!(hint.paths.contains(&link) && hint.unfinished.is_empty());
                assert_eq!(events.coverage.may_grow, to_folder, "{kind:?}");
                std::fs::remove_file(&link).unwrap();
            }
        }
    }

    #[test]
    fn open_file_is_left_out_of_other_hints() {
        let (start, mut events) = (Instant::now(), Events::default());
        let paths = BTreeSet::from(["open.md", "other.md"].map(PathBuf::from));
        events.observe(Ok(event(EventKind::Create(CreateKind::File), "open.md")), start);
        events.paths.clear();
        let hint = events.hint_for(paths);
        assert_eq!(hint.paths.contains(Path::new("open.md")), !REPORTS_CLOSE);
        assert!(hint.paths.contains(Path::new("other.md")));
    }

    #[test]
    fn flood_of_events_is_bounded() {
        let start = Instant::now();
        let mut events = Events::default();
        for number in 0..=2 * MAX_PATHS {
            events.observe(Ok(event(CLOSED, &format!("{number}.md"))), start);
        }
        assert!(events.everywhere && events.paths.len() <= MAX_PATHS);
    }

    /// An event, and the number of milliseconds since the one before.
    fn timed_event() -> impl Strategy<Value = (EventKind, &'static str, u64)> {
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
        /// Every path of any sequence of events is handed on within its maximum delay.
        #[test]
        fn events_are_handed_on_within_their_maximum_delay(history in prop::collection::vec(timed_event(), 0..60)) {
            let (mut now, mut events) = (Instant::now(), Events::default());
            // The latest time at which each path is handed on, and at which everything is scanned.
            let (mut expected, mut everywhere) = (BTreeMap::<PathBuf, Instant>::new(), None::<Instant>);
            let last = (EventKind::Any, "", 10_000);
            for (kind, path, after) in history.into_iter().chain([last]) {
                let until = now + Duration::from_millis(after);
                while let Some(due) = events.due(now).filter(|due| *due <= until) {
                    now = now.max(due);
                    let hint = events.take(now);
                    prop_assert!(hint.everywhere || !hint.paths.is_empty(), "a hint is never empty");
                    for path in &hint.paths {
                        prop_assert!(hint.everywhere || expected.remove(path).is_some(), "{path:?}: no event");
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
                let is_open = REPORTS_CLOSE && (kind == WRITTEN || kind == EventKind::Create(CreateKind::File));
                let delay = if is_open { UNFINISHED } else { MAX_DELAY };
                let due = expected.entry(path.into()).or_insert(now);
                *due = (*due).max(now + delay);
                let is_name = matches!(kind, EventKind::Modify(ModifyKind::Name(_)));
                let of_folder = [EventKind::Create(CreateKind::Folder), EventKind::Remove(RemoveKind::Folder)];
                if may_be_folder(Path::new(path)) && (is_name || of_folder.contains(&kind)) {
                    everywhere = Some(now + SECOND_SCAN);
                }
                events.observe(Ok(event(kind, path)), now);
            }
            prop_assert!(expected.is_empty() && everywhere.is_none(), "{expected:?} {everywhere:?}");
        }
    }
}
