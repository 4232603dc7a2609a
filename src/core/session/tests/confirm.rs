//! When those who ask to be confirmed are answered.

use std::time::{Duration, Instant};

use super::*;
use crate::core::session::Late;

fn at(revision: i64) -> Position {
    Position { cluster_id: CLUSTER, revision: Revision(revision), raft_term: 4 }
}

/// One that has begun a read for `asked` while the registry was at revision 5.
fn reading(asked: usize) -> Confirm {
    let mut confirm = Confirm::default();
    assert!(confirm.begins_read(asked, Some(at(5))));
    confirm
}

#[test]
fn nobody_asks_and_nothing_is_read() {
    let mut confirm = Confirm::default();
    assert!(!confirm.begins_read(0, Some(at(5))));
    assert_eq!(confirm.taken(Some(at(5))), 0);
    assert_eq!(confirm.deadline(), None);
}

#[test]
fn without_a_complete_list_nothing_is_read_and_a_list_that_begins_later_is_the_answer() {
    let mut confirm = Confirm::default();
    assert!(!confirm.begins_read(1, None));
    confirm.begins_list(1);
    assert_eq!(confirm.taken(Some(at(9))), 0, "in the middle of the list");
    assert_eq!(confirm.listed(), 1);
    assert_eq!(confirm.listed(), 0, "once");
}

#[test]
fn whoever_asks_in_the_middle_of_a_list_is_not_answered_by_it() {
    let mut confirm = Confirm::default();
    confirm.begins_list(2);
    // A third one comes.
    assert!(!confirm.begins_read(3, Some(at(5))), "the list comes first");
    assert_eq!(confirm.listed(), 2);
    assert!(confirm.begins_read(1, Some(at(9))));
}

#[test]
fn a_registry_that_is_as_far_as_the_read_is_confirmed_at_once() {
    let mut confirm = reading(2);
    assert_eq!(confirm.taken(Some(at(9))), 0, "the read may tell more");
    assert_eq!(confirm.read(header(7), Instant::now()), None);
    assert_eq!(confirm.taken(Some(at(6))), 0);
    assert_eq!(confirm.taken(Some(at(7))), 2);
    assert_eq!(confirm.taken(Some(at(7))), 0, "once");
}

#[test]
fn the_watch_may_overtake_the_read() {
    let mut confirm = reading(1);
    assert_eq!(confirm.read(header(6), Instant::now()), None);
    assert_eq!(confirm.taken(Some(at(9))), 1);
}

#[test]
fn whoever_asks_during_a_read_needs_another_one() {
    let mut confirm = reading(1);
    assert!(!confirm.begins_read(2, Some(at(5))), "one at a time");
    confirm.read(header(5), Instant::now());
    assert_eq!(confirm.taken(Some(at(5))), 1);
    assert!(confirm.begins_read(1, Some(at(5))));
}

#[test]
fn a_registry_that_stays_behind_is_asked_for_progress_and_then_listed_anew() {
    let mut confirm = reading(1);
    let mut now = Instant::now();
    assert_eq!(confirm.read(header(9), now), None);
    let begun = now;
    for _ in 0..3 {
        assert_eq!(confirm.taken(Some(at(8))), 0);
        now = confirm.deadline().expect("a deadline");
        assert_eq!(confirm.late(now), Late::Ask);
    }
    now = confirm.deadline().expect("a deadline");
    assert_eq!(confirm.late(now), Late::Relist(RelistReason::TookOver));
    assert!(now - begun <= Duration::from_millis(300), "a takeover should not take long");
    confirm.begins_list(2);
    assert_eq!(confirm.deadline(), None);
    assert_eq!(confirm.listed(), 2);
}

#[test]
fn a_read_that_is_of_another_history_means_a_list() {
    let read = |header: Header| reading(1).read(header, Instant::now());
    let rewound = RelistReason::Rewound { position: Revision(5), member: Revision(4) };
    assert_eq!(read(header(4)), Some(rewound));
    let foreign = RelistReason::ForeignCluster { expected: CLUSTER, found: 8 };
    assert_eq!(read(Header { cluster_id: 8, ..header(9) }), Some(foreign));
    let older = RelistReason::OlderTerm { seen: 4, found: 3 };
    assert_eq!(read(Header { raft_term: 3, ..header(9) }), Some(older));
}

#[test]
fn what_a_lost_connection_had_told_proves_nothing_on_the_next() {
    let mut confirm = reading(1);
    confirm.read(header(6), Instant::now());
    confirm.begin_again();
    assert_eq!(confirm.taken(Some(at(90))), 0);
    assert!(confirm.begins_read(1, Some(at(90))));
    confirm.begins_list(1);
    confirm.begin_again();
    assert_eq!(confirm.listed(), 0);
}
