use std::collections::BTreeMap;
use std::ops::Range;

use super::*;
use crate::core::event::Revision;
use crate::core::render::{Origin, Piece};
use crate::core::value::Target;

mod holds;
mod properties;
mod windows;

const SECOND: Duration = Duration::from_secs(1);
const HOLD: Duration = Duration::from_secs(300);

/// Jobs and the numbers of their instances.
type Fleet<'f> = &'f [(&'f str, Range<u32>)];

/// A guard, the clock that it is told, and the list that its documents go back to.
struct Harness {
    guard: Guard,
    now: Instant,
    origin: Origin,
}

impl Harness {
    fn new() -> Self {
        Self::with(GuardSettings::default())
    }

    fn with(settings: GuardSettings) -> Self {
        let origin = Origin { list: 1, ..Origin::default() };
        Self { guard: Guard::new(settings), now: Instant::now(), origin }
    }

    /// One that has published this fleet, long ago.
    fn published(fleet: Fleet<'_>) -> Self {
        let mut harness = Self::new();
        assert!(!harness.publish(fleet));
        harness.after(SECOND * 3600);
        harness
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    /// Goes on with the next list.
    fn relist(&mut self, list_was_empty: bool) -> &mut Self {
        self.origin = Origin { list: self.origin.list + 1, list_was_empty, ..self.origin };
        self
    }

    /// One of several sources is listed, and is empty.
    fn empty_a_source(&mut self) -> &mut Self {
        self.origin.emptied += 1;
        self.relist(false)
    }

    /// etcd can't be reached any more, or again; says so with the same fleet.
    fn out_of_touch(&mut self, out_of_touch: bool, fleet: Fleet<'_>) -> bool {
        self.origin.out_of_touch = out_of_touch;
        self.publish(fleet)
    }

    fn begin_epoch(&mut self) -> &mut Self {
        self.origin.epoch += 1;
        self.relist(false)
    }

    fn document(&self, fleet: Fleet<'_>) -> Document {
        document(fleet).of(self.origin)
    }

    /// Publishes; returns whether removals are held.
    fn publish(&mut self, fleet: Fleet<'_>) -> bool {
        let wanted = self.document(fleet);
        let document = self.guard.review(wanted.clone(), self.now);
        self.guard.published(&document, self.now);
        let held = self.guard.hold();
        assert_eq!(held.map_or(0, |hold| hold.removals), document.targets() - wanted.targets());
        assert_eq!(held.is_none(), document.same_bytes(&wanted));
        held.is_some()
    }

    /// What a publish of `fleet` would make visible.
    fn check(&mut self, fleet: Fleet<'_>, expected: Fleet<'_>) {
        let reviewed = self.guard.review(self.document(fleet), self.now);
        let (reviewed, expected) = (reviewed.to_vec(), document(expected).to_vec());
        assert_eq!(String::from_utf8(reviewed), String::from_utf8(expected));
    }

    fn ended(&mut self) -> Option<End> {
        match self.guard.take_news() {
            Some(News::Ended(_, end)) => Some(end),
            _ => None,
        }
    }
}

fn document(fleet: Fleet<'_>) -> Document {
    let mut jobs: BTreeMap<&str, Vec<Target>> = BTreeMap::new();
    for (job, instances) in fleet {
        let targets = instances.clone().map(|n| Target::Address(format!("h:{n}").into()));
        jobs.entry(job).or_default().extend(targets);
    }
    let mut document = Document::new(Revision(1));
    for (job, targets) in jobs {
        document.push(&Piece::render(job, targets.iter()));
    }
    document
}

#[test]
fn more_than_the_ratio_and_more_than_the_minimum_is_held_and_less_is_not() {
    for (published, left, held) in [
        (1000, 500, false),
        (1000, 499, true),
        (1000, 0, true),
        (40, 20, false),
        (40, 19, true),
        (21, 0, true),
        (20, 0, false),
        (1, 0, false),
    ] {
        let mut harness = Harness::published(&[("web", 0..published)]);
        assert_eq!(harness.publish(&[("web", 0..left)]), held, "{published} to {left}");
    }
}

#[test]
fn small_fleets_never_see_it() {
    let mut harness = Harness::published(&[("a", 0..10), ("b", 0..10)]);
    for _ in 0..10 {
        assert!(!harness.publish(&[]));
        assert!(!harness.publish(&[("b", 5..15)]));
        assert!(!harness.publish(&[("a", 0..10), ("b", 0..10)]));
    }
}

#[test]
fn a_list_that_comes_back_empty_is_held_however_small_the_fleet() {
    let mut harness = Harness::published(&[("web", 0..3)]);
    assert!(harness.relist(true).publish(&[]));
    assert_eq!(harness.guard.hold().map(|hold| hold.cause), Some(Cause::EmptyList));
    assert!(harness.publish(&[("web", 7..8)]), "one of three is not recovered");
    assert!(!harness.publish(&[("web", 7..9)]));
    assert_eq!(harness.ended(), Some(End::Recovered));
}

#[test]
fn deletions_to_the_last_target_are_no_empty_list() {
    let mut harness = Harness::published(&[("web", 0..3)]);
    assert!(!harness.publish(&[]));
    assert!(!harness.relist(true).publish(&[]), "it was empty before that list");
    harness.publish(&[("web", 0..1)]);
    assert!(!harness.publish(&[]), "the list before was empty, but is not why");
}

#[test]
fn the_document_on_disk_is_the_baseline_of_the_first_publish() {
    for (left, held) in [(100, false), (50, false), (49, true), (0, true)] {
        let mut harness = Harness::new();
        harness.guard.baseline(document(&[("web", 0..100)]));
        assert_eq!(harness.publish(&[("web", 0..left)]), held, "{left} are left");
    }
    let mut harness = Harness::new();
    harness.guard.baseline(document(&[("web", 0..100)]));
    assert!(!harness.publish(&[("web", 1000..1100)]), "whose addresses may be old");
    let mut harness = Harness::new();
    harness.guard.baseline(document(&[("web", 0..3)]));
    assert!(harness.relist(true).publish(&[]), "the first list is empty");
}

#[test]
fn in_a_new_epoch_every_missing_target_counts() {
    let fleet: Fleet<'_> = &[("web", 0..100)];
    let mut harness = Harness::published(fleet);
    assert!(!harness.publish(&[("web", 100..200)]), "a new generation");
    assert!(harness.begin_epoch().publish(fleet), "a backup with the one before");
    harness.check(fleet, &[("web", 0..200)]);
    // Those that live on register again.
    harness.check(&[("web", 0..149)], &[("web", 0..200)]);
    harness.check(&[("web", 0..150)], &[("web", 0..150)]);
    assert_eq!(harness.ended(), Some(End::Recovered));
}

#[test]
fn after_a_new_epoch_has_gone_through_only_the_numbers_count_again() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    assert!(!harness.begin_epoch().publish(&[("web", 0..60)]));
    harness.after(SECOND);
    assert!(!harness.publish(&[("web", 100..160)]), "a new generation");
    assert!(!harness.publish(&[("web", 100..150)]), "half of what there was");
    assert!(harness.publish(&[("web", 100..149)]), "a loss that a restore began goes on");
}

#[test]
fn with_a_ratio_of_1_there_is_no_guard() {
    let mut harness = Harness::with(GuardSettings { ratio: 1.0, ..GuardSettings::default() });
    harness.guard.baseline(document(&[("web", 0..100)]));
    assert!(!harness.relist(true).publish(&[]));
    assert!(!harness.publish(&[("web", 0..100)]));
    assert!(!harness.relist(true).publish(&[]));
    assert!(!harness.begin_epoch().publish(&[]));
}

#[test]
fn what_was_not_published_is_no_baseline() {
    let mut harness = Harness::published(&[("web", 0..100)]);
    for left in (0..100).rev().step_by(10) {
        // The disk is full: the file still has 100.
        harness.guard.review(harness.document(&[("web", 0..left)]), harness.now);
        harness.after(SECOND * 20);
    }
    let hold = harness.guard.hold().expect("a hold");
    assert_eq!(hold.published, 100);
}

#[test]
fn a_source_that_comes_back_empty_is_held_however_small_its_share_until_it_is_back() {
    let fleet: Fleet<'_> = &[("a", 0..70), ("b", 0..3)];
    let mut harness = Harness::published(fleet);
    assert!(harness.empty_a_source().publish(&[("a", 0..70)]));
    assert_eq!(
        harness.guard.hold().map(|hold| (hold.cause, hold.removals)),
        Some((Cause::EmptyList, 3))
    );
    assert!(harness.relist(false).publish(&[("a", 0..70), ("b", 0..2)]), "not all of it is back");
    assert!(!harness.relist(false).publish(fleet));

    // Let through, it is not held again; nor does a relist of another source hold anything.
    assert!(harness.empty_a_source().publish(&[("a", 0..70)]));
    harness.guard.release();
    assert!(!harness.publish(&[("a", 0..70)]));
    assert!(!harness.relist(false).publish(&[("a", 0..69)]));
}
