//! Audit: is the registry what etcd holds?
//!
//! A watch is trusted, and checked: servers have lost events (etcd issues 18089 and 19179),
//! and a cluster that was restored from a backup may have overtaken the old revisions before
//! anyone looked. The pages of a list at one revision are merged with the entries held, in
//! order, so that nothing is kept but what differs.
//!
//! The registry goes on meanwhile, so what differs is only suspect at first. It is cleared by
//! a change after the revision of the list, or by one that was still on its way: whoever runs
//! the audit asks again until nothing is suspect, or until the registry has passed the
//! revision. What is suspect even then is a difference.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::entries::Entries;
use super::event::{KeyValue, Revision};
use super::key::Key;
use super::service::Entry;
use super::value::Target;

/// More suspects are counted, not kept: the first ones stand for them.
const KEPT: usize = 10_000;

/// More deletions than this while an audit lasts make it void.
const DELETIONS: usize = 100_000;

/// One comparison of the registry with a list.
#[derive(Debug)]
pub(super) struct Audit {
    /// Marks the services that this audit has seen.
    number: u32,
    /// The revision of the list.
    revision: Revision,
    cursor: Option<Cursor>,
    compared: usize,
    suspects: BTreeMap<Box<[u8]>, Listed>,
    /// Suspects beyond those that are kept.
    more: usize,
    /// Keys that were deleted since the audit began. What is put tells its own revision.
    deleted: BTreeMap<Box<[u8]>, Revision>,
}

/// The last key that was compared.
#[derive(Debug)]
struct Cursor {
    service: Box<str>,
    instance: Box<str>,
}

/// What the list has at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Listed {
    Nothing,
    Value {
        mod_revision: Revision,
        /// `None` if the value is bad.
        target: Option<Target>,
    },
}

/// A key at which the registry and the list differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The whole key.
    pub key: Vec<u8>,
    /// The revision that last changed it in the registry; `None` if it is not held.
    pub held: Option<Revision>,
    /// The revision that last changed it in etcd; `None` if it is not there.
    pub found: Option<Revision>,
}

/// What an audit came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The revision of the list.
    pub revision: Revision,
    /// Keys of the list that were compared.
    pub compared: usize,
    /// How many keys differ; at least, if they are very many.
    pub differences: usize,
    /// The first of them.
    pub examples: Vec<Difference>,
}

impl Audit {
    pub(super) fn new(entries: &mut Entries) -> Self {
        Self {
            number: entries.begin_audit(),
            revision: Revision::default(),
            cursor: None,
            compared: 0,
            suspects: BTreeMap::new(),
            more: 0,
            deleted: BTreeMap::new(),
        }
    }

    /// A key was deleted. Returns whether the audit can go on.
    pub(super) fn deleted(&mut self, key: &[u8], mod_revision: Revision) -> bool {
        self.deleted.insert(key.into(), mod_revision);
        self.deleted.len() <= DELETIONS
    }

    /// Merges the next part of the list, ascending by key.
    pub(super) fn take(&mut self, revision: Revision, page: &[KeyValue], entries: &mut Entries) {
        self.revision = revision;
        let schema = Arc::clone(entries.schema());
        let named = page.iter().filter_map(|kv| match schema.classify(&kv.key) {
            Key::Instance { parent, name } => Some((parent, name, kv)),
            _ => None,
        });
        let named: Vec<_> = named.collect();
        for run in named.chunk_by(|(one, ..), (other, ..)| one == other) {
            let (name, ..) = run[0];
            if self.cursor.as_ref().is_some_and(|cursor| *cursor.service != *name) {
                self.finish_service(entries);
            }
            self.merge(name, run, entries);
        }
    }

    /// The list is complete, and was as of this revision.
    pub(super) fn end(&mut self, revision: Revision, entries: &Entries) {
        self.revision = revision;
        self.finish_service(entries);
        for (name, service) in entries.services() {
            if service.audited != self.number {
                for (instance, entry) in &service.instances {
                    self.not_listed(entries, name, instance, entry);
                }
            }
        }
    }

    /// Clears what has been explained since. Returns how many keys still are suspect.
    pub(super) fn settle(&mut self, entries: &Entries) -> usize {
        let Self { revision, suspects, deleted, .. } = self;
        suspects.retain(|key, listed| {
            let entry = entries.entry(key);
            let newest = entry.map(|entry| entry.mod_revision).max(deleted.get(key).copied());
            newest.is_none_or(|newest| newest <= *revision) && !listed.is(entry)
        });
        self.suspects.len()
    }

    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether so many keys were suspect that not all of them were kept.
    pub(super) fn is_overflown(&self) -> bool {
        self.more > 0
    }

    pub(super) fn report(self, entries: &Entries) -> Report {
        const EXAMPLES: usize = 10;
        let found = |listed: &Listed| match listed {
            Listed::Nothing => None,
            Listed::Value { mod_revision, .. } => Some(*mod_revision),
        };
        let examples = self.suspects.iter().take(EXAMPLES).map(|(key, listed)| Difference {
            key: key.to_vec(),
            held: entries.entry(key).map(|entry| entry.mod_revision),
            found: found(listed),
        });
        let is_diverged = !self.suspects.is_empty();
        Report {
            revision: self.revision,
            compared: self.compared,
            differences: self.suspects.len() + if is_diverged { self.more } else { 0 },
            examples: examples.collect(),
        }
    }

    /// Compares a part of the list that is of one service.
    fn merge(&mut self, name: &str, run: &[(&str, &str, &KeyValue)], entries: &mut Entries) {
        let number = self.number;
        if let Some(service) = entries.service_mut(name) {
            service.audited = number;
        }
        let entries = &*entries;
        let mut held = self.after_cursor(name, entries).peekable();
        let mut cursor = "";
        for &(_, instance, kv) in run {
            while let Some((extra, entry)) = held.next_if(|(held, _)| *held < instance) {
                self.not_listed(entries, name, extra, entry);
            }
            let entry = held.next_if(|(held, _)| *held == instance).map(|(_, entry)| entry);
            let target = entries.schema().read(name, instance, &kv.value, kv.mod_revision).ok();
            self.listed(kv, target, entry);
            cursor = instance;
        }
        self.cursor = Some(Cursor { service: name.into(), instance: cursor.into() });
    }

    /// What is held of the cursor's service after the cursor is not in the list.
    fn finish_service(&mut self, entries: &Entries) {
        if let Some(Cursor { service, .. }) = &self.cursor {
            let name = service.clone();
            for (instance, entry) in self.after_cursor(&name, entries) {
                self.not_listed(entries, &name, instance, entry);
            }
        }
    }

    fn after_cursor<'e>(
        &self,
        name: &str,
        entries: &'e Entries,
    ) -> impl Iterator<Item = (&'e str, &'e Entry)> + use<'e> {
        let cursor = self.cursor.as_ref().filter(|cursor| *cursor.service == *name);
        let after = cursor.map_or(Bound::Unbounded, |cursor| Bound::Excluded(&*cursor.instance));
        let service = entries.service(name);
        let held =
            service.map(|service| service.instances.range::<str, _>((after, Bound::Unbounded)));
        held.into_iter().flatten().map(|(instance, entry)| (&**instance, entry))
    }

    fn listed(&mut self, kv: &KeyValue, target: Option<Target>, entry: Option<&Entry>) {
        self.compared += 1;
        if entry.is_some_and(|entry| entry.mod_revision > self.revision) {
            return;
        }
        let listed = Listed::Value { mod_revision: kv.mod_revision, target };
        if !listed.is(entry) {
            self.suspect(&kv.key, listed);
        }
    }

    fn not_listed(&mut self, entries: &Entries, name: &str, instance: &str, entry: &Entry) {
        if entry.mod_revision <= self.revision {
            let key = entries.schema().pattern.key(name, instance);
            self.suspect(key.as_bytes(), Listed::Nothing);
        }
    }

    fn suspect(&mut self, key: &[u8], listed: Listed) {
        if self.suspects.len() < KEPT {
            self.suspects.insert(key.into(), listed);
        } else {
            self.more += 1;
        }
    }
}

impl Listed {
    /// Whether that is what is held.
    fn is(&self, entry: Option<&Entry>) -> bool {
        match (self, entry) {
            (Self::Nothing, None) => true,
            (Self::Value { mod_revision, target }, Some(entry)) => {
                *mod_revision == entry.mod_revision && target.as_ref() == entry.state.wanted()
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
