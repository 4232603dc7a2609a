//! The alerts and the dashboard in `contrib/`, on what a daemon exports in good and bad times.

mod series;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::backend::{Etcd, on_real, run};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::process::{command, program};
use crate::support::prometheus::{Prometheus, prometheus, promtool_3};
use crate::support::ran::{Ran, ends};
use crate::support::wait::{SOON, ensure, eventually};
use series::Scrape;

fn contrib(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib").join(name)
}

/// promtool, in each of the versions that are there.
async fn promtool(arguments: &[&str], input: &str) -> Vec<Ran> {
    let mut all = Vec::new();
    for promtool in [Some(program("PROMTOOL", "promtool")), promtool_3()].into_iter().flatten() {
        let mut command = command(promtool);
        command.args(arguments);
        all.push(ends(command, input.into()).await);
    }
    all
}

async fn accepts(arguments: &[&str], input: &str) {
    for ran in promtool(arguments, input).await {
        assert_eq!(ran.code, 0, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    }
}

/// What stands behind each `before`, as far as it is a name.
fn names<'t>(text: &'t str, before: &str) -> BTreeSet<&'t str> {
    let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
    let name = |rest: &'t str| rest.split(|c| !is_name(c)).next().unwrap();
    text.split(before).skip(1).map(name).collect()
}

/// A daemon to look at.
struct Scene {
    etcd: Etcd,
    file: TargetFile,
    journal: PathBuf,
    daemon: Daemon,
    address: String,
    _home: TempDir,
    /// What promtool is to test: states, and what fires in them.
    tests: String,
    seen: Vec<Scrape>,
}

impl Scene {
    async fn start(etcd: Etcd) -> Self {
        for number in 0..30 {
            etcd.put(&format!("/services/s{number}/1"), "10.0.0.1:80").await;
        }
        let file = TargetFile::new();
        let mut args = vec!["--listen", "127.0.0.1:0", "--debounce", "10ms"];
        args.extend(["--dial-timeout", "500ms", "--max-targets-per-service", "1"]);
        let home = tempfile::tempdir().unwrap();
        let journal = home.path().join("changes.jsonl");
        args.extend(["--journal", journal.to_str().unwrap()]);
        let daemon = Daemon::start(&etcd, &file, &args);
        let address = daemon.wait_for_log("listening").await.text("address");
        let (tests, seen) = (String::new(), Vec::new());
        Self { etcd, file, journal, daemon, address, tests, seen, _home: home }
    }

    /// Waits until a metric has a value.
    async fn shows(&self, name: &str, label: &str, value: f64) -> Scrape {
        eventually(2 * SOON, &format!("{name} with {label} is {value}"), async || {
            let scrape = Scrape::of(&self.address).await;
            let is = scrape.value(name, label);
            ensure(is == Some(value), || format!("it is {is:?}"))?;
            Ok(scrape)
        })
        .await
    }

    async fn is_well(&self) -> Scrape {
        self.shows("etcd_sd_ready", "", 1.0).await
    }

    /// Has promtool see whether nothing fires in the state `before`, and exactly these fire after
    /// 40 minutes of `during`.
    fn fires(&mut self, alerts: &[&str], before: &Scrape, during: Option<&Scrape>) {
        let mut expected: Vec<&str> = alerts.to_vec();
        expected.sort_unstable();
        let series = before.series(during);
        let _ = write!(
            self.tests,
            "  - name: {}\n    interval: 1m\n    input_series:\n{series}    promql_expr_test:\n",
            expected.join(", ")
        );
        for (minute, alerts) in [(19, &[][..]), (59, &expected)] {
            let _ = writeln!(
                self.tests,
                "      - expr: count by (alertname) (ALERTS{{alertstate=\"firing\"}})\n        \
                 eval_time: {minute}m\n        exp_samples:"
            );
            for alert in alerts {
                let _ = writeln!(
                    self.tests,
                    "          - {{labels: '{{alertname=\"{alert}\"}}', value: 1}}"
                );
            }
        }
        self.seen.extend([before.clone()]);
        self.seen.extend(during.cloned());
    }
}

async fn every_alert_fires_on_what_a_daemon_exports_and_is_silent_while_all_is_well(etcd: Etcd) {
    let mut scene = Scene::start(etcd).await;
    let well = scene.is_well().await;
    scene.fires(&[], &well, Some(&well));
    scene.fires(&["EtcdSdAbsent", "EtcdSdDown"], &well, None);

    made_up(&mut scene, &well);

    scene.etcd.put("/services/bad/1", "oops").await;
    let quarantined = scene.shows("etcd_sd_entries", "state=\"quarantined\"", 1.0).await;
    scene.fires(&["EtcdSdQuarantine"], &well, Some(&quarantined));
    scene.etcd.delete("/services/bad/1").await;

    scene.etcd.put("/services/s0/2", "10.0.0.2:80").await;
    let waiting = scene.shows("etcd_sd_entries", "state=\"waiting\"", 1.0).await;
    scene.fires(&["EtcdSdNoRoom"], &well, Some(&waiting));
    scene.etcd.delete("/services/s0/2").await;

    let path = scene.journal.clone();
    fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).unwrap();
    scene.etcd.put("/services/s1/1", "10.0.0.4:80").await;
    let gaps = scene.shows("etcd_sd_journal_failing", "", 1.0).await;
    scene.fires(&["EtcdSdJournalFailing"], &well, Some(&gaps));
    fs::remove_dir(&path).unwrap();
    let well = scene.shows("etcd_sd_journal_failing", "", 0.0).await;

    let path = scene.file.path().to_owned();
    fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).unwrap();
    scene.etcd.put("/services/s0/1", "10.0.0.3:80").await;
    let failing = scene.shows("etcd_sd_output_failing", "", 1.0).await;
    scene.fires(&["EtcdSdPublishFailing", "EtcdSdNotReady"], &well, Some(&failing));
    fs::remove_dir(&path).unwrap();
    let well = scene.shows("etcd_sd_output_failing", "", 0.0).await;

    scene.etcd.delete_prefix("/services/s").await;
    let held = scene.shows("etcd_sd_guard_held_removals", "", 30.0).await;
    scene.fires(&["EtcdSdGuardHolding"], &well, Some(&held));
    scene.daemon.signal(Signal::USR1);
    let well = scene.shows("etcd_sd_guard_held_removals", "", 0.0).await;

    scene.etcd.kill().await;
    let stale = scene.shows("etcd_sd_fresh", "", 0.0).await;
    scene.fires(&["EtcdSdStale", "EtcdSdNotReady"], &well, Some(&stale));
    scene.etcd.restart().await;
    scene.is_well().await;
    // Every outage ends with one.
    let well = scene.shows("etcd_sd_audits_total", "result=\"equal\"", 1.0).await;

    let fighting = eventually(2 * SOON, "a fight is told", async || {
        scene.file.write("[]");
        let scrape = Scrape::of(&scene.address).await;
        let fight = scrape.value("etcd_sd_drift_fight", "");
        ensure(fight == Some(1.0), || format!("{fight:?}"))?;
        Ok(scrape)
    })
    .await;
    scene.fires(&["EtcdSdDriftFight"], &well, Some(&fighting));

    with_prometheus(&mut scene).await;

    promtool_agrees(&scene).await;
    everything_that_is_named_is_exported(&scene);
}

/// Another daemon, which asks a Prometheus: in the other states it would be chance whether that
/// has loaded the newest document.
async fn with_prometheus(scene: &mut Scene) {
    let file = TargetFile::new();
    let prometheus = Prometheus::start_discovering(&prometheus(), file.path()).await;
    let url = prometheus.url();
    let args = ["--listen", "127.0.0.1:0", "--prometheus-url", &url];
    let daemon = Daemon::start(&scene.etcd, &file, &args);
    scene.address = daemon.wait_for_log("listening").await.text("address");
    let loaded = scene.shows("etcd_sd_prometheus_loaded", "", 1.0).await;
    let older = loaded.but("etcd_sd_prometheus_loaded", "", "0x40");
    scene.fires(&["EtcdSdPublishedNotLoaded"], &loaded, Some(&older));
    drop(prometheus);
    let away = scene.shows("etcd_sd_prometheus_up", "", 0.0).await;
    scene.fires(&["EtcdSdPrometheusUnreachable"], &loaded, Some(&away));
}

/// What takes long, or can't be had from a real etcd: the figures alone are made up.
fn made_up(scene: &mut Scene, well: &Scrape) {
    let restarts = well.but("etcd_sd_start_time_seconds", "", "1+1x40");
    scene.fires(&["EtcdSdRestarting"], well, Some(&restarts));
    let flaps = well.but("etcd_sd_watches_total", "", "1+1x40");
    scene.fires(&["EtcdSdFlapping"], well, Some(&flaps));
    let diverged = well.but("etcd_sd_audit_differences_total", "", "3x40");
    scene.fires(&["EtcdSdDiverged"], well, Some(&diverged));
    let slow = well.but("etcd_sd_propagation_seconds_bucket", "le=\"8.192\"", "1+1x40");
    let slow = slow.but("etcd_sd_propagation_seconds_bucket", "le=\"16.384\"", "1+1x40");
    let slow = slow.but("etcd_sd_propagation_seconds_bucket", "le=\"32.768\"", "1+1x40");
    let slow = slow.but("etcd_sd_propagation_seconds_bucket", "le=\"+Inf\"", "1+1x40");
    scene.fires(&["EtcdSdPropagationSlow"], well, Some(&slow));
}

/// That the alerts fire as was said, and that the metrics are as they should be.
async fn promtool_agrees(scene: &Scene) {
    let home = tempfile::tempdir().unwrap();
    let tests = home.path().join("tests.yml");
    let rules = contrib("prometheus/alerts.yml");
    let rules = format!("rule_files: ['{}']\nevaluation_interval: 1m\n", rules.display());
    fs::write(&tests, format!("{rules}tests:\n{}", scene.tests)).unwrap();
    accepts(&["test", "rules", tests.to_str().unwrap()], "").await;
    for scrape in &scene.seen {
        for linted in promtool(&["check", "metrics"], &scrape.text).await {
            let said = (linted.code, &*linted.stdout, &*linted.stderr);
            assert_eq!(said, (0, "", ""), "{}", scrape.text);
        }
    }
}

fn everything_that_is_named_is_exported(scene: &Scene) {
    for file in ["prometheus/alerts.yml", "prometheus/alerts_test.yml", "grafana/dashboard.json"] {
        let text = fs::read_to_string(contrib(file)).unwrap();
        for name in names(&text, "etcd_sd_") {
            let name = format!("etcd_sd_{name}");
            let is_told = scene.seen.iter().any(|scrape| scrape.has(&name));
            // The daemon of this scene asks no Prometheus.
            let of_prometheus = name.starts_with("etcd_sd_prometheus_");
            assert!(
                is_told || of_prometheus,
                "{file} has {name}, which the daemon does not export"
            );
        }
    }
}

#[test]
#[ignore = "needs promtool: tests/run"]
fn promtool_accepts_the_alerts_their_tests_and_the_dashboards_expressions() {
    run(check_the_files);
}

async fn check_the_files() {
    let file = |name| contrib(name).to_str().unwrap().to_owned();
    accepts(&["check", "rules", &file("prometheus/alerts.yml")], "").await;
    accepts(&["test", "rules", &file("prometheus/alerts_test.yml")], "").await;

    let rules = fs::read_to_string(contrib("prometheus/alerts.yml")).unwrap();
    let tests = fs::read_to_string(contrib("prometheus/alerts_test.yml")).unwrap();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let guide = fs::read_to_string(guide).unwrap();
    let alerts = names(&rules, "- alert: ");
    assert!(!alerts.is_empty() && alerts == names(&tests, "alertname: "), "{alerts:?}");
    for alert in alerts {
        let anchor = format!("runbook: docs/operating.md#{}\n", alert.to_lowercase());
        assert!(rules.contains(&anchor), "{alert} has no {anchor}");
        assert!(guide.contains(&format!("\n### {alert}\n")), "docs/operating.md lacks {alert}");
    }

    let dashboard = fs::read_to_string(contrib("grafana/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let mut recorded = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (number, target) in targets.enumerate() {
        assert_eq!(target["datasource"]["uid"], "${datasource}");
        let expression = target["expr"].as_str().unwrap();
        let expression = expression.replace("$__rate_interval", "5m").replace("$instance", ".*");
        let expression = serde_json::Value::from(expression);
        let _ = writeln!(recorded, "      - {{record: 'panel_{number}', expr: {expression}}}");
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("dashboard.yml");
    fs::write(&path, recorded).unwrap();
    accepts(&["check", "rules", path.to_str().unwrap()], "").await;
}

on_real!(every_alert_fires_on_what_a_daemon_exports_and_is_silent_while_all_is_well,);
