//! The corpus: one file a case.

use std::fs;
use std::path::Path;

/// What values to begin with.
pub(crate) fn values() -> Vec<Vec<u8>> {
    read("values")
}

/// What keys to begin with.
pub(crate) fn keys() -> Vec<Vec<u8>> {
    read("keys")
}

fn read(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(kind);
    let mut paths: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // The same seed makes the same case.
    paths.sort();
    assert!(paths.len() > 20, "{} has {} files", folder.display(), paths.len());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
