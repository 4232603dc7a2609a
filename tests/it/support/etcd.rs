//! A real etcd, for tests that ask the judge.
#![allow(clippy::expect_used, clippy::unwrap_used)] // A test that can't start it has failed.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use etcd_client::Client;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A member of its own cluster, on free ports, killed when dropped.
pub(crate) struct RealEtcd {
    endpoint: String,
    _process: Child,
    _directory: TempDir,
}

impl RealEtcd {
    /// Starts `$ETCD`, or else the `etcd` on the path, and waits until it answers.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = std::env::var_os("ETCD").unwrap_or_else(|| "etcd".into());
        let (client_url, peer_url) = (free_url(), free_url());
        let log = std::fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new(program)
            .args(["--name", "judge", "--unsafe-no-fsync", "--log-outputs", "stderr"])
            .args(["--logger", "zap", "--data-dir"])
            .arg(directory.path().join("data"))
            .args(["--listen-client-urls", &client_url])
            .args(["--advertise-client-urls", &client_url])
            .args(["--listen-peer-urls", &peer_url])
            .args(["--initial-advertise-peer-urls", &peer_url])
            .args(["--initial-cluster", &format!("judge={peer_url}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("etcd is on the path, or named by ETCD");
        let etcd = Self { endpoint: client_url, _process: process, _directory: directory };
        let answers = tokio::time::timeout(Duration::from_secs(20), etcd.answers()).await;
        answers.expect("etcd answers within 20 s");
        etcd
    }

    pub(crate) fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    async fn answers(&self) {
        loop {
            if let Ok(mut client) = Client::connect([&self.endpoint], None).await
                && client.get("ready?", None).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn free_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
