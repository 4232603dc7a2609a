//! What went wrong with which path, why, and what helps.

use std::fmt;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::manifest::Unusable;
use crate::core::render::NoDocument;

/// What could not be done to which path.
#[derive(Debug, Error)]
pub enum Error {
    /// The file system refused.
    #[error("cannot {operation} {}{cause}", path.display())]
    Io {
        /// In words that a path completes.
        operation: &'static str,
        /// What it was about.
        path: PathBuf,
        /// What the operator has to know beyond the text of the system's error.
        cause: Cause,
        /// The system's error.
        source: io::Error,
    },
    /// What stands there may be somebody else's, and is not overwritten.
    #[error(
        "{} is not a file of target groups, and none that etcd-sd has written; it is left as it \
         is: give another --target-file, or --force to have it overwritten", .path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it is no document.
        source: NoDocument,
    },
    /// A file of a target directory may be somebody else's, and is not overwritten.
    #[error(
        "{} stands where the file of a service belongs, and etcd-sd has not made it; it is left as \
         it is: remove or rename it, or give --force to have it overwritten", .path.display()
    )]
    Stranger {
        /// The file.
        path: PathBuf,
    },
    /// What stands where the journal is to be is none, and is not written to.
    #[error(
        "{} is no journal of etcd-sd: its first line is none that etcd-sd writes; it is left as it \
         is: give another --journal, or move it away", .path.display()
    )]
    NoJournal {
        /// The file.
        path: PathBuf,
    },
    /// Nothing is known of the files of a target directory.
    #[error("cannot use the manifest {}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it, and what helps.
        source: Unusable,
    },
    /// Some files of a target directory could not be written or removed, and all others are right.
    #[error("{count} of the files in {} could not be made right, the others were", .path.display())]
    Several {
        /// The directory.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The first of their errors.
        source: Box<Error>,
    },
}

/// What an operator has to know of a refusal of the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The disk is full.
    NoSpace {
        /// Bytes that were to be written.
        needed: u64,
        /// Bytes that the file system has left for this user.
        free: u64,
    },
    /// The disk has space and can't name another file.
    NoInodes,
    /// The user's share of the disk is full.
    Quota {
        /// Bytes that were to be written.
        needed: u64,
    },
    /// Mounted read-only.
    ReadOnly,
    /// This user may not.
    Denied {
        /// Whom the process runs as.
        uid: u32,
    },
    /// It is not there, or not any more.
    Missing,
    /// A directory stands where a file should be.
    Directory,
    /// A single file that is mounted can't be replaced.
    MountPoint,
    /// The system's error says it all.
    Other,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace { needed, free } => write!(
                f,
                ": no space left there, {needed} bytes are needed and {free} are free; free some"
            ),
            Self::NoInodes => {
                f.write_str(": no space left there for another file (no free inodes); remove some")
            }
            Self::Quota { needed } => write!(
                f,
                ": no space left in this user's disk quota, {needed} bytes are needed; free some \
                 or raise it"
            ),
            Self::ReadOnly => f.write_str(": its file system is mounted read-only"),
            Self::Denied { uid } => write!(
                f,
                ": the user {uid} that etcd-sd runs as may not; it needs to write to the directory"
            ),
            Self::Missing => f.write_str(": its directory is not there"),
            Self::Directory => {
                f.write_str(": a directory stands in its place; remove or rename that")
            }
            Self::MountPoint => f.write_str(
                ": it is mounted by itself, as containers do with single files, and can't be \
                 replaced; mount its directory instead, or give --in-place",
            ),
            Self::Other => Ok(()),
        }
    }
}

impl Error {
    /// That `operation` on `path` failed so. `needed` is how many bytes were to be written.
    pub(super) fn new(
        operation: &'static str,
        path: &Path,
        source: io::Error,
        needed: usize,
    ) -> Self {
        let cause = Cause::of(&source, path, needed as u64);
        Self::Io { operation, path: path.to_owned(), cause, source }
    }

    /// Whether nobody can write there.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::Io { cause: Cause::ReadOnly, .. })
    }

    /// All these errors of files in the directory `path` as one; `None` if there are none.
    pub(crate) fn of_several(path: &Path, errors: Vec<Self>) -> Option<Self> {
        let count = errors.len();
        let source = Box::new(errors.into_iter().next()?);
        Some(Self::Several { path: path.to_owned(), count, source })
    }

    /// Whether it is about what somebody else may have put there: to try again does not help, the
    /// operator has to say what he wants.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Foreign { .. }
                | Self::Stranger { .. }
                | Self::Manifest { .. }
                | Self::NoJournal { .. }
        )
    }

    /// Whether nothing is wrong with the disk as such: whatever else is to be written there can
    /// be.
    #[must_use]
    pub fn is_confined(&self) -> bool {
        matches!(self, Self::Several { .. }) || self.is_refusal()
    }

    /// Whether both are about the same: they differ in no more than numbers.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Io { operation, path, cause, source },
                Self::Io { operation: operation2, path: path2, cause: cause2, source: source2 },
            ) => {
                operation == operation2
                    && path == path2
                    && mem::discriminant(cause) == mem::discriminant(cause2)
                    && source.kind() == source2.kind()
            }
            (Self::Foreign { path, .. }, Self::Foreign { path: path2, .. })
            | (Self::Stranger { path }, Self::Stranger { path: path2 })
            | (Self::NoJournal { path }, Self::NoJournal { path: path2 }) => path == path2,
            (Self::Manifest { path, source }, Self::Manifest { path: path2, source: source2 }) => {
                path == path2 && source == source2
            }
            (Self::Several { source, .. }, Self::Several { source: source2, .. }) => {
                source.is_like(source2)
            }
            _ => false,
        }
    }
}

impl Cause {
    fn of(error: &io::Error, path: &Path, needed: u64) -> Self {
        match error.kind() {
            ErrorKind::StorageFull => Self::no_space(path, needed),
            ErrorKind::QuotaExceeded => Self::Quota { needed },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            ErrorKind::PermissionDenied => {
                Self::Denied { uid: rustix::process::geteuid().as_raw() }
            }
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::IsADirectory | ErrorKind::DirectoryNotEmpty => Self::Directory,
            ErrorKind::ResourceBusy => Self::MountPoint,
            _ => Self::Other,
        }
    }

    fn no_space(path: &Path, needed: u64) -> Self {
        // What is not there yet has its directory's file system.
        let space = path.ancestors().find_map(|path| rustix::fs::statvfs(path).ok());
        match space {
            Some(space) if space.f_files > 0 && space.f_favail == 0 => Self::NoInodes,
            Some(space) => Self::NoSpace { needed, free: space.f_bavail * space.f_frsize },
            None => Self::Other,
        }
    }
}
