use super::*;
use crate::core::event::{Change, Event};
use crate::core::key::Prefix;
use crate::core::registry::{Audited, Check, Registry, Standing};
use crate::core::schema::Schema;
use proptest::prelude::*;

/// Keys, values and revisions, as `service/instance`, port and revision.
type Keys = [(&'static str, u16, i64)];

fn kv(&(key, port, revision): &(&str, u16, i64)) -> KeyValue {
    KeyValue {
        key: format!("/services/{key}").into(),
        value: format!("h:{port}").into(),
        create_revision: Revision(revision),
        mod_revision: Revision(revision),
        version: 1,
    }
}

fn put(key: &str, port: u16, revision: i64) -> Change {
    Change::Put(kv(&(key, port, revision)))
}

fn delete(key: &str, revision: i64) -> Change {
    Change::Delete {
        key: format!("/services/{key}").into(),
        mod_revision: Revision(revision),
        lease: 0,
    }
}

/// A registry that holds `keys`, which ascend, as of `revision`.
fn holding(keys: &Keys, revision: i64) -> Registry {
    let mut registry =
        Registry::new(Schema::below(&Prefix::parse("/services").expect("a prefix")).into());
    registry.apply(Event::ListStarted);
    registry.apply(Event::Page(keys.iter().map(kv).collect()));
    registry.apply(Event::ListEnded { revision: Revision(revision), new_epoch: false });
    registry
}

fn apply(registry: &mut Registry, change: Change) {
    let revision = change.revision();
    registry.apply(Event::Changes { changes: vec![change], revision, complete: true });
}

/// Lists `keys` as of `revision`, in pages of that many, after the start of an audit.
fn list(registry: &mut Registry, keys: &Keys, revision: i64, page: usize) -> Audited {
    let entries: Vec<_> = keys.iter().map(kv).collect();
    for page in entries.chunks(page) {
        let entries = page.to_vec();
        registry.audit(Check::Page { revision: Revision(revision), entries });
    }
    registry.audit(Check::End(Revision(revision)))
}

fn suspects(audited: &Audited) -> usize {
    match audited {
        Audited::Stands(standing) => standing.suspects,
        other => panic!("{other:?}"),
    }
}

/// The keys that differ after an audit without any change meanwhile.
fn differences(held: &Keys, listed: &Keys, page: usize) -> Vec<String> {
    let mut registry = holding(held, 9);
    registry.audit(Check::Start);
    let end = list(&mut registry, listed, 9, page);
    let Audited::Report(report) = registry.audit(Check::Report) else {
        panic!("no report");
    };
    assert_eq!(suspects(&end), report.differences);
    assert_eq!(report.examples.len(), report.differences);
    assert_eq!(report.compared, listed.len());
    let key = |difference: &Difference| String::from_utf8(difference.key.clone()).expect("UTF-8");
    report.examples.iter().map(|difference| key(difference)["/services/".len()..].into()).collect()
}

/// In etcd's order, which is not that of the services' names: `-` comes before `/`.
const FLEET: &Keys = &[("a-b/1", 1, 2), ("a/1", 1, 3), ("a/2", 2, 4), ("c/1", 1, 5)];

#[test]
fn a_registry_that_is_what_etcd_holds_has_no_difference() {
    for page in 1..=5 {
        assert!(differences(FLEET, FLEET, page).is_empty());
        assert!(differences(&[], &[], page).is_empty());
    }
}

#[test]
fn whatever_differs_is_found_by_its_key() {
    for page in 1..=5 {
        for index in 0..FLEET.len() {
            let fewer: Vec<_> = [&FLEET[..index], &FLEET[index + 1..]].concat();
            let (key, port, revision) = FLEET[index];
            assert_eq!(differences(&fewer, FLEET, page), [key], "missing");
            assert_eq!(differences(FLEET, &fewer, page), [key], "extra");
            let mut other = FLEET.to_vec();
            other[index] = (key, port, revision + 1);
            assert_eq!(differences(FLEET, &other, page), [key], "older");
            assert_eq!(differences(&other, FLEET, page), [key], "newer than etcd");
            other[index] = (key, port + 1, revision);
            assert_eq!(differences(FLEET, &other, page), [key], "another value");
        }
        assert_eq!(differences(&[], FLEET, page).len(), FLEET.len());
        assert_eq!(differences(FLEET, &[], page).len(), FLEET.len());
    }
}

#[test]
fn changes_after_the_list_are_no_differences() {
    let mut registry = holding(FLEET, 5);
    registry.audit(Check::Start);
    apply(&mut registry, put("a/1", 9, 6));
    apply(&mut registry, delete("c/1", 7));
    apply(&mut registry, put("d/1", 9, 8));
    assert_eq!(suspects(&list(&mut registry, FLEET, 5, 2)), 0);
}

#[test]
fn changes_that_are_still_on_their_way_clear_what_they_explain() {
    let mut registry = holding(FLEET, 5);
    registry.audit(Check::Start);
    let listed = &[("a-b/1", 1, 2), ("a/1", 9, 6), ("c/1", 1, 5), ("d/1", 9, 8)];
    assert_eq!(suspects(&list(&mut registry, listed, 8, 2)), 3);
    apply(&mut registry, put("a/1", 9, 6));
    apply(&mut registry, delete("a/2", 7));
    apply(&mut registry, put("d/1", 9, 8));
    assert_eq!(suspects(&registry.audit(Check::Settle)), 0);
}

#[test]
fn a_service_that_comes_between_its_page_and_the_end_is_no_difference() {
    let mut registry = holding(FLEET, 5);
    registry.audit(Check::Start);
    let page = vec![kv(&("a-a/1", 1, 6))];
    registry.audit(Check::Page { revision: Revision(6), entries: page });
    apply(&mut registry, put("a-a/1", 1, 6));
    assert_eq!(suspects(&list(&mut registry, FLEET, 6, 9)), 0);
}

#[test]
fn revisions_of_which_a_part_is_still_to_come_are_not_past() {
    let mut registry = holding(FLEET, 5);
    registry.audit(Check::Start);
    let listed = &[("a-b/1", 1, 2), ("a/1", 9, 6), ("a/2", 9, 7), ("c/1", 1, 5)];
    list(&mut registry, listed, 7, 9);
    let revision = Revision(8);
    for (change, complete) in
        [(put("a/1", 9, 6), false), (put("a/2", 9, 7), false), (put("c/1", 9, 8), true)]
    {
        let Audited::Stands(standing) = registry.audit(Check::Settle) else {
            panic!("void");
        };
        assert!(!standing.is_past, "{standing:?}");
        registry.apply(Event::Changes { changes: vec![change], revision, complete });
    }
    let standing = Standing { position: revision, is_past: true, suspects: 0 };
    assert_eq!(registry.audit(Check::Settle), Audited::Stands(standing));
}

#[test]
fn a_relist_makes_an_audit_void() {
    let mut registry = holding(FLEET, 5);
    registry.audit(Check::Start);
    registry.apply(Event::ListStarted);
    assert_eq!(registry.audit(Check::End(Revision(6))), Audited::Void);
    registry.apply(Event::ListEnded { revision: Revision(6), new_epoch: false });
    assert_eq!(registry.audit(Check::Settle), Audited::Void);
    assert!(matches!(registry.audit(Check::Start), Audited::Stands(_)));
}

#[test]
fn before_the_first_list_there_is_nothing_to_audit() {
    let mut registry =
        Registry::new(Schema::below(&Prefix::parse("/services").expect("a prefix")).into());
    assert_eq!(registry.audit(Check::Start), Audited::Void);
}

#[test]
fn a_flood_of_deletions_makes_an_audit_void_instead_of_filling_memory() {
    let mut registry = holding(FLEET, 5);
    registry.audit(Check::Start);
    let changes = (0..=DELETIONS).map(|n| delete(&format!("x/{n}"), 6)).collect();
    registry.apply(Event::Changes { changes, revision: Revision(6), complete: true });
    assert_eq!(registry.audit(Check::Settle), Audited::Void);
}

#[test]
fn very_many_differences_are_counted_and_some_are_named() {
    let keys: Vec<String> = (0..KEPT + 5).map(|n| format!("x/{n:06}")).collect();
    let mut registry = holding(&[], 9);
    registry.audit(Check::Start);
    let entries = keys.iter().map(|key| kv(&(key, 1, 2))).collect();
    registry.audit(Check::Page { revision: Revision(9), entries });
    let Audited::Report(report) = registry.audit(Check::Report) else {
        panic!("no report");
    };
    assert_eq!((report.differences, report.compared), (KEPT + 5, KEPT + 5));
    assert_eq!(report.examples.len(), 10);
}

proptest! {
    /// Histories in which the events of the watch and the pages of the list interleave in any
    /// way: as long as each event comes in the end, nothing is left suspect.
    #[test]
    fn whatever_the_order_of_events_and_pages_a_sound_registry_is_cleared(
        history in prop::collection::vec((0u8..9, prop::option::weighted(0.6, 1u16..4)), 1..40),
        start in 0usize..20, listed in 0usize..40, page in 1usize..4,
        order in prop::collection::vec(any::<bool>(), 80),
    ) {
        let name = |key: u8| format!("/services/{}/{key}", ["a", "a-b", "c"][usize::from(key % 3)]);
        let mut state = BTreeMap::new();
        let mut states = vec![state.clone()];
        let mut events = Vec::new();
        for (index, (key, port)) in history.iter().enumerate() {
            let mod_revision = Revision(i64::try_from(index).expect("small") + 1);
            let (key, value) = (name(*key).into_bytes(), port.map(|port| format!("h:{port}")));
            if let Some(value) = value {
                let kv = KeyValue {
                    key: key.clone(), value: value.into(), create_revision: mod_revision,
                    mod_revision, version: 1,
                };
                state.insert(key, kv.clone());
                events.push(Change::Put(kv));
            } else {
                state.remove(&key);
                events.push(Change::Delete { key, mod_revision, lease: 0 });
            }
            states.push(state.clone());
        }
        let start = start.min(events.len());
        let listed = listed.clamp(start, events.len());
        let at = |revision: usize| Revision(i64::try_from(revision).expect("small"));
        let mut registry = Registry::new(Schema::below(&Prefix::parse("/services").expect("a prefix")).into());
        registry.apply(Event::ListStarted);
        registry.apply(Event::Page(states[start].values().cloned().collect()));
        registry.apply(Event::ListEnded { revision: at(start), new_epoch: false });
        registry.audit(Check::Start);
        let mut pages: std::collections::VecDeque<Vec<KeyValue>> = states[listed]
            .values().cloned().collect::<Vec<_>>().chunks(page).map(<[_]>::to_vec).collect();
        let mut events: std::collections::VecDeque<Change> = events.split_off(start).into();
        let mut ended = false;
        for event_first in order {
            if event_first && let Some(event) = events.pop_front() {
                apply(&mut registry, event);
            } else if let Some(entries) = pages.pop_front() {
                registry.audit(Check::Page { revision: at(listed), entries });
            } else if !std::mem::replace(&mut ended, true) {
                registry.audit(Check::End(at(listed)));
            }
        }
        for event in events {
            apply(&mut registry, event);
        }
        for entries in pages {
            registry.audit(Check::Page { revision: at(listed), entries });
        }
        if !ended {
            registry.audit(Check::End(at(listed)));
        }
        prop_assert_eq!(suspects(&registry.audit(Check::Settle)), 0);
    }
}
