//! Confirming: since when is the registry as new as etcd was when somebody asked?
//!
//! A linearizable read that begins after the question says how far etcd is; once the registry
//! has taken that revision, those who asked before the read have their answer. A list that
//! begins after the question is such a read too, and its end is the answer. Where the watch
//! does not come up to the revision of the read, because what happened since was not for us and
//! its server's word on progress can't be trusted, a list is what helps.
//!
//! Those who ask stand in one queue, whose length is told; answered are so many at its head.

use std::time::{Duration, Instant};

use super::{Header, Position, RelistReason};
use crate::core::event::Revision;

/// What is on its way comes within this, or is asked for once more.
const PACE: Duration = Duration::from_millis(100);

/// So often, before a list is the quicker way.
const TRIES: u32 = 3;

/// What is known for those who wait to be confirmed.
#[derive(Debug, Default)]
pub struct Confirm {
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// A read has begun while the registry stood there.
    Reading { covered: usize, position: Position },
    /// The read has told this revision.
    Behind { covered: usize, revision: Revision, tries: u32, until: Instant },
    /// A list has begun.
    Listing { covered: usize },
}

/// What to do when the registry is not yet as far as etcd was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Late {
    /// Ask the watch for its progress, if its word can be trusted, and go on waiting.
    Ask,
    /// List anew.
    Relist(RelistReason),
}

impl Confirm {
    /// There is a new connection, or a new watch on one: a read or a list that was under way is
    /// not any more, and proves nothing.
    pub fn begin_again(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Whether to begin a read now, for the `asked` who wait. The watch must stand.
    pub fn begins_read(&mut self, asked: usize, position: Option<Position>) -> bool {
        let (Stage::Idle, 1.., Some(position)) = (&self.stage, asked, position) else {
            return false;
        };
        self.stage = Stage::Reading { covered: asked, position };
        true
    }

    /// The read has ended. Returns why the registry must be listed anew, if what it tells can't
    /// be of the history that the registry was read from.
    pub fn read(&mut self, header: Header, now: Instant) -> Option<RelistReason> {
        if let Stage::Reading { covered, position } = self.stage {
            if let Some(reason) = position.contradiction(header) {
                return Some(reason);
            }
            let revision = header.revision;
            self.stage = Stage::Behind { covered, revision, tries: 0, until: now };
        }
        None
    }

    /// The registry has taken all up to `position`. Returns how many of those who wait are
    /// answered by that.
    #[must_use]
    pub fn taken(&mut self, position: Option<Position>) -> usize {
        match (&self.stage, position) {
            (&Stage::Behind { covered, revision, .. }, Some(position))
                if position.revision >= revision =>
            {
                self.stage = Stage::Idle;
                covered
            }
            _ => 0,
        }
    }

    /// When to call [`Confirm::late`], if at all.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Behind { until, .. } => Some(until),
            _ => None,
        }
    }

    /// The deadline has passed, and the registry is not as far as it should be.
    pub fn late(&mut self, now: Instant) -> Late {
        match &mut self.stage {
            Stage::Behind { tries, until, .. } if *tries < TRIES => {
                *tries += 1;
                *until = now + PACE;
                Late::Ask
            }
            _ => Late::Relist(RelistReason::TookOver),
        }
    }

    /// A list begins, for the `asked` who wait as well.
    pub fn begins_list(&mut self, asked: usize) {
        self.stage = Stage::Listing { covered: asked };
    }

    /// The list is complete, and the registry has taken it. Returns how many are answered by
    /// that.
    #[must_use]
    pub fn listed(&mut self) -> usize {
        match std::mem::take(&mut self.stage) {
            Stage::Listing { covered } => covered,
            _ => 0,
        }
    }
}
