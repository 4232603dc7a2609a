//! One task of the persister: look at the outputs, pull the document, publish it where need be.
//!
//! All outputs get the document of one pull, reviewed by one guard: what they show is of the
//! same revision.

mod held;

use std::time::{Duration, Instant};

use actix::Recipient;

use held::Standing;
pub(super) use held::{Done, Held};

use super::messages::Render;
use super::output::Output;
use crate::core::guard::{Guard, Hold};
use crate::core::persist::Task;
use crate::core::render::Document;
use crate::file::Error;

/// How often a standby asks whether the file is still another one's.
pub(super) const STANDBY_PERIOD: Duration = Duration::from_millis(250);

/// The outputs, and what they should hold.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) outputs: Vec<Held>,
    /// What was last published.
    pub(super) document: Option<Document>,
    /// Holds back removals that are too many to be believed.
    pub(super) guard: Guard,
    /// Whether it is for this once: then a document that would need the guard is refused, and
    /// an output that another process writes is only looked at.
    pub(super) once: bool,
    /// Since when there is something that not all outputs show yet.
    unseen_since: Option<Instant>,
    /// The same, once all of them do, for whoever counts what that took.
    pub(super) shown: Option<Instant>,
}

/// That the registry is as new as etcd was when an output was taken over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Confirmed {
    /// Which output.
    pub(super) output: usize,
    /// Which of its take-overs.
    pub(super) number: u32,
}

/// What a task did.
#[derive(Default)]
pub(super) struct Report {
    /// The registry had no document to give.
    pub(super) not_ready: bool,
    /// There was a document to publish, and every output is another process's.
    pub(super) is_elsewhere: bool,
    /// The document would remove too much.
    pub(super) refused: Option<Hold>,
    /// For each output what was done.
    pub(super) outputs: Vec<Done>,
}

impl Report {
    /// Whether anything could not be done.
    pub(super) fn has_failed(&self) -> bool {
        self.failures().next().is_some()
    }

    /// Whether a document was published, or found to be published already, as far as it may be.
    pub(super) fn has_published(&self) -> bool {
        self.outputs.iter().any(|done| {
            done.publication.is_some() && done.failed.as_ref().is_none_or(Error::is_confined)
        })
    }

    fn failures(&self) -> impl Iterator<Item = &Error> {
        self.outputs.iter().filter_map(|done| done.failed.as_ref())
    }

    fn has_drift(&self) -> bool {
        self.outputs.iter().any(|done| !done.drift.is_empty())
    }
}

/// Carries out `task`. Blocking work is done where that is allowed.
pub(super) async fn work(
    registry: Recipient<Render>,
    mut disk: Disk,
    task: Task,
    confirmed: Vec<Confirmed>,
) -> (Disk, Report) {
    let (mut disk, mut report) = blocking(move || {
        disk.confirm(&confirmed);
        let outputs = disk.look(task, now());
        (disk, Report { outputs, ..Report::default() })
    })
    .await;
    let wants = task.wants_document() || (report.has_drift() && disk.document.is_some());
    if !wants || !disk.has_use_for_a_document() {
        report.is_elsewhere = wants && disk.is_standby();
        return (disk, report);
    }
    let rendered = registry.send(Render).await.ok().flatten();
    // In the middle of a revision the last published document is what heals the file.
    let again = disk.document.clone().filter(|_| report.has_drift());
    if rendered.is_none() && again.is_none() {
        report.not_ready = true;
        return (disk, report);
    }
    let is_again = rendered.is_none();
    let arrived = rendered.as_ref().and_then(Document::oldest_arrival);
    disk.unseen_since = [disk.unseen_since, arrived].into_iter().flatten().min();
    blocking(move || {
        let reviewed = rendered.map(|wanted| disk.guard.review(wanted, now()));
        match (disk.guard.hold(), reviewed.or(again)) {
            (Some(hold), _) if disk.once => report.refused = Some(hold),
            (_, Some(document)) => disk.publish(document, is_again, &mut report),
            (_, None) => report.not_ready = true,
        }
        (disk, report)
    })
    .await
}

impl Disk {
    /// Whether every output holds a document, or, for this once, another process has seen to it.
    pub(super) fn is_settled(&self) -> bool {
        self.outputs.iter().all(|held| match held.standing {
            Standing::StandBy { is_right } => self.once && is_right == Some(true),
            _ => held.output.has_published(),
        })
    }

    /// The outputs that another process writes, and that are not as this one would have them.
    pub(super) fn differing(&self) -> Option<&dyn Output> {
        let is_differing =
            |held: &&Held| held.standing == Standing::StandBy { is_right: Some(false) };
        self.outputs.iter().find(is_differing).map(|held| held.output.as_ref())
    }

    /// Whether another process writes all that there is to write.
    fn is_standby(&self) -> bool {
        self.outputs.iter().all(|held| matches!(held.standing, Standing::StandBy { .. }))
    }

    fn has_use_for_a_document(&self) -> bool {
        self.outputs.iter().any(|held| match held.standing {
            Standing::StandBy { .. } => self.once,
            standing => standing == Standing::Active,
        })
    }

    fn confirm(&mut self, confirmed: &[Confirmed]) {
        for &Confirmed { output, number } in confirmed {
            if let Some(held) = self.outputs.get_mut(output)
                && held.standing == Standing::Confirming(number)
            {
                held.standing = Standing::Active;
            }
        }
    }

    /// After a task, the outputs whose disk is at fault are left alone until `until`, each by
    /// itself. Returns when the first of those that rest may be tried again, and whether all of
    /// them rest.
    pub(super) fn rest(
        &mut self,
        report: &Report,
        now: Instant,
        until: Instant,
    ) -> (Option<Instant>, bool) {
        for (held, done) in self.outputs.iter_mut().zip(&report.outputs) {
            if done.failed.as_ref().is_some_and(|error| !error.is_confined()) {
                held.rests_until = Some(until);
            } else if !done.is_left_alone {
                held.rests_until = None;
            }
        }
        let resting = self.outputs.iter().map(|held| held.rests_until.filter(|until| now < *until));
        let are_all = resting.clone().all(|until| until.is_some());
        (resting.flatten().min(), are_all && !self.outputs.is_empty())
    }

    fn look(&mut self, task: Task, now: Instant) -> Vec<Done> {
        let ours: Vec<_> = self.outputs.iter().map(|held| held.standing.is_ours()).collect();
        let done = self.outputs.iter_mut().map(|held| held.look(task, now)).collect();
        if self.guard.settings().is_off() {
            return done;
        }
        // What is on disk before the first publish is the guard's baseline: of several, the one
        // with the most to lose.
        let new = self.outputs.iter().zip(&ours);
        let new = new.filter(|(held, was_ours)| held.standing.is_ours() && !**was_ours);
        let baselines = new.filter_map(|(held, _)| held.output.baseline());
        if let Some(baseline) = baselines.max_by_key(Document::targets) {
            if ours.contains(&true) {
                self.guard.found(baseline, now);
            } else {
                self.guard.baseline(baseline);
            }
        }
        done
    }

    /// `is_again` if the document was published before: what was taken over since may be newer.
    fn publish(&mut self, document: Document, is_again: bool, report: &mut Report) {
        let now = now();
        let (mut is_published, mut is_everywhere) = (false, true);
        for (held, done) in self.outputs.iter_mut().zip(&mut report.outputs) {
            if done.is_left_alone || done.failed.is_some() {
                is_everywhere = false;
                continue;
            }
            match &mut held.standing {
                Standing::Active if !is_again || held.output.has_published() => {
                    let mut publication = held.output.publish(&document, now);
                    done.failed = publication.failed.take();
                    is_everywhere &= done.failed.is_none();
                    done.publication = Some(publication);
                    is_published |= held.output.has_published();
                }
                Standing::StandBy { is_right } if self.once => match held.output.holds(&document) {
                    Ok(holds) => *is_right = Some(holds),
                    Err(error) => done.failed = Some(error),
                },
                Standing::StandBy { .. } => {}
                _ => is_everywhere = false,
            }
        }
        if is_published {
            self.guard.published(&document, now);
            let is_same = |before: &Document| before.same_bytes(&document);
            let is_news = !self.document.as_ref().is_some_and(is_same);
            self.document = Some(document);
            if is_everywhere {
                // Of removals that the guard holds nobody sees anything.
                let is_seen = is_news || self.guard.hold().is_none();
                self.shown = self.unseen_since.take().filter(|_| is_seen);
            }
        }
    }
}

/// The runtime's clock, which tests can pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Runs where blocking is allowed; a panic there is one here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
