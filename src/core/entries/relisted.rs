//! What a list has changed of which nobody has told: the entries before and after it, beside
//! each other.
//!
//! Finding out which services differ is quick, as those that are as they were are shared; what
//! differs in them is looked for where nothing waits.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Entries;
use crate::core::event::Revision;
use crate::core::history::{Capture, Cause};
use crate::core::schema::Schema;
use crate::core::service::{Entry, Service};

/// The services in which two complete lists differ.
#[derive(Debug)]
pub struct Relisted {
    schema: Arc<Schema>,
    services: Vec<Pair>,
    revision: Revision,
}

#[derive(Debug)]
struct Pair {
    parent: Box<str>,
    old: Option<Arc<Service>>,
    new: Option<Arc<Service>>,
}

type Instances = BTreeMap<Box<str>, Entry>;

impl Relisted {
    /// What differs between the entries that were held and those of a list of this revision.
    #[must_use]
    pub fn between(old: &Entries, new: &Entries, revision: Revision) -> Self {
        let (mut before, mut after) = (old.services.iter(), new.services.iter());
        let (mut left, mut right) = (before.next(), after.next());
        let mut services = Vec::new();
        loop {
            let order = match (left, right) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                // Most are shared, and need not be looked into.
                (Some((_, old)), Some((_, new))) if Arc::ptr_eq(old, new) => {
                    (left, right) = (before.next(), after.next());
                    continue;
                }
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let (mut pair, mut name) = ((None, None), None);
            if order != Ordering::Greater {
                (name, pair.0) = (left.map(|(name, _)| name), left.map(|(_, old)| old.clone()));
                left = before.next();
            }
            if order != Ordering::Less {
                (name, pair.1) = (right.map(|(name, _)| name), right.map(|(_, new)| new.clone()));
                right = after.next();
            }
            if let Some(parent) = name.cloned() {
                services.push(Pair { parent, old: pair.0, new: pair.1 });
            }
        }
        Self { schema: Arc::clone(&new.schema), services, revision }
    }

    /// How many services differ.
    #[must_use]
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// Whether no service differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// What has become of each target, service by service. A service is let go of once it has
    /// been looked at: the registry copies those that it has in common with others before it
    /// changes them.
    pub fn captures(self) -> impl Iterator<Item = Vec<Capture>> {
        let Self { schema, services, revision } = self;
        services.into_iter().map(move |Pair { parent, old, new }| {
            let none = Instances::new();
            let old = old.as_ref().map_or(&none, |service| &service.instances);
            let new = new.as_ref().map_or(&none, |service| &service.instances);
            compare(old, new, revision, |instance| schema.pattern.key(&parent, instance))
        })
    }
}

/// What has become of the targets of one service. Both are ascending by name.
fn compare(
    old: &Instances,
    new: &Instances,
    revision: Revision,
    key: impl Fn(&str) -> String,
) -> Vec<Capture> {
    let mut captures = Vec::new();
    let (mut before, mut after) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return captures,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((old, _)), Some((new, _))) => old.cmp(new),
        };
        let old = before.next_if(|_| order != Ordering::Greater);
        let new = after.next_if(|_| order != Ordering::Less);
        let target = |entry: Option<(&Box<str>, &Entry)>| {
            entry.and_then(|(_, entry)| entry.state.target().cloned())
        };
        let same = |one: &Entry, other: &Entry| one.state.target() == other.state.target();
        if old.zip(new).is_some_and(|((_, old), (_, new))| same(old, new)) {
            continue;
        }
        let Some((name, _)) = new.or(old) else { continue };
        let revision = new.map_or(revision, |(_, entry)| entry.mod_revision);
        let (before, after) = (target(old), target(new));
        if before.is_some() || after.is_some() {
            captures.push(Capture::new(
                key(name).into_bytes(),
                revision,
                before,
                after,
                Cause::Relist,
            ));
        }
    }
}
