//! The document of the entries.

use std::ops::Bound;
use std::sync::Arc;

use super::Entries;
use crate::core::event::Revision;
use crate::core::key::Key;
use crate::core::render::{Document, Piece};
use crate::core::service::Service;

impl Entries {
    /// The document of these entries; only what changed since the last call is rendered.
    pub fn render(&mut self, revision: Revision) -> Document {
        let pattern = &self.schema.pattern;
        if pattern.is_plain() {
            let mut document = Document::new(revision);
            for (parent, service) in &mut self.services {
                document.push(rendered(service, parent));
            }
            return document;
        }
        let services = self.services.iter_mut();
        let pieces = services.map(|(parent, service)| rendered(service, &pattern.service(parent)));
        self.joined.render(revision, pieces.cloned().collect())
    }

    /// Renders, ahead of the document, the services from the one of `key` on, but for the
    /// last one, of which there may be more to come: so that after a list that is put in
    /// ascending order, no single step takes the time to render all of it.
    pub fn render_ahead(&mut self, key: &[u8]) {
        if let Key::Instance { parent: first, .. } = self.schema.classify(key) {
            let from = (Bound::Included(first), Bound::Unbounded);
            // The last one is not among them while its entries come in a row.
            let of_last = usize::from(self.run.is_empty());
            for (parent, service) in self.services.range_mut::<str, _>(from).rev().skip(of_last) {
                rendered(service, &self.schema.pattern.service(parent));
            }
        }
    }
}

fn rendered<'s>(service: &'s mut Arc<Service>, name: &str) -> &'s Piece {
    // One that is shared has its piece, and stays so.
    if service.piece.is_none() {
        Arc::make_mut(service).render(name);
    }
    service.piece.as_ref().unwrap_or_else(|| unreachable!("it was just rendered"))
}
