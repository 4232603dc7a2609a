//! What was published within the window, in a few documents.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::loss::{Measure, is_other_list};
use crate::core::render::{Document, Origin};

/// For how long after it was published a document is a baseline. Leases that are kept alive
/// each third of their time to live, as etcd's clients do, end spread over that third once
/// nobody is heard any more: half of them within this, for times to live of up to 6 minutes.
pub const WINDOW: Duration = Duration::from_secs(60);

/// And for how much longer for each of its targets: etcd revokes at most 1,000 leases a second.
/// By the time that it has revoked the half of them, the fleet must still be remembered.
pub const WINDOW_PER_TARGET: Duration = Duration::from_millis(1);

/// How many documents stand for those of one window.
const SLOTS: u32 = 4;

/// The documents to compare with. They share what they have in common, so that those of a
/// fleet at peace cost nothing.
#[derive(Debug, Default)]
pub(super) struct Baselines {
    /// Those that were published before the last one: the latest at the back.
    past: VecDeque<Slot>,
    last: Option<Document>,
}

/// One stretch of the window, and the largest document of it.
#[derive(Debug)]
struct Slot {
    opened: Instant,
    /// Until when the document was published.
    until: Instant,
    document: Document,
}

impl Baselines {
    /// Only this document is known to have been published.
    pub(super) fn of(document: Document) -> Self {
        Self { past: VecDeque::new(), last: Some(document) }
    }

    /// The document that is published now.
    pub(super) fn last(&self) -> Option<&Document> {
        self.last.as_ref()
    }

    /// All of them, the latest last, and how a loss against them is counted: within one burst
    /// no job makes up for another; over a longer time, jobs come and go.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Document, Measure)> {
        let past = self.past.iter().map(|slot| (&slot.document, Measure::InAll));
        past.chain(self.last.iter().map(|last| (last, Measure::ByJob)))
    }

    /// Forgets what was replaced before the window.
    pub(super) fn forget_old(&mut self, now: Instant) {
        let window = self.window();
        self.past.retain(|slot| now < slot.until + window);
    }

    /// From now on this document is published instead of the last one.
    pub(super) fn publish(&mut self, document: Document, now: Instant) {
        let Some(mut replaced) = self.last.take() else {
            self.last = Some(document);
            return;
        };
        if is_other_list(&replaced, &document) {
            // A list renders anew what was rendered before.
            replaced.share(&document);
            for slot in &mut self.past {
                slot.document.share(&document);
            }
        }
        if let Some(new) = document.origin() {
            // A new epoch that was let through is one history with what was before: all that
            // is lost in it counts, however the loss began.
            replaced = in_epoch(replaced, new.epoch);
            for slot in &mut self.past {
                slot.document = in_epoch(slot.document.clone(), new.epoch);
            }
        }
        if !replaced.same_bytes(&document) {
            self.remember(replaced, now);
        }
        self.last = Some(document);
        self.forget_old(now);
    }

    fn remember(&mut self, document: Document, until: Instant) {
        let stretch = (self.window().max(window(&document))) / SLOTS;
        match self.past.back_mut() {
            Some(slot) if until < slot.opened + stretch => {
                if document.targets() >= slot.document.targets() {
                    (slot.document, slot.until) = (document, until);
                }
            }
            _ => self.past.push_back(Slot { opened: until, until, document }),
        }
    }

    /// That of the largest.
    fn window(&self) -> Duration {
        self.iter().map(|(document, _)| window(document)).max().unwrap_or(WINDOW)
    }
}

fn in_epoch(document: Document, epoch: u32) -> Document {
    match document.origin() {
        Some(origin) if origin.epoch != epoch => document.of(Origin { epoch, ..origin }),
        _ => document,
    }
}

fn window(document: &Document) -> Duration {
    let targets = u32::try_from(document.targets()).unwrap_or(u32::MAX);
    WINDOW + WINDOW_PER_TARGET * targets
}
