//! Words on progress, and the answers to pings.

use super::*;
use crate::core::session::message::REQUESTED_PROGRESS;

#[test]
fn requested_progress_advances_the_position_only_where_it_keeps_the_order() {
    for (version, ordered) in [
        ("3.4.23", false),
        ("3.4.25", true),
        ("3.5.7", false),
        ("3.5.8", true),
        ("3.5.30-rc.1", true),
        ("3.6.0", true),
        ("4.0.0", true),
        ("3.3.99", false),
        ("", false),
        ("unknown", false),
    ] {
        let mut session = watching(5);
        session.connected(version);
        session.judge(created(5));
        assert_eq!(session.judge(progress(REQUESTED_PROGRESS, 9)), Verdict::Alive);
        let next = Revision(if ordered { 10 } else { 6 });
        assert_eq!(session.connected(version), Next::Watch(next), "{version}");
    }
}

#[test]
fn requested_progress_in_the_middle_of_a_revision_moves_nothing() {
    let mut session = watching(5);
    session.connected(NEW);
    session.judge(created(5));
    session.judge(fragment(&[6]));
    assert_eq!(session.judge(progress(REQUESTED_PROGRESS, 9)), Verdict::Alive);
    assert_eq!(session.connected(NEW), Next::Watch(Revision(6)));
}

/// A session that has listed at 5 and resumes at a member of this version that is at 9.
fn resuming(version: &str) -> Session {
    let mut session = watching(5);
    session.connected(version);
    assert!(!session.is_behind(), "that is for the watch to say");
    session.judge(created(9));
    assert!(session.is_behind());
    session
}

#[test]
fn a_watch_is_behind_until_it_has_told_all_that_was_there_before_it_stood() {
    for version in [OLD, NEW] {
        let mut session = resuming(version);
        session.judge(events(&[6, 7]));
        assert!(session.is_behind());
        session.judge(events(&[9]));
        assert!(!session.is_behind());

        let mut session = resuming(version);
        session.judge(progress(WATCH_ID, 9));
        assert!(!session.is_behind(), "none of it was ours");

        let mut session = watching(5);
        session.connected(version);
        session.judge(created(5));
        assert!(!session.is_behind(), "there was nothing before");
    }
}

#[test]
fn a_watch_is_not_behind_after_its_word_on_progress_where_that_keeps_the_order() {
    let mut session = resuming(NEW);
    session.judge(fragment(&[6]));
    session.judge(progress(REQUESTED_PROGRESS, 9));
    assert!(session.is_behind(), "in the middle of a revision");
    session.judge(events(&[6]));
    session.judge(progress(REQUESTED_PROGRESS, 9));
    assert!(!session.is_behind());
}

#[test]
fn where_a_word_on_progress_may_overtake_events_the_second_one_without_any_between_counts() {
    let mut session = resuming(OLD);
    for revision in [6, 7] {
        session.judge(progress(REQUESTED_PROGRESS, 9));
        assert!(session.is_behind());
        session.judge(events(&[revision]));
    }
    session.judge(progress(REQUESTED_PROGRESS, 9));
    assert!(session.is_behind(), "an event came since it was last asked");
    session.judge(progress(REQUESTED_PROGRESS, 9));
    assert!(!session.is_behind());
}

#[test]
fn a_watch_is_not_behind_if_a_ping_says_so_or_who_answers_tells_no_progress() {
    let pong = |watch_id, revision| WatchMessage { watch_id, ..created(revision) };
    for (version, message, is_behind) in [
        (NEW, pong(PING_WATCH_ID, 9), true),
        (NEW, pong(PING_WATCH_ID, 5), false),
        (NEW, pong(1, 9), false),
    ] {
        let mut session = resuming(version);
        session.judge(message.clone());
        assert_eq!(session.is_behind(), is_behind, "{message:?}");
    }
}

#[test]
fn who_numbers_watches_by_itself_is_not_asked_for_progress() {
    for (version, watch_id, answers, trusted) in [
        (OLD, WATCH_ID, true, false),
        (NEW, WATCH_ID, true, true),
        (OLD, 0, false, false),
        (NEW, 0, false, false),
    ] {
        let mut session = watching(5);
        session.connected(version);
        assert!(!session.answers_progress() && !session.trusts_progress(), "it does not stand");
        session.judge(WatchMessage { watch_id, ..created(9) });
        assert!(session.is_behind());
        assert_eq!((session.answers_progress(), session.trusts_progress()), (answers, trusted));
    }
}

#[test]
fn a_ping_that_is_refused_is_answered_all_the_same() {
    let mut session = watching(5);
    let refused = WatchMessage {
        watch_id: REQUESTED_PROGRESS,
        canceled: true,
        cancel_reason: "etcdserver: permission denied".into(),
        ..created(9)
    };
    assert_eq!(session.judge(refused), Verdict::Pong { ahead: true });
}

#[test]
fn progress_of_the_watch_itself_advances_the_position() {
    let mut session = watching(5);
    assert_eq!(session.judge(progress(WATCH_ID, 90)), Verdict::Alive);
    assert_eq!(session.connected(OLD), Next::Watch(Revision(91)));
}

#[test]
fn progress_that_may_overtake_events_advances_nothing() {
    let mut session = watching(5);
    assert_eq!(session.judge(progress(-1, 90)), Verdict::Alive);
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
    assert_eq!(session.judge(progress(-1, 90)), Verdict::Alive);
    assert_eq!(session.position().expect("a position").revision, Revision(5));
    session.judge(created(90));
    session.judge(fragment(&[6]));
    assert_eq!(
        session.judge(progress(WATCH_ID, 90)),
        Verdict::Alive,
        "in the middle of a revision"
    );
    assert_eq!(session.position().expect("a position").revision, Revision(5));
}

#[test]
fn what_belongs_to_another_watch_of_the_stream_is_a_sign_of_life_and_nothing_else() {
    let mut session = watching(5);
    let pong = |revision| WatchMessage { watch_id: PING_WATCH_ID, ..created(revision) };
    assert_eq!(session.judge(pong(5)), Verdict::Pong { ahead: false });
    assert_eq!(session.judge(pong(6)), Verdict::Pong { ahead: true });
    let refused = WatchMessage { watch_id: -1, canceled: true, ..pong(5) };
    assert_eq!(session.judge(refused), Verdict::Pong { ahead: false });
    let numbered_by_a_proxy = WatchMessage { watch_id: 1, ..pong(6) };
    assert_eq!(session.judge(numbered_by_a_proxy), Verdict::Pong { ahead: false });
    let closed = WatchMessage { created: false, canceled: true, ..pong(5) };
    assert_eq!(session.judge(closed), Verdict::Unrelated);
    assert_eq!(session.judge(WatchMessage { watch_id: 1, ..events(&[6]) }), Verdict::Unrelated);
    assert_eq!(session.judge(events(&[6])), applied(&[6]));
}

#[test]
fn progress_never_moves_backwards() {
    let mut session = watching(5);
    session.judge(progress(WATCH_ID, 3));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
}
