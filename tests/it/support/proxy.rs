//! etcd's own proxy, `etcd grpc-proxy start`, which joins the watches of many.

use std::fs::{self, File};
use std::process::Stdio;

use etcd_client::ConnectOptions;
use tempfile::TempDir;

use super::backend::Etcd;
use super::etcd::{etcd, serves};
use super::ports::free_port;
use super::process::Process;
use super::wait::{SOON, eventually};

/// How often a start is tried when another process is quicker to bind the port.
const TRIES: usize = 5;

pub(crate) struct Proxy {
    address: String,
    upstream: String,
    home: TempDir,
    process: Option<Process>,
}

impl Proxy {
    /// Starts it before a real etcd, and waits until it serves.
    pub(crate) async fn before(etcd: &Etcd) -> Self {
        let upstream = etcd.endpoint().trim_start_matches("http://").to_owned();
        for _ in 0..TRIES {
            let address = format!("127.0.0.1:{}", free_port());
            let home = tempfile::tempdir().unwrap();
            let mut proxy = Self { address, upstream: upstream.clone(), home, process: None };
            if proxy.try_launch().await {
                return proxy;
            }
        }
        panic!("the proxy found no free port, {TRIES} times");
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGKILL, and a new one in its place that serves.
    pub(crate) async fn restart(&mut self) {
        self.process = None;
        assert!(self.try_launch().await, "{} is taken now", self.address);
    }

    /// Launches it. False if another process has taken the port.
    async fn try_launch(&mut self) -> bool {
        let log = self.home.path().join("proxy.log");
        let mut command = etcd();
        command.args(["grpc-proxy", "start", "--endpoints", &self.upstream]);
        command.args(["--listen-addr", &self.address, "--advertise-client-url", &self.address]);
        command.current_dir(self.home.path()).stdout(Stdio::null());
        let mut process = Process::spawn("the proxy", command.stderr(File::create(&log).unwrap()));
        let endpoint = self.endpoint();
        let what = format!("the proxy serves on {endpoint}");
        let launched = eventually(3 * SOON, &what, async || {
            if let Some(status) = process.ended() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                if log.contains("address already in use") {
                    return Ok(None);
                }
                panic!("the proxy ended at its start, {status}:\n{log}");
            }
            serves(&endpoint, &ConnectOptions::new()).await.map(Some)
        })
        .await;
        self.process = launched.map(|()| process);
        self.process.is_some()
    }
}
