//! What holds whatever happens to a registry.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// What comes next: after so many seconds the registry holds, of each of three jobs, so many
/// instances from such a number on.
#[derive(Clone, Debug)]
struct Step {
    seconds: u64,
    jobs: [(u32, u32); 3],
    list: List,
    releases: bool,
    out_of_touch: bool,
}

#[derive(Clone, Copy, Debug)]
enum List {
    Same,
    Next,
    NextEpoch,
}

impl Step {
    fn fleet(&self) -> [(&'static str, Range<u32>); 3] {
        let [a, b, c] = self.jobs.map(|(from, count)| from..from + count);
        [("a", a), ("b", b), ("c", c)]
    }
}

prop_compose! {
    fn step()(
        seconds in prop_oneof![0u64..20, 0u64..400],
        jobs in prop::array::uniform3((0u32..60, prop_oneof![Just(0u32), 0u32..60])),
        list in prop_oneof![7 => Just(List::Same), 2 => Just(List::Next), 1 => Just(List::NextEpoch)],
        releases in prop::bool::weighted(0.1),
        out_of_touch in prop::bool::weighted(0.2),
    ) -> Step {
        Step { seconds, jobs, list, releases, out_of_touch }
    }
}

fn targets(document: &Document) -> BTreeSet<(String, String)> {
    let groups: serde_json::Value = serde_json::from_slice(&document.to_vec()).expect("JSON");
    let groups = groups.as_array().expect("an array").clone();
    let targets = groups.into_iter().flat_map(|group| {
        let job = group["labels"]["job"].to_string();
        let targets = group["targets"].as_array().expect("targets").clone();
        targets.into_iter().map(move |target| (job.clone(), target.to_string()))
    });
    targets.collect()
}

proptest! {
    #[test]
    fn additions_always_go_in_and_nothing_is_held_that_was_not_published_nor_for_too_long(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut harness = Harness::new();
        let mut published = BTreeSet::new();
        let mut since = None;
        for step in steps {
            harness.after(SECOND * u32::try_from(step.seconds).expect("few"));
            let is_empty = step.fleet().iter().all(|(_, instances)| instances.is_empty());
            match step.list {
                List::Same => &mut harness,
                List::Next => harness.relist(is_empty),
                List::NextEpoch => harness.begin_epoch(),
            };
            if step.releases {
                harness.guard.release();
            }
            harness.origin.out_of_touch = step.out_of_touch;
            let wanted = harness.document(&step.fleet());
            let document = harness.guard.review(wanted.clone(), harness.now);
            harness.guard.published(&document, harness.now);
            let (wants, shows) = (targets(&wanted), targets(&document));
            prop_assert!(wants.is_subset(&shows), "additions go in");
            match harness.guard.hold() {
                None => prop_assert_eq!(wants, shows.clone()),
                Some(hold) => {
                    prop_assert_eq!(hold.removals, shows.len() - wants.len());
                    prop_assert_eq!(hold.paused.is_some(), step.out_of_touch);
                    prop_assert!(harness.now < hold.until || step.out_of_touch);
                    prop_assert!(hold.until >= hold.since + HOLD);
                    prop_assert!(hold.published > 20 || hold.cause == Cause::EmptyList);
                    if since == Some(hold.since) {
                        let held: BTreeSet<_> = shows.difference(&wants).cloned().collect();
                        prop_assert!(held.is_subset(&published), "nothing comes out of nowhere");
                    }
                }
            }
            since = harness.guard.hold().map(|hold| hold.since);
            published = shows;
        }
    }

    #[test]
    fn as_long_as_each_job_keeps_half_of_its_most_nothing_is_held(
        sizes in prop::collection::vec((0u64..30, 0u32..1000, 50u32..=100, 50u32..=100), 1..40),
    ) {
        let mut harness = Harness::published(&[("a", 0..100), ("b", 0..100)]);
        for (seconds, from, a, b) in sizes {
            harness.after(SECOND * u32::try_from(seconds).expect("few"));
            prop_assert!(!harness.publish(&[("a", from..from + a), ("b", from..from + b)]));
        }
    }
}
