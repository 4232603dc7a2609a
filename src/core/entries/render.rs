//! The document of the entries.

use std::ops::Bound;

use super::Entries;
use crate::core::event::Revision;
use crate::core::key::Key;
use crate::core::render::Document;

impl Entries {
    /// The document of these entries; only what changed since the last call is rendered.
    pub fn render(&mut self, revision: Revision) -> Document {
        let pattern = &self.schema.pattern;
        if pattern.is_plain() {
            let mut document = Document::new(revision);
            for (parent, service) in &mut self.services {
                document.push(service.render(parent));
            }
            return document;
        }
        let services = self.services.iter_mut();
        let pieces = services.map(|(parent, service)| service.render(&pattern.service(parent)));
        self.joined.render(revision, pieces.cloned().collect())
    }

    /// Renders, ahead of the document, the services from the one of `key` on, but for the
    /// last one, of which there may be more to come: so that after a list that is put in
    /// ascending order, no single step takes the time to render all of it.
    pub fn render_ahead(&mut self, key: &[u8]) {
        if let Key::Instance { parent: first, .. } = self.schema.classify(key) {
            let from = (Bound::Included(first), Bound::Unbounded);
            for (parent, service) in self.services.range_mut::<str, _>(from).rev().skip(1) {
                service.render(&self.schema.pattern.service(parent));
            }
        }
    }
}
