//! One service: its instances, and its piece of the document.

use std::collections::BTreeMap;

use super::cost::{Cost, Need};
use super::event::Revision;
use super::quarantine::OverBudget;
use super::render::Piece;
use super::schema::ReadError;
use super::value::Target;

#[derive(Clone, Debug, Default)]
pub(super) struct Service {
    pub(super) instances: BTreeMap<Box<str>, Entry>,
    /// `None` while it must be rendered anew.
    pub(super) piece: Option<Piece>,
    /// The number of the last audit that need not look for the service in etcd any more.
    pub(super) audited: u32,
    /// Addresses of all instances, last good ones included. No memory holds more of them.
    targets: u32,
}

impl Service {
    /// One that the audit of this number need not look for.
    pub(super) fn new(audited: u32) -> Self {
        Self { audited, ..Self::default() }
    }

    /// One of these entries, ascending by name, that need be looked for like any other. Its
    /// nodes are full, while entries that come one by one in their order leave them half empty.
    pub(super) fn of(entries: Vec<(Box<str>, Entry)>, cost: Cost, audited: u32) -> Self {
        let mut service = Self { instances: BTreeMap::from_iter(entries), ..Self::new(audited) };
        service.count(Cost::default(), cost);
        service
    }

    /// Whether it has just these entries, all of them good, and need not be rendered.
    pub(super) fn is_of(&self, entries: &[(Box<str>, Entry)]) -> bool {
        self.piece.is_some()
            && self.instances.len() == entries.len()
            && self
                .instances
                .iter()
                .zip(entries)
                .all(|((name, held), (other, entry))| name == other && held.is_same_good(entry))
    }

    pub(super) fn render(&mut self, name: &str) -> &Piece {
        let Self { instances, piece, .. } = self;
        piece.get_or_insert_with(|| {
            Piece::render(name, instances.values().filter_map(|entry| entry.state.target()))
        })
    }

    /// Addresses of all instances, last good ones included.
    pub(super) fn targets(&self) -> usize {
        self.targets as usize
    }

    /// One of its entries costs `after` instead of `before`.
    pub(super) fn count(&mut self, before: Cost, after: Cost) {
        let targets = self.targets() + after.targets - before.targets;
        self.targets = u32::try_from(targets).unwrap_or(u32::MAX);
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) mod_revision: Revision,
    pub(super) state: State,
}

impl Entry {
    fn is_same_good(&self, other: &Self) -> bool {
        let (State::Valid(one), State::Valid(another)) = (&self.state, &other.state) else {
            return false;
        };
        self.mod_revision == other.mod_revision && one == another
    }
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Valid(Target),
    /// The value is bad. Boxed, as the next one is, so that what is rare makes no other entry
    /// larger.
    Quarantined(Box<Bad>),
    /// The value is good, and there is no room for it.
    Waiting(Box<Waiting>),
}

/// What an entry has whose value is bad.
#[derive(Clone, Debug)]
pub(super) struct Bad {
    pub(super) last_good: Option<Target>,
    /// What is wrong with the value.
    pub(super) reason: ReadError,
}

/// What an entry has that waits for room.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) last_good: Option<Target>,
    pub(super) wanted: Target,
    /// Why there was no room when it was looked for.
    pub(super) reason: OverBudget,
}

impl State {
    /// The target in the document.
    pub(super) fn target(&self) -> Option<&Target> {
        match self {
            Self::Valid(target) => Some(target),
            Self::Quarantined(bad) => bad.last_good.as_ref(),
            Self::Waiting(waiting) => waiting.last_good.as_ref(),
        }
    }

    /// The target in the document, of an entry that is no more.
    pub(super) fn into_target(self) -> Option<Target> {
        match self {
            Self::Valid(target) => Some(target),
            Self::Quarantined(bad) => bad.last_good,
            Self::Waiting(waiting) => waiting.last_good,
        }
    }

    /// The target that the value stands for.
    pub(super) fn wanted(&self) -> Option<&Target> {
        match self {
            Self::Valid(target) => Some(target),
            Self::Quarantined(_) => None,
            Self::Waiting(waiting) => Some(&waiting.wanted),
        }
    }

    /// Whether the value has not become the target in the document, for whichever reason.
    pub(super) fn is_held_out(&self) -> bool {
        !matches!(self, Self::Valid(_))
    }

    /// What the target in the document costs.
    pub(super) fn cost(&self) -> Cost {
        Cost::of(self.target())
    }

    /// The room that it waits for.
    pub(super) fn need(&self) -> Option<Need> {
        match self {
            Self::Waiting(waiting) => Some(Cost::of(Some(&waiting.wanted)).beyond(self.cost())),
            Self::Valid(_) | Self::Quarantined(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be a million of each.
    #[test]
    fn entries_and_services_stay_small() {
        assert!(size_of::<Target>() <= 16 + size_of::<usize>());
        assert!(size_of::<Entry>() <= 32, "{}", size_of::<Entry>());
        assert!(size_of::<Service>() <= 40, "{}", size_of::<Service>());
    }
}
