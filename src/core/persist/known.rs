//! What is known of a file by its looks: whether its bytes need be compared.

use std::time::{Duration, Instant};

/// File systems tell two changes of a file apart only if this much time is between them:
/// NFS and FAT count in seconds, most others in milliseconds.
const TIMESTAMP_STEP: Duration = Duration::from_secs(2);

/// How the file looked (`I`: inode, size, times) when its bytes were known.
#[derive(Clone, Copy, Debug)]
pub struct Known<I> {
    identity: I,
    at: Instant,
    settled: bool,
}

impl<I: PartialEq> Known<I> {
    /// The file was seen to hold the published bytes, or was written, at `now`.
    pub fn new(identity: I, now: Instant) -> Self {
        Self { identity, at: now, settled: false }
    }

    /// Whether the file looks as it did.
    pub fn looks_like(&self, seen: &I) -> bool {
        *seen == self.identity
    }

    /// Whether the looks can't be trusted, though they are the same: a change within one
    /// step of the file system's clock leaves size and times as they were. One comparison of
    /// the bytes later than that step settles it.
    pub fn is_unsettled(&self, now: Instant) -> bool {
        !self.settled && now >= self.at + TIMESTAMP_STEP
    }

    /// The bytes were compared and are right, while the file looked like `seen`.
    pub fn confirm(&mut self, seen: I, now: Instant) {
        if self.looks_like(&seen) {
            self.settled = now >= self.at + TIMESTAMP_STEP;
        } else {
            *self = Self::new(seen, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_trusted_only_once_the_bytes_were_compared_after_the_clock_step() {
        let start = Instant::now();
        let later = start + TIMESTAMP_STEP;
        let mut known = Known::new("a", start);
        assert!(known.looks_like(&"a") && !known.looks_like(&"b"));
        assert!(!known.is_unsettled(start), "the echo of our own write is no reason to read");
        assert!(known.is_unsettled(later));
        known.confirm("a", later);
        assert!(!known.is_unsettled(later + TIMESTAMP_STEP));
        known.confirm("b", later);
        assert!(known.looks_like(&"b") && known.is_unsettled(later + TIMESTAMP_STEP));
    }
}
