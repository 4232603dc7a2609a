//! What a list knows of bad entries beyond its own values: their last good targets, from the
//! entries that it is to replace, or from etcd's history.

use std::sync::Arc;

use super::{Entries, Put, Via};
use crate::core::cost::Cost;
use crate::core::event::{KeyValue, Lookup, Recovered};
use crate::core::key::Key;
use crate::core::quarantine::{Quarantine, Reason};
use crate::core::schema::Schema;
use crate::core::service::{Bad, State};
use crate::core::value::Target;

impl Entries {
    /// No entries yet: those of a list that is to replace `held`.
    #[must_use]
    pub fn beside(held: Option<&Self>, schema: Arc<Schema>) -> Self {
        let audits = held.map_or(0, |held| held.audits);
        Self { audits, ..Self::new(schema) }
    }

    /// Takes a put of a list that is built beside `held`: an entry in quarantine falls back
    /// on what `held` knows of it.
    ///
    /// The second value is the wish for an older value, if that may be better yet.
    pub fn put_listed(&mut self, kv: KeyValue, held: Option<&Self>) -> (Put, Option<Lookup>) {
        let (overwritten, create_revision) = (kv.version > 1, kv.create_revision);
        let was_reborn = held.and_then(|held| held.before_rebirth(&kv));
        if was_reborn.is_none() && self.take_in_order(&kv, held) {
            return (Put::default(), None);
        }
        self.settle_run(held);
        let mut put = self.take(kv, Via::List);
        if let Some((key, before)) = was_reborn {
            self.note_rebirth(&key, before);
        }
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
        self.settle_run(None);
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

    /// The key, and what its target costs, if the put is of a later life of it than is held.
    fn before_rebirth(&self, kv: &KeyValue) -> Option<(Vec<u8>, Cost)> {
        if kv.create_revision <= self.newest {
            return None;
        }
        let cost = self.entry(&kv.key)?.state.cost();
        Some((kv.key.clone(), cost))
    }

    /// What a key had in an earlier life is no last good target: where it wants more now, or is
    /// bad, it keeps nothing of it.
    fn note_rebirth(&mut self, key: &[u8], before: Cost) {
        let Key::Instance { parent, name } = self.schema.classify(key) else {
            return;
        };
        let Some(entry) = self.entry(key) else { return };
        let is_bad = matches!(entry.state, State::Quarantined(_));
        if is_bad || entry.state.cost().beyond(before).needs() {
            self.ledger.reborn.insert((parent.into(), name.into()));
        }
    }

    fn set_last_good(&mut self, key: &[u8], target: Option<Target>) {
        let schema = Arc::clone(&self.schema);
        if let Key::Instance { parent, name } = schema.classify(key) {
            self.replace(parent, name, |state| match state {
                State::Quarantined(bad) => {
                    State::Quarantined(Box::new(Bad { last_good: target, ..*bad }))
                }
                other => other,
            });
        }
    }
}
