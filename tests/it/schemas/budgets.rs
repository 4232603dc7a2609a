//! Budgets that entries share: who is in stays in, and who is beyond waits.

use rustix::process::Signal;

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::SOON;

const THREE: [&str; 4] = ["--debounce", "10ms", "--max-targets-per-service", "3"];

/// A document with these targets of `web`, and one of `zz` to tell that all before was seen.
fn document(targets: &[&str], last: &str) -> String {
    let targets: Vec<_> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    let targets = targets.join(",");
    format!(
        "[\n{{\"targets\":[{targets}],\"labels\":{{\"job\":\"web\"}}}},\n\
         {{\"targets\":[\"{last}\"],\"labels\":{{\"job\":\"zz\"}}}}\n]\n"
    )
}

async fn put_three(etcd: &Etcd) {
    for (instance, address) in [("b", "10.0.0.1:80"), ("c", "10.0.0.2:80"), ("d", "10.0.0.3:80")] {
        etcd.put(&format!("/services/web/{instance}"), address).await;
    }
    etcd.put("/services/zz/1", "10.0.0.9:1").await;
}

async fn a_target_beyond_the_budget_waits_and_comes_in_when_another_one_goes(etcd: Etcd) {
    let file = TargetFile::new();
    put_three(&etcd).await;
    let daemon = Daemon::start(&etcd, &file, &THREE);
    let three = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    file.becomes(&document(&three, "10.0.0.9:1"), SOON).await;

    etcd.put("/services/web/a", "10.0.0.4:80").await;
    let line = daemon.wait_for_log("entry quarantined").await;
    assert_eq!((&*line.level, &*line.text("key")), ("WARN", "/services/web/a"));
    let reason = line.text("reason");
    assert!(reason.contains("4 targets") && reason.contains("3 are admitted"), "{reason}");
    assert!(reason.contains("--max-targets-per-service"), "{reason}");
    assert_eq!(line.text("effect"), "left out");
    etcd.put("/services/zz/1", "10.0.0.9:2").await;
    file.becomes(&document(&three, "10.0.0.9:2"), SOON).await;

    etcd.delete("/services/web/c").await;
    let after = ["10.0.0.1:80", "10.0.0.3:80", "10.0.0.4:80"];
    file.becomes(&document(&after, "10.0.0.9:2"), SOON).await;
    file.follows(&etcd).await;
    let line = daemon.wait_for_log("entry admitted").await;
    assert_eq!((&*line.level, &*line.text("key")), ("INFO", "/services/web/a"));
    assert_eq!(daemon.logged("entry quarantined").len(), 1);
}

async fn a_value_that_grew_beyond_the_budget_keeps_its_last_good_target(etcd: Etcd) {
    let file = TargetFile::new();
    put_three(&etcd).await;
    let daemon = Daemon::start(&etcd, &file, &THREE);
    let three = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    file.becomes(&document(&three, "10.0.0.9:1"), SOON).await;

    etcd.put("/services/web/b", r#"{"targets":["10.0.1.1:80","10.0.1.2:80"]}"#).await;
    let line = daemon.wait_for_log("entry quarantined").await;
    assert_eq!(line.text("effect"), "its last good target stays");
    etcd.put("/services/zz/1", "10.0.0.9:2").await;
    file.becomes(&document(&three, "10.0.0.9:2"), SOON).await;

    etcd.delete("/services/web/d").await;
    file.follows(&etcd).await;
    let after = ["10.0.0.2:80", "10.0.1.1:80", "10.0.1.2:80"];
    file.becomes(&document(&after, "10.0.0.9:2"), SOON).await;
}

async fn a_relist_displaces_nobody_and_says_nothing_anew(etcd: Etcd) {
    let file = TargetFile::new();
    put_three(&etcd).await;
    let daemon = Daemon::start(&etcd, &file, &THREE);
    let three = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    file.becomes(&document(&three, "10.0.0.9:1"), SOON).await;
    etcd.put("/services/web/a", "10.0.0.4:80").await;
    daemon.wait_for_log("entry quarantined").await;
    // Written anew: now the one that waits has the older write, and the first key.
    etcd.put("/services/web/b", "10.0.0.1:80").await;
    daemon.signal(Signal::HUP);
    let listed = daemon.wait_for_logs("listed", 2).await;
    assert_eq!((listed[1].number("targets"), listed[1].number("quarantined")), (4, 1));
    etcd.put("/services/zz/1", "10.0.0.9:2").await;
    file.becomes(&document(&three, "10.0.0.9:2"), SOON).await;
    assert_eq!(daemon.logged("entry quarantined").len(), 1);
    // Nor does one that knows nothing of the first.
    drop(daemon);
    let file = TargetFile::new();
    let _other = Daemon::start(&etcd, &file, &THREE);
    file.becomes(&document(&three, "10.0.0.9:2"), SOON).await;
}

async fn of_more_than_the_file_may_hold_the_oldest_are_in(etcd: Etcd) {
    let file = TargetFile::new();
    put_three(&etcd).await;
    etcd.put("/services/web/a", "10.0.0.4:80").await;
    // The four that came first, to the byte.
    let total = ["--debounce", "10ms", "--max-total-bytes", "43"];
    let daemon = Daemon::start(&etcd, &file, &total);
    let three = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"];
    file.becomes(&document(&three, "10.0.0.9:1"), SOON).await;
    let line = daemon.wait_for_log("entry quarantined").await;
    assert_eq!(line.text("key"), "/services/web/a");
    let reason = line.text("reason");
    assert!(reason.contains("54 bytes") && reason.contains("--max-total-bytes"), "{reason}");
    etcd.delete("/services/zz/1").await;
    etcd.delete("/services/web/b").await;
    file.follows(&etcd).await;
}

on_both!(
    a_target_beyond_the_budget_waits_and_comes_in_when_another_one_goes,
    a_value_that_grew_beyond_the_budget_keeps_its_last_good_target,
    a_relist_displaces_nobody_and_says_nothing_anew,
    of_more_than_the_file_may_hold_the_oldest_are_in,
);
