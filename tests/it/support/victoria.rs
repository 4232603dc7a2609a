//! `VictoriaMetrics`, from `$VICTORIA_METRICS` or the PATH, which reads target files too.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::ports::free_port;
use super::process::{Process, command, program};
use super::wait::{SOON, ensure, eventually};

/// One that discovers the targets of a file.
pub(crate) struct VictoriaMetrics {
    address: String,
    _process: Process,
    _home: TempDir,
}

impl VictoriaMetrics {
    /// Starts it on a target file.
    pub(crate) async fn start(targets: &Path) -> Self {
        for _ in 0..3 {
            if let Some(started) = Self::try_start(targets).await {
                return started;
            }
        }
        panic!("VictoriaMetrics found no free port");
    }

    async fn try_start(targets: &Path) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("scrape.yml");
        // What is registered in a test is nowhere, and nothing beyond this machine is to be asked.
        let text = format!(
            "global: {{scrape_interval: 1h}}\nscrape_configs:\n  - job_name: etcd\n    \
             file_sd_configs:\n      - files: ['{}']\n    relabel_configs:\n      \
             - {{source_labels: [__address__], target_label: registered}}\n      \
             - {{target_label: __address__, replacement: '127.0.0.1:9'}}\n",
            targets.display()
        );
        fs::write(&config, text).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let log = home.path().join("log");
        let mut victoria = command(program("VICTORIA_METRICS", "victoria-metrics"));
        victoria
            .arg(format!("-storageDataPath={}", home.path().join("data").display()))
            .arg(format!("-httpListenAddr={address}"))
            .arg(format!("-promscrape.config={}", config.display()))
            .arg("-promscrape.fileSDCheckInterval=200ms")
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        let mut process = Process::spawn("victoria-metrics", &mut victoria);
        let serves = eventually(3 * SOON, "VictoriaMetrics serves", async || {
            if process.ended().is_some() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                assert!(log.contains("address already in use"), "it ended at its start:\n{log}");
                return Ok(false);
            }
            http::get(&address, "/health").await.map(|_| true)
        })
        .await;
        serves.then(|| Self { address, _process: process, _home: home })
    }

    /// Waits until it has these targets, jobs with addresses.
    pub(crate) async fn has(&self, expected: &BTreeSet<(String, String)>) {
        eventually(3 * SOON, "VictoriaMetrics has the targets", async || {
            let body = http::get(&self.address, "/api/v1/targets?state=active").await?;
            let json: Value = serde_json::from_str(&body).map_err(|error| error.to_string())?;
            let active = json["data"]["activeTargets"].as_array().cloned().unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let found: BTreeSet<_> = active
                .iter()
                .map(|target| {
                    let labels = &target["labels"];
                    (text(&labels["job"]), text(&labels["registered"]))
                })
                .collect();
            ensure(found == *expected, || format!("{found:?}\nis not\n{expected:?}"))
        })
        .await;
    }
}
