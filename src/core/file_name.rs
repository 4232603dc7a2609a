//! File names in a target directory: which file is a service's, and which service is a file's?
//!
//! A service may have any name, a file may not. So of the name's bytes only `a-z`, `0-9`, `-`, `_`
//! and `.` stand for themselves; each other one is `%` and two hex digits in lower case, and so is
//! a first byte that would hide the file, make it look like an option, or begin the name of a
//! Windows device (`con`, `con.x`). Then comes `.json`, which `file_sd_configs` reads:
//!
//! ```text
//! node_exporter   node_exporter.json
//! API             %41%50%49.json         names that differ in case alone never meet
//! ..              %2e..json
//! a b             a%20b.json
//! ```
//!
//! A name that would get longer than 200 bytes is cut: the first 100 bytes of it at most (no
//! escape is cut), `~`, and the SHA-256 of the service in hex. Such a file name does not say the
//! whole service, but the label `job` in the file does. All others are read back by undoing the
//! escapes.

use std::fmt;

use sha2::{Digest, Sha256};

const ENDING: &str = ".json";

/// The longest file name, in bytes. File systems take 255: the rest is for what backups and
/// copies add to names.
pub const LONGEST: usize = 200;

/// How much of an encoded service stands before the digest, in bytes.
const KEPT: usize = 100;

/// Stands between the two; in no other file name.
const MARK: char = '~';

/// Of a digest in hex.
const DIGITS: usize = 64;

/// The name of a service's file, without a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(Box<str>);

/// What a file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// The service.
    Service(String),
    /// Only that the service has a long name: the manifest and the label `job` tell it.
    Digest,
}

impl FileName {
    /// The file of `service`. No two services have the same, not even where file names that
    /// differ in case are one.
    #[must_use]
    pub fn encode(service: &str) -> Self {
        let mut name = escaped(service.as_bytes());
        // The empty name, which no service has, must not make a hidden file.
        if name.is_empty() || name.len() + ENDING.len() > LONGEST {
            name.truncate(cut(&name));
            name.push(MARK);
            for byte in Sha256::digest(service) {
                push_hex(&mut name, byte);
            }
        }
        name.push_str(ENDING);
        Self(name.into())
    }

    /// The service of the file called `name`; `None` if no service's file is.
    #[must_use]
    pub fn decode(name: &str) -> Option<Decoded> {
        let stem = name.strip_suffix(ENDING)?;
        match stem.split_once(MARK) {
            None => {
                let service = String::from_utf8(unescaped(stem)?).ok()?;
                (Self::encode(&service).as_str() == name).then_some(Decoded::Service(service))
            }
            Some((start, digest)) => {
                let is_cut = is_cut(start) || Self::encode("").as_str() == name;
                (is_cut && is_digest(digest)).then_some(Decoded::Digest)
            }
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escaped(service: &[u8]) -> String {
    let mut name = String::with_capacity(service.len() + MARK.len_utf8() + DIGITS + ENDING.len());
    for (at, &byte) in service.iter().enumerate() {
        if is_plain(byte) && !(at == 0 && is_special(service)) {
            name.push(char::from(byte));
        } else {
            name.push('%');
            push_hex(&mut name, byte);
        }
    }
    name
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.')
}

/// Whether a name that begins so means more than itself.
fn is_special(service: &[u8]) -> bool {
    let stem = service.split(|&byte| byte == b'.').next().unwrap_or_default();
    match stem {
        [] | [b'-', ..] | b"con" | b"prn" | b"aux" | b"nul" => true,
        [b'c', b'o', b'm', digit] | [b'l', b'p', b't', digit] => digit.is_ascii_digit(),
        _ => false,
    }
}

/// How much of an encoded name is kept before a digest.
fn cut(name: &str) -> usize {
    let kept = &name[..name.len().min(KEPT)];
    let begun = kept.rfind('%').filter(|at| at + 3 > kept.len());
    begun.unwrap_or(kept.len())
}

/// Whether `start` is what a cut leaves of some long name.
fn is_cut(start: &str) -> bool {
    let is_utf8 = |bytes: &[u8]| {
        // A character may have been cut, but none in the middle is broken.
        str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
    };
    (KEPT - 2..=KEPT).contains(&start.len())
        && unescaped(start).is_some_and(|bytes| is_utf8(&bytes) && escaped(&bytes) == start)
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| hex(byte).is_some())
}

/// The bytes that an encoded name stands for, be it one that [`escaped`] would not make.
fn unescaped(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            plain => plain,
        });
    }
    Some(bytes)
}

fn push_hex(text: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for digit in [byte >> 4, byte & 0xf] {
        text.push(char::from(HEX[usize::from(digit)]));
    }
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
