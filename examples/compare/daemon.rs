//! The daemon, as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::etcd::Etcd;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

/// Ticks of the kernel's clock in a second, as `/proc` counts.
const TICKS: u32 = 100;

pub(crate) struct Daemon {
    process: Child,
    lines: Receiver<(Instant, String)>,
    /// Those that nobody has asked for yet.
    unasked: Vec<(Instant, String)>,
    file: PathBuf,
}

impl Daemon {
    /// Starts it on a target file in this directory.
    pub(crate) fn start(etcd: &Etcd, directory: &Path, more: &[&str]) -> Result<Self> {
        let file = directory.join("tgroups.json");
        let mut command = Command::new(program()?);
        command.args(["--server", etcd.endpoint(), "--log-format", "json", "--target-file"]);
        command.arg(&file).args(more).stderr(Stdio::piped());
        let mut process = command.spawn()?;
        let log = process.stderr.take().ok_or("a pipe")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(std::io::Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, lines, unasked: Vec::new(), file })
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// When the first line with this message was logged that nobody has asked for yet.
    pub(crate) fn logs(&mut self, message: &str) -> Result<Instant> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(at) = self.unasked.iter().position(|(_, line)| has(line, message)) {
                return Ok(self.unasked.remove(at).0);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            self.unasked.push(line.map_err(|_| format!("it never said {message}"))?);
        }
    }

    /// How many lines with this message there are that nobody has asked for yet.
    pub(crate) fn count(&mut self, message: &str) -> usize {
        self.unasked.extend(self.lines.try_iter());
        let before = self.unasked.len();
        self.unasked.retain(|(_, line)| !has(line, message));
        before - self.unasked.len()
    }

    /// What it has used of the processors.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // What stands before may have spaces in it.
        let (_, fields) = stat.rsplit_once(')').ok_or("the line of a process")?;
        let fields: Vec<_> = fields.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).ok_or("times")?;
        Ok(Duration::from_secs(1) * (user + system) / TICKS)
    }

    /// Bytes that are resident now, and at most until now.
    pub(crate) fn resident(&self) -> Result<(u64, u64)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let field = |name: &str| -> Result<u64> {
            let line = status.lines().find(|line| line.starts_with(name)).ok_or("a field")?;
            let kilobytes = line.split_whitespace().nth(1).ok_or("a number")?;
            Ok(kilobytes.parse::<u64>()? * 1024)
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn has(line: &str, message: &str) -> bool {
    line.contains(&format!(r#""message":"{message}""#))
}

fn program() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let program = here.parent().and_then(Path::parent).ok_or("a directory")?.join("etcd-sd");
    if !program.exists() {
        return Err("there is no etcd-sd beside this program; run cargo build --release".into());
    }
    Ok(program)
}
