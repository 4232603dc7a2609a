//! How the file is written: whole, once, readable, and without a trace beside it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::wait::{SOON, always, ensure, eventually};

const QUICK: [&str; 2] = ["--debounce", "10ms"];
const AT_ONCE: [&str; 2] = ["--debounce", "0"];

/// The one entry that the daemon keeps beside the file, for its temporary files.
const STAGE: &str = ".etcd-sd";

async fn equal_bytes_are_never_written_again(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", r#"{"address":"10.0.0.1:80","labels":{"a":"1","b":"2"}}"#).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    let (stamp, directory) = (file.stamp(), Directory::watch(file.directory()));

    // The same value, the same meaning, a change that is taken back, entries that
    // are not ours or bad, and a relist.
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    etcd.put("/services/web/2", " 10.0.0.2:80\n").await;
    etcd.put("/services/web/2", r#"{"targets":["10.0.0.2:80"],"weight":7}"#).await;
    etcd.put("/services/web/1", r#"{"labels":{"b":"2","a":"1"},"targets":["10.0.0.1:80"]}"#).await;
    etcd.put("/services/web/3", "10.0.0.2:80").await;
    etcd.delete("/services/web/3").await;
    etcd.put("/services/web/3/deeper", "10.0.0.3:80").await;
    let revision = etcd.put("/services/bad/1", "oops").await;
    daemon.signal(Signal::HUP);
    let listed = daemon.wait_for_logs("listed", 2).await;
    assert!(listed[1].number("revision") >= revision);
    always(Duration::from_secs(1), "nothing is written", async || {
        ensure(file.stamp() == stamp, || "the file was written".to_owned())?;
        ensure(directory.events().is_empty(), || format!("{:?}", directory.events()))
    })
    .await;

    // The next real change is one write.
    etcd.put("/services/web/3", "10.0.0.3:80").await;
    file.follows(&etcd).await;
    daemon.wait_for_logs("published", 2).await;
    eventually(SOON, "one event", async || {
        let events = directory.events_of("targets.json");
        ensure(events == 1, || format!("{events} events"))
    })
    .await;
}

async fn a_file_that_is_right_at_the_start_is_not_written(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut first = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    assert_eq!(first.stop().await, 0);
    let (stamp, directory) = (file.stamp(), Directory::watch(file.directory()));

    let mut second = Daemon::start(&etcd, &file, &QUICK);
    second.wait_for_log("watching").await;
    always(Duration::from_secs(1), "nothing is written", async || {
        ensure(file.stamp() == stamp, || "the file was written".to_owned())?;
        ensure(directory.events().is_empty(), || format!("{:?}", directory.events()))
    })
    .await;
    // It watches all the same.
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    assert_eq!(second.stop().await, 0);
}

async fn a_file_that_is_wrong_at_the_start_is_replaced(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    for old in
        ["", "null", "[]\n", "[\n{\"targets\":[\"10.9.9.9:80\"],\"labels\":{\"job\":\"web\"}}\n]\n"]
    {
        let file = TargetFile::new();
        file.write(old);
        let _daemon = Daemon::start(&etcd, &file, &QUICK);
        file.follows(&etcd).await;
    }
}

async fn a_new_file_can_be_read_by_others_and_an_old_one_keeps_its_mode(etcd: Etcd) {
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    assert_eq!(file.mode(), 0o644);
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    assert_eq!(file.mode(), 0o644);

    let old = TargetFile::new();
    old.write("[]");
    fs::set_permissions(old.path(), fs::Permissions::from_mode(0o640)).unwrap();
    let _daemon = Daemon::start(&etcd, &old, &QUICK);
    old.follows(&etcd).await;
    assert_eq!(old.mode(), 0o640);
}

async fn every_read_is_of_one_whole_document_and_beside_it_nothing_shows(etcd: Etcd) {
    let file = TargetFile::new();
    let entries = (1..3_000)
        .map(|port| (format!("/services/web-{}/{port}", port % 7), format!("10.0.0.1:{port}")));
    etcd.put_all(&entries.collect::<Vec<_>>()).await;
    let mut daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    file.follows(&etcd).await;
    let directory = Directory::watch(file.directory());
    let stage = Directory::watch(&file.directory().join(STAGE));
    let reader = Reader::start(&file);
    for port in 1..200 {
        etcd.put("/services/changing/1", format!("10.0.0.2:{port}")).await;
        if port % 10 == 0 {
            file.follows(&etcd).await;
        }
        if port % 20 == 0 {
            etcd.delete_prefix("/services/web-1/").await;
            etcd.put("/services/web-1/1", format!("10.0.0.3:{port}")).await;
        }
    }
    file.follows(&etcd).await;
    let seen = reader.finish();
    assert!(seen.documents.len() > 10, "{} documents", seen.documents.len());

    let names: BTreeSet<_> = directory.events().into_keys().collect();
    assert_eq!(names, BTreeSet::from(["targets.json".into()]));
    for name in stage.events().keys() {
        let name = name.to_string_lossy().to_lowercase();
        assert!(!is_read_by_prometheus(&name), "{name}");
    }
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(names_in(&file), ["targets.json"]);
}

async fn a_daemon_that_is_killed_at_any_moment_leaves_a_whole_file(etcd: Etcd) {
    let file = TargetFile::new();
    let entries =
        (1..2_000).map(|port| (format!("/services/web/{port}"), format!("10.0.0.1:{port}")));
    etcd.put_all(&entries.collect::<Vec<_>>()).await;
    let mut daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    file.follows(&etcd).await;
    let reader = Reader::start(&file);
    for round in 0..10_u64 {
        let start = daemon.logged("published").len();
        for port in 1..=5 {
            etcd.put("/services/changing/1", format!("10.0.{round}.2:{port}")).await;
        }
        daemon.wait_for_logs("published", start + 1).await;
        // Later from round to round, somewhere in the next publishes.
        tokio::time::sleep(Duration::from_micros(300 * round)).await;
        daemon.kill();
        daemon = Daemon::start(&etcd, &file, &AT_ONCE);
        daemon.wait_for_log("listed").await;
    }
    file.follows(&etcd).await;
    reader.finish();
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(names_in(&file), ["targets.json"]);
}

async fn a_first_list_without_entries_is_published_as_an_empty_array_with_a_warning(etcd: Etcd) {
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &[]);
    file.becomes("[]\n", SOON).await;
    eventually(SOON, "a warning", async || {
        let raw = daemon.log().raw();
        ensure(raw.contains("the first list is empty"), || raw)
    })
    .await;
    let raw = daemon.log().raw();
    let line = raw.lines().find(|line| line.contains("the first list is empty")).unwrap();
    assert!(line.contains("WARN") && line.contains("/services"), "{line}");
}

async fn a_write_that_fails_is_tried_again_until_it_succeeds(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    let before = file.read();

    // A file where the directory for temporary files should be: no staging there,
    // not even for root.
    let stage = file.directory().join(STAGE);
    fs::remove_dir_all(&stage).unwrap();
    fs::write(&stage, "").unwrap();
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    let document = etcd.document();
    always(Duration::from_secs(2), "the old document stays", async || {
        let read = file.read();
        ensure(read == before, || format!("{read:?}"))
    })
    .await;
    daemon.still_runs();
    fs::remove_file(&stage).unwrap();
    file.becomes(&document, Duration::from_secs(4)).await;
}

/// The names beside the file that anyone can see, sorted.
fn names_in(file: &TargetFile) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(file.directory())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != STAGE)
        .collect();
    names.sort();
    let staged = fs::read_dir(file.directory().join(STAGE)).unwrap();
    let staged: Vec<_> = staged.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(staged, ["targets.json.lock"], "a leftover");
    names
}

/// Whether Prometheus' globs can take a file of this name.
fn is_read_by_prometheus(name: &str) -> bool {
    [".json", ".yml", ".yaml"].iter().any(|ending| name.ends_with(ending))
}

on_both!(
    equal_bytes_are_never_written_again,
    a_file_that_is_right_at_the_start_is_not_written,
    a_file_that_is_wrong_at_the_start_is_replaced,
    a_new_file_can_be_read_by_others_and_an_old_one_keeps_its_mode,
    every_read_is_of_one_whole_document_and_beside_it_nothing_shows,
    a_daemon_that_is_killed_at_any_moment_leaves_a_whole_file,
    a_first_list_without_entries_is_published_as_an_empty_array_with_a_warning,
    a_write_that_fails_is_tried_again_until_it_succeeds,
);
