//! `Persister`: keeps the target file, and whatever else it publishes to, equal to the document.
//!
//! It pulls the document on a hint, when [`core::persist`](crate::core::persist) says that
//! it is time, and compares, writes and heals its outputs where blocking is allowed. At most one
//! such task is under way.

mod answers;
mod holding;
mod telling;
mod voice;

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use actix::{
    Actor, ActorFutureExt, AsyncContext, Context, Handler, Recipient, SpawnHandle, WrapFuture,
};

use super::messages::{Confirm, Dirty, Inspect, Render, Unpublished};
use super::output::Output;
use super::output::directory::DirectoryOutput;
use super::output::file::FileOutput;
use super::publish::{Confirmed, Disk, Held, Report, STANDBY_PERIOD, now, work};
use crate::backoff::Backoff;
use crate::core::debounce::Debounce;
use crate::core::guard::{Guard, GuardSettings};
use crate::core::persist::{Outcome, Schedule, Step, Task};
use crate::core::render::Document;
use crate::file::{TargetDir, TargetFile};
use answers::Answers;
use holding::Holding;
use telling::Telling;
use voice::{News, Voice};

/// The actor that writes.
pub struct Persister {
    registry: Recipient<Render>,
    /// Whom to ask whether the registry is new enough to take over; `None` if it always is.
    watcher: Option<Recipient<Confirm>>,
    confirmed: Vec<Confirmed>,
    schedule: Schedule,
    /// When the next step is due at the earliest, and the timer for that.
    timer: Option<(Instant, SpawnHandle)>,
    backoff: Backoff,
    disk: Disk,
    holding: Holding,
    /// One for each output.
    voices: Vec<Voice>,
    telling: Telling,
    /// Where it publishes, for the log.
    paths: String,
    answers: Answers,
}

impl Persister {
    /// Publishes what `registry` renders, when `debounce` says that it is time: nowhere, until
    /// it is told where to. Mass removals are held by the default settings of the guard.
    #[must_use]
    pub fn new(debounce: Debounce, registry: Recipient<Render>) -> Self {
        Self {
            registry,
            watcher: None,
            confirmed: Vec::new(),
            schedule: Schedule::new(debounce),
            timer: None,
            backoff: Backoff::for_disk(),
            disk: Disk::default(),
            holding: Holding::default(),
            voices: Vec::new(),
            telling: Telling::default(),
            paths: String::new(),
            answers: Answers::default(),
        }
    }

    /// Publishes to this file.
    #[must_use]
    pub fn to_file(self, file: TargetFile) -> Self {
        self.to(Box::new(FileOutput::new(file)))
    }

    /// Publishes to this directory, one file a service.
    #[must_use]
    pub fn to_directory(self, directory: TargetDir) -> Self {
        self.to(Box::new(DirectoryOutput::new(directory)))
    }

    /// Holds mass removals by these settings; with `once`, a document that would need it is not
    /// published at all, and what another process writes is only looked at.
    #[must_use]
    pub fn guarded(mut self, settings: GuardSettings, once: bool) -> Self {
        (self.disk.guard, self.disk.once) = (Guard::new(settings), once);
        self
    }

    /// Asks there, before it publishes where another process has published until now, whether
    /// the registry is as new.
    #[must_use]
    pub fn confirming(mut self, watcher: Recipient<Confirm>) -> Self {
        self.watcher = Some(watcher);
        self
    }

    fn to(mut self, output: Box<dyn Output>) -> Self {
        if !self.paths.is_empty() {
            self.paths.push(',');
        }
        self.paths.push_str(&output.path().display().to_string());
        self.telling.add(output.as_ref());
        self.disk.outputs.push(Held::new(output));
        self.voices.push(Voice::default());
        self
    }

    /// Does what is due, or sets the timer for it.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        if self.is_closed() {
            return;
        }
        let now = now();
        self.telling.observer.board.pending(self.schedule.pending_since());
        match self.schedule.step(now) {
            Step::Rest => {}
            Step::Wait(until) => self.wake(until, now, ctx),
            Step::Work => {
                let task = self.schedule.begin(now);
                self.telling.observer.board.working(Some(now));
                if let Some(since) = task.since {
                    let wait = now.saturating_duration_since(since);
                    self.telling.observer.metrics.debounce_wait.observe(wait);
                }
                let (disk, confirmed) = (mem::take(&mut self.disk), mem::take(&mut self.confirmed));
                let work = work(self.registry.clone(), disk, task, confirmed);
                ctx.spawn(work.into_actor(self).map(move |(disk, report), actor, ctx| {
                    actor.disk = disk;
                    actor.telling.observer.board.working(None);
                    actor.heed_guard(ctx);
                    actor.finish(task, report, ctx);
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

    fn finish(&mut self, task: Task, report: Report, ctx: &mut Context<Self>) {
        let now = now();
        let again = report.outputs.iter().filter_map(|done| done.again).min();
        let poll = report.outputs.iter().filter_map(|done| done.poll).min();
        let (has_failed, has_published) = (report.has_failed(), report.has_published());
        let delay = if has_failed { self.backoff.failed(now) } else { STANDBY_PERIOD };
        let (rested, all_rest) = self.disk.rest(&report, now, now + delay);
        self.holding.refused = report.refused.or(self.holding.refused.filter(|_| !has_published));
        if has_published && !has_failed && rested.is_none() {
            self.backoff.succeeded(now);
        }
        self.ask_for_confirmation(&report, ctx);
        self.tell_published(&report);
        let removals = self.disk.guard.hold().map(|hold| hold.removals);
        let document = self.disk.document.as_ref();
        let news = document.map(|document| News { document, held: removals, task });
        let outputs = self.disk.outputs.iter().zip(&mut self.voices);
        for (at, ((held, voice), done)) in outputs.zip(report.outputs).enumerate() {
            self.telling.done(at, &done, document.map(Document::revision));
            voice.say(held.output.as_ref(), done, news, delay, now);
        }
        self.tell(now);
        let outcome = if has_failed && all_rest {
            Outcome::Failed(delay)
        } else if report.not_ready {
            Outcome::NotReady
        } else if self.disk.once && task.wants_document() && self.disk.differing().is_some() {
            Outcome::Failed(STANDBY_PERIOD)
        } else if has_published {
            Outcome::Done
        } else {
            Outcome::Looked
        };
        self.schedule.finish(task, outcome, now);
        if let Some(again) = again {
            self.schedule.look_at(again);
        }
        if let Some(poll) = poll {
            self.schedule.poll_at(poll);
        }
        // Without a document, what is to be tried again waits for one, which may take long.
        let waits = report.not_ready && task.review;
        let retry = rested.or_else(|| (has_failed || waits).then_some(now + delay));
        if let Some(retry) = retry.filter(|_| !(has_failed && all_rest)) {
            self.schedule.retry_at(retry);
        }
        let failure = self.voices.iter().find_map(Voice::failure).filter(|_| has_failed);
        let answer = match (failure, report.refused) {
            (Some(error), _) => Err(Unpublished::Failed(Arc::clone(error))),
            (None, Some(hold)) => Err(Unpublished::Refused(hold)),
            (None, None) => Ok(()),
        };
        self.answer(task, &answer);
    }

    /// The answer may take as long as etcd is away.
    fn ask_for_confirmation(&mut self, report: &Report, ctx: &mut Context<Self>) {
        for (output, done) in report.outputs.iter().enumerate() {
            let Some(number) = done.confirm else { continue };
            let confirmed = Confirmed { output, number };
            let watcher = self.watcher.clone();
            let asking = async move {
                match watcher {
                    Some(watcher) => matches!(watcher.send(Confirm).await, Ok(Ok(()))),
                    None => true,
                }
            };
            ctx.spawn(asking.into_actor(self).map(move |is_new, actor, ctx| {
                if is_new {
                    actor.confirmed.push(confirmed);
                    actor.schedule.changed(now());
                    actor.proceed(ctx);
                }
            }));
        }
    }
}

impl Actor for Persister {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // How the files look now is what drift before the first publish is told by.
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
        self.schedule.inspect(now());
        self.proceed(ctx);
    }
}
