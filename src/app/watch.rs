//! Notices that a configuration file may have changed: its own directory is watched, and those of every
//! symlink on the way to it, because a mounted ConfigMap changes by renaming a link in its directory.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::sync::mpsc;

use crate::telemetry::log::{Level, event};

/// Quiet time after an event before files are read: an editor writes in several steps.
const SETTLE: Duration = Duration::from_millis(100);

/// Links that are followed from a name to its file, as the kernel does (ELOOP).
const LINKS_MAX: usize = 40;

/// A watch on the directories that decide what the configuration's files hold.
pub(super) struct FileWatch {
    watcher: Option<RecommendedWatcher>,
    events: mpsc::UnboundedReceiver<()>,
    watched: HashSet<PathBuf>,
    /// Something happened and has not settled yet. Kept here, because whoever waits for
    /// [`changed`](Self::changed) may give up meanwhile and come back.
    unsettled: bool,
}

impl FileWatch {
    /// Watches `files`. Without a watch (no inotify left) SIGHUP still reloads, and the log says so.
    pub(super) fn start(files: &[PathBuf]) -> Self {
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| is_reading(event.kind)) {
                let _ = sender.send(()); // the control thread has ended
            }
        });
        let watcher = watcher.inspect_err(no_watch).ok();
        let mut watch = Self { watcher, events, watched: HashSet::new(), unsettled: false };
        watch.follow(files);
        watch
    }

    /// Watches the directories of `files` as they stand now, and no others.
    pub(super) fn follow(&mut self, files: &[PathBuf]) {
        let Some(watcher) = &mut self.watcher else { return };
        let wanted: HashSet<PathBuf> = files.iter().flat_map(|file| directories(file)).collect();
        for gone in self.watched.difference(&wanted) {
            let _ = watcher.unwatch(gone); // it may have gone with its directory
        }
        for new in wanted.difference(&self.watched) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                no_watch(&error);
            }
        }
        self.watched = wanted;
    }

    /// Waits until something happened in a watched directory and has settled. Dropping the future
    /// loses nothing.
    pub(super) async fn changed(&mut self) {
        if !self.unsettled {
            if self.events.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
            self.unsettled = true;
        }
        loop {
            tokio::time::sleep(SETTLE).await;
            let mut more = false;
            while self.events.try_recv().is_ok() {
                more = true;
            }
            if !more {
                self.unsettled = false;
                return;
            }
        }
    }
}

/// Whether somebody has only looked: we do so ourselves after every event, and would never come to rest.
fn is_reading(kind: EventKind) -> bool {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    kind.is_access() && kind != written
}

fn no_watch(error: &notify::Error) {
    let message = "cannot watch the configuration; reload it with SIGHUP";
    event(Level::Warn, message, &[("error", error)]);
}

/// The directory of `file` (itself, when it is one), and of each symlink between the name and the file, directories' links
/// included.
fn directories(file: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    for _ in 0..LINKS_MAX {
        let Some((link, rest)) = first_link(&path) else { break };
        let Some(parent) = link.parent() else { break };
        found.push(parent.to_owned());
        let Ok(target) = std::fs::read_link(&link) else { break };
        path = parent.join(target).join(rest);
    }
    let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
    found.extend(folder.map(Path::to_owned));
    found
}

/// The first component of `path` that is a symlink, and what follows it.
fn first_link(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut prefix = PathBuf::new();
    let mut components = path.components();
    while let Some(component) = components.next() {
        prefix.push(component);
        if prefix.is_symlink() {
            return Some((prefix, components.as_path().to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_mounted_configmap_is_watched_where_its_link_is_swapped() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("..data_1")).unwrap();
        std::fs::write(root.join("..data_1/tollgate.toml"), "").unwrap();
        symlink("..data_1", root.join("..data")).unwrap();
        symlink("..data/tollgate.toml", root.join("tollgate.toml")).unwrap();
        let found = directories(&root.join("tollgate.toml"));
        assert_eq!(found, [root.clone(), root.clone(), root.join("..data_1")]);
    }

    #[test]
    fn whoever_reads_a_file_has_not_changed_it() {
        use notify::event::{CreateKind, ModifyKind, RenameMode};
        let access = EventKind::Access;
        for (kind, reading) in [
            (access(AccessKind::Open(AccessMode::Any)), true),
            (access(AccessKind::Close(AccessMode::Read)), true),
            (access(AccessKind::Close(AccessMode::Write)), false),
            (EventKind::Create(CreateKind::File), false),
            (EventKind::Modify(ModifyKind::Name(RenameMode::Any)), false),
        ] {
            assert_eq!(is_reading(kind), reading, "{kind:?}");
        }
    }
}
