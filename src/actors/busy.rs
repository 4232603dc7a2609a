//! Busy actors: how long one keeps its thread for one piece of work, while whatever else lives
//! on that thread waits.
//!
//! Nothing should take more than `LONG`, at a million instances either. What does is said,
//! and the longest of all can be asked for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::info;

/// Longer than anything should take.
const LONG: Duration = Duration::from_millis(50);

/// In microseconds, of all actors since the program began.
static LONGEST: AtomicU64 = AtomicU64::new(0);

/// One piece of work, from its beginning until this is dropped.
pub(super) struct Busy {
    actor: &'static str,
    doing: &'static str,
    begun: Instant,
}

impl Busy {
    pub(super) fn begin(actor: &'static str, doing: &'static str) -> Self {
        Self { actor, doing, begun: Instant::now() }
    }

    fn record(&self, held: Duration) {
        let microseconds = u64::try_from(held.as_micros()).unwrap_or(u64::MAX);
        let longest = LONGEST.fetch_max(microseconds, Ordering::Relaxed);
        // Each that is far longer than all before: a slow machine has no use for more lines.
        if held > LONG && microseconds / 2 > longest {
            let Self { actor, doing, .. } = self;
            let held_seconds = held.as_secs_f64();
            info!(actor, doing, held_seconds, "an actor held its thread for long");
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.record(self.begun.elapsed());
    }
}

/// The longest that an actor of this process has held its thread for one piece of work.
#[must_use]
pub fn longest() -> Duration {
    Duration::from_micros(LONGEST.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_is_kept() {
        Busy::begin("test", "much").record(Duration::from_secs(3600));
        drop(Busy::begin("test", "less"));
        assert!(longest() >= Duration::from_secs(3600));
    }
}
