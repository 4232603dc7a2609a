//! Backups of a real etcd, as operators make them with etcdctl.

use std::path::{Path, PathBuf};

use super::etcd::RealEtcd;
use super::process::{command, program};
use super::wait::ensure;

impl RealEtcd {
    /// Saves what it holds now.
    pub(crate) fn save_snapshot(&self) -> PathBuf {
        let path = self.home.path().join("snapshot.db");
        etcdctl(&["--endpoints", &self.endpoint, "snapshot", "save", path.to_str().unwrap()])
            .unwrap();
        path
    }

    /// Puts the data of a snapshot in the place of what it holds, while it does not run.
    pub(crate) fn restore_snapshot(&self, snapshot: &Path) {
        let data = self.home.path().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        let cluster = format!("default={}", self.peer);
        etcdctl(&[
            "snapshot",
            "restore",
            snapshot.to_str().unwrap(),
            "--data-dir",
            data.to_str().unwrap(),
            "--initial-cluster",
            &cluster,
            "--initial-advertise-peer-urls",
            &self.peer,
        ])
        .unwrap();
    }
}

/// Runs it, and answers with what it says on its standard output.
pub(crate) fn etcdctl(args: &[&str]) -> Result<String, String> {
    let mut etcdctl = command(program("ETCDCTL", "etcdctl"));
    let output = etcdctl.env("ETCDCTL_API", "3").args(args).output().expect("run etcdctl");
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.success(), || format!("etcdctl {args:?}: {complaint}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
