//! `Persister`: keeps the target file equal to the document.
//!
//! It pulls the document on a hint, when [`core::persist`](crate::core::persist) says that
//! it is time, and compares, writes and heals the file where blocking is allowed. At most one
//! such task is under way.

mod answers;
mod holding;

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Recipient, SpawnHandle, WrapFuture,
};
use tracing::{error, info, warn};

use super::messages::{Dirty, Inspect, Render, Unpublished};
use super::publish::{Disk, Report, Written, now, work};
use crate::backoff::Backoff;
use crate::core::debounce::Debounce;
use crate::core::guard::{Guard, GuardSettings};
use crate::core::persist::{Outcome, Schedule, Step, Task};
use crate::file::{Error, TargetFile};
use crate::telemetry::{Chain, seconds};
use answers::Answers;
use holding::Holding;

/// The actor that writes.
pub struct Persister {
    file: TargetFile,
    registry: Recipient<Render>,
    schedule: Schedule,
    /// When the next step is due at the earliest, and the timer for that.
    timer: Option<(Instant, SpawnHandle)>,
    backoff: Backoff,
    disk: Disk,
    holding: Holding,
    failure: Option<Arc<Error>>,
    fighting: bool,
    unsynced: bool,
    answers: Answers,
}

impl Persister {
    /// Writes what `registry` renders to `file`, when `debounce` says that it is time. Mass
    /// removals are held by the default settings of the guard.
    #[must_use]
    pub fn new(file: TargetFile, debounce: Debounce, registry: Recipient<Render>) -> Self {
        Self {
            file,
            registry,
            schedule: Schedule::new(debounce),
            timer: None,
            backoff: Backoff::for_disk(),
            disk: Disk::default(),
            holding: Holding::default(),
            failure: None,
            fighting: false,
            unsynced: false,
            answers: Answers::default(),
        }
    }

    /// Holds mass removals by these settings; with `refuses`, a document that would need it is
    /// not published at all.
    #[must_use]
    pub fn guarded(mut self, settings: GuardSettings, refuses: bool) -> Self {
        (self.disk.guard, self.disk.refuses) = (Guard::new(settings), refuses);
        self
    }

    /// Does what is due, or sets the timer for it.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        if self.is_closed() {
            return;
        }
        let now = now();
        match self.schedule.step(now) {
            Step::Rest => {}
            Step::Wait(until) => self.wake(until, now, ctx),
            Step::Work => {
                let task = self.schedule.begin(now);
                let (file, disk) = (self.file.clone(), mem::take(&mut self.disk));
                let work = work(file, self.registry.clone(), disk, task);
                ctx.spawn(work.into_actor(self).map(move |(disk, result), actor, ctx| {
                    actor.disk = disk;
                    actor.heed_guard(ctx);
                    actor.finish(task, result);
                    actor.proceed(ctx);
                }));
            }
        }
    }

    /// Sets the timer. One that is due earlier is left as it is, and sees then that it is too
    /// early: a burst that keeps putting the publish off does not set a timer a change.
    fn wake(&mut self, until: Instant, now: Instant, ctx: &mut Context<Self>) {
        if let Some((due, timer)) = self.timer {
            if due <= until {
                return;
            }
            ctx.cancel_future(timer);
        }
        let timer = ctx.run_later(until - now, |actor, ctx| {
            actor.timer = None;
            actor.proceed(ctx);
        });
        self.timer = Some((until, timer));
    }

    fn finish(&mut self, task: Task, result: Result<Report, Error>) {
        let now = now();
        let (outcome, answer) = match result {
            Ok(Report::Refused(hold)) => {
                self.holding.refused = Some(hold);
                (Outcome::Looked, Err(Unpublished::Refused(hold)))
            }
            Ok(report) => (self.succeed(task, &report, now), Ok(())),
            Err(error) => {
                let error = Arc::new(error);
                (self.fail(&error, now), Err(Unpublished::Failed(error)))
            }
        };
        self.schedule.finish(task, outcome, now);
        self.answer(task, &answer);
    }

    fn succeed(&mut self, task: Task, report: &Report, now: Instant) -> Outcome {
        let path = self.file.path().display();
        let (drift, written) = match report {
            Report::NotReady => return Outcome::NotReady,
            Report::Looked(None) | Report::Refused(_) => return Outcome::Looked,
            Report::Looked(Some(drift)) => {
                info!(%path, found = %drift, "the target file changed; left alone until the first complete list");
                return Outcome::Looked;
            }
            Report::Published { drift, written } => (*drift, written),
        };
        self.holding.refused = None;
        self.backoff.succeeded(now);
        if self.failure.take().is_some() {
            info!(%path, "the target file can be written again");
        }
        if let Some(document) = &self.disk.published {
            let (revision, services) = (document.revision().0, document.services());
            let (targets, bytes) = (document.targets(), document.len());
            let held = self.disk.guard.hold().map(|hold| hold.removals);
            let since_change_seconds = task.since.map(|since| seconds(now - since));
            match written {
                Written::Before => {}
                Written::Elsewhere => {
                    info!(%path, revision, services, targets, held, bytes, "the target file is right already");
                }
                Written::Now { took, .. } => {
                    let took_seconds = seconds(*took);
                    info!(
                        %path, revision, services, targets, held, bytes, since_change_seconds,
                        took_seconds, "published"
                    );
                }
            }
        }
        if let Written::Now { unsynced, .. } = written {
            let was_unsynced = mem::replace(&mut self.unsynced, unsynced.is_some());
            match unsynced {
                Some(error) if !was_unsynced => {
                    warn!(error = %Chain(error), "published, but not safe against a power cut");
                }
                None if was_unsynced => info!(%path, "published, safe against a power cut again"),
                _ => {}
            }
        }
        if let Some(drift) = drift {
            warn!(%path, found = %drift, "drift healed");
        }
        Outcome::Done { healed: drift.is_some() }
    }

    /// Says a failure once, not at each try.
    fn fail(&mut self, error: &Arc<Error>, now: Instant) -> Outcome {
        let delay = self.backoff.failed(now);
        let text = Chain(&**error).to_string();
        if self.failure.as_ref().is_none_or(|said| Chain(&**said).to_string() != text) {
            let retry_in_seconds = seconds(delay);
            error!(error = %text, retry_in_seconds, "cannot publish; the target file stays as it is, trying again and again");
        }
        self.failure = Some(Arc::clone(error));
        Outcome::Failed(delay)
    }

    /// Says the beginning and the end of a fight for the file.
    fn watch_fight(&mut self) {
        let fighting = self.schedule.is_fight(now());
        if fighting != mem::replace(&mut self.fighting, fighting) {
            let path = self.file.path().display();
            if fighting {
                error!(%path, "another program keeps changing the target file; healing it ever more slowly, find that program and stop it");
            } else {
                info!(%path, "the target file is at peace again");
            }
        }
    }
}

impl Actor for Persister {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let file = self.file.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = file.remove_leftovers() {
                warn!(error = %Chain(&error), "temporary files of an earlier run are left");
            }
        });
        // How the file looks now is what drift before the first publish is told by.
        self.schedule.inspect(now());
        self.proceed(ctx);
    }
}

impl Handler<Dirty> for Persister {
    type Result = ();

    fn handle(&mut self, _: Dirty, ctx: &mut Self::Context) {
        self.schedule.changed(now());
        self.proceed(ctx);
    }
}

impl Handler<Inspect> for Persister {
    type Result = ();

    fn handle(&mut self, _: Inspect, ctx: &mut Self::Context) {
        self.watch_fight();
        self.schedule.inspect(now());
        self.proceed(ctx);
    }
}
