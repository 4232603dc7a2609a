//! The file side against the file system, other programs, other copies of the daemon, and
//! Prometheus' own way of watching.
//!
//! What these tests mount, and what they do as another user, needs root; without it they are
//! skipped, and say so by name.

mod kills;

use std::fs;

use crate::support::file::TargetFile;

/// Beside the target file, for what the daemon keeps there.
const STAGE: &str = ".etcd-sd";

/// Every change is published at once, and whatever is removed.
const AT_ONCE: [&str; 4] = ["--debounce", "0", "--guard-ratio", "1"];

/// Temporary files that nobody will rename any more, if the daemon has stopped.
fn leftovers(file: &TargetFile) -> Vec<String> {
    let names = fs::read_dir(file.directory().join(STAGE)).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.into_string().unwrap()
    });
    names.filter(|name| name.ends_with(".tmp")).collect()
}
