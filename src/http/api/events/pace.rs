//! How many changes are said one by one.

use std::time::Duration;

use tokio::time::Instant;

/// So many changes are said one by one in a [`WINDOW`]; the others are summed up at its end.
const ONE_BY_ONE: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);

/// Which changes are said, and which only counted.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the window began.
    begun: Instant,
    /// How many were said in it.
    said: u32,
    /// How many were not.
    more: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, said: 0, more: 0 }
    }

    /// Whether a change is to be said; else it is counted.
    pub(super) fn pass(&mut self, now: Instant) -> bool {
        if self.more == 0 && now >= self.begun + WINDOW {
            *self = Self::new(now);
        }
        let passes = self.said < ONE_BY_ONE;
        if passes {
            self.said += 1;
        } else {
            self.more += 1;
        }
        passes
    }

    /// So many came that nobody has seen.
    pub(super) fn miss(&mut self, changes: u64) {
        self.more += changes;
    }

    /// When those that were counted are to be summed up, if there are any.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.more > 0).then_some(self.begun + WINDOW)
    }

    /// How many were counted; a window begins.
    pub(super) fn sum_up(&mut self, now: Instant) -> u64 {
        let more = self.more;
        *self = Self::new(now);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_summed_up_and_what_comes_slowly_is_said_one_by_one() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let passed = (0..1000).filter(|_| pace.pass(start)).count();
        assert_eq!((passed, pace.due()), (20, Some(start + WINDOW)));
        let end = start + WINDOW;
        assert!(!pace.pass(end), "what was counted is said first");
        assert_eq!(pace.sum_up(end), 981);
        assert_eq!(pace.due(), None);
        let slow = (0..100).map(|at| end + WINDOW * at / 10);
        assert!(slow.into_iter().all(|now| pace.pass(now)));
    }
}
