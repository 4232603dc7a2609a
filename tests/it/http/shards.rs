//! Shards: each Prometheus of a set gets its own targets and no others, by the rule that
//! Prometheus itself has for that; and `VictoriaMetrics` reads the file as Prometheus does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use super::{address, ask};
use crate::support::backend::{Etcd, on_both, on_real};
use crate::support::certs::{Authority, Valid};
use crate::support::daemon::Daemon;
use crate::support::file::{self, Group, TargetFile};
use crate::support::prometheus::{Pools, Prometheus, prometheus, prometheus_3};
use crate::support::victoria::VictoriaMetrics;
use crate::support::wait::{ensure, eventually};

/// Prometheus takes up new targets every five seconds.
const TAKEN_UP: Duration = Duration::from_secs(30);

const SHARDS: usize = 3;

const TOKEN: &str = "open-sesame-0123456789";

type Targets = BTreeSet<(String, String)>;

/// Jobs and addresses.
fn targets(groups: &[Group]) -> Targets {
    let pairs = groups.iter().flat_map(|group| {
        group.targets.iter().map(|address| (group.labels["job"].clone(), address.clone()))
    });
    pairs.collect()
}

async fn register(etcd: &Etcd) {
    let entries: Vec<_> = (0..60)
        .map(|n| (format!("/services/job-{}/{n}", n % 7), format!("10.0.{}.{n}:9100", n % 4)))
        .collect();
    etcd.put_all(&entries).await;
    let several = r#"{"targets":["a.example:1","b.example:2","c.example:3","d.example:4"]}"#;
    etcd.put("/services/several/1", several).await;
}

/// Over TLS, with a token.
async fn three_shards_of_discovery_are_what_hashmod_keeps_of_the_whole(etcd: Etcd) {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new(directory.path(), "ours");
    let identity = authority.server(&["127.0.0.1"], Valid::Now);
    let token = directory.path().join("token");
    fs::write(&token, TOKEN).unwrap();
    register(&etcd).await;
    let token = token.to_str().unwrap();
    let args = ["--listen", "127.0.0.1:0", "--listen-token-file", token];
    let tls = ["--listen-cert", &identity.cert, "--listen-key", &identity.key];
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &[&args[..], &tls].concat());
    let address = address(&daemon).await;
    file.follows(&etcd).await;
    let whole = targets(&file.groups());

    let config = directory.path().join("prometheus.yml");
    let authority = directory.path().join("ours.pem");
    let sd = |query: &str| {
        format!(
            "    http_sd_configs:\n      - url: 'https://{address}/sd{query}'\n        \
             refresh_interval: 1s\n        authorization: {{credentials_file: {token}}}\n        \
             tls_config: {{ca_file: {}}}\n",
            authority.display()
        )
    };
    // What is registered here is nowhere, and nothing beyond this machine is to be asked.
    let relabelled = |keep: &str| {
        format!(
            "    relabel_configs:\n{keep}      \
             - {{source_labels: [__address__], target_label: registered}}\n      \
             - {{target_label: __address__, replacement: '127.0.0.1:9'}}\n"
        )
    };
    let jobs = (0..SHARDS).map(|shard| {
        let keep = format!(
            "      - {{source_labels: [__address__], action: hashmod, modulus: {SHARDS}, target_label: __tmp}}\n      \
             - {{source_labels: [__tmp], action: keep, regex: '{shard}'}}\n"
        );
        let served = sd(&format!("?shard={shard}&of={SHARDS}"));
        format!("  - job_name: served-{shard}\n{served}{}", relabelled(""))
            + &format!("  - job_name: kept-{shard}\n{}{}", sd(""), relabelled(&keep))
    });
    let jobs: String = jobs.collect();
    fs::write(&config, format!("global:\n  scrape_interval: 1d\nscrape_configs:\n{jobs}")).unwrap();

    for program in [Some(prometheus()), prometheus_3()].into_iter().flatten() {
        let prometheus = Prometheus::start_with(&program, &config).await;
        let pools = eventually(TAKEN_UP, "it has all targets twice", async || {
            let pools = prometheus.pools().await;
            let count: usize = pools.values().map(BTreeSet::len).sum();
            ensure(count >= 2 * whole.len(), || format!("{count} of 2 * {}", whole.len()))?;
            Ok(pools)
        })
        .await;
        are_shards_of(&whole, &pools);
        let failures = prometheus.metric("prometheus_sd_http_failures_total").await;
        assert_eq!(failures.to_string(), "0", "{program}");
    }
}

fn are_shards_of(whole: &Targets, pools: &Pools) {
    let mut union = Targets::new();
    for shard in 0..SHARDS {
        let [served, kept] = ["served", "kept"].map(|kind| &pools[&format!("{kind}-{shard}")]);
        assert_eq!(served, kept, "shard {shard}");
        assert!(!served.is_empty() && served.is_disjoint(&union), "shard {shard}");
        union.extend(served.iter().cloned());
    }
    assert_eq!(&union, whole);
}

async fn a_daemon_of_one_shard_has_its_targets_in_file_and_discovery_and_no_others(etcd: Etcd) {
    register(&etcd).await;
    etcd.put("/services/bad/1", "no address").await;
    let files: BTreeMap<_, _> =
        (0..SHARDS).map(|index| (format!("{index}/{SHARDS}"), TargetFile::new())).collect();
    let whole = TargetFile::new();
    let listen = ["--listen", "127.0.0.1:0"];
    let all = Daemon::start(&etcd, &whole, &listen);
    whole.follows(&etcd).await;
    let all = address(&all).await;
    let mut union = Targets::new();
    for (index, (shard, file)) in files.iter().enumerate() {
        let args = [&listen[..], &["--shard", shard]].concat();
        let daemon = Daemon::start(&etcd, file, &args);
        let query = format!("GET /sd?shard={index}&of={SHARDS}");
        let share = ask(&all, &query, &[]).await;
        file.becomes(&share.text(), TAKEN_UP).await;
        let own = address(&daemon).await;
        assert_eq!(ask(&own, "GET /sd", &[]).await.text(), share.text());
        assert_eq!(ask(&own, &query, &[]).await.text(), share.text());
        let other = ask(&own, &format!("GET /sd?shard=0&of={}", SHARDS + 1), &[]).await;
        assert_eq!(other.status, 400);
        assert!(other.text().contains(&format!("--shard {shard}")), "{}", other.text());
        // What is bad is so for each of them.
        assert_eq!(daemon.logged("listed")[0].number("quarantined"), 1);
        let share = targets(&file::parse(share.text().as_bytes()).unwrap());
        assert!(share.is_disjoint(&union) && !share.is_empty());
        union.extend(share);
    }
    assert_eq!(union, targets(&whole.groups()));
}

async fn victoria_metrics_reads_the_file(etcd: Etcd) {
    register(&etcd).await;
    let file = TargetFile::new();
    let _daemon = Daemon::start(&etcd, &file, &[]);
    file.follows(&etcd).await;
    let victoria = VictoriaMetrics::start(file.path()).await;
    victoria.has(&targets(&file.groups())).await;
    etcd.delete_prefix("/services/job-1/").await;
    etcd.put("/services/new/1", r#"{"address":"[::1]:1","labels":{"env":"a\"b"}}"#).await;
    file.follows(&etcd).await;
    victoria.has(&targets(&file.groups())).await;
}

on_both!(a_daemon_of_one_shard_has_its_targets_in_file_and_discovery_and_no_others);

mod with_prometheus {
    use super::{on_real, three_shards_of_discovery_are_what_hashmod_keeps_of_the_whole};

    on_real!(three_shards_of_discovery_are_what_hashmod_keeps_of_the_whole);
}

mod with_victoria_metrics {
    use super::{on_real, victoria_metrics_reads_the_file};

    on_real!(victoria_metrics_reads_the_file);
}
