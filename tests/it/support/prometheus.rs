//! A real Prometheus, from `$PROMETHEUS` or the PATH, that reads a target file; or a second
//! one, of version 3, from `$PROMETHEUS3`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::ports::free_port;
use super::process::{Process, command, program};
use super::wait::{SOON, eventually};

/// How often a start is tried when another process is quicker to bind the port.
const TRIES: usize = 5;

/// For targets that are scraped.
const QUICK: &str = "500ms";

pub(crate) struct Prometheus {
    address: String,
    _process: Process,
    _home: TempDir,
}

/// A target that Prometheus scrapes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) job: String,
    pub(crate) instance: String,
    /// `up`, `down` or, before the first scrape, `unknown`.
    pub(crate) health: String,
}

/// The jobs and addresses of targets as they were registered, by the scrape configuration's name.
pub(crate) type Pools = BTreeMap<String, BTreeSet<(String, String)>>;

impl Prometheus {
    /// Starts it on a target file and waits until it serves.
    pub(crate) async fn start(targets: &Path) -> Self {
        Self::start_as(&prometheus(), QUICK, targets).await
    }

    /// Starts a program that only discovers what it should scrape.
    pub(crate) async fn start_discovering(program: &str, targets: &Path) -> Self {
        Self::start_as(program, "1d", targets).await
    }

    async fn start_as(program: &str, scrape_interval: &str, targets: &Path) -> Self {
        for _ in 0..TRIES {
            let started = Self::try_start(program, scrape_interval, targets).await;
            if let Some(prometheus) = started {
                return prometheus;
            }
        }
        panic!("Prometheus found no free port, {TRIES} times");
    }

    /// Starts a program on a configuration of its own, as [`write_config_of`] makes them.
    pub(crate) async fn start_with(program: &str, config: &Path) -> Self {
        for _ in 0..TRIES {
            let home = tempfile::tempdir().unwrap();
            if let Some(prometheus) = Self::try_start_with(program, config, home).await {
                return prometheus;
            }
        }
        panic!("Prometheus found no free port, {TRIES} times");
    }

    async fn try_start(program: &str, scrape_interval: &str, targets: &Path) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let config = write_config_with(scrape_interval, home.path(), targets);
        Self::try_start_with(program, &config, home).await
    }

    async fn try_start_with(program: &str, config: &Path, home: TempDir) -> Option<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let log = home.path().join("prometheus.log");

        let mut prometheus = command(program);
        prometheus.arg(format!("--config.file={}", config.display()));
        let storage = home.path().join("data");
        prometheus.arg(format!("--storage.tsdb.path={}", storage.display()));
        prometheus.arg(format!("--web.listen-address={address}"));
        prometheus.stdout(Stdio::null());
        prometheus.stderr(File::create(&log).unwrap());
        let mut process = Process::spawn("prometheus", &mut prometheus);

        let what = format!("Prometheus serves on {address}");
        let started = eventually(3 * SOON, &what, async || {
            if let Some(status) = process.ended() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                if log.contains("address already in use") {
                    return Ok(false);
                }
                panic!("Prometheus ended at its start, {status}:\n{log}");
            }
            http::get(&address, "/-/ready").await.map(|_| true)
        })
        .await;
        started.then(|| Self { address, _process: process, _home: home })
    }

    /// Where it is asked.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it scrapes now, sorted.
    pub(crate) async fn targets(&self) -> Vec<Target> {
        let body = http::get(&self.address, "/api/v1/targets?state=active").await;
        let json: Value = serde_json::from_str(&body.unwrap()).expect("Prometheus' JSON");
        let active = json["data"]["activeTargets"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut targets: Vec<Target> = active
            .iter()
            .map(|target| Target {
                job: text(&target["labels"]["job"]),
                instance: text(&target["labels"]["instance"]),
                health: text(&target["health"]),
            })
            .collect();
        targets.sort();
        targets
    }

    /// The targets of each scrape configuration, whose relabelling leaves the address in a label
    /// `registered`.
    pub(crate) async fn pools(&self) -> Pools {
        let body = http::get(&self.address, "/api/v1/targets?state=active").await;
        let json: Value = serde_json::from_str(&body.unwrap()).expect("Prometheus' JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut pools = Pools::new();
        for target in json["data"]["activeTargets"].as_array().unwrap() {
            let pool = pools.entry(text(&target["scrapePool"])).or_default();
            pool.insert((text(&target["labels"]["job"]), text(&target["labels"]["registered"])));
        }
        pools
    }

    /// The labels of all targets as they were discovered, before the relabelling of
    /// [`write_config_of`].
    pub(crate) async fn discovered(&self) -> Vec<BTreeMap<String, String>> {
        let body = http::get(&self.address, "/api/v1/targets?state=active").await;
        let json: Value = serde_json::from_str(&body.unwrap()).expect("Prometheus' JSON");
        let active = json["data"]["activeTargets"].as_array().unwrap();
        let discovered = active.iter().map(|target| {
            let labels = target["discoveredLabels"].clone();
            let mut labels: BTreeMap<_, _> = serde_json::from_value(labels).unwrap();
            // Prometheus 2 shows what relabelling has made of the address.
            let address = target["labels"]["registered"].as_str().unwrap().to_owned();
            labels.insert("__address__".to_owned(), address);
            labels
        });
        discovered.collect()
    }

    /// The sum over all series of one of its own metrics.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let body = http::get(&self.address, "/metrics").await.unwrap();
        let series = body.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next())??;
            value.parse::<f64>().ok()
        });
        let values: Vec<f64> = series.collect();
        assert!(!values.is_empty(), "Prometheus has no metric {name}");
        values.iter().sum()
    }
}

/// The program that is installed here, of whatever version.
pub(crate) fn prometheus() -> String {
    program("PROMETHEUS", "prometheus")
}

/// One of version 3 or newer, if there is one.
pub(crate) fn prometheus_3() -> Option<String> {
    std::env::var("PROMETHEUS3").ok().filter(|program| !program.is_empty())
}

/// A configuration like the README's, but for the short scrape interval.
pub(crate) fn write_config(home: &Path, targets: &Path) -> PathBuf {
    write_config_with(QUICK, home, targets)
}

fn write_config_with(scrape_interval: &str, home: &Path, targets: &Path) -> PathBuf {
    let config = home.join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: {scrape_interval}\n  scrape_timeout: {QUICK}\n\
         scrape_configs:\n  - job_name: etcd\n    file_sd_configs:\n      - files: ['{}']\n",
        targets.display()
    );
    fs::write(&config, text).unwrap();
    config
}

/// A configuration with a job for each of these files, whose targets are only discovered:
/// what is registered in a test is nowhere, and nothing beyond this machine is to be asked.
pub(crate) fn write_config_of(home: &Path, files: &[&Path]) -> PathBuf {
    const RELABEL: &str = "    relabel_configs:\n      \
        - {source_labels: [__address__], target_label: registered}\n      \
        - {target_label: __address__, replacement: '127.0.0.1:9'}\n";
    let config = home.join("prometheus.yml");
    let jobs = files.iter().enumerate().map(|(number, file)| {
        let file = file.display();
        let sd = format!("    file_sd_configs:\n      - files: ['{file}']\n{RELABEL}");
        format!("  - job_name: file-{number}\n{sd}")
    });
    let jobs: String = jobs.collect();
    fs::write(&config, format!("global:\n  scrape_interval: 1d\nscrape_configs:\n{jobs}")).unwrap();
    config
}

/// The promtool of a Prometheus 3, if one stands beside it.
pub(crate) fn promtool_3() -> Option<String> {
    let promtool = Path::new(&prometheus_3()?).with_file_name("promtool");
    promtool.exists().then(|| promtool.to_str().unwrap().to_owned())
}

/// What promtool says to a configuration and the target files that it names.
pub(crate) fn promtool_check(config: &Path) -> Result<String, String> {
    promtool_check_by(&program("PROMTOOL", "promtool"), config)
}

/// The same, of a promtool of some version.
pub(crate) fn promtool_check_by(promtool: &str, config: &Path) -> Result<String, String> {
    let mut promtool = command(promtool);
    let output = promtool.args(["check", "config"]).arg(config).output();
    let output = output.expect("run promtool");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}
