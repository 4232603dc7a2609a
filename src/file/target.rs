//! The target file: where it is, what it holds, and how it is replaced.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::compare::{Drift, compare, identity, read};
use super::error::Error;
use super::identity::{Access, DirectoryId, Identity, Mode};
use super::link::{self, Route};
use super::lock::{Asked, Lock};
use super::stage::{remove_leftovers, stage, staging};
use super::{STAGING, directory_of, in_place};
use crate::core::render::Document;

/// The file that Prometheus reads, and how to write it.
#[derive(Clone, Debug)]
pub struct TargetFile {
    path: PathBuf,
    options: Options,
}

/// How a target file is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The permissions that it is to have; `None` for those that it has.
    pub mode: Option<Mode>,
    /// Write into the file that is there, instead of replacing it.
    pub in_place: bool,
    /// Overwrite it whatever it holds.
    pub force: bool,
}

/// Where the file is at this moment, at the end of its links.
#[derive(Clone, Debug)]
pub struct Place {
    /// See [`Place::places`].
    hops: Vec<PathBuf>,
    options: Options,
}

/// A file that has been replaced.
#[derive(Debug)]
pub struct Replaced {
    /// How it looks now.
    pub identity: Identity,
    /// Why the replacement may not survive a power cut.
    pub unsynced: Option<Error>,
    /// Why Prometheus may not notice the replacement behind a link.
    pub unseen: Option<Error>,
}

impl TargetFile {
    /// `path` must have a file name; its directory must exist by the time of a publish.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, options: Options::default() }
    }

    /// The same file, written so.
    #[must_use]
    pub fn written(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// The path that was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The permissions that it is to have; `None` for those that it has.
    #[must_use]
    pub fn mode(&self) -> Option<Mode> {
        self.options.mode
    }

    /// Follows its links.
    pub fn locate(&self) -> Result<Place, Error> {
        Ok(Place { hops: Route::of(&self.path).places()?, options: self.options })
    }
}

impl Place {
    /// The links that stand for the file, in the order in which they lead to it, and the file
    /// itself. The directories of these paths are without links as far as they exist.
    #[must_use]
    pub fn places(&self) -> &[PathBuf] {
        &self.hops
    }

    /// The file itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.hops[self.hops.len() - 1]
    }

    /// How the file looks; `None` if there is none.
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        identity(self.path())
    }

    /// When it was last written; `None` if there is no file.
    pub fn modified(&self) -> Result<Option<SystemTime>, Error> {
        let modified = fs::metadata(self.path()).and_then(|metadata| metadata.modified());
        match modified {
            Ok(modified) => Ok(Some(modified)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::new("look at", self.path(), error, 0)),
        }
    }

    /// Its bytes; `None` if there is no file.
    pub fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        read(self.path())
    }

    /// Compares the file with `document`, byte by byte; `None` if they are equal. A file that
    /// can't be read counts as drift: to replace it is what helps.
    pub fn compare(&self, document: &Document) -> Result<Option<Drift>, Error> {
        compare(self.path(), document)
    }

    /// Makes sure that the file is one to be overwritten: it holds target groups or nothing, or
    /// etcd-sd has been here before. Whoever gives the path of another program's file by
    /// mistake must not lose that.
    pub fn vouch(&self) -> Result<(), Error> {
        let is_known = !self.options.in_place && fs::exists(self.lock_path()).unwrap_or(false);
        if is_known || self.options.force {
            return Ok(());
        }
        let bytes = self.read()?.unwrap_or_default();
        let is_unfinished = self.options.in_place && bytes.first() == Some(&in_place::UNFINISHED);
        if bytes.is_empty() || is_unfinished {
            return Ok(());
        }
        match Document::parse(&bytes) {
            Ok(_) => Ok(()),
            Err(source) => Err(Error::Foreign { path: self.path().to_owned(), source }),
        }
    }

    /// Asks for the right to write the file. `None` if it is to be written in place and there is
    /// none yet.
    pub fn lock(&self) -> Result<Option<Asked>, Error> {
        if self.options.in_place {
            return Lock::ask_for_itself(self.path());
        }
        staging(directory_of(self.path()))?;
        Lock::ask(&self.lock_path()).map(Some)
    }

    /// Whether whoever asks for the right to write the file finds that `lock` has it.
    #[must_use]
    pub fn is_locked_by(&self, lock: &Lock) -> bool {
        if self.options.in_place {
            lock.stands_at(self.path())
        } else {
            lock.stands_at(&self.lock_path())
        }
    }

    /// Makes the file hold `document` with this access, from one instant to the next unless it
    /// is written in place.
    pub fn replace(&self, document: &Document, access: Access) -> Result<Replaced, Error> {
        let path = self.path();
        refuse_device(path)?;
        let mut unsynced = None;
        let fail = |error| Error::new("write", path, error, document.len());
        let identity = if self.options.in_place {
            in_place::write(path, document, access).map_err(fail)?
        } else {
            let directory = directory_of(path);
            let (staged, before) = stage(&staging(directory)?, &self.name(), document, access)?;
            let fail = |error| Error::new("replace", path, error, document.len());
            let file = staged.persist(path).map_err(|error| fail(error.error))?;
            // From here on the document is in the file, whatever fails.
            unsynced = sync(directory).err();
            let after = file.metadata().map(|metadata| Identity::of(&metadata));
            after.map_or(before, |after| before.after_rename(after))
        };
        let unseen = self.touch_link().err();
        Ok(Replaced { identity, unsynced, unseen })
    }

    /// Removes the temporary files of processes that died while they wrote this file.
    pub fn remove_leftovers(&self) -> Result<(), Error> {
        remove_leftovers(directory_of(self.path()), &self.name())
    }

    /// Where there is a link in another directory, Prometheus watches that one.
    fn touch_link(&self) -> Result<(), Error> {
        let link = &self.hops[0];
        let id = |path| DirectoryId::of(directory_of(path)).ok();
        if self.hops.len() == 1 || id(link) == id(self.path()) {
            return Ok(());
        }
        link::touch(link)
    }

    fn name(&self) -> String {
        let name = self.path().file_name().unwrap_or(OsStr::new("file"));
        name.to_string_lossy().into_owned()
    }

    fn lock_path(&self) -> PathBuf {
        let mut name = self.path().file_name().unwrap_or(OsStr::new("file")).to_owned();
        name.push(".lock");
        directory_of(self.path()).join(STAGING).join(name)
    }
}

/// A link may lead to a device, such as `/dev/null`, which others need.
fn refuse_device(path: &Path) -> Result<(), Error> {
    let is_device =
        |found: Metadata| found.file_type().is_char_device() || found.file_type().is_block_device();
    if fs::symlink_metadata(path).is_ok_and(is_device) {
        let error = io::Error::other("it is a device");
        return Err(Error::new("replace", path, error, 0));
    }
    Ok(())
}

/// Makes the names in a directory survive a power cut.
pub(super) fn sync(directory: &Path) -> Result<(), Error> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(|error| Error::new("sync the directory", directory, error, 0))
}
