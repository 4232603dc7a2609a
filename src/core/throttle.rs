//! Throttle: a thousand bad entries should not make a thousand lines of log at once.
//!
//! A token bucket: a burst goes through, then so many a second.

use std::time::{Duration, Instant};

/// Lets a burst of lines through, then one each interval.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    burst: u32,
    interval: Duration,
    tokens: u32,
    refilled: Option<Instant>,
}

impl Throttle {
    /// `burst` lines at once, and one more for each `interval` that passes.
    #[must_use]
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval, tokens: burst, refilled: None }
    }

    /// Asks for one line. Returns whether it may go through.
    pub fn pass(&mut self, now: Instant) -> bool {
        self.refill(now);
        let passes = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        passes
    }

    fn refill(&mut self, now: Instant) {
        let refilled = *self.refilled.get_or_insert(now);
        let passed = now.saturating_duration_since(refilled);
        let tokens = u32::try_from(passed.as_nanos() / self.interval.as_nanos().max(1));
        let tokens = tokens.unwrap_or(u32::MAX).min(self.burst);
        if tokens == self.burst {
            (self.tokens, self.refilled) = (self.burst, Some(now));
        } else if tokens > 0 {
            self.tokens = (self.tokens + tokens).min(self.burst);
            self.refilled = Some(refilled + self.interval * tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let second = Duration::from_secs(1);
        let (mut throttle, start) = (Throttle::new(3, second), Instant::now());
        let mut passed = |after| (0..10).filter(|_| throttle.pass(start + after)).count();
        assert_eq!(passed(Duration::ZERO), 3);
        assert_eq!(passed(second), 1);
        assert_eq!(passed(second * 3), 2);
        assert_eq!(passed(second * 60), 3);
    }
}
