//! A file that grows by lines, and is rotated: `PATH.1` is the youngest of the old ones.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::Error;

/// Readable by a group that may follow it, and by nobody else: keys and labels can be private.
const MODE: u32 = 0o640;

/// So many rotated files are looked for.
const MOST_ROTATED: usize = 1000;

/// A first line that is longer is none of ours.
const LONGEST_FIRST_LINE: u64 = 1 << 20;

/// Of a line that is longer each part counts as a line: whatever is read, it has room in memory.
const LONGEST_LINE: u64 = 64 << 20;

/// A journal that is written to.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    file: File,
    /// Whether only a part of the last line could be written.
    is_mid_line: bool,
    /// Only a regular file is rotated, or replaced by others.
    regular: Option<Regular>,
}

#[derive(Debug)]
struct Regular {
    inode: (u64, u64),
    size: u64,
}

impl JournalFile {
    /// Makes sure that what stands at `path` may be written to: nothing, or a file whose first
    /// line `is_line` knows.
    pub fn vouch(path: &Path, is_line: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
        let fail = |error| Error::new("read the journal", path, error, 0);
        match fs::metadata(path) {
            // A pipe is not read from.
            Ok(metadata) if !metadata.is_file() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(fail(error)),
        }
        let mut first = Vec::new();
        let file = File::open(path).map_err(fail)?.take(LONGEST_FIRST_LINE);
        BufReader::new(file).read_until(b'\n', &mut first).map_err(fail)?;
        // One that was cut short by a crash is a part of its only line.
        let is_cut = first.last() != Some(&b'\n') && first.starts_with(b"{\"time\":\"");
        if first.is_empty() || is_cut || is_line(first.trim_ascii_end()) {
            return Ok(());
        }
        Err(Error::NoJournal { path: path.to_owned() })
    }

    /// Opens it, and makes it if there is none. A last line that a crash has left unfinished is
    /// ended.
    pub fn open(path: &Path, is_line: impl Fn(&[u8]) -> bool) -> Result<Self, Error> {
        Self::vouch(path, is_line)?;
        Self::try_open(path).map_err(|error| Error::new("open the journal", path, error, 0))
    }

    fn try_open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        // Nobody waits for the reader of a pipe.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        options.append(true).create(true).mode(MODE).custom_flags(flags);
        let mut file = options.open(path)?;
        let metadata = file.metadata()?;
        let mut regular = None;
        if metadata.is_file() {
            let inode = (metadata.dev(), metadata.ino());
            let mut size = metadata.len();
            if size > 0 {
                let mut last = [0];
                let mut reader = File::open(path)?;
                reader.seek(SeekFrom::End(-1))?;
                reader.read_exact(&mut last)?;
                if last != [b'\n'] {
                    file.write_all(b"\n")?;
                    size += 1;
                }
            }
            regular = Some(Regular { inode, size });
        }
        Ok(Self { path: path.to_owned(), file, is_mid_line: false, regular })
    }

    /// Appends `lines`, and takes out of them what has got there, also if that is not all.
    pub fn append(&mut self, lines: &mut Vec<u8>) -> Result<(), Error> {
        let mut written = 0;
        let mut failed = None;
        while written < lines.len() {
            match self.file.write(&lines[written..]) {
                Ok(0) => failed = Some(ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => failed = Some(error),
            }
            if failed.is_some() {
                break;
            }
        }
        if let Some(last) = written.checked_sub(1) {
            self.is_mid_line = lines[last] != b'\n';
        }
        lines.drain(..written);
        if let Some(regular) = &mut self.regular {
            regular.size += written as u64;
        }
        let left = lines.len();
        failed.map_or(Ok(()), |error| Err(Error::new("write the journal", &self.path, error, left)))
    }

    /// Whether only a part of the last line has got there: the rest of it is to come next.
    #[must_use]
    pub fn is_mid_line(&self) -> bool {
        self.is_mid_line
    }

    /// Its length in bytes; 0 if it is no regular file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.regular.as_ref().map_or(0, |regular| regular.size)
    }

    /// Whether it still stands at its path: somebody may have moved or removed it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let Some(regular) = &self.regular else { return true };
        let found = fs::metadata(&self.path).map(|found| (found.dev(), found.ino()));
        found.is_ok_and(|found| found == regular.inode)
    }

    /// Makes sure that what was written survives a power cut.
    pub fn sync(&self) -> Result<(), Error> {
        if self.regular.is_none() {
            return Ok(());
        }
        self.file.sync_data().map_err(|error| Error::new("sync the journal", &self.path, error, 0))
    }

    /// Moves the file out of the way of a new one, and so each older one; `keep` of them stay.
    pub fn rotate(&mut self, keep: usize, is_line: impl Fn(&[u8]) -> bool) -> Result<(), Error> {
        let oldest = rotated(&self.path, keep);
        if keep > 0 {
            Self::vouch(&oldest, is_line)?;
        }
        let fail = |path: &Path, error| Err(Error::new("rotate the journal", path, error, 0));
        for number in (1..keep).rev() {
            let path = rotated(&self.path, number);
            match fs::rename(&path, rotated(&self.path, number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return fail(&path, error),
                _ => {}
            }
        }
        let moved = match keep {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, rotated(&self.path, 1)),
        };
        if let Err(error) = moved {
            return fail(&self.path, error);
        }
        let opened = Self::try_open(&self.path);
        *self = opened.map_err(|error| Error::new("open the journal", &self.path, error, 0))?;
        Ok(())
    }
}

/// The files of a journal that are there, the oldest first.
pub fn journal_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files: Vec<_> = (1..=MOST_ROTATED)
        .map(|number| rotated(path, number))
        .take_while(|path| fs::exists(path).unwrap_or(false))
        .collect();
    files.reverse();
    let is_there = fs::exists(path).map_err(|error| Error::new("read the journal", path, error, 0));
    if is_there? {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// The lines of a file, without their ends.
pub fn read_lines(path: PathBuf) -> Result<impl Iterator<Item = Result<Vec<u8>, Error>>, Error> {
    let file =
        File::open(&path).map_err(|error| Error::new("read the journal", &path, error, 0))?;
    let mut file = BufReader::new(file);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        match file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => {
                line.pop_if(|last| *last == b'\n');
                Some(Ok(line))
            }
            Err(error) => Some(Err(Error::new("read the journal", &path, error, 0))),
        }
    }))
}

fn rotated(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ours(line: &[u8]) -> bool {
        line.starts_with(b"ours")
    }

    fn append(file: &mut JournalFile, text: &str) {
        let mut lines = text.as_bytes().to_vec();
        file.append(&mut lines).expect("written");
        assert!(lines.is_empty());
    }

    #[test]
    fn a_journal_goes_on_where_it_stopped_and_ends_a_line_that_a_crash_has_cut() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        append(&mut JournalFile::open(&path, ours).expect("made"), "ours 1\nours 2\nou");
        let mut file = JournalFile::open(&path, ours).expect("opened");
        append(&mut file, "ours 3\n");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "ours 1\nours 2\nou\nours 3\n");
        assert_eq!(file.size(), 24);
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777 & !MODE, 0, "{mode:o}");
    }

    #[test]
    fn what_is_no_journal_is_left_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        fs::write(&path, "somebody's\n").expect("written");
        let error = JournalFile::open(&path, ours).expect_err("another one's");
        assert!(matches!(error, Error::NoJournal { .. }), "{error}");
        assert_eq!(fs::read(&path).expect("a file"), b"somebody's\n");
    }

    #[test]
    fn of_rotated_files_the_youngest_stay() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("journal");
        let mut file = JournalFile::open(&path, ours).expect("made");
        for number in 1..=5 {
            append(&mut file, &format!("ours {number}\n"));
            file.rotate(2, ours).expect("rotated");
            assert_eq!((file.size(), file.is_there()), (0, true));
        }
        append(&mut file, "ours 6\n");
        let mut lines = Vec::new();
        for file in journal_files(&path).expect("files") {
            lines.extend(read_lines(file).expect("a file").map(|line| line.expect("a line")));
        }
        assert_eq!(lines, [b"ours 4", b"ours 5", b"ours 6"]);
        fs::write(rotated(&path, 2), "somebody's\n").expect("written");
        assert!(file.rotate(2, ours).is_err());
        assert!(file.is_there());
        fs::rename(&path, directory.path().join("moved")).expect("moved");
        assert!(!file.is_there());
    }
}
