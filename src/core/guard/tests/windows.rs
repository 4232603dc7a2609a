//! What is a mass removal in many publishes, and what is ordinary work.

use super::*;

#[test]
fn a_fleet_whose_leases_end_over_twenty_publishes_is_held_as_it_was() {
    for size in [200, 5_000, 20_000] {
        let mut harness = Harness::published(&[("api", 0..size / 2), ("web", 0..size / 2)]);
        let mut held_at = None;
        for step in 1..=20_u32 {
            harness.after(SECOND);
            let left = size / 2 - size / 2 / 20 * step;
            let held = harness.publish(&[("api", 0..left), ("web", 0..left)]);
            if held && held_at.is_none() {
                held_at = Some(step);
            }
        }
        assert_eq!(held_at, Some(11), "with more than half of {size}");
        harness.check(&[], &[("api", 0..size / 2), ("web", 0..size / 2)]);
    }
}

#[test]
fn a_large_fleet_is_remembered_for_as_long_as_etcd_takes_to_revoke_its_leases() {
    let size = 200_000;
    let mut harness = Harness::published(&[("web", 0..size)]);
    let mut left = size;
    // 1,000 leases a second, and a look every twenty.
    while !harness.publish(&[("web", 0..left)]) {
        harness.after(SECOND * 20);
        left = left.checked_sub(20_000).expect("it trips before all are gone");
    }
    assert_eq!(left, 80_000);
    assert_eq!(harness.guard.hold().map(|hold| hold.published), Some(200_000));
}

#[test]
fn leases_that_end_while_targets_come_and_go_are_held_too() {
    let mut harness = Harness::published(&[("web", 0..1000)]);
    let mut trips = false;
    for step in 0..300_u32 {
        harness.after(SECOND / 5);
        let left = 1000 - 4 * step.saturating_sub(100).min(200);
        trips = harness.publish(&[("churn", step..step + 3), ("web", 0..left)]);
    }
    assert!(trips);
    let hold = harness.guard.hold().expect("a hold");
    assert!(hold.published >= 1000, "{hold:?}");
}

#[test]
fn a_rolling_restart_in_batches_is_not_held() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    for batch in 0..10_u32 {
        let (gone, come) = ((batch + 1) * 10, 100 + batch * 10);
        harness.after(SECOND);
        assert!(!harness.publish(&[("web", gone..come)]), "a batch stops");
        harness.after(SECOND);
        assert!(!harness.publish(&[("web", gone..come + 10)]), "and is back elsewhere");
    }
}

#[test]
fn a_new_generation_in_one_burst_is_not_held() {
    let mut harness = Harness::published(&[("api", 0..100), ("web", 0..100)]);
    for generation in 1..20_u32 {
        harness.after(SECOND);
        let instances = generation * 1000..generation * 1000 + 100;
        assert!(!harness.publish(&[("api", instances.clone()), ("web", instances)]));
    }
}

#[test]
fn a_job_that_grows_does_not_hide_that_another_is_gone() {
    let mut harness = Harness::published(&[("api", 0..10), ("web", 0..100)]);
    assert!(harness.publish(&[("api", 0..1000)]));
}

#[test]
fn a_fleet_that_shrinks_over_hours_is_not_held() {
    let mut harness = Harness::published(&[("web", 0..1000)]);
    for left in (10..1000).rev().step_by(5) {
        harness.after(SECOND * 40);
        assert!(!harness.publish(&[("web", 0..left)]), "{left} are left");
    }
}

#[test]
fn an_evening_that_halves_the_fleet_at_once_is_not_held() {
    let mut harness = Harness::published(&[("web", 0..1000)]);
    for _ in 0..10 {
        assert!(!harness.publish(&[("web", 0..500)]));
        harness.after(SECOND * 36_000);
        assert!(!harness.publish(&[("web", 0..1000)]));
        harness.after(SECOND * 36_000);
    }
}

#[test]
fn a_drip_of_less_than_the_minimum_in_a_window_is_not_held() {
    let mut harness = Harness::published(&[("web", 0..200)]);
    for left in (0..200).rev() {
        harness.after(SECOND * 4);
        assert!(!harness.publish(&[("web", 0..left)]), "{left} are left");
    }
}

#[test]
fn what_has_been_gone_for_longer_than_the_window_is_believed() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    assert!(!harness.publish(&[("web", 0..60)]));
    harness.after(WINDOW + WINDOW_PER_TARGET * 100);
    assert!(!harness.publish(&[("web", 0..30)]));

    let mut harness = Harness::published(&[("web", 0..100)]);
    assert!(!harness.publish(&[("web", 0..60)]));
    harness.after(WINDOW);
    assert!(harness.publish(&[("web", 0..30)]), "still within it");
}

#[test]
fn few_documents_stand_for_all_of_the_window() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    let mut most = 0;
    for step in 0..2_000_u32 {
        harness.after(SECOND / 5);
        assert!(!harness.publish(&[("web", step..step + 100 + step % 7)]));
        most = most.max(harness.guard.baselines.iter().count());
    }
    assert!((3..=6).contains(&most), "{most} documents");
}
