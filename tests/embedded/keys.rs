//! Keys, and ranges of them as etcd's requests spell them with `key` and `range_end`.

use std::ops::Bound;

use smallvec::SmallVec;

/// A key. Short ones lie in the map itself: finding one among a million would
/// else follow dozens of pointers.
pub(crate) type Key = SmallVec<[u8; 32]>;

/// A value. An address with its port needs no memory of its own.
pub(crate) type Value = SmallVec<[u8; 24]>;

/// The keys that a request means.
#[derive(Clone, Debug)]
pub(crate) struct KeyRange {
    start: Box<[u8]>,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    /// `range_end` is empty: the one key.
    Single,
    /// `[key, range_end)`.
    Before(Box<[u8]>),
    /// `range_end` is a single zero byte: every key from `key` on.
    Unbounded,
}

impl KeyRange {
    /// The range of a request.
    pub(crate) fn new(key: &[u8], range_end: &[u8]) -> Self {
        let end = match range_end {
            [] => End::Single,
            [0] => End::Unbounded,
            end => End::Before(end.into()),
        };
        Self { start: key.into(), end }
    }

    /// The range of a watch, where an empty key means the smallest one.
    pub(crate) fn watched(key: &[u8], range_end: &[u8]) -> Self {
        Self::new(if key.is_empty() { &[0] } else { key }, range_end)
    }

    pub(crate) fn single(key: &[u8]) -> Self {
        Self::new(key, &[])
    }

    /// All keys that begin with `prefix`; all keys if it is empty.
    pub(crate) fn prefix(prefix: &[u8]) -> Self {
        // The end is the prefix plus one: its last byte that can grow, grown.
        match prefix.iter().rposition(|&byte| byte < 0xff) {
            Some(last) => {
                let mut end = prefix[..=last].to_vec();
                end[last] += 1;
                Self::new(prefix, &end)
            }
            None => Self::new(prefix, &[0]),
        }
    }

    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Single => *self.start == *key,
            End::Before(end) => *self.start <= *key && *key < **end,
            End::Unbounded => *self.start <= *key,
        }
    }

    /// No key can be in it.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.end, End::Before(end) if end <= &self.start)
    }

    /// The range as `BTreeMap::range` takes it.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = match &self.end {
            // `BTreeMap::range` panics on a start beyond the end.
            _ if self.is_empty() => Bound::Excluded(&*self.start),
            End::Single => Bound::Included(&*self.start),
            End::Before(end) => Bound::Excluded(&**end),
            End::Unbounded => Bound::Unbounded,
        };
        (Bound::Included(&self.start), end)
    }
}
