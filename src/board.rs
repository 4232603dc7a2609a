//! The board: where the actors write down how they stand, for all who look on.
//!
//! Whoever looks, be it an HTTP request or systemd, reads here and disturbs no actor: what is
//! behind the locks is a few numbers and texts, and is copied. The published document is shared.

mod output;
mod pulse;
mod source;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

use crate::clock;
use crate::core::guard::Hold;
use crate::core::render::Document;
use crate::core::status::{
    GuardStatus, HoldStatus, PrometheusStatus, PublishedStatus, Status, not_ready,
};
use crate::core::time::Millis;
use crate::history;

pub use output::OutputBoard;
pub use pulse::Pulse;
pub use source::SourceBoard;

/// Where all parts of the daemon write down how they stand.
#[derive(Debug)]
pub struct Board {
    started: Millis,
    sources: Mutex<Vec<Arc<SourceBoard>>>,
    outputs: Mutex<Vec<Arc<OutputBoard>>>,
    actors: Mutex<Vec<Arc<Pulse>>>,
    persisting: Mutex<Persisting>,
    published: watch::Sender<Option<Arc<Published>>>,
    shown: watch::Sender<Option<Instant>>,
    prometheus: Mutex<Option<PrometheusStatus>>,
    history: history::Sender,
}

/// What the persister writes down.
#[derive(Debug, Default)]
struct Persisting {
    pending_since: Option<Instant>,
    working_since: Option<Instant>,
    hold: Option<Hold>,
    trips: u64,
}

/// A document that is published.
#[derive(Clone, Debug)]
pub struct Published {
    /// What Prometheus gets.
    pub document: Document,
    /// Counts the documents since the start, from 1.
    pub number: u64,
    /// When it was published.
    pub time: Millis,
}

impl Default for Board {
    fn default() -> Self {
        Self::new(history::Sender::default())
    }
}

impl Board {
    /// An empty one, with this history.
    #[must_use]
    pub fn new(history: history::Sender) -> Self {
        Self {
            started: clock::now(),
            sources: Mutex::default(),
            outputs: Mutex::default(),
            actors: Mutex::default(),
            persisting: Mutex::default(),
            published: watch::Sender::new(None),
            shown: watch::Sender::new(None),
            prometheus: Mutex::default(),
            history,
        }
    }

    /// Adds a source, which writes there from now on.
    pub fn add_source(&self, source: SourceBoard) -> Arc<SourceBoard> {
        let source = Arc::new(source);
        lock(&self.sources).push(Arc::clone(&source));
        source
    }

    /// Adds an output, which writes there from now on.
    pub fn add_output(&self, output: OutputBoard) -> Arc<OutputBoard> {
        let output = Arc::new(output);
        lock(&self.outputs).push(Arc::clone(&output));
        output
    }

    /// Adds an actor, whose answers are written there from now on.
    pub fn add_actor(&self, name: &'static str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new(name));
        lock(&self.actors).push(Arc::clone(&pulse));
        pulse
    }

    /// For how long the actor that has been silent the longest has not answered.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        let clock = Clock::now();
        let silences = lock(&self.actors).iter().map(|actor| actor.silence(clock)).max();
        silences.unwrap_or_default()
    }

    /// What Prometheus gets from now on; returns its number. The same bytes again are no news, but
    /// for their revision.
    pub fn publish(&self, document: Document) -> u64 {
        let mut of_this = 0;
        self.published.send_if_modified(|published| {
            let same = published.as_ref().filter(|before| before.document.same_bytes(&document));
            let is_news = same.is_none_or(|same| same.document.revision() != document.revision());
            let (number, time) = match (same, published.as_ref()) {
                (Some(same), _) => (same.number, same.time),
                (None, before) => (before.map_or(0, |before| before.number) + 1, clock::now()),
            };
            of_this = number;
            if is_news {
                *published = Some(Arc::new(Published { document, number, time }));
            }
            is_news
        });
        of_this
    }

    /// What Prometheus gets; `None` before the first complete list.
    #[must_use]
    pub fn published(&self) -> Option<Arc<Published>> {
        self.published.borrow().clone()
    }

    /// Hears of each document that is published.
    #[must_use]
    pub fn watch_published(&self) -> watch::Receiver<Option<Arc<Published>>> {
        self.published.subscribe()
    }

    /// All outputs show a change now that arrived then.
    pub fn shown(&self, arrived: Instant) {
        self.shown.send_replace(Some(arrived));
    }

    /// Hears of each publish that is visible everywhere and the first to show a change: when the
    /// oldest of those arrived.
    #[must_use]
    pub fn watch_shown(&self) -> watch::Receiver<Option<Instant>> {
        self.shown.subscribe()
    }

    /// What Prometheus says of it.
    pub fn prometheus(&self, status: PrometheusStatus) {
        *lock(&self.prometheus) = Some(status);
    }

    /// Since when changes wait to be published.
    pub fn pending(&self, since: Option<Instant>) {
        lock(&self.persisting).pending_since = since;
    }

    /// Since when the outputs are being looked at or written; `None` once that is done.
    pub fn working(&self, since: Option<Instant>) {
        lock(&self.persisting).working_since = since;
    }

    /// What the guard holds.
    pub fn hold(&self, hold: Option<Hold>) {
        let mut persisting = lock(&self.persisting);
        let is_new = hold.is_some() && persisting.hold.is_none();
        persisting.trips += u64::from(is_new);
        persisting.hold = hold;
    }

    /// How all stands now.
    #[must_use]
    pub fn snapshot(&self) -> Status {
        let clock = Clock::now();
        let published = self.published().map(|published| {
            let Published { document, number, time } = &*published;
            PublishedStatus {
                number: *number,
                time: *time,
                revision: document.revision(),
                services: document.services(),
                targets: document.targets(),
                bytes: document.len(),
            }
        });
        let sources: Vec<_> =
            lock(&self.sources).iter().map(|source| source.status(clock)).collect();
        let outputs: Vec<_> = lock(&self.outputs).iter().map(|output| output.status()).collect();
        let (pending_since, working, guard) = {
            let persisting = lock(&self.persisting);
            let holding = persisting.hold.map(|hold| hold_status(hold, clock));
            let trips = persisting.trips;
            let working = persisting.working_since.map_or(Duration::ZERO, |at| clock.since(at));
            let pending_since = persisting.pending_since.map(|at| clock.time(at));
            (pending_since, working, GuardStatus { holding, trips })
        };
        let unhealthy_because: Vec<_> =
            lock(&self.actors).iter().filter_map(|actor| actor.complaint(clock)).collect();
        let not_ready_because = not_ready(published.as_ref(), &sources, &outputs, working);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            started: self.started,
            healthy: unhealthy_because.is_empty(),
            unhealthy_because,
            ready: not_ready_because.is_empty(),
            not_ready_because,
            published,
            pending_since,
            sources,
            guard,
            outputs,
            journal: self.history.journal(),
            prometheus: lock(&self.prometheus).clone(),
        }
    }
}

fn hold_status(hold: Hold, clock: Clock) -> HoldStatus {
    let Hold { cause, removals, wanted, since, until, paused, .. } = hold;
    let until = paused.is_none().then(|| clock.time(until));
    HoldStatus { cause, removals, wanted, since: clock.time(since), until }
}

/// The two clocks, read at once: instants can be told as times by it.
#[derive(Clone, Copy, Debug)]
struct Clock {
    instant: Instant,
    time: SystemTime,
}

impl Clock {
    /// By the runtime's clock where there is one, which tests can pause.
    fn now() -> Self {
        Self { instant: tokio::time::Instant::now().into_std(), time: SystemTime::now() }
    }

    fn time(self, instant: Instant) -> Millis {
        let ago = self.instant.saturating_duration_since(instant);
        let ahead = instant.saturating_duration_since(self.instant);
        clock::millis(self.time - ago + ahead)
    }

    fn since(self, instant: Instant) -> Duration {
        self.instant.saturating_duration_since(instant)
    }
}

/// A thread that panics ends the process, so there is nothing half done behind a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
