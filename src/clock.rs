//! The host's clock, in the core's terms: the core is told the time, and reads no clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::core::time::Millis;

/// The time of day.
#[must_use]
pub fn now() -> Millis {
    millis(SystemTime::now())
}

/// The same as another type; a time before 1970 is told as its beginning.
#[must_use]
pub fn millis(time: SystemTime) -> Millis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
