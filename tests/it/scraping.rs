//! End to end: a real etcd in, a real Prometheus out, which scrapes what the tests
//! let run.

use std::time::Duration;

use crate::support::backend::{Etcd, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::listener::Instance;
use crate::support::prometheus::{Prometheus, Target, promtool_check, write_config};
use crate::support::wait::{always, ensure, eventually};

/// Prometheus 2 takes up new targets every five seconds.
const TAKEN_UP: Duration = Duration::from_secs(30);

const READ_ERRORS: &str = "prometheus_sd_file_read_errors_total";

async fn targets_appear_change_and_leave_in_prometheus(etcd: Etcd) {
    let (one, two, three) =
        (Instance::start().await, Instance::start().await, Instance::start().await);
    let file = TargetFile::new();
    etcd.put("/services/web/1", one.address()).await;
    let _daemon = Daemon::start(&etcd, &file, &[]);
    file.follows(&etcd).await;
    let prometheus = Prometheus::start(file.path()).await;
    scrapes(&prometheus, &[("web", one.address())]).await;

    // They appear: one for good, one as long as its lease lives.
    let lease = etcd.grant(3600).await;
    etcd.put_leased("/services/web/2", two.address(), lease).await;
    let labelled = format!(r#"{{"address":"{}","labels":{{"env":"test"}}}}"#, three.address());
    etcd.put("/services/db/1", labelled).await;
    scrapes(
        &prometheus,
        &[("db", three.address()), ("web", one.address()), ("web", two.address())],
    )
    .await;
    assert!(one.scrapes() > 0 && two.scrapes() > 0 && three.scrapes() > 0);

    // One changes: another process in its place.
    let four = Instance::start().await;
    etcd.put("/services/web/1", four.address()).await;
    drop(one);
    scrapes(
        &prometheus,
        &[("db", three.address()), ("web", four.address()), ("web", two.address())],
    )
    .await;

    // They leave: by a deletion, and by the end of a lease.
    etcd.delete("/services/db/1").await;
    scrapes(&prometheus, &[("web", four.address()), ("web", two.address())]).await;
    etcd.revoke(lease).await;
    scrapes(&prometheus, &[("web", four.address())]).await;
    etcd.delete("/services/web/1").await;
    scrapes(&prometheus, &[]).await;
    assert_no_errors(&prometheus).await;
}

async fn prometheus_reads_no_broken_file_under_churn(etcd: Etcd) {
    let instance = Instance::start().await;
    let file = TargetFile::new();
    let ports =
        (1..2_000).map(|port| (format!("/services/churn/{port}"), format!("127.0.0.1:{port}")));
    etcd.put("/services/web/1", instance.address()).await;
    let _daemon = Daemon::start(&etcd, &file, &["--debounce", "0", "--guard-ratio", "1"]);
    file.follows(&etcd).await;
    let prometheus = Prometheus::start(file.path()).await;
    scrapes(&prometheus, &[("web", instance.address())]).await;

    let ports: Vec<_> = ports.collect();
    for chunk in ports.chunks(20) {
        etcd.put_all(chunk).await;
        etcd.delete(&chunk[0].0).await;
    }
    etcd.delete_prefix("/services/churn/").await;
    file.follows(&etcd).await;
    scrapes(&prometheus, &[("web", instance.address())]).await;
    assert_no_errors(&prometheus).await;
}

async fn prometheus_keeps_its_targets_while_etcd_is_down(mut etcd: Etcd) {
    let instance = Instance::start().await;
    let file = TargetFile::new();
    etcd.put("/services/web/1", instance.address()).await;
    let daemon = Daemon::start(&etcd, &file, &[]);
    file.follows(&etcd).await;
    let prometheus = Prometheus::start(file.path()).await;
    scrapes(&prometheus, &[("web", instance.address())]).await;

    etcd.kill().await;
    daemon.wait_for_log("connection lost").await;
    // Longer than Prometheus takes to act on a change.
    always(Duration::from_secs(6), "the target stays", async || {
        let targets = prometheus.targets().await;
        ensure(targets.len() == 1, || format!("{targets:?}"))
    })
    .await;
    etcd.restart().await;
    etcd.delete("/services/web/1").await;
    scrapes(&prometheus, &[]).await;
}

async fn promtool_accepts_the_configuration_with_the_file(etcd: Etcd) {
    let file = TargetFile::new();
    let _daemon = Daemon::start(&etcd, &file, &["--debounce", "10ms"]);
    file.becomes("[]\n", TAKEN_UP).await;
    let config = write_config(file.directory(), file.path());
    promtool_check(&config).unwrap();

    etcd.put("/services/web server/1", "[::1]:9100").await;
    etcd.put(
        "/services/a\"b\\ü\u{2028}/1",
        r#"{"targets":["a:1","b:2"],"labels":{"_x":"\u0000\n"}}"#,
    )
    .await;
    file.follows(&etcd).await;
    promtool_check(&config).unwrap();
    // The check does look into the file.
    let broken = TargetFile::new();
    broken.write("[null]");
    let config = write_config(broken.directory(), broken.path());
    promtool_check(&config).unwrap_err();
}

/// Waits until Prometheus scrapes these and no others, and finds all up.
async fn scrapes(prometheus: &Prometheus, expected: &[(&str, &str)]) {
    let mut expected: Vec<Target> = expected
        .iter()
        .map(|(job, instance)| Target {
            job: (*job).to_owned(),
            instance: (*instance).to_owned(),
            health: "up".to_owned(),
        })
        .collect();
    expected.sort();
    eventually(TAKEN_UP, "Prometheus scrapes what is registered", async || {
        let targets = prometheus.targets().await;
        ensure(targets == expected, || format!("it scrapes {targets:?}, not {expected:?}"))
    })
    .await;
}

async fn assert_no_errors(prometheus: &Prometheus) {
    assert_eq!(prometheus.metric(READ_ERRORS).await.to_string(), "0", "{READ_ERRORS}");
}

on_real!(
    Sync::Always:
    targets_appear_change_and_leave_in_prometheus,
    prometheus_reads_no_broken_file_under_churn,
    prometheus_keeps_its_targets_while_etcd_is_down,
    promtool_accepts_the_configuration_with_the_file,
);
