//! Budgets that entries share: how many targets a service may have, and how much all may add up
//! to.
//!
//! What is published is never given up for something new. A put for which there is no room is
//! held out: its entry waits, and keeps the target that it had. As soon as there is room, be it
//! by a deletion or a smaller value, those that wait are admitted in the order of their services
//! and keys.
//!
//! A service is what the label `job` says, of however many parents its keys are.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::waiting::{Name, Waiting};
use super::{Counts, Entries};
use crate::core::cost::{Cost, Need, room};
use crate::core::history::{Capture, Cause};
use crate::core::quarantine::OverBudget;
use crate::core::schema::Schema;
use crate::core::service::{Service, State};

/// What is counted for the budgets, and who waits.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The targets of each service, where several parents may be of one: else the service
    /// counts its own.
    jobs: BTreeMap<Box<str>, usize>,
    pub(super) waiting: Waiting,
    /// Services that have more than they may, as they can in a list that is not complete yet.
    pub(super) over: BTreeSet<Box<str>>,
    /// Entries of a list that are of a later life than the registry that it is to replace
    /// knows, and are bad or want more than they had there.
    pub(super) reborn: BTreeSet<Name>,
    /// Keys that were admitted after they had waited.
    pub(super) admitted: Vec<Vec<u8>>,
    /// Entries whose value has not become their target, because it is bad or waits: so that
    /// a page of them needs no look at all the others.
    pub(super) held_out: BTreeSet<Name>,
}

/// What an entry takes up, and what it waits for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    pub(super) cost: Cost,
    need: Option<Need>,
    is_held_out: bool,
}

impl Standing {
    pub(super) fn of(state: &State) -> Self {
        Self { cost: state.cost(), need: state.need(), is_held_out: state.is_held_out() }
    }

    /// That of good entries for which there is room.
    pub(super) fn admitted(cost: Cost) -> Self {
        Self { cost, ..Self::default() }
    }
}

impl Ledger {
    /// An entry of a parent that has so many targets now has changed its standing.
    pub(super) fn settle(
        &mut self,
        schema: &Schema,
        (parent, instance): (&str, &str),
        before: Standing,
        after: Standing,
        of_parent: usize,
    ) {
        match (before.is_held_out, after.is_held_out) {
            (false, true) => drop(self.held_out.insert((parent.into(), instance.into()))),
            (true, false) => drop(self.held_out.remove(&(parent.into(), instance.into()))),
            _ => {}
        }
        let waits = before.need.is_some() || after.need.is_some();
        let is_watched = waits || !self.waiting.is_empty();
        let limit = schema.policy.budgets.service_targets;
        if before.cost.targets == after.cost.targets && !is_watched {
            return;
        }
        let (job, targets) = if schema.pattern.is_plain() {
            (Cow::Borrowed(parent), of_parent)
        } else {
            let job = schema.pattern.service(parent);
            let targets = self.count(&job, before.cost, after.cost);
            (job, targets)
        };
        if targets > limit && !self.over.contains(&*job) {
            self.over.insert((*job).into());
        }
        if !is_watched {
            return;
        }
        let name = || (parent.into(), instance.into());
        if let Some(need) = before.need {
            self.waiting.remove(&job, need, &name());
        }
        if let Some(need) = after.need {
            self.waiting.insert(&job, need, name());
        }
        self.waiting.refresh(&job, room(limit, targets));
    }

    fn count(&mut self, job: &str, before: Cost, after: Cost) -> usize {
        if before.targets == after.targets {
            return self.jobs.get(job).copied().unwrap_or_default();
        }
        let targets = self.jobs.get(job).copied().unwrap_or_default();
        let targets = targets + after.targets - before.targets;
        match self.jobs.get_mut(job) {
            Some(_) if targets == 0 => drop(self.jobs.remove(job)),
            Some(held) => *held = targets,
            None => drop(self.jobs.insert(job.into(), targets)),
        }
        targets
    }
}

impl Entries {
    /// Why there is no room for an entry of this parent that needs so much more, if there is
    /// none.
    pub(super) fn refusal(
        &self,
        parent: &str,
        service: Option<&Service>,
        need: Need,
    ) -> Option<OverBudget> {
        let budgets = &self.schema.policy.budgets;
        if need.targets > 0 {
            let (limit, targets) = (budgets.service_targets, self.targets_beside(parent, service));
            if need.targets > room(limit, targets) {
                let found = targets.saturating_add_signed(need.targets);
                return Some(OverBudget::Service { found, limit });
            }
        }
        let (limit, Counts { bytes, .. }) = (budgets.total_bytes, self.counts);
        if need.bytes > 0 && need.bytes > room(limit, bytes) {
            let found = bytes.saturating_add_signed(need.bytes);
            return Some(OverBudget::Total { found, limit });
        }
        None
    }

    /// Admits all that wait and for which there is room by now.
    pub(super) fn admit(&mut self) {
        let mut last = None::<Box<str>>;
        loop {
            let room = room(self.schema.policy.budgets.total_bytes, self.counts.bytes);
            if self.ledger.waiting.fewest().is_none_or(|fewest| fewest > room) {
                return;
            }
            // Whoever is admitted may make room of one kind while it takes that of the other:
            // so after the last service comes the first one again.
            last = self.ledger.waiting.next(last.as_deref(), room).map(Into::into);
            if let Some(job) = &last {
                while self.admit_first(job) {}
            }
        }
    }

    /// Admits the first entry of this service for which there is room, if there is one.
    fn admit_first(&mut self, job: &str) -> bool {
        let budgets = &self.schema.policy.budgets;
        let targets = if self.schema.pattern.is_plain() {
            self.service(job).map_or(0, Service::targets)
        } else {
            self.ledger.jobs.get(job).copied().unwrap_or_default()
        };
        let targets = room(budgets.service_targets, targets);
        let room = Need { targets, bytes: room(budgets.total_bytes, self.counts.bytes) };
        let Some((parent, instance)) = self.ledger.waiting.first(job, room) else {
            self.ledger.waiting.refresh(job, targets);
            return false;
        };
        let captures = self.captures.is_some();
        let mut before = None;
        self.replace(&parent, &instance, |state| match state {
            State::Waiting(waiting) => {
                before = waiting.last_good;
                State::Valid(waiting.wanted)
            }
            other => other,
        });
        let key = self.schema.pattern.key(&parent, &instance).into_bytes();
        if captures && let Some(entry) = self.entry(&key) {
            let (revision, after) = (entry.mod_revision, entry.state.target().cloned());
            self.capture(|| Capture::new(key.clone(), revision, before, after, Cause::Admitted));
        }
        self.ledger.admitted.push(key);
        true
    }

    /// The keys that were admitted, after they had waited, since the last call.
    pub fn take_admitted(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.ledger.admitted)
    }

    /// The targets of the service that this parent is of.
    fn targets_beside(&self, parent: &str, service: Option<&Service>) -> usize {
        let pattern = &self.schema.pattern;
        if pattern.is_plain() {
            return service.map_or(0, Service::targets);
        }
        self.ledger.jobs.get(&*pattern.service(parent)).copied().unwrap_or_default()
    }
}
