//! What the world is told of a hold.

use std::time::Instant;

/// A removal that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub cause: Cause,
    /// Targets of the baseline.
    pub published: usize,
    /// Targets that the registry has.
    pub wanted: usize,
    /// Targets that are published though the registry does not have them.
    pub removals: usize,
    /// When it began.
    pub since: Instant,
    /// When it ends, if it does not before; later by however long etcd can't be reached.
    pub until: Instant,
    /// Since when etcd can't be reached.
    pub paused: Option<Instant>,
}

impl Hold {
    /// Lets the clock run, or stops it.
    pub(super) fn run(&mut self, out_of_touch: bool, now: Instant) {
        match self.paused {
            None if out_of_touch => self.paused = Some(now),
            Some(since) if !out_of_touch => {
                self.until += now.saturating_duration_since(since);
                self.paused = None;
            }
            _ => {}
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.paused.is_none() && now >= self.until
    }
}

/// What made the guard hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// More targets are gone than the settings allow.
    TooMany,
    /// etcd listed nothing at all.
    EmptyList,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// A hold has begun.
    Tripped(Hold),
    /// It is over, for this reason.
    Ended(Hold, End),
}

/// Why a hold is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Enough targets are back.
    Recovered,
    /// The removal has stood for long enough.
    Expired,
    /// The operator said so.
    Released,
}
