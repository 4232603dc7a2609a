//! Putting an entry in its place, or giving it another state: with it change what is counted, what
//! the budgets are looked at for, and whether the service must be rendered anew.

use std::sync::Arc;

use super::Entries;
use super::budget::Standing;
use crate::core::service::{Entry, Service, State};
use crate::core::value::Target;

impl Entries {
    /// Returns what was there before.
    pub(super) fn set(
        &mut self,
        parent: &str,
        instance: &str,
        entry: Entry,
        changed: bool,
    ) -> Option<Entry> {
        let after = Standing::of(&entry.state);
        self.counts.add(&entry.state, after.cost);
        let service = if let Some(service) = self.services.get_mut(parent) {
            service
        } else {
            let service = Service::new(self.audits);
            self.services.entry(parent.into()).or_insert(Arc::new(service))
        };
        let service = Arc::make_mut(service);
        if changed {
            service.piece = None;
        }
        let replaced = match service.instances.get_mut(instance) {
            Some(held) => Some(std::mem::replace(held, entry)),
            None => service.instances.insert(instance.into(), entry),
        };
        let before = replaced.as_ref().map_or(Standing::default(), |replaced| {
            let before = Standing::of(&replaced.state);
            self.counts.forget(&replaced.state, before.cost);
            before
        });
        service.count(before.cost, after.cost);
        let targets = service.targets();
        self.ledger.settle(&self.schema, (parent, instance), before, after, targets);
        replaced
    }

    /// Gives an entry another state.
    pub(super) fn replace(
        &mut self,
        parent: &str,
        instance: &str,
        with: impl FnOnce(State) -> State,
    ) {
        let Some(service) = self.services.get_mut(parent).map(Arc::make_mut) else { return };
        let Some(entry) = service.instances.get_mut(instance) else { return };
        let between = State::Valid(Target::Address(Box::default()));
        let held = std::mem::replace(&mut entry.state, between);
        let before = Standing::of(&held);
        self.counts.forget(&held, before.cost);
        entry.state = with(held);
        let after = Standing::of(&entry.state);
        self.counts.add(&entry.state, after.cost);
        service.piece = None;
        service.count(before.cost, after.cost);
        let targets = service.targets();
        self.ledger.settle(&self.schema, (parent, instance), before, after, targets);
    }
}
