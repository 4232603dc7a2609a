//! Notifications of the kernel, kept up with the lookouts that there are to keep.
//!
//! There is one instance of inotify for all of them, for the life of the process: they are few
//! for each user.

use std::mem;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::ModifyKind;
use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::mpsc;

use super::lookout::{Lookout, Watched, lookouts};
use crate::file;
use crate::telemetry::Chain;

/// Should what is there change while it is looked at, it is looked at again.
const TRIES: usize = 3;

/// Which notifications there are.
pub(super) struct Notifications {
    watched: Vec<Watched>,
    hints: mpsc::Sender<()>,
    watcher: Option<RecommendedWatcher>,
    kept: Arc<Kept>,
}

/// Shared with the thread that hears of events.
#[derive(Default)]
struct Kept(Mutex<Vec<Post>>);

struct Post {
    lookout: Lookout,
    /// The directory is not the one at its path any more: its inode number alone does not
    /// tell, since a new directory may get the same one.
    ended: bool,
}

impl Post {
    /// Whether the directory of `lookout` is the one that is watched.
    fn stands_for(&self, lookout: &Lookout) -> bool {
        let kept = &self.lookout;
        !self.ended && kept.directory == lookout.directory && kept.id == lookout.id
    }
}

/// What came of setting them up.
#[derive(Default)]
pub(super) struct Armed {
    /// The directories that are watched now and were not before.
    pub(super) new: Vec<PathBuf>,
    /// Whether to look for what went by unseen meanwhile.
    pub(super) changed: bool,
    /// Why there are not all of them.
    pub(super) troubles: Vec<Trouble>,
}

/// What could not be set up.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    #[error(
        "the inotify instances of this user are used up, or the files that this process may \
         open: raise the sysctl fs.inotify.max_user_instances, or ulimit -n"
    )]
    Instances,
    #[error(
        "the inotify watches of this user are used up: raise the sysctl \
         fs.inotify.max_user_watches"
    )]
    Watches,
    #[error("{}", Chain(.0))]
    Directory(file::Error),
    #[error("cannot watch {}: {source}", directory.display())]
    Other { directory: PathBuf, source: notify::Error },
}

impl Notifications {
    /// None yet. An event that matters puts a hint into `hints`; if that is full, one is to come.
    pub(super) fn new(watched: Vec<Watched>, hints: mpsc::Sender<()>) -> Self {
        Self { watched, hints, watcher: None, kept: Arc::default() }
    }

    /// Sets up those that are missing, and ends those of directories that are another one now or
    /// do not matter any more. Blocks.
    pub(super) fn arm(&mut self) -> Armed {
        let mut armed = Armed::default();
        for _ in 0..TRIES {
            armed.troubles.clear();
            match lookouts(&self.watched) {
                Ok(wanted) => self.keep(wanted, &mut armed),
                Err(error) => armed.troubles.push(Trouble::Directory(error)),
            }
            if !armed.troubles.iter().any(Trouble::may_be_over) {
                break;
            }
        }
        armed
    }

    fn keep(&mut self, wanted: Vec<Lookout>, armed: &mut Armed) {
        let watcher = match &mut self.watcher {
            Some(watcher) => watcher,
            none => match watcher(Arc::clone(&self.kept), self.hints.clone()) {
                Ok(watcher) => none.insert(watcher),
                Err(error) => {
                    armed.troubles.push(Trouble::of(error, PathBuf::new()));
                    return;
                }
            },
        };
        let Changes { gone, new, changed } = self.kept.replace(wanted);
        armed.changed |= changed;
        for directory in gone {
            // With the directory, the kernel's watch may have ended by itself.
            let _ = watcher.unwatch(&directory);
        }
        for directory in new {
            match watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    armed.changed = true;
                    armed.new.push(directory);
                }
                Err(error) => {
                    self.kept.remove(&directory);
                    armed.troubles.push(Trouble::of(error, directory));
                }
            }
        }
    }
}

struct Changes {
    /// Not to be watched any more.
    gone: Vec<PathBuf>,
    /// To be watched from now on.
    new: Vec<PathBuf>,
    /// Whether other names matter than did.
    changed: bool,
}

impl Kept {
    /// Heard is of these from now on. A directory that is another one is both gone and new.
    fn replace(&self, wanted: Vec<Lookout>) -> Changes {
        let mut posts = self.posts();
        let before = mem::take(&mut *posts);
        let mut changes = Changes { gone: Vec::new(), new: Vec::new(), changed: false };
        for post in &before {
            let after = wanted.iter().find(|after| post.stands_for(after));
            changes.changed |= after != Some(&post.lookout);
            if after.is_none() {
                changes.gone.push(post.lookout.directory.clone());
            }
        }
        for lookout in &wanted {
            if !before.iter().any(|post| post.stands_for(lookout)) {
                changes.new.push(lookout.directory.clone());
            }
        }
        *posts = wanted.into_iter().map(|lookout| Post { lookout, ended: false }).collect();
        changes
    }

    fn remove(&self, directory: &PathBuf) {
        self.posts().retain(|post| post.lookout.directory != *directory);
    }

    /// Takes note of an event. Says whether it matters.
    fn hear(&self, event: &notify::Result<notify::Event>) -> bool {
        let mut posts = self.posts();
        let event = match event {
            // An overflow of the kernel's queue names no path. It and an error may hide anything.
            Ok(event) if !event.need_rescan() => event,
            _ => {
                posts.iter_mut().for_each(|post| post.ended = true);
                return true;
            }
        };
        // Reading a file is an event too; whoever reads it on one must not react to its own.
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        let leaves =
            event.kind.is_remove() || matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        let mut matters = false;
        for post in &mut *posts {
            let is_end = leaves && event.paths.iter().any(|path| post.lookout.is_below(path));
            post.ended |= is_end;
            matters |= is_end || event.paths.iter().any(|path| post.lookout.concerns(path));
        }
        matters
    }

    fn posts(&self) -> MutexGuard<'_, Vec<Post>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn watcher(kept: Arc<Kept>, hints: mpsc::Sender<()>) -> notify::Result<RecommendedWatcher> {
    // This runs on a thread of its own, which must not wait.
    notify::recommended_watcher(move |event| {
        if kept.hear(&event) {
            let _ = hints.try_send(());
        }
    })
}

impl Trouble {
    fn of(error: notify::Error, directory: PathBuf) -> Self {
        /// What the kernel says with no instance of inotify left.
        const EMFILE: i32 = 24;
        match &error.kind {
            ErrorKind::MaxFilesWatch => Self::Watches,
            ErrorKind::Io(cause) if cause.raw_os_error() == Some(EMFILE) => Self::Instances,
            _ => Self::Other { directory, source: error },
        }
    }

    /// Whether it may be that something went away just when it was looked at.
    fn may_be_over(&self) -> bool {
        match self {
            Self::Instances | Self::Watches => false,
            Self::Directory(_) => true,
            Self::Other { source, .. } => matches!(source.kind, ErrorKind::PathNotFound),
        }
    }
}
