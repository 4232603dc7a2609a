//! Temporary files in `.etcd-sd/`: where a document is written before it is renamed over its
//! file.
//!
//! Prometheus watches the directory of its files and reads all of them again at any event in
//! it: staging in a subdirectory, which it does not watch, makes one event a publish. The
//! names end in `.tmp`, which the patterns of `file_sd_configs` can't match, and begin with the
//! name of the file, so that what a dead process has left can be told from what is another
//! one's.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use super::STAGING;
use super::error::Error;
use super::identity::{Access, Identity};
use super::lock::is_free;
use super::vectored;
use crate::core::render::Document;

const TEMPORARY: &str = ".tmp";

/// How many characters of a temporary name are drawn, and a dot before them.
const DRAWN: usize = 1 + 6;

/// The longest part of the file's name that a temporary name begins with, in bytes.
const LONGEST: usize = 200;

/// From when on a temporary file of another target file is old.
const OLD: Duration = Duration::from_secs(60);

/// The staging directory of the files in `directory`; made if it is not there.
pub(super) fn staging(directory: &Path) -> Result<PathBuf, Error> {
    let staging = directory.join(STAGING);
    match fs::create_dir(&staging) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Error::new("create", &staging, error, 0))
        }
        _ => Ok(staging),
    }
}

/// A synced temporary file with the document, to be renamed to `name`, and how it looks; gone
/// again if it is dropped.
pub(super) fn stage(
    staging: &Path,
    name: &str,
    document: &Document,
    access: Access,
) -> Result<(NamedTempFile, Identity), Error> {
    let stage = || {
        let staged = write(staging, name, document.chunks(), access)?;
        let looks = sync(&staged)?;
        Ok((staged, looks))
    };
    stage().map_err(|error: io::Error| Error::new("write to", staging, error, document.len()))
}

/// A temporary file with these bytes, to be [synced](sync) and renamed to `name`; gone again if
/// it is dropped.
pub(super) fn write<'b>(
    staging: &Path,
    name: &str,
    bytes: impl Iterator<Item = &'b [u8]>,
    access: Access,
) -> io::Result<NamedTempFile> {
    let prefix = format!("{}.", cut(name));
    let mut builder = tempfile::Builder::new();
    let staged = builder.prefix(&prefix).suffix(TEMPORARY).tempfile_in(staging)?;
    // Where locks are not supported, what a dead process leaves is left.
    let _ = staged.as_file().try_lock();
    vectored::write_all(staged.as_file(), bytes)?;
    access.apply(staged.as_file())?;
    Ok(staged)
}

/// Makes its bytes survive a power cut. Returns how it looks.
pub(super) fn sync(staged: &NamedTempFile) -> io::Result<Identity> {
    staged.as_file().sync_all()?;
    Ok(Identity::of(&staged.as_file().metadata()?))
}

/// Removes the temporary files of processes that died while they wrote: at once those for
/// `name`, which is this process's own file, and those for others once they are old. Another
/// living process locks its files a moment after it has made them.
pub(super) fn remove_leftovers(directory: &Path, name: &str) -> Result<(), Error> {
    let staging = directory.join(STAGING);
    let entries = match fs::read_dir(&staging) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::new("read", &staging, error, 0)),
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let Some(found) = entry.file_name().to_str().map(ToOwned::to_owned) else { continue };
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let is_due = is_temporary(&found, name)
            || (found.ends_with(TEMPORARY)
                && metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= OLD)));
        // Whoever writes one holds its lock for as long as it lives.
        let is_left = is_due && metadata.is_file() && is_free(&path);
        if is_left && let Err(error) = fs::remove_file(&path) {
            return Err(Error::new("remove", &path, error, 0));
        }
    }
    Ok(())
}

/// Whether `found` is a temporary name for `name`.
fn is_temporary(found: &str, name: &str) -> bool {
    let rest = found.strip_suffix(TEMPORARY).and_then(|rest| rest.strip_prefix(cut(name)));
    rest.is_some_and(|rest| rest.len() == DRAWN && rest.starts_with('.'))
}

fn cut(name: &str) -> &str {
    let end = (0..=LONGEST.min(name.len())).rev().find(|&end| name.is_char_boundary(end));
    &name[..end.unwrap_or_default()]
}
