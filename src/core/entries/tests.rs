//! Budgets against a model that knows no order but that of keys, and counts all anew each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::core::cost::{Need, room};
use crate::core::event::{Change, Recovered};
use crate::core::pattern::Pattern;
use crate::core::value::Target;

const KEYS: [&str; 8] = ["x/a/1", "x/a/2", "x/a/3", "x/b/1", "y/a/1", "y/a/2", "y/b/1", "y/b/2"];

const VALUES: [&str; 7] = [
    "h:1",
    "h:22222",
    r#"{"targets":["h:1","h:2"]}"#,
    r#"{"targets":["h:1","h:2","h:3"]}"#,
    r#"{"address":"h:1","labels":{"a":"0123456789"}}"#,
    r#"{"targets":["h:1","h:2"],"labels":{"a":"b"}}"#,
    "bad",
];

#[derive(Clone, Copy, Debug)]
struct Step {
    key: usize,
    /// `None` deletes it.
    value: Option<usize>,
}

/// What happens: changes that are watched, or that are missed and listed after.
#[derive(Clone, Debug)]
enum Act {
    Watched(Step),
    Missed(Vec<Step>),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let step = (0..KEYS.len(), prop::option::weighted(0.75, 0..VALUES.len()))
        .prop_map(|(key, value)| Step { key, value });
    let act = prop_oneof![
        8 => step.clone().prop_map(Act::Watched),
        1 => prop::collection::vec(step, 0..6).prop_map(Act::Missed),
    ];
    prop::collection::vec(act, 1..60)
}

/// What one key has by the model.
#[derive(Clone, Debug, Default, PartialEq)]
struct Held {
    published: Option<Target>,
    wanted: Option<Target>,
}

impl Held {
    fn waits(&self) -> bool {
        self.wanted.is_some() && self.published != self.wanted
    }

    fn need(&self) -> Need {
        Cost::of(self.wanted.as_ref()).beyond(Cost::of(self.published.as_ref()))
    }
}

struct Model {
    schema: Arc<Schema>,
    /// By job, parent and name.
    held: BTreeMap<(String, String, String), Held>,
    /// What etcd has.
    etcd: BTreeMap<usize, KeyValue>,
    /// Every value that a key had, by revision.
    history: BTreeMap<(usize, Revision), Vec<u8>>,
    revision: i64,
}

impl Model {
    fn name(&self, key: &[u8]) -> (String, String, String) {
        match self.schema.classify(key) {
            Key::Instance { parent, name } => {
                (self.schema.pattern.service(parent).into(), parent.into(), name.into())
            }
            other => panic!("{other:?}"),
        }
    }

    /// Changes what etcd has.
    fn step(&mut self, Step { key, value }: Step) -> Option<Change> {
        self.revision += 1;
        let revision = Revision(self.revision);
        let Some(value) = value else {
            return self
                .etcd
                .remove(&key)
                .map(|kv| Change::Delete { key: kv.key, mod_revision: revision });
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

    fn wanted(&self, kv: &KeyValue) -> Option<Target> {
        let (_, parent, name) = self.name(&kv.key);
        self.schema.read(&parent, &name, &kv.value, kv.mod_revision).ok()
    }

    fn costs(&self, job: Option<&str>, of: impl Fn(&Held) -> Option<&Target>) -> Cost {
        let held = self.held.iter().filter(|((of, ..), _)| job.is_none_or(|job| job == of));
        held.fold(Cost::default(), |sum, (_, held)| {
            let cost = Cost::of(of(held));
            Cost { targets: sum.targets + cost.targets, bytes: sum.bytes + cost.bytes }
        })
    }

    fn has_room(&self, job: &str, held: &Held) -> bool {
        let budgets = &self.schema.policy.budgets;
        let of_job = self.costs(Some(job), |held| held.published.as_ref());
        let of_all = self.costs(None, |held| held.published.as_ref());
        held.need().fits(Need {
            targets: room(budgets.service_targets, of_job.targets),
            bytes: room(budgets.total_bytes, of_all.bytes),
        })
    }

    fn watched(&mut self, change: &Change) {
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
    fn admit(&mut self) {
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

/// What the entries have, in the model's terms.
fn held(entries: &Entries) -> BTreeMap<(String, String, String), Held> {
    let mut all = BTreeMap::new();
    for (parent, service) in entries.services() {
        let job = entries.schema.pattern.service(parent);
        for (name, entry) in &service.instances {
            let held = Held {
                published: entry.state.target().cloned(),
                wanted: entry.state.wanted().cloned(),
            };
            assert_eq!(matches!(entry.state, State::Waiting(_)), held.waits());
            all.insert((job.to_string(), parent.to_owned(), name.to_string()), held);
        }
    }
    all
}

/// A list of what etcd has in the place of these entries; `remembers` says whether etcd's
/// history still has the values before bad ones.
fn relist(entries: &Entries, model: &Model, remembers: bool) -> Entries {
    let mut listed = Entries::new(Arc::clone(&model.schema));
    let mut lookups = Vec::new();
    for kv in model.etcd.values() {
        lookups.extend(listed.put_listed(kv.clone(), Some(entries)).1);
    }
    for lookup in lookups.into_iter().filter(|_| remembers) {
        let key = KEYS.iter().position(|key| lookup.key[1..] == *key.as_bytes()).expect("a key");
        let before = model.history.range((key, Revision(0))..(key, lookup.mod_revision));
        let value = before.last().expect("a value before").1.clone();
        listed.recover(&Recovered { lookup, value });
    }
    listed.end_list(Some(entries));
    listed
}

fn check(entries: &Entries, model: &Model) {
    let budgets = &model.schema.policy.budgets;
    let counts = entries.counts();
    let published = model.costs(None, |held| held.published.as_ref());
    assert_eq!((counts.targets, counts.bytes), (published.targets, published.bytes));
    assert!(counts.bytes <= budgets.total_bytes, "{counts:?}");
    let waiting = model.held.iter().filter(|(_, held)| held.waits());
    assert_eq!(counts.waiting, waiting.clone().count());
    assert_eq!(counts.valid, model.held.len() - counts.quarantined);
    assert_eq!(entries.ledger.waiting.is_empty(), counts.waiting == 0);
    assert!(entries.ledger.over.is_empty() && entries.ledger.reborn.is_empty());
    for ((job, ..), held) in &model.held {
        let of_job = model.costs(Some(job), |held| held.published.as_ref()).targets;
        assert!(of_job <= budgets.service_targets, "{job} has {of_job}");
        assert!(!held.waits() || !model.has_room(job, held), "{job} has room for {held:?}");
    }
}

fn run(pattern: &str, service_targets: usize, total_bytes: usize, remembers: bool, acts: Vec<Act>) {
    let mut schema = Schema::of(Pattern::parse(pattern).expect("a pattern"));
    let unbounded = Arc::new(schema.clone());
    schema.policy.budgets.service_targets = service_targets;
    schema.policy.budgets.total_bytes = total_bytes;
    let schema = Arc::new(schema);
    let mut model = Model {
        schema: Arc::clone(&schema),
        held: BTreeMap::new(),
        etcd: BTreeMap::new(),
        history: BTreeMap::new(),
        revision: 0,
    };
    let mut entries = Entries::new(schema);
    for act in acts {
        match act {
            Act::Watched(step) => {
                let Some(change) = model.step(step) else { continue };
                let before = entries.render(Revision(0));
                model.watched(&change);
                let changed = match change {
                    Change::Put(kv) => {
                        let wanted = model.wanted(&kv);
                        let put = entries.put(kv);
                        assert!(put.quarantine.is_none() || !put.changed);
                        assert!(put.quarantine.is_some() || wanted.is_some());
                        put.changed
                    }
                    Change::Delete { key, mod_revision } => entries.delete(&key, mod_revision),
                };
                assert_eq!(held(&entries), model.held);
                assert!(changed || entries.render(Revision(0)).same_bytes(&before));
            }
            Act::Missed(steps) => {
                let before = std::mem::take(&mut model.held);
                let etcd_before = model.etcd.clone();
                for step in steps {
                    model.step(step);
                }
                entries = relist(&entries, &model, remembers);
                model.held = held(&entries);
                for (&key, kv) in &model.etcd {
                    let name = model.name(&kv.key);
                    let after = &model.held[&name];
                    assert_eq!(after.wanted, model.wanted(kv), "a list is what etcd has");
                    let published = after.published.as_ref();
                    let lived = etcd_before.get(&key).map(|kv| kv.create_revision);
                    let is_same_life = lived == Some(kv.create_revision);
                    let before = before.get(&name).filter(|_| is_same_life);
                    let before = before.and_then(|held| held.published.as_ref());
                    assert!(before.is_none() || published.is_some(), "{name:?} is lost");
                    let is_kept = published == before || published == after.wanted.as_ref();
                    // What was right before a bad value is as good.
                    let is_recovered = remembers && after.wanted.is_none();
                    assert!(is_kept || is_recovered, "{name:?}: {published:?}");
                }
                let of_all =
                    |job| model.costs(job, |held| held.wanted.as_ref().or(held.published.as_ref()));
                let fits = of_all(None).bytes <= total_bytes
                    && model
                        .held
                        .keys()
                        .all(|(job, ..)| of_all(Some(job)).targets <= service_targets);
                if fits {
                    assert_eq!(entries.counts().waiting, 0, "all would fit");
                }
            }
        }
        check(&entries, &model);
        if model.held.values().all(|held| held.wanted.is_some() && !held.waits()) {
            let mut without = Entries::new(Arc::clone(&unbounded));
            model.etcd.values().for_each(|kv| drop(without.put(kv.clone())));
            assert_eq!(entries.render(Revision(0)).to_vec(), without.render(Revision(0)).to_vec());
            assert_eq!(entries.counts(), without.counts());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// What is published stays until its key is gone or has room for what it wants, nothing is
    /// ever over a budget, nobody waits while there is room, and a list displaces nobody.
    #[test]
    fn budgets_hold_and_displace_nobody(
        service_targets in 1usize..7, total_bytes in 3usize..60, remembers: bool, acts in acts(),
    ) {
        for pattern in ["/{env}/{service}/{instance}", "/{service}/{instance...}"] {
            run(pattern, service_targets, total_bytes, remembers, acts.clone());
        }
    }
}
