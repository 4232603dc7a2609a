//! One change after the other: how long until a watch has it, and until a file has.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use etcd_client::KvClient;

use super::{LIMIT, inode, median};
use crate::Result;
use crate::bare::{self, Watcher};
use crate::daemon::Daemon;
use crate::etcd::Etcd;
use crate::fleet::Fleet;

/// How often to look whether a file has changed.
const LOOK: Duration = Duration::from_micros(20);

/// Where the daemon does not look, and the bare watch does.
const ELSEWHERE: &str = "/elsewhere/";

/// The service whose first instance moves.
const FILE: &str = "s00000.json";

/// Medians.
pub(crate) struct Changes {
    /// From the put to the event, in a bare watch.
    pub(crate) watch: Duration,
    /// A bare write of the target file, and of a file of the target directory.
    pub(crate) write: Duration,
    pub(crate) small_write: Duration,
    /// From the put to the target file, and to a file of the target directory.
    pub(crate) publish: Duration,
    pub(crate) small_publish: Duration,
    /// What the daemon used for one publish of the target file.
    pub(crate) cpu: Duration,
}

pub(super) async fn measure(
    etcd: &Etcd,
    files: &Path,
    fleet: &mut Fleet,
    count: usize,
) -> Result<Changes> {
    let mut kv = etcd.client().await?.kv_client();
    let mut watcher = Watcher::start(etcd.endpoint(), ELSEWHERE).await?;
    let daemon = Daemon::ready(etcd.endpoint(), files, &["--debounce", "0"])?;
    let bytes = fs::read(daemon.file())?;
    let bare = files.join("bare.json");
    let (mut seen, mut published, mut written) = (Vec::new(), Vec::new(), Vec::new());
    let before = daemon.cpu()?;
    // In turn, so that a bad moment of the machine is one of all.
    for _ in 0..count {
        seen.push(until_seen(&mut kv, &mut watcher).await?);
        published.push(until_published(&mut kv, fleet, daemon.file()).await?);
        written.push(bare::replace(&bare, &bytes)?);
    }
    let cpu = daemon.cpu_since(&before)? / u32::try_from(count.max(1))?;
    drop(daemon);

    let directory = files.join("services");
    fs::create_dir(&directory)?;
    let _daemon = Daemon::on_directory(etcd.endpoint(), &directory)?;
    let file = directory.join(FILE);
    let bytes = fs::read(&file)?;
    let (mut small_published, mut small_written) = (Vec::new(), Vec::new());
    for _ in 0..count {
        small_published.push(until_published(&mut kv, fleet, &file).await?);
        small_written.push(bare::replace(&bare, &bytes)?);
    }
    Ok(Changes {
        watch: median(seen),
        write: median(written),
        small_write: median(small_written),
        publish: median(published),
        small_publish: median(small_published),
        cpu,
    })
}

async fn until_seen(kv: &mut KvClient, watcher: &mut Watcher) -> Result<Duration> {
    let begun = Instant::now();
    let put = kv.put(format!("{ELSEWHERE}1"), "10.0.0.1:1", None);
    let (put, event) = tokio::join!(put, async {
        let event = watcher.next().await;
        (event, begun.elapsed())
    });
    put?;
    event.0?;
    Ok(event.1)
}

async fn until_published(kv: &mut KvClient, fleet: &mut Fleet, file: &Path) -> Result<Duration> {
    let before = inode(file)?;
    let seen = see_change(file.to_owned(), before);
    let (key, value) = fleet.moves(0);
    let begun = Instant::now();
    kv.put(key, value, None).await?;
    let seen = seen.join().ok().flatten().ok_or("a change was never published")?;
    Ok(seen - begun)
}

/// Looks, on a thread of its own, until another file is at the path. Says when.
fn see_change(path: PathBuf, before: u64) -> JoinHandle<Option<Instant>> {
    spawn(move || {
        let deadline = Instant::now() + LIMIT;
        while inode(&path).ok()? == before {
            if Instant::now() > deadline {
                return None;
            }
            sleep(LOOK);
        }
        Some(Instant::now())
    })
}
