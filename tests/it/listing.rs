//! The list: of one revision, whole or not at all, and however large the values.

use std::time::Duration;

use rustix::process::Signal;
use tonic::Status;

use crate::support::backend::{Etcd, on_embedded, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::wait::SOON;

const QUICK: [&str; 2] = ["--debounce", "10ms"];
const AT_ONCE: [&str; 2] = ["--debounce", "0"];
const OLD: &str = "[\n{\"targets\":[\"10.9.9.9:80\"],\"labels\":{\"job\":\"old\"}}\n]\n";

async fn the_list_is_read_in_pages_of_one_revision_and_the_watch_begins_after_it(etcd: Etcd) {
    let file = TargetFile::new();
    let revision = fill(&etcd, 3_000);
    let _daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    let requests = etcd.faulty().requests();
    let seen = requests.wait_for(|seen| !seen.watches.is_empty()).await;

    let pages = &seen.ranges;
    assert!(pages.len() > 1, "{pages:?}");
    assert_eq!(pages.iter().map(|page| page.returned.unwrap_or(0)).sum::<usize>(), 3_000);
    assert_eq!((&*pages[0].key, &*pages[0].range_end), (&b"/services/"[..], &b"/services0"[..]));
    assert!(pages[1..].iter().all(|page| page.revision == revision), "{pages:?}");
    let watch = &seen.watches[0];
    assert_eq!((&*watch.key, &*watch.range_end), (&b"/services/"[..], &b"/services0"[..]));
    assert_eq!(watch.start_revision, revision + 1);
    assert!(!watch.fragment);
}

async fn what_changes_between_two_pages_is_neither_lost_nor_half_seen(etcd: Etcd) {
    let file = TargetFile::new();
    fill(&etcd, 3_000);
    let before = etcd.document();
    let store = etcd.faulty().store();
    etcd.faulty().faults().after_range(1, move || {
        store.write(|write| {
            write.put("/services/aaa/1", "10.0.0.1:80");
            write.put("/services/web-0/0", "10.0.0.2:80");
            write.put("/services/zzz/1", "10.0.0.3:80");
            write.delete("/services/web-9/9");
        });
    });
    let reader = Reader::start(&file);
    let daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    daemon.wait_for_log("watching").await;
    let after = etcd.document();
    assert_ne!(before, after);
    file.becomes(&after, SOON).await;
    for document in reader.finish().documents {
        assert!(document == before || document == after, "{document}");
    }
}

async fn nothing_is_published_before_the_list_is_complete(etcd: Etcd) {
    let file = TargetFile::new();
    file.write(OLD);
    fill(&etcd, 3_000);
    let faults = etcd.faulty().faults();
    // The first try breaks at its second page, the second at its third; all are slow.
    faults.fail_range(2, Status::unavailable("no page 2"));
    faults.fail_range(5, Status::unavailable("no page 3"));
    faults.delay_ranges(Duration::from_millis(200));
    let reader = Reader::start(&file);
    let _daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    let expected = etcd.document();
    file.becomes(&expected, 2 * SOON).await;
    assert_eq!(reader.finish().documents, [OLD.to_owned(), expected]);
}

async fn a_relist_that_breaks_off_changes_nothing(etcd: Etcd) {
    let file = TargetFile::new();
    fill(&etcd, 3_000);
    let daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    let before = file.read().unwrap();
    etcd.faulty().faults().fail_range(2, Status::unavailable("no page 2"));
    let reader = Reader::start(&file);
    daemon.signal(Signal::HUP);
    daemon.wait_for_logs("listed", 2).await;
    daemon.wait_for_logs("watching", 2).await;
    assert_eq!(reader.finish().documents, [before]);
}

async fn values_of_a_megabyte_and_a_half_pass(etcd: Etcd) {
    let file = TargetFile::new();
    let padding = "x".repeat(1_400_000);
    let value = |id: u32| format!(r#"{{"address":"10.0.0.1:{id}","padding":"{padding}"}}"#);
    for id in 1..=60 {
        etcd.put(&format!("/services/web/{id}"), value(id)).await;
    }
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    file.becomes(&web(60), 3 * SOON).await;
    daemon.wait_for_log("watching").await;
    for id in 61..=70 {
        etcd.put(&format!("/services/web/{id}"), value(id)).await;
    }
    file.becomes(&web(70), 3 * SOON).await;
    assert_eq!(daemon.logged("connection lost").len(), 0);
    let megabytes = daemon.resident_bytes() / 1_000_000;
    assert!(megabytes < 300, "{megabytes} MB for 70 targets");
}

/// A document with so many ports of one host.
fn web(count: u32) -> String {
    let mut targets: Vec<String> = (1..=count).map(|port| format!("\"10.0.0.1:{port}\"")).collect();
    targets.sort();
    format!("[\n{{\"targets\":[{}],\"labels\":{{\"job\":\"web\"}}}}\n]\n", targets.join(","))
}

/// Many entries in one revision, which it answers with.
fn fill(etcd: &Etcd, count: usize) -> i64 {
    etcd.faulty().store().put_many((0..count).map(|id| {
        (format!("/services/web-{}/{id}", id % 10), format!("10.0.{}.{}:80", id / 250, id % 250))
    }))
}

on_embedded!(
    the_list_is_read_in_pages_of_one_revision_and_the_watch_begins_after_it,
    what_changes_between_two_pages_is_neither_lost_nor_half_seen,
    nothing_is_published_before_the_list_is_complete,
    a_relist_that_breaks_off_changes_nothing,
    values_of_a_megabyte_and_a_half_pass,
);
on_real!(values_of_a_megabyte_and_a_half_pass);
