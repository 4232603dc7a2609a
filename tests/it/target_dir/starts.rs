//! Starts: what is there is known by the manifest, kept while etcd is away, and written only
//! where it is not right.

use std::fs;

use super::{AT_ONCE, HEALED, following, register};
use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::target_dir::{TargetDir, expected};
use crate::support::wait::{SOON, always, ensure};

async fn a_restart_writes_nothing_that_is_right_and_removes_what_is_gone(mut etcd: Etcd) {
    register(&etcd, &["a", "b", "c"]).await;
    let directory = TargetDir::new();
    let mut first = following(&etcd, &directory, &[]).await;
    directory.file("mine.json").write("[]");
    assert_eq!(first.stop().await, 0);
    let before = directory.stamps();

    let mut second = directory.start(&etcd, &AT_ONCE);
    second.wait_for_log("watching").await;
    second.wait_for_log("the target file is right already").await;
    assert_eq!(directory.stamps(), before, "nothing is written");
    assert_eq!(second.stop().await, 0);

    etcd.delete("/services/b/1").await;
    etcd.put("/services/c/1", "10.0.0.9:80").await;
    directory.file("a.json").write("damaged");
    etcd.kill().await;
    let mut third = directory.start(&etcd, &AT_ONCE);
    let stamps = directory.stamps();
    always(HEALED, "what is there stays while etcd is away", async || {
        ensure(directory.stamps() == stamps, || "written".to_owned())
    })
    .await;
    etcd.restart().await;
    let mut files = expected(&etcd);
    files.insert("mine.json".to_owned(), "[]".to_owned());
    directory.becomes(&files, 2 * SOON).await;
    assert_eq!(files.len(), 3);
    assert_eq!(third.stop().await, 0);
}

async fn what_is_there_counts_for_the_guard(etcd: Etcd) {
    let services: Vec<_> = (0..40).map(|number| format!("s{number:02}")).collect();
    let services: Vec<_> = services.iter().map(String::as_str).collect();
    register(&etcd, &services).await;
    let directory = TargetDir::new();
    let mut first = following(&etcd, &directory, &[]).await;
    assert_eq!(first.stop().await, 0);
    etcd.delete_prefix("/services/").await;
    let before = directory.stamps();
    let second = directory.start(&etcd, &["--debounce", "0"]);
    second.says("ERROR", &["mass removal held", directory.path().to_str().unwrap()]).await;
    assert_eq!(directory.stamps(), before);
}

async fn a_manifest_that_can_not_be_used_is_refused_with_2_and_said_with_what_helps(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let mut first = following(&etcd, &directory, &[]).await;
    assert_eq!(first.stop().await, 0);
    let newer = r#"{"version":2,"more":[]}"#;
    let outside = r#"{"version":1,"files":{"../x.json":"../x"}}"#;
    for (text, helps) in [("{", "--force"), (newer, "newer"), (outside, "--force")] {
        fs::write(directory.manifest(), text).unwrap();
        let stamps = directory.stamps();
        for more in [&AT_ONCE[..], &["--once"]] {
            let mut daemon = directory.start(&etcd, more);
            assert_eq!(daemon.exit_code(SOON).await, 2, "{text} {more:?}");
            let said = daemon.log().raw();
            let path = directory.manifest();
            assert!(said.contains(path.to_str().unwrap()) && said.contains(helps), "{said}");
        }
        assert_eq!(directory.stamps(), stamps);
        assert_eq!(fs::read_to_string(directory.manifest()).unwrap(), text);
    }
    let mut forced = following(&etcd, &directory, &["--force"]).await;
    assert_eq!(forced.stop().await, 0);
    // A manifest that was begun anew is as good as the old one.
    etcd.delete("/services/a/1").await;
    let mut last = following(&etcd, &directory, &[]).await;
    assert_eq!(last.stop().await, 0);
}

async fn once_writes_all_files_and_beside_a_daemon_only_looks(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let mut once = directory.start(&etcd, &["--once"]);
    assert_eq!(once.exit_code(SOON).await, 0);
    assert_eq!(directory.files(), expected(&etcd));

    let first = following(&etcd, &directory, &[]).await;
    let mut once = directory.start(&etcd, &["--once"]);
    assert_eq!(once.exit_code(SOON).await, 0);
    assert_eq!(once.said("INFO", &["standing by", &first.id().to_string()]).len(), 1);
    assert_eq!(once.logged("published").len(), 0);
}

async fn a_second_daemon_stands_by_and_takes_over(etcd: Etcd) {
    register(&etcd, &["a", "b"]).await;
    let directory = TargetDir::new();
    let mut first = following(&etcd, &directory, &[]).await;
    let second = directory.start(&etcd, &AT_ONCE);
    second.says("INFO", &["standing by", directory.path().to_str().unwrap()]).await;
    etcd.put("/services/c/1", "10.0.0.9:80").await;
    directory.follows(&etcd).await;
    assert_eq!(second.logged("published").len(), 0);
    first.kill();
    second.wait_for_log("taking over").await;
    etcd.put("/services/d/1", "10.0.0.9:80").await;
    etcd.delete("/services/a/1").await;
    directory.becomes(&expected(&etcd), super::RECOVERED).await;
}

async fn a_target_file_in_the_target_directory_is_refused_with_2(etcd: Etcd) {
    let directory = TargetDir::new();
    let file = TargetFile::at(directory.path().join("all.json"));
    let mut daemon =
        Daemon::start(&etcd, &file, &["--target-dir", directory.path().to_str().unwrap()]);
    assert_eq!(daemon.exit_code(SOON).await, 2);
    let said = daemon.log().raw();
    assert!(said.contains("all.json") && said.contains("twice"), "{said}");
    assert!(directory.files().is_empty());
}

on_both!(
    a_restart_writes_nothing_that_is_right_and_removes_what_is_gone,
    what_is_there_counts_for_the_guard,
    a_manifest_that_can_not_be_used_is_refused_with_2_and_said_with_what_helps,
    once_writes_all_files_and_beside_a_daemon_only_looks,
    a_second_daemon_stands_by_and_takes_over,
    a_target_file_in_the_target_directory_is_refused_with_2,
);
