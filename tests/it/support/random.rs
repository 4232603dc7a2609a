//! Random numbers that can be had again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A xorshift generator. Says its seed, which `TEST_SEED` sets.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        let given = std::env::var("TEST_SEED").ok();
        let seed = given.map_or_else(
            || {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
                u64::from(now.subsec_nanos())
            },
            |seed| seed.parse().expect("TEST_SEED is a number"),
        );
        // Shown only if the test fails.
        eprintln!("TEST_SEED={seed}");
        Self::seeded(seed)
    }

    /// The same numbers for the same seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Other numbers, for somebody else.
    pub(crate) fn fork(&mut self) -> Self {
        Self::seeded(self.below(1 << 40))
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % limit
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap())).unwrap()
    }
}
