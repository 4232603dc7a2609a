//! How many keys there are, and what their targets cost: kept as they change.

use crate::core::cost::Cost;
use crate::core::service::State;

/// How many keys there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Services with at least one entry.
    pub services: usize,
    /// Entries whose value is good, and for which there is room.
    pub valid: usize,
    /// Entries in quarantine, bad keys and those that wait for room included.
    pub quarantined: usize,
    /// Keys below the prefix that are not ours.
    pub ignored: usize,
    /// Addresses of all entries, last good ones included.
    pub targets: usize,
    /// What those targets cost in bytes; see [`Cost`].
    pub bytes: usize,
    /// Entries that wait for room.
    pub waiting: usize,
}

impl Counts {
    /// An entry has come that costs so much.
    pub(super) fn add(&mut self, state: &State, cost: Cost) {
        match state {
            State::Valid(_) => self.valid += 1,
            State::Quarantined(_) => self.quarantined += 1,
            State::Waiting(_) => {
                self.quarantined += 1;
                self.waiting += 1;
            }
        }
        self.targets += cost.targets;
        self.bytes += cost.bytes;
    }

    /// An entry has gone.
    pub(super) fn forget(&mut self, state: &State, cost: Cost) {
        match state {
            State::Valid(_) => self.valid -= 1,
            State::Quarantined(_) => self.quarantined -= 1,
            State::Waiting(_) => {
                self.quarantined -= 1;
                self.waiting -= 1;
            }
        }
        self.targets -= cost.targets;
        self.bytes -= cost.bytes;
    }
}
