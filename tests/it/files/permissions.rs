//! Permissions are missing, or a file system is read-only; and what the daemon can do as a
//! user without any rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::Duration;

use super::{AT_ONCE, drift_is_healed_again, following, idles, is_said_rarely, leftovers};
use super::{recovers, unchanged};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::rights::{NOBODY, may_become_nobody, may_mount, needs};
use crate::support::volume::Volume;

const DENIED: Duration = Duration::from_secs(3);

/// A target file's path in a directory that nobody owns.
fn file_of_nobody() -> TargetFile {
    let file = TargetFile::new();
    chown(file.directory(), Some(NOBODY), Some(NOBODY)).unwrap();
    allow(file.directory(), 0o755);
    file
}

fn allow(directory: &Path, mode: u32) {
    fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
}

/// A daemon without rights that has published one target and watches.
async fn following_as_nobody(etcd: &Etcd, file: &TargetFile) -> Daemon {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let daemon = Daemon::start_as_nobody(etcd, file, &AT_ONCE);
    file.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    daemon
}

async fn a_user_without_rights_writes_heals_and_restarts_in_a_directory_of_its_own(etcd: Etcd) {
    needs!(may_become_nobody(), "needs root, setpriv and a build that user nobody can run");
    let file = file_of_nobody();
    let mut daemon = following_as_nobody(&etcd, &file).await;
    let looks = fs::metadata(file.path()).unwrap();
    assert_eq!((looks.uid(), looks.gid(), looks.mode() & 0o7777), (NOBODY, NOBODY, 0o644));
    drift_is_healed_again(&file).await;
    assert_eq!(daemon.stop().await, 0);

    let stamp = file.stamp();
    let mut daemon = following_as_nobody(&etcd, &file).await;
    assert_eq!(file.stamp(), stamp, "it was right already");
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    // What root left there is replaced: the directory is the user's.
    chown(file.path(), Some(0), Some(0)).unwrap();
    etcd.put("/services/web/3", "10.0.0.3:80").await;
    file.follows(&etcd).await;
    assert_eq!(daemon.said("ERROR", &[]), [""; 0]);
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(leftovers(&file), [""; 0]);
}

async fn a_directory_that_may_not_be_written_is_said_and_recovered_from(etcd: Etcd) {
    needs!(may_become_nobody(), "needs root, setpriv and a build that user nobody can run");
    let file = file_of_nobody();
    let directory = file.directory().to_str().unwrap();
    let mut daemon = following_as_nobody(&etcd, &file).await;
    for (number, mode) in [(2, 0o555), (3, 0o000)] {
        let before = daemon.said("ERROR", &[]).len();
        allow(file.directory(), mode);
        let address = format!("10.0.0.{number}:80");
        etcd.put(&format!("/services/web/{number}"), address).await;
        daemon.says("ERROR", &[directory, "permission denied"]).await;
        idles(&mut daemon, DENIED, "the file stays as it is", unchanged(&file)).await;
        let said = daemon.said("ERROR", &[]).len() - before;
        assert!((1..=2).contains(&said), "{said} lines");
        allow(file.directory(), 0o755);
        recovers(&mut daemon, &etcd, &file).await;
    }
    drift_is_healed_again(&file).await;
}

async fn a_directory_that_may_not_be_written_at_the_start_is_waited_for(etcd: Etcd) {
    needs!(may_become_nobody(), "needs root, setpriv and a build that user nobody can run");
    let file = file_of_nobody();
    allow(file.directory(), 0o555);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = Daemon::start_as_nobody(&etcd, &file, &AT_ONCE);
    let path = file.directory().to_str().unwrap();
    daemon.says("ERROR", &[path, "permission denied"]).await;
    idles(&mut daemon, DENIED / 3, "there is no file", async || file.read().map_or(Ok(()), Err))
        .await;
    is_said_rarely(&daemon, &["permission denied"]);
    allow(file.directory(), 0o755);
    recovers(&mut daemon, &etcd, &file).await;
    drift_is_healed_again(&file).await;
}

async fn a_file_system_that_goes_read_only_is_said_and_recovered_from(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let volume = Volume::tmpfs(1024);
    let file = TargetFile::at(volume.path().join("targets.json"));
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = following(&etcd, &file, &[]).await;

    // The daemon must not stand in the way: it has nothing open for writing.
    volume.remount("ro").unwrap();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    daemon.says("ERROR", &[volume.path().to_str().unwrap(), "read-only file system"]).await;
    idles(&mut daemon, DENIED, "the file stays", unchanged(&file)).await;
    is_said_rarely(&daemon, &["read-only file system"]);
    volume.remount("rw").unwrap();
    recovers(&mut daemon, &etcd, &file).await;
    drift_is_healed_again(&file).await;
}

async fn a_daemon_that_starts_on_a_read_only_file_system_recovers(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let volume = Volume::tmpfs(1024);
    let file = TargetFile::at(volume.path().join("targets.json"));
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = following(&etcd, &file, &[]).await;
    assert_eq!(first.stop().await, 0);
    volume.remount("ro").unwrap();

    let mut second = Daemon::start(&etcd, &file, &AT_ONCE);
    second.wait_for_log("watching").await;
    idles(&mut second, DENIED / 3, "the file stays", unchanged(&file)).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    second.says("ERROR", &[volume.path().to_str().unwrap(), "read-only file system"]).await;
    is_said_rarely(&second, &["read-only file system"]);
    volume.remount("rw").unwrap();
    recovers(&mut second, &etcd, &file).await;
}

on_embedded!(
    a_user_without_rights_writes_heals_and_restarts_in_a_directory_of_its_own,
    a_directory_that_may_not_be_written_is_said_and_recovered_from,
    a_directory_that_may_not_be_written_at_the_start_is_waited_for,
    a_file_system_that_goes_read_only_is_said_and_recovered_from,
    a_daemon_that_starts_on_a_read_only_file_system_recovers,
);
