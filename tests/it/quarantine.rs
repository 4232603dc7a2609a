//! One bad entry harms itself only: it is named with its reason, and keeps its
//! last good target where that is known.

use rustix::process::Signal;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::SOON;

const QUICK: [&str; 2] = ["--debounce", "10ms"];

/// What can't become a target, each for a reason of its own.
const BAD: &[(&str, &[u8])] = &[
    ("empty", b""),
    ("blank", b" \n"),
    ("url", b"http://10.0.0.1:80"),
    ("url-with-path", b"http://10.0.0.1:80/metrics"),
    ("path", b"10.0.0.1:80/metrics"),
    ("no-port", b"10.0.0.1"),
    ("empty-port", b"10.0.0.1:"),
    ("port-0", b"10.0.0.1:0"),
    ("port-65536", b"10.0.0.1:65536"),
    ("port-name", b"10.0.0.1:http"),
    ("no-host", b":80"),
    ("bare-ipv6", b"::1"),
    ("two-colons", b"a:b:80"),
    ("invalid-utf8", b"10.0.0.\xff:80"),
    ("spaces", b"10.0.0.1 :80"),
    ("no-object", b"[\"10.0.0.1:80\"]"),
    ("cut-off", b"{\"targets\":[\"10.0.0.1:80\""),
    ("no-targets", b"{\"labels\":{\"a\":\"b\"}}"),
    ("empty-targets", b"{\"targets\":[]}"),
    ("number-for-target", b"{\"targets\":[80]}"),
    ("one-bad-target", b"{\"targets\":[\"10.0.0.1:80\",\"10.0.0.1\"]}"),
    ("targets-and-address", b"{\"targets\":[\"a:1\"],\"address\":\"a:1\"}"),
    ("bad-address", b"{\"address\":\"http://a:1\"}"),
    ("job-label", b"{\"address\":\"a:1\",\"labels\":{\"job\":\"x\"}}"),
    ("address-label", b"{\"address\":\"a:1\",\"labels\":{\"__address__\":\"x:1\"}}"),
    ("scheme-label", b"{\"address\":\"a:1\",\"labels\":{\"__scheme__\":\"https\"}}"),
    ("label-with-dot", b"{\"address\":\"a:1\",\"labels\":{\"a.b\":\"x\"}}"),
    ("label-with-digit", b"{\"address\":\"a:1\",\"labels\":{\"1a\":\"x\"}}"),
    ("label-without-name", b"{\"address\":\"a:1\",\"labels\":{\"\":\"x\"}}"),
    ("number-for-label", b"{\"address\":\"a:1\",\"labels\":{\"a\":1}}"),
];

async fn a_bad_entry_keeps_its_last_good_target_or_is_left_out(etcd: Etcd) {
    let file = TargetFile::new();
    for (name, bad) in BAD {
        etcd.put(&format!("/services/{name}/was-good"), "10.0.0.1:80").await;
        etcd.put(&format!("/services/{name}/bad-from-the-start"), *bad).await;
    }
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    let good: Vec<&str> = BAD.iter().map(|(name, _)| *name).collect();
    file.becomes(&with_jobs(&good), SOON).await;
    let listed = daemon.wait_for_log("listed").await;
    assert_eq!(listed.number("quarantined"), i64::try_from(BAD.len()).unwrap());

    for (name, bad) in BAD {
        etcd.put(&format!("/services/{name}/was-good"), *bad).await;
        etcd.put(&format!("/services/{name}/bad-while-it-runs"), *bad).await;
    }
    // After them all, so that they are seen when this is.
    etcd.put("/services/zz/1", "10.0.0.1:80").await;
    let with_last = [&good[..], &["zz"]].concat();
    file.becomes(&with_jobs(&with_last), SOON).await;

    // A good value ends it, and a deletion takes the last good target along.
    for (name, _) in BAD {
        etcd.delete(&format!("/services/{name}/was-good")).await;
        etcd.put(&format!("/services/{name}/bad-while-it-runs"), "10.0.0.9:90").await;
        etcd.delete(&format!("/services/{name}/bad-from-the-start")).await;
    }
    etcd.delete("/services/zz/1").await;
    file.follows(&etcd).await;
    assert_eq!(file.groups().len(), BAD.len());
}

async fn quarantine_is_said_once_with_key_and_reason(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "http://10.0.0.1:80").await;
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    let first = daemon.wait_for_log("entry quarantined").await;
    assert_eq!(first.level, "WARN");
    assert_eq!(first.text("key"), "/services/web/1");
    assert!(first.text("reason").contains("URL"), "{first:?}");

    // A relist says nothing anew, another bad value does.
    daemon.signal(Signal::HUP);
    daemon.wait_for_logs("listed", 2).await;
    etcd.put("/services/web/1", "10.0.0.1").await;
    let lines = daemon.wait_for_logs("entry quarantined", 2).await;
    assert_eq!(lines.len(), 2);
    assert!(lines[1].text("reason").contains("port"), "{lines:?}");
}

async fn the_last_good_target_stays_when_the_daemon_starts_on_a_bad_entry(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/other/1", "10.0.0.2:80").await;
    etcd.put("/services/web/1", "oops").await;
    // Bad twice: the value before the bad one was no better.
    etcd.put("/services/twice/1", "10.0.0.3:80").await;
    etcd.put("/services/twice/1", "oops").await;
    etcd.put("/services/twice/1", "oops again").await;
    // New after a deletion: what was deleted is no last good target.
    etcd.put("/services/anew/1", "10.0.0.4:80").await;
    etcd.delete("/services/anew/1").await;
    etcd.put("/services/anew/1", "oops").await;

    let document = concat!(
        "[\n",
        r#"{"targets":["10.0.0.2:80"],"labels":{"job":"other"}},"#,
        "\n",
        r#"{"targets":["10.0.0.1:80"],"labels":{"job":"web"}}"#,
        "\n]\n"
    );
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    file.becomes(document, SOON).await;
    // It is there in the first publish: there is no moment without it.
    assert_eq!(daemon.wait_for_logs("published", 1).await.len(), 1);
}

async fn a_bad_entry_whose_history_is_compacted_is_left_out(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    etcd.put("/services/web/1", "oops").await;
    let revision = etcd.put("/services/web/2", "10.0.0.2:80").await;
    etcd.compact(revision).await;
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;
    daemon.still_runs();
}

async fn the_last_good_target_outlives_a_relist_and_a_compaction(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    let good = file.read().unwrap();

    etcd.put("/services/web/1", "oops").await;
    let revision = etcd.put("/services/web/1", "oops again").await;
    daemon.wait_for_logs("entry quarantined", 2).await;
    etcd.compact(revision).await;
    let stamp = file.stamp();
    daemon.signal(Signal::HUP);
    daemon.wait_for_logs("listed", 2).await;
    daemon.wait_for_logs("watching", 2).await;
    etcd.put("/services/zz/1", "10.0.0.1:80").await;
    file.becomes(&with_jobs(&["web", "zz"]), SOON).await;
    assert_ne!(file.stamp(), stamp);
    assert_eq!(good, with_jobs(&["web"]));
}

/// A document with the target 10.0.0.1:80 for each of these jobs.
fn with_jobs(jobs: &[&str]) -> String {
    let mut jobs = jobs.to_vec();
    jobs.sort_unstable();
    let groups: Vec<String> = jobs
        .iter()
        .map(|job| format!(r#"{{"targets":["10.0.0.1:80"],"labels":{{"job":"{job}"}}}}"#))
        .collect();
    format!("[\n{}\n]\n", groups.join(",\n"))
}

on_both!(
    a_bad_entry_keeps_its_last_good_target_or_is_left_out,
    quarantine_is_said_once_with_key_and_reason,
    the_last_good_target_stays_when_the_daemon_starts_on_a_bad_entry,
    a_bad_entry_whose_history_is_compacted_is_left_out,
    the_last_good_target_outlives_a_relist_and_a_compaction,
);
