//! Throttle: a thousand bad entries should not make a thousand lines of log at once.
//!
//! A token bucket: a burst goes through, then so many a second; what did not is counted.

use std::time::{Duration, Instant};

/// Lets a burst of lines through, then one each interval.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    burst: u32,
    interval: Duration,
    tokens: u32,
    refilled: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// `burst` lines at once, and one more for each `interval` that passes.
    #[must_use]
    pub fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval, tokens: burst, refilled: None, suppressed: 0 }
    }

    /// Asks for one line. `Some` lets it through and says how many were not since the last.
    pub fn pass(&mut self, now: Instant) -> Option<u64> {
        self.refill(now);
        if self.tokens == 0 {
            self.suppressed += 1;
            return None;
        }
        self.tokens -= 1;
        Some(std::mem::take(&mut self.suppressed))
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
    fn a_burst_passes_then_one_an_interval_and_the_rest_is_counted() {
        let second = Duration::from_secs(1);
        let (mut throttle, start) = (Throttle::new(3, second), Instant::now());
        let passed = (0..10).filter(|_| throttle.pass(start).is_some()).count();
        assert_eq!(passed, 3);
        assert_eq!(throttle.pass(start + second), Some(7));
        assert_eq!(throttle.pass(start + second), None);
        assert_eq!(throttle.pass(start + second * 60), Some(1));
        assert_eq!(throttle.pass(start + second * 60), Some(0));
    }
}
