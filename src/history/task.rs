//! The task: finds out which publish carried which change, and passes that on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::journal::Written;
use super::leases::{LeaseSettings, Leases};
use super::sender::{RECENT, Shared, Told};
use crate::core::history::{Attribution, Capture, Millis, Recorded, TargetChange};
use crate::core::schema::Schema;

/// So many changes may wait for their publish: with a journal, what a large fleet can lose at
/// once and the guard holds, at about 200 bytes each; else what can be asked for later.
const PENDING: usize = 500_000;
const PENDING_WITHOUT_JOURNAL: usize = 2 * RECENT;

/// So many go to the journal at once.
const BATCH: usize = 4096;

/// How often the journal is told to write what it has.
const FLUSH: Duration = Duration::from_millis(500);

/// How long, at the end, to wait for what becomes of leases.
const LAST_ANSWERS: Duration = Duration::from_millis(300);

/// How long to wait for the journal. If that is over, it is not waited for until it takes
/// something again.
const PATIENCE: Duration = Duration::from_secs(1);

/// What runs on the thread.
pub(super) struct Task {
    schemas: Vec<Arc<Schema>>,
    attribution: Attribution,
    leases: Option<Leases>,
    /// What waits for an answer of those, or for what does.
    unexplained: VecDeque<Recorded>,
    journal: Option<mpsc::Sender<Written>>,
    /// Whether the journal took nothing the last time.
    is_stuck: bool,
    shared: Arc<Shared>,
}

impl Task {
    pub(super) fn new(
        schemas: Vec<Arc<Schema>>,
        journal: Option<mpsc::Sender<Written>>,
        shared: Arc<Shared>,
    ) -> Self {
        let limit = if journal.is_some() { PENDING } else { PENDING_WITHOUT_JOURNAL };
        let attribution = Attribution::new(limit);
        Self {
            schemas,
            attribution,
            leases: None,
            unexplained: VecDeque::new(),
            journal,
            is_stuck: false,
            shared,
        }
    }

    /// Ends when it is told to, or with the program.
    pub(super) async fn run(
        mut self,
        mut told: mpsc::Receiver<Told>,
        leases: Option<LeaseSettings>,
    ) {
        self.leases = leases.map(Leases::new);
        let mut ticks = interval(FLUSH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                told = told.recv() => match told {
                    Some(Told::Stop(stopped)) => return self.stop(stopped).await,
                    Some(told) => self.take(told).await,
                    None => return,
                },
                () = answered(&mut self.leases) => self.explain(false).await,
                _ = ticks.tick() => {
                    self.explain(false).await;
                    self.flush();
                }
            }
        }
    }

    async fn take(&mut self, told: Told) {
        match told {
            Told::Changes { source, time, captures } => {
                self.shared.queued.fetch_sub(captures.len(), Ordering::Relaxed);
                self.change(source, time, captures).await;
            }
            Told::Relisted { source, time, relisted } => {
                for captures in relisted.captures() {
                    self.change(source, time, captures).await;
                }
            }
            Told::Noted { time, note } => {
                let _ = self.write(Written::Note { time, note }).await;
            }
            Told::Rendered(source) => self.attribution.rendered(source),
            Told::Published(publish) => {
                let recorded = self.attribution.published(&publish);
                self.record(recorded).await;
            }
            Told::Elsewhere => {
                let recorded = self.attribution.give_up();
                self.record(recorded).await;
            }
            Told::Stop(_) => {}
        }
    }

    async fn change(&mut self, source: usize, time: Millis, captures: Vec<Capture>) {
        let Some(schema) = self.schemas.get(source).cloned() else { return };
        let mut unpublished = Vec::new();
        for capture in captures {
            let Some(change) = TargetChange::new(&schema, source, time, capture) else { continue };
            if let Some(leases) = &mut self.leases {
                leases.ask(&change);
            }
            unpublished.extend(self.attribution.change(change));
        }
        self.record(unpublished).await;
    }

    async fn record(&mut self, recorded: Vec<Recorded>) {
        self.unexplained.extend(recorded);
        self.explain(false).await;
    }

    /// Passes on what is explained, and, if it is the last moment, what is not.
    async fn explain(&mut self, is_last: bool) {
        let mut explained = Vec::new();
        let may_wait = !is_last && self.unexplained.len() <= PENDING;
        while let Some(first) = self.unexplained.front_mut() {
            let of_lease = self.leases.as_ref().map(|leases| leases.cause(&first.change));
            match of_lease {
                Some(None) if may_wait => break,
                Some(Some(cause)) => first.change.cause = cause,
                _ => {}
            }
            explained.extend(self.unexplained.pop_front());
        }
        self.pass_on(explained).await;
    }

    async fn pass_on(&mut self, recorded: Vec<Recorded>) {
        let mut recorded = recorded.into_iter().map(Arc::new).peekable();
        while recorded.peek().is_some() {
            let batch: Vec<_> = recorded.by_ref().take(BATCH).collect();
            self.shared.record(&batch);
            let number = batch.len();
            if !self.write(Written::Changes(batch)).await {
                self.shared.drop_changes(number);
            }
        }
    }

    /// Returns whether the journal will write it, if there is one.
    async fn write(&mut self, written: Written) -> bool {
        let Some(journal) = &self.journal else { return true };
        let patience = if self.is_stuck { Duration::ZERO } else { PATIENCE };
        let place = match journal.try_reserve() {
            Ok(place) => Some(place),
            Err(_) => timeout(patience, journal.reserve()).await.ok().and_then(Result::ok),
        };
        self.is_stuck = place.is_none();
        place.map(|place| place.send(written)).is_some()
    }

    fn flush(&mut self) {
        if let Some(journal) = &self.journal {
            // Where it has no room, it has something to write.
            let _ = journal.try_send(Written::Flush);
        }
    }

    async fn stop(mut self, stopped: oneshot::Sender<()>) {
        let recorded = self.attribution.give_up();
        self.record(recorded).await;
        let explained = async {
            while !self.unexplained.is_empty() {
                answered(&mut self.leases).await;
                self.explain(false).await;
            }
        };
        let _ = timeout(LAST_ANSWERS, explained).await;
        self.explain(true).await;
        let (written, done) = oneshot::channel();
        // Without a journal nobody answers, which is an answer too.
        if self.write(Written::Stop(written)).await {
            let _ = done.await;
        }
        let _ = stopped.send(());
    }
}

/// Waits for an answer; for ever, if nobody is asked.
async fn answered(leases: &mut Option<Leases>) {
    match leases {
        Some(leases) => leases.answered().await,
        None => std::future::pending().await,
    }
}
