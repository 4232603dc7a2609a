//! Budgets that entries share: who is in, who waits, and who is admitted when.

use super::*;
use crate::core::audit::Report;
use crate::core::pattern::Pattern;
use crate::core::quarantine::OverBudget;

/// A registry whose services may have so many targets, and all together so many bytes.
fn harness(service_targets: usize, total_bytes: usize) -> Harness {
    harness_of("/services/{service}/{instance}", service_targets, total_bytes)
}

fn harness_of(pattern: &str, service_targets: usize, total_bytes: usize) -> Harness {
    let mut schema = Schema::of(Pattern::parse(pattern).expect("a pattern"));
    schema.policy.budgets.service_targets = service_targets;
    schema.policy.budgets.total_bytes = total_bytes;
    Harness { registry: Registry::new(schema.into()), revision: 1 }
}

const ANY: usize = usize::MAX;

impl Harness {
    /// The keys that were admitted by this, and how many wait after it.
    fn admitted(&mut self, applied: &Applied) -> (Vec<String>, usize) {
        let key = |key: &Vec<u8>| String::from_utf8_lossy(&key["/services/".len()..]).into_owned();
        let waiting = self.registry.counts().expect("counts").1.waiting;
        (applied.admitted.iter().map(key).collect(), waiting)
    }

    /// Lists these, each with the revisions of its creation and of its last put.
    fn relist(&mut self, entries: &[(&str, &str, i64, i64)]) -> Applied {
        self.registry.apply(Event::ListStarted);
        let page = entries.iter().map(|&(key, value, create_revision, mod_revision)| {
            self.revision = self.revision.max(mod_revision);
            KeyValue {
                key: format!("/services/{key}").into(),
                value: value.into(),
                create_revision: Revision(create_revision),
                mod_revision: Revision(mod_revision),
                version: 1 + i64::from(mod_revision > create_revision),
            }
        });
        let page = page.collect();
        self.registry.apply(Event::Page(page));
        let revision = Revision(self.revision);
        self.registry.apply(Event::ListEnded { revision, new_epoch: false })
    }
}

/// Who is to wait, and what it is told.
fn reasons(applied: &Applied) -> Vec<(String, Reason, bool)> {
    let of = |one: &Quarantine| {
        let key = String::from_utf8_lossy(&one.key["/services/".len()..]).into_owned();
        (key, one.reason.clone(), one.keeps_last_good)
    };
    applied.quarantined.iter().map(of).collect()
}

#[test]
fn a_target_beyond_the_budget_of_its_service_waits_and_harms_no_other() {
    let mut harness = harness(2, ANY);
    harness.list(&[("db/1", "d:1"), ("web/1", "h:1"), ("web/2", "h:2")]);
    let applied = harness.put("web/0", "g:1");
    assert!(!applied.changed);
    let reason = Reason::Budget(OverBudget::Service { found: 3, limit: 2 });
    assert!(reason.to_string().contains("--max-targets-per-service"), "{reason}");
    assert_eq!(reasons(&applied), [("web/0".into(), reason, false)]);
    assert!(harness.put("db/2", "d:2").changed);
    harness.check(&["db=d:1", "db=d:2", "web=h:1", "web=h:2"]);
    let expected = Counts {
        services: 2,
        valid: 4,
        quarantined: 1,
        waiting: 1,
        targets: 4,
        bytes: 12,
        ignored: 0,
    };
    assert_eq!(harness.registry.counts().expect("counts").1, expected);
}

#[test]
fn those_that_wait_are_admitted_in_the_order_of_their_keys_when_there_is_room() {
    let mut harness = harness(1, ANY);
    harness.list(&[("web/5", "h:5")]);
    for (key, value) in [("web/3", "h:3"), ("web/1", "h:1"), ("web/2", "h:2")] {
        assert!(!harness.put(key, value).changed);
    }
    for (gone, next, waiting) in
        [("web/5", "web/1", 2), ("web/1", "web/2", 1), ("web/2", "web/3", 0)]
    {
        let applied = harness.delete(gone);
        assert!(applied.changed);
        assert_eq!(harness.admitted(&applied), (vec![next.to_owned()], waiting));
    }
    harness.check(&["web=h:3"]);
}

#[test]
fn a_value_that_wants_too_much_keeps_its_last_good_target_and_a_smaller_one_makes_room() {
    let mut harness = harness(3, ANY);
    harness.list(&[("web/1", r#"{"targets":["a:1","a:2"]}"#), ("web/2", "b:1")]);
    let applied = harness.put("web/2", r#"{"targets":["b:2","b:3"]}"#);
    let reason = Reason::Budget(OverBudget::Service { found: 4, limit: 3 });
    assert_eq!(reasons(&applied), [("web/2".into(), reason, true)]);
    harness.check(&["web=a:1", "web=a:2", "web=b:1"]);
    let applied = harness.put("web/1", "a:9");
    assert_eq!(harness.admitted(&applied), (vec!["web/2".to_owned()], 0));
    harness.check(&["web=a:9", "web=b:2", "web=b:3"]);
}

#[test]
fn heartbeats_neither_rotate_who_is_in_nor_are_said_again() {
    let mut harness = harness(1, ANY);
    harness.list(&[("web/2", "h:2")]);
    assert_eq!(harness.put("web/1", "h:1").quarantined.len(), 1);
    for _ in 0..3 {
        for (key, value) in [("web/1", "h:1"), ("web/2", " h:2"), ("web/1", r#"{"address":"h:1"}"#)]
        {
            let applied = harness.put(key, value);
            assert!(!applied.changed && applied.quarantined.is_empty(), "{applied:?}");
        }
    }
    harness.check(&["web=h:2"]);
    assert_eq!(harness.put("web/1", "h:9").quarantined.len(), 1, "another value is said");
}

#[test]
fn room_in_all_bytes_is_given_over_services_in_order_to_those_that_fit() {
    let mut harness = harness(ANY, 9);
    harness.list(&[("m/1", "h:1"), ("m/2", "h:2"), ("z/1", "h:3")]);
    let applied = harness.put("a/1", "long:1");
    let reason = Reason::Budget(OverBudget::Total { found: 15, limit: 9 });
    assert!(reason.to_string().contains("--max-total-bytes"), "{reason}");
    assert_eq!(reasons(&applied), [("a/1".into(), reason, false)]);
    harness.put("b/1", "h:4");
    harness.put("c/1", "h:5");
    let applied = harness.delete("m/1");
    assert_eq!(harness.admitted(&applied), (vec!["b/1".to_owned()], 2), "there is no room for a/1");
    harness.delete("c/1");
    let applied = harness.delete("m/2");
    assert_eq!(harness.admitted(&applied), (vec![], 1));
    let applied = harness.delete("b/1");
    assert_eq!(harness.admitted(&applied), (vec!["a/1".to_owned()], 0));
    harness.check(&["a=long:1", "z=h:3"]);
}

#[test]
fn one_that_waits_and_goes_or_goes_bad_waits_no_more() {
    let mut harness = harness(1, ANY);
    harness.list(&[("web/0", "g:1")]);
    harness.put("web/1", "h:1");
    harness.put("web/2", "h:2");
    harness.put("web/3", "h:3");
    assert!(!harness.delete("web/1").changed);
    harness.put("web/2", "bad");
    let applied = harness.delete("web/0");
    assert_eq!(harness.admitted(&applied), (vec!["web/3".to_owned()], 0));
    harness.check(&["web=h:3"]);
}

#[test]
fn of_a_first_list_the_first_created_are_in_whatever_was_written_since_and_then_the_first_keys() {
    let mut harness = harness(2, ANY);
    let applied = harness.relist(&[
        ("db/1", "d:1", 2, 9),
        ("web/1", "h:1", 8, 8),
        ("web/2", "h:2", 7, 20),
        ("web/3", "h:3", 7, 30),
        ("web/4", "h:4", 7, 7),
    ]);
    let reason = Reason::Budget(OverBudget::Service { found: 3, limit: 2 });
    let said = [("web/4".into(), reason.clone(), false), ("web/1".into(), reason, false)];
    assert_eq!(reasons(&applied), said);
    harness.check(&["db=d:1", "web=h:2", "web=h:3"]);
    let applied = harness.delete("web/3");
    assert_eq!(harness.admitted(&applied), (vec!["web/1".to_owned()], 1));
}

#[test]
fn services_are_told_apart_where_the_order_of_names_is_not_that_of_keys() {
    let mut harness = harness(1, ANY);
    harness.relist(&[
        ("a-b/1", "h:1", 5, 5),
        ("a-b/2", "h:2", 3, 3),
        ("a/1", "h:3", 9, 9),
        ("a/2", "h:4", 1, 1),
    ]);
    harness.check(&["a=h:4", "a-b=h:2"]);
}

#[test]
fn a_relist_displaces_nobody_and_says_nothing_anew() {
    let mut harness = harness(2, ANY);
    harness.relist(&[("web/5", "h:5", 2, 5), ("web/6", "h:6", 2, 6)]);
    assert_eq!(harness.put("web/7", "h:7").quarantined.len(), 1);
    let again = [("web/5", "h:5", 2, 5), ("web/6", "h:6", 2, 90), ("web/7", "h:7", 7, 7)];
    assert!(harness.relist(&again).quarantined.is_empty());
    harness.check(&["web=h:5", "web=h:6"]);
    let newer = [("web/0", "g:1", 80, 80), again[0], again[1], again[2]];
    assert_eq!(harness.relist(&newer).quarantined.len(), 1);
    harness.check(&["web=h:5", "web=h:6"]);
    harness.relist(&[newer[0], again[0], again[2]]);
    harness.check(&["web=h:5", "web=h:7"]);
}

#[test]
fn one_that_grew_during_an_outage_keeps_what_it_had_unless_it_was_deleted_meanwhile() {
    let mut harness = harness(2, ANY);
    harness.relist(&[("web/1", "h:1", 2, 5), ("web/2", "h:2", 3, 6)]);
    let two = r#"{"targets":["i:1","i:2"]}"#;
    let applied = harness.relist(&[("web/1", two, 2, 20), ("web/2", "h:2", 3, 6)]);
    assert!(applied.quarantined[0].keeps_last_good);
    harness.check(&["web=h:1", "web=h:2"]);
    harness.relist(&[("web/1", two, 30, 30), ("web/2", "h:2", 3, 6)]);
    harness.check(&["web=h:2"]);
}

#[test]
fn of_a_list_that_is_too_large_as_a_whole_the_oldest_stay_within_all_budgets() {
    let mut harness = harness(2, 9);
    harness.relist(&[
        ("a/1", "h:1", 9, 9),
        ("b/1", "h:2", 3, 20),
        ("b/2", "h:3", 4, 4),
        ("b/3", "h:4", 5, 5),
        ("c/1", "h:5", 6, 6),
    ]);
    harness.check(&["b=h:2", "b=h:3", "c=h:5"]);
    assert_eq!(harness.registry.counts().expect("counts").1.bytes, 9);
}

#[test]
fn room_for_what_has_to_be_kept_is_taken_from_newcomers_of_other_services() {
    let mut harness = harness(2, 14);
    harness.relist(&[("web/1", "longer:1", 2, 2), ("web/2", "h:2", 3, 3)]);
    // More targets than there is room for, and fewer bytes: so db/1 would have had room.
    let two = r#"{"targets":["i:1","i:2"]}"#;
    let grown = ("web/1", two, 2, 5);
    harness.relist(&[("db/1", "d:12", 4, 4), grown, ("web/2", "h:2", 3, 3)]);
    harness.check(&["web=h:2", "web=longer:1"]);
}

#[test]
fn what_is_found_in_etcds_history_keeps_to_the_budgets_too() {
    let mut harness = harness(1, ANY);
    harness.registry.apply(Event::ListStarted);
    let bad = KeyValue { version: 2, ..harness.kv("web/1", "bad") };
    let first = Revision(1);
    let good =
        KeyValue { create_revision: first, mod_revision: first, ..harness.kv("web/2", "h:2") };
    let applied = harness.registry.apply(Event::Page(vec![bad, good]));
    let recovered =
        applied.lookups.into_iter().map(|lookup| Recovered { lookup, value: b"h:1".to_vec() });
    harness.registry.apply(Event::Recovered(recovered.collect()));
    let applied =
        harness.registry.apply(Event::ListEnded { revision: Revision(9), new_epoch: false });
    assert_eq!(applied.quarantined.len(), 1);
    assert!(!applied.quarantined[0].keeps_last_good);
    harness.check(&["web=h:2"]);
}

#[test]
fn a_service_of_several_parents_has_one_budget() {
    let mut harness = harness_of("/services/{env}/{service}/{instance}", 2, ANY);
    harness.list(&[("a/web/1", "h:1"), ("b/web/1", "h:2")]);
    assert_eq!(harness.put("c/web/1", "h:3").quarantined.len(), 1);
    assert!(harness.put("c/db/1", "d:1").changed);
    let applied = harness.delete("a/web/1");
    assert_eq!(harness.admitted(&applied), (vec!["c/web/1".to_owned()], 0));
    let again = [("a/web/0", "g:1", 40, 40), ("b/web/1", "h:2", 3, 3), ("c/web/1", "h:3", 4, 4)];
    assert_eq!(reasons(&harness.relist(&again))[0].0, "a/web/0");
}

#[test]
fn an_audit_finds_those_that_wait_where_they_should_be() {
    let mut harness = harness(1, ANY);
    let entries = [("web/1", "h:1", 2, 5), ("web/2", "h:2", 3, 6)];
    harness.relist(&entries);
    let mut differences = |value: &str| {
        let kv = |&(key, value, create_revision, mod_revision): &(&str, &str, i64, i64)| KeyValue {
            key: format!("/services/{key}").into(),
            value: value.into(),
            create_revision: Revision(create_revision),
            mod_revision: Revision(mod_revision),
            version: 1,
        };
        harness.registry.audit(Check::Start);
        let page = vec![kv(&entries[0]), kv(&("web/2", value, 3, 6))];
        harness.registry.audit(Check::Page { revision: Revision(6), entries: page });
        harness.registry.audit(Check::End(Revision(6)));
        match harness.registry.audit(Check::Report) {
            Audited::Report(Report { differences, .. }) => differences,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(differences("h:2"), 0);
    assert_eq!(differences("h:3"), 1);
}
