//! What is ours in a target directory, and whether the manifest on disk says so.

use std::path::Path;

use crate::core::file_name::FileName;
use crate::file::error::Error;
use crate::file::identity::Identity;
use crate::file::manifest::Manifest;

/// The files that etcd-sd has made, as the manifest on disk will say before the next one is made.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    manifest: Manifest,
    /// How the manifest looked when it was last read or written.
    looks: Option<Identity>,
    /// Whether it says what is here.
    is_saved: bool,
}

impl Inventory {
    pub(super) fn new(manifest: Manifest, looks: Option<Identity>) -> Self {
        Self { manifest, looks, is_saved: true }
    }

    /// The services that have a file.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.files().map(|(_, service)| service)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&FileName, &str)> {
        self.manifest.files()
    }

    pub(super) fn has(&self, name: &FileName) -> bool {
        self.manifest.has(name)
    }

    /// Whether somebody else has been at the manifest, which looks like this now.
    pub(super) fn was_changed(&self, looks: Option<Identity>) -> bool {
        self.looks != looks
    }

    /// The file of `service` is going to be made, once this is [saved](Self::save).
    pub(super) fn add(&mut self, service: &str) {
        self.manifest.add(service);
        self.is_saved = false;
    }

    /// These files are not there, or not ours.
    pub(super) fn forget<'n>(&mut self, names: impl IntoIterator<Item = &'n FileName>) {
        for name in names {
            if self.manifest.remove(name) {
                self.is_saved = false;
            }
        }
    }

    /// Writes the manifest, unless it says so already.
    pub(super) fn save(&mut self, staging: &Path) -> Result<(), Error> {
        if !self.is_saved || self.was_changed(Manifest::identity(staging)?) {
            self.looks = Some(self.manifest.write(staging)?);
            self.is_saved = true;
        }
        Ok(())
    }
}
