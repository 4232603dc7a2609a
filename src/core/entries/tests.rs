//! Budgets against a model.

mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::core::event::{Change, Recovered};
use crate::core::pattern::Pattern;
use model::{Held, KEYS, Model, Step, VALUES};

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
    let held_out = entries.services().flat_map(|(parent, service)| {
        let held_out = service.instances.iter().filter(|(_, entry)| entry.state.is_held_out());
        held_out.map(move |(name, _)| (parent.into(), name.clone()))
    });
    assert_eq!(held_out.collect::<BTreeSet<_>>(), entries.ledger.held_out);
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
                    Change::Delete { key, mod_revision, .. } => {
                        entries.delete(&key, mod_revision, 0)
                    }
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
