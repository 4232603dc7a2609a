//! Time of day, as people and other programs are told it. It is passed in: here no clock is read.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A point in time, in milliseconds since 1970, UTC. Shown as RFC 3339 has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Millis(pub u64);

impl Millis {
    /// How long it is since an earlier point in time.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Seconds since 1970, as Prometheus counts them.
    #[must_use]
    pub fn unix_seconds(self) -> f64 {
        Duration::from_millis(self.0).as_secs_f64()
    }

    /// Reads what RFC 3339 has; `None` if it is something else, or before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let time = humantime::parse_rfc3339_weak(text).ok()?;
        let since = time.duration_since(UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok().map(Self)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last millisecond of the year 9999, beyond which there is no such text.
        let shown = Duration::from_millis(self.0.min(253_402_300_799_999));
        humantime::format_rfc3339_millis(UNIX_EPOCH + shown).fmt(f)
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
