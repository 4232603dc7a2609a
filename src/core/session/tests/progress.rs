//! Words on progress, and the answers to pings.

use super::*;

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
    assert_eq!(session.judge(progress(0, 90)), Verdict::Alive);
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
    assert_eq!(session.judge(progress(0, 90)), Verdict::Alive, "in the middle of a revision");
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
    session.judge(progress(0, 3));
    assert_eq!(session.connected(OLD), Next::Watch(Revision(6)));
}
