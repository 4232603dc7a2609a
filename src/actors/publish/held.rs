//! An output in the hands of the persister: who may write there, and whether to leave it alone.

use std::time::Instant;

use super::STANDBY_PERIOD;
use crate::actors::output::{Claim, Drifted, Output, Publication};
use crate::core::persist::Task;
use crate::file::Error;

/// An output, and whether this process may write there.
pub(in crate::actors) struct Held {
    pub(in crate::actors) output: Box<dyn Output>,
    pub(super) standing: Standing,
    /// After a fault of its disk it is left alone until then.
    pub(super) rests_until: Option<Instant>,
    /// How often a take-over had to be confirmed.
    confirmations: u32,
}

/// Whether this process may write to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not asked yet, or could not.
    New,
    /// Another process does. `is_right` says whether that has written what this one would, once
    /// they could be compared.
    StandBy { is_right: Option<bool> },
    /// The other one is gone. What it has published may be newer than what the registry holds:
    /// nothing is published before that is confirmed, by the answer of this number.
    Confirming(u32),
    /// It may.
    Active,
}

/// What a task did with one output.
#[derive(Default)]
pub(in crate::actors) struct Done {
    /// Who writes there, if that is news.
    pub(in crate::actors) claim: Option<Claim>,
    /// It was left alone.
    pub(in crate::actors) is_left_alone: bool,
    /// That it may be published to has to be confirmed, under this number.
    pub(in crate::actors) confirm: Option<u32>,
    pub(super) drift: Vec<Drifted>,
    /// When to look again.
    pub(in crate::actors) again: Option<Instant>,
    /// When to ask again whether it still is another process's.
    pub(in crate::actors) poll: Option<Instant>,
    /// What came of publishing, if that was tried.
    pub(in crate::actors) publication: Option<Publication>,
    /// Why it could not be looked at, or why it does not hold all of the document.
    pub(in crate::actors) failed: Option<Error>,
}

impl Held {
    pub(in crate::actors) fn new(output: Box<dyn Output>) -> Self {
        Self { output, standing: Standing::New, rests_until: None, confirmations: 0 }
    }

    pub(super) fn look(&mut self, task: Task, now: Instant) -> Done {
        let rests = !task.flush && self.rests_until.is_some_and(|until| now < until);
        if rests || (task.is_poll() && self.standing.is_ours()) {
            return Done { is_left_alone: true, ..Done::default() };
        }
        match self.try_look(task.inspect, now) {
            Ok(done) => done,
            Err(error) => Done { failed: Some(error), ..Done::default() },
        }
    }

    fn try_look(&mut self, thorough: bool, now: Instant) -> Result<Done, Error> {
        let mut done = Done::default();
        let claim = self.output.claim()?;
        let is_news = match claim {
            Claim::Ours => !self.standing.is_ours(),
            Claim::Theirs { .. } => !matches!(self.standing, Standing::StandBy { .. }),
        };
        done.claim = Some(claim).filter(|_| is_news);
        match (claim, self.standing) {
            _ if !is_news => {}
            (Claim::Theirs { .. }, _) => self.standing = Standing::StandBy { is_right: None },
            (Claim::Ours, Standing::New) => self.standing = Standing::Active,
            (Claim::Ours, _) => {
                self.confirmations += 1;
                self.standing = Standing::Confirming(self.confirmations);
                done.confirm = Some(self.confirmations);
            }
        }
        if let Standing::StandBy { .. } = self.standing {
            done.poll = Some(now + STANDBY_PERIOD);
            return Ok(done);
        }
        let look = self.output.look(thorough, now)?;
        (done.drift, done.again) = (look.drift, look.again);
        Ok(done)
    }
}

impl Standing {
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::Confirming(_) | Self::Active)
    }
}
