//! `DriftWatcher`: notices that something may have happened to the target file.
//!
//! It only says "look": the persister judges by the bytes. Notifications come from the
//! directory, since one on the file itself would be lost with its first replacement; a slow
//! periodic look is their twin, for what the kernel does not report, and sets the
//! notifications up anew where the directory itself was replaced.
//!
//! The only module that knows `notify`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinError;
use tracing::{debug, info, warn};

use super::messages::Inspect;
use crate::file::{self, TargetFile};
use crate::telemetry::Chain;

/// The actor that watches the target's directory.
pub struct DriftWatcher {
    file: TargetFile,
    interval: Duration,
    persister: Recipient<Inspect>,
    hints: mpsc::Sender<()>,
    hinted: Option<mpsc::Receiver<()>>,
    armed: Option<Armed>,
    arming: bool,
    failed: bool,
}

/// Notifications that are set up.
struct Armed {
    directory: file::DirectoryId,
    /// Set when the directory is not the one at its path any more: its inode number alone
    /// does not tell, since a new directory may get the same one.
    ended: Arc<AtomicBool>,
    _watcher: RecommendedWatcher,
}

impl DriftWatcher {
    /// Watches `file`, and looks at it each `interval` whatever the kernel says.
    #[must_use]
    pub fn new(file: TargetFile, interval: Duration, persister: Recipient<Inspect>) -> Self {
        // One hint that is not taken yet stands for all that follow.
        let (hints, hinted) = mpsc::channel(1);
        Self {
            file,
            interval,
            persister,
            hints,
            hinted: Some(hinted),
            armed: None,
            arming: false,
            failed: false,
        }
    }

    fn hint(&self) {
        // A full mailbox holds a hint already.
        let _ = self.persister.try_send(Inspect);
    }

    /// Sets up the notifications if there are none, or if they are those of a directory that
    /// is not there any more.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        // On a disk that hangs, one that waits is enough.
        if std::mem::replace(&mut self.arming, true) {
            return;
        }
        let (file, hints) = (self.file.clone(), self.hints.clone());
        let armed = self.armed.as_ref().filter(|armed| !armed.ended.load(Ordering::Relaxed));
        let armed = armed.map(|armed| armed.directory);
        let arming = tokio::task::spawn_blocking(move || arm(&file, armed, hints));
        ctx.spawn(arming.into_actor(self).map(|result, actor, _| {
            actor.arming = false;
            actor.armed_or_not(result);
        }));
    }

    fn armed_or_not(&mut self, result: Result<Result<Option<Armed>, ArmError>, JoinError>) {
        match result {
            Ok(Ok(Some(armed))) => {
                let path = self.file.path().display();
                if std::mem::take(&mut self.failed) {
                    info!(%path, "file notifications are back");
                } else if self.armed.is_some() {
                    info!(%path, "file notifications were set up anew");
                }
                self.armed = Some(armed);
                // What happened before they were set up went by unseen.
                self.hint();
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                self.armed = None;
                if !std::mem::replace(&mut self.failed, true) {
                    warn!(
                        path = %self.file.path().display(),
                        %error,
                        interval = ?self.interval,
                        "no file notifications; looking at the file periodically"
                    );
                }
            }
            Err(error) => debug!(%error, "setting up file notifications was cut off"),
        }
    }
}

impl Actor for DriftWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(mut hinted) = self.hinted.take() {
            let persister = self.persister.clone();
            let pass_on = async move {
                while hinted.recv().await.is_some() {
                    let _ = persister.try_send(Inspect);
                }
            };
            ctx.spawn(pass_on.into_actor(self));
        }
        self.arm(ctx);
        ctx.run_interval(self.interval, |actor, ctx| {
            actor.arm(ctx);
            actor.hint();
        });
    }
}

/// What could not be set up.
#[derive(Debug, Error)]
enum ArmError {
    #[error("{}", Chain(.0))]
    Directory(file::Error),
    #[error(transparent)]
    Notify(#[from] notify::Error),
}

/// Blocks. `None` if the notifications of `armed` still are those of the directory.
fn arm(
    file: &TargetFile,
    armed: Option<file::DirectoryId>,
    hints: mpsc::Sender<()>,
) -> Result<Option<Armed>, ArmError> {
    let directory = file::directory_id(file.directory()).map_err(ArmError::Directory)?;
    if armed == Some(directory) {
        return Ok(None);
    }
    let name = file.path().file_name().map(OsStr::to_owned);
    // As events name it.
    let path = std::path::absolute(file.directory()).map_err(notify::Error::io)?;
    let directory_path = path.clone();
    let ended = Arc::new(AtomicBool::new(false));
    let says_ended = Arc::clone(&ended);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Runs on a thread of its own, which must not wait. An error may hide anything.
        if event.as_ref().map_or(true, |event| ends(event, &path)) {
            says_ended.store(true, Ordering::Relaxed);
        }
        if event.map_or(true, |event| concerns(&event, name.as_deref()) || ends(&event, &path)) {
            let _ = hints.try_send(());
        }
    })?;
    watcher.watch(&directory_path, RecursiveMode::NonRecursive)?;
    Ok(Some(Armed { directory, ended, _watcher: watcher }))
}

/// Whether the directory itself was removed or renamed.
fn ends(event: &notify::Event, directory: &Path) -> bool {
    let leaves = EventKind::is_remove(&event.kind)
        || matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
    leaves && event.paths.iter().any(|path| path == directory)
}

/// Reading the file is an event too; whoever reads it on one must not react to its own.
fn concerns(event: &notify::Event, name: Option<&OsStr>) -> bool {
    let about_it = |path: &PathBuf| path.file_name() == name;
    // An overflow of the kernel's queue names no path.
    event.need_rescan()
        || (!matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(about_it))
}
