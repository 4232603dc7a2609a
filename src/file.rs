//! The files on disk: looking at them, and replacing them atomically.
//!
//! A document is written to a temporary file in `.etcd-sd/` beside its file, synced, and
//! renamed over it; then the directory is synced. So whoever opens the file gets one whole
//! document, also after a power cut.
//!
//! | module | holds |
//! |---|---|
//! | `target` | [`TargetFile`]: the single file, at the end of its links |
//! | `compare` | how a file differs from its document: [`Drift`] |
//! | `stage` | temporary files, and what the dead have left of them |
//! | `in_place` | writing where a file can't be replaced |
//! | `link` | symbolic links on the way to the file |
//! | `lock` | the right to write: [`Lock`] |
//! | `directory` | [`TargetDir`]: a file for each service |
//! | `manifest` | which files of a target directory are ours |
//! | `journal` | [`JournalFile`]: a file that grows by lines, and is rotated |
//! | `identity` | what tells files apart without reading them, and whose they are |
//! | `error` | [`Error`]: what could not be done, why, and what helps |
//! | `small` | certificates and passwords |
//!
//! Everything here blocks: call it where that is allowed. The only modules that do file I/O.

mod compare;
mod directory;
mod error;
mod identity;
mod in_place;
mod journal;
mod link;
mod lock;
mod manifest;
mod small;
mod stage;
mod target;
mod vectored;

use std::path::Path;

pub use compare::Drift;
pub use directory::{Batch, Found, Inventory, Order, TargetDir};
pub use error::{Cause, Error};
pub use identity::{Access, DirectoryId, Identity, Mode, Owner};
pub use journal::{JournalFile, journal_files, read_lines};
pub use link::Route;
pub use lock::{Asked, Lock};
pub use manifest::{Manifest, Unusable};
pub use small::read_small;
pub use target::{Options, Place, Replaced, TargetFile};

/// Of the subdirectory that holds temporary files and locks.
pub const STAGING: &str = ".etcd-sd";

/// The directory that holds `path`.
#[must_use]
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests;
