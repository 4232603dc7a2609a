use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::super::output::{Claim, Drifted, Look, Publication, Written};
use super::*;
use crate::core::event::Revision;
use crate::core::guard::GuardSettings;
use crate::core::render::Piece;
use crate::core::status::OutputKind;
use crate::core::value::Target;
use crate::file::TargetFile;

const SECOND: Duration = Duration::from_secs(1);

/// A place without a disk.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
struct Place {
    is_theirs: bool,
    has_fault: bool,
    is_lost: bool,
    holds: Option<Document>,
    has_published: bool,
    looks: usize,
    publishes: usize,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Place>>);

impl Fake {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.0.lock().expect("a test that goes on")
    }

    fn holding(targets: u16) -> Self {
        let fake = Self::default();
        fake.place().holds = Some(document(targets));
        fake
    }
}

impl Output for Fake {
    fn kind(&self) -> OutputKind {
        OutputKind::File
    }

    fn path(&self) -> &Path {
        Path::new("fake")
    }

    fn claim(&mut self) -> Result<Claim, Error> {
        let theirs = Claim::Theirs { pid: None };
        Ok(if self.place().is_theirs { theirs } else { Claim::Ours })
    }

    fn baseline(&self) -> Option<Document> {
        self.place().holds.clone()
    }

    fn look(&mut self, _: bool, _: Instant) -> Result<Look, Error> {
        self.place().looks += 1;
        let drifted = || Drifted { path: "fake".into(), found: crate::file::Drift::Deleted };
        let drift = self.place().is_lost.then(drifted);
        Ok(Look { drift: drift.into_iter().collect(), again: None })
    }

    fn holds(&self, _: &Document) -> Result<bool, Error> {
        Ok(true)
    }

    fn publish(&mut self, document: &Document, _: Instant) -> Publication {
        let mut place = self.place();
        place.publishes += 1;
        if place.has_fault {
            return Publication::failed(fault());
        }
        (place.holds, place.has_published, place.is_lost) = (Some(document.clone()), true, false);
        Publication::new(Written::Now { files: 1, took: Duration::ZERO })
    }

    fn has_published(&self) -> bool {
        self.place().has_published
    }

    fn is_fight(&self, _: Instant) -> bool {
        false
    }
}

fn document(targets: u16) -> Document {
    let targets: Vec<_> =
        (0..targets).map(|port| Target::Address(format!("h:{port}").into())).collect();
    let mut document = Document::new(Revision(1));
    document.push(&Piece::render("web", targets.iter()));
    document
}

/// What a disk says that is not there.
fn fault() -> Error {
    let nowhere = TargetFile::new("/no/such/directory/t.json".into());
    nowhere.locate().and_then(|place| place.lock()).expect_err("no directory")
}

fn disk(outputs: &[&Fake]) -> Disk {
    let held = outputs.iter().map(|&fake| Held::new(Box::new(fake.clone())));
    let guard = Guard::new(GuardSettings::default());
    Disk { outputs: held.collect(), guard, ..Disk::default() }
}

fn task(inspect: bool, flush: bool) -> Task {
    Task { since: None, inspect, review: false, flush }
}

/// Looks, and publishes what the guard lets through of `wanted`.
fn run(disk: &mut Disk, task: Task, wanted: Document, now: Instant) -> Report {
    let mut report = Report { outputs: disk.look(task, now), ..Report::default() };
    let reviewed = disk.guard.review(wanted, now);
    disk.publish(reviewed, false, &mut report);
    report
}

#[test]
fn the_output_with_the_most_to_lose_is_what_the_guard_begins_with() {
    for (one, other) in [(0, 100), (100, 0), (10, 100)] {
        let (one, other) = (Fake::holding(one), Fake::holding(other));
        let mut disk = disk(&[&one, &other]);
        run(&mut disk, task(true, false), document(1), now());
        assert_eq!(disk.guard.hold().map(|hold| hold.published), Some(100));
        assert_eq!(other.place().holds.as_ref().map(Document::targets), Some(100));
    }
}

#[test]
fn what_stands_in_an_output_that_is_taken_over_later_is_guarded_as_well() {
    let (ours, theirs) = (Fake::default(), Fake::holding(100));
    theirs.place().is_theirs = true;
    let mut disk = disk(&[&theirs, &ours]);
    let mut now = now();
    run(&mut disk, task(true, false), document(1), now);
    assert_eq!(ours.place().holds.as_ref().map(Document::targets), Some(1));
    theirs.place().is_theirs = false;
    now += SECOND;
    disk.look(task(false, false), now);
    disk.confirm(&[Confirmed { output: 0, number: 1 }]);
    run(&mut disk, task(true, false), document(1), now);
    assert_eq!(theirs.place().holds.as_ref().map(Document::targets), Some(100));
    assert!(disk.guard.hold().is_some());
}

#[test]
fn an_output_with_a_fault_rests_alone_and_a_stop_tries_it_all_the_same() {
    let (sound, faulty) = (Fake::default(), Fake::default());
    faulty.place().has_fault = true;
    let mut disk = disk(&[&faulty, &sound]);
    let start = now();
    let report = run(&mut disk, task(true, false), document(1), start);
    assert!(report.has_failed() && report.has_published());
    assert_eq!(disk.rest(&report, start, start + SECOND), (Some(start + SECOND), false));

    let soon = start + SECOND / 2;
    let report = run(&mut disk, task(true, false), document(2), soon);
    assert!(!report.has_failed());
    assert_eq!(disk.rest(&report, soon, soon + SECOND), (Some(start + SECOND), false));
    assert_eq!((faulty.place().publishes, sound.place().publishes), (1, 2));
    run(&mut disk, task(false, true), document(2), soon);
    assert_eq!(faulty.place().publishes, 2);

    let later = start + SECOND;
    sound.place().has_fault = true;
    let report = run(&mut disk, task(true, false), document(3), later);
    let (next, all_rest) = disk.rest(&report, later, later + SECOND);
    assert!(all_rest && next == Some(later + SECOND));
    (faulty.place().has_fault, sound.place().has_fault) = (false, false);
    let after = later + SECOND;
    let report = run(&mut disk, task(true, false), document(3), after);
    assert_eq!(disk.rest(&report, after, after + SECOND), (None, false));
    assert!(!report.has_failed());
}

#[test]
fn a_change_is_seen_once_every_output_shows_it_also_those_that_rested() {
    let (sound, faulty) = (Fake::default(), Fake::default());
    faulty.place().has_fault = true;
    let mut disk = disk(&[&faulty, &sound]);
    let start = now();
    disk.unseen_since = Some(start);
    let report = run(&mut disk, task(true, false), document(1), start);
    disk.rest(&report, start, start + SECOND);
    assert_eq!(disk.shown.take(), None);
    let soon = start + SECOND / 2;
    let report = run(&mut disk, task(true, false), document(2), soon);
    disk.rest(&report, soon, soon + SECOND);
    assert_eq!(disk.shown.take(), None, "the faulty one rests");
    faulty.place().has_fault = false;
    run(&mut disk, task(true, false), document(2), start + SECOND);
    assert_eq!(disk.shown.take(), Some(start));
}

#[test]
fn removals_that_the_guard_holds_are_not_seen() {
    let output = Fake::default();
    let mut disk = disk(&[&output]);
    let start = now();
    run(&mut disk, task(true, false), document(100), start);
    disk.unseen_since = Some(start);
    run(&mut disk, task(true, false), document(1), start);
    assert!(disk.guard.hold().is_some());
    assert_eq!((disk.shown.take(), disk.unseen_since), (None, None));
}

#[test]
fn to_ask_for_another_ones_output_is_no_look_at_ours() {
    let (ours, theirs) = (Fake::default(), Fake::default());
    theirs.place().is_theirs = true;
    let mut disk = disk(&[&theirs, &ours]);
    let now = now();
    let done = disk.look(task(true, false), now);
    assert_eq!(done[0].poll, Some(now + STANDBY_PERIOD));
    assert_eq!((ours.place().looks, done[1].poll), (1, None));
    let done = disk.look(task(false, false), now);
    assert_eq!(done[0].poll, Some(now + STANDBY_PERIOD));
    assert_eq!((ours.place().looks, done[1].is_left_alone), (1, true));
}

#[test]
fn what_was_published_before_heals_and_is_not_published_where_it_may_be_old() {
    let (ours, taken) = (Fake::default(), Fake::holding(2));
    taken.place().is_theirs = true;
    let mut disk = disk(&[&ours, &taken]);
    let now = now();
    run(&mut disk, task(true, false), document(1), now);
    taken.place().is_theirs = false;
    ours.place().is_lost = true;
    let mut report = Report { outputs: disk.look(task(true, false), now), ..Report::default() };
    disk.confirm(&[Confirmed { output: 1, number: 1 }]);
    let again = disk.document.clone().expect("it was published");
    disk.publish(again, true, &mut report);
    assert_eq!(ours.place().publishes, 2);
    assert_eq!(taken.place().publishes, 0);
}
