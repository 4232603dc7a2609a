use super::*;
use crate::core::event::Revision;
use crate::core::render::Piece;
use crate::core::value::Target;

const QUIET: Duration = Duration::from_millis(200);
const CEILING: Duration = Duration::from_secs(2);

/// A schedule and the clock that drives it.
struct Harness {
    schedule: Schedule,
    now: Instant,
    start: Instant,
}

impl Harness {
    fn new() -> Self {
        let now = Instant::now();
        let schedule = Schedule::new(Debounce::new(QUIET, CEILING));
        Self { schedule, now, start: now }
    }

    /// One that has published already.
    fn published() -> Self {
        let mut harness = Self::new();
        harness.schedule.changed(harness.now);
        harness.work(Outcome::Done);
        harness
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn step(&self) -> Step {
        self.schedule.step(self.now)
    }

    fn work(&mut self, outcome: Outcome) -> Task {
        assert_eq!(self.step(), Step::Work);
        let task = self.schedule.begin(self.now);
        assert_eq!(self.step(), Step::Rest, "one task at a time");
        self.schedule.finish(task, outcome, self.now);
        task
    }

    fn waits_until(&self, since_start: Duration) {
        assert_eq!(self.step(), Step::Wait(self.start + since_start));
    }
}

#[test]
fn without_a_hint_there_is_nothing_to_do() {
    assert_eq!(Harness::new().step(), Step::Rest);
    assert_eq!(Harness::published().step(), Step::Rest);
}

#[test]
fn the_first_publish_does_not_wait_for_the_debounce() {
    let mut harness = Harness::new();
    harness.schedule.changed(harness.now);
    let task = harness.work(Outcome::Done);
    assert_eq!(task.since, Some(harness.start));
}

#[test]
fn later_ones_wait_for_the_quiet_window_and_at_most_for_the_ceiling() {
    let mut harness = Harness::published();
    harness.schedule.changed(harness.now);
    harness.waits_until(QUIET);
    while harness.step() != Step::Work {
        harness.after(QUIET / 2);
        harness.schedule.changed(harness.now);
    }
    assert_eq!(harness.now - harness.start, CEILING);
}

#[test]
fn a_change_during_the_work_is_due_after_it() {
    let mut harness = Harness::published();
    harness.schedule.changed(harness.now);
    harness.after(QUIET);
    let task = harness.schedule.begin(harness.now);
    harness.schedule.changed(harness.now);
    harness.schedule.finish(task, Outcome::Done, harness.now);
    harness.waits_until(QUIET * 2);
}

#[test]
fn what_could_not_be_written_stays_due_and_is_tried_again_after_the_delay() {
    let mut harness = Harness::published();
    harness.schedule.changed(harness.now);
    harness.after(QUIET);
    let failed = harness.work(Outcome::Failed(Duration::from_secs(1)));
    harness.waits_until(QUIET + Duration::from_secs(1));
    harness.after(Duration::from_millis(500));
    harness.schedule.changed(harness.now);
    harness.waits_until(QUIET + Duration::from_secs(1));
    harness.after(Duration::from_millis(500));
    let again = harness.work(Outcome::Done);
    assert_eq!(again.since, failed.since, "the first change still counts");
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn a_look_that_failed_is_tried_again_too() {
    let mut harness = Harness::published();
    harness.schedule.inspect(harness.now);
    harness.after(SETTLE);
    assert!(harness.work(Outcome::Failed(Duration::from_secs(1))).inspect);
    harness.waits_until(SETTLE + Duration::from_secs(1));
    harness.after(Duration::from_secs(1));
    assert!(harness.work(Outcome::Looked).inspect);
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn drift_does_not_wait_for_the_debounce() {
    let mut harness = Harness::published();
    harness.schedule.changed(harness.now);
    harness.schedule.inspect(harness.now);
    harness.waits_until(SETTLE);
    harness.after(SETTLE);
    assert!(harness.work(Outcome::Done).inspect);
    harness.waits_until(QUIET);
}

#[test]
fn a_look_at_the_file_does_not_cut_a_burst_short() {
    let mut harness = Harness::published();
    let mut publishes = 0;
    while harness.now - harness.start < CEILING * 3 {
        harness.schedule.changed(harness.now);
        while harness.step() == Step::Work {
            let publish = harness.work(Outcome::Done).wants_document();
            if publish {
                // What the file system reports of our own write.
                harness.schedule.inspect(harness.now);
                publishes += 1;
            }
        }
        harness.after(QUIET / 4);
    }
    assert!((2..=3).contains(&publishes), "{publishes} publishes in three times the ceiling");
}

#[test]
fn a_registry_in_the_middle_of_a_revision_is_asked_again_soon_and_nothing_is_forgotten() {
    let mut harness = Harness::published();
    harness.schedule.changed(harness.now);
    harness.after(QUIET);
    harness.work(Outcome::NotReady);
    assert!(matches!(harness.step(), Step::Wait(_)));
    harness.after(QUIET);
    assert_eq!(harness.work(Outcome::Done).since, Some(harness.start));
}

#[test]
fn a_source_that_is_away_for_long_is_asked_for_ever_less_often_until_something_changes() {
    let mut harness = Harness::new();
    harness.schedule.changed(harness.now);
    let mut asked = 0;
    while harness.now < harness.start + Duration::from_secs(60) {
        match harness.step() {
            Step::Wait(until) => harness.now = until,
            _ => asked += usize::from(!harness.work(Outcome::NotReady).flush),
        }
    }
    assert!((60..150).contains(&asked), "{asked} times in a minute");
    harness.work(Outcome::NotReady);
    harness.schedule.changed(harness.now);
    let Step::Wait(until) = harness.step() else { panic!("it was asked just now") };
    assert!(until <= harness.now + NOT_READY_PAUSE);
}

#[test]
fn before_the_first_list_there_is_nothing_to_ask_again_for() {
    let mut harness = Harness::new();
    harness.schedule.flush();
    assert!(harness.work(Outcome::NotReady).flush);
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn a_flush_waits_for_nothing() {
    let mut harness = Harness::published();
    harness.schedule.changed(harness.now);
    harness.after(QUIET);
    harness.work(Outcome::Failed(Duration::from_secs(1)));
    harness.schedule.flush();
    assert!(harness.work(Outcome::Done).flush);
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn what_is_held_is_reviewed_when_that_is_due_though_nothing_changes() {
    let mut harness = Harness::published();
    let due = harness.start + CEILING * 10;
    harness.schedule.review_at(Some(due));
    harness.waits_until(CEILING * 10);
    harness.schedule.changed(harness.now);
    harness.after(QUIET);
    assert!(!harness.work(Outcome::Done).review, "a change comes before");
    harness.waits_until(CEILING * 10);
    harness.after(CEILING * 10);
    let task = harness.work(Outcome::Done);
    assert!(task.review && task.wants_document());
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn a_review_that_could_not_be_carried_out_stays_due() {
    let mut harness = Harness::published();
    harness.schedule.review_at(Some(harness.now));
    assert!(harness.work(Outcome::Failed(SETTLE)).review);
    harness.waits_until(SETTLE);
    harness.after(SETTLE);
    assert!(harness.work(Outcome::NotReady).review);
    assert!(matches!(harness.step(), Step::Wait(_)));
    harness.after(SETTLE);
    assert!(harness.work(Outcome::Done).review);
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn what_is_to_be_tried_again_holds_nothing_else_up() {
    let mut harness = Harness::published();
    harness.schedule.retry_at(harness.start + CEILING);
    harness.waits_until(CEILING);
    harness.schedule.changed(harness.now);
    harness.waits_until(QUIET);
    harness.after(QUIET);
    assert!(!harness.work(Outcome::Done).review);
    harness.after(CEILING);
    assert!(harness.work(Outcome::Done).wants_document());
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn nothing_held_is_nothing_to_review() {
    let mut harness = Harness::published();
    harness.schedule.review_at(Some(harness.start + CEILING));
    harness.schedule.review_at(None);
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn a_look_that_is_due_later_does_not_put_off_one_that_is_due_sooner() {
    let mut harness = Harness::published();
    harness.schedule.look_at(harness.start + CEILING);
    harness.waits_until(CEILING);
    harness.schedule.inspect(harness.now);
    harness.waits_until(SETTLE);
    harness.schedule.look_at(harness.start + CEILING);
    harness.waits_until(SETTLE);
}

fn document(address: &str) -> Document {
    let mut document = Document::new(Revision(1));
    document.push(&Piece::render("web", [Target::Address(address.into())].iter()));
    document
}

#[test]
fn equal_bytes_are_kept_unless_the_file_drifted() {
    let (old, new) = (document("h:1"), document("h:2"));
    assert_eq!(plan(Some(&old), &old, false), Plan::Keep);
    assert_eq!(plan(Some(&old), &old, true), Plan::Write);
    assert_eq!(plan(Some(&old), &new, false), Plan::Write);
    assert_eq!(plan(None, &new, false), Plan::Compare);
}

#[test]
fn a_poll_is_due_by_itself_and_leaves_a_look_that_is_not_due() {
    let mut harness = Harness::published();
    let poll = harness.now + QUIET / 8;
    harness.schedule.inspect(harness.now);
    harness.schedule.poll_at(poll);
    assert_eq!(harness.step(), Step::Wait(poll));
    harness.after(QUIET / 8);
    let task = harness.work(Outcome::Looked);
    assert!(task.is_poll() && !task.inspect);
    harness.waits_until(SETTLE);
    harness.after(SETTLE);
    assert!(!harness.work(Outcome::Looked).is_poll());
    assert_eq!(harness.step(), Step::Rest);
}

#[test]
fn what_is_tried_again_without_a_document_does_not_keep_asking_for_one() {
    let mut harness = Harness::new();
    harness.schedule.retry_at(harness.now);
    assert!(harness.work(Outcome::NotReady).review);
    harness.after(CEILING);
    assert_eq!(harness.step(), Step::Rest);
}
