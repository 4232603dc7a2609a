//! `diff` tells what the files don't hold of what etcd has, and touches nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::ran::{Ran, ends, etcd_sd, etcd_sd_in};
use crate::support::rights::{NOBODY, as_nobody, may_become_nobody, needs};
use crate::support::target_dir::TargetDir;
use crate::support::wait::SOON;

async fn diff(etcd: &Etcd, file: &TargetFile, more: &[&str]) -> Ran {
    let path = file.path().to_str().unwrap();
    let args = ["diff", "--server", etcd.endpoint(), "--target-file", path];
    etcd_sd(&[&args, more].concat()).await
}

/// Everything below a directory, with what a write of any kind would change.
fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (u64, i64, i64, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(path) = ahead.pop() {
        let looks = fs::symlink_metadata(&path).unwrap();
        let mut bytes = Vec::new();
        if looks.is_dir() {
            ahead.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            bytes = fs::read(&path).unwrap();
        }
        let stamp = (looks.ino(), looks.mtime_nsec(), looks.ctime_nsec(), looks.mode(), bytes);
        found.insert(path, stamp);
    }
    found
}

async fn three_services(etcd: &Etcd) {
    etcd.put("/services/db/1", "10.0.0.1:80").await;
    etcd.put("/services/web/1", "10.0.0.2:80").await;
    etcd.put("/services/web/2", r#"{"address":"10.0.0.3:80","labels":{"env":"prod"}}"#).await;
    etcd.put("/services/zz/1", "10.0.0.4:80").await;
}

async fn a_file_is_equal_or_has_the_same_targets_in_other_bytes(etcd: Etcd) {
    three_services(&etcd).await;
    let file = TargetFile::new();
    Daemon::start(&etcd, &file, &["--once"]).exit_code(SOON).await;
    let ran = diff(&etcd, &file, &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(ran.stdout, format!("{}: equal, 4 targets\n", file.path().display()));
    file.write(&file.read().unwrap().replace('\n', " "));
    let ran = diff(&etcd, &file, &[]).await;
    assert_eq!(ran.code, 5);
    assert!(ran.stdout.contains("the same 4 targets, in other bytes"), "{}", ran.stdout);
    assert_eq!(ran.stdout.lines().count(), 1);
}

async fn what_differs_is_listed_by_job_and_labels_below_a_summary(etcd: Etcd) {
    three_services(&etcd).await;
    let file = TargetFile::new();
    file.write(
        r#"[{"targets":["10.0.0.2:80","10.0.0.3:80","10.0.0.9:80"],"labels":{"job":"web"}},
            {"targets":["10.0.0.4:80"],"labels":{"job":"zz"}},
            {"targets":["h:1\u001b"],"labels":{"job":"a\"\n","x":"y"}}]"#,
    );
    let ran = diff(&etcd, &file, &[]).await;
    assert_eq!(ran.code, 5);
    let (summary, details) = ran.stdout.split_once("\n\n").unwrap();
    let first = summary.lines().next().unwrap();
    let says = "2 targets missing from the file, 3 too many; 1 of them with other labels only";
    assert_eq!(first, format!("{}: {says}", file.path().display()));
    let expected = r#"{job="a\"\n",x="y"}: 0 missing, 1 too many
- h:1\u{1b}

{job="db"}: 1 missing, 0 too many
+ 10.0.0.1:80

{job="web"}: 0 missing, 2 too many
- 10.0.0.3:80
- 10.0.0.9:80

{job="web",env="prod"}: 1 missing, 0 too many
+ 10.0.0.3:80
"#;
    assert_eq!(details, expected);
}

async fn no_file_and_a_file_of_another_kind_are_said_to_be_that(etcd: Etcd) {
    three_services(&etcd).await;
    let file = TargetFile::new();
    let ran = diff(&etcd, &file, &[]).await;
    assert_eq!(ran.code, 5);
    assert!(ran.stdout.contains("there is no file; 4 targets missing"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n+ 10.0.0.4:80\n"), "{}", ran.stdout);
    let elsewhere = TargetFile::at(file.directory().join("no/such/directory.json"));
    assert_eq!(diff(&etcd, &elsewhere, &[]).await.code, 5);
    for text in ["", "global:\n  scrape_interval: 15s\n", "[{\"targets\":"] {
        file.write(text);
        let ran = diff(&etcd, &file, &[]).await;
        assert_eq!(ran.code, 5);
        assert!(ran.stdout.contains("no JSON list of target groups"), "{}", ran.stdout);
        assert_eq!(ran.stdout.lines().count(), 1, "{}", ran.stdout);
    }
    let directory = TargetFile::at(file.directory().to_owned());
    let ran = diff(&etcd, &directory, &[]).await;
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--target-file"), "{}", ran.stderr);
}

async fn the_files_of_a_directory_are_compared_one_by_one(etcd: Etcd) {
    three_services(&etcd).await;
    let directory = TargetDir::new();
    directory.start(&etcd, &["--once"]).exit_code(SOON).await;
    let args = ["diff", "--server", etcd.endpoint(), "--no-target-file", "--target-dir"];
    let path = directory.path().to_str().unwrap();
    let args = [&args, &[path][..]].concat();
    let ran = etcd_sd(&args).await;
    assert_eq!((ran.code, ran.stdout), (0, format!("{path}: equal, 4 targets in 3 files\n")));
    // One service is gone, the files of two others as well, or hold something else.
    etcd.delete("/services/db/1").await;
    fs::remove_file(directory.path().join("zz.json")).unwrap();
    directory.file("web.json").write(r#"[{"targets":["10.0.0.2:80"],"labels":{"job":"web"}}]"#);
    directory.file("stranger.json").write("somebody else's");
    let ran = etcd_sd(&args).await;
    assert_eq!(ran.code, 5);
    let says = "2 targets missing from the files, 1 too many; 3 of 3 files differ";
    assert_eq!(ran.stdout.lines().next().unwrap(), format!("{path}: {says}"));
    let (_, details) = ran.stdout.split_once("\n\n").unwrap();
    let expected = format!(
        r#"{path}/db.json

{{job="db"}}: 0 missing, 1 too many
- 10.0.0.1:80

{path}/web.json

{{job="web",env="prod"}}: 1 missing, 0 too many
+ 10.0.0.3:80

{path}/zz.json: there is no file

{{job="zz"}}: 1 missing, 0 too many
+ 10.0.0.4:80
"#
    );
    assert_eq!(details, expected);
    // What is no file can't be compared.
    fs::create_dir(directory.path().join("zz.json")).unwrap();
    let ran = etcd_sd(&args).await;
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("zz.json: ") && ran.stdout.contains("regular"), "{}", ran.stdout);
}

async fn nothing_is_written_not_even_where_a_daemon_runs(etcd: Etcd) {
    three_services(&etcd).await;
    etcd.put("/services/web/3", "oops").await;
    let (file, directory) = (TargetFile::new(), TargetDir::new());
    let path = directory.path().to_str().unwrap();
    let mut daemon = Daemon::start(&etcd, &file, &["--target-dir", path]);
    daemon.wait_for_logs("published", 2).await;
    let before = (snapshot(file.directory()), snapshot(directory.home()));
    let ran = diff(&etcd, &file, &["--target-dir", path]).await;
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(etcd_sd(&["check", "--server", etcd.endpoint()]).await.code, 6);
    assert_eq!((snapshot(file.directory()), snapshot(directory.home())), before);
    daemon.still_runs();
    daemon.stop().await;

    // In a place where nothing of ours has ever been.
    let empty = tempfile::tempdir().unwrap();
    let before = snapshot(empty.path());
    for (command, code) in [("check", 6), ("diff", 5)] {
        let ran = etcd_sd_in(empty.path(), &[command, "--server", etcd.endpoint()]).await;
        assert_eq!(ran.code, code, "{}", ran.stderr);
    }
    let args = ["diff", "--server", etcd.endpoint(), "--target-dir", "."];
    assert_eq!(etcd_sd_in(empty.path(), &args).await.code, 5);
    assert_eq!(snapshot(empty.path()), before);
}

async fn a_user_who_may_only_read_can_check_and_compare(etcd: Etcd) {
    needs!(may_become_nobody(), "needs root and setpriv");
    three_services(&etcd).await;
    let file = TargetFile::new();
    Daemon::start(&etcd, &file, &["--once"]).exit_code(SOON).await;
    fs::set_permissions(file.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = file.path().to_str().unwrap();
    let run = async |args: &[&str]| {
        let mut command = as_nobody();
        command.arg(env!("CARGO_BIN_EXE_etcd-sd")).args(args).args(["--server", etcd.endpoint()]);
        ends(command, Vec::new()).await
    };
    assert_eq!(run(&["diff", "--target-file", path]).await.code, 0);
    assert_eq!(run(&["check"]).await.code, 0);
    // What it may not even read is no difference but a failure.
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
    let ran = run(&["diff", "--target-file", path]).await;
    assert_eq!(ran.code, 1, "user {NOBODY}: {}", ran.stdout);
    assert!(ran.stdout.contains(path) && ran.stdout.contains("ermission"), "{}", ran.stdout);
}

on_both!(
    a_file_is_equal_or_has_the_same_targets_in_other_bytes,
    what_differs_is_listed_by_job_and_labels_below_a_summary,
    no_file_and_a_file_of_another_kind_are_said_to_be_that,
    the_files_of_a_directory_are_compared_one_by_one,
    nothing_is_written_not_even_where_a_daemon_runs,
    a_user_who_may_only_read_can_check_and_compare,
);
