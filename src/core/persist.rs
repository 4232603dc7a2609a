//! Persisting: when to publish, when to look at the file, when to leave it alone.
//!
//! [`Schedule`] takes hints (something changed, something happened to the file) and says
//! when there is work; [`plan`] and [`Known`] say what that work is. What was asked for
//! stays due until it was done, whatever fails on the way.

mod known;

use std::time::{Duration, Instant};

use super::debounce::Debounce;
use super::render::Document;

pub use known::Known;

/// An edit by hand is often several system calls: look when it is over, still well within
/// the second in which drift must be healed.
const SETTLE: Duration = Duration::from_millis(50);

/// A revision is there in part only while its last messages are on the way to the registry. But
/// one of several sources may be away for hours: so the pause becomes longer, up to so many
/// doublings, and the next change ends it.
const NOT_READY_PAUSE: Duration = Duration::from_millis(10);
const NOT_READY_DOUBLINGS: u32 = 6;

/// What is to be done about the target file, and when.
#[derive(Debug)]
pub struct Schedule {
    debounce: Debounce,
    published: bool,
    inspect: Option<Instant>,
    review: Option<Instant>,
    retry: Option<Instant>,
    poll: Option<Instant>,
    flush: bool,
    not_before: Option<Instant>,
    /// How often in a row there was no document.
    not_ready: u32,
    working: Option<Work>,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A review for no other reason than a failure before.
    Retry,
    /// Anything else.
    Task,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until a hint comes or the work under way is done.
    Rest,
    /// Nothing before this instant.
    Wait(Instant),
    /// Call [`Schedule::begin`] and do that.
    Work,
}

/// Work that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// When the first change that it should publish came; `None` if there was none.
    pub since: Option<Instant>,
    /// Whether to compare the file with what was published.
    pub inspect: bool,
    /// Whether the newest document is to be reviewed anew, though it may be as it was.
    pub review: bool,
    /// Whether to publish even without a hint.
    pub flush: bool,
}

impl Task {
    /// Whether the newest document is needed even if the file is as it was.
    #[must_use]
    pub fn wants_document(&self) -> bool {
        self.since.is_some() || self.review || self.flush
    }

    /// Whether nothing is to be done but to ask whose the files are.
    #[must_use]
    pub fn is_poll(&self) -> bool {
        !self.inspect && !self.wants_document()
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The registry had no document to give.
    NotReady,
    /// There was no drift, and nothing else to do.
    Looked,
    /// The document is published.
    Done,
    /// It could not be written; try again after so long.
    Failed(Duration),
}

impl Schedule {
    /// A schedule with nothing to do, before the first publish.
    #[must_use]
    pub fn new(debounce: Debounce) -> Self {
        Self {
            debounce,
            published: false,
            inspect: None,
            review: None,
            retry: None,
            poll: None,
            flush: false,
            not_before: None,
            not_ready: 0,
            working: None,
        }
    }

    /// The registry changed.
    pub fn changed(&mut self, now: Instant) {
        self.debounce.changed(now);
        if self.not_ready > 0 {
            self.not_before = self.not_before.map(|until| until.min(now + NOT_READY_PAUSE));
        }
    }

    /// Something happened to the file, perhaps.
    pub fn inspect(&mut self, now: Instant) {
        self.look_at(now + SETTLE);
    }

    /// Look at the file at this instant, or before.
    pub fn look_at(&mut self, at: Instant) {
        self.inspect = Some(self.inspect.map_or(at, |earlier| earlier.min(at)));
    }

    /// What is held of the newest document may be let through at `due`; `None` if nothing is
    /// held.
    pub fn review_at(&mut self, due: Option<Instant>) {
        self.review = due;
    }

    /// A part of the document could not be published, for a reason that does not concern the rest:
    /// try it again at this instant, and let nothing else wait for it.
    pub fn retry_at(&mut self, at: Instant) {
        self.retry = Some(self.retry.map_or(at, |earlier| earlier.min(at)));
    }

    /// Ask at this instant whether a file is still another process's. A task for that alone looks
    /// at nothing else.
    pub fn poll_at(&mut self, at: Instant) {
        self.poll = Some(at);
    }

    /// Whatever is pending is due now, the delay after a failure included.
    pub fn flush(&mut self) {
        self.flush = true;
    }

    /// When the first change came that no work was begun for yet.
    #[must_use]
    pub fn pending_since(&self) -> Option<Instant> {
        self.debounce.since()
    }

    /// What to do now.
    #[must_use]
    pub fn step(&self, now: Instant) -> Step {
        if self.is_working() {
            return Step::Rest;
        }
        if self.flush {
            return Step::Work;
        }
        let dues = [self.publish_due(), self.inspect, self.review, self.retry, self.poll];
        let Some(due) = dues.into_iter().flatten().min() else {
            return Step::Rest;
        };
        let due = self.not_before.map_or(due, |not_before| due.max(not_before));
        if due <= now { Step::Work } else { Step::Wait(due) }
    }

    /// Begins the work that is due, and counts the hints for it as taken. A look at the file
    /// does not make changes due whose burst is not over: each publish is followed by one.
    pub fn begin(&mut self, now: Instant) -> Task {
        self.not_before = None;
        let flush = std::mem::take(&mut self.flush);
        let since = self.debounce.since();
        let since = since.filter(|_| flush || self.publish_due().is_some_and(|due| due <= now));
        if since.is_some() {
            self.debounce.clear();
        }
        let review = self.review.take_if(|due| *due <= now).is_some();
        let retry = self.retry.take_if(|due| *due <= now).is_some();
        self.working = Some(if retry && !review { Work::Retry } else { Work::Task });
        let review = retry || review;
        self.poll.take_if(|due| *due <= now);
        // A look at the files comes with every task but a mere poll: early is as good as due.
        let inspect = self.inspect.take_if(|due| *due <= now || flush || since.is_some());
        Task { since, inspect: inspect.is_some(), review, flush }
    }

    /// The work is done or has failed.
    pub fn finish(&mut self, task: Task, outcome: Outcome, now: Instant) {
        let work = self.working.take();
        let not_ready = std::mem::take(&mut self.not_ready);
        let retry = match outcome {
            Outcome::Done => {
                self.published = true;
                return;
            }
            Outcome::Looked => return,
            Outcome::NotReady => {
                self.not_ready = not_ready + 1;
                NOT_READY_PAUSE * 2u32.pow(not_ready.min(NOT_READY_DOUBLINGS))
            }
            Outcome::Failed(delay) => delay,
        };
        if let Some(since) = task.since {
            self.debounce.resume(since, now);
        }
        if task.inspect && outcome != Outcome::NotReady {
            self.inspect = Some(now);
        }
        // Before the first list there may be no document for long: who tries again sets the time.
        if task.review && !(work == Some(Work::Retry) && outcome == Outcome::NotReady) {
            self.review = Some(now);
        }
        if task.since.is_some() || task.review || self.inspect.is_some() {
            self.not_before = Some(now + retry);
        }
    }

    /// Whether a task is under way.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.working.is_some()
    }

    /// The first publish waits for nothing: until then there is no document, or an old one.
    fn publish_due(&self) -> Option<Instant> {
        if self.published { self.debounce.due() } else { self.debounce.since() }
    }
}

/// What to do with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// The file holds it.
    Keep,
    /// Write it.
    Write,
    /// Nothing is known of the file: write it unless the file holds the same bytes.
    Compare,
}

/// Plans for `wanted`, given what was published before.
#[must_use]
pub fn plan(published: Option<&Document>, wanted: &Document, drifted: bool) -> Plan {
    match published {
        None => Plan::Compare,
        Some(published) if !drifted && published.same_bytes(wanted) => Plan::Keep,
        Some(_) => Plan::Write,
    }
}

#[cfg(test)]
mod tests;
