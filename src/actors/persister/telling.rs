//! What the persister tells those who look on.

use std::sync::Arc;
use std::time::Instant;

use super::Persister;
use crate::actors::output::http::HttpOutput;
use crate::actors::output::{Claim, Output, Written};
use crate::actors::publish::{Done, Report};
use crate::core::event::Revision;
use crate::core::status::Standing;
use crate::metrics::PublishResult;
use crate::observer::{Observer, OutputObserver};
use crate::telemetry::Chain;

/// The observer of the persister, and that of each of its outputs.
#[derive(Default)]
pub(super) struct Telling {
    pub(super) observer: Observer,
    outputs: Vec<OutputObserver>,
}

impl Telling {
    /// There is one output more.
    pub(super) fn add(&mut self, output: &dyn Output) {
        let (kind, path) = (output.kind(), output.path().display().to_string());
        self.outputs.push(self.observer.output(kind, path));
    }

    /// What a task did with an output, which holds what there was at `revision` if it was
    /// published to.
    pub(super) fn done(&self, at: usize, done: &Done, revision: Option<Revision>) {
        let OutputObserver { metrics, board } = &self.outputs[at];
        match done.claim {
            Some(Claim::Ours) => board.stands(Standing::Active),
            Some(Claim::Theirs { .. }) => board.stands(Standing::Standby),
            None => {}
        }
        let Some(publication) = &done.publication else { return };
        for drifted in &publication.healed {
            metrics.healed(drifted.found.name());
        }
        board.healed(publication.healed.len());
        metrics.publish(match publication.written {
            _ if done.failed.is_some() => PublishResult::Failed,
            Written::Now { .. } => PublishResult::Written,
            Written::Before | Written::Elsewhere => PublishResult::Unchanged,
        });
        if let Written::Now { took, files: 1.. } = publication.written {
            metrics.wrote(took);
        }
        if let Some(revision) = revision.filter(|_| done.failed.is_none()) {
            board.published(revision);
        }
    }
}

impl Persister {
    /// After a task: how each output stands, what the guard holds, and how long what is published
    /// now has taken.
    pub(super) fn tell(&mut self, now: Instant) {
        let outputs = self.disk.outputs.iter().zip(&self.voices);
        for ((held, voice), told) in outputs.zip(&self.telling.outputs) {
            let failure = voice.failure().map(|error| Chain(&**error).to_string());
            told.board.failing(failure);
            told.board.fight(held.output.is_fight(now));
        }
        let Observer { metrics, board, .. } = &self.telling.observer;
        board.hold(self.disk.guard.hold());
        if let Some(arrived) = self.disk.shown.take() {
            metrics.propagation.observe(now.saturating_duration_since(arrived));
            board.shown(arrived);
        }
    }

    /// After a task: which document was published, so that its changes are known to be.
    pub(super) fn tell_published(&self, report: &Report) {
        let Observer { board, history, .. } = &self.telling.observer;
        let published = self.disk.document.as_ref().map(|document| {
            let number = board.publish(document.clone());
            (number, document)
        });
        if let Some((number, document)) = published.filter(|_| report.has_published()) {
            history.published(number, document, self.disk.guard.hold().is_some());
        } else if report.is_elsewhere {
            history.elsewhere();
        }
    }

    /// Tells it there, and serves the document by HTTP from there if `serves`. To be said before
    /// any other place to publish to.
    #[must_use]
    pub fn observed_by(mut self, observer: &Observer, serves: bool) -> Self {
        self.telling.observer = observer.clone();
        if serves { self.to(Box::new(HttpOutput::new(Arc::clone(&observer.board)))) } else { self }
    }
}
