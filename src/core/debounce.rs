//! Debounce: when is a burst of changes over?
//!
//! After a quiet window without a change, or, if changes never stop, at a ceiling counted
//! from the first one.

use std::time::{Duration, Instant};

/// A burst of changes, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct Debounce {
    quiet: Duration,
    ceiling: Duration,
    burst: Option<Burst>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Debounce {
    /// `quiet`: how long no change may come before a burst is over; 0 ends it at once.
    /// `ceiling`: how long a burst may last at most; not less than `quiet`.
    #[must_use]
    pub fn new(quiet: Duration, ceiling: Duration) -> Self {
        Self { quiet, ceiling: ceiling.max(quiet), burst: None }
    }

    /// A change came.
    pub fn changed(&mut self, now: Instant) {
        let first = self.burst.map_or(now, |burst| burst.first);
        self.burst = Some(Burst { first, last: now });
    }

    /// When the burst is over, if no further change comes.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.burst.map(|burst| (burst.last + self.quiet).min(burst.first + self.ceiling))
    }

    /// When the first change of the burst came.
    #[must_use]
    pub fn since(&self) -> Option<Instant> {
        self.burst.map(|burst| burst.first)
    }

    /// Takes up a burst again that was taken and could not be carried out.
    pub fn resume(&mut self, since: Instant, now: Instant) {
        let last = self.burst.map_or(now, |burst| burst.last);
        self.burst = Some(Burst { first: since, last });
    }

    /// Ends the burst; its changes are taken.
    pub fn clear(&mut self) {
        self.burst = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn without_a_change_nothing_is_due() {
        let mut debounce = Debounce::new(ms(200), ms(2000));
        assert_eq!(debounce.due(), None);
        debounce.changed(Instant::now());
        debounce.clear();
        assert_eq!((debounce.due(), debounce.since()), (None, None));
    }

    #[test]
    fn a_burst_is_due_a_quiet_window_after_its_last_change() {
        let (start, mut debounce) = (Instant::now(), Debounce::new(ms(200), ms(2000)));
        debounce.changed(start);
        debounce.changed(start + ms(150));
        assert_eq!(debounce.due(), Some(start + ms(350)));
        assert_eq!(debounce.since(), Some(start));
    }

    #[test]
    fn with_no_quiet_window_every_change_is_due_at_once() {
        let (start, mut debounce) = (Instant::now(), Debounce::new(ms(0), ms(2000)));
        debounce.changed(start);
        assert_eq!(debounce.due(), Some(start));
    }

    proptest! {
        #[test]
        fn no_change_waits_longer_than_the_ceiling_and_none_less_than_the_quiet_window(
            quiet in 0u64..1_000, more in 0u64..5_000,
            gaps in prop::collection::vec(0u64..500, 1..50),
        ) {
            let ceiling = quiet + more;
            let mut debounce = Debounce::new(ms(quiet), ms(ceiling));
            let mut now = Instant::now();
            let first = now;
            debounce.changed(now);
            for gap in gaps {
                now += ms(gap);
                debounce.changed(now);
            }
            let due = debounce.due().expect("a burst");
            prop_assert!(due <= first + ms(ceiling));
            prop_assert!(due == now + ms(quiet) || due == first + ms(ceiling));
        }
    }
}
