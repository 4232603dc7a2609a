//! A real etcd on free ports of 127.0.0.1, with data of its own, and clients of it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcd_client::{Client, ConnectOptions};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::Result;

/// etcd, until this is dropped.
pub(crate) struct Etcd {
    process: Child,
    endpoint: String,
    _home: TempDir,
}

impl Etcd {
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let home = tempfile::tempdir_in(scratch)?;
        let [client, peer] = [free_url()?, free_url()?];
        let program = std::env::var("ETCD").unwrap_or_else(|_| "etcd".into());
        let mut command = Command::new(program);
        command.arg("--data-dir").arg(home.path().join("data"));
        command.args(["--logger=zap", "--log-level=error", "--quota-backend-bytes=8589934592"]);
        command.args([format!("--listen-client-urls={client}")]);
        command.args([format!("--advertise-client-urls={client}")]);
        command.args([format!("--listen-peer-urls={peer}")]);
        command.args([format!("--initial-advertise-peer-urls={peer}")]);
        command.args([format!("--initial-cluster=default={peer}")]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let etcd = Self { process, endpoint: client, _home: home };
        let (runtime, deadline) = (runtime()?, Instant::now() + Duration::from_secs(20));
        while let Err(error) = runtime.block_on(etcd.is_there()) {
            if Instant::now() > deadline {
                return Err(format!("etcd does not serve on {}: {error}", etcd.endpoint).into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(etcd)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) async fn client(&self) -> Result<Client> {
        let options = ConnectOptions::new().with_tcp_keepalive(Duration::from_secs(10));
        Ok(Client::connect([&self.endpoint], Some(options)).await?)
    }

    pub(crate) fn etcdctl(&self) -> Command {
        let program = std::env::var("ETCDCTL").unwrap_or_else(|_| "etcdctl".into());
        let mut command = Command::new(program);
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.endpoint]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    async fn is_there(&self) -> Result<()> {
        self.client().await?.get("a key", None).await?;
        Ok(())
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A runtime on this thread: what runs on it is measured alone.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn free_url() -> Result<String> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    Ok(format!("http://127.0.0.1:{port}"))
}
