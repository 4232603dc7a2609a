//! One service: its instances, and its piece of the document.

use std::collections::BTreeMap;

use super::event::Revision;
use super::render::Piece;
use super::value::Target;

#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) instances: BTreeMap<Box<str>, Entry>,
    /// `None` while it must be rendered anew.
    pub(super) piece: Option<Piece>,
    /// The number of the last audit that need not look for the service in etcd any more.
    pub(super) audited: u32,
}

impl Service {
    pub(super) fn render(&mut self, name: &str) -> &Piece {
        let Self { instances, piece, .. } = self;
        piece.get_or_insert_with(|| {
            Piece::render(name, instances.values().filter_map(|entry| entry.state.target()))
        })
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) mod_revision: Revision,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum State {
    Valid(Target),
    Quarantined(Option<Target>),
}

impl State {
    pub(super) fn target(&self) -> Option<&Target> {
        match self {
            Self::Valid(target) => Some(target),
            Self::Quarantined(last_good) => last_good.as_ref(),
        }
    }

    pub(super) fn addresses(&self) -> usize {
        addresses(self.target())
    }
}

pub(super) fn addresses(target: Option<&Target>) -> usize {
    target.map_or(0, |target| target.addresses().len())
}
