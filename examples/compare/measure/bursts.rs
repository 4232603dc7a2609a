//! Many changes at full speed, seen by a bare watch and by the daemon at the same time.

use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use super::{LIMIT, inode};
use crate::Result;
use crate::bare::Watcher;
use crate::daemon::Daemon;
use crate::etcd::{Etcd, runtime};
use crate::fleet::{Fleet, PREFIX};
use crate::process::thread_cpu;

/// How often to look whether the file is right.
const LOOK: Duration = Duration::from_millis(1);

pub(crate) struct Burst {
    pub(crate) changes: usize,
    /// How long etcd took to take them.
    pub(crate) load: Duration,
    /// From the last acknowledgement to the file that has all of them.
    pub(crate) lag: Duration,
    pub(crate) cpu: Duration,
    pub(crate) publishes: usize,
    pub(crate) bare: Counted,
}

/// What a watch that only counts has used, and in how many messages the events came.
pub(crate) struct Counted {
    pub(crate) cpu: Duration,
    pub(crate) messages: usize,
    /// From the last acknowledgement to the last event.
    pub(crate) lag: Duration,
}

pub(super) async fn measure(
    etcd: &Etcd,
    files: &Path,
    fleet: &mut Fleet,
    changes: usize,
) -> Result<Burst> {
    let client = etcd.client().await?;
    let mut daemon = Daemon::ready(etcd.endpoint(), files, &[])?;
    let counting = count(etcd.endpoint().to_owned(), changes)?;
    let wanted = fleet.after(changes).document();
    let before = daemon.cpu()?;
    let (ended, load) = fleet.burst(&client, changes).await?;
    let right = until_right(daemon.file(), &wanted).await?;
    let (mut bare, seen) = counting.join().ok().flatten().ok_or("the bare watch has failed")?;
    bare.lag = seen.saturating_duration_since(ended);
    let cpu = daemon.cpu_since(&before)?;
    // It says so once the directory is synced.
    daemon.logs("published")?;
    Ok(Burst {
        changes,
        load,
        lag: right.saturating_duration_since(ended),
        cpu,
        publishes: 1 + daemon.count("published"),
        bare,
    })
}

/// When the file came to be that holds exactly this.
pub(super) async fn until_right(file: &Path, wanted: &str) -> Result<Instant> {
    let deadline = Instant::now() + LIMIT;
    let mut read = None;
    loop {
        let (now, there) = (Instant::now(), inode(file)?);
        if read.replace(there) != Some(there) && fs::read(file)? == wanted.as_bytes() {
            return Ok(now);
        }
        if now > deadline {
            return Err("a burst was never published".into());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Counts on a thread of its own, connection and all: its time is measured alone.
fn count(endpoint: String, events: usize) -> Result<JoinHandle<Option<(Counted, Instant)>>> {
    let (ready, is_ready) = channel();
    let counting = spawn(move || {
        runtime().ok()?.block_on(async {
            let mut watcher = Watcher::start(&endpoint, PREFIX).await.ok()?;
            ready.send(()).ok()?;
            let before = thread_cpu().ok()?;
            let (mut left, mut messages) = (events, 0);
            while left > 0 {
                left = left.saturating_sub(watcher.next().await.ok()?);
                messages += 1;
            }
            let seen = Instant::now();
            let cpu = thread_cpu().ok()?.saturating_sub(before);
            Some((Counted { cpu, messages, lag: Duration::ZERO }, seen))
        })
    });
    is_ready.recv()?;
    Ok(counting)
}
