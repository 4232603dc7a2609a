//! Bad values, and the good ones before them.

use super::*;

#[test]
fn a_bad_value_is_left_out_or_keeps_the_last_good_target_and_harms_no_other() {
    let mut harness = Harness::listed(&[("web/1", "h:1"), ("web/2", "h:2")]);
    let applied = harness.put("web/1", "http://h:9");
    assert!(!applied.changed);
    assert!(applied.quarantined[0].keeps_last_good);
    harness.check(&["web=h:1", "web=h:2"]);
    let applied = harness.put("web/3", "");
    assert!(!applied.quarantined[0].keeps_last_good);
    assert!(matches!(
        applied.quarantined[0].reason,
        Reason::Value(ReadError::Format(FormatError::Address { .. }))
    ));
    harness.check(&["web=h:1", "web=h:2"]);
    assert!(harness.put("web/1", "h:3").changed);
    harness.check(&["web=h:2", "web=h:3"]);
    assert!(!harness.delete("web/3").changed);
    let expected = Counts { services: 1, valid: 2, targets: 2, bytes: 6, ..Counts::default() };
    assert_eq!(harness.registry.counts().expect("counts").1, expected);
}

#[test]
fn deleting_a_quarantined_entry_takes_its_last_good_target_along() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    harness.put("web/1", "bad");
    assert!(harness.delete("web/1").changed);
    harness.check(&[]);
}

#[test]
fn every_bad_value_of_an_entry_is_said_once() {
    let mut harness = Harness::listed(&[]);
    let kv = harness.kv("web/1", "bad");
    let again = Change::Put(kv.clone());
    assert_eq!(harness.apply(vec![Change::Put(kv)], true).quarantined.len(), 1);
    assert_eq!(harness.apply(vec![again], true).quarantined.len(), 0, "the same event again");
    assert_eq!(harness.put("web/1", "worse").quarantined.len(), 1);
}

#[test]
fn the_last_good_target_survives_a_relist_and_is_not_warned_of_again() {
    let mut harness = Harness::listed(&[("web/1", "h:1")]);
    let create_revision = Revision(2);
    let bad = KeyValue { version: 2, create_revision, ..harness.kv("web/1", "bad") };
    harness.apply(vec![Change::Put(bad.clone())], true);
    harness.registry.apply(Event::ListStarted);
    let applied = harness.registry.apply(Event::Page(vec![bad]));
    assert!(applied.lookups.is_empty());
    let applied =
        harness.registry.apply(Event::ListEnded { revision: Revision(9), new_epoch: false });
    assert!(applied.quarantined.is_empty());
    harness.check(&["web=h:1"]);
}

#[test]
fn a_key_that_was_deleted_and_came_back_bad_has_no_last_good_target() {
    let mut harness = Harness::listed(&[("web/1", "h:1"), ("web/2", "h:2")]);
    harness.list(&[("web/1", "bad"), ("web/2", "h:2")]);
    harness.check(&["web=h:2"]);
}

#[test]
fn a_list_wishes_for_the_value_before_a_bad_one_and_falls_back_on_it() {
    let mut harness = Harness::new();
    harness.registry.apply(Event::ListStarted);
    let overwritten = KeyValue { version: 2, ..harness.kv("web/1", "bad") };
    let never_good = harness.kv("web/2", "bad");
    let mut applied = harness.registry.apply(Event::Page(vec![overwritten, never_good]));
    assert_eq!(applied.lookups.len(), 1, "a key put once had no value before");
    let lookup = applied.lookups.remove(0);
    assert_eq!(lookup.key, b"/services/web/1");
    let recovered = Recovered { lookup, value: b"h:1".to_vec() };
    harness.registry.apply(Event::Recovered(vec![recovered]));
    let applied =
        harness.registry.apply(Event::ListEnded { revision: Revision(9), new_epoch: false });
    let kept: Vec<_> = applied.quarantined.iter().map(|entry| entry.keeps_last_good).collect();
    assert_eq!(kept, [true, false]);
    harness.check(&["web=h:1"]);
}

#[test]
fn a_value_that_was_not_found_in_time_is_wished_for_by_the_next_list_too() {
    let mut harness = Harness::new();
    let bad = KeyValue { version: 2, ..harness.kv("web/1", "bad") };
    for (revision, said) in [(8, 1), (9, 0)] {
        harness.registry.apply(Event::ListStarted);
        let applied = harness.registry.apply(Event::Page(vec![bad.clone()]));
        assert_eq!(applied.lookups.len(), 1);
        let applied = harness
            .registry
            .apply(Event::ListEnded { revision: Revision(revision), new_epoch: false });
        assert_eq!(applied.quarantined.len(), said);
    }
}
