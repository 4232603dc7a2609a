//! A disk that is full.

use std::fs;
use std::time::Duration;

use super::{AT_ONCE, following, idles, is_said_rarely, recovers, register};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::rights::{may_mount, may_mount_ext4, needs};
use crate::support::volume::Volume;
use crate::support::wait::{SOON, ensure, eventually};

/// For so long nothing should happen.
const FULL: Duration = Duration::from_secs(10);

const NO_SPACE: &str = "no space";

async fn a_full_disk_keeps_the_old_document_is_said_once_and_recovered_from(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    fills_up(&etcd, &Volume::tmpfs(64), 12 << 10, FULL).await;
}

async fn so_does_one_with_a_device_below_it(etcd: Etcd) {
    needs!(may_mount_ext4(), "needs root to mount, a loop device and mkfs.ext4");
    fills_up(&etcd, &Volume::ext4(8), 12 << 10, FULL / 4).await;
}

/// The fleet grows until a volume is full, and on; then space is freed.
async fn fills_up(etcd: &Etcd, volume: &Volume, free: u64, full: Duration) {
    let file = TargetFile::at(volume.path().join("targets.json"));
    let path = volume.path().to_str().unwrap();
    register(etcd, 0..100).await;
    let mut daemon = following(etcd, &file, &[]).await;
    let filler = volume.fill(free);
    let reader = Reader::with_pauses(&file, Duration::from_millis(1));

    let mut fleet = 100;
    eventually(3 * SOON, "the disk is full", async || {
        register(etcd, fleet..fleet + 50).await;
        fleet += 50;
        let said = daemon.said("ERROR", &[NO_SPACE, path]).len();
        ensure(said > 0, || format!("{} bytes for {fleet} instances", etcd.document().len()))
    })
    .await;
    let old = file.read().unwrap();
    idles(
        &mut daemon,
        full,
        "the old document stays while the fleet goes on growing",
        async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            register(etcd, fleet..fleet + 1).await;
            fleet += 1;
            file.differs_from(&old).map_or(Ok(()), Err)
        },
    )
    .await;
    is_said_rarely(&daemon, &[NO_SPACE]);
    let line = daemon.said("ERROR", &[NO_SPACE]).remove(0);
    let sizes = ["needed", "free"].iter().all(|size| line.contains(size));
    assert!(line.contains(path) && sizes, "{line}");

    fs::remove_file(filler).unwrap();
    recovers(&mut daemon, etcd, &file).await;
    reader.finish();
}

async fn a_daemon_that_starts_on_a_full_disk_keeps_the_document_and_recovers(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let volume = Volume::tmpfs(64);
    let file = TargetFile::at(volume.path().join("targets.json"));
    register(&etcd, 0..100).await;
    let mut first = following(&etcd, &file, &[]).await;
    assert_eq!(first.stop().await, 0);
    fs::remove_dir_all(file.directory().join(super::STAGE)).unwrap();
    let filler = volume.fill(0);

    // Nothing is to be written, so nothing is wrong.
    let mut second = Daemon::start(&etcd, &file, &AT_ONCE);
    second.wait_for_log("watching").await;
    idles(&mut second, FULL / 10, "the file stays", super::unchanged(&file)).await;
    assert_eq!(second.said("ERROR", &[]), [""; 0]);
    register(&etcd, 100..101).await;
    second.says("ERROR", &[NO_SPACE, volume.path().to_str().unwrap()]).await;
    idles(&mut second, FULL / 10, "the file stays", super::unchanged(&file)).await;
    fs::remove_file(filler).unwrap();
    recovers(&mut second, &etcd, &file).await;
}

async fn a_disk_without_inodes_is_a_full_disk_too(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let volume = Volume::try_tmpfs("nr_inodes=32").unwrap();
    let file = TargetFile::at(volume.path().join("targets.json"));
    register(&etcd, 0..1).await;
    let mut daemon = following(&etcd, &file, &[]).await;
    let mut others = Vec::new();
    while others.len() < 32 {
        let other = volume.path().join(format!("other-{}", others.len()));
        if fs::write(&other, "").is_err() {
            break;
        }
        others.push(other);
    }
    register(&etcd, 1..2).await;
    daemon.says("ERROR", &[NO_SPACE, volume.path().to_str().unwrap()]).await;
    idles(&mut daemon, FULL / 5, "the file stays", super::unchanged(&file)).await;
    is_said_rarely(&daemon, &[NO_SPACE]);
    fs::remove_file(&others[0]).unwrap();
    recovers(&mut daemon, &etcd, &file).await;
}

on_embedded!(
    a_full_disk_keeps_the_old_document_is_said_once_and_recovered_from,
    so_does_one_with_a_device_below_it,
    a_daemon_that_starts_on_a_full_disk_keeps_the_document_and_recovers,
    a_disk_without_inodes_is_a_full_disk_too,
);
