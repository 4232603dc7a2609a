//! One publish to the target directory, in the phases of [`core::split`](crate::core::split).

use std::time::Instant;

use super::State;
use crate::actors::output::{Drifted, Publication, Written};
use crate::core::render::{Document, Piece};
use crate::core::split::Failed;
use crate::file::{Error, Order, TargetDir};

/// What one publish has done so far.
pub(super) struct Round<'o> {
    directory: &'o TargetDir,
    state: &'o mut State,
    now: Instant,
    files: usize,
    healed: Vec<Drifted>,
    unsynced: Option<Error>,
    /// The services whose files could not be written.
    failed: Failed,
    errors: Vec<Error>,
}

impl<'o> Round<'o> {
    pub(super) fn new(directory: &'o TargetDir, state: &'o mut State, now: Instant) -> Self {
        Self {
            directory,
            state,
            now,
            files: 0,
            healed: Vec::new(),
            unsynced: None,
            failed: Failed::new(),
            errors: Vec::new(),
        }
    }

    /// Makes the files hold `document`; `nothing` is what to say if they do already. Returns also
    /// whether all of them were tried, however that went.
    pub(super) fn publish(mut self, document: &Document, nothing: Written) -> (Publication, bool) {
        let begun = Instant::now();
        let stopped = self.carry_out(document).err();
        let is_through = stopped.is_none();
        let written = match self.files {
            0 => nothing,
            files => Written::Now { files, took: begun.elapsed() },
        };
        let failed = stopped.or_else(|| Error::of_several(self.directory.path(), self.errors));
        let publication = Publication {
            healed: self.healed,
            unsynced: self.unsynced,
            failed,
            ..Publication::new(written)
        };
        (publication, is_through)
    }

    fn carry_out(&mut self, document: &Document) -> Result<(), Error> {
        let plan = self.state.contents.plan(document);
        self.write(plan.additions())?;
        if let Some(found) = self.state.manifest.take() {
            self.healed.push(Drifted { path: self.directory.manifest(), found });
        }
        if let Some(last) = plan.last_addition(&self.failed) {
            self.write(&[last])?;
        }
        self.sync();
        let removals = plan.removals(&self.failed);
        if !removals.is_empty() {
            self.write(&removals)?;
            self.sync();
        }
        let deletions = plan.deletions(&self.failed);
        if deletions.is_empty() { Ok(()) } else { self.remove(&deletions) }
    }

    fn write(&mut self, pieces: &[Piece]) -> Result<(), Error> {
        let State { inventory, contents, files, .. } = &mut *self.state;
        let access = |piece: &Piece| files.get(piece.job()).map(|file| file.access);
        let orders = pieces.iter().map(|piece| Order { piece, access: access(piece) });
        let orders: Vec<_> = orders.collect();
        let batch = self.directory.write(inventory, &orders);
        let mut written = Vec::new();
        for (piece, result) in pieces.iter().zip(batch.done) {
            let service = piece.job();
            match result {
                Err(error) => {
                    self.failed.insert(service.into());
                    self.errors.push(error);
                }
                Ok(looks) => {
                    let file = files.entry(service.into()).or_default();
                    file.written(looks);
                    if let Some(found) = file.healed(self.now) {
                        self.healed.push(Drifted { path: self.directory.file(service), found });
                    }
                    written.push(piece.clone());
                }
            }
        }
        self.files += written.len();
        contents.carried_out(written, &[]);
        batch.stopped.map_or(Ok(()), Err)
    }

    fn remove(&mut self, services: &[Box<str>]) -> Result<(), Error> {
        let State { inventory, contents, files, .. } = &mut *self.state;
        let batch = self.directory.remove(inventory, services);
        let mut removed = Vec::new();
        for (service, result) in services.iter().zip(batch.done) {
            if let Err(error) = result {
                self.errors.push(error);
            } else {
                files.remove(service);
                removed.push(service.clone());
            }
        }
        self.files += removed.len();
        contents.carried_out(Vec::new(), &removed);
        self.unsynced = self.unsynced.take().or(batch.unsynced);
        batch.stopped.map_or(Ok(()), Err)
    }

    /// Once a phase, if that has written anything.
    fn sync(&mut self) {
        if self.files > 0
            && let Err(error) = self.directory.sync()
        {
            self.unsynced.get_or_insert(error);
        }
    }
}
