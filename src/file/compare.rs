//! What a file holds, and how it differs from what it should hold.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use thiserror::Error;

use super::error::Error;
use super::identity::Identity;
use crate::core::render::Document;

const BUFFER: usize = 256 << 10;

/// The longest file that is read as a whole, in bytes: some 25 million targets.
const LONGEST: u64 = 512 << 20;

/// How a file differs from the document that it should hold.
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
    /// It holds what it should, and its permissions are not those that were asked for, or its
    /// owner can't read it.
    #[error("its permissions were changed")]
    Access,
    /// A directory, a symlink or the like stands in its place.
    #[error("replaced by something that is not a regular file")]
    NotAFile,
}

impl Drift {
    /// What it is called where it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Emptied => "emptied",
            Self::Truncated { .. } => "truncated",
            Self::Edited { .. } => "edited",
            Self::Unreadable => "unreadable",
            Self::Access => "access",
            Self::NotAFile => "not_a_file",
        }
    }

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

/// How the file at `path` looks; `None` if there is none. Links are not followed.
pub(super) fn identity(path: &Path) -> Result<Option<Identity>, Error> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(Identity::of(&metadata))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new("look at", path, error, 0)),
    }
}

/// Reads a file as a whole; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let read = || match fs::metadata(path)? {
        other if !other.is_file() => Err(io::Error::other("it is not a regular file")),
        long if long.len() > LONGEST => Err(io::Error::other("it is longer than 512 MiB")),
        _ => fs::read(path),
    };
    match read() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new("read", path, error, 0)),
    }
}

/// Compares the file at `path` with `document`, byte by byte; `None` if they are equal. A file
/// that can't be read counts as drift: to replace it is what helps.
pub(super) fn compare(path: &Path, document: &Document) -> Result<Option<Drift>, Error> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Drift::Deleted)),
        Err(error) => return Err(Error::new("look at", path, error, 0)),
    };
    let bytes = metadata.len();
    if !metadata.is_file() {
        return Ok(Some(Drift::NotAFile));
    }
    if bytes == 0 {
        return Ok(Some(Drift::Emptied));
    }
    match File::open(path).and_then(|file| matches_up_to(file, document)) {
        Ok(matched) if matched == document.len() && matched as u64 == bytes => Ok(None),
        Ok(matched) if matched as u64 == bytes => Ok(Some(Drift::Truncated { bytes })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(Drift::Deleted)),
        Ok(_) => Ok(Some(Drift::Edited { bytes })),
        Err(_) => Ok(Some(Drift::Unreadable)),
    }
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
