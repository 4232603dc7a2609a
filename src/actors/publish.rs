//! One task of the persister: look at the file, pull the document, write it if need be.

use std::time::{Duration, Instant};

use actix::Recipient;
use tracing::{info, warn};

use super::messages::Render;
use crate::core::guard::{Guard, Hold};
use crate::core::persist::{Known, Plan, Task, plan};
use crate::core::render::Document;
use crate::file::{Drift, Error, Identity, Mode, Replaced, TargetFile};
use crate::telemetry::Chain;

/// What is known of the file, and what it should hold.
#[derive(Default)]
pub(super) struct Disk {
    /// The document that the file was last known to hold.
    pub(super) published: Option<Document>,
    known: Option<Known<Option<Identity>>>,
    /// The permissions that the file should have: the operator's, not those of a foreign file
    /// in its place.
    mode: Option<Mode>,
    /// Holds back removals that are too many to be believed.
    pub(super) guard: Guard,
    /// Whether such removals are refused: nothing is written then.
    pub(super) refuses: bool,
}

/// What a task did.
pub(super) enum Report {
    /// The registry had no document to give.
    NotReady,
    /// Only looked at the file: no drift, or one that must be left alone as long as there is
    /// no document.
    Looked(Option<Drift>),
    /// The document would remove too much.
    Refused(Hold),
    /// The file holds the document.
    Published {
        /// What the file held that nobody had told it to hold.
        drift: Option<Drift>,
        /// How they came there.
        written: Written,
    },
}

/// How the document came into the file.
pub(super) enum Written {
    /// It was there before this task.
    Before,
    /// This process found it there when it started.
    Elsewhere,
    /// This task wrote it.
    Now {
        /// From the first byte to the synced directory.
        took: Duration,
        /// Why it may not survive a power cut.
        unsynced: Option<Error>,
    },
}

/// Carries out `task`. Blocking work is done where that is allowed.
pub(super) async fn work(
    file: TargetFile,
    registry: Recipient<Render>,
    mut disk: Disk,
    task: Task,
) -> (Disk, Result<Report, Error>) {
    let (file, mut disk, looked) = blocking(move || {
        let looked = disk.look(&file, task.inspect, now());
        (file, disk, looked)
    })
    .await;
    let drift = match looked {
        Ok(drift) => drift,
        Err(error) => return (disk, Err(error)),
    };
    if !task.wants_document() && (drift.is_none() || disk.published.is_none()) {
        return (disk, Ok(Report::Looked(drift)));
    }
    let rendered = registry.send(Render).await.ok().flatten();
    // In the middle of a revision the last published document is what heals the file.
    let again = disk.published.clone().filter(|_| drift.is_some());
    if rendered.is_none() && again.is_none() {
        return (disk, Ok(Report::NotReady));
    }
    blocking(move || {
        let reviewed = rendered.map(|wanted| disk.guard.review(wanted, now()));
        let result = match (disk.guard.hold(), reviewed.or(again)) {
            (Some(hold), _) if disk.refuses => Ok(Report::Refused(hold)),
            (_, Some(document)) => disk.publish(&file, document, drift),
            (_, None) => Ok(Report::NotReady),
        };
        (disk, result)
    })
    .await
}

impl Disk {
    /// Looks for drift. If the file looks as it did, its bytes are compared only if
    /// `thorough`, and even then only if its looks can't be trusted.
    fn look(
        &mut self,
        file: &TargetFile,
        thorough: bool,
        now: Instant,
    ) -> Result<Option<Drift>, Error> {
        let seen = file.identity()?;
        let Some(known) = &mut self.known else {
            self.take_baseline(file);
            self.known = Some(Known::new(seen, now));
            return Ok(None);
        };
        let looks_right = known.looks_like(&seen);
        if looks_right && !(thorough && known.is_unsettled(now)) {
            return Ok(None);
        }
        let Some(published) = &self.published else {
            known.confirm(seen, now);
            return Ok((!looks_right).then(|| Drift::by_looks(seen)));
        };
        let drift = file.compare(published)?;
        if drift.is_none() {
            known.confirm(seen, now);
        }
        Ok(drift)
    }

    /// What the file holds before the first publish is the guard's baseline.
    fn take_baseline(&mut self, file: &TargetFile) {
        if self.guard.settings().is_off() {
            return;
        }
        let path = file.path().display();
        match file.read().map(|bytes| bytes.filter(|bytes| !bytes.is_empty())) {
            Ok(None) => {}
            Ok(Some(bytes)) => match Document::parse(&bytes) {
                Ok(document) => self.guard.baseline(document),
                Err(error) => {
                    info!(%path, %error, "what the target file holds is not guarded against removal");
                }
            },
            Err(error) => {
                warn!(error = %Chain(&error), "what the target file holds is not guarded against removal");
            }
        }
    }

    /// Makes the file hold `document`, unless it does already.
    fn publish(
        &mut self,
        file: &TargetFile,
        document: Document,
        drift: Option<Drift>,
    ) -> Result<Report, Error> {
        let planned = plan(self.published.as_ref(), &document, drift.is_some());
        let written = match planned {
            Plan::Keep => Written::Before,
            Plan::Compare | Plan::Write => {
                let seen = file.identity()?;
                // The permissions of a foreign file are not the operator's wish.
                if drift.is_none() || planned == Plan::Compare {
                    self.mode = seen.and_then(Identity::mode).or(self.mode);
                }
                if planned == Plan::Compare && file.compare(&document)?.is_none() {
                    self.known = Some(Known::new(seen, now()));
                    Written::Elsewhere
                } else {
                    let begun = Instant::now();
                    let mode = self.mode.unwrap_or_default();
                    let Replaced { identity, unsynced } = file.replace(&document, mode)?;
                    self.known = Some(Known::new(Some(identity), now()));
                    Written::Now { took: begun.elapsed(), unsynced }
                }
            }
        };
        // Before the first publish nobody had told the file to hold anything.
        let drift = drift.filter(|_| self.published.is_some());
        self.guard.published(&document, now());
        self.published = Some(document);
        Ok(Report::Published { drift, written })
    }
}

/// The runtime's clock, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Runs where blocking is allowed; a panic there is one here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
