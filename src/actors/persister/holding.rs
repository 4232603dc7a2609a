//! What the persister does about removals that the guard holds: it says so, reminds of it,
//! sees to it that the hold ends in time, and lets the operator end it.

use std::process;
use std::time::{Duration, Instant, SystemTime};

use actix::{AsyncContext, Context, Handler, SpawnHandle};
use tracing::{error, info, warn};

use super::Persister;
use crate::actors::messages::Release;
use crate::actors::publish::now;
use crate::core::guard::{Cause, End, GuardSettings, Hold, News};
use crate::telemetry::seconds;

/// How often it is said that removals still are held.
const REMINDER: Duration = Duration::from_secs(60);

/// What is known of the guard while a task has it.
#[derive(Default)]
pub(super) struct Holding {
    /// What is held, as of the last task.
    hold: Option<Hold>,
    /// The operator wants it released once the task under way is done.
    release: bool,
    reminder: Option<SpawnHandle>,
    /// What the last task refused to publish.
    pub(super) refused: Option<Hold>,
}

impl Persister {
    /// After a task: says what the guard did, and has its hold reviewed when it is over.
    pub(super) fn heed_guard(&mut self, ctx: &mut Context<Self>) {
        self.holding.hold = self.disk.guard.hold();
        if self.disk.once {
            return;
        }
        if let Some(news) = self.disk.guard.take_news() {
            if let Some(reminder) = self.holding.reminder.take() {
                ctx.cancel_future(reminder);
            }
            match news {
                News::Tripped(hold) => {
                    self.say_tripped(hold);
                    let reminder = ctx.run_interval(REMINDER, |actor, _| actor.remind());
                    self.holding.reminder = Some(reminder);
                }
                News::Ended(hold, end) => self.say_ended(hold, end),
            }
        }
        if std::mem::take(&mut self.holding.release) {
            self.disk.guard.release();
        }
        self.schedule.review_at(self.disk.guard.due());
    }

    fn say_tripped(&self, hold: Hold) {
        let path = &self.paths;
        let Hold { published, wanted, removals, .. } = hold;
        let GuardSettings { ratio: guard_ratio, min: guard_min, hold: time } =
            self.disk.guard.settings();
        let reason = match hold.cause {
            Cause::TooMany => "more than --guard-ratio and --guard-min allow",
            Cause::EmptyList => "etcd lists no target at all, or none of a source",
        };
        let (until, for_seconds) = (clock_time(hold.until), seconds(time));
        let release = release();
        error!(
            %path, published, wanted, held = removals, reason, guard_ratio, guard_min, %until,
            for_seconds, release, "mass removal held, these targets stay in the file; is etcd ill?"
        );
    }

    fn remind(&self) {
        let Some(Hold { removals, until, paused, .. }) = self.holding.hold else {
            return;
        };
        let path = &self.paths;
        if paused.is_some() {
            let release = release();
            warn!(%path, held = removals, release, "mass removal still held, at least until etcd can be reached again");
            return;
        }
        let for_seconds = seconds(until.saturating_duration_since(now()));
        let (until, release) = (clock_time(until), release());
        warn!(%path, held = removals, %until, for_seconds, release, "mass removal still held");
    }

    fn say_ended(&self, Hold { removals, since, .. }: Hold, end: End) {
        let (path, after_seconds) = (&self.paths, seconds(now() - since));
        match end {
            End::Recovered => {
                info!(%path, held = removals, after_seconds, "mass removal over: the registry has recovered");
            }
            End::Expired => {
                warn!(%path, held = removals, after_seconds, "mass removal let through: it has stood for --guard-hold");
            }
            End::Released => {
                warn!(%path, held = removals, after_seconds, "mass removal released by the operator");
            }
        }
    }
}

impl Handler<Release> for Persister {
    type Result = ();

    fn handle(&mut self, _: Release, ctx: &mut Self::Context) {
        if self.holding.hold.is_none() {
            info!("there is no removal to release: none is held");
        } else if self.schedule.is_working() {
            self.holding.release = true;
        } else {
            self.disk.guard.release();
            self.schedule.review_at(self.disk.guard.due());
            self.proceed(ctx);
        }
    }
}

/// What releases a hold.
fn release() -> String {
    format!("kill -USR1 {}", process::id())
}

/// An instant of the runtime's clock as the time of day.
fn clock_time(instant: Instant) -> humantime::Rfc3339Timestamp {
    let left = instant.saturating_duration_since(now());
    humantime::format_rfc3339_seconds(SystemTime::now() + left)
}
