//! What a publish costs Prometheus, which reads every file of the configuration again.

use std::fmt::Write;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::etcd::free_address;
use crate::fleet::Fleet;
use crate::process::Running;
use crate::{Arguments, Result};

/// Longer than Prometheus waits before it hands targets on to those who scrape.
const ROUND: Duration = Duration::from_secs(8);

/// How often a round is done.
const ROUNDS: u32 = 3;

/// The publishes of a busy round, as the default debounce allows them.
const BUSY: usize = 40;
const PACE: Duration = Duration::from_millis(200);

/// How long it may take to start.
const LIMIT: Duration = Duration::from_secs(60);

/// Means.
struct Costs {
    size: usize,
    bytes: usize,
    resident: u64,
    idle: Duration,
    one: Duration,
    busy: Duration,
}

/// The table, in Markdown.
pub(crate) fn compare(arguments: &Arguments) -> Result<String> {
    let mut table = String::from(
        "| targets | document, MB | resident, MB | CPU of a publish, s | of each of many, five a second, s |\n|---|---|---|---|---|\n",
    );
    for &size in &arguments.sizes {
        let costs = measure(size, arguments)?;
        let one = costs.one.saturating_sub(costs.idle);
        let busy = costs.busy.saturating_sub(costs.idle) / u32::try_from(BUSY)?;
        let _ = writeln!(
            table,
            "| {} | {}.{} | {} | {:.3} | {:.3} |",
            costs.size,
            costs.bytes / 1_000_000,
            costs.bytes / 100_000 % 10,
            costs.resident / 1_000_000,
            one.as_secs_f64(),
            busy.as_secs_f64(),
        );
    }
    Ok(table)
}

fn measure(size: usize, arguments: &Arguments) -> Result<Costs> {
    let home = tempfile::tempdir_in(&arguments.files)?;
    let targets = home.path().join("targets");
    fs::create_dir(&targets)?;
    let (staged, file) = (home.path().join("staged"), targets.join("tgroups.json"));
    let mut fleet = Fleet::new(size);
    let document = fleet.document();
    publish(&mut fleet, &staged, &file)?;
    let prometheus = start(home.path(), &file)?;
    sleep(ROUND);
    let mut round = |publishes: usize| -> Result<Duration> {
        let (before, begun) = (prometheus.cpu()?, Instant::now());
        for _ in 0..publishes {
            publish(&mut fleet, &staged, &file)?;
            if publishes > 1 {
                sleep(PACE);
            }
        }
        // The last of many may be read late.
        sleep(ROUND.saturating_sub(begun.elapsed()).max(ROUND / 2));
        prometheus.cpu_since(&before)
    };
    let mut costs = Costs {
        size,
        bytes: document.len(),
        resident: 0,
        idle: Duration::ZERO,
        one: Duration::ZERO,
        busy: Duration::ZERO,
    };
    for _ in 0..ROUNDS {
        costs.idle += round(0)? / ROUNDS;
        costs.one += round(1)? / ROUNDS;
    }
    costs.busy = round(BUSY)?;
    costs.resident = prometheus.resident()?.0;
    Ok(costs)
}

/// One instance moves. As the daemon does it: one event in the directory of the file.
fn publish(fleet: &mut Fleet, staged: &Path, file: &Path) -> Result<()> {
    fleet.moves(0);
    fs::write(staged, fleet.document())?;
    Ok(fs::rename(staged, file)?)
}

/// It is to scrape nothing while it is measured.
fn start(home: &Path, file: &Path) -> Result<Running> {
    let config = home.join("prometheus.yml");
    let job = format!("- job_name: etcd\n  file_sd_configs:\n  - files: ['{}']\n", file.display());
    fs::write(&config, format!("global:\n  scrape_interval: 1w\nscrape_configs:\n{job}"))?;
    let program = std::env::var("PROMETHEUS").unwrap_or_else(|_| "prometheus".into());
    let address = free_address()?;
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", home.join("data").display()));
    command.arg(format!("--web.listen-address={address}"));
    let prometheus = Running::spawn(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
    let deadline = Instant::now() + LIMIT;
    while TcpStream::connect(&address).is_err() {
        if Instant::now() > deadline {
            return Err("Prometheus does not start".into());
        }
        sleep(Duration::from_millis(50));
    }
    Ok(prometheus)
}
