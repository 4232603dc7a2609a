//! A document's shares for shards, and the next document's from those: only what changed is
//! hashed again.

use std::num::NonZeroU32;
use std::slice::Iter;

use super::parse::{ReadGroup, merged};
use super::{Document, Piece};
use crate::core::shard::{Shard, hashmod};

/// A document, split into the documents of all shards of one number.
#[derive(Clone, Debug)]
pub struct Shares {
    whole: Document,
    shares: Vec<Document>,
}

impl Shares {
    /// Splits a document. What it has in common with the document of `before`, which is of the
    /// same number of shards, is taken from there.
    #[must_use]
    pub fn of(whole: &Document, count: NonZeroU32, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.shares.len() == count.get() as usize);
        let empty = Document { origin: whole.origin, ..Document::new(whole.revision) };
        let mut shares = vec![empty; count.get() as usize];
        let mut known: Vec<Known<'_>> =
            before.into_iter().flat_map(|before| before.shares.iter().map(Known::of)).collect();
        let mut known_whole = before.map(|before| Known::of(&before.whole));
        for piece in whole.pieces() {
            let was = known_whole.as_mut().and_then(|whole| whole.piece(piece.job()));
            if was.is_some_and(|was| was.is(piece)) {
                for (share, known) in shares.iter_mut().zip(&mut known) {
                    if let Some(piece) = known.piece(piece.job()) {
                        share.push(piece);
                    }
                }
            } else {
                for (index, piece) in split(piece, count) {
                    let was = known.get_mut(index).and_then(|known| known.piece(piece.job()));
                    shares[index].push(was.filter(|was| was.same_bytes(&piece)).unwrap_or(&piece));
                }
            }
        }
        Self { whole: whole.clone(), shares }
    }

    /// That of one shard; of no shard of another number.
    #[must_use]
    pub fn of_shard(&self, shard: Shard) -> Option<&Document> {
        let of_ours = self.shares.len() == shard.of().get() as usize;
        self.shares.get(shard.index() as usize).filter(|_| of_ours)
    }
}

/// The pieces of a document, asked for in ascending order.
struct Known<'d> {
    rest: Iter<'d, Piece>,
}

impl<'d> Known<'d> {
    fn of(document: &'d Document) -> Self {
        Self { rest: document.pieces.iter() }
    }

    fn piece(&mut self, job: &str) -> Option<&'d Piece> {
        while let Some(piece) = self.rest.as_slice().first() {
            if piece.job() > job {
                return None;
            }
            self.rest.next();
            if piece.job() == job {
                return Some(piece);
            }
        }
        None
    }
}

/// The shares of a piece that have a target, by the numbers of their shards.
fn split(piece: &Piece, count: NonZeroU32) -> Vec<(usize, Piece)> {
    if count.get() == 1 {
        return vec![(0, piece.clone())];
    }
    let groups: Vec<ReadGroup<'_>> = piece.groups().collect();
    let mut by_shard = std::collections::BTreeMap::new();
    for (labels, addresses) in merged(&groups) {
        for address in addresses {
            let index = hashmod(address, count) as usize;
            let groups: &mut super::piece::Groups<'_> = by_shard.entry(index).or_default();
            groups.entry(labels).or_default().push(address);
        }
    }
    by_shard.into_iter().map(|(index, groups)| (index, Piece::of(piece.job(), groups))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::core::event::Revision;
    use crate::core::value::{Labels, Target};

    /// A job's targets: a label and an address each.
    type Jobs = Vec<Vec<(u8, u16)>>;

    fn jobs() -> impl Strategy<Value = Jobs> {
        prop::collection::vec(prop::collection::vec((0_u8..3, 0_u16..400), 0..12), 0..6)
    }

    fn targets(targets: &[(u8, u16)], wanted: impl Fn(&str) -> bool) -> Vec<Target> {
        let target = |(label, address): &(u8, u16)| {
            let labels = [("l".into(), label.to_string().into())];
            let labels = if *label == 0 { Labels::new() } else { labels.into_iter().collect() };
            let address = format!("h:{}", address + 1);
            wanted(&address).then(|| Target::new(vec![address.into()], labels))
        };
        targets.iter().filter_map(target).collect()
    }

    fn document(jobs: &Jobs, before: &Document, wanted: impl Fn(&str) -> bool) -> Document {
        let mut document = Document::new(Revision(7));
        for (number, of_job) in jobs.iter().enumerate() {
            let job = format!("j{number}");
            let piece = Piece::render(&job, targets(of_job, &wanted).iter());
            let was = before.piece(&job).filter(|was| was.same_bytes(&piece));
            document.push(was.unwrap_or(&piece));
        }
        document
    }

    proptest! {
        #[test]
        fn the_share_of_a_shard_is_the_rendering_of_its_targets_whatever_was_before(
            versions in prop::collection::vec(jobs(), 1..4),
            count in 1_u32..5,
        ) {
            let of = NonZeroU32::new(count).expect("not 0");
            let (mut before, mut whole) = (None::<Shares>, Document::new(Revision(0)));
            for jobs in versions {
                whole = document(&jobs, &whole, |_| true);
                let shares = Shares::of(&whole, of, before.as_ref());
                let mut sum = 0;
                for index in 0..count {
                    let shard = Shard::new(index, count).expect("a shard");
                    let share = shares.of_shard(shard).expect("a share");
                    let expected = document(&jobs, &Document::new(Revision(0)), |a| shard.has(a));
                    prop_assert_eq!(share.to_vec(), expected.to_vec());
                    prop_assert_eq!(share.len(), expected.len());
                    prop_assert_eq!(share.revision(), whole.revision());
                    sum += share.targets();
                }
                prop_assert_eq!(sum, whole.targets());
                before = Some(shares);
            }
        }
    }

    #[test]
    fn what_did_not_change_is_the_same_piece() {
        let jobs: Jobs = vec![vec![(0, 1), (0, 2), (0, 3), (0, 4)], vec![(0, 5), (0, 6), (0, 7)]];
        let first = document(&jobs, &Document::new(Revision(0)), |_| true);
        let mut changed = jobs.clone();
        changed[1].push((0, 8));
        let second = document(&changed, &first, |_| true);
        let of = NonZeroU32::new(3).expect("not 0");
        let before = Shares::of(&first, of, None);
        let after = Shares::of(&second, of, Some(&before));
        let gained = hashmod("h:9", of);
        let kept: BTreeSet<_> = (0..3).filter(|index| *index != gained).collect();
        for index in 0..3 {
            let shard = Shard::new(index, 3).expect("a shard");
            let [was, is] = [&before, &after].map(|all| all.of_shard(shard).expect("a share"));
            assert_eq!(was.same_bytes(is), kept.contains(&index));
            for (was, is) in was.pieces().zip(is.pieces()) {
                assert_eq!(was.is(is), was.same_bytes(is), "pieces are shared");
            }
        }
    }
}
