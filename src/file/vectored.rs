//! Vectored writes: the pieces of a document go to the kernel from where they are, many with each
//! call.

use std::io::{self, ErrorKind, IoSlice, Write};

/// Linux takes no more slices with one call.
const SLICES: usize = 1024;

/// Writes these slices one after the other.
pub(super) fn write_all<'b>(
    mut writer: impl Write,
    mut bytes: impl Iterator<Item = &'b [u8]>,
) -> io::Result<()> {
    let mut slices = Vec::with_capacity(SLICES);
    loop {
        slices.extend(bytes.by_ref().take(SLICES).map(IoSlice::new));
        if slices.is_empty() {
            return Ok(());
        }
        let mut left = &mut slices[..];
        // Empty ones are no end.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match writer.write_vectored(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        slices.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and is interrupted in between.
    struct Reluctant {
        taken: Vec<u8>,
        calls: usize,
    }

    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.calls += 1;
            if self.calls.is_multiple_of(3) {
                return Err(ErrorKind::Interrupted.into());
            }
            let bytes = slices.iter().flat_map(|slice| slice.iter().copied());
            let before = self.taken.len();
            self.taken.extend(bytes.take(self.calls * 7));
            Ok(self.taken.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_byte_is_written_once_however_few_are_taken_at_a_time() {
        let slices: Vec<Vec<u8>> = (0..=u8::MAX)
            .cycle()
            .take(3 * SLICES + 5)
            .map(|index| vec![index; usize::from(index % 5)])
            .collect();
        let mut reluctant = Reluctant { taken: Vec::new(), calls: 0 };
        write_all(&mut reluctant, slices.iter().map(Vec::as_slice)).expect("taken");
        assert!(reluctant.taken == slices.concat());
    }

    #[test]
    fn a_disk_that_takes_nothing_is_an_error() {
        let error = write_all(&mut [0u8; 3][..], [&b"ab"[..], b"", b"cd"].into_iter());
        assert_eq!(error.expect_err("there is no room").kind(), ErrorKind::WriteZero);
    }
}
