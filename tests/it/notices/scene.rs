//! Outputs in a directory of their own, and a drift watcher on them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Context, Handler};
use etcd_sd::actors::drift::{DriftWatcher, Watched};
use etcd_sd::actors::messages::Inspect;
use etcd_sd::file::TargetFile;
use tempfile::TempDir;

use crate::support::wait::{SOON, ensure, eventually};

/// So long after the last hint all notifications are up to date, if nothing else happens.
const SETTLED: Duration = Duration::from_millis(500);

/// Nothing is noticed by it in these tests.
const NEVER: Duration = Duration::from_secs(3600);

/// A drift watcher on outputs in a directory of its own, and who gets its hints.
pub(super) struct Scene {
    root: TempDir,
    hints: Arc<AtomicUsize>,
    watcher: Option<Addr<DriftWatcher>>,
}

impl Scene {
    /// Each entry is `name -> text` for a link, `name/` for a directory, or else a file.
    pub(super) fn new(tree: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let scene = Self { root, hints: Arc::default(), watcher: None };
        for entry in tree {
            match entry.split_once(" -> ") {
                Some((name, text)) => symlink(text, scene.at(name)).unwrap(),
                None if entry.ends_with('/') => scene.make(entry),
                None => scene.write(entry),
            }
        }
        scene
    }

    /// Outputs that end in a slash are target directories.
    pub(super) fn and_watches(mut self, outputs: &[&str]) -> Self {
        let watched = outputs.iter().map(|output| match output.strip_suffix('/') {
            Some(directory) => Watched::Directory(self.at(directory)),
            None => Watched::File(TargetFile::new(self.at(output))),
        });
        let hints = Hints(Arc::clone(&self.hints)).start().recipient();
        self.watcher = Some(DriftWatcher::new(watched.collect(), NEVER, hints).start());
        self
    }

    pub(super) fn watches(outputs: &[&str]) -> Self {
        Self::new(&[]).and_watches(outputs)
    }

    pub(super) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn write(&self, name: &str) {
        fs::write(self.at(name), "[]").unwrap();
    }

    pub(super) fn make(&self, name: &str) {
        fs::create_dir(self.at(name)).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.at(name)).unwrap();
    }

    pub(super) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    pub(super) fn relink(&self, name: &str, text: &str) {
        replace_link(&self.at(name), Path::new(text));
    }

    pub(super) fn hints(&self) -> usize {
        self.hints.load(Ordering::Relaxed)
    }

    /// Waits until nothing is left to be noticed.
    pub(super) async fn settles(&self) {
        let mut last = (self.hints(), Instant::now());
        eventually(SOON, "no more hints", async || {
            if self.hints() != last.0 {
                last = (self.hints(), Instant::now());
            }
            ensure(last.1.elapsed() > SETTLED, || format!("{} hints", last.0))
        })
        .await;
    }

    /// What is done is noticed.
    pub(super) async fn notices(&self, what: &str, act: impl FnOnce()) {
        self.settles().await;
        let before = self.hints();
        act();
        eventually(SOON, &format!("it is noticed: {what}"), async || {
            ensure(self.hints() > before, || "no hint".to_owned())
        })
        .await;
    }

    /// What is done is none of ours. Should a hint of what was before come late, it is done again.
    pub(super) async fn overlooks(&self, what: &str, act: impl Fn()) {
        eventually(2 * SOON, &format!("it is none of ours: {what}"), async || {
            self.settles().await;
            let before = self.hints();
            act();
            tokio::time::sleep(SETTLED).await;
            ensure(self.hints() == before, || "a hint".to_owned())
        })
        .await;
    }
}

/// From one text to the other, without a moment without a link.
pub(super) fn replace_link(path: &Path, text: &Path) {
    let staged = path.with_extension("new");
    symlink(text, &staged).unwrap();
    fs::rename(staged, path).unwrap();
}

/// In the persister's place: counts the hints.
struct Hints(Arc<AtomicUsize>);

impl Actor for Hints {
    type Context = Context<Self>;
}

impl Handler<Inspect> for Hints {
    type Result = ();

    fn handle(&mut self, _: Inspect, _: &mut Self::Context) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
