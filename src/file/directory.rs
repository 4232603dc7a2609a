//! The target directory: one file a service, called as [`FileName`] says.
//!
//! Only the files that the manifest names are ever changed or removed, and nothing outside of the
//! directory and its `.etcd-sd/`. A link in the place of a file is not followed but replaced.

mod batch;
mod inventory;
mod look;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::STAGING;
use super::compare::{Drift, compare, identity, read};
use super::error::Error;
use super::identity::{Identity, Mode};
use super::lock::{Asked, Lock};
use super::manifest::{self, Manifest, Unusable};
use super::stage;
use super::target::sync;
use crate::core::event::Revision;
use crate::core::file_name::FileName;
use crate::core::render::{Document, Piece};
use crate::telemetry::Chain;

pub use batch::{Batch, Order};
pub use inventory::Inventory;

/// Its lock file, in the staging directory.
const LOCK: &str = "manifest.lock";

/// The directory that Prometheus reads all files of, and how to write them.
#[derive(Clone, Debug)]
pub struct TargetDir {
    path: PathBuf,
    mode: Option<Mode>,
    force: bool,
}

/// What the files of a target directory hold, whoever wrote it.
#[derive(Debug)]
pub struct Found {
    /// Of each file the groups of its service, and no others.
    pub document: Document,
    /// Files that hold anything else, or that can't be read, by service.
    pub astray: Vec<Box<str>>,
    /// How those look that hold nothing else, by service.
    pub looks: Vec<(Box<str>, Identity)>,
}

impl TargetDir {
    /// The directory must exist by the time of a publish. Its files are to have `mode`; `None`
    /// for the one that they have. With `force`, files are overwritten that are not ours, and a
    /// damaged manifest is begun anew.
    #[must_use]
    pub fn new(path: PathBuf, mode: Option<Mode>, force: bool) -> Self {
        Self { path, mode, force }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The permissions that its files are to have; `None` for those that they have.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// The path of the file of `service`.
    #[must_use]
    pub fn file(&self, service: &str) -> PathBuf {
        self.path_of(&FileName::encode(service))
    }

    /// Asks for the right to write there.
    pub fn lock(&self) -> Result<Asked, Error> {
        Lock::ask(&self.staging()?.join(LOCK))
    }

    /// Whether whoever asks for the right to write there finds that `lock` has it.
    #[must_use]
    pub fn is_locked_by(&self, lock: &Lock) -> bool {
        lock.stands_at(&self.path.join(STAGING).join(LOCK))
    }

    /// Makes sure that it can be known which files are ours.
    pub fn vouch(&self) -> Result<(), Error> {
        self.read_manifest().map(drop)
    }

    /// Reads what the manifest names.
    pub fn open(&self) -> Result<(Inventory, Found), Error> {
        let looks = Manifest::identity(&self.path.join(STAGING))?;
        let mut inventory = Inventory::new(self.read_manifest()?, looks);
        let mut found =
            Found { document: Document::new(Revision(0)), astray: Vec::new(), looks: Vec::new() };
        let mut pieces = Vec::new();
        let mut missing = Vec::new();
        for (name, service) in inventory.files() {
            let path = self.path_of(name);
            let Some(looks) = identity(&path)? else {
                missing.push(name.clone());
                continue;
            };
            let (piece, is_alone) = self.find(&path, service, looks);
            if is_alone {
                found.looks.push((service.into(), looks));
            } else {
                found.astray.push(service.into());
            }
            pieces.extend(piece);
        }
        // Whatever comes to stand there is another program's.
        inventory.forget(&missing);
        pieces.sort_unstable_by(|one, other| one.job().cmp(other.job()));
        for piece in &pieces {
            found.document.push(piece);
        }
        Ok((inventory, found))
    }

    /// How the file of `service` looks; `None` if there is none.
    pub fn identity(&self, service: &str) -> Result<Option<Identity>, Error> {
        identity(&self.file(service))
    }

    /// Compares the file of a service with what it should hold; `None` if they are equal.
    pub fn compare(&self, piece: &Piece) -> Result<Option<Drift>, Error> {
        compare(&self.file(piece.job()), &piece.alone(Revision(0)))
    }

    /// Whether the files hold `document`, each its service, and no others of ours are there.
    pub fn holds(&self, document: &Document) -> Result<bool, Error> {
        let manifest = self.read_manifest()?;
        for piece in document.pieces().filter(|piece| !piece.job().is_empty()) {
            let is_ours = manifest.has(&FileName::encode(piece.job()));
            if !is_ours || self.compare(piece)?.is_some() {
                return Ok(false);
            }
        }
        for (name, service) in manifest.files() {
            if document.piece(service).is_none() && identity(&self.path_of(name))?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The manifest's path.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.path.join(STAGING).join(manifest::NAME)
    }

    /// How the manifest is not as it was last read or written. Whatever is written next writes it
    /// anew.
    pub fn manifest_drift(&self, inventory: &Inventory) -> Result<Option<Drift>, Error> {
        let seen = Manifest::identity(&self.path.join(STAGING))?;
        Ok(inventory.was_changed(seen).then(|| Drift::by_looks(seen)))
    }

    /// Takes over what the manifest on disk names beyond `inventory`, and gives up what it does
    /// not name, unless `is_known` by how it looks: a file that came with another directory is
    /// another program's. Returns the services whose files were taken over.
    pub fn rediscover(
        &self,
        inventory: &mut Inventory,
        is_known: impl Fn(&str, Identity) -> bool,
    ) -> Result<Vec<Box<str>>, Error> {
        let manifest = match self.read_manifest() {
            Ok(manifest) => manifest,
            // It is written anew.
            Err(Error::Manifest { source: Unusable::Damaged(_), .. }) => Manifest::default(),
            Err(error) => return Err(error),
        };
        let mut services: Vec<Box<str>> = Vec::new();
        for (name, service) in manifest.files() {
            if !inventory.has(name) && identity(&self.path_of(name))?.is_some() {
                services.push(service.into());
            }
        }
        let mut strange = Vec::new();
        for (name, service) in inventory.files().filter(|(name, _)| !manifest.has(name)) {
            if identity(&self.path_of(name))?.is_some_and(|looks| !is_known(service, looks)) {
                strange.push(name.clone());
            }
        }
        inventory.forget(&strange);
        for service in &services {
            inventory.add(service);
        }
        Ok(services)
    }

    /// Makes the names of its files survive a power cut.
    pub fn sync(&self) -> Result<(), Error> {
        sync(&self.path)
    }

    /// Removes the temporary files of processes that died while they wrote there.
    pub fn remove_leftovers(&self) -> Result<(), Error> {
        stage::remove_leftovers(&self.path, manifest::NAME)
    }

    fn path_of(&self, name: &FileName) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// The staging directory, made if it is not there.
    fn staging(&self) -> Result<PathBuf, Error> {
        let staging = stage::staging(&self.path)?;
        if fs::symlink_metadata(&staging).is_ok_and(|found| !found.is_dir()) {
            let error = io::Error::from(ErrorKind::NotADirectory);
            return Err(Error::new("keep files in", &staging, error, 0));
        }
        Ok(staging)
    }

    fn read_manifest(&self) -> Result<Manifest, Error> {
        match Manifest::read(&self.path.join(STAGING)) {
            Ok(manifest) => Ok(manifest.unwrap_or_default()),
            Err(error @ Error::Manifest { source: Unusable::Damaged(_), .. }) if self.force => {
                warn!(error = %Chain(&error), "beginning a new manifest");
                Ok(Manifest::default())
            }
            Err(error) => Err(error),
        }
    }

    /// What a file holds of its service, and whether that is all, to the byte.
    fn find(&self, path: &Path, service: &str, looks: Identity) -> (Option<Piece>, bool) {
        // What is no file is not read: it may be a pipe, or a link to elsewhere.
        let access = looks.access();
        let bytes = access.and_then(|_| read(path).ok().flatten()).unwrap_or_default();
        let document = Document::parse(&bytes).ok();
        let piece = document.and_then(|document| document.piece(service).cloned());
        let is_alone =
            piece.as_ref().is_some_and(|piece| piece.alone(Revision(0)).to_vec() == bytes);
        let has_mode =
            access.is_some_and(|access| self.mode.is_none_or(|mode| access.mode == mode));
        (piece, is_alone && has_mode)
    }
}

#[cfg(test)]
mod tests;
