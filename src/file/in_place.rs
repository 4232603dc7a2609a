//! Writing a file in place, where it can't be replaced.
//!
//! A reader may come at any moment, and may not take a part for the whole: the first byte is
//! destroyed first, and written last. A file that begins with a NUL is neither JSON nor YAML, so
//! that Prometheus keeps the targets that it has. Whoever has begun to read before gets the time
//! to come to the end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom};
use std::iter;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::identity::{Access, Identity};
use super::vectored;
use crate::core::render::Document;

/// What an unfinished file begins with.
pub(super) const UNFINISHED: u8 = 0;

/// For how long the old bytes stay after the first one is gone. A file of a million targets is
/// read in less.
const TIME_TO_READ: Duration = Duration::from_millis(50);

/// Makes the file at `path` hold `document`. Returns how it looks afterwards.
pub(super) fn write(path: &Path, document: &Document, access: Access) -> io::Result<Identity> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    reserve(&file, document.len())?;
    let mut chunks = document.chunks();
    let (first, rest) = chunks.next().unwrap_or_default().split_at(1);
    file.write_all_at(&[UNFINISHED], 0)?;
    thread::sleep(TIME_TO_READ);
    file.seek(SeekFrom::Start(1))?;
    vectored::write_all(&file, iter::once(rest).chain(chunks))?;
    file.set_len(document.len() as u64)?;
    // What may be mounted by somebody else may belong to somebody else.
    match access.apply(&file) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    file.sync_all()?;
    file.write_all_at(first, 0)?;
    // At once: what somebody else does to it from now on must not pass for our own work.
    let identity = Identity::of(&file.metadata()?);
    file.sync_all()?;
    Ok(identity)
}

/// Sees to it that there is room for all of it before the old bytes are touched.
fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    match fallocate(file, FallocateFlags::KEEP_SIZE, 0, bytes as u64) {
        Err(error) if is_no_room(error) => Err(error.into()),
        // Not every file system can.
        _ => Ok(()),
    }
}

/// Whether a write of so much would fail as well.
fn is_no_room(error: Errno) -> bool {
    matches!(error, Errno::NOSPC | Errno::DQUOT | Errno::FBIG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_for_whatever_reason_is_found_before_the_old_bytes_are_touched() {
        for error in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            assert!(is_no_room(error), "{error}");
        }
        for error in [Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL] {
            assert!(!is_no_room(error), "{error}");
        }
    }
}
