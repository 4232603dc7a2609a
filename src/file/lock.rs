//! An advisory lock: of several processes that would write the same file, one does.
//!
//! The lock is on a file of its own, held for as long as its owner lives, and ends with it
//! however that dies. The file is never removed, so that two processes can't hold locks on two
//! files of the same name; if somebody else removes it, its owner takes the lock anew.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::error::Error;
use super::identity::DirectoryId;

/// What is read of a lock file: a process id has no more digits.
const LONGEST: u64 = 20;

/// A lock that this process holds.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    id: DirectoryId,
    file: File,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub enum Asked {
    /// It is ours.
    Ours(Lock),
    /// Another process holds it.
    Theirs {
        /// The one that does, by its own count, if it could say so.
        pid: Option<u32>,
    },
}

impl Lock {
    /// Asks for the lock whose file is `path`, which is made if need be. Does not wait.
    pub(super) fn ask(path: &Path) -> Result<Asked, Error> {
        let open =
            || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        loop {
            let file = open().map_err(|error| Error::new("open", path, error, 0))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Asked::Theirs { pid: pid_in(&file) }),
                Err(TryLockError::Error(error)) => {
                    let path = path.display();
                    warn!(%path, %error, "this file system has no locks; nothing keeps two daemons from writing the same file");
                }
            }
            let id = file.metadata().map(|metadata| DirectoryId::of(&metadata));
            let id = id.map_err(|error| Error::new("look at", path, error, 0))?;
            let lock = Self { path: path.to_owned(), id, file };
            // Another one may have been put in its place before it was locked.
            if lock.stands_at(path) {
                lock.sign();
                return Ok(Asked::Ours(lock));
            }
        }
    }

    /// Asks for the lock on the file `path` itself, where none can be put beside it. `None` if
    /// there is no such file.
    pub(super) fn ask_for_itself(path: &Path) -> Result<Option<Asked>, Error> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::new("open", path, error, 0)),
        };
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Ok(Some(Asked::Theirs { pid: None }));
        }
        let id = file.metadata().map(|metadata| DirectoryId::of(&metadata));
        let id = id.map_err(|error| Error::new("look at", path, error, 0))?;
        Ok(Some(Asked::Ours(Self { path: path.to_owned(), id, file })))
    }

    /// Whether it is the lock that whoever asks for `path` would find held.
    pub(super) fn stands_at(&self, path: &Path) -> bool {
        self.path == path
            && fs::metadata(path).is_ok_and(|metadata| DirectoryId::of(&metadata) == self.id)
    }

    /// Says in the file who holds it, for whoever finds it held. On a full disk it can't.
    fn sign(&self) {
        let sign = |mut file: &File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        let _ = sign(&self.file);
    }
}

fn pid_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
