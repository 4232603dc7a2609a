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
use crate::support::rights::say_skipped;
use crate::support::wait::{SOON, always, ensure, eventually};

/// For so long services come and go.
const CHURN: Duration = Duration::from_secs(30);
const SHORT_CHURN: Duration = Duration::from_secs(8);
const PACE: Duration = Duration::from_millis(40);

/// Prometheus 2 takes up new targets every five seconds.
const TAKEN_UP: Duration = Duration::from_secs(30);

/// After so many changes one Prometheus is looked at.
const LOOK_EVERY: usize = 3;

/// Every service has so many instances, which come and go in one revision: no state has a
/// number of targets between.
const INSTANCES: u32 = 100;
const SERVICES: u64 = 10;

const READ_ERRORS: &str = "prometheus_sd_file_read_errors_total";
const SCANS: &str = "prometheus_sd_file_scan_duration_seconds_count";
const DISCOVERED: &str = "prometheus_sd_discovered_targets";

async fn prometheus_2_and_3_read_whole_states_and_each_once(etcd: Etcd) {
    let mut programs = vec![prometheus()];
    match prometheus_3() {
        Some(program) => programs.push(program),
        None => say_skipped(
            "files::beside::prometheus_2_and_3_read_whole_states_and_each_once, of version 3",
            "needs one in the variable PROMETHEUS3: tests/run",
        ),
    }
    let file = TargetFile::new();
    read_whole_states_and_each_once(etcd, &file, &programs, CHURN).await;
}

async fn a_prometheus_that_reads_through_a_link_is_told_once_too(etcd: Etcd) {
    let (real, link) = (TargetFile::new(), TargetFile::new());
    symlink(real.path(), link.path()).unwrap();
    read_whole_states_and_each_once(etcd, &link, &[prometheus()], SHORT_CHURN).await;
}

/// A Prometheus, and what it has discovered while services came and went.
struct Watched {
    prometheus: Prometheus,
    /// When services began to come and go.
    scans: u64,
    counts: Vec<u64>,
}

impl Watched {
    async fn start(program: &str, file: &TargetFile) -> Self {
        let prometheus = Prometheus::start_discovering(program, file.path()).await;
        // Only the first scan is without an event.
        eventually(SOON, "Prometheus knows its targets", async || {
            let known = number(&prometheus, DISCOVERED).await;
            ensure(known > 0, || "none".to_owned())
        })
        .await;
        let scans = number(&prometheus, SCANS).await;
        Self { prometheus, scans, counts: Vec::new() }
    }

    async fn look(&mut self) {
        self.counts.push(number(&self.prometheus, DISCOVERED).await);
    }

    async fn scans(&self) -> u64 {
        number(&self.prometheus, SCANS).await - self.scans
    }

    async fn has_seen_whole_states(self, targets: u64) {
        eventually(TAKEN_UP, "Prometheus takes up the last one", async || {
            let known = number(&self.prometheus, DISCOVERED).await;
            ensure(known == targets, || format!("{known} targets, not {targets}"))
        })
        .await;
        let partial = self.counts.iter().find(|&count| count % u64::from(INSTANCES) != 0);
        assert_eq!(partial, None, "a number of targets that no state has");
        assert_eq!(number(&self.prometheus, READ_ERRORS).await, 0);
    }
}

async fn read_whole_states_and_each_once(
    etcd: Etcd,
    file: &TargetFile,
    programs: &[String],
    churn: Duration,
) {
    for service in 0..SERVICES / 2 {
        arrives(&etcd, service).await;
    }
    let mut daemon = following(&etcd, file, &[]).await;
    let mut all = Vec::new();
    for program in programs {
        all.push(Watched::start(program, file).await);
    }
    let directory = Directory::watch(file.directory());
    let published = publishes(&daemon);

    let mut random = Random::new();
    let mut beat = tokio::time::interval(PACE);
    let start = Instant::now();
    let mut changes = 0_usize;
    while start.elapsed() < churn {
        beat.tick().await;
        let service = random.below(SERVICES);
        if random.below(2) == 0 {
            arrives(&etcd, service).await;
        } else {
            etcd.delete_prefix(&format!("/services/service-{service}/")).await;
        }
        changes += 1;
        let watched = changes % (LOOK_EVERY * all.len()) / LOOK_EVERY;
        if changes.is_multiple_of(LOOK_EVERY) {
            all[watched].look().await;
        }
    }
    file.follows(&etcd).await;

    let published = publishes(&daemon) - published;
    assert!(published > 50, "{published} publishes");
    // The kernel makes one of two events that nobody has read yet: it may be fewer, by some.
    let once_each = |what: &str, count: u64| {
        let is_right = (published / 2..=published).contains(&count);
        ensure(is_right, || format!("{published} publishes, {count} {what}"))
    };
    let all_once_each = async || {
        once_each("events", directory.events().into_values().sum::<usize>() as u64)?;
        for watched in &all {
            once_each("scans", watched.scans().await)?;
        }
        Ok(())
    };
    eventually(SOON, "one event and one scan for each publish", all_once_each).await;
    always(Duration::from_secs(1), "and no more", all_once_each).await;
    let targets = file.groups().iter().map(|group| group.targets.len() as u64).sum();
    for watched in all {
        watched.has_seen_whole_states(targets).await;
    }
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
    prometheus_2_and_3_read_whole_states_and_each_once,
    a_prometheus_that_reads_through_a_link_is_told_once_too,
);
