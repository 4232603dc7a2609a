//! The observer: what the actors tell about themselves, and who looks on reads.
//!
//! Each actor is given its part of it, and counts and writes down there what it does; one that is
//! given none tells nobody. Telling costs no more than a lock that nobody holds for long.

use std::sync::Arc;
use std::time::Duration;

use crate::board::{Board, OutputBoard, SourceBoard};
use crate::core::schema::Schema;
use crate::core::status::OutputKind;
use crate::metrics::{Metrics, OutputMetrics, SourceMetrics};
use crate::telemetry::source_name;

/// All that the daemon tells about itself.
#[derive(Clone, Debug)]
pub struct Observer {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How things stand.
    pub board: Arc<Board>,
}

impl Default for Observer {
    fn default() -> Self {
        let board = Arc::<Board>::default();
        Self { metrics: Arc::new(Metrics::new(&board)), board }
    }
}

impl Observer {
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
        SourceObserver { metrics, board: self.board.add_source(board) }
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
}

impl Default for SourceObserver {
    fn default() -> Self {
        let board = SourceBoard::new(String::new(), String::new(), "", Duration::MAX);
        Self { metrics: SourceMetrics::default(), board: Arc::new(board) }
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
