//! `DriftWatcher`: notices that something may have happened to what the persister writes.
//!
//! It only says "look": the persister judges by the bytes. Notifications come from directories,
//! since one on a file itself would be lost with its first replacement. Which directories these
//! are may change with each link on the way, and with each directory that comes and goes: so
//! they are looked up anew at each event. A slow periodic look is the twin of the events, for
//! what the kernel does not report.
//!
//! The only module that knows `notify`.

mod lookout;
mod notifications;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Recipient, WrapFuture};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::messages::Inspect;
use crate::core::throttle::Throttle;
use crate::telemetry::seconds;
use notifications::{Armed, Notifications};

pub use lookout::Watched;

/// Between two hints: what somebody does to a file or a link all the time should not keep us
/// busy.
const HINT_PAUSE: Duration = Duration::from_millis(20);

/// Between two times that the notifications are brought up to date.
const PAUSE: Duration = Duration::from_millis(100);

/// No more reasons than that are said before all is well again.
const REASONS: usize = 8;

/// Lines about changes that went well: so many at once, then one each so often.
const LINES: u32 = 5;
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The actor that watches the directories of what is written.
pub struct DriftWatcher {
    /// As the operator named it.
    what: String,
    interval: Duration,
    persister: Recipient<Inspect>,
    hints: Option<mpsc::Receiver<()>>,
    arming: Arming,
    /// They must be brought up to date once more.
    again: bool,
    /// There have been some.
    was_armed: bool,
    /// Why there are not all of them, as far as that was said.
    reasons: Vec<String>,
    lines: Throttle,
}

/// Where the notifications are.
enum Arming {
    /// Here, to be brought up to date at any time.
    Rests(Notifications),
    /// Here, and to be left alone for a moment.
    Pauses(Notifications),
    /// Where blocking is allowed. On a disk that hangs, one that waits is enough.
    Works,
}

impl DriftWatcher {
    /// Watches all of `watched`, and has them looked at each `interval` whatever the kernel says.
    #[must_use]
    pub fn new(watched: Vec<Watched>, interval: Duration, persister: Recipient<Inspect>) -> Self {
        // One hint that is not taken yet stands for all that follow.
        let (sender, hints) = mpsc::channel(1);
        let paths: Vec<_> = watched.iter().map(|watched| watched.path().to_owned()).collect();
        Self {
            what: listed(&paths),
            interval,
            persister,
            hints: Some(hints),
            arming: Arming::Rests(Notifications::new(watched, sender)),
            again: false,
            was_armed: false,
            reasons: Vec::new(),
            lines: Throttle::new(LINES, LINE_INTERVAL),
        }
    }

    fn hint(&self) {
        // A full mailbox holds a hint already.
        let _ = self.persister.try_send(Inspect);
    }

    /// Passes hints on, one after the other.
    fn listen(&mut self, ctx: &mut Context<Self>) {
        let Some(mut hints) = self.hints.take() else {
            return;
        };
        let next = async move { hints.recv().await.map(|()| hints) };
        ctx.spawn(next.into_actor(self).map(|hints, actor, ctx| {
            actor.hints = hints;
            actor.look(ctx);
            ctx.run_later(HINT_PAUSE, Self::listen);
        }));
    }

    /// Something may have happened, to a file or to what leads to it.
    fn look(&mut self, ctx: &mut Context<Self>) {
        self.hint();
        self.arm(ctx);
    }

    /// Brings the notifications up to date.
    fn arm(&mut self, ctx: &mut Context<Self>) {
        let mut notifications = match std::mem::replace(&mut self.arming, Arming::Works) {
            Arming::Rests(notifications) => notifications,
            busy => {
                self.arming = busy;
                self.again = true;
                return;
            }
        };
        self.again = false;
        let arming = tokio::task::spawn_blocking(move || {
            let armed = notifications.arm();
            (notifications, armed)
        });
        ctx.spawn(arming.into_actor(self).map(|result, actor, ctx| match result {
            Ok((notifications, armed)) => {
                actor.arming = Arming::Pauses(notifications);
                ctx.run_later(PAUSE, Self::rest);
                actor.armed(&armed);
            }
            Err(error) => debug!(%error, "setting up file notifications was cut off"),
        }));
    }

    fn rest(&mut self, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.arming, Arming::Works) {
            Arming::Pauses(notifications) => self.arming = Arming::Rests(notifications),
            other => self.arming = other,
        }
        if self.again {
            self.arm(ctx);
        }
    }

    fn armed(&mut self, armed: &Armed) {
        if armed.changed {
            // What happened before they were set up went by unseen, to the files as well as to
            // what leads to them.
            self.hint();
            self.again = true;
        }
        self.say(armed);
    }

    /// Says the beginning and the end of a trouble, and each reason once.
    fn say(&mut self, Armed { new, troubles, .. }: &Armed) {
        let what = &self.what;
        for trouble in troubles {
            let reason = trouble.to_string();
            if self.reasons.contains(&reason) || self.reasons.len() == REASONS {
                continue;
            }
            warn!(
                what,
                reason,
                drift_interval_seconds = seconds(self.interval),
                "no file notifications; a change is found each --drift-interval all the same, \
                 and notifications are tried again then"
            );
            self.reasons.push(reason);
        }
        let is_back = troubles.is_empty() && !self.reasons.is_empty();
        if is_back {
            self.reasons.clear();
            info!(what, "file notifications are back");
        } else if !new.is_empty() && self.was_armed && self.lines.pass(Instant::now()) {
            info!(what, directories = listed(new), "file notifications were set up anew");
        }
        self.was_armed |= !new.is_empty();
    }
}

impl Actor for DriftWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.listen(ctx);
        self.arm(ctx);
        ctx.run_interval(self.interval, Self::look);
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(", ")
}
