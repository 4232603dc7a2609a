//! Two documents beside each other: what one has lost of the other, and both as one.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Document, Piece};

impl Document {
    /// How many targets fewer `newer` has than this one: summed over the jobs that have
    /// fewer, and not made up for by those that have more.
    #[must_use]
    pub fn shrinks_to(&self, newer: &Self) -> usize {
        let targets = |piece: Option<&Piece>| piece.map_or(0, Piece::targets);
        let changed = by_job(self, newer)
            .filter(|(old, new)| !old.zip(*new).is_some_and(|(old, new)| old.is(new)));
        changed.map(|(old, new)| targets(old).saturating_sub(targets(new))).sum()
    }

    /// This document with all targets of `base` that it does not have: the bytes are those of
    /// rendering the targets of both. `before`, if given, is an earlier document with what
    /// came of joining it with the same `base`: what did not change since is taken from there.
    #[must_use]
    pub fn join(&self, base: &Self, before: Option<(&Self, &Self)>) -> Self {
        let mut joined = Self { origin: self.origin, ..Self::new(self.revision) };
        for (old, new) in by_job(base, self) {
            match (old, new) {
                (Some(old), Some(new)) if !old.same_bytes(new) => {
                    let known = before.and_then(|(newer, joined)| {
                        let unchanged = newer.piece(new.job()).is_some_and(|was| was.is(new));
                        joined.piece(new.job()).filter(|_| unchanged)
                    });
                    joined.push(&known.cloned().unwrap_or_else(|| new.union(old)));
                }
                (_, Some(piece)) | (Some(piece), None) => joined.push(piece),
                (None, None) => {}
            }
        }
        joined
    }

    /// Takes over the pieces of `other` whose bytes are the same, so that they are in memory
    /// once.
    pub fn share(&mut self, other: &Self) {
        let pieces = by_job(self, other).filter_map(|(ours, theirs)| match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.same_bytes(theirs) => Some(theirs.clone()),
            (ours, _) => ours.cloned(),
        });
        self.pieces = Arc::new(pieces.collect());
    }

    /// The services in which `newer` differs from this document, ascending, with what each is
    /// and will be. What is the same is [shared](Self::share) on the way, so that it is not
    /// looked into the next time.
    pub fn differences(&mut self, newer: &Self) -> Vec<(Option<Piece>, Option<Piece>)> {
        let mut differences = Vec::new();
        if Arc::ptr_eq(&self.pieces, &newer.pieces) {
            return differences;
        }
        let mut has_equals = false;
        for (old, new) in by_job(self, newer) {
            match old.zip(new) {
                Some((old, new)) if old.is(new) => {}
                Some((old, new)) if old.same_bytes(new) => has_equals = true,
                _ => differences.push((old.cloned(), new.cloned())),
            }
        }
        if has_equals {
            self.share(newer);
        }
        differences
    }

    /// The document of these services alone, ascending, as far as they are in it.
    #[must_use]
    pub fn picked<'j>(&self, jobs: impl Iterator<Item = &'j str>) -> Self {
        let mut picked = Self { origin: self.origin, ..Self::new(self.revision) };
        for piece in jobs.filter_map(|job| self.piece(job)) {
            picked.push(piece);
        }
        picked
    }

    /// This document with the services of `written`, in the place of those of the same name if
    /// there are any, and without those of which `is_removed` is true.
    #[must_use]
    pub fn amended(&self, written: &Self, is_removed: impl Fn(&str) -> bool) -> Self {
        let mut amended = Self { origin: self.origin, ..Self::new(self.revision) };
        for (old, new) in by_job(self, written) {
            if let Some(piece) = new.or(old.filter(|old| !is_removed(old.job()))) {
                amended.push(piece);
            }
        }
        amended
    }
}

/// The pieces of both, those of the same job together, ascending.
fn by_job<'d>(
    left: &'d Document,
    right: &'d Document,
) -> impl Iterator<Item = (Option<&'d Piece>, Option<&'d Piece>)> {
    let mut left = left.pieces.iter().peekable();
    let mut right = right.pieces.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.order(right),
        };
        Some((
            left.next_if(|_| order != Ordering::Greater),
            right.next_if(|_| order != Ordering::Less),
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::event::Revision;
    use crate::core::value::{self, Target};
    use proptest::prelude::*;

    /// Job and value, as they are registered.
    type Entry = (u8, u8, u8);

    fn target((_, address, label): Entry) -> Target {
        let value = match label {
            0 => format!("h:{}", address + 1),
            _ => format!(
                r#"{{"targets":["h:{}","h:{}"],"labels":{{"l":"\u008{label}\"\n"}}}}"#,
                address + 1,
                address + 2
            ),
        };
        value::parse(value.as_bytes()).expect("a target")
    }

    fn document(entries: &[Entry]) -> Document {
        let mut jobs: BTreeMap<String, Vec<Target>> = BTreeMap::new();
        for &entry in entries {
            jobs.entry(format!("job \"{}\",\n", entry.0)).or_default().push(target(entry));
        }
        let mut document = Document::new(Revision(1));
        for (job, targets) in jobs {
            document.push(&Piece::render(&job, targets.iter()));
        }
        document
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((0u8..4, 0u8..4, 0u8..3), 0..20)
    }

    proptest! {
        #[test]
        fn joining_is_rendering_the_targets_of_both(old in entries(), new in entries()) {
            let (base, wanted) = (document(&old), document(&new));
            let joined = wanted.join(&base, None);
            let both = document(&[old, new].concat());
            prop_assert_eq!(joined.to_vec(), both.to_vec());
            prop_assert_eq!(joined.targets(), both.targets());
            prop_assert_eq!(joined.len(), both.to_vec().len());
        }

        #[test]
        fn joining_with_what_is_known_from_before_makes_no_difference(
            old in entries(), first in entries(), second in entries(),
        ) {
            let (base, first) = (document(&old), document(&first));
            let mut second = document(&second);
            second.share(&first);
            let before = first.join(&base, None);
            let joined = second.join(&base, Some((&first, &before)));
            prop_assert_eq!(joined.to_vec(), second.join(&base, None).to_vec());
        }

        #[test]
        fn the_differences_make_one_document_of_the_other(old in entries(), new in entries()) {
            let (mut old, newer) = (document(&old), document(&new));
            let before = old.to_vec();
            let differences = old.differences(&newer);
            prop_assert_eq!(old.to_vec(), before);
            let mut written = Document::new(Revision(1));
            let mut removed = Vec::new();
            for (was, will) in differences {
                let same = was.as_ref().zip(will.as_ref()).is_some_and(|(a, b)| a.same_bytes(b));
                prop_assert!(!same);
                match will {
                    Some(piece) => written.push(&piece),
                    None => removed.extend(was.map(|piece| piece.job().to_owned())),
                }
            }
            let mut amended = old.amended(&written, |job| removed.iter().any(|gone| gone == job));
            prop_assert_eq!(amended.to_vec(), newer.to_vec());
            prop_assert!(amended.differences(&newer).is_empty());
        }

        #[test]
        fn sharing_pieces_changes_no_byte(ours in entries(), theirs in entries()) {
            let (mut document, other) = (document(&ours), document(&theirs));
            let before = document.to_vec();
            document.share(&other);
            prop_assert_eq!(document.to_vec(), before);
        }
    }

    #[test]
    fn a_job_with_more_targets_makes_up_for_none_that_another_has_lost() {
        let base = document(&[(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 0, 0)]);
        for (newer, lost) in [
            (&[][..], 4),
            (&[(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 0, 0)], 0),
            (&[(0, 7, 0), (0, 8, 0), (0, 9, 0), (1, 9, 0)], 0),
            (&[(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 2, 0), (2, 0, 0)], 2),
        ] {
            assert_eq!(base.shrinks_to(&document(newer)), lost, "{newer:?}");
        }
    }

    #[test]
    fn what_both_have_is_shared_and_not_rendered_anew() {
        let (base, mut wanted) = (document(&[(0, 0, 0), (1, 0, 0)]), document(&[(0, 0, 0)]));
        wanted.share(&base);
        let joined = wanted.join(&base, None);
        assert!(joined.pieces.iter().zip(&*base.pieces).all(|(ours, base)| ours.is(base)));
    }
}
