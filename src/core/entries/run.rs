//! The entries of one parent as a list gives them, one after the other: they are put into their
//! service together. That spares looking for the place of each, packs them as tightly as can be,
//! and shows whether the service is as it was: then it is shared, not built anew.

use std::sync::Arc;

use super::Entries;
use super::budget::Standing;
use crate::core::cost::Cost;
use crate::core::event::KeyValue;
use crate::core::key::Key;
use crate::core::service::{Entry, Service, State};

/// So many are put together at most: to share or copy a service of as many takes a few
/// milliseconds.
const LONGEST: usize = 20_000;

/// Good entries of one parent, ascending by name.
#[derive(Debug, Default)]
pub(super) struct Run {
    parent: Box<str>,
    entries: Vec<(Box<str>, Entry)>,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn continues(&self, parent: &str) -> bool {
        *self.parent == *parent && !self.is_empty() && self.entries.len() < LONGEST
    }
}

impl Entries {
    /// Takes an entry of a list, if its value is good and it comes in its order; else nothing
    /// has happened.
    pub(super) fn take_in_order(&mut self, kv: &KeyValue, held: Option<&Self>) -> bool {
        let Key::Instance { parent, name } = self.schema.classify(&kv.key) else {
            return false;
        };
        let mod_revision = kv.mod_revision;
        let Ok(target) = self.schema.read(parent, name, &kv.value, mod_revision) else {
            return false;
        };
        if !self.run.continues(parent) {
            let known = held.and_then(|held| held.service(parent));
            let expected = known.map_or(0, |known| known.instances.len()).min(LONGEST);
            self.settle_run(held);
            self.run = Run { parent: parent.into(), entries: Vec::with_capacity(expected) };
        } else if self.run.entries.last().is_some_and(|(last, _)| **last >= *name) {
            return false;
        }
        self.newest = self.newest.max(mod_revision);
        self.created.push(kv.create_revision);
        let entry = Entry { mod_revision, state: State::Valid(target) };
        self.run.entries.push((name.into(), entry));
        true
    }

    /// Puts what came in a row into its service.
    pub(super) fn settle_run(&mut self, held: Option<&Self>) {
        let Run { parent, entries } = std::mem::take(&mut self.run);
        let Some((first, _)) = entries.first() else { return };
        if self.services.contains_key(&parent) {
            for (name, entry) in entries {
                self.set(&parent, &name, entry, true);
            }
            return;
        }
        let mut cost = Cost::default();
        for (_, entry) in &entries {
            let of_one = entry.state.cost();
            self.counts.add(&entry.state, of_one);
            cost.targets += of_one.targets;
            cost.bytes += of_one.bytes;
        }
        let (before, after) = (Standing::default(), Standing::admitted(cost));
        self.ledger.settle(&self.schema, (&parent, first), before, after, cost.targets);
        let known = held.and_then(|held| held.services.get(&parent));
        let service = match known.filter(|known| known.is_of(&entries)) {
            Some(known) => Arc::clone(known),
            None => Arc::new(Service::of(entries, cost, self.audits)),
        };
        self.services.insert(parent, service);
    }
}
