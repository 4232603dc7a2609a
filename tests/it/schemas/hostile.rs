//! Whoever writes the registry does not steer Prometheus.

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::SOON;

const GOOD: &str = "[\n{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"job\":\"web\"}}\n]\n";

async fn of_a_hostile_registry_only_the_good_entries_reach_prometheus(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/good", "10.0.0.1:80").await;
    let many: Vec<_> = (0..80_000).map(|host| format!("h{host}:1")).collect();
    let many = serde_json::json!({ "targets": many }).to_string();
    let long = format!(r#"{{"address":"h:1","x":"{}"}}"#, "x".repeat(1 << 20));
    let hostile = [
        r#"{"address":"h:1","labels":{"__address__":"evil:1"}}"#.to_owned(),
        r#"{"address":"h:1","labels":{"job":"node"}}"#.to_owned(),
        r#"{"address":"h:1","labels":{"__param_target":"http://evil"}}"#.to_owned(),
        r#"{"address":"h:1","labels":{"a":"%{PATH}"}}"#.to_owned(),
        r#"{"address":"h:1\n- evil:1"}"#.to_owned(),
        "h:1\"},{\"targets\":[\"evil:1\"]".to_owned(),
        "http://10.0.0.9:80".to_owned(),
        many,
        long,
    ];
    for (number, value) in hostile.iter().enumerate() {
        etcd.put(&format!("/services/web/bad-{number}"), value.clone()).await;
    }
    etcd.put("/services/%{PATH}/1", "10.0.0.9:80").await;
    let daemon = Daemon::start(&etcd, &file, &["--max-value-bytes", "1000000"]);
    file.becomes(GOOD, SOON).await;
    let listed = daemon.wait_for_log("listed").await;
    assert_eq!(listed.number("quarantined"), i64::try_from(hostile.len() + 1).unwrap());
    assert!(!daemon.log().raw().contains("evil"), "values are not repeated");
}

async fn addresses_and_ports_outside_of_the_lists_are_quarantined(etcd: Etcd) {
    let file = TargetFile::new();
    for (instance, address) in
        [("1", "10.0.0.1:80"), ("2", "169.254.169.254:80"), ("3", "10.0.0.1:22"), ("4", "name:80")]
    {
        etcd.put(&format!("/services/web/{instance}"), address).await;
    }
    let lists = ["--allow-address", "10.0.0.0/8", "--allow-port", "80,9000-9999"];
    let daemon = Daemon::start(&etcd, &file, &lists);
    file.becomes(GOOD, SOON).await;
    daemon.wait_for_reason("--allow-address").await;
    daemon.wait_for_reason("--allow-port").await;
}

on_both!(
    of_a_hostile_registry_only_the_good_entries_reach_prometheus,
    addresses_and_ports_outside_of_the_lists_are_quarantined,
);
