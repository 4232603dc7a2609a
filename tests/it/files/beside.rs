//! A real Prometheus beside the daemon: what it reads, and how often, during churn.

use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use etcd_client::TxnOp;

use super::following;
use crate::support::backend::{Etcd, on_real};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::file::TargetFile;
use crate::support::prometheus::{Prometheus, prometheus, prometheus_3};
use crate::support::random::Random;
use crate::support::rights::needs;
use crate::support::wait::{SOON, always, ensure, eventually};

/// For so long services come and go.
const CHURN: Duration = Duration::from_secs(30);
const SHORT_CHURN: Duration = Duration::from_secs(12);
const PACE: Duration = Duration::from_millis(40);

/// Every service has so many instances, which come and go in one revision: no state has a
/// number of targets between.
const INSTANCES: u32 = 100;
const SERVICES: u64 = 10;

const READ_ERRORS: &str = "prometheus_sd_file_read_errors_total";
const SCANS: &str = "prometheus_sd_file_scan_duration_seconds_count";
const DISCOVERED: &str = "prometheus_sd_discovered_targets";

async fn the_prometheus_that_is_installed_reads_whole_states_and_each_once(etcd: Etcd) {
    let file = TargetFile::new();
    reads_whole_states_and_each_once(etcd, &file, &prometheus(), CHURN).await;
}

async fn a_prometheus_3_reads_whole_states_and_each_once(etcd: Etcd) {
    needs!(prometheus_3().is_some(), "needs a Prometheus 3 in the variable PROMETHEUS3: tests/run");
    let file = TargetFile::new();
    reads_whole_states_and_each_once(etcd, &file, &prometheus_3().unwrap(), CHURN).await;
}

async fn a_prometheus_that_reads_through_a_link_is_told_once_too(etcd: Etcd) {
    let (real, link) = (TargetFile::new(), TargetFile::new());
    symlink(real.path(), link.path()).unwrap();
    reads_whole_states_and_each_once(etcd, &link, &prometheus(), SHORT_CHURN).await;
}

async fn reads_whole_states_and_each_once(
    etcd: Etcd,
    file: &TargetFile,
    program: &str,
    churn: Duration,
) {
    for service in 0..SERVICES / 2 {
        arrives(&etcd, service).await;
    }
    let mut daemon = following(&etcd, file, &[]).await;
    let prometheus = Prometheus::start_discovering(program, file.path()).await;
    // Only the first scan is without an event.
    eventually(SOON, "Prometheus knows its targets", async || {
        let known = number(&prometheus, DISCOVERED).await;
        ensure(known > 0, || "none".to_owned())
    })
    .await;
    let directory = Directory::watch(file.directory());
    let scans = number(&prometheus, SCANS).await;
    let published = publishes(&daemon);

    let mut random = Random::new();
    let mut beat = tokio::time::interval(PACE);
    let start = Instant::now();
    let mut counts = Vec::new();
    while start.elapsed() < churn {
        beat.tick().await;
        let service = random.below(SERVICES);
        if random.below(2) == 0 {
            arrives(&etcd, service).await;
        } else {
            etcd.delete_prefix(&format!("/services/service-{service}/")).await;
        }
        counts.push(number(&prometheus, DISCOVERED).await);
    }
    file.follows(&etcd).await;
    let partial = counts.iter().find(|&count| count % u64::from(INSTANCES) != 0);
    assert_eq!(partial, None, "a number of targets that no state has");
    counts.dedup();
    assert!(counts.len() > 1, "Prometheus took nothing up: {counts:?}");
    assert_eq!(number(&prometheus, READ_ERRORS).await, 0);

    let published = publishes(&daemon) - published;
    assert!(published > 100, "{published} publishes");
    let each_once = async || {
        let read = number(&prometheus, SCANS).await - scans;
        let events = directory.events().into_values().sum::<usize>() as u64;
        ensure((read, events) == (published, published), || {
            format!("{published} publishes, {events} events, {read} scans")
        })
    };
    eventually(SOON, "one event and one scan for each publish", each_once).await;
    always(Duration::from_secs(1), "and no more", each_once).await;
    daemon.still_runs();
}

/// All instances of a service, in one revision.
async fn arrives(etcd: &Etcd, service: u64) {
    let prefix = format!("/services/service-{service}/");
    let puts = (0..INSTANCES).map(|instance| {
        let address = format!("127.0.{service}.{instance}:{}", 1000 + instance);
        TxnOp::put(format!("{prefix}{instance}"), address, None)
    });
    etcd.transaction(puts.collect()).await;
}

fn publishes(daemon: &Daemon) -> u64 {
    u64::try_from(daemon.logged("published").len()).unwrap()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they count things")]
async fn number(prometheus: &Prometheus, metric: &str) -> u64 {
    prometheus.metric(metric).await as u64
}

on_real!(
    the_prometheus_that_is_installed_reads_whole_states_and_each_once,
    a_prometheus_3_reads_whole_states_and_each_once,
    a_prometheus_that_reads_through_a_link_is_told_once_too,
);
