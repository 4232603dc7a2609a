//! A hold, from its beginning to its end.

use super::*;

#[test]
fn while_it_holds_additions_go_in_and_what_came_later_goes_as_ever() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    harness.check(&[], &[("web", 0..100)]);
    harness.check(&[("web", 90..110)], &[("web", 0..110)]);
    harness.check(&[("api", 0..5)], &[("api", 0..5), ("web", 0..100)]);
    harness.check(&[], &[("web", 0..100)]);
    let hold = harness.guard.hold().expect("a hold");
    assert_eq!((hold.published, hold.wanted, hold.removals), (100, 0, 100));
    assert_eq!(hold.cause, Cause::TooMany);
}

#[test]
fn it_says_once_that_it_holds() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    assert_eq!(harness.guard.take_news(), None);
    harness.publish(&[]);
    let hold = harness.guard.hold().expect("a hold");
    assert_eq!(harness.guard.take_news(), Some(News::Tripped(hold)));
    harness.publish(&[("api", 0..1)]);
    assert_eq!(harness.guard.take_news(), None);
}

#[test]
fn the_hold_expires_and_no_event_starts_its_clock_again() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    harness.publish(&[]);
    let due = harness.now + HOLD;
    for n in 1..10 {
        harness.after(HOLD / 10);
        harness.relist(true);
        assert!(harness.publish(&[("web", 0..n)]));
        assert_eq!(harness.guard.due(), Some(due));
    }
    harness.after(HOLD / 10);
    assert!(!harness.publish(&[("web", 0..9)]));
    assert_eq!(harness.ended(), Some(End::Expired));
    assert_eq!(harness.guard.due(), None);
    assert!(!harness.publish(&[]), "what was let through does not trip it again");
}

#[test]
fn the_clock_stands_still_while_etcd_can_not_be_reached() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    harness.publish(&[]);
    harness.after(HOLD / 3);
    assert!(harness.out_of_touch(true, &[]));
    assert_eq!(harness.guard.due(), None);
    harness.after(HOLD * 10);
    assert!(harness.publish(&[]), "losing etcd changes nothing");
    assert!(harness.out_of_touch(false, &[]));
    assert_eq!(harness.guard.due(), Some(harness.now + HOLD / 3 * 2));
    harness.after(HOLD / 3);
    assert!(harness.publish(&[]));
    harness.after(HOLD / 3);
    assert!(!harness.publish(&[]));
    assert_eq!(harness.ended(), Some(End::Expired));
}

#[test]
fn the_operator_can_release_it_while_etcd_can_not_be_reached() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    assert!(harness.out_of_touch(true, &[]), "and it can trip then");
    assert_eq!(harness.guard.due(), None);
    harness.guard.release();
    assert!(harness.guard.due().expect("a review") <= harness.now);
    assert!(!harness.publish(&[]));
}

#[test]
fn the_operator_releases_it_at_once() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    assert!(!harness.guard.release(), "there is nothing to release");
    harness.publish(&[]);
    assert!(harness.guard.release());
    assert!(harness.guard.due().expect("a review") <= harness.now);
    assert!(!harness.publish(&[]));
    assert_eq!(harness.ended(), Some(End::Released));
    assert!(!harness.after(SECOND).publish(&[]));
}

#[test]
fn a_release_without_a_hold_is_not_kept_for_the_next_one() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    harness.guard.release();
    assert!(harness.publish(&[]));
    assert!(harness.after(SECOND).publish(&[]));
}

#[test]
fn it_ends_when_enough_is_back_and_holds_anew_with_a_new_clock() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    assert!(harness.publish(&[("web", 0..10)]));
    harness.after(SECOND * 200);
    assert!(harness.publish(&[("web", 0..49)]));
    assert!(!harness.publish(&[("web", 0..50)]));
    assert_eq!(harness.ended(), Some(End::Recovered));
    assert!(!harness.publish(&[("web", 0..100)]));
    harness.after(SECOND);
    assert!(harness.publish(&[]));
    assert_eq!(harness.guard.due(), Some(harness.now + HOLD));
    harness.check(&[], &[("web", 0..100)]);
}

#[test]
fn a_fleet_that_comes_back_under_other_addresses_has_recovered() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    harness.publish(&[]);
    harness.check(&[("web", 1000..1040)], &[("web", 0..100), ("web", 1000..1040)]);
    harness.check(&[("web", 1000..1090)], &[("web", 1000..1090)]);
}
