//! A file that somebody else has made, where one of a service belongs.

use std::fs;

use super::{AT_ONCE, HEALED, following, register};
use crate::support::backend::{Etcd, on_both};
use crate::support::target_dir::{TargetDir, expected};
use crate::support::wait::{SOON, always, ensure};

async fn it_harms_its_service_alone_is_said_and_is_not_touched(etcd: Etcd) {
    register(&etcd, &["a", "c"]).await;
    let directory = TargetDir::new();
    directory.file("b.json").write("mine");
    let daemon = directory.start(&etcd, &AT_ONCE);
    daemon.wait_for_log("watching").await;
    register(&etcd, &["b", "d"]).await;
    let files = |etcd: &Etcd| {
        let mut files = expected(etcd);
        files.insert("b.json".to_owned(), "mine".to_owned());
        files
    };
    directory.becomes(&files(&etcd), SOON).await;
    let path = directory.path().join("b.json");
    daemon.says("ERROR", &[path.to_str().unwrap(), "--force"]).await;
    // The others are followed and healed as ever.
    etcd.put("/services/a/2", "10.0.0.2:80").await;
    etcd.delete("/services/c/1").await;
    directory.becomes(&files(&etcd), SOON).await;
    directory.file("d.json").write("[]");
    directory.becomes(&files(&etcd), 2 * HEALED).await;
    assert_eq!(daemon.said("ERROR", &[]).len(), 1, "it is said once");

    fs::remove_file(path).unwrap();
    directory.becomes(&expected(&etcd), super::RECOVERED).await;
    daemon.wait_for_log("the target file can be written again").await;
}

async fn it_stays_when_its_service_is_gone_and_after_a_restart(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    directory.file("b.json").write("mine");
    for _ in 0..2 {
        let mut daemon = directory.start(&etcd, &AT_ONCE);
        daemon.says("ERROR", &["b.json"]).await;
        // What could not be written before the end is said with the exit code.
        assert_eq!(daemon.stop().await, 1);
    }
    let mut daemon = directory.start(&etcd, &AT_ONCE);
    daemon.says("ERROR", &["b.json"]).await;
    etcd.delete_prefix("/services/").await;
    let left = [("b.json".to_owned(), "mine".to_owned())].into();
    directory.becomes(&left, SOON).await;
    assert_eq!(daemon.stop().await, 0);
}

async fn one_with_the_right_bytes_is_taken_up_and_force_takes_any(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    directory.file("a.json").write(&expected(&etcd)["a.json"]);
    let stamp = directory.file("a.json").stamp();
    let mut daemon = following(&etcd, &directory, &[]).await;
    assert_eq!(directory.file("a.json").stamp(), stamp, "it is not written");
    etcd.delete("/services/a/1").await;
    directory.follows(&etcd).await;
    assert_eq!(daemon.stop().await, 0);

    directory.file("c.json").write("mine");
    register(&etcd, &["c"]).await;
    following(&etcd, &directory, &["--force"]).await;
}

async fn once_fails_for_it_and_writes_the_others(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    directory.file("b.json").write("mine");
    let mut once = directory.start(&etcd, &["--once"]);
    assert_eq!(once.exit_code(SOON).await, 1);
    let mut files = expected(&etcd);
    files.insert("b.json".to_owned(), "mine".to_owned());
    assert_eq!(directory.files(), files);
    assert!(once.log().raw().contains("b.json"));
}

async fn a_target_does_not_move_to_a_file_that_can_not_be_written(etcd: Etcd) {
    etcd.put("/services/a/1", "10.0.0.1:80").await;
    etcd.put("/services/c/1", "10.0.0.3:80").await;
    let directory = TargetDir::new();
    let daemon = following(&etcd, &directory, &[]).await;
    directory.file("b.json").write("mine");
    let moves = ["/services/a/1", "/services/c/1"].map(|key| etcd_client::TxnOp::delete(key, None));
    let to = etcd_client::TxnOp::put("/services/b/1", "10.0.0.1:80", None);
    etcd.transaction(moves.into_iter().chain([to]).collect()).await;
    daemon.says("ERROR", &["b.json"]).await;
    always(HEALED, "it stays where it was, and c.json is gone", async || {
        let names: Vec<_> = directory.files().into_keys().collect();
        ensure(names == ["a.json", "b.json"], || format!("{names:?}"))
    })
    .await;
    fs::remove_file(directory.path().join("b.json")).unwrap();
    directory.becomes(&expected(&etcd), super::RECOVERED).await;
}

on_both!(
    it_harms_its_service_alone_is_said_and_is_not_touched,
    it_stays_when_its_service_is_gone_and_after_a_restart,
    one_with_the_right_bytes_is_taken_up_and_force_takes_any,
    once_fails_for_it_and_writes_the_others,
    a_target_does_not_move_to_a_file_that_can_not_be_written,
);
