//! What becomes of targets is told, and adds up to what is held.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::history::{Capture, Cause};
use crate::core::value::Target;

/// A registry that tells, and whose services may have two targets.
fn harness() -> Harness {
    let mut schema = Schema::of(Pattern::parse("/services/{service}/{instance}").expect("one"));
    schema.policy.budgets.service_targets = 2;
    Harness { registry: Registry::new(schema.into()).capturing(), revision: 1 }
}

/// Key, what it was, what it is, and why.
type Told = (String, String, String, Cause);

fn told(captures: impl IntoIterator<Item = Capture>) -> Vec<Told> {
    let shown =
        |target: Option<&Target>| target.map_or(String::new(), |it| it.addresses().join(","));
    let one = |capture: Capture| {
        let key = String::from_utf8_lossy(&capture.key["/services/".len()..]).into_owned();
        (key, shown(capture.before.as_ref()), shown(capture.after.as_ref()), capture.cause)
    };
    captures.into_iter().map(one).collect()
}

fn of_changes(applied: Applied) -> Vec<Told> {
    told(applied.captures)
}

fn of_list(applied: Applied) -> Vec<Told> {
    told(applied.relisted.into_iter().flat_map(|relisted| relisted.captures().flatten()))
}

fn one(key: &str, before: &str, after: &str, cause: Cause) -> Told {
    (key.into(), before.into(), after.into(), cause)
}

#[test]
fn nothing_is_told_unless_somebody_wants_to_know() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    assert!(harness.put("web/2", "h:2").captures.is_empty());
    assert!(harness.list(&[]).relisted.is_none());
}

#[test]
fn each_change_of_a_target_is_told_and_nothing_else() {
    let mut harness = harness();
    let first = harness.list(&[("web/1", "h:1")]);
    assert!(first.captures.is_empty() && first.relisted.is_none());
    assert_eq!(of_changes(harness.put("web/2", "h:2")), [one("web/2", "", "h:2", Cause::Put)]);
    assert_eq!(of_changes(harness.put("web/2", "h:2")), [], "a heartbeat");
    assert_eq!(of_changes(harness.put("web/2", "bad")), [], "its last good target stays");
    assert_eq!(of_changes(harness.put("web/2", "h:3")), [one("web/2", "h:2", "h:3", Cause::Put)]);
    assert_eq!(of_changes(harness.put("web/3", "h:4")), [], "there is no room");
    assert_eq!(
        of_changes(harness.delete("web/1")),
        [one("web/1", "h:1", "", Cause::Delete), one("web/3", "", "h:4", Cause::Admitted)]
    );
    assert_eq!(of_changes(harness.put("web/2", "bad")), []);
    assert_eq!(of_changes(harness.delete("web/2")), [one("web/2", "h:3", "", Cause::Delete)]);
    assert_eq!(of_changes(harness.delete("web/2")), []);
}

#[test]
fn a_list_is_compared_with_what_was_held_and_services_that_are_as_they_were_are_not_looked_into() {
    let mut harness = harness();
    let entries = [("a/1", "a:1"), ("b/1", "b:1"), ("b/2", "b:2"), ("c/1", "c:1")];
    let page: Vec<_> = entries.iter().map(|(key, value)| harness.kv(key, value)).collect();
    harness.take_list(page.clone());
    harness.registry.render();
    assert!(harness.take_list(page.clone()).relisted.expect("told").is_empty());
    let mut page = page;
    page.remove(3);
    page[1].value = b"b:9".to_vec();
    page[1].mod_revision = Revision(8);
    page.push(harness.kv("d/1", "d:1"));
    assert_eq!(
        of_list(harness.take_list(page)),
        [
            one("b/1", "b:1", "b:9", Cause::Relist),
            one("c/1", "c:1", "", Cause::Relist),
            one("d/1", "", "d:1", Cause::Relist)
        ]
    );
}

/// One change, or a list of what etcd has.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8, u8),
    Delete(u8, u8),
    /// What was done before and has not been told, if there is some.
    Missed(Vec<(u8, u8, u8)>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = || (0u8..2, 0u8..4, 0u8..4);
    let step = prop_oneof![
        6 => put().prop_map(|(service, instance, value)| Step::Put(service, instance, value)),
        3 => (0u8..2, 0u8..4).prop_map(|(service, instance)| Step::Delete(service, instance)),
        1 => prop::collection::vec(put(), 0..4).prop_map(Step::Missed),
    ];
    prop::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn what_is_told_leads_from_target_to_target_up_to_those_in_the_document(steps in steps()) {
        let mut harness = harness();
        harness.list(&[]);
        let mut store = BTreeMap::<String, KeyValue>::new();
        let mut known = BTreeMap::<Vec<u8>, Target>::new();
        // The value 0 is none that stands for a target.
        let value = |value: u8| if value == 0 { "bad".to_owned() } else { format!("h:{value}") };
        for step in steps {
            let applied = match step {
                Step::Put(service, instance, v) => {
                    let kv = harness.kv(&format!("{service}/{instance}"), &value(v));
                    store.insert(format!("{service}/{instance}"), kv.clone());
                    harness.apply(vec![Change::Put(kv)], true)
                }
                Step::Delete(service, instance) => {
                    store.remove(&format!("{service}/{instance}"));
                    harness.delete(&format!("{service}/{instance}"))
                }
                Step::Missed(puts) => {
                    for (service, instance, v) in puts {
                        let key = format!("{service}/{instance}");
                        store.remove(&key);
                        if v < 3 {
                            let kv = harness.kv(&key, &value(v));
                            store.insert(key, kv);
                        }
                    }
                    harness.take_list(store.values().cloned().collect())
                }
            };
            let relisted = applied.relisted.into_iter();
            let listed = relisted.flat_map(|relisted| relisted.captures().flatten());
            for Capture { key, before, after, .. } in applied.captures.into_iter().chain(listed) {
                prop_assert_ne!(&before, &after);
                prop_assert_eq!(known.remove(&key), before);
                known.extend(after.map(|after| (key, after)));
            }
            let mut targets = BTreeMap::<&[u8], Vec<&Target>>::new();
            for (key, target) in &known {
                targets.entry(&key[..key.len() - 2]).or_default().push(target);
            }
            let rendered = harness.registry.render().expect("a document");
            let mut expected = crate::core::render::Document::new(Revision(0));
            for (service, targets) in targets {
                let name = String::from_utf8_lossy(&service["/services/".len()..]);
                let piece = crate::core::render::Piece::render(&name, targets.into_iter());
                expected.push(&piece);
            }
            prop_assert_eq!(
                String::from_utf8(rendered.to_vec()), String::from_utf8(expected.to_vec())
            );
        }
    }
}
