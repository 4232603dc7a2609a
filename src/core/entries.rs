//! The entries under the prefix, by service and instance, as of one revision.
//!
//! An entry whose value is bad is held in quarantine: it keeps the last good target that
//! is known for it, and harms no other entry. One for which the budgets have no room waits,
//! with its last good target too, until there is some. Beside its entries a service keeps its
//! rendered piece of the document for as long as nothing in it changes its meaning.

mod budget;
mod capture;
mod choice;
mod counts;
mod listed;
mod place;
mod query;
mod relisted;
mod render;
mod run;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost::Cost;
use super::event::{KeyValue, Revision};
use super::history::{Capture, Cause};
use super::key::{Key, KeyError};
use super::quarantine::Quarantine;
use super::render::Joined;
use super::schema::Schema;
use super::service::{Bad, Entry, Service, State, Waiting};
use budget::{Ledger, Standing};
use run::Run;

pub use counts::Counts;
pub use relisted::Relisted;

/// All entries, built by [`Entries::put`] and [`Entries::delete`].
#[derive(Debug)]
pub struct Entries {
    schema: Arc<Schema>,
    /// A list that gives a service as it is held has it in common with what it is to replace.
    services: BTreeMap<Box<str>, Arc<Service>>,
    invalid_keys: BTreeMap<Box<[u8]>, Revision>,
    /// How many audits there were; that number marks the services that the newest has seen.
    audits: u32,
    /// But for the services, which count themselves.
    counts: Counts,
    joined: Joined,
    /// The newest of all puts.
    newest: Revision,
    /// Of a list that is not complete yet: when each entry was created, in the order of the keys.
    created: Vec<Revision>,
    /// Of the same: the newest entries, which are yet to be put into their service.
    run: Run,
    ledger: Ledger,
    /// What has become of targets since this was last asked, if anybody wants to know.
    captures: Option<Vec<Capture>>,
}

/// Where a put comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Watch,
    /// The budgets are looked at when it is complete.
    List,
}

/// What one put did.
#[derive(Debug, Default)]
pub struct Put {
    /// Whether the document may differ now.
    pub changed: bool,
    /// Set if the entry is in quarantine with a value not seen before.
    pub quarantine: Option<Quarantine>,
}

impl Entries {
    /// No entries.
    #[must_use]
    pub fn new(schema: Arc<Schema>) -> Self {
        Self {
            schema,
            services: BTreeMap::new(),
            invalid_keys: BTreeMap::new(),
            audits: 0,
            counts: Counts::default(),
            joined: Joined::default(),
            newest: Revision::default(),
            created: Vec::new(),
            run: Run::default(),
            ledger: Ledger::default(),
            captures: None,
        }
    }

    /// Takes a put. What is older than what is held is passed over, so that a repeated
    /// event does nothing.
    pub fn put(&mut self, kv: KeyValue) -> Put {
        self.take(kv, Via::Watch)
    }

    fn take(&mut self, kv: KeyValue, via: Via) -> Put {
        let (parent, instance) = match self.schema.classify(&kv.key) {
            Key::Instance { parent, name } => (parent, name),
            Key::Service => return Put::default(),
            Key::Ignored => {
                // It is not held, so it is counted with its first version; but a list has each
                // key once, whatever its version.
                let is_new = via == Via::List || kv.version <= 1;
                self.counts.ignored += usize::from(is_new);
                return Put::default();
            }
            Key::Invalid(reason) => return self.put_invalid_key(kv, reason),
        };
        let service = self.services.get(parent).map(|service| &**service);
        let held = service.and_then(|service| service.instances.get(instance));
        if held.is_some_and(|held| held.mod_revision >= kv.mod_revision) {
            return Put::default();
        }
        self.newest = self.newest.max(kv.mod_revision);
        let published = held.and_then(|held| held.state.target());
        let read = self.schema.read(parent, instance, &kv.value, kv.mod_revision);
        let (state, changed, frees, reason) = match read {
            Ok(target) => {
                let need = Cost::of(Some(&target)).beyond(Cost::of(published));
                let refusal = match via {
                    Via::Watch => self.refusal(parent, service, need),
                    Via::List => None,
                };
                match refusal {
                    None => {
                        let changed = published != Some(&target);
                        (State::Valid(target), changed, need.frees(), None)
                    }
                    Some(refusal) => {
                        let is_new = held.and_then(|held| held.state.wanted()) != Some(&target);
                        let last_good = published.cloned();
                        let waiting = Waiting { last_good, wanted: target, reason: refusal };
                        let reason = is_new.then_some(refusal.into());
                        (State::Waiting(Box::new(waiting)), false, false, reason)
                    }
                }
            }
            Err(reason) => {
                let bad = Bad { last_good: published.cloned(), reason: reason.clone() };
                (State::Quarantined(Box::new(bad)), false, false, Some(reason.into()))
            }
        };
        let keeps_last_good = published.is_some();
        if via == Via::List && held.is_none() {
            self.created.push(kv.create_revision);
        }
        let mod_revision = kv.mod_revision;
        let after = state.target().filter(|_| changed && self.captures.is_some()).cloned();
        let replaced = self.set(parent, instance, Entry { mod_revision, state }, changed);
        let mut quarantine = None;
        if let Some(reason) = reason {
            let key = kv.key;
            quarantine = Some(Quarantine { key, mod_revision, reason, keeps_last_good });
        } else if changed {
            let before = replaced.and_then(|entry| entry.state.into_target());
            self.capture(|| Capture::new(kv.key, mod_revision, before, after, Cause::Put));
        }
        if frees {
            self.admit();
        }
        Put { changed, quarantine }
    }

    /// Takes a deletion, of a key that had this lease, 0 for none. Returns whether the document
    /// may differ now.
    pub fn delete(&mut self, key: &[u8], mod_revision: Revision, lease: i64) -> bool {
        let (name, instance) = match self.schema.classify(key) {
            Key::Instance { parent, name } => (parent, name),
            Key::Service => return false,
            Key::Ignored => {
                self.counts.ignored = self.counts.ignored.saturating_sub(1);
                return false;
            }
            Key::Invalid(_) => {
                self.counts.quarantined -= usize::from(self.invalid_keys.remove(key).is_some());
                return false;
            }
        };
        let Some(service) = self.services.get_mut(name) else {
            return false;
        };
        let newer = |entry: &Entry| entry.mod_revision > mod_revision;
        if service.instances.get(instance).is_none_or(newer) {
            return false;
        }
        let service = Arc::make_mut(service);
        let Some(Entry { state, .. }) = service.instances.remove(instance) else {
            return false;
        };
        let changed = state.target().is_some();
        if changed {
            service.piece = None;
        }
        let (before, after) = (Standing::of(&state), Standing::default());
        service.count(before.cost, after.cost);
        let targets = service.targets();
        if service.instances.is_empty() {
            self.services.remove(name);
        }
        self.counts.forget(&state, before.cost);
        self.ledger.settle(&self.schema, (name, instance), before, after, targets);
        if changed {
            self.capture(|| {
                let (key, before) = (key.to_vec(), state.into_target());
                Capture { lease, ..Capture::new(key, mod_revision, before, None, Cause::Delete) }
            });
            self.admit();
        }
        changed
    }

    /// Whether the entry at `key` has a target in the document, be it its last good one.
    #[must_use]
    pub fn has_target(&self, key: &[u8]) -> bool {
        self.entry(key).is_some_and(|entry| entry.state.target().is_some())
    }

    /// How many keys there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { services: self.services.len(), ..self.counts }
    }

    fn put_invalid_key(&mut self, kv: KeyValue, reason: KeyError) -> Put {
        let held = self.invalid_keys.insert(kv.key.clone().into(), kv.mod_revision);
        self.counts.quarantined += usize::from(held.is_none());
        if held.is_some_and(|held| held >= kv.mod_revision) {
            return Put::default();
        }
        let quarantine = Quarantine {
            key: kv.key,
            mod_revision: kv.mod_revision,
            reason: reason.into(),
            keeps_last_good: false,
        };
        Put { changed: false, quarantine: Some(quarantine) }
    }

    pub(super) fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Returns the number of the audit that begins. Services that come from now on count as
    /// seen by it: it can't tell whether it has passed their place.
    pub(super) fn begin_audit(&mut self) -> u32 {
        self.audits = self.audits.wrapping_add(1);
        self.audits
    }

    /// All services, ascending by name.
    pub(super) fn services(&self) -> impl Iterator<Item = (&str, &Service)> {
        self.services.iter().map(|(name, service)| (&**name, &**service))
    }

    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).map(|service| &**service)
    }

    pub(super) fn service_mut(&mut self, name: &str) -> Option<&mut Service> {
        self.services.get_mut(name).map(Arc::make_mut)
    }

    pub(super) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        match self.schema.classify(key) {
            Key::Instance { parent, name } => self.services.get(parent)?.instances.get(name),
            _ => None,
        }
    }
}
