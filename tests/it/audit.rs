//! What the watch did not tell is found out all the same: by an audit, now and
//! then and after every outage.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::embedded::Snapshot;
use crate::support::backend::{Etcd, on_both, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

const SOUND: &str = "audited: the registry is what etcd holds";
const DIVERGED: &str = "audited: the registry is not what etcd holds; listing anew";

/// Audits often, and takes a watch that is silent for half a second for one that has nothing
/// more to say.
const OFTEN: [&str; 8] = [
    "--debounce",
    "10ms",
    "--audit-interval",
    "300ms",
    "--keepalive-time",
    "250ms",
    "--keepalive-timeout",
    "2s",
];

const RARELY: [&str; 4] = ["--debounce", "10ms", "--audit-interval", "0"];

async fn events_that_the_server_lost_are_found_named_and_healed(etcd: Etcd) {
    let file = TargetFile::new();
    let (store, faults) = (etcd.faulty().store(), etcd.faulty().faults());
    store.put_many([
        ("/services/web/kept", "10.0.0.1:80"),
        ("/services/web/changed", "10.0.0.2:80"),
        ("/services/gone/removed", "10.0.0.3:80"),
    ]);
    let daemon = Daemon::start(&etcd, &file, &OFTEN);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    let keys = ["/services/gone/removed", "/services/new/added", "/services/web/changed"];
    faults.lose_events_of(&keys);
    store.put("/services/web/changed", "10.0.0.9:80");
    store.put("/services/new/added", "10.0.0.4:80");
    store.delete("/services/gone/removed");
    file.becomes(&etcd.document(), Duration::from_secs(30)).await;
    let found = daemon.wait_for_log(DIVERGED).await;
    assert_eq!(found.number("differences"), 3, "{found:?}");
    let named: Vec<_> =
        daemon.logged("audit: difference").iter().map(|line| line.text("key")).collect();
    assert_eq!(named, keys);
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("audit"), "{relisting:?}");
}

async fn a_lost_event_is_found_at_once_where_later_ones_came(etcd: Etcd) {
    let file = TargetFile::new();
    let (store, faults) = (etcd.faulty().store(), etcd.faulty().faults());
    store.put("/services/web/1", "10.0.0.1:80");
    let daemon = Daemon::start(&etcd, &file, &["--debounce", "10ms", "--audit-interval", "500ms"]);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    faults.lose_events_of(&["/services/web/2"]);
    store.put("/services/web/2", "10.0.0.2:80");
    store.put("/services/web/3", "10.0.0.3:80");
    file.becomes(&etcd.document(), SOON).await;
    daemon.wait_for_log(DIVERGED).await;
}

async fn a_sound_registry_is_never_suspected_while_it_changes(etcd: Etcd) {
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--debounce", "10ms", "--audit-interval", "100ms"]);
    let stop = Arc::new(AtomicBool::new(false));
    let writers = (0..4).map(|writer| {
        let (mut client, stop) = (etcd.client(), Arc::clone(&stop));
        tokio::spawn(async move {
            for round in 0_u32.. {
                let service = ["a", "a-b", "a.b", "b"][(round % 4) as usize];
                let key = format!("/services/{service}/{writer}-{}", round % 50);
                if round % 3 == 2 {
                    client.delete(key, None).await.unwrap();
                } else {
                    client
                        .put(key, format!("10.0.0.{writer}:{}", round % 999 + 1), None)
                        .await
                        .unwrap();
                }
                if stop.load(Ordering::Relaxed) {
                    return round;
                }
            }
            unreachable!()
        })
    });
    let writers: Vec<_> = writers.collect();
    daemon.wait_for_logs(SOUND, 3).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 10);
    }
    file.follows(&etcd).await;
    assert_eq!(daemon.logged("audit: difference").len(), 0);
    assert_eq!(daemon.logged("listed").len(), 1);
}

async fn every_outage_ends_with_an_audit(mut etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let daemon = Daemon::start(&etcd, &file, &RARELY);
    daemon.wait_for_log("watching").await;
    for round in 1..=2 {
        etcd.kill().await;
        etcd.restart().await;
        daemon.wait_for_logs("resumed", round).await;
        daemon.wait_for_logs(SOUND, round).await;
    }
}

async fn a_restored_cluster_that_has_overtaken_the_old_revision_is_recognised(etcd: Etcd) {
    overtaken(&etcd, "/services/web/1").await;
}

async fn so_is_one_that_wrote_the_same_key_at_the_same_revision(etcd: Etcd) {
    overtaken(&etcd, "/services/other/1").await;
}

/// `newest` is the last key that is written before the restore.
async fn overtaken(etcd: &Etcd, newest: &str) {
    let file = TargetFile::new();
    let store = etcd.faulty().store();
    store.put("/services/web/1", "10.0.0.1:80");
    let backup = store.snapshot();
    let daemon = Daemon::start(etcd, &file, &RARELY);
    file.follows(etcd).await;
    store.put("/services/web/lost", "10.0.0.2:80");
    store.put(newest, "10.0.0.3:80");
    file.follows(etcd).await;

    restore_and_overtake(etcd, &daemon, &backup).await;
    file.follows(etcd).await;
    assert_eq!(daemon.logged("resumed").len(), 0, "it is never followed");
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("restored"), "{relisting:?}");
    daemon.wait_for_log("the list begins a new epoch of revisions").await;
}

async fn a_restore_that_only_undid_a_deletion_is_found_by_the_audit_after_it(etcd: Etcd) {
    let file = TargetFile::new();
    let store = etcd.faulty().store();
    store.put("/services/web/1", "10.0.0.1:80");
    store.put("/services/web/back", "10.0.0.2:80");
    let backup = store.snapshot();
    let daemon = Daemon::start(&etcd, &file, &RARELY);
    file.follows(&etcd).await;
    store.delete("/services/web/back");
    file.follows(&etcd).await;

    restore_and_overtake(&etcd, &daemon, &backup).await;
    file.follows(&etcd).await;
    assert_eq!(daemon.logged("resumed").len(), 1, "nothing but the audit could tell");
    daemon.wait_for_log(DIVERGED).await;
    daemon.wait_for_log("the list begins a new epoch of revisions").await;
}

/// Goes back to the backup while the daemon is away, and past the revision that it has seen.
async fn restore_and_overtake(etcd: &Etcd, daemon: &Daemon, backup: &Snapshot) {
    let (store, faults) = (etcd.faulty().store(), etcd.faulty().faults());
    faults.refuse_connections(true);
    faults.kill_connections();
    daemon.wait_for_log("connection lost").await;
    store.restore(backup);
    for port in 1..=20 {
        store.put("/services/other/1", format!("10.0.0.9:{port}"));
    }
    faults.refuse_connections(false);
}

async fn an_audit_holds_up_neither_the_watch_nor_a_publish(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    registry.store().put_many((0..200).map(|n| (format!("/services/web/{n}"), "10.0.0.1:80")));
    let _daemon = Daemon::start(&etcd, &file, &OFTEN);
    file.follows(&etcd).await;
    let faults = registry.faults();
    faults.delay_ranges(Duration::from_secs(60));
    let begun = faults.ranges_begun();
    eventually(SOON, "an audit waits for its list", async || {
        ensure(faults.ranges_begun() > begun, || "not yet".to_owned())
    })
    .await;
    for port in 1..=5 {
        registry.store().put("/services/web/0", format!("10.0.0.2:{port}"));
        file.becomes(&etcd.document(), Duration::from_secs(2)).await;
    }
}

async fn more_keys_than_are_allowed_are_refused_before_they_are_read(etcd: Etcd) {
    let file = TargetFile::new();
    for n in 0..11 {
        etcd.put(&format!("/services/web/{n}"), "10.0.0.1:80").await;
    }
    let mut once =
        Daemon::start(&etcd, &file, &["--max-entries", "10", "--once", "--timeout", "1s"]);
    assert_eq!(once.exit_code(SOON).await, 3);
    let failed = once.wait_for_log("failed").await;
    for needle in ["11 keys", "/services/", "--max-entries 10", "--prefix"] {
        assert!(failed.text("error").contains(needle), "{needle}: {failed:?}");
    }
    assert_eq!(file.read(), None);
}

async fn a_registry_that_outgrows_its_limit_stays_as_it_is_until_it_fits_again(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/0", "10.0.0.1:80").await;
    let mut daemon = Daemon::start(&etcd, &file, &["--max-entries", "3", "--debounce", "10ms"]);
    file.follows(&etcd).await;
    for n in 1..6 {
        etcd.put(&format!("/services/web/{n}"), format!("10.0.0.{n}:80")).await;
    }
    let lost = daemon.wait_for_log("prefix refused").await;
    assert!(lost.text("reason").contains("--max-entries 3"), "{lost:?}");
    daemon.still_runs();
    etcd.delete("/services/web/5").await;
    etcd.delete("/services/web/4").await;
    etcd.delete("/services/web/0").await;
    daemon.signal(Signal::HUP);
    eventually(SOON, "it fits again", async || {
        let (held, wanted) = (file.read().unwrap_or_default(), etcd.document());
        ensure(held == wanted, || held.clone())
    })
    .await;
}

on_embedded!(
    events_that_the_server_lost_are_found_named_and_healed,
    a_lost_event_is_found_at_once_where_later_ones_came,
    a_restored_cluster_that_has_overtaken_the_old_revision_is_recognised,
    so_is_one_that_wrote_the_same_key_at_the_same_revision,
    a_restore_that_only_undid_a_deletion_is_found_by_the_audit_after_it,
    an_audit_holds_up_neither_the_watch_nor_a_publish,
);

mod both {
    use super::*;

    on_both!(Sync::Always: every_outage_ends_with_an_audit);
}

mod limits {
    use super::*;

    on_both!(
        a_sound_registry_is_never_suspected_while_it_changes,
        more_keys_than_are_allowed_are_refused_before_they_are_read,
        a_registry_that_outgrows_its_limit_stays_as_it_is_until_it_fits_again,
    );
}
