//! One document from pieces of which several may be of the same service.

use std::collections::BTreeMap;

use super::{Document, Origin, Piece};
use crate::core::event::Revision;

/// The pieces that were joined, by service, and what they came from: what does not change is
/// not joined again.
#[derive(Debug, Default)]
pub struct Joined(BTreeMap<Box<str>, (Vec<Piece>, Piece)>);

impl Joined {
    /// The document of these pieces, in any order.
    pub fn render(&mut self, revision: Revision, mut pieces: Vec<Piece>) -> Document {
        pieces.retain(|piece| piece.targets() > 0);
        pieces.sort_by(|one, other| one.job().cmp(other.job()));
        let mut document = Document::new(revision);
        let mut before = std::mem::take(&mut self.0);
        for of_one in pieces.chunk_by(|one, other| one.job() == other.job()) {
            let [first, more @ ..] = of_one else { continue };
            if more.is_empty() {
                document.push(first);
                continue;
            }
            let known = before.remove(first.job()).filter(|(parts, _)| {
                parts.len() == of_one.len() && parts.iter().zip(of_one).all(|(a, b)| a.is(b))
            });
            let (parts, joined) =
                known.unwrap_or_else(|| (of_one.to_vec(), Piece::union_of(of_one)));
            document.push(&joined);
            self.0.insert(joined.job().into(), (parts, joined));
        }
        document
    }

    /// The document of several sources: what any of them has, at the newest revision that one
    /// of them shows. It counts as another epoch or list as soon as one source is at another,
    /// and as out of touch if one of them is.
    pub fn merge(&mut self, documents: &[Document]) -> Document {
        let revision = documents.iter().map(Document::revision).max().unwrap_or_default();
        let pieces = documents.iter().flat_map(Document::pieces).cloned().collect();
        let arrived = documents.iter().filter_map(Document::oldest_arrival).min();
        let merged = self.render(revision, pieces).arrived(arrived);
        let origins = documents.iter().filter_map(Document::origin);
        let origin = origins.reduce(|one, other| Origin {
            epoch: one.epoch + other.epoch,
            list: one.list + other.list,
            list_was_empty: one.list_was_empty && other.list_was_empty,
            emptied: one.emptied + other.emptied,
            out_of_touch: one.out_of_touch || other.out_of_touch,
        });
        origin.map_or(merged.clone(), |origin| merged.of(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::value::{Labels, Target};

    fn piece(job: &str, addresses: &[&str]) -> Piece {
        let addresses = addresses.iter().map(|&address| address.into()).collect();
        Piece::render(job, [Target::new(addresses, Labels::new())].iter())
    }

    fn document(revision: i64, origin: Origin, pieces: &[Piece]) -> Document {
        Joined::default().render(Revision(revision), pieces.to_vec()).of(origin)
    }

    #[test]
    fn a_service_of_two_sources_is_one_group_and_the_newest_revision_counts() {
        let origin = |epoch, list| Origin { epoch, list, ..Origin::default() };
        let one = document(7, origin(0, 1), &[piece("a", &["h:1"]), piece("b", &["h:2", "h:3"])]);
        let other = document(5, origin(2, 3), &[piece("b", &["h:3", "h:4"]), piece("c", &["h:5"])]);
        let mut joined = Joined::default();
        let merged = joined.merge(&[one.clone(), other.clone()]);
        let expected = document(
            7,
            origin(2, 4),
            &[piece("a", &["h:1"]), piece("b", &["h:2", "h:3", "h:4"]), piece("c", &["h:5"])],
        );
        assert!(merged.same_bytes(&expected));
        assert_eq!((merged.revision(), merged.origin()), (Revision(7), expected.origin()));
        let again = joined.merge(&[one, other]);
        let [piece, same] = [&merged, &again].map(|document| document.piece("b").expect("there"));
        assert!(piece.is(same), "what did not change was joined anew");
    }

    #[test]
    fn one_source_out_of_touch_puts_all_in_doubt_and_one_empty_list_does_not_make_all_empty() {
        let doubtful = Origin { out_of_touch: true, list_was_empty: true, ..Origin::default() };
        let merge = |origins: [Origin; 2]| {
            let documents = origins.map(|origin| document(1, origin, &[]));
            Joined::default().merge(&documents).origin().expect("of etcd")
        };
        let merged = merge([doubtful, Origin::default()]);
        assert!(merged.out_of_touch && !merged.list_was_empty);
        assert!(merge([doubtful, doubtful]).list_was_empty);
    }
}
