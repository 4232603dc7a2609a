//! Services whose keys do not stand together: `{service}` is not the first placeholder of the
//! pattern. Their pieces are joined to one for each service.

use std::collections::BTreeMap;

use crate::core::event::Revision;
use crate::core::render::{Document, Piece};

/// The pieces that were joined, by service, and what they came from.
#[derive(Debug, Default)]
pub(super) struct Joined(BTreeMap<Box<str>, (Vec<Piece>, Piece)>);

impl Joined {
    /// The document of these pieces, of which several may be of one service. Only those are
    /// joined anew that have changed since the last call.
    pub(super) fn render(&mut self, revision: Revision, mut pieces: Vec<Piece>) -> Document {
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
}
