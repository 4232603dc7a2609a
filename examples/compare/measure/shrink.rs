//! Whether memory is given back: nine in ten instances go.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::bursts::until_right;
use crate::Result;
use crate::daemon::Daemon;
use crate::etcd::Etcd;
use crate::fleet::Fleet;

/// For how long the memory may take to be given back.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often to look.
const LOOK: Duration = Duration::from_millis(50);

/// What is resident, in bytes.
pub(crate) struct Shrink {
    pub(crate) after: u64,
    /// Of a daemon that knows only those that are left.
    pub(crate) fresh: u64,
}

pub(super) async fn measure(etcd: &Etcd, files: &Path, fleet: &mut Fleet) -> Result<Shrink> {
    let client = etcd.client().await?;
    let daemon = Daemon::ready(etcd.endpoint(), files, &["--guard-ratio", "1"])?;
    fleet.shrink(&client, fleet.size() / 10).await?;
    until_right(daemon.file(), &fleet.document()).await?;
    let beside = files.join("fresh");
    fs::create_dir(&beside)?;
    let fresh = Daemon::ready(etcd.endpoint(), &beside, &[])?.resident()?.0;
    let deadline = Instant::now() + PATIENCE;
    while daemon.resident()?.0 > fresh + fresh / 4 && Instant::now() < deadline {
        sleep(LOOK);
    }
    Ok(Shrink { after: daemon.resident()?.0, fresh })
}
