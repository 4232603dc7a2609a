//! Somebody who keeps changing a file, and what only the periodic look can see.

use std::fs;
use std::time::{Duration, Instant};

use super::{HEALED, following, register};
use crate::support::backend::{Etcd, on_embedded};
use crate::support::target_dir::{TargetDir, expected};
use crate::support::wait::{ensure, eventually};

async fn a_manifest_that_is_removed_or_edited_is_back_in_time(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let _daemon = following(&etcd, &directory, &["--drift-interval", "500ms"]).await;
    let manifest = fs::read(directory.manifest()).unwrap();
    for damage in ["", "{\"version\":2}", "{\"version\":1,\"files\":{}}"] {
        fs::write(directory.manifest(), damage).unwrap();
        eventually(2 * HEALED, "it is right", async || {
            let found = fs::read(directory.manifest()).unwrap_or_default();
            ensure(found == manifest, || String::from_utf8_lossy(&found).into_owned())
        })
        .await;
    }
}

async fn a_fight_over_one_file_is_damped_and_holds_up_no_other(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let daemon = following(&etcd, &directory, &[]).await;
    let right = expected(&etcd);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(8) {
        directory.file("a.json").write("mine");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let heals = daemon.logged("drift healed").len();
    assert!((8..20).contains(&heals), "{heals} heals in eight seconds");
    directory.file("b.json").write("mine");
    eventually(HEALED, "the other file is right", async || {
        let found = directory.file("b.json").read();
        ensure(found.as_ref() == Some(&right["b.json"]), || format!("{found:?}"))
    })
    .await;
    directory.becomes(&right, Duration::from_secs(5)).await;
    assert_eq!(daemon.said("ERROR", &["another program"]).len(), 1);
}

on_embedded!(
    a_fight_over_one_file_is_damped_and_holds_up_no_other,
    a_manifest_that_is_removed_or_edited_is_back_in_time,
);
