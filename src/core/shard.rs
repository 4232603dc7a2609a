//! Shards: which of several Prometheis scrapes a target.
//!
//! By the same rule as Prometheus' own relabelling action `hashmod` on `__address__`: who splits
//! by that already can have the lists split here instead, and no target changes its Prometheus.

use std::fmt;
use std::num::NonZeroU32;

use md5::{Digest, Md5};
use thiserror::Error;

/// One of several parts of all targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    index: u32,
    of: NonZeroU32,
}

/// Why a text is no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ShardError {
    /// It does not look like one.
    #[error("a shard is INDEX/COUNT, such as 0/3, 1/3 and 2/3 for three Prometheis")]
    Form,
    /// There would be no shard at all.
    #[error("there are no 0 shards; give 1 or more")]
    None,
    /// There is no such shard.
    #[error("of {of} shards the last is {}: they are counted from 0", .of.get() - 1)]
    Index {
        /// How many there are.
        of: NonZeroU32,
    },
}

/// What Prometheus' `hashmod` makes of an address: the last eight bytes of its MD5 as one number,
/// modulo the count.
#[must_use]
pub fn hashmod(address: &str, modulus: NonZeroU32) -> u32 {
    let last = &Md5::digest(address)[8..];
    let hash = last.iter().fold(0, |hash: u64, byte| hash << 8 | u64::from(*byte));
    u32::try_from(hash % u64::from(modulus.get())).unwrap_or_else(|_| unreachable!("less than u32"))
}

impl Shard {
    /// That of this number, from 0, among so many.
    pub fn new(index: u32, of: u32) -> Result<Self, ShardError> {
        let of = NonZeroU32::new(of).ok_or(ShardError::None)?;
        if index < of.get() { Ok(Self { index, of }) } else { Err(ShardError::Index { of }) }
    }

    /// Reads `0/3`.
    pub fn parse(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or(ShardError::Form)
        };
        let (index, of) = text.split_once('/').ok_or(ShardError::Form)?;
        Self::new(number(index)?, number(of)?)
    }

    /// Counts from 0.
    #[must_use]
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub fn of(self) -> NonZeroU32 {
        self.of
    }

    /// Whether the target of this address is one of its own.
    #[must_use]
    pub fn has(self, address: &str) -> bool {
        self.of.get() == 1 || hashmod(address, self.of) == self.index
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).expect("not 0")
    }

    #[test]
    fn shards_are_read_as_they_are_shown_and_nothing_else_is() {
        for text in ["0/1", "0/3", "2/3", "4294967294/4294967295"] {
            assert_eq!(Shard::parse(text).expect(text).to_string(), text);
        }
        for (text, error) in [
            ("", ShardError::Form),
            ("1", ShardError::Form),
            ("1/", ShardError::Form),
            ("/3", ShardError::Form),
            ("-1/3", ShardError::Form),
            ("+1/3", ShardError::Form),
            ("1/3/5", ShardError::Form),
            ("a/b", ShardError::Form),
            ("1 / 3", ShardError::Form),
            ("0/4294967296", ShardError::Form),
            ("0/0", ShardError::None),
            ("3/3", ShardError::Index { of: of(3) }),
        ] {
            assert_eq!(Shard::parse(text), Err(error), "{text}");
        }
        assert!(ShardError::Index { of: of(3) }.to_string().contains("the last is 2"));
    }

    /// As Prometheus 2.42 computed them.
    #[test]
    fn the_hash_is_that_of_prometheus() {
        for (address, expected) in [
            ("10.0.33.1:54423", [0, 2, 2, 578, 3_328_410_083]),
            ("10.0.34.12:32535", [0, 1, 3, 796, 351_651_136]),
            ("[::1]:9100", [0, 0, 2, 630, 2_699_293_455]),
            ("web-1.example.com:80", [1, 2, 3, 935, 3_323_253_560]),
            ("a:1", [0, 1, 5, 176, 2_970_391_351]),
            ("db.internal:65535", [1, 0, 5, 299, 1_287_511_884]),
        ] {
            let computed = [2, 3, 7, 1000, u32::MAX].map(|count| hashmod(address, of(count)));
            assert_eq!(computed, expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_in_one_shard_and_no_other(address in ".{0,40}", count in 1_u32..50) {
            let shards = (0..count).map(|index| Shard::new(index, count).expect("a shard"));
            let having: Vec<_> = shards.filter(|shard| shard.has(&address)).collect();
            prop_assert_eq!(having.len(), 1);
            prop_assert_eq!(having[0].index(), hashmod(&address, of(count)));
        }
    }
}
