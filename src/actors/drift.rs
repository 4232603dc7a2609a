//! `DriftWatcher`: notices that something may have happened to the target file.
//!
//! It only says "look": the persister judges by the bytes. Notifications come from the
//! directory, since one on the file itself would be lost with its first replacement; a slow
//! periodic look is their twin, for what the kernel does not report, and sets the
//! notifications up anew where the directory itself was replaced.
//!
//! The only module that knows `notify`.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;
use tokio::sync::mpsc;
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
    failed: bool,
}

struct Armed {
    directory: file::DirectoryId,
    _watcher: RecommendedWatcher,
}

impl DriftWatcher {
    /// Watches `file`, and looks at it each `interval` whatever the kernel says.
    #[must_use]
    pub fn new(file: TargetFile, interval: Duration, persister: Recipient<Inspect>) -> Self {
        // One hint that is not taken yet stands for all that follow.
        let (hints, hinted) = mpsc::channel(1);
        Self { file, interval, persister, hints, hinted: Some(hinted), armed: None, failed: false }
    }

    fn hint(&self) {
        // A full mailbox holds a hint already.
        let _ = self.persister.try_send(Inspect);
    }

    /// Sets up the notifications if there are none, or if they are those of a directory that
    /// is not there any more.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let file = self.file.clone();
        let hints = self.hints.clone();
        let armed = self.armed.as_ref().map(|armed| armed.directory);
        let arming = tokio::task::spawn_blocking(move || arm(&file, armed, hints));
        ctx.spawn(arming.into_actor(self).map(|result, actor, _| match result {
            Ok(Ok(Some(armed))) => {
                if actor.failed || actor.armed.is_some() {
                    info!(path = %actor.file.path().display(), "file notifications are back");
                }
                actor.failed = false;
                actor.armed = Some(armed);
                // What happened before they were set up went by unseen.
                actor.hint();
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                actor.armed = None;
                if !std::mem::replace(&mut actor.failed, true) {
                    warn!(
                        path = %actor.file.path().display(),
                        %error,
                        interval = ?actor.interval,
                        "no file notifications; looking at the file periodically"
                    );
                }
            }
            Err(error) => debug!(%error, "setting up file notifications was cut off"),
        }));
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
    let directory = file.directory_id().map_err(ArmError::Directory)?;
    if armed == Some(directory) {
        return Ok(None);
    }
    let name = file.path().file_name().map(OsStr::to_owned);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Runs on a thread of its own, which must not wait. An error may hide anything.
        if event.map_or(true, |event| concerns(&event, name.as_deref())) {
            let _ = hints.try_send(());
        }
    })?;
    watcher.watch(file.directory(), RecursiveMode::NonRecursive)?;
    Ok(Some(Armed { directory, _watcher: watcher }))
}

/// Reading the file is an event too; whoever reads it on one must not react to its own.
fn concerns(event: &notify::Event, name: Option<&OsStr>) -> bool {
    let about_it = |path: &PathBuf| path.file_name() == name;
    // An overflow of the kernel's queue names no path.
    event.need_rescan()
        || (!matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(about_it))
}
