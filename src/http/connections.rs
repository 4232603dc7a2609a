//! The connections that are open, and which of them goes when there are too many.
//!
//! Nobody who holds connections without using them may keep others out: the one that has been
//! waiting for its next request the longest makes room for a new one. Only if all of them are
//! being answered, and all take their answers, does a new one wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// More than the Prometheis and people who look, and well below the 1,024 open files that a
/// process commonly may have.
pub(super) const LIMIT: usize = 512;

/// An answer that makes no progress for this long makes room, if room is needed.
const UNTAKEN: Duration = Duration::from_secs(5);

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// Counts the connections.
    last: u64,
    of: HashMap<u64, State>,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    /// When it began with that, or last did some of it.
    since: Instant,
    /// How often it has begun with something.
    turns: u64,
    evicted: Arc<Notify>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// No whole request has come, or none since the last one was answered.
    Waiting,
    /// A request is being answered.
    Answering,
}

/// The place of one among them, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    all: Arc<Connections>,
    evicted: Arc<Notify>,
}

/// While there is one, the connection is being answered.
#[derive(Debug)]
pub(super) struct Answering(Arc<Slot>);

impl Connections {
    /// Takes a place for a new connection; `None` if there is none now, nor one to be had.
    pub(super) fn enter(self: &Arc<Self>, now: Instant) -> Option<Arc<Slot>> {
        self.with(|open| {
            if open.of.len() >= LIMIT {
                open.evict(now)?;
            }
            open.last += 1;
            let evicted = Arc::new(Notify::new());
            let state = State {
                doing: Doing::Waiting,
                since: now,
                turns: 0,
                evicted: Arc::clone(&evicted),
            };
            open.of.insert(open.last, state);
            Some(Arc::new(Slot { id: open.last, all: Arc::clone(self), evicted }))
        })
    }

    /// Closes the one that can best be spared, if there is one.
    pub(super) fn evict(&self, now: Instant) -> bool {
        self.with(|open| open.evict(now)).is_some()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.with(|open| open.of.len())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Open) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Open {
    fn evict(&mut self, now: Instant) -> Option<()> {
        let of = |doing| self.of.iter().filter(move |(_, state)| state.doing == doing);
        // Of the same instant the one that came first.
        let oldest = |(id, state): &(&u64, &State)| (state.since, **id);
        let waiting = of(Doing::Waiting).min_by_key(oldest);
        let untaken = of(Doing::Answering).min_by_key(oldest);
        let untaken = untaken.filter(|(_, state)| now.duration_since(state.since) > UNTAKEN);
        let id = *waiting.or(untaken)?.0;
        self.of.remove(&id)?.evicted.notify_one();
        Some(())
    }
}

impl Slot {
    /// Completes when this connection must make room.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// From now on, and while the returned value is there, a request is being answered.
    pub(super) fn answer(self: &Arc<Self>, now: Instant) -> Answering {
        self.set(Doing::Answering, now);
        Answering(Arc::clone(self))
    }

    /// Some of an answer was taken.
    pub(super) fn progressed(&self, now: Instant) {
        self.all.with(|open| {
            let state = open.of.get_mut(&self.id);
            if let Some(state) = state.filter(|state| state.doing == Doing::Answering) {
                state.since = now;
            }
        });
    }

    /// Whether no request is being answered, and a number that differs if there has been one
    /// since.
    pub(super) fn turn(&self) -> (bool, u64) {
        self.all.with(|open| {
            let state = open.of.get(&self.id);
            state.map_or((true, 0), |state| (state.doing == Doing::Waiting, state.turns))
        })
    }

    fn set(&self, doing: Doing, since: Instant) {
        self.all.with(|open| {
            if let Some(state) = open.of.get_mut(&self.id) {
                (state.doing, state.since) = (doing, since);
                state.turns += 1;
            }
        });
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(Doing::Waiting, Instant::now());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.all.with(|open| open.of.remove(&self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_evicted(slot: &Slot) -> bool {
        slot.all.with(|open| !open.of.contains_key(&slot.id))
    }

    #[test]
    fn whoever_waits_the_longest_makes_room_and_no_one_who_is_answered_does() {
        let (all, start) = (Arc::new(Connections::default()), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let slots: Vec<_> = (0..LIMIT).map(|_| all.enter(start).expect("room")).collect();
        let answered = slots[0].answer(at(1));
        let _new = all.enter(at(2)).expect("room for a new one");
        assert!(is_evicted(&slots[1]) && !is_evicted(&slots[0]));
        drop(answered);
        let _new = all.enter(at(3)).expect("room for another");
        assert!(is_evicted(&slots[2]) && !is_evicted(&slots[0]), "it has just been of use");
        assert_eq!(all.count(), LIMIT);
    }

    #[test]
    fn if_all_are_answered_only_an_answer_that_nobody_takes_makes_room() {
        let (all, start) = (Arc::new(Connections::default()), Instant::now());
        let slots: Vec<_> = (0..LIMIT).map(|_| all.enter(start).expect("room")).collect();
        let _answered: Vec<_> = slots.iter().map(|slot| slot.answer(start)).collect();
        let late = start + UNTAKEN + Duration::from_secs(1);
        assert!(all.enter(start).is_none());
        slots[0].progressed(late);
        let _new = all.enter(late).expect("room");
        assert!(is_evicted(&slots[1]) && !is_evicted(&slots[0]));
    }

    #[test]
    fn a_place_is_given_back() {
        let all = Arc::new(Connections::default());
        drop(all.enter(Instant::now()));
        assert_eq!(all.count(), 0);
    }
}
