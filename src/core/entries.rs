//! The entries under the prefix, by service and instance, as of one revision.
//!
//! An entry whose value is bad is held in quarantine: it keeps the last good target that
//! is known for it, and harms no other entry. Beside its entries a service keeps its
//! rendered piece of the document for as long as nothing in it changes its meaning.

mod listed;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::event::{KeyValue, Revision};
use super::key::{Key, KeyError};
use super::quarantine::Quarantine;
use super::render::{Document, Joined};
use super::schema::Schema;
use super::service::{Entry, Service, State};

/// How many keys there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Services with at least one entry.
    pub services: usize,
    /// Entries with a good value.
    pub valid: usize,
    /// Entries in quarantine, bad keys included.
    pub quarantined: usize,
    /// Keys below the prefix that are not ours.
    pub ignored: usize,
    /// Addresses of all entries, last good ones included.
    pub targets: usize,
}

/// All entries, built by [`Entries::put`] and [`Entries::delete`].
#[derive(Debug)]
pub struct Entries {
    schema: Arc<Schema>,
    services: BTreeMap<Box<str>, Service>,
    invalid_keys: BTreeMap<Box<[u8]>, Revision>,
    /// How many audits there were; that number marks the services that the newest has seen.
    audits: u32,
    /// But for the services, which count themselves.
    counts: Counts,
    joined: Joined,
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
        }
    }

    /// Takes a put. What is older than what is held is passed over, so that a repeated
    /// event does nothing.
    pub fn put(&mut self, kv: KeyValue) -> Put {
        // What is not ours is counted with its first version, since it is not held.
        let is_new = kv.version <= 1;
        self.take(kv, is_new)
    }

    /// Takes a put of a key that, if it is not ours, `is_new` to the counts.
    fn take(&mut self, kv: KeyValue, is_new: bool) -> Put {
        let (service, instance) = match self.schema.classify(&kv.key) {
            Key::Instance { parent, name } => (parent, name),
            Key::Service => return Put::default(),
            Key::Ignored => {
                self.counts.ignored += usize::from(is_new);
                return Put::default();
            }
            Key::Invalid(reason) => return self.put_invalid_key(kv, reason),
        };
        let held = self.services.get(service).and_then(|held| held.instances.get(instance));
        if held.is_some_and(|held| held.mod_revision >= kv.mod_revision) {
            return Put::default();
        }
        match self.schema.read(service, instance, &kv.value, kv.mod_revision) {
            Ok(target) => {
                let changed = held.and_then(|held| held.state.target()) != Some(&target);
                let state = State::Valid(target);
                self.set(
                    service,
                    instance,
                    Entry { mod_revision: kv.mod_revision, state },
                    changed,
                );
                Put { changed, quarantine: None }
            }
            Err(reason) => {
                let last_good = held.and_then(|held| held.state.target()).cloned();
                let keeps_last_good = last_good.is_some();
                let state = State::Quarantined(last_good);
                self.set(service, instance, Entry { mod_revision: kv.mod_revision, state }, false);
                let mod_revision = kv.mod_revision;
                let reason = reason.into();
                let quarantine = Quarantine { key: kv.key, mod_revision, reason, keeps_last_good };
                Put { changed: false, quarantine: Some(quarantine) }
            }
        }
    }

    /// Takes a deletion. Returns whether the document may differ now.
    pub fn delete(&mut self, key: &[u8], mod_revision: Revision) -> bool {
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
        let Some(entry) = service.instances.remove(instance) else {
            return false;
        };
        let changed = entry.state.target().is_some();
        if changed {
            service.piece = None;
        }
        if service.instances.is_empty() {
            self.services.remove(name);
        }
        self.forget(&entry.state);
        changed
    }

    /// Whether the entry at `key` has a target in the document, be it its last good one.
    #[must_use]
    pub fn has_target(&self, key: &[u8]) -> bool {
        self.entry(key).is_some_and(|entry| entry.state.target().is_some())
    }

    /// The document of these entries; only what changed since the last call is rendered.
    pub fn render(&mut self, revision: Revision) -> Document {
        let pattern = &self.schema.pattern;
        if pattern.is_plain() {
            let mut document = Document::new(revision);
            for (parent, service) in &mut self.services {
                document.push(service.render(parent));
            }
            return document;
        }
        let services = self.services.iter_mut();
        let pieces = services.map(|(parent, service)| service.render(&pattern.service(parent)));
        self.joined.render(revision, pieces.cloned().collect())
    }

    /// Renders, ahead of the document, the services from the one of `key` on, but for the
    /// last one, of which there may be more to come: so that after a list that is put in
    /// ascending order, no single step takes the time to render all of it.
    pub fn render_ahead(&mut self, key: &[u8]) {
        if let Key::Instance { parent: first, .. } = self.schema.classify(key) {
            let from = (Bound::Included(first), Bound::Unbounded);
            for (parent, service) in self.services.range_mut::<str, _>(from).rev().skip(1) {
                service.render(&self.schema.pattern.service(parent));
            }
        }
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
        self.services.iter().map(|(name, service)| (&**name, service))
    }

    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    pub(super) fn service_mut(&mut self, name: &str) -> Option<&mut Service> {
        self.services.get_mut(name)
    }

    pub(super) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        match self.schema.classify(key) {
            Key::Instance { parent, name } => self.services.get(parent)?.instances.get(name),
            _ => None,
        }
    }

    fn set(&mut self, name: &str, instance: &str, entry: Entry, changed: bool) {
        match entry.state {
            State::Valid(_) => self.counts.valid += 1,
            State::Quarantined(_) => self.counts.quarantined += 1,
        }
        self.counts.targets += entry.state.addresses();
        let service = if let Some(service) = self.services.get_mut(name) {
            service
        } else {
            let service = Service { audited: self.audits, ..Service::default() };
            self.services.entry(name.into()).or_insert(service)
        };
        if changed {
            service.piece = None;
        }
        let replaced = match service.instances.get_mut(instance) {
            Some(held) => Some(std::mem::replace(held, entry)),
            None => service.instances.insert(instance.into(), entry),
        };
        if let Some(replaced) = replaced {
            self.forget(&replaced.state);
        }
    }

    fn forget(&mut self, state: &State) {
        match state {
            State::Valid(_) => self.counts.valid -= 1,
            State::Quarantined(_) => self.counts.quarantined -= 1,
        }
        self.counts.targets -= state.addresses();
    }
}
