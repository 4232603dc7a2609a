//! Faults of the file system, and SIGKILL at any instant.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::TxnOp;

use super::{AT_ONCE, HEALED, RECOVERED, following, register};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::file::parse;
use crate::support::random::Random;
use crate::support::rights::{may_mount, needs};
use crate::support::target_dir::{TargetDir, expected};
use crate::support::volume::Volume;
use crate::support::wait::{SOON, always, ensure};

const KILLS: usize = 100;

/// Failures in a row make the next try come later, up to 1.5 seconds.
const RARELY: Duration = Duration::from_millis(800);

/// A daemon lives for up to so long: to its first publish and beyond.
const LIFE: Duration = Duration::from_millis(60);

const SERVICES: u64 = 20;

async fn a_full_disk_leaves_every_file_whole_and_is_recovered_from(etcd: Etcd) {
    needs!(may_mount(), "needs root to mount");
    let volume = Volume::tmpfs(64);
    let directory = TargetDir::at(volume.path());
    register(&etcd, &["a", "b", "c"]).await;
    let mut daemon = following(&etcd, &directory, &[]).await;
    let before = directory.stamps();
    let filler = volume.fill(0);
    register(&etcd, &["d", "e", "f", "g", "h"]).await;
    daemon.says("ERROR", &["no space", volume.path().to_str().unwrap()]).await;
    etcd.delete("/services/a/1").await;
    always(HEALED, "what there was stays, and there is nothing new", async || {
        let mut stamps = directory.stamps();
        stamps.remove("filler");
        ensure(stamps == before, || format!("{:?}", stamps.keys()))
    })
    .await;
    assert!(daemon.said("ERROR", &[]).len() <= 2, "it is said rarely");
    fs::remove_file(filler).unwrap();
    directory.becomes(&expected(&etcd), RECOVERED).await;
    daemon.still_runs();
}

async fn a_directory_that_is_away_or_made_anew_gets_its_files_back(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let mut daemon = following(&etcd, &directory, &["--drift-interval", "500ms"]).await;
    let away = directory.home().join("away");
    fs::rename(directory.path(), &away).unwrap();
    daemon.says("ERROR", &[directory.path().to_str().unwrap()]).await;
    etcd.delete("/services/a/1").await;
    register(&etcd, &["c"]).await;
    always(HEALED, "no directory is made", async || {
        ensure(!directory.path().exists(), || "it is there".to_owned())
    })
    .await;
    fs::rename(&away, directory.path()).unwrap();
    directory.becomes(&expected(&etcd), RECOVERED).await;

    // The daemon heals while the files go, one by one.
    while fs::remove_dir_all(directory.path()).is_err() {}
    fs::create_dir(directory.path()).unwrap();
    directory.becomes(&expected(&etcd), RECOVERED).await;
    // Who is next knows the files as well.
    assert_eq!(daemon.stop().await, 0);
    etcd.delete("/services/b/1").await;
    following(&etcd, &directory, &[]).await;
}

async fn a_directory_in_the_place_of_a_file_harms_that_alone(etcd: Etcd) {
    register(&etcd, &["a", "b", "c"]).await;
    let directory = TargetDir::new();
    let mut daemon = following(&etcd, &directory, &[]).await;
    let path = directory.path().join("b.json");
    while fs::create_dir(&path).is_err() {
        fs::remove_file(&path).unwrap();
    }
    daemon.says("ERROR", &[path.to_str().unwrap(), "directory"]).await;
    for service in ["a", "b", "c"] {
        etcd.put(&format!("/services/{service}/2"), "10.0.0.2:80").await;
    }
    let mut files = expected(&etcd);
    let b = files.remove("b.json").unwrap();
    directory.becomes(&files, SOON).await;
    // Also when it has failed for so long that it is tried but rarely.
    for _ in 0..5 {
        tokio::time::sleep(RARELY).await;
        directory.file("a.json").write("mine");
        directory.becomes(&files, HEALED).await;
    }
    assert_eq!(daemon.said("ERROR", &[]).len(), 1, "it is said once");
    assert!(path.is_dir());
    fs::remove_dir(&path).unwrap();
    files.insert("b.json".to_owned(), b);
    directory.becomes(&files, RECOVERED).await;
    daemon.still_runs();
}

async fn kills_at_random_instants_tear_no_file_lose_none_and_leave_nothing(etcd: Etcd) {
    let (etcd, directory) = (Arc::new(etcd), Arc::new(TargetDir::new()));
    directory.file("mine.json").write("[]");
    let mut random = Random::new();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (directory, stop) = (Arc::clone(&directory), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                for (name, text) in directory.files() {
                    parse(text.as_bytes()).unwrap_or_else(|why| panic!("{name}: {why}: {text}"));
                    reads += 1;
                }
            }
            reads
        })
    };
    let writer = {
        let (etcd, stop, mut random) = (Arc::clone(&etcd), Arc::clone(&stop), random.fork());
        tokio::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number = number % 60_000 + 1;
                let key = |service| format!("/services/s{service}/1");
                let (come, gone) = (random.below(SERVICES), random.below(SERVICES));
                let mut changes = vec![TxnOp::put(key(come), format!("10.0.0.1:{number}"), None)];
                if come != gone {
                    changes.push(TxnOp::delete(key(gone), None));
                }
                etcd.transaction(changes).await;
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        })
    };
    for number in 0..KILLS {
        let mut daemon = directory.start(&etcd, &AT_ONCE);
        if number % 2 == 1 {
            daemon.wait_for_log("published").await;
        }
        let life = random.below(u64::try_from(LIFE.as_micros()).unwrap());
        tokio::time::sleep(Duration::from_micros(life)).await;
        daemon.kill();
    }
    let mut daemon = directory.start(&etcd, &AT_ONCE);
    daemon.wait_for_log("published").await;
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    let mut files = expected(&etcd);
    files.insert("mine.json".to_owned(), "[]".to_owned());
    directory.becomes(&files, SOON).await;
    let reads = reader.join().unwrap();
    assert!(reads > KILLS, "{reads} reads");
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(directory.staged(), ["manifest.json", "manifest.lock"]);
}

on_embedded!(
    a_full_disk_leaves_every_file_whole_and_is_recovered_from,
    a_directory_that_is_away_or_made_anew_gets_its_files_back,
    a_directory_in_the_place_of_a_file_harms_that_alone,
    kills_at_random_instants_tear_no_file_lose_none_and_leave_nothing,
);
