//! `Persister`: keeps the target file equal to the document.
//!
//! It pulls the document on a hint, when [`core::persist`](crate::core::persist) says that
//! it is time, and compares, writes and heals the file where blocking is allowed. At most one
//! such task is under way.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, ResponseFuture,
    SpawnHandle, WrapFuture,
};
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::messages::{Close, Dirty, FirstPublish, Flush, Inspect, PublishResult, Render};
use super::publish::{Disk, Report, Written, now, work};
use crate::backoff::Backoff;
use crate::core::debounce::Debounce;
use crate::core::persist::{Outcome, Schedule, Step, Task};
use crate::file::{Error, TargetFile};
use crate::telemetry::{Chain, seconds};

/// The actor that writes.
pub struct Persister {
    file: TargetFile,
    registry: Recipient<Render>,
    schedule: Schedule,
    /// When the next step is due at the earliest, and the timer for that.
    timer: Option<(Instant, SpawnHandle)>,
    backoff: Backoff,
    disk: Disk,
    failure: Option<Arc<Error>>,
    fighting: bool,
    unsynced: bool,
    flushes: Vec<oneshot::Sender<PublishResult>>,
    first_publishes: Vec<oneshot::Sender<PublishResult>>,
    closed: bool,
    closes: Vec<oneshot::Sender<CloseResult>>,
}

impl Persister {
    /// Writes what `registry` renders to `file`, when `debounce` says that it is time.
    #[must_use]
    pub fn new(file: TargetFile, debounce: Debounce, registry: Recipient<Render>) -> Self {
        Self {
            file,
            registry,
            schedule: Schedule::new(debounce),
            timer: None,
            backoff: Backoff::for_disk(),
            disk: Disk::default(),
            failure: None,
            fighting: false,
            unsynced: false,
            flushes: Vec::new(),
            first_publishes: Vec::new(),
            closed: false,
            closes: Vec::new(),
        }
    }

    /// Does what is due, or sets the timer for it.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        if self.closed {
            self.answer_closes();
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
            Ok(report) => (self.succeed(task, &report, now), Ok(())),
            Err(error) => {
                let error = Arc::new(error);
                (self.fail(&error, now), Err(error))
            }
        };
        self.schedule.finish(task, outcome, now);
        if task.flush {
            // With no document to publish there is nothing to lose.
            answer_all(&mut self.flushes, &answer);
        }
        if self.disk.published.is_some() || (answer.is_err() && task.wants_document()) {
            answer_all(&mut self.first_publishes, &answer);
        }
    }

    fn answer_closes(&mut self) {
        if !self.schedule.is_working() {
            for sender in self.closes.drain(..) {
                let failed = self.failure.clone().map_or(Ok(self.disk.published.is_some()), Err);
                let _ = sender.send(failed);
            }
        }
    }

    fn succeed(&mut self, task: Task, report: &Report, now: Instant) -> Outcome {
        let path = self.file.path().display();
        let (drift, written) = match report {
            Report::NotReady => return Outcome::NotReady,
            Report::Looked(None) => return Outcome::Looked,
            Report::Looked(Some(drift)) => {
                info!(%path, found = %drift, "the target file changed; left alone until the first complete list");
                return Outcome::Looked;
            }
            Report::Published { drift, written } => (*drift, written),
        };
        self.backoff.succeeded(now);
        if self.failure.take().is_some() {
            info!(%path, "the target file can be written again");
        }
        if let Some(document) = &self.disk.published {
            let (revision, services) = (document.revision().0, document.services());
            let (targets, bytes) = (document.targets(), document.len());
            let since_change_seconds = task.since.map(|since| seconds(now - since));
            match written {
                Written::Before => {}
                Written::Elsewhere => {
                    info!(%path, revision, services, targets, bytes, "the target file is right already");
                }
                Written::Now { took, .. } => {
                    let took_seconds = seconds(*took);
                    info!(
                        %path, revision, services, targets, bytes, since_change_seconds,
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

impl Handler<Flush> for Persister {
    type Result = ResponseFuture<PublishResult>;

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        self.flushes.push(sender);
        self.schedule.flush();
        self.proceed(ctx);
        Box::pin(async move { answer.await.unwrap_or(Ok(())) })
    }
}

impl Handler<Close> for Persister {
    type Result = ResponseFuture<CloseResult>;

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        self.closed = true;
        self.closes.push(sender);
        self.proceed(ctx);
        Box::pin(async move { answer.await.unwrap_or(Ok(false)) })
    }
}

impl Handler<FirstPublish> for Persister {
    type Result = ResponseFuture<PublishResult>;

    fn handle(&mut self, _: FirstPublish, _: &mut Self::Context) -> Self::Result {
        let (sender, answer) = oneshot::channel();
        if self.disk.published.is_some() {
            let _ = sender.send(Ok(()));
        } else {
            self.first_publishes.push(sender);
        }
        Box::pin(async move { answer.await.unwrap_or(Ok(())) })
    }
}

type CloseResult = <Close as Message>::Result;

fn answer_all(waiting: &mut Vec<oneshot::Sender<PublishResult>>, answer: &PublishResult) {
    for sender in waiting.drain(..) {
        let _ = sender.send(answer.clone());
    }
}
