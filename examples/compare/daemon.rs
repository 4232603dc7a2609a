//! The daemon, as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::process::Running;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(180);

pub(crate) struct Daemon {
    process: Running,
    lines: Receiver<(Instant, String)>,
    /// Those that nobody has asked for yet.
    unasked: Vec<(Instant, String)>,
    file: PathBuf,
}

impl Daemon {
    /// Starts it on a target file in this directory, where there is none then.
    pub(crate) fn start(endpoint: &str, directory: &Path, more: &[&str]) -> Result<Self> {
        let file = directory.join("tgroups.json");
        let path = file.to_str().ok_or("a path of text")?.to_owned();
        let _ = fs::remove_file(&file);
        Self::launch(endpoint, file, &[&["--target-file", &path], more].concat())
    }

    /// Starts it without a debounce on a target directory, and waits until it has published and
    /// watches.
    pub(crate) fn on_directory(endpoint: &str, directory: &Path) -> Result<Self> {
        let path = directory.to_str().ok_or("a path of text")?;
        let more = ["--debounce", "0", "--no-target-file", "--target-dir", path];
        let daemon = Self::launch(endpoint, directory.to_owned(), &more)?;
        daemon.when_ready()
    }

    fn launch(endpoint: &str, file: PathBuf, args: &[&str]) -> Result<Self> {
        let mut command = Command::new(program()?);
        command.args(["--server", endpoint, "--log-format", "json"]);
        command.args(args).stderr(Stdio::piped());
        let mut process = Running::spawn(&mut command)?;
        let log = process.child().stderr.take().ok_or("a pipe")?;
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

    /// The same, and waits until it has published and watches.
    pub(crate) fn ready(endpoint: &str, directory: &Path, more: &[&str]) -> Result<Self> {
        Self::start(endpoint, directory, more)?.when_ready()
    }

    fn when_ready(mut self) -> Result<Self> {
        self.logs("published")?;
        self.logs("watching")?;
        Ok(self)
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
}

impl Deref for Daemon {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.process
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
