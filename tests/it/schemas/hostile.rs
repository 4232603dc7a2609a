//! Whoever writes the registry does not steer Prometheus.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::etcd::{Access, RealEtcd, Sync};
use crate::support::file::TargetFile;
use crate::support::prometheus::{
    Prometheus, prometheus, prometheus_3, promtool_check, write_config_of,
};
use crate::support::ran::etcd_sd;
use crate::support::wait::{SOON, ensure, eventually};

const GOOD: &str = "[\n{\"targets\":[\"10.0.0.1:80\"],\"labels\":{\"job\":\"web\"}}\n]\n";

/// In what etcd takes of its own accord, and in the keys of a service that is good.
fn hostile() -> Vec<Vec<u8>> {
    let labelled = |name: &str, text: &str| {
        let labels = serde_json::json!({ name: text });
        serde_json::json!({ "address": "h:1", "labels": labels }).to_string().into_bytes()
    };
    let many: Vec<_> = (0..100_000).map(|host| format!("h{host}:1")).collect();
    let labels: serde_json::Map<_, _> = (0..51).map(|n| (format!("l{n}"), "x".into())).collect();
    let mut values: Vec<Vec<u8>> = [
        ("__address__", "evil:1"),
        ("__scheme__", "https"),
        ("__metrics_path__", "/evil"),
        ("__param_target", "http://evil"),
        ("__scrape_interval__", "1ms"),
        ("__meta_etcd_key", "/evil"),
        ("job", "node"),
        ("a", "%{PATH}"),
        ("%{PATH}", "a"),
        ("a.b", "x"),
        ("a\"},{\"targets\":[\"h:1\"", "x"),
        ("", "x"),
        ("a", &"x".repeat(5_000)),
    ]
    .map(|(name, text)| labelled(name, text))
    .into();
    values.extend([
        // The same, escaped.
        br#"{"address":"h:1","labels":{"a":"\u0025\u007bPATH}"}}"#.to_vec(),
        br#"{"address":"h:1","labels":{"\u006aob":"node"}}"#.to_vec(),
        br#"{"address":"h:1","labels":{"a":"\ud800"}}"#.to_vec(),
        br#"{"address":"h:1","address":"evil:1"}"#.to_vec(),
        br#"{"address":"h:1\n- evil:1"}"#.to_vec(),
        br#"{"targets":["h:1","evil:1/metrics?x=y"]}"#.to_vec(),
        b"h:1\"},{\"targets\":[\"evil:1\"]".to_vec(),
        b"h:1\nevil:1".to_vec(),
        b"http://10.0.0.9:80".to_vec(),
        b"evil\xff:1".to_vec(),
        b"\xef\xbb\xbfevil:1".to_vec(),
        b"{\"address\":\"evil\xc3:1\"}".to_vec(),
        [b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        [&b"{\"address\":"[..], &b"[".repeat(100_000)].concat(),
        serde_json::json!({ "targets": many }).to_string().into_bytes(),
        serde_json::json!({ "address": "h:1", "labels": labels }).to_string().into_bytes(),
    ]);
    values
}

/// Keys that want as much.
const HOSTILE_KEYS: &[&[u8]] = &[
    b"/services/%{PATH}/1",
    b"/services//1",
    b"/services/evil\xff/1",
    b"/services/web/\xff\xfe",
    b"/services/\xed\xa0\x80/1",
];

/// What looks hostile, and is a name like others; with what makes a document of it.
const ODD: [&str; 4] =
    ["a\"},{\"targets\":[\"evil:1\"]", "a\\\nb: [1]\t- x", "\u{2028}\u{feff}", "{}"];

async fn of_a_hostile_registry_only_the_good_entries_reach_prometheus(etcd: Etcd) {
    // As long as one value can be that etcd gets to see, if it is told to take it.
    let long = format!(r#"{{"address":"h:1","x":"{}"}}"#, "x".repeat(10 << 20)).into_bytes();
    let mut values = hostile();
    values.push(long);
    put_web(&etcd, "bad", &values).await;
    let keys: Vec<_> = HOSTILE_KEYS.iter().map(|key| (key, "10.0.0.9:80")).collect();
    etcd.put_all(&keys).await;
    let odd: Vec<_> =
        ODD.iter().map(|name| (format!("/services/{name}/1"), "10.0.0.2:80")).collect();
    etcd.put_all(&odd).await;
    etcd.put("/services/web/good", "10.0.0.1:80").await;
    etcd.put("/services/web/odd", r#"{"address":"10.0.0.3:80","labels":{"a":"\"\n\u0000%}{"}}"#)
        .await;

    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &[]);
    let listed = daemon.wait_for_log("listed").await;
    let bad = values.len() + HOSTILE_KEYS.len();
    assert_eq!(listed.number("quarantined"), i64::try_from(bad).unwrap());
    daemon.wait_for_log("published").await;
    assert!(!daemon.log().raw().contains("evil:"), "values are not repeated");

    for number in 0..values.len() {
        explained(&etcd, &format!("/services/web/bad-{number}")).await;
    }

    // They come while it runs, too.
    put_web(&etcd, "late", &values).await;
    etcd.put("/services/web/last", "10.0.0.4:80").await;
    let targets: BTreeSet<_> = expected().into_iter().map(|(_, address, _)| address).collect();
    eventually(3 * SOON, "the good ones are published", async || {
        let groups = if file.read().is_some() { file.groups() } else { Vec::new() };
        let found: BTreeSet<_> = groups.into_iter().flat_map(|group| group.targets).collect();
        ensure(found == targets, || format!("{found:?}"))
    })
    .await;
    if !etcd.is_embedded() {
        for program in std::iter::once(prometheus()).chain(prometheus_3()) {
            prometheus_has_the_good_ones(&program, file.path()).await;
        }
    }
}

async fn put_web(etcd: &Etcd, name: &str, values: &[Vec<u8>]) {
    for (number, value) in values.iter().enumerate() {
        let key = format!("/services/web/{name}-{number}");
        if etcd.is_embedded() {
            // No request of a client is that long.
            etcd.faulty().store().put(key.as_str(), value.clone());
        } else {
            etcd.put(&key, value.clone()).await;
        }
    }
}

/// `explain` says in a few lines why it is left out, and lets it steer no terminal.
async fn explained(etcd: &Etcd, key: &str) {
    let ran = etcd_sd(&["explain", key, "--server", etcd.endpoint()]).await;
    assert_eq!(ran.code, 6, "{key}: {} {}", ran.stdout, ran.stderr);
    assert!(ran.stdout.lines().count() < 15, "{}", ran.stdout);
    assert!(ran.stdout.contains("quarantined: "), "{}", ran.stdout);
    let steers = |c: char| c.is_control() && c != '\n';
    assert!(!ran.stdout.contains(steers) && ran.stdout.len() < 2_000, "{:?}", ran.stdout);
}

/// Job, address and the label `a` of all that is good.
fn expected() -> BTreeSet<(String, String, Option<String>)> {
    let plain = |job: &str, address: &str| (job.to_owned(), address.to_owned(), None);
    let odd = ODD.iter().map(|job| plain(job, "10.0.0.2:80"));
    let labelled = ("web".to_owned(), "10.0.0.3:80".to_owned(), Some("\"\n\0%}{".to_owned()));
    odd.chain([plain("web", "10.0.0.1:80"), plain("web", "10.0.0.4:80"), labelled]).collect()
}

async fn prometheus_has_the_good_ones(program: &str, file: &Path) {
    let home = tempfile::tempdir().unwrap();
    let config = write_config_of(home.path(), &[file]);
    promtool_check(&config).unwrap();
    let prometheus = Prometheus::start_with(program, &config).await;
    let expected = expected();
    eventually(3 * SOON, "Prometheus has the good ones", async || {
        let discovered = prometheus.discovered().await;
        for labels in &discovered {
            let own = ["__address__", "job", "a", "__meta_filepath", "__metrics_path__"];
            let own = [&own[..], &["__scheme__", "__scrape_interval__", "__scrape_timeout__"]];
            let foreign = labels.keys().find(|name| !own.concat().contains(&name.as_str()));
            assert_eq!(foreign, None, "{labels:?}");
            let steering = (&*labels["__scheme__"], &*labels["__metrics_path__"]);
            assert_eq!(steering, ("http", "/metrics"), "{labels:?}");
            assert_eq!(labels["__scrape_interval__"], "1d", "{labels:?}");
        }
        let found: BTreeSet<_> = discovered
            .into_iter()
            .map(|labels| {
                let a = labels.get("a").cloned();
                (labels["job"].clone(), labels["__address__"].clone(), a)
            })
            .collect();
        ensure(found == expected, || format!("{found:?}, not {expected:?}"))
    })
    .await;
}

async fn of_a_hostile_registry_in_a_real_etcd_only_the_good_entries_reach_prometheus() {
    let etcd = vec!["--max-request-bytes=20971520".to_owned()];
    let etcd = RealEtcd::start_with(Sync::Never, Access { etcd, ..Access::default() }).await;
    of_a_hostile_registry_only_the_good_entries_reach_prometheus(Etcd::of(etcd).await).await;
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

mod embedded_only {
    use crate::support::backend::on_embedded;

    use super::of_a_hostile_registry_only_the_good_entries_reach_prometheus;

    on_embedded!(of_a_hostile_registry_only_the_good_entries_reach_prometheus);
}

mod own_etcd {
    use crate::support::backend::with_own_etcd;

    use super::of_a_hostile_registry_in_a_real_etcd_only_the_good_entries_reach_prometheus;

    with_own_etcd!(of_a_hostile_registry_in_a_real_etcd_only_the_good_entries_reach_prometheus);
}

on_both!(addresses_and_ports_outside_of_the_lists_are_quarantined);
