//! What must hold in every history, named after etcd's own guarantees for watches.

use proptest::prelude::*;

use super::daemon::{Daemon, expected};
use super::etcd::{Etcd, Write};

#[derive(Clone, Debug)]
enum Step {
    Transact(Vec<Write>),
    Compact(u8),
    Advance { revisions: u8, fragment: u8 },
    Disconnect,
    Duplicate,
    Progress { requested: bool },
    RequestList,
}

fn step() -> impl Strategy<Value = Step> {
    let write = (0u8..12, prop::option::weighted(0.7, 1u16..5));
    prop_oneof![
        6 => prop::collection::vec(write, 1..5).prop_map(Step::Transact),
        1 => (0u8..6).prop_map(Step::Compact),
        12 => (1u8..4, 1u8..4).prop_map(|(revisions, fragment)| Step::Advance { revisions, fragment }),
        1 => Just(Step::Disconnect),
        2 => Just(Step::Duplicate),
        2 => any::<bool>().prop_map(|requested| Step::Progress { requested }),
        1 => Just(Step::RequestList),
    ]
}

/// Runs a history and checks the guarantees after every step.
fn check(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let (mut etcd, mut daemon) = (Etcd::new(), Daemon::new());
    let mut newest = 0;
    for step in steps {
        match step {
            Step::Transact(writes) => etcd.transact(&writes),
            Step::Compact(depth) => etcd.compact(depth),
            Step::Advance { revisions, fragment } => daemon.advance(&etcd, revisions, fragment),
            Step::Disconnect => daemon.disconnect(),
            Step::Duplicate => daemon.duplicate(),
            Step::Progress { requested } => daemon.progress(&etcd, requested),
            Step::RequestList => daemon.request_list(),
        }
        if let Some((revision, rendered)) = &daemon.rendered {
            prop_assert_eq!(rendered, &expected(&etcd, *revision), "atomic: whole revisions only");
            prop_assert!(*revision >= newest, "ordered: never back to an older revision");
            newest = *revision;
        }
    }
    daemon.catch_up(&etcd);
    let (_, rendered) = daemon.rendered.expect("a list at least");
    prop_assert_eq!(rendered, expected(&etcd, etcd.revision()), "reliable: nothing is lost");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_is_ordered_atomic_and_reliable(steps in prop::collection::vec(step(), 1..80)) {
        check(steps)?;
    }
}
