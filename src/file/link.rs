//! Symbolic links: a target file may be one, and stays one.
//!
//! The document is written to the file that the link leads to. Prometheus watches the directory
//! of the link, and sees nothing of that if it is another one: then the link itself is made
//! anew, the same as before, which is one event in its directory.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::directory_of;
use super::error::Error;
use super::stage::staging;

/// As many as the kernel follows.
const MOST: usize = 40;

/// The path and all that it leads to, link by link: the last one is no link, and need not
/// exist.
pub(super) fn follow(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut hops = vec![path.to_owned()];
    while hops.len() <= MOST {
        let last = &hops[hops.len() - 1];
        match fs::read_link(last) {
            Ok(to) => hops.push(directory_of(last).join(to)),
            // What is no link, and what is not there.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::NotFound) => {
                return Ok(hops);
            }
            Err(error) => return Err(Error::new("follow", last, error, 0)),
        }
    }
    let error = io::Error::other("the symbolic links lead in a circle, or are more than 40");
    Err(Error::new("follow", path, error, 0))
}

/// Causes one event in the directory of `link`.
pub(super) fn touch(link: &Path) -> Result<(), Error> {
    let fail = |error| Error::new("make anew the link", link, error, 0);
    let to = fs::read_link(link).map_err(fail)?;
    let staging = staging(directory_of(link))?;
    let fail_staged = |error| Error::new("write to", &staging, error, 0);
    let made = tempfile::Builder::new()
        .prefix("link.")
        .suffix(".tmp")
        .make_in(&staging, |path| symlink(&to, path))
        .map_err(fail_staged)?;
    match exchange(made.path(), link) {
        Ok(()) => {}
        // Not every file system can.
        Err(_) => return made.persist(link).map(drop).map_err(|error| fail(error.error)),
    }
    if fs::read_link(made.path()).ok() != Some(to) {
        // Somebody has changed the link at this very moment: that is what shall stand.
        exchange(made.path(), link).map_err(fail)?;
    }
    Ok(())
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}
