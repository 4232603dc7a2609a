//! Removals that a list shows.

use std::time::Duration;

use rustix::process::Signal;

use super::{EXPIRED, HELD, QUICK, RECOVERED, holds, joined, register, watching};
use crate::support::backend::{Etcd, on_both, on_embedded, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::wait::{SOON, always};

/// Has the daemon list anew what is left after `change`, which it does not see happen.
async fn relist_after(etcd: &Etcd, gate: &Gate, daemon: &Daemon, change: impl AsyncFnOnce()) {
    gate.cut().await;
    change().await;
    let revision = etcd.put("/elsewhere", "x").await;
    etcd.compact(revision).await;
    daemon.wait_for_log("connection lost").await;
    gate.open();
    daemon.wait_for_logs("listed", 2).await;
}

async fn a_relist_that_shows_few_is_held(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    register(&etcd, "web", 0..100).await;
    let fleet = etcd.entries();
    let daemon = Daemon::start_at(gate.endpoint(), &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    relist_after(&etcd, &gate, &daemon, async || {
        for n in 0..70 {
            etcd.delete(&format!("/services/web/{n}")).await;
        }
    })
    .await;
    holds(&daemon, 70).await;
    etcd.put("/services/api/1", "10.0.9.8:80").await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    register(&etcd, "web", 0..60).await;
    file.follows(&etcd).await;
    daemon.wait_for_log(RECOVERED).await;
}

async fn a_list_that_comes_back_empty_is_held_however_small_the_fleet(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    register(&etcd, "web", 0..3).await;
    let fleet = etcd.entries();
    let daemon = Daemon::start_at(gate.endpoint(), &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    relist_after(&etcd, &gate, &daemon, async || {
        etcd.delete_prefix("/services/").await;
    })
    .await;
    let line = holds(&daemon, 3).await;
    assert!(line.text("reason").contains("no target"), "{line:?}");
    register(&etcd, "web", 0..1).await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    register(&etcd, "web", 7..8).await;
    file.follows(&etcd).await;
    daemon.wait_for_log(RECOVERED).await;
}

/// The addresses of a backup are old, however many they are.
async fn a_registry_that_has_gone_back_in_time_is_held_if_most_addresses_are_gone(etcd: Etcd) {
    let store = etcd.faulty().store();
    register(&etcd, "web", 0..100).await;
    let backup = store.snapshot();
    etcd.delete_prefix("/services/").await;
    register(&etcd, "other", 0..1_000).await;
    etcd.delete_prefix("/services/").await;
    register(&etcd, "web", 200..300).await;
    let (file, daemon, fleet) = watching(&etcd, 0, &QUICK).await;
    store.restore(&backup);
    etcd.faulty().faults().kill_connections();
    holds(&daemon, 100).await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    assert_eq!(file.groups()[0].targets.len(), 200);
    daemon.wait_for_log("the list begins a new epoch of revisions").await;
}

async fn another_cluster_with_nothing_in_it_is_held(etcd: Etcd) {
    let (file, daemon, fleet) = watching(&etcd, 3, &QUICK).await;
    let registry = etcd.faulty();
    registry.store().delete_prefix("/services/");
    file.becomes("[]\n", SOON).await;
    register(&etcd, "web", 0..3).await;
    file.follows(&etcd).await;

    registry.faults().set_cluster_id(0xc2);
    registry.faults().hold_events(true);
    registry.store().delete_prefix("/services/");
    registry.faults().kill_connections();
    registry.faults().hold_events(false);
    holds(&daemon, 3).await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    assert_eq!(daemon.logged(HELD).len(), 1);
}

on_both!(
    a_relist_that_shows_few_is_held,
    a_list_that_comes_back_empty_is_held_however_small_the_fleet,
);

async fn a_hold_does_not_run_out_while_etcd_is_down(mut etcd: Etcd) {
    let args = ["--debounce", "10ms", "--guard-hold", "2s"];
    let (file, daemon, fleet) = watching(&etcd, 100, &args).await;
    etcd.delete_prefix("/services/").await;
    holds(&daemon, 100).await;
    let document = joined(&etcd, &fleet);
    etcd.kill().await;
    daemon.wait_for_log("connection lost").await;
    always(Duration::from_secs(4), "losing etcd changes nothing on disk", async || {
        file.differs_from(&document).map_or(Ok(()), Err)
    })
    .await;
    etcd.restart().await;
    file.follows(&etcd).await;
    daemon.wait_for_log(EXPIRED).await;
}

async fn a_restore_of_a_backup_under_the_daemon_is_recognised_and_held(mut etcd: Etcd) {
    register(&etcd, "web", 0..100).await;
    let backup = etcd.files().save_snapshot();
    etcd.delete_prefix("/services/").await;
    register(&etcd, "web", 200..300).await;
    let (file, mut daemon, fleet) = watching(&etcd, 0, &QUICK).await;

    etcd.kill().await;
    daemon.wait_for_log("connection lost").await;
    etcd.files().restore_snapshot(&backup);
    etcd.restart().await;
    daemon.wait_for_log("the list begins a new epoch of revisions").await;
    holds(&daemon, 100).await;
    etcd.put("/services/api/1", "10.0.9.8:80").await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    assert_eq!(file.groups()[1].targets.len(), 200);

    daemon.signal(Signal::USR1);
    file.follows(&etcd).await;
    daemon.still_runs();
}

mod down {
    use super::{a_hold_does_not_run_out_while_etcd_is_down, on_both};
    on_both!(Sync::Always: a_hold_does_not_run_out_while_etcd_is_down);
}

mod backups {
    use super::{a_restore_of_a_backup_under_the_daemon_is_recognised_and_held, on_real};
    on_real!(Sync::Always: a_restore_of_a_backup_under_the_daemon_is_recognised_and_held);
}

mod faults {
    use super::{
        a_registry_that_has_gone_back_in_time_is_held_if_most_addresses_are_gone,
        another_cluster_with_nothing_in_it_is_held, on_embedded,
    };
    on_embedded!(
        a_registry_that_has_gone_back_in_time_is_held_if_most_addresses_are_gone,
        another_cluster_with_nothing_in_it_is_held,
    );
}
