//! The directory of the target file, watched as Prometheus watches it: each
//! event that is more than a look at a file makes it read everything again.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{Arc, Mutex};

use notify::{Event, EventKind, INotifyWatcher, RecursiveMode, Watcher};

type Counts = BTreeMap<OsString, usize>;

/// The name under which a failure of the watch itself counts.
const FAILURE: &str = "/";

/// Counts events for each name in a directory, from the start on.
pub(crate) struct Directory {
    counts: Arc<Mutex<Counts>>,
    _watcher: INotifyWatcher,
}

impl Directory {
    pub(crate) fn watch(path: &Path) -> Self {
        let counts = Arc::<Mutex<Counts>>::default();
        let shared = Arc::clone(&counts);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let mut counts = shared.lock().unwrap();
            let mut count = |name: &OsStr| *counts.entry(name.to_owned()).or_default() += 1;
            match event {
                Ok(event) if event.need_rescan() => count(OsStr::new(FAILURE)),
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
                Ok(event) => (event.paths.iter()).for_each(|path| {
                    count(path.file_name().unwrap_or_default());
                }),
                Err(_) => count(OsStr::new(FAILURE)),
            }
        })
        .unwrap();
        watcher.watch(path, RecursiveMode::NonRecursive).unwrap();
        Self { counts, _watcher: watcher }
    }

    /// How many events each name has had.
    pub(crate) fn events(&self) -> Counts {
        let counts = self.counts.lock().unwrap().clone();
        assert!(!counts.contains_key(OsStr::new(FAILURE)), "inotify lost events");
        counts
    }

    /// How many events one name has had.
    pub(crate) fn events_of(&self, name: &str) -> usize {
        self.events().get(OsStr::new(name)).copied().unwrap_or(0)
    }
}
