//! What the persister writes down of one output.

use std::sync::Mutex;

use super::lock;
use crate::clock;
use crate::core::event::Revision;
use crate::core::status::{OutputKind, OutputStatus, Standing};
use crate::core::time::Millis;

/// How one output stands.
#[derive(Debug)]
pub struct OutputBoard {
    kind: OutputKind,
    path: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    failure: Option<String>,
    published: Option<(Millis, Revision)>,
    healed: u64,
    fight: bool,
}

impl OutputBoard {
    /// One of which nothing is known yet.
    #[must_use]
    pub fn new(kind: OutputKind, path: String) -> Self {
        Self { kind, path, state: Mutex::default() }
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> OutputKind {
        self.kind
    }

    /// Who writes there.
    pub fn stands(&self, standing: Standing) {
        lock(&self.state).standing = standing;
    }

    /// Why it does not hold what it should; `None` if it does.
    pub fn failing(&self, failure: Option<String>) {
        lock(&self.state).failure = failure;
    }

    /// It holds what there was at this revision.
    pub fn published(&self, revision: Revision) {
        lock(&self.state).published = Some((clock::now(), revision));
    }

    /// So much in it was healed.
    pub fn healed(&self, count: usize) {
        lock(&self.state).healed += count as u64;
    }

    /// Whether another program keeps changing it.
    pub fn fight(&self, fight: bool) {
        lock(&self.state).fight = fight;
    }

    pub(super) fn status(&self) -> OutputStatus {
        let state = lock(&self.state);
        OutputStatus {
            kind: self.kind,
            path: self.path.clone(),
            standing: state.standing,
            failure: state.failure.clone(),
            published_at: state.published.map(|(at, _)| at),
            revision: state.published.map(|(_, revision)| revision),
            healed: state.healed,
            fight: state.fight,
        }
    }
}
