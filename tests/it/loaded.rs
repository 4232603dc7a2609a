//! Closing the loop: the daemon knows whether Prometheus has loaded what it publishes.

use std::time::Duration;

use crate::support::backend::{Etcd, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::http;
use crate::support::prometheus::{Prometheus, prometheus, prometheus_3};
use crate::support::target_dir::TargetDir;
use crate::support::wait::{SOON, ensure, eventually};

/// Prometheus has 10 s before anything is found wrong.
const FOUND: Duration = Duration::from_secs(30);

const QUICK: [&str; 2] = ["--debounce", "10ms"];

/// What the daemon's own metrics say; of what it does not have, nothing.
async fn metric(daemon: &Daemon, name: &str) -> Option<f64> {
    let line = daemon.wait_for_log("listening").await;
    let address = line.text("address");
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let page = http::get(address, "/metrics").await.unwrap();
    let value = page.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    value.map(|value| value.parse().unwrap())
}

async fn what_prometheus_has_loaded_is_known_and_one_that_is_gone_harms_nothing(etcd: Etcd) {
    for program in [Some(prometheus()), prometheus_3()].into_iter().flatten() {
        let file = TargetFile::new();
        etcd.put("/services/web/1", "127.0.0.1:9").await;
        let prometheus = Prometheus::start_discovering(&program, file.path()).await;
        let url = prometheus.url();
        let more = ["--prometheus-url", &url, "--listen", "127.0.0.1:0"];
        let mut daemon = Daemon::start(&etcd, &file, &[&QUICK[..], &more].concat());
        daemon.says("INFO", &["has loaded what is published"]).await;
        etcd.put("/services/web/2", "127.0.0.1:10").await;
        file.follows(&etcd).await;
        eventually(SOON, "it is loaded, and known how long after", async || {
            let loaded = metric(&daemon, "etcd_sd_prometheus_loaded").await;
            let lag = metric(&daemon, "etcd_sd_prometheus_load_lag_seconds").await;
            ensure(loaded == Some(1.0) && lag.is_some_and(|lag| lag < 10.0), || {
                format!("{loaded:?} {lag:?}")
            })
        })
        .await;
        drop(prometheus);
        daemon.says("WARN", &["cannot ask prometheus"]).await;
        etcd.delete("/services/web/2").await;
        file.follows(&etcd).await;
        assert_eq!(metric(&daemon, "etcd_sd_prometheus_up").await, Some(0.0));
        assert_eq!(daemon.said("WARN", &["prometheus"]).len(), 1, "it is said once");
        assert_eq!(daemon.stop().await, 0);
    }
}

async fn a_prometheus_that_reads_another_file_is_found(etcd: Etcd) {
    let (file, other) = (TargetFile::new(), TargetFile::new());
    let elsewhere = other.directory().join("other.json");
    other.write("[]");
    etcd.put("/services/web/1", "127.0.0.1:9").await;
    let wrong = Prometheus::start_discovering(&prometheus(), &elsewhere).await;
    // A file of the same name elsewhere, as a single file that was mounted once.
    let stale = Prometheus::start_discovering(&prometheus(), other.path()).await;
    let second = TargetFile::new();
    let start = |file, url: &str| {
        Daemon::start(&etcd, file, &[&QUICK[..], &["--prometheus-url", url]].concat())
    };
    // So that the second is newer than what is read.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let daemons = [start(&file, &wrong.url()), start(&second, &stale.url())];
    for (daemon, words) in
        daemons.iter().zip(["reads no file of this name", "still has another version"])
    {
        eventually(FOUND, words, async || {
            ensure(!daemon.said("WARN", &[words]).is_empty(), || "not yet".to_owned())
        })
        .await;
    }
}

async fn the_files_of_a_target_directory_are_loaded_once_all_of_them_are(etcd: Etcd) {
    let (file, directory) = (TargetFile::new(), TargetDir::new());
    let path = directory.path().to_str().unwrap();
    etcd.put("/services/web/1", "127.0.0.1:9").await;
    etcd.put("/services/db/1", "127.0.0.1:10").await;
    let all = Prometheus::start_discovering(&prometheus(), &directory.path().join("*.json")).await;
    let some =
        Prometheus::start_discovering(&prometheus(), &directory.path().join("w*.json")).await;

    // There is a target file as well, and Prometheus does not read it.
    let url = all.url();
    let more = ["--target-dir", path, "--prometheus-url", &url];
    let mut daemon = Daemon::start(&etcd, &file, &[&QUICK[..], &more].concat());
    daemon.says("INFO", &["has loaded what is published", path]).await;
    assert_eq!(daemon.stop().await, 0);

    let daemon = directory.start(&etcd, &["--prometheus-url", &some.url()]);
    let db = directory.path().join("db.json");
    eventually(FOUND, "the file that is not read is named", async || {
        let said = daemon.said("WARN", &["reads no file of this name", db.to_str().unwrap()]);
        ensure(!said.is_empty(), || "not yet".to_owned())
    })
    .await;
}

async fn what_is_no_prometheus_is_not_taken_for_one(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "127.0.0.1:9").await;
    // etcd has metrics as well, at the same path.
    let daemon = Daemon::start(&etcd, &file, &["--prometheus-url", etcd.endpoint()]);
    daemon.says("WARN", &["cannot ask prometheus", "not the metrics of a prometheus"]).await;
    file.follows(&etcd).await;
}

on_real!(
    what_prometheus_has_loaded_is_known_and_one_that_is_gone_harms_nothing,
    a_prometheus_that_reads_another_file_is_found,
    the_files_of_a_target_directory_are_loaded_once_all_of_them_are,
    what_is_no_prometheus_is_not_taken_for_one,
);
