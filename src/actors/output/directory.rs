//! The target directory as an output.
//!
//! Each file is known, healed and damped by itself, and one that fails does not keep the others
//! from being right. [`core::split`](crate::core::split) says which to write, and in which order.

mod round;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::known_file::KnownFile;
use super::{Claim, Drifted, Look, Output, Publication, Written};
use crate::actors::publish;
use crate::core::render::{Document, Piece};
use crate::core::split::Files;
use crate::core::status::OutputKind;
use crate::file::{Asked, Drift, Error, Identity, Inventory, Lock, TargetDir};
use crate::telemetry::Chain;
use round::Round;

/// A look takes some 2 µs a file. One at many is followed by a rest of so many times as long, so
/// that a change of one service need not wait for it each time; but no rest is so long that drift
/// would not be healed within a second.
const MANY: usize = 1_000;
const REST_A_FILE: Duration = Duration::from_micros(40);
const LONGEST_REST: Duration = Duration::from_millis(500);

/// The target directory, and what is known of it.
pub(in crate::actors) struct DirectoryOutput {
    directory: TargetDir,
    lock: Option<Lock>,
    /// `None` until it is known which files are ours.
    state: Option<State>,
    has_published: bool,
    /// After a look at many files.
    rests_until: Option<Instant>,
}

/// What is known of the files of services.
struct State {
    inventory: Inventory,
    /// What they hold, but for those that went astray.
    contents: Files,
    /// Those that are there, or should be.
    files: BTreeMap<Box<str>, KnownFile>,
    /// How the manifest is not as it was.
    manifest: Option<Drift>,
}

impl DirectoryOutput {
    pub(in crate::actors) fn new(directory: TargetDir) -> Self {
        Self { directory, lock: None, state: None, has_published: false, rests_until: None }
    }

    fn open(&mut self) -> Result<(), Error> {
        let (inventory, found) = self.directory.open()?;
        let mut contents = Files::holding(found.document);
        let mut files = BTreeMap::new();
        let now = publish::now();
        for (service, looks) in found.looks {
            files.insert(service, KnownFile::new(Some(looks), now));
        }
        for service in found.astray {
            let looks = self.directory.identity(&service)?;
            contents.strayed(&service);
            files.insert(service, KnownFile::new(looks, now));
        }
        self.state = Some(State { inventory, contents, files, manifest: None });
        Ok(())
    }

    /// The lock was away, and so it may be another directory, or another process may have been
    /// there: what its manifest names is ours too.
    fn rediscover(&mut self) -> Result<(), Error> {
        let Some(state) = &mut self.state else { return Ok(()) };
        let files = &state.files;
        let is_known =
            |service: &str, looks| files.get(service).is_some_and(|it| it.was(Some(looks)));
        for service in self.directory.rediscover(&mut state.inventory, is_known)? {
            state.contents.strayed(&service);
            state.files.entry(service).or_default();
        }
        Ok(())
    }
}

impl Output for DirectoryOutput {
    fn kind(&self) -> OutputKind {
        OutputKind::Directory
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn claim(&mut self) -> Result<Claim, Error> {
        if !self.lock.as_ref().is_some_and(|lock| self.directory.is_locked_by(lock)) {
            match self.directory.lock()? {
                Asked::Theirs { pid } => {
                    (self.lock, self.state, self.has_published) = (None, None, false);
                    return Ok(Claim::Theirs { pid });
                }
                Asked::Ours(lock) => {
                    self.rediscover()?;
                    self.lock = Some(lock);
                }
            }
            if let Err(error) = self.directory.remove_leftovers() {
                warn!(error = %Chain(&error), "temporary files of an earlier run are left");
            }
        }
        if self.state.is_none() {
            self.open()?;
        }
        Ok(Claim::Ours)
    }

    fn baseline(&self) -> Option<Document> {
        let state = self.state.as_ref()?;
        (!state.files.is_empty()).then(|| state.contents.held().clone())
    }

    fn look(&mut self, thorough: bool, now: Instant) -> Result<Look, Error> {
        let Some(state) = &mut self.state else { return Ok(Look::default()) };
        let rests_until = self.rests_until.filter(|until| now < *until && self.has_published);
        if rests_until.is_some() {
            return Ok(Look { again: rests_until, ..Look::default() });
        }
        let mut look = Look::default();
        let mut changed = 0;
        for (service, file) in &mut state.files {
            let seen = self.directory.identity(service)?;
            if file.looks_right(seen, thorough, now) {
                continue;
            }
            let drift = |file: &KnownFile, contents: &Files| {
                let drift = drift(&self.directory, contents.held().piece(service), seen)?;
                let is_shut = file.is_shut(seen, self.directory.mode());
                Ok::<_, Error>(drift.or(is_shut.then_some(Drift::Access)))
            };
            if !self.has_published {
                if file.looks_right(seen, false, now) {
                    continue;
                }
                changed += 1;
                match drift(file, &state.contents)? {
                    None => state.contents.returned(service),
                    Some(_) => state.contents.strayed(service),
                }
                file.looked(seen, now);
                continue;
            }
            let due = file.not_before(now);
            if due > now {
                look.again = Some(look.again.map_or(due, |earlier| earlier.min(due)));
                continue;
            }
            file.drift = drift(file, &state.contents)?;
            match file.drift {
                None => {
                    file.confirm(seen, now);
                    state.contents.returned(service);
                }
                Some(found) => {
                    state.contents.strayed(service);
                    look.drift.push(Drifted { path: self.directory.file(service), found });
                }
            }
        }
        if changed > 0 {
            let path = self.directory.path().display();
            info!(%path, files = changed, "files changed in the target directory; left alone until the first complete list");
        }
        if self.has_published {
            state.manifest = self.directory.manifest_drift(&state.inventory)?;
            let path = || self.directory.manifest();
            look.drift.extend(state.manifest.map(|found| Drifted { path: path(), found }));
        }
        self.rests_until = rest_after(state.files.len()).map(|rest| now + rest);
        Ok(look)
    }

    fn holds(&self, document: &Document) -> Result<bool, Error> {
        self.directory.holds(document)
    }

    fn publish(&mut self, document: &Document, now: Instant) -> Publication {
        // Whoever has not claimed it may not write.
        let Some(state) = &mut self.state else { return Publication::new(Written::Before) };
        let before = if self.has_published { Written::Before } else { Written::Elsewhere };
        let round = Round::new(&self.directory, state, now);
        let (publication, is_through) = round.publish(document, before);
        self.has_published |= is_through;
        publication
    }

    fn has_published(&self) -> bool {
        self.has_published
    }

    fn is_fight(&self, now: Instant) -> bool {
        let files = self.state.iter().flat_map(|state| state.files.values());
        files.into_iter().any(|file| file.is_fight(now))
    }
}

/// How long to rest after a look at so many files.
fn rest_after(files: usize) -> Option<Duration> {
    let files = u32::try_from(files).unwrap_or(u32::MAX);
    (files as usize >= MANY).then(|| REST_A_FILE.saturating_mul(files).min(LONGEST_REST))
}

/// How a file that looks like `seen` differs from what it should hold: if that is not known,
/// there should be none.
fn drift(
    directory: &TargetDir,
    piece: Option<&Piece>,
    seen: Option<Identity>,
) -> Result<Option<Drift>, Error> {
    match (piece, seen) {
        (None, None) => Ok(None),
        (Some(piece), Some(_)) => directory.compare(piece),
        _ => Ok(Some(Drift::by_looks(seen))),
    }
}

#[cfg(test)]
mod tests;
