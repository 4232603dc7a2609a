//! Rendering: the bytes of the target file, a pure function of the entries.
//!
//! A JSON array with one target group a line, groups ascending by job and then labels,
//! targets ascending and each once, `[]` if there is none. Equal entries make equal bytes on
//! every host. The document is held in pieces, one a service: documents share the pieces in
//! which they don't differ, so a change costs the rendering of its service alone.

mod diff;
mod join;
mod joined;
mod parse;
mod piece;
mod shares;

use std::sync::Arc;
use std::time::Instant;

use super::event::Revision;

pub use diff::{Comparison, Difference, GroupDifference};
pub use joined::Joined;
pub(in crate::core) use parse::Index;
pub use parse::NoDocument;
pub use piece::Piece;
pub use shares::Shares;

const OPEN: &[u8] = b"[\n";
const BETWEEN: &[u8] = b",\n";
const CLOSE: &[u8] = b"\n]\n";
const EMPTY: &[u8] = b"[]\n";

/// What the target file should hold as of one revision. Copies cost nothing.
#[derive(Clone, Debug)]
pub struct Document {
    revision: Revision,
    origin: Option<Origin>,
    /// Ascending by job, none of them without a target.
    pieces: Arc<Vec<Piece>>,
    bytes: usize,
    targets: usize,
    arrived: Option<Instant>,
}

/// Where a document comes from: a list of etcd, be it with changes since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Counts the histories of revisions: a rewound or foreign cluster begins a new one.
    pub epoch: u32,
    /// Counts the complete lists.
    pub list: u32,
    /// Whether that list had no target when it was complete.
    pub list_was_empty: bool,
    /// Counts the lists that came back without a target where there had been some.
    pub emptied: u32,
    /// Whether etcd could not be reached when the document was rendered.
    pub out_of_touch: bool,
}

impl Document {
    /// The document without any group.
    #[must_use]
    pub fn new(revision: Revision) -> Self {
        Self { revision, origin: None, pieces: Arc::default(), bytes: 0, targets: 0, arrived: None }
    }

    /// The same document, said to come from there.
    #[must_use]
    pub fn of(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The same document, said to be the first to show a change that arrived then.
    #[must_use]
    pub fn arrived(self, arrived: Option<Instant>) -> Self {
        Self { arrived, ..self }
    }

    /// When the oldest change arrived that it is the first to show, if that is known.
    #[must_use]
    pub fn oldest_arrival(&self) -> Option<Instant> {
        self.arrived
    }

    /// Adds a service; services come in ascending order.
    pub fn push(&mut self, piece: &Piece) {
        if piece.targets() > 0 {
            self.bytes += piece.text().len();
            self.targets += piece.targets();
            Arc::make_mut(&mut self.pieces).push(piece.clone());
        }
    }

    /// Its services, ascending; in a document of another program, perhaps one without a job.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// The service called `job`, if it has a group in it.
    #[must_use]
    pub fn piece(&self, job: &str) -> Option<&Piece> {
        let found = self.pieces.binary_search_by(|piece| piece.job().cmp(job));
        found.ok().map(|at| &self.pieces[at])
    }

    /// Its services after the one called `job`, or all of them.
    #[must_use]
    pub fn pieces_after(&self, job: Option<&str>) -> &[Piece] {
        let is_before = |piece: &Piece| job.is_some_and(|job| piece.job() <= job);
        &self.pieces[self.pieces.partition_point(is_before)..]
    }

    /// The revision of etcd that it shows.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Where it comes from; `None` if that is not etcd.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.origin
    }

    /// How many services have a group in it.
    #[must_use]
    pub fn services(&self) -> usize {
        self.pieces.len()
    }

    /// How many groups are in it.
    #[must_use]
    pub fn groups(&self) -> usize {
        // Each stands on a line of its own: in JSON no text has the end of a line.
        self.pieces.iter().map(|piece| piece.text().lines().count()).sum()
    }

    /// How many targets are in it, each counted once a group.
    #[must_use]
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.pieces.is_empty() {
            return EMPTY.len();
        }
        OPEN.len() + self.bytes - BETWEEN.len() + CLOSE.len()
    }

    /// Whether it has no group; it still has bytes then: `[]`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Its bytes, in slices to be written one after the other.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        (0..).map_while(|number| self.chunk(number))
    }

    /// One of these slices, by its number from 0.
    #[must_use]
    pub fn chunk(&self, number: usize) -> Option<&[u8]> {
        let count = self.pieces.len();
        match number {
            0 if self.is_empty() => Some(EMPTY),
            0 => Some(OPEN),
            _ if number <= count => {
                let bytes = self.pieces[number - 1].text().as_bytes();
                // Each piece ends with the separator, which the last one must not have.
                Some(if number == count { &bytes[..bytes.len() - BETWEEN.len()] } else { bytes })
            }
            _ if number == count + 1 && count > 0 => Some(CLOSE),
            _ => None,
        }
    }

    /// Its bytes as a whole: a copy.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.chunks().collect::<Vec<_>>().concat()
    }

    /// Whether `other` has the same bytes. Shared pieces are not looked into.
    #[must_use]
    pub fn same_bytes(&self, other: &Self) -> bool {
        // A piece holds all groups of its job and nothing else, so equal bytes fall into
        // equal pieces.
        self.bytes == other.bytes
            && self.pieces.len() == other.pieces.len()
            && (Arc::ptr_eq(&self.pieces, &other.pieces)
                || self.pieces.iter().zip(&*other.pieces).all(|(a, b)| a.same_bytes(b)))
    }
}

#[cfg(test)]
mod tests;
