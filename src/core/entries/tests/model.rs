//! A model of budgets that knows no order but that of keys, and counts all anew each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::*;
use crate::core::cost::{Need, room};
use crate::core::event::Change;
use crate::core::value::Target;

pub(super) const KEYS: [&str; 8] =
    ["x/a/1", "x/a/2", "x/a/3", "x/b/1", "y/a/1", "y/a/2", "y/b/1", "y/b/2"];

pub(super) const VALUES: [&str; 7] = [
    "h:1",
    "h:22222",
    r#"{"targets":["h:1","h:2"]}"#,
    r#"{"targets":["h:1","h:2","h:3"]}"#,
    r#"{"address":"h:1","labels":{"a":"0123456789"}}"#,
    r#"{"targets":["h:1","h:2"],"labels":{"a":"b"}}"#,
    "bad",
];

#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) key: usize,
    /// `None` deletes it.
    pub(super) value: Option<usize>,
}

/// What one key has by the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Held {
    pub(super) published: Option<Target>,
    pub(super) wanted: Option<Target>,
}

impl Held {
    pub(super) fn waits(&self) -> bool {
        self.wanted.is_some() && self.published != self.wanted
    }

    pub(super) fn need(&self) -> Need {
        Cost::of(self.wanted.as_ref()).beyond(Cost::of(self.published.as_ref()))
    }
}

pub(super) struct Model {
    pub(super) schema: Arc<Schema>,
    /// By job, parent and name.
    pub(super) held: BTreeMap<(String, String, String), Held>,
    /// What etcd has.
    pub(super) etcd: BTreeMap<usize, KeyValue>,
    /// Every value that a key had, by revision.
    pub(super) history: BTreeMap<(usize, Revision), Vec<u8>>,
    pub(super) revision: i64,
}

impl Model {
    pub(super) fn name(&self, key: &[u8]) -> (String, String, String) {
        match self.schema.classify(key) {
            Key::Instance { parent, name } => {
                (self.schema.pattern.service(parent).into(), parent.into(), name.into())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Changes what etcd has.
    pub(super) fn step(&mut self, Step { key, value }: Step) -> Option<Change> {
        self.revision += 1;
        let revision = Revision(self.revision);
        let Some(value) = value else {
            return self.etcd.remove(&key).map(|kv| Change::Delete {
                key: kv.key,
                mod_revision: revision,
                lease: 0,
            });
        };
        let before = self.etcd.get(&key);
        let kv = KeyValue {
            key: format!("/{}", KEYS[key]).into(),
            value: VALUES[value].into(),
            create_revision: before.map_or(revision, |before| before.create_revision),
            mod_revision: revision,
            version: before.map_or(1, |before| before.version + 1),
        };
        self.history.insert((key, revision), kv.value.clone());
        self.etcd.insert(key, kv.clone());
        Some(Change::Put(kv))
    }

    pub(super) fn wanted(&self, kv: &KeyValue) -> Option<Target> {
        let (_, parent, name) = self.name(&kv.key);
        self.schema.read(&parent, &name, &kv.value, kv.mod_revision).ok()
    }

    pub(super) fn costs(&self, job: Option<&str>, of: impl Fn(&Held) -> Option<&Target>) -> Cost {
        let held = self.held.iter().filter(|((of, ..), _)| job.is_none_or(|job| job == of));
        held.fold(Cost::default(), |sum, (_, held)| {
            let cost = Cost::of(of(held));
            Cost { targets: sum.targets + cost.targets, bytes: sum.bytes + cost.bytes }
        })
    }

    pub(super) fn has_room(&self, job: &str, held: &Held) -> bool {
        let budgets = &self.schema.policy.budgets;
        let of_job = self.costs(Some(job), |held| held.published.as_ref());
        let of_all = self.costs(None, |held| held.published.as_ref());
        held.need().fits(Need {
            targets: room(budgets.service_targets, of_job.targets),
            bytes: room(budgets.total_bytes, of_all.bytes),
        })
    }

    pub(super) fn watched(&mut self, change: &Change) {
        match change {
            Change::Put(kv) => {
                let name = self.name(&kv.key);
                let mut held = self.held.remove(&name).unwrap_or_default();
                held.wanted = self.wanted(kv);
                self.held.insert(name.clone(), held.clone());
                if held.waits() && self.has_room(&name.0, &held) {
                    held.published.clone_from(&held.wanted);
                    self.held.insert(name, held);
                }
            }
            Change::Delete { key, .. } => drop(self.held.remove(&self.name(key))),
        }
        self.admit();
    }

    /// Service by service, each time the first for which there is room, until there is none.
    pub(super) fn admit(&mut self) {
        loop {
            let mut admits = false;
            let jobs: Vec<_> = self.held.keys().map(|(job, ..)| job.clone()).collect();
            for job in jobs {
                let first = |model: &Self| {
                    let of_job = model.held.iter().filter(|((of, ..), _)| *of == job);
                    let mut fitting =
                        of_job.filter(|(_, held)| held.waits() && model.has_room(&job, held));
                    fitting.next().map(|(name, _)| name.clone())
                };
                while let Some(name) = first(self) {
                    let held = self.held.get_mut(&name).expect("it is held");
                    held.published.clone_from(&held.wanted);
                    admits = true;
                }
            }
            if !admits {
                return;
            }
        }
    }
}
