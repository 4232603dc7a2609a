//! A real etcd of one member, from `$ETCD` or the PATH, with data of its own.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use rustix::process::Signal;
use tempfile::TempDir;

use super::ports::free_port;
use super::process::{Process, command, program};
use super::wait::{SOON, ensure, eventually};

/// How often a start is tried when another process is quicker to bind the ports.
const TRIES: usize = 5;

pub(crate) struct RealEtcd {
    pub(super) home: TempDir,
    pub(super) endpoint: String,
    pub(super) peer: String,
    sync: Sync,
    access: Access,
    process: Option<Process>,
}

/// What it is started with beyond the usual, and what others need then to talk to it.
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) https: bool,
    pub(crate) etcd: Vec<String>,
    pub(crate) etcdctl: Vec<String>,
    pub(crate) client: ConnectOptions,
    /// Where it has files that it reads.
    pub(crate) files: Option<Arc<TempDir>>,
}

/// Whether etcd waits for its disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// As in production: for tests that kill it.
    Always,
    /// No, where this version of etcd can leave it out.
    Never,
}

impl RealEtcd {
    /// Starts it and waits until it serves.
    pub(crate) async fn start(sync: Sync) -> Self {
        Self::start_with(sync, Access::default()).await
    }

    /// The same, with more arguments.
    pub(crate) async fn start_with(sync: Sync, access: Access) -> Self {
        let scheme = if access.https { "https" } else { "http" };
        for _ in 0..TRIES {
            let mut etcd = Self {
                home: tempfile::tempdir().unwrap(),
                endpoint: format!("{scheme}://127.0.0.1:{}", free_port()),
                peer: format!("http://127.0.0.1:{}", free_port()),
                sync,
                access: access.clone(),
                process: None,
            };
            if etcd.try_launch().await {
                return etcd;
            }
        }
        panic!("etcd found no free ports, {TRIES} times");
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn access(&mut self) -> &mut Access {
        &mut self.access
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect([&self.endpoint], Some(self.access.client.clone())).await.unwrap()
    }

    /// Every entry below a prefix, as etcdctl sees it.
    pub(crate) fn range(&self, prefix: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        etcdctl_range(&self.endpoint, &self.access.etcdctl, prefix)
    }

    /// Puts an entry by etcdctl.
    pub(crate) fn etcdctl_put(&self, key: &str, value: &str) {
        let mut etcdctl = command(program("ETCDCTL", "etcdctl"));
        etcdctl.env("ETCDCTL_API", "3").args(["--endpoints", &self.endpoint]);
        let output = etcdctl.args(&self.access.etcdctl).args(["put", "--", key, value]).output();
        let output = output.expect("run etcdctl");
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure(output.status.success(), || format!("etcdctl: {complaint}")).unwrap();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process = None;
    }

    /// Starts again on the same ports and data, and waits until it serves.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        assert!(self.try_launch().await, "{} is taken now", self.endpoint);
    }

    /// SIGSTOP: connections stay open and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.running().signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.running().signal(Signal::CONT);
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("an etcd that runs")
    }

    /// Launches etcd. False if another process has taken a port.
    async fn try_launch(&mut self) -> bool {
        let log = self.home.path().join("etcd.log");
        let mut command = self.command();
        command.stdout(Stdio::null());
        command.stderr(File::create(&log).unwrap());
        let mut process = Process::spawn("etcd", &mut command);

        let what = format!("etcd serves on {}", self.endpoint);
        let launched = eventually(3 * SOON, &what, async || {
            if let Some(status) = process.ended() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                if log.contains("address already in use") {
                    return Ok(None);
                }
                panic!("etcd ended at its start, {status}:\n{log}");
            }
            serves(&self.endpoint, &self.access.client).await.map(Some)
        })
        .await;
        self.process = launched.map(|()| process);
        self.process.is_some()
    }

    fn command(&self) -> Command {
        let mut etcd = etcd();
        etcd.arg("--data-dir").arg(self.home.path().join("data"));
        for (flag, url) in [("client", &self.endpoint), ("peer", &self.peer)] {
            etcd.arg(format!("--listen-{flag}-urls={url}"));
        }
        etcd.arg(format!("--advertise-client-urls={}", self.endpoint));
        etcd.arg(format!("--initial-advertise-peer-urls={}", self.peer));
        etcd.arg(format!("--initial-cluster=default={}", self.peer));
        etcd.args(["--logger=zap", "--log-level=warn"]).args(&self.access.etcd);
        if self.sync == Sync::Never && can_leave_out_syncs() {
            etcd.arg("--unsafe-no-fsync");
        }
        etcd
    }
}

/// etcd, told nothing by the environment.
pub(crate) fn etcd() -> Command {
    let mut etcd = command(program("ETCD", "etcd"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ETCD_")) {
        etcd.env_remove(name);
    }
    etcd
}

/// Whether it answers a linearizable read: it has a leader and is a member.
pub(crate) async fn serves(endpoint: &str, options: &ConnectOptions) -> Result<(), String> {
    let ask = async {
        let mut client = Client::connect([endpoint], Some(options.clone())).await?;
        client.get("a key", None).await
    };
    let answer = tokio::time::timeout(Duration::from_secs(1), ask).await;
    match answer.map_err(|_| "no answer in a second".to_owned())? {
        Ok(_) => Ok(()),
        // So it is there.
        Err(error) if error.to_string().contains("authentication is not enabled") => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// etcd knows `--unsafe-no-fsync` since some release of 3.4.
fn can_leave_out_syncs() -> bool {
    static KNOWN: LazyLock<bool> = LazyLock::new(|| {
        let mut etcd = Command::new(program("ETCD", "etcd"));
        etcd.args(["--unsafe-no-fsync", "--version"]);
        etcd.stdout(Stdio::null()).stderr(Stdio::null());
        etcd.status().is_ok_and(|status| status.success())
    });
    *KNOWN
}

fn etcdctl_range(endpoint: &str, args: &[String], prefix: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut etcdctl = command(program("ETCDCTL", "etcdctl"));
    etcdctl.env("ETCDCTL_API", "3").args(["--endpoints", endpoint]).args(args);
    etcdctl.args(["get", "--prefix", prefix, "-w", "json"]);
    let output = etcdctl.output().expect("run etcdctl");
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || format!("etcdctl: {complaint}")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("etcdctl's JSON");
    let kvs = json["kvs"].as_array().cloned().unwrap_or_default();
    let field = |kv: &serde_json::Value, name: &str| base64(kv[name].as_str().unwrap_or_default());
    kvs.iter().map(|kv| (field(kv, "key"), field(kv, "value"))).collect()
}

/// Decodes base64 with padding.
pub(crate) fn base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = alphabet.iter().position(|&known| known == digit);
        let value = u32::try_from(value.expect("a base64 digit")).unwrap();
        buffer = (buffer << 6 | value) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).unwrap());
        }
    }
    bytes
}

#[test]
fn etcdctls_base64_is_decoded() {
    assert_eq!(base64("L3NlcnZpY2VzLw=="), b"/services/");
    assert_eq!(base64("AP+A"), [0, 0xff, 0x80]);
    assert_eq!(base64(""), b"");
}
