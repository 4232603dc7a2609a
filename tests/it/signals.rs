//! Signals: a clean stop loses nothing, and a hang-up lists anew.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

/// Changes are pending for ever, and said when they arrive.
const SLOW: [&str; 6] = ["--debounce", "1h", "--debounce-max", "2h", "--log-level", "debug"];

async fn a_stop_publishes_what_is_pending_and_exits_with_0(etcd: Etcd) {
    for signal in [Signal::TERM, Signal::INT] {
        let file = TargetFile::new();
        let mut daemon = Daemon::start(&etcd, &file, &SLOW);
        file.follows(&etcd).await;
        daemon.wait_for_log("watching").await;
        etcd.put("/services/web/1", format!("10.0.0.1:{}", signal.as_raw())).await;
        daemon.wait_for_log("changes").await;
        let document = etcd.document();
        assert!(file.differs_from(&document).is_some(), "the debounce is an hour");

        daemon.signal(signal);
        assert_eq!(daemon.exit_code(SOON).await, 0);
        assert_eq!(file.differs_from(&document), None);
        assert_eq!(daemon.logged("stopped").len(), 1);
    }
}

async fn a_stop_with_nothing_pending_writes_nothing(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = Daemon::start(&etcd, &file, &[]);
    file.follows(&etcd).await;
    let stamp = file.stamp();
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(file.stamp(), stamp);
}

async fn a_stop_before_the_first_list_leaves_the_file_alone(mut etcd: Etcd) {
    let file = TargetFile::new();
    file.write("[ ]");
    let stamp = file.stamp();
    etcd.kill().await;
    let mut daemon = Daemon::start(&etcd, &file, &[]);
    // Its handlers are in place once it speaks.
    eventually(SOON, "it says something", async || {
        ensure(!daemon.log().raw().is_empty(), || "silence".to_owned())
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(file.stamp(), stamp);
}

async fn a_stop_while_etcd_is_down_publishes_what_was_seen(mut etcd: Etcd) {
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &SLOW);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    daemon.wait_for_log("changes").await;
    let document = etcd.document();
    etcd.kill().await;
    daemon.wait_for_log("connection lost").await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(file.differs_from(&document), None);
}

/// A daemon that has a change to publish and can't write.
async fn with_a_write_pending_that_fails(etcd: &Etcd) -> (TargetFile, Daemon) {
    let file = TargetFile::new();
    let daemon = Daemon::start(etcd, &file, &SLOW);
    file.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    // A file where the directory for temporary files should be.
    let stage = file.directory().join(".etcd-sd");
    std::fs::remove_dir_all(&stage).unwrap();
    std::fs::write(&stage, "").unwrap();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    daemon.wait_for_log("changes").await;
    (file, daemon)
}

async fn a_stop_whose_last_write_fails_exits_with_1_in_time(etcd: Etcd) {
    let (file, mut daemon) = with_a_write_pending_that_fails(&etcd).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.exit_code(Duration::from_secs(12)).await, 1);
    assert_eq!(file.read().as_deref(), Some("[]\n"));
}

async fn a_second_signal_stops_at_once(etcd: Etcd) {
    let (_file, mut daemon) = with_a_write_pending_that_fails(&etcd).await;
    daemon.signal(Signal::TERM);
    tokio::time::sleep(Duration::from_millis(50)).await;
    // It may have given up by itself already.
    if daemon.ended().is_none() {
        daemon.signal(Signal::TERM);
    }
    daemon.ends(Duration::from_secs(1)).await;
}

async fn a_hang_up_lists_anew(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = Daemon::start(&etcd, &file, &["--debounce", "10ms"]);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    for count in 2..=4 {
        daemon.signal(Signal::HUP);
        let listed = daemon.wait_for_logs("listed", count).await;
        assert_eq!(listed[count - 1].number("targets"), 1);
        daemon.wait_for_logs("watching", count).await;
    }
    assert_eq!(daemon.wait_for_logs("relisting", 3).await.len(), 3);
    // Hang-ups in a row, and changes meanwhile.
    for port in 1..=20 {
        daemon.signal(Signal::HUP);
        etcd.put("/services/web/2", format!("10.0.0.2:{port}")).await;
    }
    file.follows(&etcd).await;
    daemon.still_runs();
}

on_both!(
    a_stop_publishes_what_is_pending_and_exits_with_0,
    a_stop_with_nothing_pending_writes_nothing,
    a_stop_before_the_first_list_leaves_the_file_alone,
    a_stop_while_etcd_is_down_publishes_what_was_seen,
    a_stop_whose_last_write_fails_exits_with_1_in_time,
    a_second_signal_stops_at_once,
    a_hang_up_lists_anew,
);
