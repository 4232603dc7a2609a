//! What a list knows of bad entries beyond its own values: their last good targets, from the
//! entries that it is to replace, or from etcd's history.

use super::{Entries, Put};
use crate::core::event::{KeyValue, Lookup, Recovered};
use crate::core::key::Key;
use crate::core::quarantine::{Quarantine, Reason};
use crate::core::service::{Entry, State, addresses};
use crate::core::value::Target;

impl Entries {
    /// Takes a put of a list that is built beside `held`: an entry in quarantine falls back
    /// on what `held` knows of it.
    ///
    /// The second value is the wish for an older value, if that may be better yet.
    pub fn put_listed(&mut self, kv: KeyValue, held: Option<&Self>) -> (Put, Option<Lookup>) {
        let (overwritten, create_revision) = (kv.version > 1, kv.create_revision);
        // A list has each key once, whatever its version.
        let mut put = self.take(kv, true);
        let Some(Quarantine { key, mod_revision, reason, .. }) = put.quarantine.clone() else {
            return (put, None);
        };
        // What is held of a key that was deleted since is of its earlier life.
        let known = held
            .and_then(|held| held.entry(&key))
            .filter(|known| create_revision <= known.mod_revision);
        let target = known.and_then(|known| known.state.target()).cloned();
        let seen = known.is_some_and(|known| known.mod_revision == mod_revision)
            || held.and_then(|held| held.invalid_keys.get(&*key)) == Some(&mod_revision);
        if seen {
            put.quarantine = None;
        }
        let is_settled = seen && target.is_some();
        self.set_last_good(&key, target);
        let wants = overwritten && !is_settled && matches!(reason, Reason::Value(_));
        (put, wants.then_some(Lookup { key, mod_revision }))
    }

    /// Takes the value that an entry had before the bad one. Returns whether it was good and
    /// the entry still is as it was when it was asked for.
    pub fn recover(&mut self, recovered: &Recovered) -> bool {
        let asked = self.entry(&recovered.lookup.key).is_some_and(|entry| {
            entry.mod_revision == recovered.lookup.mod_revision
                && matches!(entry.state, State::Quarantined(_))
        });
        let Lookup { key, mod_revision } = &recovered.lookup;
        let Key::Instance { parent, name } = self.schema.classify(key) else {
            return false;
        };
        match self.schema.read(parent, name, &recovered.value, *mod_revision) {
            Ok(target) if asked => {
                self.set_last_good(key, Some(target));
                true
            }
            _ => false,
        }
    }

    fn set_last_good(&mut self, key: &[u8], target: Option<Target>) {
        let Key::Instance { parent: service, name: instance } = self.schema.classify(key) else {
            return;
        };
        let Some(service) = self.services.get_mut(service) else {
            return;
        };
        if let Some(Entry { state: State::Quarantined(last_good), .. }) =
            service.instances.get_mut(instance)
        {
            self.counts.targets -= addresses(last_good.as_ref());
            self.counts.targets += addresses(target.as_ref());
            *last_good = target;
            service.piece = None;
        }
    }
}
