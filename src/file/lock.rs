//! An advisory lock: of several processes that would write the same file, one does.
//!
//! The lock is on a file of its own, held for as long as its owner lives, and ends with it
//! however that dies. The file is never removed, so that two processes can't hold locks on two
//! files of the same name; if somebody else removes it, its owner takes the lock anew.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
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
    _file: File,
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
        Self::ask_by(path, File::try_lock)
    }

    fn ask_by(path: &Path, lock: TryLock) -> Result<Asked, Error> {
        loop {
            let file = open(path).map_err(|error| Error::new("open", path, error, 0))?;
            let (file, locked) = exclusively(file, path, lock);
            match locked {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Asked::Theirs { pid: pid_in(&file) }),
                Err(TryLockError::Error(error)) => {
                    let path = path.display();
                    warn!(%path, %error, "this file system has no locks; nothing keeps two daemons from writing the same file");
                }
            }
            let id = file.metadata().map(|metadata| DirectoryId::by(&metadata));
            let id = id.map_err(|error| Error::new("look at", path, error, 0))?;
            let lock = Self { path: path.to_owned(), id, _file: file };
            // Another one may have been put in its place before it was locked.
            if lock.stands_at(path) {
                // On a full disk it can't be said who holds it.
                let _ = fs::write(path, format!("{}\n", std::process::id()));
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
        let id = file.metadata().map(|metadata| DirectoryId::by(&metadata));
        let id = id.map_err(|error| Error::new("look at", path, error, 0))?;
        Ok(Some(Asked::Ours(Self { path: path.to_owned(), id, _file: file })))
    }

    /// Whether it is the lock that whoever asks for `path` would find held.
    pub(super) fn stands_at(&self, path: &Path) -> bool {
        self.path == path
            && fs::metadata(path).is_ok_and(|metadata| DirectoryId::by(&metadata) == self.id)
    }
}

/// How a file is locked: as [`File::try_lock`] does.
type TryLock = fn(&File) -> Result<(), TryLockError>;

/// Whether nobody has the lock on the file `path`.
pub(super) fn is_free(path: &Path) -> bool {
    open_if_there(path).is_ok_and(|file| exclusively(file, path, File::try_lock).1.is_ok())
}

/// Locks a file that is open for reading. Network file systems lock only one that is open for
/// writing as well.
fn exclusively(file: File, path: &Path, lock: TryLock) -> (File, Result<(), TryLockError>) {
    let locked = lock(&file);
    match locked {
        Err(TryLockError::Error(ref error)) if is_bad_descriptor(error) => {
            match OpenOptions::new().read(true).write(true).open(path) {
                Ok(file) => {
                    let locked = lock(&file);
                    (file, locked)
                }
                Err(_) => (file, locked),
            }
        }
        locked => (file, locked),
    }
}

fn is_bad_descriptor(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::BADF.raw_os_error())
}

/// Opens a lock file. For reading, where that will do: one that is open for writing keeps its
/// file system from being mounted read-only.
fn open(path: &Path) -> io::Result<File> {
    match open_if_there(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => return opened,
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => open_if_there(path),
    }
}

/// Without waiting for the other end, should it be a pipe.
fn open_if_there(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn pid_in(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NFS does it.
    fn only_if_writable(file: &File) -> Result<(), TryLockError> {
        let flags = rustix::fs::fcntl_getfl(file).expect("an open file");
        if flags.contains(OFlags::RDWR) {
            return file.try_lock();
        }
        Err(TryLockError::Error(Errno::BADF.into()))
    }

    #[test]
    fn a_file_system_that_locks_only_what_may_be_written_keeps_two_daemons_apart_as_well() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.json.lock");
        let ask = || Lock::ask_by(&path, only_if_writable).expect("asked");
        let first = ask();
        assert!(matches!(first, Asked::Ours(_)), "{first:?}");
        assert!(matches!(ask(), Asked::Theirs { .. }));
        drop(first);
        assert!(matches!(ask(), Asked::Ours(_)));
    }

    #[test]
    fn a_pipe_in_the_place_of_the_lock_holds_nobody_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("t.json.lock");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        let first = Lock::ask(&path).expect("asked");
        assert!(matches!(first, Asked::Ours(_)), "{first:?}");
        assert!(matches!(Lock::ask(&path).expect("asked"), Asked::Theirs { .. }));
    }
}
