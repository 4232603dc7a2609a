//! A real etcd on free ports of 127.0.0.1, with data of its own, its proxy, and clients of it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use etcd_client::{Client, ConnectOptions};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::process::Running;

/// etcd, or a proxy of one, until this is dropped.
pub(crate) struct Etcd {
    pub(crate) process: Running,
    endpoint: String,
    _home: TempDir,
}

impl Etcd {
    pub(crate) fn start(scratch: &Path) -> Result<Self> {
        let home = tempfile::tempdir_in(scratch)?;
        let [client, peer] = [free_address()?, free_address()?].map(|it| format!("http://{it}"));
        let mut command = etcd();
        command.arg("--data-dir").arg(home.path().join("data"));
        command.args(["--logger=zap", "--log-level=error", "--quota-backend-bytes=8589934592"]);
        command.args([format!("--listen-client-urls={client}")]);
        command.args([format!("--advertise-client-urls={client}")]);
        command.args([format!("--listen-peer-urls={peer}")]);
        command.args([format!("--initial-advertise-peer-urls={peer}")]);
        command.args([format!("--initial-cluster=default={peer}")]);
        Self::launch(command, client, home)
    }

    /// `etcd grpc-proxy` before this one.
    pub(crate) fn proxy(&self, scratch: &Path) -> Result<Self> {
        let home = tempfile::tempdir_in(scratch)?;
        let address = free_address()?;
        let mut command = etcd();
        let upstream = self.endpoint.trim_start_matches("http://");
        command.args(["grpc-proxy", "start", "--endpoints", upstream]);
        command.args(["--listen-addr", &address, "--advertise-client-url", &address]);
        command.current_dir(home.path());
        Self::launch(command, format!("http://{address}"), home)
    }

    fn launch(mut command: Command, endpoint: String, home: TempDir) -> Result<Self> {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let etcd = Self { process: Running::spawn(&mut command)?, endpoint, _home: home };
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
        connect(&self.endpoint).await
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

pub(crate) async fn connect(endpoint: &str) -> Result<Client> {
    let options = ConnectOptions::new().with_tcp_keepalive(Duration::from_secs(10));
    Ok(Client::connect([endpoint], Some(options)).await?)
}

/// A runtime on this thread: what runs on it is measured alone.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// The program.
fn etcd() -> Command {
    Command::new(std::env::var("ETCD").unwrap_or_else(|_| "etcd".into()))
}

/// Host and port.
pub(crate) fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
