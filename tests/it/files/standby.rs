//! Several daemons on one file: one writes, the others stand by.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::{AT_ONCE, RECOVERED, STAGE, following, leftovers, unchanged};
use crate::support::backend::{Etcd, on_embedded, on_real};
use crate::support::churn::Churn;
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::wait::{SOON, always, ensure, eventually};

/// Two daemons side by side.
const CHURN: Duration = Duration::from_secs(10);
const PACE: Duration = Duration::from_millis(20);

/// For what should not happen.
const QUIET: Duration = Duration::from_secs(2);

/// What a daemon says that stands by.
const STANDBY: &str = "standing by";

fn writes(daemon: &Daemon) -> usize {
    daemon.logged("published").len()
}

/// A daemon that stands by, and says whose the file is.
async fn standby(etcd: &Etcd, file: &TargetFile, first: &Daemon) -> Daemon {
    let daemon = Daemon::start(etcd, file, &AT_ONCE);
    let path = file.path().to_str().unwrap();
    let line = daemon.says("INFO", &[STANDBY, path]).await;
    let holder = first.id().to_string();
    assert!(line.contains(&holder), "not {holder}: {line}");
    daemon
}

/// One that writes while much changes, another one that stands by, and a reader.
struct Pair {
    churn: Churn,
    first: Daemon,
    reader: Reader,
    second: Daemon,
}

impl Pair {
    async fn start(etcd: &Arc<Etcd>, file: &TargetFile) -> Self {
        let churn = Churn::start(etcd, PACE);
        let first = Daemon::start(etcd, file, &AT_ONCE);
        first.wait_for_log("published").await;
        let reader = Reader::start(file);
        let second = standby(etcd, file, &first).await;
        Self { churn, first, reader, second }
    }
}

async fn takes_over(daemon: &Daemon) {
    daemon.says("WARN", &["taking over"]).await;
}

async fn one_writes_the_other_stands_by_and_takes_over_within_two_seconds(etcd: Etcd) {
    let etcd = Arc::new(etcd);
    let file = TargetFile::new();
    let Pair { mut churn, mut first, reader, mut second } = Pair::start(&etcd, &file).await;
    tokio::time::sleep(CHURN).await;
    assert_eq!(writes(&second), 0);
    assert_eq!(second.said("INFO", &[STANDBY]).len(), 1, "said once");
    assert!(writes(&first) > 10, "{} publishes", writes(&first));
    first.still_runs();

    first.kill();
    eventually(RECOVERED, "the second has published", async || {
        ensure(writes(&second) > 0, || "not yet".to_owned())
    })
    .await;
    takes_over(&second).await;
    churn.stop().await;
    let document = churn.ledger().document();
    file.becomes(&document, RECOVERED).await;
    assert_eq!(second.stop().await, 0);
    let seen = reader.finish();
    churn.ledger().knows(&seen);
    assert_eq!(leftovers(&file), [""; 0]);
}

async fn a_takeover_without_a_change_writes_nothing_and_one_with_a_change_is_quick(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = following(&etcd, &file, &[]).await;
    for number in 2..6 {
        let second = standby(&etcd, &file, &first).await;
        second.wait_for_log("watching").await;
        if number % 2 == 0 {
            first.kill();
        } else {
            // What is written last by a clean stop is not written again.
            assert_eq!(first.stop().await, 0);
        }
        takes_over(&second).await;
        always(QUIET / 2, "it is right already", unchanged(&file)).await;
        etcd.put(&format!("/services/web/{number}"), format!("10.0.0.{number}:80")).await;
        file.becomes(&etcd.document(), RECOVERED).await;
        first = second;
    }
}

async fn a_takeover_heals_what_happened_to_the_file_in_between(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = following(&etcd, &file, &[]).await;
    let second = standby(&etcd, &file, &first).await;
    first.signal(Signal::STOP);
    file.write("mine");
    always(QUIET / 2, "it is not for the second to heal", unchanged(&file)).await;
    first.kill();
    file.becomes(&etcd.document(), RECOVERED).await;
    drop(second);
}

async fn a_standby_that_starts_and_stops_does_not_disturb(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = following(&etcd, &file, &[]).await;
    let check = unchanged(&file);
    for _ in 0..3 {
        let mut other = standby(&etcd, &file, &first).await;
        assert_eq!(other.stop().await, 0, "{}", other.log().raw());
        let mut other = standby(&etcd, &file, &first).await;
        other.kill();
    }
    always(QUIET / 4, "the file stays", check).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    assert_eq!(first.stop().await, 0);
    assert_eq!(leftovers(&file), [""; 0]);
}

async fn a_standby_that_is_stopped_leaves_what_is_pending_to_the_holder(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let first = following(&etcd, &file, &[]).await;
    let mut second = standby(&etcd, &file, &first).await;
    first.signal(Signal::STOP);
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    let check = unchanged(&file);
    assert_eq!(second.stop().await, 0);
    always(QUIET / 4, "the file stays", check).await;
    first.signal(Signal::CONT);
    file.follows(&etcd).await;
}

async fn a_lock_that_is_removed_does_not_lead_to_two_writers_for_good(etcd: Etcd) {
    let etcd = Arc::new(etcd);
    let file = TargetFile::new();
    let Pair { mut churn, mut first, reader, mut second } = Pair::start(&etcd, &file).await;
    fs::remove_dir_all(file.directory().join(STAGE)).unwrap();
    // Long enough for whoever has lost the lock to notice.
    tokio::time::sleep(QUIET).await;

    let before = [writes(&first), writes(&second)];
    tokio::time::sleep(QUIET).await;
    let after = [writes(&first), writes(&second)];
    let writers = before.iter().zip(after).filter(|&(&before, after)| after > before).count();
    assert_eq!(writers, 1, "publishes before {before:?}, after {after:?}");
    churn.stop().await;
    let document = churn.ledger().document();
    file.becomes(&document, SOON).await;
    let seen = reader.finish();
    churn.ledger().knows(&seen);
    first.still_runs();
    second.still_runs();
}

async fn once_beside_a_daemon_says_so_and_answers_whether_the_file_is_right(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let first = following(&etcd, &file, &[]).await;
    let check = unchanged(&file);
    let path = file.path().to_str().unwrap();
    let mut once = Daemon::start(&etcd, &file, &["--once"]);
    assert_eq!(once.exit_code(SOON).await, 0);
    assert_eq!(once.said("INFO", &[STANDBY, path]).len(), 1, "{}", once.log().raw());

    // A holder that sleeps is one all the same.
    first.signal(Signal::STOP);
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    let mut once = Daemon::start(&etcd, &file, &["--once", "--timeout", "1s"]);
    assert_eq!(once.exit_code(SOON).await, 1, "{}", once.log().raw());
    assert!(!once.said("ERROR", &[path]).is_empty(), "{}", once.log().raw());
    always(QUIET / 4, "it has written nothing", check).await;

    // One that is still on its way is waited for.
    let mut once = Daemon::start(&etcd, &file, &["--once"]);
    once.says("INFO", &[STANDBY]).await;
    first.signal(Signal::CONT);
    assert_eq!(once.exit_code(SOON).await, 0);
    assert_eq!(file.read(), Some(etcd.document()));
}

on_real!(one_writes_the_other_stands_by_and_takes_over_within_two_seconds);

on_embedded!(
    a_takeover_without_a_change_writes_nothing_and_one_with_a_change_is_quick,
    a_takeover_heals_what_happened_to_the_file_in_between,
    a_standby_that_starts_and_stops_does_not_disturb,
    a_standby_that_is_stopped_leaves_what_is_pending_to_the_holder,
    a_lock_that_is_removed_does_not_lead_to_two_writers_for_good,
    once_beside_a_daemon_says_so_and_answers_whether_the_file_is_right,
);
