//! The file side against the file system, other programs, other copies of the daemon, and
//! Prometheus' own way of watching.
//!
//! What these tests mount, and what they do as another user, needs root; without it they are
//! skipped, and say so by name.

mod beside;
mod directories;
mod full;
mod hostile;
mod kills;
mod links;
mod mounted;
mod owners;
mod permissions;
mod standby;
mod start;

use std::fs;
use std::ops::Range;
use std::time::Duration;

use crate::support::backend::Etcd;
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, always, ensure};

/// Beside the target file, for what the daemon keeps there.
const STAGE: &str = ".etcd-sd";

/// Every change is published at once, and whatever is removed.
const AT_ONCE: [&str; 4] = ["--debounce", "0", "--guard-ratio", "1"];

/// After a fault is over.
const RECOVERED: Duration = Duration::from_secs(2);

/// After a foreign hand was at the file.
const HEALED: Duration = Duration::from_secs(1);

/// Starts a daemon, and waits for its first document and its watch.
async fn following(etcd: &Etcd, file: &TargetFile, more: &[&str]) -> Daemon {
    let daemon = Daemon::start(etcd, file, &[&AT_ONCE, more].concat());
    file.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    // It is said when all is done that belongs to it.
    daemon.says("INFO", &["\"bytes\":"]).await;
    daemon
}

/// Registers these instances of one service: some 20 bytes of the document each.
async fn register(etcd: &Etcd, instances: Range<u32>) {
    let entries = instances.map(|number| {
        let address = format!("10.0.{}.{}:9100", number / 250, number % 250);
        (format!("/services/web/{number:06}"), address)
    });
    etcd.put_all(&entries.collect::<Vec<_>>()).await;
}

/// The daemon runs and takes less than a tenth of a processor while this condition holds.
async fn idles(
    daemon: &mut Daemon,
    during: Duration,
    what: &str,
    check: impl AsyncFnMut() -> Result<(), String>,
) {
    let before = daemon.cpu_time();
    always(during, what, check).await;
    let took = daemon.cpu_time().saturating_sub(before);
    assert!(took < during / 10, "{took:?} of processor time in {during:?}");
    daemon.still_runs();
}

/// A fault is said with its path and these words: at once, and rarely.
fn is_said_rarely(daemon: &Daemon, words: &[&str]) {
    let lines = daemon.said("ERROR", words);
    assert!((1..=2).contains(&lines.len()), "{} times: {lines:?}", lines.len());
}

/// The fault is over, which is said, and the file is right in time.
async fn recovers(daemon: &mut Daemon, etcd: &Etcd, file: &TargetFile) {
    file.becomes(&etcd.document(), RECOVERED).await;
    daemon.wait_for_log("the target file can be written again").await;
    daemon.still_runs();
}

/// A foreign edit is noticed by a notification, as soon as there are any.
async fn drift_is_healed_again(file: &TargetFile) {
    let document = file.read().unwrap();
    // After a fault they may have to be set up anew first.
    file.write("mine");
    file.becomes(&document, SOON).await;
    for hand in ["", "mine"] {
        file.write(hand);
        file.becomes(&document, HEALED).await;
    }
}

/// Temporary files that nobody will rename any more, if the daemon has stopped.
fn leftovers(file: &TargetFile) -> Vec<String> {
    let paths = fs::read_dir(file.directory().join(STAGE)).unwrap();
    let paths = paths.map(|entry| entry.unwrap().path());
    let left = paths.filter(|path| path.extension().is_some_and(|ending| ending == "tmp"));
    left.map(|path| path.display().to_string()).collect()
}

/// The file stays as it is: neither changed nor written again.
fn unchanged(file: &TargetFile) -> impl AsyncFnMut() -> Result<(), String> {
    let stamp = file.stamp();
    async move || ensure(file.stamp() == stamp, || format!("written: {:?}", file.read()))
}
