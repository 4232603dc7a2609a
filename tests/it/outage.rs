//! etcd goes away and comes back: nothing changes on disk meanwhile, and nothing
//! that happened is missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use etcd_client::Client;
use tokio::task::JoinHandle;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::wait::{SOON, always, ensure};

const QUICK: [&str; 4] = ["--debounce", "10ms", "--debounce-max", "50ms"];

/// How soon after the end of an outage the file must be right.
const RECOVERY: Duration = Duration::from_secs(5);

/// How soon a connection that has fallen silent must be noticed.
const NOTICE: Duration = Duration::from_secs(15);

async fn the_file_stays_while_etcd_is_down_and_is_right_within_five_seconds_after(mut etcd: Etcd) {
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    let writes = Writes::start(etcd.endpoint());
    daemon.wait_for_logs("published", 5).await;

    etcd.kill().await;
    daemon.wait_for_log("connection lost").await;
    // What was on its way is published by now: twenty times the debounce.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let stamp = file.stamp();
    stays(&file, Duration::from_secs(3)).await;
    assert_eq!(file.stamp(), stamp);

    etcd.restart().await;
    let back = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(writes.finish().await > 0);
    let document = etcd.document();
    file.becomes(&document, RECOVERY.saturating_sub(back.elapsed())).await;
    assert_eq!(daemon.logged("relisting").len(), 0, "a resume was possible");
    assert_ne!(daemon.logged("resumed").len(), 0);
}

async fn a_daemon_that_starts_while_etcd_is_down_leaves_the_file_alone_and_waits(mut etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let old = "[\n{\"targets\":[\"10.9.9.9:80\"],\"labels\":{\"job\":\"old\"}}\n]\n";
    file.write(old);
    etcd.kill().await;
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    stays(&file, Duration::from_secs(2)).await;
    assert_eq!(file.read().as_deref(), Some(old));
    daemon.still_runs();

    etcd.restart().await;
    file.becomes(&etcd.document(), RECOVERY).await;
}

async fn etcd_that_keeps_failing_does_no_harm(mut etcd: Etcd) {
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    for round in 1..=4 {
        etcd.put(&format!("/services/web/{round}"), format!("10.0.0.{round}:80")).await;
        etcd.delete(&format!("/services/web/{}", round - 2)).await;
        etcd.kill().await;
        etcd.restart().await;
    }
    file.becomes(&etcd.document(), RECOVERY).await;
    etcd.put("/services/web/last", "10.0.0.99:80").await;
    file.becomes(&etcd.document(), RECOVERY).await;
    daemon.still_runs();
}

async fn what_happens_while_the_network_is_cut_is_caught_up_without_a_relist(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    // One change a cut, so that a position that is off by one shows.
    for round in 0..3 {
        gate.cut().await;
        match round {
            0 => etcd.put("/services/web/3", "10.0.0.3:80").await,
            1 => etcd.delete("/services/web/1").await,
            _ => etcd.delete_prefix("/services/web/").await,
        };
        daemon.wait_for_logs("connection lost", round + 1).await;
        gate.open();
        file.becomes(&etcd.document(), RECOVERY).await;
    }
    assert_eq!(daemon.logged("listed").len(), 1);
    let resumed = daemon.wait_for_logs("resumed", 3).await;
    assert_eq!(resumed.len(), 3);
}

async fn a_compaction_while_the_network_is_cut_leads_to_a_relist(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    etcd.put("/services/gone/1", "10.0.0.3:80").await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    gate.cut().await;
    etcd.delete("/services/web/1").await;
    etcd.delete("/services/gone/1").await;
    etcd.put("/services/new/1", "10.0.0.4:80").await;
    let revision = etcd.put("/services/web/2", "10.0.0.5:80").await;
    etcd.compact(revision).await;
    daemon.wait_for_log("connection lost").await;
    gate.open();
    file.becomes(&etcd.document(), RECOVERY).await;
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("compact"), "{relisting:?}");

    etcd.put("/services/web/3", "10.0.0.6:80").await;
    file.becomes(&etcd.document(), RECOVERY).await;
}

async fn a_connection_that_falls_silent_is_noticed_and_replaced(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &QUICK);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    gate.silence().await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.becomes(&etcd.document(), NOTICE).await;
    daemon.wait_for_log("connection lost").await;
}

async fn an_etcd_that_stands_still_is_noticed(etcd: Etcd) {
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    let stamp = file.stamp();
    etcd.freeze();
    let frozen = Instant::now();
    while daemon.logged("connection lost").is_empty() {
        assert!(frozen.elapsed() < NOTICE, "not noticed within {NOTICE:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(file.stamp(), stamp);
    etcd.thaw();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.becomes(&etcd.document(), SOON).await;
}

/// Panics if the file is touched.
async fn stays(file: &TargetFile, during: Duration) {
    let stamp = file.stamp();
    always(during, "the file stays as it is", async || {
        ensure(file.stamp() == stamp, || format!("it is {:?} now", file.read()))
    })
    .await;
}

/// Registers instances, one after the other, and goes on when that fails.
struct Writes {
    stop: Arc<AtomicBool>,
    task: JoinHandle<usize>,
}

impl Writes {
    fn start(endpoint: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(write_until(endpoint.to_owned(), Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Answers with how many writes failed.
    async fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}

async fn write_until(endpoint: String, stop: Arc<AtomicBool>) -> usize {
    let mut failed = 0;
    let mut client = Client::connect([&endpoint], None).await.unwrap();
    for port in (1..=u16::MAX).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("/services/web/{}", port % 50);
        let put = client.put(key, format!("10.0.0.1:{port}"), None);
        let answer = tokio::time::timeout(Duration::from_millis(500), put).await;
        if !matches!(answer, Ok(Ok(_))) {
            failed += 1;
            // A client of its own sits out no backoff.
            if let Ok(again) = Client::connect([&endpoint], None).await {
                client = again;
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    failed
}

async fn a_quiet_etcd_is_not_taken_for_a_dead_one(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    daemon.wait_for_log("watching").await;
    // Longer than a watch may go without a sign of life.
    always(Duration::from_secs(16), "one connection", async || {
        ensure(daemon.logged("connection lost").is_empty(), || daemon.log().raw())
    })
    .await;
    assert_eq!(daemon.logged("connected").len(), 1);
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
}

on_both!(
    Sync::Always:
    a_quiet_etcd_is_not_taken_for_a_dead_one,
    the_file_stays_while_etcd_is_down_and_is_right_within_five_seconds_after,
    a_daemon_that_starts_while_etcd_is_down_leaves_the_file_alone_and_waits,
    etcd_that_keeps_failing_does_no_harm,
    what_happens_while_the_network_is_cut_is_caught_up_without_a_relist,
    a_compaction_while_the_network_is_cut_leads_to_a_relist,
    a_connection_that_falls_silent_is_noticed_and_replaced,
    an_etcd_that_stands_still_is_noticed,
);
