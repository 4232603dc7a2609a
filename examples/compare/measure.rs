//! What is measured for one size.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use crate::bare::{self, Watcher};
use crate::daemon::Daemon;
use crate::etcd::{Etcd, runtime};
use crate::fleet;
use crate::{Arguments, Result};

/// How often what takes long is done; the best counts.
const TRIES: usize = 3;

/// How often to look whether the file has changed.
const LOOK: Duration = Duration::from_micros(20);

/// For how long to wait for a file.
const LIMIT: Duration = Duration::from_secs(60);

/// The figures of one size.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) size: usize,
    /// Keys and values.
    pub(crate) raw_bytes: usize,
    pub(crate) document_bytes: usize,
    pub(crate) range: Duration,
    pub(crate) etcdctl: Duration,
    /// From the first request of the list to its end.
    pub(crate) list: Duration,
    /// From the start of the process to the file.
    pub(crate) start: Duration,
    pub(crate) list_cpu: Duration,
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    pub(crate) idle: u64,
    /// Medians of single changes.
    pub(crate) watch: Duration,
    pub(crate) write: Duration,
    pub(crate) publish: Duration,
    /// A burst of so many changes.
    pub(crate) burst: usize,
    pub(crate) load: Duration,
    /// From the last acknowledgement to the file that has all of it.
    pub(crate) burst_lag: Duration,
    pub(crate) burst_cpu: Duration,
    pub(crate) burst_publishes: usize,
    pub(crate) bare_burst_cpu: Duration,
}

pub(crate) fn measure(etcd: &Etcd, size: usize, arguments: &Arguments) -> Result<Figures> {
    let runtime = runtime()?;
    let client = runtime.block_on(etcd.client())?;
    let files = tempfile::tempdir_in(&arguments.files)?;
    let mut figures = Figures { size, burst: arguments.burst, ..Figures::default() };
    figures.idle = idle(etcd, files.path())?;
    figures.raw_bytes = runtime.block_on(fleet::fill(&client, size))?;
    lists(etcd, files.path(), &mut figures)?;
    runtime.block_on(changes(etcd, files.path(), &mut figures, arguments.changes))?;
    runtime.block_on(bursts(etcd, files.path(), &mut figures))?;
    Ok(figures)
}

/// What a daemon with nothing to do has resident.
fn idle(etcd: &Etcd, files: &Path) -> Result<u64> {
    let mut daemon = Daemon::start(etcd, files, &["--prefix", "/nothing"])?;
    daemon.logs("watching")?;
    Ok(daemon.resident()?.0)
}

fn lists(etcd: &Etcd, files: &Path, figures: &mut Figures) -> Result<()> {
    // Once for the page cache of etcd's database.
    bare::range(etcd)?;
    let (mut in_one, mut printed) = (Vec::new(), Vec::new());
    let (mut listed, mut started) = (Vec::new(), Vec::new());
    // In turn, so that a bad moment of the machine is one of all.
    for _ in 0..TRIES {
        in_one.push(bare::range(etcd)?.0);
        printed.push(bare::etcdctl(etcd)?);
        let begun = Instant::now();
        let mut daemon = Daemon::start(etcd, files, &[])?;
        let asked = daemon.logs("listing")?;
        listed.push(daemon.logs("listed")? - asked);
        started.push(daemon.logs("published")? - begun);
        figures.list_cpu = daemon.cpu()?;
        daemon.logs("watching")?;
        (figures.resident, figures.peak) = daemon.resident()?;
        figures.document_bytes = usize::try_from(fs::metadata(daemon.file())?.len())?;
        fs::remove_file(daemon.file())?;
    }
    let best = |times: Vec<Duration>| times.into_iter().min().unwrap_or_default();
    (figures.range, figures.etcdctl) = (best(in_one), best(printed));
    (figures.list, figures.start) = (best(listed), best(started));
    Ok(())
}

/// One change after the other: how long until a watch has it, and until the file has.
async fn changes(etcd: &Etcd, files: &Path, figures: &mut Figures, count: usize) -> Result<()> {
    let mut kv = etcd.client().await?.kv_client();
    let mut watcher = Watcher::start(etcd).await?;
    let mut latencies = Vec::new();
    for change in 0..count {
        let (key, value) = (fleet::key(0), fleet::address(0, 1 + change));
        let begun = Instant::now();
        let put = kv.put(key, value, None);
        let (put, event) = tokio::join!(put, async {
            let event = watcher.next().await;
            (event, begun.elapsed())
        });
        put?;
        event.0?;
        latencies.push(event.1);
    }
    drop(watcher);

    let mut daemon = Daemon::start(etcd, files, &["--debounce", "0"])?;
    daemon.logs("published")?;
    daemon.logs("watching")?;
    let bytes = fs::read(daemon.file())?;
    let (mut published, mut written) = (Vec::new(), Vec::new());
    for change in 0..count {
        let before = inode(daemon.file())?;
        let (key, value) = (fleet::key(0), fleet::address(0, 1 + count + change));
        let seen = see_change(daemon.file().to_owned(), before);
        let begun = Instant::now();
        kv.put(key, value, None).await?;
        let seen = seen.join().ok().flatten().ok_or("a change was never published")?;
        published.push(seen - begun);
        written.push(bare::replace(&daemon.file().with_file_name("bare.json"), &bytes)?);
    }
    (figures.watch, figures.publish) = (median(latencies), median(published));
    figures.write = median(written);
    Ok(())
}

/// Many changes at full speed, seen by a bare watch, and then by the daemon.
async fn bursts(etcd: &Etcd, files: &Path, figures: &mut Figures) -> Result<()> {
    let client = etcd.client().await?;
    let (size, burst) = (figures.size, figures.burst);
    let mut watcher = Watcher::start(etcd).await?;
    let counting = spawn(move || -> Option<Duration> {
        // A thread of its own, whose time is counted alone.
        let runtime = runtime().ok()?;
        let before = thread_cpu().ok()?;
        runtime.block_on(async {
            let mut left = burst;
            while left > 0 {
                left = left.saturating_sub(watcher.next().await.ok()?);
            }
            Some(())
        })?;
        Some(thread_cpu().ok()?.saturating_sub(before))
    });
    fleet::burst(&client, size, burst, 20_000).await?;
    let counted = counting.join().ok().flatten();
    figures.bare_burst_cpu = counted.ok_or("the bare watch has failed")?;

    let mut daemon = Daemon::start(etcd, files, &[])?;
    daemon.logs("published")?;
    daemon.logs("watching")?;
    let before = daemon.cpu()?;
    let (ended, took) = fleet::burst(&client, size, burst, 30_000).await?;
    // The puts go around: the last one made is the last of its service to change.
    let last = fleet::address((burst - 1) % size, 30_000 + (burst - 1) / size);
    while !fs::read_to_string(daemon.file())?.contains(&last) {
        if ended.elapsed() > LIMIT {
            return Err("a burst was never published".into());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    figures.burst_lag = ended.elapsed();
    figures.load = took;
    figures.burst_cpu = daemon.cpu()?.saturating_sub(before);
    figures.burst_publishes = daemon.count("published");
    Ok(())
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

/// What this thread has used of the processors.
fn thread_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = stat.split_whitespace().next().ok_or("the line of a thread")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn inode(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)?.ino())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
