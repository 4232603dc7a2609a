//! What tells files and directories apart without reading them, and whose a file is.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use super::error::Error;

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) bytes: u64,
    pub(super) modified: (i64, i64),
    pub(super) changed: (i64, i64),
    pub(super) mode: u32,
    pub(super) owner: Owner,
}

/// Permissions of a target file; by default readable by all, since Prometheus runs as another
/// user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub(super) u32);

/// The user and the group that a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

/// Whose a file is to be, and who may read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Its permissions.
    pub mode: Mode,
    /// Its owner and group, as far as this process may give it away; `None` for those of the
    /// process.
    pub owner: Option<Owner>,
}

/// What tells a directory from another one, be it made anew at the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Default for Mode {
    fn default() -> Self {
        Self(0o644)
    }
}

impl Mode {
    /// Permission bits: reading and writing for owner, group and others. `None` if there are
    /// others among them, or if the owner could not read the file.
    #[must_use]
    pub fn new(bits: u32) -> Option<Self> {
        (bits & !0o666 == 0 && bits & 0o400 != 0).then_some(Self(bits))
    }
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
            owner: Owner::of(metadata),
        }
    }

    /// Whether it has the permissions `wanted`; if none are asked for, whether its owner can read
    /// it.
    #[must_use]
    pub fn permits(self, wanted: Option<Mode>) -> bool {
        let access = self.access();
        access.is_some_and(|access| wanted.is_none_or(|wanted| access.mode == wanted))
    }

    /// Who may do what with it, if it is a file that its owner can read.
    #[must_use]
    pub fn access(self) -> Option<Access> {
        const TYPE: u32 = 0o170_000;
        const REGULAR: u32 = 0o100_000;
        let usable = self.mode & TYPE == REGULAR && self.mode & 0o400 != 0;
        usable.then_some(Access { mode: Mode(self.mode & 0o777), owner: Some(self.owner) })
    }
}

impl DirectoryId {
    /// Of the directory that is at this path now. Blocks.
    pub fn of(directory: &Path) -> Result<Self, Error> {
        match fs::metadata(directory) {
            Ok(metadata) => Ok(Self::by(&metadata)),
            Err(error) => Err(Error::new("look at", directory, error, 0)),
        }
    }

    pub(super) fn by(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Owner {
    fn of(metadata: &Metadata) -> Self {
        Self { user: metadata.uid(), group: metadata.gid() }
    }
}

impl Access {
    /// Gives it to `file`: the owner and group as far as this process may.
    pub(super) fn apply(self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if let Some(owner) = self.owner.filter(|&owner| owner != Owner::of(&metadata)) {
            // An ordinary user may give it to a group of his at best.
            let _ = fchown(file, Some(owner.user), Some(owner.group))
                .or_else(|_| fchown(file, None, Some(owner.group)));
        }
        // A change of the owner may take permissions away: they come last.
        if metadata.mode() & 0o7777 != self.mode.0 || self.owner.is_some() {
            file.set_permissions(Permissions::from_mode(self.mode.0))?;
        }
        Ok(())
    }
}
