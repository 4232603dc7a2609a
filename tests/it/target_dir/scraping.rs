//! What a Prometheus makes of the files.

use std::time::Duration;

use super::{following, register};
use crate::support::backend::{Etcd, on_real};
use crate::support::prometheus::Prometheus;
use crate::support::target_dir::TargetDir;
use crate::support::wait::{ensure, eventually};

/// Prometheus 2 takes up new targets every five seconds.
const TAKEN_UP: Duration = Duration::from_secs(30);

async fn a_prometheus_reads_them_all_with_one_pattern(etcd: Etcd) {
    let services = [".hidden", "API", "a b", "api", "con", "ünïcode", "~", "*"];
    register(&etcd, &services).await;
    let directory = TargetDir::new();
    let _daemon = following(&etcd, &directory, &[]).await;
    let prometheus = Prometheus::start(&directory.path().join("*.json")).await;
    eventually(TAKEN_UP, "it has a target of each", async || {
        let targets = prometheus.targets().await;
        let mut jobs: Vec<_> = targets.iter().map(|target| target.job.as_str()).collect();
        jobs.sort_unstable();
        ensure(jobs == ["*", ".hidden", "API", "a b", "api", "con", "~", "ünïcode"], || {
            format!("{jobs:?}")
        })
    })
    .await;
    let errors = prometheus.metric("prometheus_sd_file_read_errors_total").await;
    assert_eq!(errors.to_string(), "0");
}

on_real!(a_prometheus_reads_them_all_with_one_pattern);
