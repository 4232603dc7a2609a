//! Small files that somebody else keeps: certificates, keys, passwords.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// A bundle of all public authorities is a quarter of this.
const LARGEST: u64 = 1 << 20;

/// Reads a file as a whole. It must be a regular one, or a link to one, since it is read again
/// and again, which a pipe can't give; and no larger than 1 MiB. Blocks.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file, which could be read again later"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
