//! What others have of the history: telling it, and asking what was recorded last.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::clock::now;
use crate::core::entries::Relisted;
use crate::core::history::{Capture, Millis, Note, Publish, Recorded};
use crate::core::render::Document;
use crate::core::status::JournalStatus;

/// So many changes are kept for those who ask.
pub const RECENT: usize = 1000;

/// So many may wait for the task, at about 150 bytes each.
const QUEUED: usize = 200_000;

/// So many may wait for a subscriber. One that is further behind misses the oldest.
const BEHIND: usize = 4096;

/// What the task is told.
pub(super) enum Told {
    Changes {
        source: usize,
        time: Millis,
        captures: Vec<Capture>,
    },
    Relisted {
        source: usize,
        time: Millis,
        relisted: Relisted,
    },
    Noted {
        time: Millis,
        note: Note,
    },
    Rendered(usize),
    Published(Publish),
    /// Another process publishes: what waits has no publish of this one.
    Elsewhere,
    Stop(oneshot::Sender<()>),
}

/// What the sender, the task and the journal share.
pub(super) struct Shared {
    told: mpsc::Sender<Told>,
    /// Changes that wait for the task.
    pub(super) queued: AtomicUsize,
    recent: Mutex<VecDeque<Arc<Recorded>>>,
    events: broadcast::Sender<Arc<Recorded>>,
    /// Of the journal, if there is one.
    path: Option<String>,
    pub(super) lines: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) failing: AtomicBool,
}

impl Shared {
    pub(super) fn new(told: mpsc::Sender<Told>, path: Option<String>) -> Self {
        Self {
            told,
            queued: AtomicUsize::new(0),
            recent: Mutex::default(),
            events: broadcast::Sender::new(BEHIND),
            path,
            lines: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        }
    }

    /// So many changes are in no line.
    pub(super) fn drop_changes(&self, number: usize) {
        self.dropped.fetch_add(number as u64, Ordering::Relaxed);
    }

    /// Has these be the last ones.
    pub(super) fn record(&self, recorded: &[Arc<Recorded>]) {
        let newest = &recorded[recorded.len().saturating_sub(RECENT)..];
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.extend(newest.iter().cloned());
            let too_many = recent.len().saturating_sub(RECENT);
            recent.drain(..too_many);
        }
        for one in recorded {
            // Without subscribers there is nobody to tell.
            let _ = self.events.send(Arc::clone(one));
        }
    }
}

/// Tells the history, and asks it. The default one tells nobody and knows nothing.
#[derive(Clone, Default)]
pub struct Sender {
    shared: Option<Arc<Shared>>,
    source: usize,
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared: Some(shared), source: 0 }
    }

    /// The same, to tell of the source of this number.
    #[must_use]
    pub fn of_source(&self, source: usize) -> Self {
        Self { source, ..self.clone() }
    }

    /// Whether anybody wants to know.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// The registry has taken these changes.
    pub fn changes(&self, captures: Vec<Capture>) {
        let Some(shared) = self.shared.as_ref().filter(|_| !captures.is_empty()) else { return };
        let number = captures.len();
        if shared.queued.fetch_add(number, Ordering::Relaxed) > QUEUED {
            shared.queued.fetch_sub(number, Ordering::Relaxed);
            shared.drop_changes(number);
            return;
        }
        let told = Told::Changes { source: self.source, time: now(), captures };
        if shared.told.try_send(told).is_err() {
            shared.queued.fetch_sub(number, Ordering::Relaxed);
            shared.drop_changes(number);
        }
    }

    /// A list has taken the place of what was held.
    pub fn relisted(&self, relisted: Relisted) {
        let Some(shared) = self.shared.as_ref().filter(|_| !relisted.is_empty()) else { return };
        let services = relisted.services();
        let told = Told::Relisted { source: self.source, time: now(), relisted };
        if shared.told.try_send(told).is_err() {
            // One each at least.
            shared.drop_changes(services);
        }
    }

    /// The first list of a source is complete.
    pub fn note(&self, note: Note) {
        self.tell(Told::Noted { time: now(), note });
    }

    /// The changes up to now are in the document that is published next.
    pub fn rendered(&self) {
        self.tell(Told::Rendered(self.source));
    }

    /// This document is published. `number` counts them, `held` says whether it has targets that
    /// the guard holds.
    pub fn published(&self, number: u64, document: &Document, held: bool) {
        if self.is_on() {
            let document = document.clone();
            self.tell(Told::Published(Publish { number, time: now(), document, held }));
        }
    }

    /// Another process publishes.
    pub fn elsewhere(&self) {
        self.tell(Told::Elsewhere);
    }

    /// What does not get through makes a change belong to a later publish.
    fn tell(&self, told: Told) {
        if let Some(shared) = &self.shared {
            let _ = shared.told.try_send(told);
        }
    }

    /// The last changes that were recorded, the newest last; [`RECENT`] at most.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Recorded>> {
        let Some(shared) = &self.shared else { return Vec::new() };
        let recent = shared.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().cloned().collect()
    }

    /// The changes that are recorded from now on. If there is no history, they end at once.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Recorded>> {
        match &self.shared {
            Some(shared) => shared.events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// How the journal fares; `None` if there is none.
    #[must_use]
    pub fn journal(&self) -> Option<JournalStatus> {
        let shared = self.shared.as_ref()?;
        Some(JournalStatus {
            path: shared.path.clone()?,
            lines: shared.lines.load(Ordering::Relaxed),
            dropped: shared.dropped.load(Ordering::Relaxed),
            failing: shared.failing.load(Ordering::Relaxed),
            queued: shared.queued.load(Ordering::Relaxed),
        })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}
