//! An output: a place, on disk or for requests by HTTP, at which the document is published, and what this process knows
//! of it.
//!
//! The persister has one for the target file, one for the target directory, and one for HTTP. It asks them one
//! after the other, where blocking is allowed: first to make sure that nobody else writes
//! there, then for drift, then to publish.

pub(super) mod directory;
pub(super) mod file;
pub(super) mod http;
mod known_file;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::core::render::Document;
use crate::core::status::OutputKind;
use crate::file::{Drift, Error};

/// A place at which the document is published.
pub(super) trait Output: Send {
    /// What it is.
    fn kind(&self) -> OutputKind;

    /// For the log.
    fn path(&self) -> &Path;

    /// Makes sure that this process, and no other one, writes there. To be called before
    /// anything else is; what is known of the disk is forgotten if the right was lost.
    fn claim(&mut self) -> Result<Claim, Error>;

    /// What stands there, whoever wrote it; `None` if there is nothing that can be read.
    fn baseline(&self) -> Option<Document>;

    /// Looks for drift, which the next [`publish`](Self::publish) heals. What looks as it did
    /// is compared byte by byte only if `thorough`, and even then only if its looks can't be
    /// trusted.
    fn look(&mut self, thorough: bool, now: Instant) -> Result<Look, Error>;

    /// Whether all is there as `document` has it. Changes nothing.
    fn holds(&self, document: &Document) -> Result<bool, Error>;

    /// Makes what stands there that of `document`.
    fn publish(&mut self, document: &Document, now: Instant) -> Publication;

    /// Whether a document of this process is known to stand there.
    fn has_published(&self) -> bool;

    /// Whether another program keeps changing it.
    fn is_fight(&self, now: Instant) -> bool;
}

/// Who writes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This process.
    Ours,
    /// Another process, which holds the lock.
    Theirs {
        /// By its own count, if it could say so.
        pid: Option<u32>,
    },
}

/// What a look has found.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What is not as it was, and may be healed now.
    pub(super) drift: Vec<Drifted>,
    /// When to look again, since what was found may not be healed before.
    pub(super) again: Option<Instant>,
}

/// A file that is not as it was.
#[derive(Clone, Debug)]
pub(super) struct Drifted {
    pub(super) path: PathBuf,
    pub(super) found: Drift,
}

/// What came of publishing.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) written: Written,
    /// What had drifted and is right again.
    pub(super) healed: Vec<Drifted>,
    /// Why it may not survive a power cut.
    pub(super) unsynced: Option<Error>,
    /// Why Prometheus may not notice it.
    pub(super) unseen: Option<Error>,
    /// Why not all is there as it should be.
    pub(super) failed: Option<Error>,
}

/// How the document came there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It was there before.
    Before,
    /// This process found it there when it came.
    Elsewhere,
    /// It was written now.
    Now {
        /// Files that were written or removed.
        files: usize,
        /// From the first byte to the synced directory.
        took: Duration,
    },
}

impl Publication {
    pub(super) fn new(written: Written) -> Self {
        Self { written, healed: Vec::new(), unsynced: None, unseen: None, failed: None }
    }

    pub(super) fn failed(error: Error) -> Self {
        Self { failed: Some(error), ..Self::new(Written::Before) }
    }
}
