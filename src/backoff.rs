//! Backoff: how long to wait after a failure.
//!
//! Delays grow exponentially with jitter, for ever. They start anew only after sustained
//! health: a peer that accepts connections and drops them must not be hammered.
//!
//! The only module that knows the `backoff` crate.

use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Health for this long makes the next failure a first one.
const SUSTAINED: Duration = Duration::from_secs(10);

/// Delays are drawn from this far below to this far above the interval.
const JITTER: f64 = 0.5;

/// The delays after failures of one peer.
#[derive(Debug)]
pub struct Backoff {
    intervals: ExponentialBackoff,
    healthy_since: Option<Instant>,
}

impl Backoff {
    /// For etcd: 100 ms, growing to at most 3 s.
    #[must_use]
    pub fn for_etcd() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(3))
    }

    /// For the disk: 100 ms, growing to at most 1.5 s, so that the file is right within 2 s of
    /// the moment from which it can be written.
    #[must_use]
    pub fn for_disk() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_millis(1_500))
    }

    /// `longest` is what no delay exceeds, jitter included.
    fn new(first: Duration, longest: Duration) -> Self {
        let intervals = ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            max_interval: longest.div_f64(1.0 + JITTER),
            randomization_factor: JITTER,
            multiplier: 2.0,
            // The default gives up after 15 minutes.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { intervals, healthy_since: None }
    }

    /// The peer answers.
    pub fn succeeded(&mut self, now: Instant) {
        self.healthy_since.get_or_insert(now);
    }

    /// The peer failed. Returns how long to leave it alone.
    pub fn failed(&mut self, now: Instant) -> Duration {
        if self.healthy_since.take().is_some_and(|since| now.duration_since(since) >= SUSTAINED) {
            self.intervals.reset();
        }
        self.intervals.next_backoff().unwrap_or(self.intervals.max_interval)
    }
}

/// A delay drawn evenly from 0 to `longest`, so that many who have the same cause to act don't
/// act as one.
#[must_use]
pub fn spread(longest: Duration) -> Duration {
    let mut draw = ExponentialBackoff {
        current_interval: longest / 2,
        randomization_factor: 1.0,
        max_elapsed_time: None,
        ..ExponentialBackoff::default()
    };
    draw.next_backoff().unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_reaches_from_nothing_to_its_longest() {
        let longest = Duration::from_secs(8);
        let drawn: Vec<_> = (0..1000).map(|_| spread(longest)).collect();
        assert!(drawn.iter().all(|&delay| delay <= longest));
        assert!(drawn.iter().any(|&delay| delay < longest / 8));
        assert!(drawn.iter().any(|&delay| delay > longest / 8 * 7));
        assert_eq!(spread(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn delays_grow_to_the_limit_never_exceed_it_and_never_end() {
        let (mut backoff, now) = (Backoff::for_etcd(), Instant::now());
        let delays: Vec<_> = (0..1000).map(|_| backoff.failed(now)).collect();
        assert!(delays[0] <= Duration::from_millis(150), "{:?}", delays[0]);
        assert!(delays.iter().all(|&delay| delay <= Duration::from_secs(3)));
        assert!(delays[10..].iter().all(|&delay| delay >= Duration::from_secs(1)));
    }

    #[test]
    fn a_success_alone_does_not_reset_them_but_ten_seconds_of_health_do() {
        let (mut backoff, mut now) = (Backoff::for_etcd(), Instant::now());
        for _ in 0..20 {
            backoff.succeeded(now);
            now += Duration::from_secs(9);
            backoff.failed(now);
        }
        backoff.succeeded(now);
        assert!(backoff.failed(now) >= Duration::from_secs(1));
        backoff.succeeded(now);
        now += Duration::from_secs(5);
        backoff.succeeded(now);
        now += Duration::from_secs(5);
        assert!(backoff.failed(now) <= Duration::from_millis(150));
    }
}
