//! One member of a cluster: a process, its data, and the gates before its two ports.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::etcd::etcd;
use crate::support::gate::Gate;
use crate::support::ports::free_port;
use crate::support::process::Process;

pub(crate) struct Member {
    name: String,
    folder: PathBuf,
    /// Its data begins anew so many times.
    lives: usize,
    endpoint: String,
    listens_to_peers: String,
    clients: Gate,
    peers: Gate,
    process: Option<Process>,
    frozen: bool,
    /// As the cluster knows it; each new life of a member has a new one.
    pub(super) id: u64,
}

/// What a process that begins with empty data has to know of its cluster.
pub(super) struct Birth<'a> {
    pub(super) token: &'a str,
    pub(super) initial_cluster: &'a str,
    /// The others are there already.
    pub(super) joins: bool,
}

impl Member {
    /// Not started yet.
    pub(super) async fn new(number: usize, folder: &Path) -> Self {
        let url = || format!("http://127.0.0.1:{}", free_port());
        let (endpoint, listens_to_peers) = (url(), url());
        Self {
            name: format!("member-{number}"),
            folder: folder.to_owned(),
            lives: 0,
            clients: Gate::to(&endpoint).await,
            peers: Gate::to(&listens_to_peers).await,
            endpoint,
            listens_to_peers,
            process: None,
            frozen: false,
            id: 0,
        }
    }

    /// Where it listens itself, past the gate.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The gate for clients.
    pub(crate) fn gate(&self) -> &Gate {
        &self.clients
    }

    /// The gate for the other members.
    pub(super) fn peers(&self) -> &Gate {
        &self.peers
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// As the others know it.
    pub(super) fn peer_url(&self) -> &str {
        self.peers.endpoint()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join(format!("{}-{}", self.name, self.lives))
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        self.process = None;
        self.frozen = false;
    }

    /// SIGSTOP.
    pub(super) fn freeze(&mut self) {
        self.signal(Signal::STOP);
        self.frozen = true;
    }

    /// SIGCONT.
    pub(super) fn thaw(&mut self) {
        self.signal(Signal::CONT);
        self.frozen = false;
    }

    /// Begins with empty data when it is spawned again.
    pub(super) fn forget(&mut self) {
        self.kill();
        // It may never have had any.
        let _ = fs::remove_dir_all(self.data());
        self.lives += 1;
    }

    pub(super) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Whether it is of use to ask it.
    pub(super) fn may_answer(&self) -> bool {
        self.runs() && !self.frozen
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    pub(super) fn spawn(&mut self, birth: &Birth) {
        let mut command = etcd();
        command.arg(format!("--name={}", self.name)).arg("--data-dir").arg(self.data());
        command.arg(format!("--listen-client-urls={}", self.endpoint));
        command.arg(format!("--advertise-client-urls={}", self.endpoint));
        command.arg(format!("--listen-peer-urls={}", self.listens_to_peers));
        command.arg(format!("--initial-advertise-peer-urls={}", self.peer_url()));
        command.arg(format!("--initial-cluster={}", birth.initial_cluster));
        command.arg(format!("--initial-cluster-token={}", birth.token));
        let state = if birth.joins { "existing" } else { "new" };
        command.arg(format!("--initial-cluster-state={state}"));
        // A member may be replaced as soon as the one before it is there.
        command.arg("--strict-reconfig-check=false");
        command.args(["--logger=zap", "--log-level=warn", "--snapshot-count=2000"]);
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(Process::spawn(&self.name, &mut command));
    }

    /// Why it has ended by itself, if it has: the end of its log.
    pub(super) fn ended(&mut self) -> Option<String> {
        const SHOWN: usize = 20;
        let status = self.process.as_mut()?.ended()?;
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        Some(format!("{} ended, {status}:\n{end}", self.name))
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }
}
