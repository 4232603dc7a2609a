use super::*;
use crate::core::entries::Counts;
use crate::core::event::Revision;
use crate::core::render::Piece;
use crate::core::status::{Connection, OutputKind, Standing};
use crate::core::value::Target;

fn document(revision: i64, address: &str) -> Document {
    let target = Target::Address(address.into());
    Piece::render("web", [&target].into_iter()).alone(Revision(revision))
}

fn patient() -> SourceBoard {
    SourceBoard::new("/services/".into(), String::new(), "auto", Duration::from_secs(10))
}

#[test]
fn a_document_is_counted_once_however_often_it_is_published() {
    let board = Board::default();
    assert!(board.published().is_none());
    let mut heard = board.watch_published();
    for (revision, address, number) in [(1, "h:1", 1), (2, "h:1", 1), (3, "h:2", 2)] {
        board.publish(document(revision, address));
        assert!(heard.has_changed().expect("a board"));
        heard.mark_unchanged();
        board.publish(document(revision, address));
        assert!(!heard.has_changed().expect("a board"), "what is as it was wakes nobody");
        let published = board.published().expect("published");
        assert_eq!((published.number, published.document.revision().0), (number, revision));
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_is_fresh_for_as_long_as_it_gives_signs_of_life() {
    let board = Board::default();
    let source = board.add_source(patient());
    let is_fresh = || board.snapshot().sources[0].fresh;
    assert!(!is_fresh());
    source.fresh(Clock::now().instant);
    assert!(is_fresh());
    tokio::time::advance(Duration::from_secs(11)).await;
    assert!(!is_fresh());
    source.fresh(Clock::now().instant);
    source.lost("http://h:1: refused".into());
    assert!(!is_fresh(), "what is lost is not fresh, however short ago it was");
    assert_eq!(board.snapshot().sources[0].connection, Connection::Away);
}

#[tokio::test(start_paused = true)]
async fn a_source_is_not_fresh_while_a_resumed_watch_has_not_told_all() {
    let board = Board::default();
    let source = board.add_source(patient());
    let is_fresh = || board.snapshot().sources[0].fresh;
    source.fresh(Clock::now().instant);
    source.watching(false);
    let status = board.snapshot();
    assert_eq!(status.sources[0].connection, Connection::CatchingUp);
    assert!(!is_fresh() && source.failure().is_some_and(|why| why.contains("meanwhile")));
    source.fresh(Clock::now().instant);
    assert!(is_fresh() && source.failure().is_none());
    assert_eq!(board.snapshot().sources[0].connection, Connection::Watching);
    source.watching(true);
    assert!(is_fresh());

    source.lost("timed out".into());
    source.watching(false);
    source.listing(false);
    assert!(!is_fresh() && source.failure().is_some_and(|why| why.contains("list")));
    source.fresh(Clock::now().instant);
    assert!(is_fresh());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_missed_something_is_not_fresh_before_the_list_is_complete() {
    let board = Board::default();
    let source = board.add_source(patient());
    let is_fresh = || board.snapshot().sources[0].fresh;
    let is_listed = || {
        source.fresh(Clock::now().instant);
        source.well();
        assert!(is_fresh() && source.failure().is_none());
    };
    is_listed();
    source.listing(false);
    assert!(is_fresh(), "it is only asked for");
    is_listed();
    source.listing(true);
    assert!(!is_fresh() && source.failure().is_some_and(|why| why.contains("not complete")));
    is_listed();
    source.lost("http://h:1: refused".into());
    source.trying("http://h:2");
    source.connected("http://h:2", "3.5.0", 7);
    source.listing(false);
    assert!(!is_fresh(), "what happened during the outage is not known yet");
    is_listed();
    source.watching(false);
    source.listing(false);
    assert!(!is_fresh(), "nor what the watch still had to tell");
}

#[test]
fn a_registry_in_which_nothing_changes_does_not_fall_behind() {
    let board = Board::default();
    let source = board.add_source(patient());
    let revisions = || {
        let source = &board.snapshot().sources[0];
        (source.observed_revision.0, source.applied_revision.0)
    };
    source.applied(Revision(7), Counts::default());
    source.observed(Revision(90));
    assert_eq!(revisions(), (90, 7));
    source.has(Revision(90));
    assert_eq!(revisions(), (90, 90));
    source.listing(false);
    source.observed(Revision(5));
    source.applied(Revision(5), Counts::default());
    assert_eq!(revisions(), (5, 5), "of another history");
}

#[test]
fn the_snapshot_says_why_the_daemon_is_not_ready() {
    let board = Board::default();
    let output = board.add_output(OutputBoard::new(OutputKind::File, "t.json".into()));
    assert!(!board.snapshot().ready);
    board.publish(document(1, "h:1"));
    output.stands(Standing::Active);
    output.published(Revision(1));
    assert!(board.snapshot().ready);
    output.failing(Some("the disk is full".into()));
    let status = board.snapshot();
    assert_eq!(status.not_ready_because, ["cannot publish to t.json: the disk is full"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_is_not_vouched_for() {
    let board = Board::default();
    board.publish(document(1, "h:1"));
    board.working(Some(Clock::now().instant));
    tokio::time::advance(Duration::from_secs(29)).await;
    assert!(board.snapshot().ready);
    tokio::time::advance(Duration::from_secs(2)).await;
    let status = board.snapshot();
    assert!(status.not_ready_because[0].contains("31 s"), "{:?}", status.not_ready_because);
    board.working(None);
    assert!(board.snapshot().ready);
}
