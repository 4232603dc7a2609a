//! Looking at a target directory without a hand on it: nothing is locked, made or taken over.

use super::TargetDir;
use crate::core::render::{Document, Piece};
use crate::file::Error;
use crate::file::compare::read;

impl TargetDir {
    /// The services that have a file there, or should have one by `document`; ascending. Files
    /// count that etcd-sd has made, as the manifest says.
    pub fn services(&self, document: &Document) -> Result<Vec<Box<str>>, Error> {
        let manifest = self.read_manifest()?;
        let wanted = document.pieces().map(Piece::job);
        let found = manifest.files().map(|(_, service)| service);
        let mut services: Vec<Box<str>> = wanted.chain(found).map(Into::into).collect();
        services.retain(|service| !service.is_empty());
        services.sort_unstable();
        services.dedup();
        Ok(services)
    }

    /// The bytes of the file of `service`, whoever made it; `None` if there is none.
    pub fn read(&self, service: &str) -> Result<Option<Vec<u8>>, Error> {
        read(&self.file(service))
    }
}
