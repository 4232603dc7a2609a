//! When an actor last answered.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Clock, lock};

/// One that has not answered for so long is said to be ill. The longest work on an actor's thread
/// takes about a second, of a million entries.
const ILL: Duration = Duration::from_secs(10);

/// When one actor last answered.
#[derive(Debug)]
pub struct Pulse {
    name: &'static str,
    answered: Mutex<Instant>,
}

impl Pulse {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, answered: Mutex::new(Clock::now().instant) }
    }

    /// It has answered just now.
    pub fn beat(&self) {
        *lock(&self.answered) = Clock::now().instant;
    }

    /// How long ago that was.
    pub(super) fn silence(&self, clock: Clock) -> Duration {
        clock.since(*lock(&self.answered))
    }

    /// What is to be said if it has not answered for too long.
    pub(super) fn complaint(&self, clock: Clock) -> Option<String> {
        let silence = self.silence(clock);
        let Self { name, .. } = self;
        (silence > ILL).then(|| format!("the {name} has not answered for {} s", silence.as_secs()))
    }
}
