//! What tells files and directories apart without reading them.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) bytes: u64,
    pub(super) modified: (i64, i64),
    pub(super) changed: (i64, i64),
    pub(super) mode: u32,
}

/// Permissions of the target file; by default readable by all, since Prometheus runs as
/// another user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub(super) u32);

impl Default for Mode {
    fn default() -> Self {
        Self(0o644)
    }
}

/// What tells a directory from another one, be it made anew at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Identity {
    /// How a file looks to us that looked like this before it was renamed, and like `after`
    /// then. The rename changes the time of change alone: if more is different, somebody has
    /// been at the file since, and it must not look as if that were our work.
    pub(super) fn after_rename(self, after: Self) -> Self {
        if (Self { changed: self.changed, ..after }) == self { after } else { self }
    }

    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            mode: metadata.mode(),
        }
    }

    /// The permissions, if it is a file that its owner can read.
    #[must_use]
    pub fn mode(self) -> Option<Mode> {
        const TYPE: u32 = 0o170_000;
        const REGULAR: u32 = 0o100_000;
        let usable = self.mode & TYPE == REGULAR && self.mode & 0o400 != 0;
        usable.then_some(Mode(self.mode & 0o7777))
    }
}
