//! The observer: what the actors tell about themselves, and who looks on reads.
//!
//! Each actor is given its part of it, and counts and writes down there what it does; one that is
//! given none tells nobody. Telling costs no more than a lock that nobody holds for long.

use std::sync::Arc;
use std::time::Duration;

use crate::board::{Board, OutputBoard, SourceBoard};
use crate::core::schema::Schema;
use crate::core::status::OutputKind;
use crate::history;
use crate::metrics::{Metrics, OutputMetrics, SourceMetrics};
use crate::telemetry::source_name;

/// All that the daemon tells about itself.
#[derive(Clone, Debug)]
pub struct Observer {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How things stand.
    pub board: Arc<Board>,
    /// What becomes of which target.
    pub history: history::Sender,
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(history::Sender::default())
    }
}

impl Observer {
    /// One with this history.
    #[must_use]
    pub fn new(history: history::Sender) -> Self {
        let board = Arc::new(Board::new(history.clone()));
        Self { metrics: Arc::new(Metrics::new(&board)), board, history }
    }

    /// That of one of the sources, which is heard of at least once in `patience` while all is well.
    #[must_use]
    pub fn source(
        &self,
        sources: &[Arc<Schema>],
        source: &Schema,
        patience: Duration,
    ) -> SourceObserver {
        let name = source_name(sources, source).to_owned();
        let metrics = self.metrics.of_source(&name);
        let pattern = source.pattern.as_str().to_owned();
        let board = SourceBoard::new(name, pattern, source.format.name(), patience);
        let number = sources.iter().position(|other| std::ptr::eq(Arc::as_ptr(other), source));
        let history = self.history.of_source(number.unwrap_or_default());
        SourceObserver { metrics, board: self.board.add_source(board), history }
    }

    /// That of an output.
    #[must_use]
    pub fn output(&self, kind: OutputKind, path: String) -> OutputObserver {
        let board = self.board.add_output(OutputBoard::new(kind, path));
        OutputObserver { metrics: self.metrics.of_output(kind), board }
    }
}

/// What the actors of one source tell.
#[derive(Clone, Debug)]
pub struct SourceObserver {
    /// What is counted.
    pub metrics: SourceMetrics,
    /// How it stands.
    pub board: Arc<SourceBoard>,
    /// What becomes of its targets.
    pub history: history::Sender,
}

impl Default for SourceObserver {
    fn default() -> Self {
        let board = SourceBoard::new(String::new(), String::new(), "", Duration::MAX);
        let history = history::Sender::default();
        Self { metrics: SourceMetrics::default(), board: Arc::new(board), history }
    }
}

/// What is told of one output.
#[derive(Clone, Debug)]
pub struct OutputObserver {
    /// What is counted.
    pub metrics: OutputMetrics,
    /// How it stands.
    pub board: Arc<OutputBoard>,
}
