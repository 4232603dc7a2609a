//! Paging: how many keys should the next page of a list ask for?
//!
//! etcd walks the index of the whole range for every page, to fill in its count: few large
//! ones are wanted, and [bounds](Bounds) to what is walked. But a page is one message, and
//! values may be 1.5 MB each: too large a page would break the client's decode limit, and
//! strain etcd. So the first page is small, unless the whole database is, and the sizes seen
//! so far set those of the next.

mod bounds;

pub use bounds::Bounds;

/// The most bytes that one message from etcd may have. Pages aim far below it.
pub const DECODE_LIMIT: usize = 64 << 20;

/// Of keys and values: one page is taken in while the next one comes, and decoded they are four
/// times as large. That leaves room for sixteen times as much if sizes grow on the way.
const WANTED_BYTES: usize = DECODE_LIMIT / 16;

/// Pages become smaller towards the end, for the last one is taken in while nothing comes; but
/// not as small as this.
const SMALLEST_HALF: usize = 10_000;

/// Below the decode limit even if each value has the 1.5 MiB that etcd allows by default.
const FIRST: usize = 40;

/// The first page of a database that is no larger than this: whatever the values are, etcd has
/// that much in memory anyway.
const SMALL_DATABASE: usize = 4 * DECODE_LIMIT;
const FIRST_OF_SMALL: usize = 50_000;

/// No page asks for more than this many times the keys of the one before.
const GROWTH: usize = 64;

/// The size of the next page of one list.
#[derive(Clone, Copy, Debug)]
pub struct Paging {
    limit: usize,
    /// What a page may have at most: less than was too slow to come.
    ceiling: usize,
}

impl Paging {
    /// For a database of so many bytes, if that is known.
    #[must_use]
    pub fn of(database: Option<usize>) -> Self {
        let is_small = database.is_some_and(|bytes| bytes <= SMALL_DATABASE);
        Self { limit: if is_small { FIRST_OF_SMALL } else { FIRST }, ceiling: usize::MAX }
    }

    /// The most keys that the next page should have: at least 1.
    #[must_use]
    pub fn limit(self) -> usize {
        self.limit
    }

    /// A page of that many keys with that many bytes has come, and so many keys are left.
    pub fn received(&mut self, keys: usize, bytes: usize, left: usize) {
        let each = bytes.div_ceil(keys.max(1)).max(1);
        let largest = self.limit.saturating_mul(GROWTH).min(self.ceiling);
        let largest = largest.min(SMALLEST_HALF.max(left / 2));
        self.limit = (WANTED_BYTES / each).clamp(1, largest);
    }

    /// The page did not come in time. Returns whether it is worth while to ask for a small one,
    /// and for larger ones than a quarter of this no more: a line that is slow should have its
    /// list as well.
    pub fn too_slow(&mut self) -> bool {
        let was_small = is_small(self.limit);
        self.ceiling = (self.limit / 4).max(FIRST);
        self.limit = FIRST;
        !was_small
    }

    /// The page was beyond the limit of one message. Returns whether a smaller one can be
    /// asked for.
    pub fn too_large(&mut self) -> bool {
        let smaller = self.limit > 1;
        if self.limit > FIRST {
            self.ceiling = (self.limit / 4).max(FIRST);
            self.limit = FIRST;
        } else {
            self.limit = (self.limit / 4).max(1);
        }
        smaller
    }
}

/// Whether a page of at most so many keys is so small that even a slow line has it at once.
#[must_use]
pub fn is_small(limit: usize) -> bool {
    limit <= FIRST
}

/// The first key after `key`: where the page after it starts.
#[must_use]
pub fn key_after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_million_small_entries_come_in_few_pages() {
        let (mut paging, mut left, mut pages) = (Paging::of(None), 1_000_000usize, 0);
        while left > 0 {
            let keys = paging.limit().min(left);
            left -= keys;
            paging.received(keys, keys * 60, left);
            pages += 1;
        }
        assert!(pages <= 20, "{pages} pages");
    }

    #[test]
    fn values_of_a_megabyte_and_a_half_stay_far_below_the_decode_limit() {
        const VALUE: usize = 1_500_000;
        let mut paging = Paging::of(None);
        assert!(paging.limit() * VALUE <= DECODE_LIMIT);
        paging.received(paging.limit(), paging.limit() * VALUE, usize::MAX);
        assert!(paging.limit() * VALUE <= WANTED_BYTES);
    }

    #[test]
    fn one_key_that_is_too_large_is_the_end_of_it() {
        let mut paging = Paging { limit: 2, ceiling: usize::MAX };
        assert!(paging.too_large());
        assert!(!paging.too_large());
    }

    #[test]
    fn a_small_database_begins_with_a_large_page_and_one_of_large_values_finds_its_size() {
        assert_eq!(Paging::of(Some(10 << 20)).limit(), FIRST_OF_SMALL);
        assert_eq!(Paging::of(Some(10 << 30)).limit(), FIRST);
        let mut paging = Paging::of(Some(SMALL_DATABASE));
        assert!(paging.too_large());
        let first = paging.limit();
        assert!(is_small(first), "the next one does come");
        // Small values first, and then large ones, again and again.
        let mut tries = 0;
        while paging.limit() > FIRST || tries == 0 {
            paging.received(FIRST, FIRST * 50, usize::MAX);
            assert!(paging.too_large());
            tries += 1;
            assert!(tries < 10);
            paging.received(FIRST, FIRST * 50, usize::MAX);
        }
    }

    #[test]
    fn a_line_that_is_slow_gets_pages_that_it_can_carry() {
        assert!(!Paging::of(None).too_slow(), "not even a small page came");
        let mut paging = Paging::of(None);
        for _ in 0..3 {
            paging.received(paging.limit(), paging.limit() * 50, usize::MAX);
        }
        let slow = paging.limit();
        assert!(paging.too_slow() && is_small(paging.limit()));
        for _ in 0..5 {
            paging.received(paging.limit(), paging.limit() * 50, usize::MAX);
        }
        assert_eq!(paging.limit(), slow / 4);
    }

    proptest! {
        #[test]
        fn every_limit_is_at_least_one_and_aims_at_the_wanted_bytes(
            pages in prop::collection::vec((0usize..100_000, 0usize..100_000_000), 1..20)
        ) {
            let mut paging = Paging::of(None);
            for (keys, bytes) in pages {
                paging.received(keys, bytes, usize::MAX);
                prop_assert!(paging.limit() >= 1);
                let each = bytes / keys.max(1);
                prop_assert!(paging.limit() == 1 || paging.limit() * each <= WANTED_BYTES);
            }
        }
    }
}
