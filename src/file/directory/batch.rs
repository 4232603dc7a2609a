//! Many files at once.
//!
//! They are staged together and synced together, which costs a disk little more than one of them
//! would, and then renamed. One file that fails, because a directory stands in its place, say,
//! does not keep the others from being written; a disk that fails does.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tempfile::NamedTempFile;

use super::{Inventory, TargetDir};
use crate::core::event::Revision;
use crate::core::file_name::FileName;
use crate::core::render::{Document, Piece};
use crate::file::compare::{compare, identity};
use crate::file::error::{Cause, Error};
use crate::file::identity::{Access, Identity};
use crate::file::target::sync;
use crate::file::{manifest, stage};

/// How many files are staged at once, and open meanwhile: a process may have 1,024.
const AT_ONCE: usize = 64;

/// A file to be written.
#[derive(Clone, Copy, Debug)]
pub struct Order<'o> {
    /// What it is to hold: a service.
    pub piece: &'o Piece,
    /// Whose it is and who may read it, as it was when it was last known to be right; `None` for
    /// the defaults.
    pub access: Option<Access>,
}

/// What came of some files.
#[derive(Debug)]
pub struct Batch<T> {
    /// For each file, in the order in which they were given, what came of it; those that were not
    /// tried any more are not there.
    pub done: Vec<Result<T, Error>>,
    /// Why the others were not tried.
    pub stopped: Option<Error>,
    /// Why it may not survive a power cut.
    pub unsynced: Option<Error>,
}

/// How to carry out an order.
struct Job<'o> {
    service: &'o str,
    name: FileName,
    document: Document,
    access: Access,
    way: Way,
}

enum Way {
    /// The file is ours.
    Replace,
    /// There is no file, or one that may be overwritten although it is not ours.
    Create,
    /// It is not ours and holds just this: from now on it is ours.
    TakeUp(Identity),
    /// It is not ours.
    Refuse,
}

impl TargetDir {
    /// Writes these files; the directory is still to be [synced](Self::sync). What is done says
    /// how each looks now.
    pub fn write(&self, inventory: &mut Inventory, orders: &[Order<'_>]) -> Batch<Identity> {
        let mut batch = Batch::default();
        let (staging, mut jobs) = match self.prepare(inventory, orders) {
            Ok(prepared) => prepared,
            Err(error) => return batch.stop(error),
        };
        let new = jobs.iter().filter(|job| matches!(job.way, Way::Create | Way::TakeUp(_)));
        let new: Vec<_> = new.map(|job| (job.service, job.name.clone())).collect();
        for (service, _) in &new {
            inventory.add(service);
        }
        match inventory.save(&staging) {
            Ok(()) => {
                while !jobs.is_empty() && batch.stopped.is_none() {
                    let rest = jobs.split_off(jobs.len().min(AT_ONCE));
                    self.write_some(&staging, &mem::replace(&mut jobs, rest), &mut batch);
                }
            }
            Err(error) => batch.stopped = Some(error),
        }
        // What was not made is not ours, whoever puts a file there.
        let made = orders.iter().zip(&batch.done).filter(|(_, result)| result.is_ok());
        let made: BTreeSet<_> = made.map(|(order, _)| order.piece.job()).collect();
        let not_made = new.iter().filter(|(service, _)| !made.contains(service));
        inventory.forget(not_made.map(|(_, name)| name));
        batch
    }

    /// Removes the files of these services, as far as they are ours, and syncs the directory.
    pub fn remove(&self, inventory: &mut Inventory, services: &[Box<str>]) -> Batch<()> {
        let mut batch = Batch::default();
        // In a directory that is not there, no file is: that does not mean that it is removed.
        let staging = match self.staging() {
            Ok(staging) => staging,
            Err(error) => return batch.stop(error),
        };
        let mut gone = Vec::new();
        for service in services {
            let name = FileName::encode(service);
            let path = self.path_of(&name);
            let removed = if inventory.has(&name) { fs::remove_file(&path) } else { Ok(()) };
            match removed {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    batch.fail(Error::new("remove", &path, error, 0));
                }
                _ => {
                    gone.push(name);
                    batch.done.push(Ok(()));
                }
            }
            if batch.stopped.is_some() {
                break;
            }
        }
        // The manifest must not lack a file that comes back with a power cut.
        batch.unsynced = sync(self.path()).err();
        inventory.forget(&gone);
        match inventory.save(&staging) {
            Err(error) if batch.stopped.is_none() => batch.stop(error),
            _ => batch,
        }
    }

    fn prepare<'o>(
        &self,
        inventory: &Inventory,
        orders: &[Order<'o>],
    ) -> Result<(PathBuf, Vec<Job<'o>>), Error> {
        let staging = self.staging()?;
        let jobs = orders.iter().map(|order| self.job(inventory, order));
        Ok((staging, jobs.collect::<Result<_, _>>()?))
    }

    fn job<'o>(&self, inventory: &Inventory, order: &Order<'o>) -> Result<Job<'o>, Error> {
        let service = order.piece.job();
        let (name, document) = (FileName::encode(service), order.piece.alone(Revision(0)));
        let access = order.access.unwrap_or_default();
        let access = Access { mode: self.mode.unwrap_or(access.mode), ..access };
        let path = self.path_of(&name);
        let way = if inventory.has(&name) {
            Way::Replace
        } else {
            match identity(&path)? {
                Some(looks) if compare(&path, &document)?.is_none() => Way::TakeUp(looks),
                Some(_) if !self.force => Way::Refuse,
                _ => Way::Create,
            }
        };
        Ok(Job { service, name, document, access, way })
    }

    /// No more than can be open at once.
    fn write_some(&self, staging: &Path, jobs: &[Job<'_>], batch: &mut Batch<Identity>) {
        // What is staged when the disk fails is still good.
        let mut stopped = None;
        let mut fail = |error, job: &Job<'_>| {
            stopped = Some(Error::new("write to", staging, error, job.document.len()));
        };
        let mut staged = Vec::with_capacity(jobs.len());
        for job in jobs {
            match job.stage(staging) {
                Ok(file) => staged.push(file),
                Err(error) => {
                    fail(error, job);
                    break;
                }
            }
        }
        let mut synced = Vec::with_capacity(staged.len());
        for (job, file) in jobs.iter().zip(staged) {
            let sync = |file| stage::sync(&file).map(|looks| (file, looks));
            match file.map(sync).transpose() {
                Ok(file) => synced.push(file),
                Err(error) => {
                    fail(error, job);
                    break;
                }
            }
        }
        for (job, file) in jobs.iter().zip(synced) {
            match self.put(job, file) {
                Ok(looks) => batch.done.push(Ok(looks)),
                Err(error) => batch.fail(error),
            }
            if batch.stopped.is_some() {
                return;
            }
        }
        batch.stopped = stopped;
    }

    /// Renames what is staged, if anything had to be. Returns how the file looks.
    fn put(
        &self,
        job: &Job<'_>,
        staged: Option<(NamedTempFile, Identity)>,
    ) -> Result<Identity, Error> {
        let path = self.path_of(&job.name);
        let (file, before) = match (&job.way, staged) {
            (Way::TakeUp(looks), _) => return Ok(*looks),
            (_, None) => return Err(Error::Stranger { path }),
            (_, Some(staged)) => staged,
        };
        let persisted = match job.way {
            Way::Create if !self.force => file.persist_noclobber(&path),
            _ => file.persist(&path),
        };
        let file = persisted.map_err(|error| match error.error.kind() {
            // It has come since a moment ago.
            ErrorKind::AlreadyExists => Error::Stranger { path: path.clone() },
            _ => Error::new("replace", &path, error.error, job.document.len()),
        })?;
        let after = file.metadata().map(|metadata| Identity::of(&metadata));
        Ok(after.map_or(before, |after| before.after_rename(after)))
    }
}

impl Job<'_> {
    /// A temporary file with the document, on its way to the disk; `None` if none is needed.
    fn stage(&self, staging: &Path) -> io::Result<Option<NamedTempFile>> {
        if let Way::TakeUp(_) | Way::Refuse = self.way {
            return Ok(None);
        }
        let chunks = self.document.chunks();
        let staged = stage::write(staging, manifest::NAME, chunks, self.access)?;
        // So that the first sync finds all files ready, and the others find it done.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(staged.as_file(), 0, None, rustix::fs::Advice::DontNeed);
        Ok(Some(staged))
    }
}

impl<T> Batch<T> {
    fn stop(self, error: Error) -> Self {
        Self { stopped: Some(error), ..self }
    }

    /// The next file has failed, and perhaps the disk.
    fn fail(&mut self, error: Error) {
        if is_of_the_disk(&error) {
            self.stopped = Some(error);
        } else {
            self.done.push(Err(error));
        }
    }
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { done: Vec::new(), stopped: None, unsynced: None }
    }
}

/// Whether the next file would fail in the same way.
fn is_of_the_disk(error: &Error) -> bool {
    let Error::Io { cause, source, .. } = error else { return false };
    let is = |errno: Errno| source.raw_os_error() == Some(errno.raw_os_error());
    match cause {
        Cause::NoSpace { .. }
        | Cause::NoInodes
        | Cause::Quota { .. }
        | Cause::ReadOnly
        | Cause::Missing => true,
        // The directory may not be written; a single file may be protected by its attributes.
        Cause::Denied { .. } => is(Errno::ACCESS),
        Cause::Other => is(Errno::IO) || is(Errno::STALE),
        Cause::Directory | Cause::MountPoint => false,
    }
}

#[cfg(test)]
mod tests;
