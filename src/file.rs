//! The target file on disk: looking at it, and replacing it atomically.
//!
//! A document is written to a temporary file in `.etcd-sd/` beside the target, synced, and
//! renamed over the target; then the directory is synced. So whoever opens the target gets
//! one whole document, also after a power cut. Prometheus watches the target's directory
//! and reads everything again at any event in it: staging in a subdirectory, which it does
//! not watch, makes one event a publish. The temporary name ends in `.tmp`, which the
//! patterns of `file_sd_configs` can't match.
//!
//! Everything here blocks: call it where that is allowed. The only module that does file I/O.

mod identity;
mod link;
mod small;

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use thiserror::Error;

use crate::core::render::Document;

pub use identity::{DirectoryId, Identity, Mode};
pub use link::Route;
pub use small::read_small;

/// Of the subdirectory that holds temporary files.
pub const STAGING: &str = ".etcd-sd";

/// The ending of temporary files.
const TEMPORARY: &str = "tmp";

const BUFFER: usize = 256 << 10;

/// The longest file that is read as a whole, in bytes: some 25 million targets.
const LONGEST: u64 = 512 << 20;

/// The file that Prometheus reads.
#[derive(Clone, Debug)]
pub struct TargetFile {
    path: PathBuf,
}

/// What could not be done to which path.
#[derive(Debug, Error)]
#[error("cannot {operation} {}", path.display())]
pub struct Error {
    operation: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A file that has been replaced.
#[derive(Debug)]
pub struct Replaced {
    /// How it looks now.
    pub identity: Identity,
    /// Why the replacement may not survive a power cut.
    pub unsynced: Option<Error>,
}

/// How the file differs from the document that it should hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Drift {
    /// There is no file.
    #[error("deleted")]
    Deleted,
    /// It has no bytes.
    #[error("truncated to 0 bytes")]
    Emptied,
    /// It ends in the middle of the document.
    #[error("truncated to {bytes} bytes")]
    Truncated {
        /// Its length.
        bytes: u64,
    },
    /// It holds something else.
    #[error("edited or replaced, {bytes} bytes")]
    Edited {
        /// Its length.
        bytes: u64,
    },
    /// It can't be read.
    #[error("made unreadable")]
    Unreadable,
    /// A directory, a symlink or the like stands in its place.
    #[error("replaced by something that is not a regular file")]
    NotAFile,
}

impl TargetFile {
    /// `path` must have a file name; its directory must exist by the time of a publish.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that holds it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    /// Tells the directory from another one of the same path.
    pub fn directory_id(&self) -> Result<DirectoryId, Error> {
        match fs::metadata(self.directory()) {
            Ok(metadata) => Ok(DirectoryId { device: metadata.dev(), inode: metadata.ino() }),
            Err(error) => Err(self.error("look at the directory of", error)),
        }
    }

    /// How the file looks; `None` if there is none.
    pub fn identity(&self) -> Result<Option<Identity>, Error> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) => Ok(Some(Identity::of(&metadata))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("look at", error)),
        }
    }

    /// The bytes that Prometheus reads there, be it through a symlink; `None` if there is no
    /// file.
    pub fn read(&self) -> Result<Option<Vec<u8>>, Error> {
        let read = || match fs::metadata(&self.path)? {
            other if !other.is_file() => Err(io::Error::other("it is not a regular file")),
            long if long.len() > LONGEST => Err(io::Error::other("it is longer than 512 MiB")),
            _ => fs::read(&self.path),
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.error("read", error)),
        }
    }

    /// Compares the file with `document`, byte by byte; `None` if they are equal. A file that
    /// can't be read counts as drift: to replace it is what helps.
    pub fn compare(&self, document: &Document) -> Result<Option<Drift>, Error> {
        let metadata = match fs::symlink_metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(Drift::Deleted));
            }
            Err(error) => return Err(self.error("look at", error)),
        };
        let bytes = metadata.len();
        if !metadata.is_file() {
            return Ok(Some(Drift::NotAFile));
        }
        if bytes == 0 {
            return Ok(Some(Drift::Emptied));
        }
        match File::open(&self.path).and_then(|file| matches_up_to(file, document)) {
            Ok(matched) if matched == document.len() && matched as u64 == bytes => Ok(None),
            Ok(matched) if matched as u64 == bytes => Ok(Some(Drift::Truncated { bytes })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Drift::Deleted)),
            Ok(_) => Ok(Some(Drift::Edited { bytes })),
            Err(_) => Ok(Some(Drift::Unreadable)),
        }
    }

    /// Makes the file hold `document` with these permissions, from one instant to the next.
    pub fn replace(&self, document: &Document, mode: Mode) -> Result<Replaced, Error> {
        let staging = self.directory().join(STAGING);
        if let Err(error) = fs::create_dir(&staging)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(Error { operation: "create", path: staging, source: error });
        }
        let (staged, before) = stage(&staging, document, mode).map_err(|error| Error {
            operation: "write to",
            path: staging,
            source: error,
        })?;
        let file =
            staged.persist(&self.path).map_err(|error| self.error("replace", error.error))?;
        // From here on the document is in the file, whatever fails.
        let synced = File::open(self.directory()).and_then(|directory| directory.sync_all());
        let unsynced = synced.map_err(|error| self.error("sync the directory of", error)).err();
        let after = file.metadata().map(|metadata| Identity::of(&metadata));
        let identity = after.map_or(before, |after| before.after_rename(after));
        Ok(Replaced { identity, unsynced })
    }

    /// Removes the temporary files of processes that died while they wrote.
    pub fn remove_leftovers(&self) -> Result<(), Error> {
        let staging = self.directory().join(STAGING);
        let entries = match fs::read_dir(&staging) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error { operation: "read", path: staging, source: error }),
        };
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let is_ours = path.extension().is_some_and(|ending| ending == TEMPORARY);
            let is_file = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
            // Whoever writes one holds its lock for as long as it lives.
            let is_left =
                is_ours && is_file && File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_left && let Err(error) = fs::remove_file(&path) {
                return Err(Error { operation: "remove", path, source: error });
            }
        }
        Ok(())
    }

    fn error(&self, operation: &'static str, source: io::Error) -> Error {
        Error { operation, path: self.path.clone(), source }
    }
}

impl Drift {
    /// What can be told of a file without reading it.
    #[must_use]
    pub fn by_looks(seen: Option<Identity>) -> Self {
        match seen {
            None => Self::Deleted,
            Some(Identity { bytes: 0, .. }) => Self::Emptied,
            Some(Identity { bytes, .. }) => Self::Edited { bytes },
        }
    }
}

/// A synced temporary file with the document and the mode, and how it looks; gone again if
/// it is dropped.
fn stage(staging: &Path, document: &Document, mode: Mode) -> io::Result<(NamedTempFile, Identity)> {
    let suffix = format!(".{TEMPORARY}");
    let staged = tempfile::Builder::new().prefix("").suffix(&suffix).tempfile_in(staging)?;
    // Where locks are not supported, what a dead process leaves is left.
    let _ = staged.as_file().try_lock();
    let mut writer = BufWriter::with_capacity(BUFFER, staged.as_file());
    for chunk in document.chunks() {
        writer.write_all(chunk)?;
    }
    writer.flush()?;
    drop(writer);
    staged.as_file().set_permissions(Permissions::from_mode(mode.0))?;
    staged.as_file().sync_all()?;
    let looks = Identity::of(&staged.as_file().metadata()?);
    Ok((staged, looks))
}

/// How many bytes of the file are those of the document, from the start on.
fn matches_up_to(file: File, document: &Document) -> io::Result<usize> {
    let mut reader = BufReader::with_capacity(BUFFER, file);
    let mut buffer = vec![0; BUFFER];
    let mut matched = 0;
    for chunk in document.chunks() {
        for part in chunk.chunks(BUFFER) {
            let read = read_full(&mut reader, &mut buffer[..part.len()])?;
            let equal = part.iter().zip(&buffer[..read]).take_while(|(a, b)| a == b).count();
            matched += equal;
            if equal < part.len() {
                return Ok(matched);
            }
        }
    }
    Ok(matched)
}

fn read_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests;
