//! Journals that can't be written: publishes go on, and it is said.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Journal;
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::ran::etcd_sd;
use crate::support::wait::{SOON, ensure, eventually};

/// Puts some entries and sees each of them in the file soon after.
async fn publishes_go_on(etcd: &Etcd, file: &TargetFile) {
    for number in 0..20 {
        let begun = Instant::now();
        etcd.put(&format!("/services/web/{number}"), format!("h:{}", number + 1)).await;
        file.follows(etcd).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

async fn a_full_disk_or_a_pipe_that_nobody_reads_delays_no_publish(etcd: Etcd) {
    let directory = tempfile::tempdir().unwrap();
    let (missing, fifo) = (directory.path().join("not/there"), directory.path().join("fifo"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in ["/dev/full", fifo.to_str().unwrap(), missing.to_str().unwrap()] {
        let file = TargetFile::new();
        let args = ["--debounce", "10ms", "--journal", path];
        let mut daemon = Daemon::start(&etcd, &file, &args);
        daemon.says("ERROR", &["journal can't be written", path]).await;
        publishes_go_on(&etcd, &file).await;
        assert_eq!(daemon.said("ERROR", &["journal"]).len(), 1, "{path}: once");
        assert_eq!(daemon.stop().await, 0, "{path}");
        etcd.delete_prefix("/services/").await;
    }
}

async fn a_journal_that_can_be_written_again_has_what_was_kept(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    let directory = journal.path.parent().unwrap().join("later");
    let path = directory.join("journal");
    let args = ["--debounce", "10ms", "--journal", path.to_str().unwrap()];
    let mut daemon = Daemon::start(&etcd, &file, &args);
    daemon.says("ERROR", &["journal can't be written"]).await;
    daemon.wait_for_log("watching").await;
    etcd.put("/services/web/1", "h:1").await;
    file.follows(&etcd).await;
    fs::create_dir(&directory).unwrap();
    daemon.says("INFO", &["journal is written again"]).await;
    // And what somebody moves away is begun anew.
    fs::rename(&path, directory.join("moved")).unwrap();
    etcd.put("/services/web/2", "h:2").await;
    eventually(SOON, "the new file has the new line", async || {
        ensure(super::changes(&super::lines(&path)).len() == 1, || "not yet".to_owned())
    })
    .await;
    assert_eq!(super::changes(&super::lines(&directory.join("moved"))).len(), 1);
    assert_eq!(daemon.stop().await, 0);
}

async fn a_journal_beside_the_target_file_is_warned_of(etcd: Etcd) {
    let file = TargetFile::new();
    let path = file.directory().join("journal");
    let daemon = Daemon::start(&etcd, &file, &["--journal", path.to_str().unwrap()]);
    daemon.says("WARN", &["journal stands beside"]).await;
}

async fn a_file_that_is_no_journal_is_refused_at_the_start(etcd: Etcd) {
    let (file, journal) = (TargetFile::new(), Journal::new());
    fs::write(&journal.path, "somebody's\n").unwrap();
    let (target, journal) = (file.path().to_str().unwrap(), journal.path.to_str().unwrap());
    let args = ["--server", etcd.endpoint(), "--target-file", target, "--journal", journal];
    let ran = etcd_sd(&args).await;
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("no journal of etcd-sd"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(journal).unwrap(), "somebody's\n");
    assert_eq!(file.read(), None);
}

on_embedded!(
    a_full_disk_or_a_pipe_that_nobody_reads_delays_no_publish,
    a_journal_that_can_be_written_again_has_what_was_kept,
    a_journal_beside_the_target_file_is_warned_of,
    a_file_that_is_no_journal_is_refused_at_the_start,
);
