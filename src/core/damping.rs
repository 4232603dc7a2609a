//! Damping: how fast to heal a file that somebody keeps changing?
//!
//! The first heals come at once. If the drift goes on, another program fights for the file;
//! then each heal waits twice as long as the one before, up to a limit, so that the fight
//! costs little and still ends soon after the other side gives up. Peace resets it.

use std::time::{Duration, Instant};

/// How many heals in a row need no delay.
const FREE_HEALS: u32 = 8;
const FIRST_DELAY: Duration = Duration::from_millis(250);
const LONGEST_DELAY: Duration = Duration::from_secs(4);
const PEACE: Duration = Duration::from_secs(10);

/// The heals of one file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Damping {
    heals: u32,
    last: Option<Instant>,
}

impl Damping {
    /// A heal was written.
    pub fn healed(&mut self, now: Instant) {
        self.heals = if self.is_peace(now) { 1 } else { self.heals.saturating_add(1) };
        self.last = Some(now);
    }

    /// The earliest instant for the next heal of a drift that is noticed now.
    #[must_use]
    pub fn not_before(&self, now: Instant) -> Instant {
        let Some(last) = self.last.filter(|_| !self.is_peace(now)) else {
            return now;
        };
        let Some(doublings) = self.heals.checked_sub(FREE_HEALS) else {
            return now;
        };
        let delay = FIRST_DELAY.saturating_mul(1 << doublings.min(10)).min(LONGEST_DELAY);
        now.max(last + delay)
    }

    /// Whether another program keeps changing the file.
    #[must_use]
    pub fn is_fight(&self, now: Instant) -> bool {
        self.heals >= FREE_HEALS && !self.is_peace(now)
    }

    fn is_peace(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) >= PEACE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_heals_come_at_once_and_then_the_delay_doubles_to_four_seconds() {
        let (mut damping, mut now) = (Damping::default(), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..15 {
            let at = damping.not_before(now);
            delays.push((at - now).as_millis());
            now = at;
            damping.healed(now);
        }
        assert_eq!(delays[..8], [0; 8]);
        assert_eq!(delays[8..], [250, 500, 1000, 2000, 4000, 4000, 4000]);
        assert!(damping.is_fight(now));
    }

    #[test]
    fn ten_seconds_of_peace_reset_it() {
        let (mut damping, mut now) = (Damping::default(), Instant::now());
        for _ in 0..20 {
            now = damping.not_before(now);
            damping.healed(now);
        }
        now += PEACE;
        assert!(!damping.is_fight(now));
        assert_eq!(damping.not_before(now), now);
        damping.healed(now);
        assert_eq!(damping.not_before(now), now);
    }
}
