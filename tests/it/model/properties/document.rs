//! What must hold of the documents.

use etcd_sd::core::registry::Registry;
use etcd_sd::core::render::Document;

use super::{Properties, Trust};
use crate::model::etcd::Etcd;
use crate::model::keys;
use crate::model::violation::{Violation, holds};

impl Properties {
    /// The registry has taken something.
    pub(in crate::model) fn rendered(
        &mut self,
        etcd: &Etcd,
        registry: &mut Registry,
        changed: bool,
    ) -> Result<(), Violation> {
        let Some(document) = registry.render() else {
            holds!("atomic", !changed, "a change is said, but there is no document");
            return Ok(());
        };
        let revision = document.revision();
        let newest = self.newest;
        holds!("ordered", revision >= newest, "{revision} after {newest}");
        self.newest = revision;
        match self.trust {
            Trust::Unlisted => holds!("atomic", false, "a document before a complete list"),
            Trust::Exact { lineage, from } if revision.0 >= from => {
                let record = etcd.lineage(lineage).record(revision.0);
                let expected = record.map_or("no such revision", |record| record.document());
                let is_right = is_document(&document, expected);
                let text = || String::from_utf8_lossy(&document.to_vec()).into_owned();
                holds!("atomic", is_right, "at {revision}\n{}instead of\n{expected}", text());
                let counts = registry.counts().map(|(_, counts)| counts);
                let expected = record.map(|record| keys::counts(&record.state));
                let is_right = counts == expected || self.miscounts;
                holds!("unique", is_right, "{counts:?} instead of {expected:?}");
            }
            _ => self.tally.count("documents on trust"),
        }
        let is_same = self.document.as_ref().is_some_and(|before| before.same_bytes(&document));
        holds!("reliable", changed || is_same, "the document changed, and nobody was told");
        self.document = Some(document);
        Ok(())
    }

    /// All is quiet and was told: the file is what etcd holds.
    pub(in crate::model) fn is_complete(&self, etcd: &Etcd, why: &str) -> Result<(), Violation> {
        let expected = etcd.newest().newest().document();
        let document = self.document.as_ref();
        let is_right = document.is_some_and(|document| is_document(document, expected));
        let text = || document.map(|found| String::from_utf8_lossy(&found.to_vec()).into_owned());
        holds!("reliable", is_right, "{why}\n{:?}\ninstead of\n{expected}", text());
        Ok(())
    }
}

fn is_document(document: &Document, expected: &str) -> bool {
    let mut rest = expected.as_bytes();
    document.len() == expected.len()
        && document.chunks().all(|chunk| {
            let found = rest.strip_prefix(chunk);
            rest = found.unwrap_or_default();
            found.is_some()
        })
}
