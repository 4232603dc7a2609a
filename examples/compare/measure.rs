//! What is measured for one size.

mod bursts;
mod changes;
mod lists;
mod shrink;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::etcd::{Etcd, runtime};
use crate::fleet::Fleet;
use crate::{Arguments, Result};

pub(crate) use bursts::Burst;
pub(crate) use changes::Changes;
pub(crate) use lists::Lists;
pub(crate) use shrink::Shrink;

/// For how long to wait for a file.
const LIMIT: Duration = Duration::from_secs(60);

/// The figures of one size.
pub(crate) struct Figures {
    pub(crate) size: usize,
    /// Keys and values.
    pub(crate) raw_bytes: u64,
    pub(crate) document_bytes: u64,
    /// What a daemon with nothing to do has resident.
    pub(crate) idle: u64,
    pub(crate) lists: Lists,
    pub(crate) changes: Changes,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) shrink: Shrink,
    /// From the put to a file of the target directory, in the first size of the run.
    pub(crate) smallest_publish: Duration,
}

pub(crate) fn measure(etcd: &Etcd, size: usize, arguments: &Arguments) -> Result<Figures> {
    let runtime = runtime()?;
    let client = runtime.block_on(etcd.client())?;
    let files = tempfile::tempdir_in(&arguments.files)?;
    let files = files.path();
    let idle = idle(etcd, files)?;
    let mut fleet = Fleet::new(size);
    let raw_bytes = runtime.block_on(fleet.register(&client))? as u64;
    let document_bytes = fleet.document().len() as u64;
    let lists = lists::measure(etcd, files, arguments.lists)?;
    let changes = changes::measure(etcd, files, &mut fleet, arguments.changes);
    let changes = runtime.block_on(changes)?;
    let mut bursts = Vec::new();
    for &burst in &arguments.bursts {
        bursts.push(runtime.block_on(bursts::measure(etcd, files, &mut fleet, burst))?);
    }
    let shrink = runtime.block_on(shrink::measure(etcd, files, &mut fleet))?;
    Ok(Figures {
        size,
        raw_bytes,
        document_bytes,
        idle,
        lists,
        smallest_publish: changes.small_publish,
        changes,
        bursts,
        shrink,
    })
}

fn idle(etcd: &Etcd, files: &Path) -> Result<u64> {
    let daemon = Daemon::ready(etcd.endpoint(), files, &["--prefix", "/nothing"])?;
    Ok(daemon.resident()?.0)
}

fn inode(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)?.ino())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
