//! Who waits for room, in an order in which nobody is asked in vain.
//!
//! A full service may have a hundred thousand that wait, and every change anywhere may make
//! room: so the entries of a service are kept by how much they need, and the services that have
//! room of their own for one, and wait for that of all, by how little would do.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::core::cost::Need;

/// Parent and name of a key.
pub(super) type Name = (Box<str>, Box<str>);

/// Those that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By service; none of them is empty.
    queues: BTreeMap<Box<str>, Queue>,
    /// Services with room for at least one of their own, and the fewest bytes that such a one
    /// needs.
    open: BTreeMap<Box<str>, isize>,
    /// How often each number of bytes is in `open`.
    fewest: BTreeMap<isize, usize>,
}

/// The entries of a service by their needs.
type Queue = BTreeMap<Need, BTreeSet<Name>>;

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// [`Waiting::refresh`] is to follow.
    pub(super) fn insert(&mut self, job: &str, need: Need, name: Name) {
        let queue = match self.queues.get_mut(job) {
            Some(queue) => queue,
            None => self.queues.entry(job.into()).or_default(),
        };
        queue.entry(need).or_default().insert(name);
    }

    /// [`Waiting::refresh`] is to follow.
    pub(super) fn remove(&mut self, job: &str, need: Need, name: &Name) {
        let Some(queue) = self.queues.get_mut(job) else { return };
        let Some(names) = queue.get_mut(&need) else { return };
        names.remove(name);
        if names.is_empty() {
            queue.remove(&need);
        }
        if queue.is_empty() {
            self.queues.remove(job);
        }
    }

    /// The service has room for so many targets now.
    pub(super) fn refresh(&mut self, job: &str, targets: isize) {
        let fewest = self.queues.get(job).and_then(|queue| {
            let fitting = queue.range(..=most(targets));
            fitting.map(|(need, _)| need.bytes).min()
        });
        let before = match fewest {
            Some(fewest) => match self.open.get_mut(job) {
                Some(held) => Some(std::mem::replace(held, fewest)),
                None => self.open.insert(job.into(), fewest),
            },
            None => self.open.remove(job),
        };
        if before == fewest {
            return;
        }
        if let Some(fewest) = fewest {
            *self.fewest.entry(fewest).or_default() += 1;
        }
        if let Some(before) = before
            && let Some(count) = self.fewest.get_mut(&before)
        {
            *count -= 1;
            if *count == 0 {
                self.fewest.remove(&before);
            }
        }
    }

    /// The fewest bytes for which one would be admitted whose service has room.
    pub(super) fn fewest(&self) -> Option<isize> {
        self.fewest.first_key_value().map(|(&bytes, _)| bytes)
    }

    /// The first service after `last` with an entry that could be admitted if there is room for
    /// so many bytes.
    pub(super) fn next(&self, last: Option<&str>, bytes: isize) -> Option<&str> {
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let open = self.open.range::<str, _>((after, Bound::Unbounded));
        open.map(|(job, fewest)| (job, *fewest))
            .find(|&(_, fewest)| fewest <= bytes)
            .map(|(job, _)| &**job)
    }

    /// The first entry of this service for which there is room.
    pub(super) fn first(&self, job: &str, room: Need) -> Option<Name> {
        let fitting = self.queues.get(job)?.range(..=most(room.targets));
        let fitting = fitting.filter(|(need, _)| need.fits(room));
        fitting.filter_map(|(_, names)| names.first()).min().cloned()
    }
}

/// The largest need of so many targets.
fn most(targets: isize) -> Need {
    Need { targets, bytes: isize::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(entries: &[(&str, &str, isize, isize)]) -> Waiting {
        let mut waiting = Waiting::default();
        for &(job, name, targets, bytes) in entries {
            waiting.insert(job, Need { targets, bytes }, (job.into(), name.into()));
            waiting.refresh(job, 0);
        }
        waiting
    }

    #[test]
    fn the_first_by_key_that_fits_is_next() {
        let waiting = waiting(&[("a", "1", 3, 9), ("a", "2", 1, 20), ("a", "3", 1, 9)]);
        let first = |targets, bytes| {
            waiting.first("a", Need { targets, bytes }).map(|(_, name)| name.to_string())
        };
        assert_eq!(first(3, 30).as_deref(), Some("1"));
        assert_eq!(first(2, 30).as_deref(), Some("2"));
        assert_eq!(first(2, 10).as_deref(), Some("3"));
        assert_eq!(first(2, 8), None);
        assert_eq!(first(0, 30), None);
    }

    #[test]
    fn services_that_are_full_are_passed_over() {
        let mut waiting = waiting(&[("a", "1", 2, 5), ("b", "1", 1, 9), ("c", "1", 1, 7)]);
        assert_eq!((waiting.fewest(), waiting.next(None, 100)), (None, None));
        for (job, targets) in [("a", 1), ("b", 1), ("c", 3)] {
            waiting.refresh(job, targets);
        }
        assert_eq!(waiting.fewest(), Some(7));
        assert_eq!(waiting.next(None, 100), Some("b"));
        assert_eq!(waiting.next(Some("b"), 100), Some("c"));
        assert_eq!(waiting.next(None, 8), Some("c"));
        assert_eq!(waiting.next(Some("c"), 100), None);
        waiting.remove("c", Need { targets: 1, bytes: 7 }, &("c".into(), "1".into()));
        waiting.refresh("c", 3);
        assert_eq!(waiting.fewest(), Some(9));
    }

    #[test]
    fn nothing_is_left_of_those_that_wait_no_more() {
        let mut waiting = waiting(&[("a", "1", 1, 5), ("a", "2", 1, 5)]);
        waiting.refresh("a", 1);
        for name in ["1", "2"] {
            waiting.remove("a", Need { targets: 1, bytes: 5 }, &("a".into(), name.into()));
            waiting.refresh("a", 1);
        }
        assert!(waiting.is_empty() && waiting.open.is_empty() && waiting.fewest.is_empty());
    }
}
