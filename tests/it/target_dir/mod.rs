//! A file for each service: which files there are, what is written, and what never is.

mod drift;
mod faults;
mod fights;
mod moves;
mod names;
mod scraping;
mod starts;
mod strangers;

use std::time::Duration;

use crate::support::backend::Etcd;
use crate::support::daemon::Daemon;
use crate::support::target_dir::TargetDir;

/// Every change is published at once, and whatever is removed.
const AT_ONCE: [&str; 4] = ["--debounce", "0", "--guard-ratio", "1"];

/// After a foreign hand was at a file.
const HEALED: Duration = Duration::from_secs(1);

/// After a fault is over.
const RECOVERED: Duration = Duration::from_secs(2);

/// Starts a daemon, and waits for its first files and its watch.
async fn following(etcd: &Etcd, directory: &TargetDir, more: &[&str]) -> Daemon {
    let daemon = directory.start(etcd, &[&AT_ONCE, more].concat());
    directory.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    daemon
}

/// Registers an instance of each of these services.
async fn register(etcd: &Etcd, services: &[&str]) {
    for (service, port) in services.iter().zip(1..) {
        etcd.put(&format!("/services/{service}/1"), format!("10.0.0.1:{port}")).await;
    }
}
