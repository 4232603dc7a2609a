mod confirm;
mod progress;

use std::time::Duration;

use super::*;
use crate::core::event::KeyValue;

const CLUSTER: u64 = 7;

/// A version whose word on requested progress may overtake events, and one that keeps the order.
const OLD: &str = "3.4.23";
const NEW: &str = "3.5.30";

fn header(revision: i64) -> Header {
    Header { cluster_id: CLUSTER, revision: Revision(revision), ..Header::default() }
}

fn put(revision: i64) -> Change {
    Change::Put(KeyValue {
        key: format!("/services/web/{revision}").into(),
        value: b"h:1".to_vec(),
        create_revision: Revision(revision),
        mod_revision: Revision(revision),
        version: 1,
    })
}

fn created(revision: i64) -> WatchMessage {
    WatchMessage { created: true, ..progress(WATCH_ID, revision) }
}

fn events(revisions: &[i64]) -> WatchMessage {
    WatchMessage {
        changes: revisions.iter().copied().map(put).collect(),
        ..progress(WATCH_ID, *revisions.last().expect("a revision"))
    }
}

fn fragment(revisions: &[i64]) -> WatchMessage {
    WatchMessage { fragment: true, ..events(revisions) }
}

fn progress(watch_id: i64, revision: i64) -> WatchMessage {
    WatchMessage { header: header(revision), watch_id, ..WatchMessage::default() }
}

fn applied(revisions: &[i64]) -> Verdict {
    let last = Revision(*revisions.last().expect("a revision"));
    Verdict::Apply(revisions.iter().copied().map(put).collect(), last)
}

/// A session that has listed at `revision` and watches from there.
fn watching(revision: i64) -> Session {
    let mut session = Session::new();
    assert_eq!(session.connected(OLD), Next::List(RelistReason::First));
    session.listed(header(revision));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(revision + 1)));
    assert_eq!(session.judge(created(revision)), Verdict::Created);
    session
}

/// The verdict on `message` calls for a list for `reason`, and so does the next connection.
fn check_relist(mut session: Session, message: WatchMessage, reason: &RelistReason) {
    let end = Verdict::End(WatchEnd::Relist(reason.clone()));
    assert_eq!(session.judge(message), end);
    assert_eq!(session.connected(OLD), Next::List(reason.clone()));
}

#[test]
fn a_watch_starts_right_after_the_list() {
    watching(41);
}

#[test]
fn a_watch_resumes_right_after_the_last_whole_revision() {
    let mut session = watching(5);
    assert_eq!(session.judge(events(&[6, 6, 8])), applied(&[6, 6, 8]));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(9)));
}

#[test]
fn fragments_are_held_until_the_last_and_move_nothing_before() {
    let mut session = watching(5);
    assert_eq!(session.judge(fragment(&[6])), Verdict::Alive);
    assert_eq!(session.judge(fragment(&[6])), Verdict::Alive);
    assert_eq!(session.position().expect("a position").revision, Revision(5));
    assert_eq!(session.judge(events(&[6])), applied(&[6, 6, 6]));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(7)));
}

#[test]
fn a_fragment_lets_the_revisions_before_its_newest_through() {
    let mut session = watching(5);
    assert_eq!(session.judge(fragment(&[6, 7, 7])), applied(&[6]));
    assert_eq!(session.judge(fragment(&[7, 8])), applied(&[7, 7, 7]));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(8)));
}

#[test]
fn a_list_of_a_cluster_that_went_back_or_is_another_one_is_said() {
    let mut session = watching(5);
    assert_eq!(session.new_epoch(header(9)), None);
    session.listed(Header { raft_term: 4, ..header(9) });
    assert_eq!(session.new_epoch(Header { raft_term: 4, ..header(9) }), None);
    let rewound = RelistReason::Rewound { position: Revision(9), member: Revision(3) };
    assert_eq!(session.new_epoch(header(3)), Some(rewound));
    let foreign = RelistReason::ForeignCluster { expected: CLUSTER, found: 8 };
    assert_eq!(session.new_epoch(Header { cluster_id: 8, ..header(9) }), Some(foreign));
    let older = RelistReason::OlderTerm { seen: 4, found: 3 };
    assert_eq!(session.new_epoch(Header { raft_term: 3, ..header(20) }), Some(older));
    session.request_list(RelistReason::Diverged(2));
    assert_eq!(session.new_epoch(header(9)), Some(RelistReason::Diverged(2)));
}

#[test]
fn a_history_that_is_another_one_is_not_forgotten_for_a_list_that_is_due_anyway() {
    let mut session = watching(5);
    session.request_list(RelistReason::Requested);
    session.request_list(RelistReason::OtherHistory(Revision(5)));
    session.request_list(RelistReason::Requested);
    assert_eq!(session.new_epoch(header(9)), Some(RelistReason::OtherHistory(Revision(5))));
}

#[test]
fn a_watch_of_a_member_in_an_older_term_is_not_followed() {
    let mut session = watching(5);
    session.connected(OLD);
    session.judge(WatchMessage { header: Header { raft_term: 4, ..header(5) }, ..created(5) });
    session.connected(OLD);
    let message = WatchMessage { header: Header { raft_term: 3, ..header(50) }, ..created(50) };
    check_relist(session, message, &RelistReason::OlderTerm { seen: 4, found: 3 });
}

#[test]
fn fragments_of_a_stream_that_broke_are_forgotten_and_asked_for_again() {
    let mut session = watching(5);
    session.judge(fragment(&[6]));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
    session.judge(created(6));
    assert_eq!(session.judge(events(&[6])), applied(&[6]));
}

#[test]
fn events_that_were_taken_before_are_passed_over() {
    let mut session = watching(5);
    assert_eq!(session.judge(events(&[4, 5])), Verdict::Alive);
    assert_eq!(session.judge(events(&[5, 6])), applied(&[6]));
    assert_eq!(session.judge(events(&[6])), Verdict::Alive);
}

#[test]
fn compaction_means_a_list_whatever_the_header_says() {
    let message = WatchMessage {
        watch_id: WATCH_ID,
        header: Header { cluster_id: CLUSTER, revision: Revision(0), ..Header::default() },
        canceled: true,
        compact_revision: Revision(30),
        ..WatchMessage::default()
    };
    let reason = RelistReason::Compacted { position: Revision(5), compacted: Revision(30) };
    check_relist(watching(5), message, &reason);
}

#[test]
fn a_member_behind_the_position_means_a_list() {
    let mut session = watching(1003);
    assert_eq!(session.connected(OLD), Next::Watch(Revision(1004)));
    let reason = RelistReason::Rewound { position: Revision(1003), member: Revision(3) };
    check_relist(session, created(3), &reason);
}

#[test]
fn another_cluster_means_a_list() {
    let foreign = Header { cluster_id: 8, revision: Revision(9), ..Header::default() };
    let reason = RelistReason::ForeignCluster { expected: CLUSTER, found: 8 };
    check_relist(watching(5), WatchMessage { header: foreign, ..created(9) }, &reason);
    check_relist(watching(5), WatchMessage { header: foreign, ..events(&[6]) }, &reason);
}

#[test]
fn a_watch_that_is_refused_ends_and_is_tried_again() {
    let mut session = watching(5);
    session.connected(OLD);
    let message = WatchMessage {
        created: true,
        canceled: true,
        watch_id: -1,
        cancel_reason: "etcdserver: permission denied".into(),
        ..WatchMessage::default()
    };
    let end = WatchEnd::Canceled("etcdserver: permission denied".into());
    assert_eq!(session.judge(message), Verdict::End(end));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
}

#[test]
fn a_silent_watch_is_resumed_once_and_then_a_list_settles_it() {
    let mut session = watching(5);
    assert_eq!(session.silent(), WatchEnd::Silent);
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
    session.judge(created(5));
    assert_eq!(session.silent(), WatchEnd::Relist(RelistReason::Silent));
    assert_eq!(session.connected(OLD), Next::List(RelistReason::Silent));
    session.listed(header(9));
    session.connected(OLD);
    session.judge(created(9));
    assert_eq!(session.silent(), WatchEnd::Silent, "there was progress in between");
}

#[test]
fn a_list_that_was_asked_for_stays_due_until_it_is_complete() {
    let mut session = watching(5);
    session.request_list(RelistReason::Requested);
    assert_eq!(session.connected(OLD), Next::List(RelistReason::Requested));
    assert_eq!(session.connected(OLD), Next::List(RelistReason::Requested));
    session.listed(header(9));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(10)));
}

#[test]
fn a_list_that_is_a_shortcut_is_asked_for_once_and_gives_way_to_any_other_reason() {
    let second = Duration::from_secs(1);
    let behind = RelistReason::Behind { ahead: 9_000, watch: second, keys: 1, list: second };
    let mut session = watching(5);
    session.request_list(behind.clone());
    assert_eq!(session.connected(OLD), Next::List(behind.clone()));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)), "the list broke off");
    session.request_list(behind.clone());
    session.request_list(RelistReason::Requested);
    session.request_list(behind);
    assert_eq!(session.connected(OLD), Next::List(RelistReason::Requested));
    assert_eq!(session.connected(OLD), Next::List(RelistReason::Requested));
}

#[test]
fn a_step_says_what_it_told_what_it_came_through_and_how_far_the_member_is() {
    let mut session = watching(5);
    assert_eq!(session.ahead(Revision(9)), 4);
    assert_eq!(session.ahead(Revision(3)), 0, "a member may lag");
    session.judge(WatchMessage { header: header(1_000), ..events(&[8, 8, 20]) });
    assert_eq!(session.step(), Step { told: 2, through: 15, ahead: 980 });
    session.judge(events(&[21]));
    assert_eq!(session.step(), Step { told: 1, through: 1, ahead: 0 });
    assert_eq!(Session::new().ahead(Revision(9)), 0, "nothing is known yet");
}

#[test]
fn a_watch_is_in_fragments_only_from_where_a_message_was_too_large() {
    let mut session = watching(5);
    assert!(!session.wants_fragments());
    assert!(session.too_large(), "worth another try");
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
    assert!(session.wants_fragments());
    assert!(!session.too_large(), "one event alone is too large");
    session.judge(created(5));
    session.judge(events(&[6]));
    session.connected(OLD);
    assert!(!session.wants_fragments(), "that is behind it");
}
