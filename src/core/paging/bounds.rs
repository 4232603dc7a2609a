//! Bounds: where should the range of the next page end?
//!
//! For each page etcd walks the index of its whole range, not of what the page takes of it. So
//! a page whose range ends about where its last key is costs no more than its keys, however
//! many come after them. Where that is, is guessed from how close together the keys so far
//! stand. A guess can be wrong at no cost but time: each range begins where the one before
//! ended, or after the last key that was taken of it, and the last one ends with the prefix.

use super::key_after;

/// After so many guesses in a row that fell short, the next page has no bound.
const PATIENCE: u32 = 8;

/// A guess beyond which nothing is gained: such a page may as well go to the end.
const WIDEST: usize = 1 << 40;

/// How much of a key is looked at, after what the keys have in common.
const DIGITS: usize = size_of::<u64>();

/// What is left to list.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Where the range of the next page begins.
    from: Vec<u8>,
    /// Where it ends, exclusive.
    until: Vec<u8>,
    /// Where the last one ends.
    end: Vec<u8>,
    /// The first key of each page, and how many keys came before it.
    firsts: Vec<(Vec<u8>, usize)>,
    /// The last key so far.
    last: Vec<u8>,
    /// How many have come.
    keys: usize,
    /// How many pages in a row had far fewer keys than were wanted.
    short: u32,
}

impl Bounds {
    /// All from `from` to `end`, exclusive; the first page is asked for as a whole.
    #[must_use]
    pub fn new(from: Vec<u8>, end: Vec<u8>) -> Self {
        Self {
            from,
            until: end.clone(),
            end,
            firsts: Vec::new(),
            last: Vec::new(),
            keys: 0,
            short: 0,
        }
    }

    /// The range of the next page: from the first, inclusive, to the second, exclusive.
    #[must_use]
    pub fn range(&self) -> (&[u8], &[u8]) {
        (&self.from, &self.until)
    }

    /// A page has come of the range: its first and last key and how many it has, if it has any,
    /// and whether there are more in the range. `wanted` is how many the next one should have.
    /// Returns whether there is a next one.
    pub fn received(
        &mut self,
        page: Option<(&[u8], &[u8], usize)>,
        more: bool,
        wanted: usize,
    ) -> bool {
        if let Some((first, last, keys)) = page {
            self.firsts.push((first.to_vec(), self.keys));
            self.last = last.to_vec();
            self.keys += keys;
        }
        // As many are left of this range, or of all.
        let most = match page {
            Some((_, last, _)) if more => {
                self.from = key_after(last.to_vec());
                std::mem::take(&mut self.until)
            }
            _ if self.until == self.end => return false,
            _ => {
                self.from = std::mem::take(&mut self.until);
                self.end.clone()
            }
        };
        let is_short = !more && page.is_none_or(|(.., keys)| keys < wanted / 4);
        self.short = if is_short { self.short + 1 } else { 0 };
        let guess = self.guess(wanted).filter(|_| self.short < PATIENCE);
        self.until = guess.filter(|guess| *guess < most).unwrap_or(most);
        true
    }

    /// Where the `wanted` keys may end that come next; `None` if that may as well be the end.
    fn guess(&self, wanted: usize) -> Option<Vec<u8>> {
        let mut wanted = wanted << (2 * self.short);
        while wanted < WIDEST {
            // What came last tells most, unless there is a gap: what it took to get here from
            // an earlier page spans gaps of its kind.
            let mut guesses =
                self.firsts.iter().rev().filter_map(|(first, before)| {
                    after(first, &self.last, self.keys - before, wanted)
                });
            if let Some(bound) = guesses.find(|bound| *bound > self.from) {
                return Some(bound);
            }
            wanted *= 4;
        }
        None
    }
}

/// Where the `wanted` keys after `last` may end, if they stand as close together as these
/// `keys` from `first` to `last`; `None` if that tells nothing.
fn after(first: &[u8], last: &[u8], keys: usize, wanted: usize) -> Option<Vec<u8>> {
    let common = first.iter().zip(last).take_while(|(one, other)| one == other).count();
    let (low, high) = (digits(&first[common..]), digits(&last[common..]));
    let steps = keys.saturating_sub(1);
    let distance = u128::from(high.checked_sub(low)?).checked_mul(wanted as u128)?;
    let distance = distance.checked_div(steps as u128)?;
    let bound = u128::from(high).checked_add(distance.max(1))?;
    let mut key = last[..common].to_vec();
    if let Ok(bound) = u64::try_from(bound) {
        key.extend(bound.to_be_bytes());
        return Some(key);
    }
    // All that begins with what they have in common.
    while key.pop_if(|byte| *byte == u8::MAX).is_some() {}
    *key.last_mut()? += 1;
    Some(key)
}

/// The first bytes as a number: keys that come later have no smaller one.
fn digits(key: &[u8]) -> u64 {
    let mut digits = [0; DIGITS];
    let taken = key.len().min(DIGITS);
    digits[..taken].copy_from_slice(&key[..taken]);
    u64::from_be_bytes(digits)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    /// Lists these keys as etcd would, `wanted` a page. Returns what came, in pages, and how
    /// many keys etcd has walked.
    fn list(keys: &BTreeSet<Vec<u8>>, wanted: usize) -> (Vec<Vec<u8>>, usize, usize) {
        let mut bounds = Bounds::new(b"/s/".to_vec(), b"/s0".to_vec());
        let (mut listed, mut pages, mut walked) = (Vec::new(), 0, 0);
        loop {
            let (from, until) = bounds.range();
            assert!(from < until && *until <= b"/s0"[..], "{from:?} {until:?}");
            let range: Vec<_> = keys.range(from.to_vec()..until.to_vec()).cloned().collect();
            let page = &range[..range.len().min(wanted)];
            walked += range.len();
            pages += 1;
            listed.extend_from_slice(page);
            let ends = page.first().zip(page.last());
            let ends = ends.map(|(first, last)| (&**first, &**last, page.len()));
            if !bounds.received(ends, range.len() > wanted, wanted) {
                return (listed, pages, walked);
            }
        }
    }

    fn names(name: impl Fn(usize) -> String) -> BTreeSet<Vec<u8>> {
        (0..20_000).map(|index| name(index).into_bytes()).collect()
    }

    #[test]
    fn names_as_they_are_given_are_listed_with_fewer_keys_walked_than_without_bounds() {
        let mixed = |index: usize| index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        for (what, keys) in [
            ("padded", names(|i| format!("/s/service-{:04}/{:04}", i / 100, i % 100))),
            ("numbers", names(|i| format!("/s/service-{}/instance-{}", i / 100, i % 100))),
            ("one service", names(|i| format!("/s/web/10.0.{}.{}:9100", i / 250, i % 250))),
            ("hashes", names(|i| format!("/s/{:016x}/1", mixed(i)))),
            (
                "words",
                names(|i| format!("/s/{}-{}/{:x}", ["api", "db", "web"][i % 3], i / 60, mixed(i))),
            ),
        ] {
            for wanted in [400, 1_000, 4_000] {
                let (listed, pages, walked) = list(&keys, wanted);
                assert!(listed.iter().eq(&keys), "{what}: not all");
                let fewest = keys.len().div_ceil(wanted);
                assert!(pages <= 6 * fewest, "{what}: {pages} pages, {fewest} would do");
                // Each page to the end of all, as large as can be.
                let unbounded: usize = (1..=fewest).map(|left| left * wanted).sum();
                let share = walked * 100 / unbounded;
                assert!(share <= 85, "{what}, {wanted}: {share} % of what it is without bounds");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_keys_each_comes_once_and_in_order(
            tails in prop::collection::btree_set(
                prop_oneof![
                    prop::collection::vec(any::<u8>(), 0..12),
                    prop::collection::vec(prop_oneof![Just(0u8), Just(255u8), Just(b'a')], 0..12),
                ],
                0..200,
            ),
            wanted in 1usize..30,
        ) {
            let keys: BTreeSet<Vec<u8>> =
                tails.into_iter().map(|tail| [b"/s/".as_slice(), &tail].concat()).collect();
            let (listed, pages, _) = list(&keys, wanted);
            prop_assert!(listed.iter().eq(&keys));
            prop_assert!(pages <= 40 * (keys.len() + 1));
        }
    }
}
