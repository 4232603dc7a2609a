//! Which publish carried a change: the first one whose document was rendered after it.
//!
//! While the guard holds removals, what is published still has the targets in question: such a
//! removal waits until they are gone, and its cause is the guard then. Changes of one key never
//! overtake each other, though: when a later one is published, the removal has been settled by it.

use std::collections::{BTreeMap, VecDeque};

use super::{Carried, Cause, Millis, Recorded, TargetChange};
use crate::core::render::{Document, Index, Piece};

/// A document that was published.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Counts the publishes of this process.
    pub number: u64,
    /// When.
    pub time: Millis,
    /// What was published.
    pub document: Document,
    /// Whether that has targets which the guard holds.
    pub held: bool,
}

/// Changes that wait for their publish.
#[derive(Debug)]
pub struct Attribution {
    /// So many wait at most.
    limit: usize,
    /// How many changes there have been.
    changes: u64,
    /// In their order, with their numbers.
    pending: VecDeque<(u64, TargetChange)>,
    /// By source: the changes before this number have been rendered.
    rendered: BTreeMap<usize, u64>,
    /// By service.
    held: BTreeMap<Box<str>, Held>,
    /// How many removals are held.
    holds: usize,
}

/// Removals of a service whose targets the guard holds.
#[derive(Debug)]
struct Held {
    /// What was published last.
    piece: Piece,
    /// By key, with the number of the change.
    removals: BTreeMap<Box<str>, (u64, TargetChange)>,
}

impl Attribution {
    /// Has no more than so many changes wait; of more, the oldest do so no longer.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            changes: 0,
            pending: VecDeque::new(),
            rendered: BTreeMap::new(),
            held: BTreeMap::new(),
            holds: 0,
        }
    }

    /// Takes a change. Returns what waits no longer for that, unpublished as far as is known.
    #[must_use]
    pub fn change(&mut self, change: TargetChange) -> Option<Recorded> {
        self.pending.push_back((self.changes, change));
        self.changes += 1;
        let is_full = self.pending.len() > self.limit;
        let (_, change) = is_full.then(|| self.pending.pop_front()).flatten()?;
        Some(Recorded { change, publish: None })
    }

    /// The changes of this source up to now are in the document that is published next.
    pub fn rendered(&mut self, source: usize) {
        self.rendered.insert(source, self.changes);
    }

    /// What this publish has carried, in the order in which it came about.
    pub fn published(&mut self, publish: &Publish) -> Vec<Recorded> {
        let Publish { number, time, ref document, held } = *publish;
        let carried = Some(Carried { number, time, revision: document.revision() });
        let went = self.settle(document, held);
        let mut done: Vec<_> =
            went.into_iter().map(|change| Recorded { change, publish: carried }).collect();
        let is_rendered = |number: u64, change: &TargetChange| {
            self.rendered.get(&change.source).is_some_and(|&rendered| number < rendered)
        };
        let (rendered, pending): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(number, change)| is_rendered(*number, change));
        self.pending = pending.into();
        let mut indexes = Indexes { document, of_services: BTreeMap::new() };
        for (number, change) in rendered {
            let settled = self.overtaken(&change);
            done.extend(settled.map(|change| Recorded { change, publish: carried }));
            if !(held && indexes.has_any(&change)) {
                done.push(Recorded { change, publish: carried });
            } else if let Some(change) = self.hold(number, change, document) {
                done.push(Recorded { change, publish: None });
            }
        }
        done
    }

    /// What still waits, and will not any more: unpublished, as far as is known.
    #[must_use]
    pub fn give_up(&mut self) -> Vec<Recorded> {
        self.holds = 0;
        let held = std::mem::take(&mut self.held).into_values();
        let mut left: Vec<_> = held.flat_map(|held| held.removals.into_values()).collect();
        left.extend(self.pending.drain(..));
        left.sort_by_key(|&(number, _)| number);
        left.into_iter().map(|(_, change)| Recorded { change, publish: None }).collect()
    }

    /// How many changes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len() + self.holds
    }

    /// Whether none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The removals that the guard has held until now, and holds no longer.
    fn settle(&mut self, document: &Document, is_held: bool) -> Vec<TargetChange> {
        let mut gone = Vec::new();
        self.held.retain(|service, held| {
            let piece = document.piece(service).filter(|_| is_held);
            if piece.is_some_and(|piece| piece.same_bytes(&held.piece)) {
                return true;
            }
            let index = piece.map(Piece::index);
            let stays = |change: &TargetChange| {
                index.as_ref().is_some_and(|index| index.has_any(change.labels(), change.gone()))
            };
            let removals = std::mem::take(&mut held.removals).into_iter();
            let (stay, went) = removals.partition(|(_, (_, change))| stays(change));
            held.removals = stay;
            gone.extend(BTreeMap::into_values(went));
            if let Some(piece) = piece {
                held.piece = piece.clone();
            }
            !held.removals.is_empty()
        });
        gone.sort_by_key(|&(number, _)| number);
        self.holds -= gone.len();
        gone.into_iter().map(|(_, change)| TargetChange { cause: Cause::Guard, ..change }).collect()
    }

    /// The held removal of the same key, which this change settles.
    fn overtaken(&mut self, change: &TargetChange) -> Option<TargetChange> {
        let held = self.held.get_mut(&change.service)?;
        let (_, removal) = held.removals.remove(&change.key)?;
        if held.removals.is_empty() {
            self.held.remove(&change.service);
        }
        self.holds -= 1;
        Some(TargetChange { cause: Cause::Guard, ..removal })
    }

    /// Has a removal wait whose targets still are in the document. Returns it if there is no
    /// room.
    fn hold(
        &mut self,
        number: u64,
        change: TargetChange,
        document: &Document,
    ) -> Option<TargetChange> {
        let Some(piece) = document.piece(&change.service).filter(|_| self.holds < self.limit)
        else {
            return Some(change);
        };
        let held = match self.held.get_mut(&change.service) {
            Some(held) => held,
            None => self
                .held
                .entry(change.service.clone())
                .or_insert(Held { piece: piece.clone(), removals: BTreeMap::new() }),
        };
        held.removals.insert(change.key.clone(), (number, change));
        self.holds += 1;
        None
    }
}

/// What is in the document, by service, as far as that was asked for.
struct Indexes<'d> {
    document: &'d Document,
    of_services: BTreeMap<Box<str>, Option<Index<'d>>>,
}

impl Indexes<'_> {
    /// Whether any target that is gone by this change still is in the document.
    fn has_any(&mut self, change: &TargetChange) -> bool {
        if change.gone().next().is_none() {
            return false;
        }
        if !self.of_services.contains_key(&change.service) {
            let index = self.document.piece(&change.service).map(Piece::index);
            self.of_services.insert(change.service.clone(), index);
        }
        let index = self.of_services.get(&change.service).and_then(Option::as_ref);
        index.is_some_and(|index| index.has_any(change.labels(), change.gone()))
    }
}
