//! Removals that the watch reports.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{EXPIRED, HELD, QUICK, RECOVERED, RELEASED, holds, joined, register, watching};
use crate::support::backend::{Etcd, on_both};
use crate::support::wait::{SOON, always};

async fn a_deleted_prefix_is_held_and_additions_still_go_in(etcd: Etcd) {
    let (file, daemon, fleet) = watching(&etcd, 100, &QUICK).await;
    etcd.delete_prefix("/services/").await;
    let line = holds(&daemon, 100).await;
    assert_eq!((line.number("published"), line.number("wanted")), (100, 0));
    assert_eq!((line.text("guard_ratio"), line.number("guard_min")), ("0.5".into(), 20));
    assert_eq!(line.text("for_seconds"), "300.0");

    etcd.put("/services/web/new", "10.0.9.9:80").await;
    etcd.put("/services/api/1", "10.0.9.8:80").await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    // And what came since goes as ever.
    etcd.delete("/services/api/1").await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    assert_eq!(file.groups()[0].targets.len(), 101);
    let published = daemon.logged("published");
    assert_eq!(published.last().unwrap().number("held"), 100);
    assert!(published[0].fields.get("held").is_none(), "{published:?}");
    assert_eq!(daemon.logged(HELD).len(), 1);
}

async fn drift_is_healed_with_the_targets_that_are_held(etcd: Etcd) {
    let (file, daemon, fleet) = watching(&etcd, 100, &QUICK).await;
    etcd.delete_prefix("/services/").await;
    holds(&daemon, 100).await;
    etcd.put("/services/api/1", "10.0.9.8:80").await;
    let document = joined(&etcd, &fleet);
    file.becomes(&document, SOON).await;
    for (number, text) in (1..).zip(["", "[]\n", "somebody else's"]) {
        file.write(text);
        file.becomes(&document, Duration::from_secs(1)).await;
        daemon.wait_for_logs("drift healed", number).await;
    }
    assert_eq!(daemon.logged(HELD).len(), 1);
}

async fn the_operator_releases_it_with_a_signal(etcd: Etcd) {
    let (file, mut daemon, fleet) = watching(&etcd, 100, &QUICK).await;
    daemon.signal(Signal::USR1);
    daemon.wait_for_log("there is no removal to release: none is held").await;

    etcd.delete_prefix("/services/").await;
    holds(&daemon, 100).await;
    assert_eq!(file.differs_from(&joined(&etcd, &fleet)), None);
    let released = Instant::now();
    daemon.signal(Signal::USR1);
    file.becomes("[]\n", SOON).await;
    assert!(released.elapsed() < Duration::from_secs(1), "{:?}", released.elapsed());
    daemon.wait_for_log(RELEASED).await;

    // The guard is there again.
    register(&etcd, "web", 0..50).await;
    file.follows(&etcd).await;
    etcd.delete_prefix("/services/").await;
    daemon.wait_for_logs(HELD, 2).await;
    daemon.still_runs();
}

async fn it_ends_when_the_removal_has_stood_and_no_event_starts_its_clock_again(etcd: Etcd) {
    let (file, daemon, fleet) =
        watching(&etcd, 100, &["--debounce", "10ms", "--guard-hold", "4s"]).await;
    let begun = Instant::now();
    etcd.delete_prefix("/services/").await;
    holds(&daemon, 100).await;
    for port in 1..=u16::MAX {
        etcd.put("/services/api/1", format!("10.0.9.8:{port}")).await;
        file.becomes(&joined(&etcd, &fleet), SOON).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        if begun.elapsed() > Duration::from_secs(2) {
            break;
        }
    }
    file.becomes(&etcd.document(), Duration::from_secs(4)).await;
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(file.groups().len(), 1);
    daemon.wait_for_log(EXPIRED).await;
}

async fn it_ends_when_the_fleet_registers_again(etcd: Etcd) {
    let (file, daemon, fleet) = watching(&etcd, 100, &QUICK).await;
    etcd.delete_prefix("/services/").await;
    holds(&daemon, 100).await;
    // Under other addresses, as after a restart of everything.
    register(&etcd, "web", 500..540).await;
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    register(&etcd, "web", 540..600).await;
    file.follows(&etcd).await;
    daemon.wait_for_log(RECOVERED).await;
}

async fn a_fleet_whose_leases_end_one_after_the_other_is_held(etcd: Etcd) {
    let leases = 60;
    let mut granted = Vec::new();
    for n in 0..leases {
        let lease = etcd.grant(3600).await;
        let key = format!("/services/leased/{n}");
        etcd.put_leased(&key, &format!("10.0.0.1:{}", n + 1), lease).await;
        granted.push(lease);
    }
    let (file, daemon, fleet) = watching(&etcd, 0, &QUICK).await;
    let before = daemon.logged("published").len();
    for lease in granted {
        etcd.revoke(lease).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let line = daemon.wait_for_log(HELD).await;
    assert_eq!(line.number("published"), 60, "the fleet as it was before the first end");
    assert!(line.number("held") > 30, "{line:?}");
    file.becomes(&joined(&etcd, &fleet), SOON).await;
    assert!(daemon.logged("published").len() > before + 5, "each publish alone loses little");
}

async fn a_fleet_whose_common_lease_runs_out_is_held(etcd: Etcd) {
    let lease = etcd.grant(5).await;
    for n in 0..30 {
        let key = format!("/services/leased/{n}");
        etcd.put_leased(&key, &format!("10.0.0.1:{}", n + 1), lease).await;
    }
    let (file, daemon, fleet) = watching(&etcd, 0, &QUICK).await;
    assert_eq!(fleet.len(), 30, "the lease lives for long enough to be published");
    holds(&daemon, 30).await;
    always(Duration::from_secs(1), "the targets stay", async || {
        file.differs_from(&joined(&etcd, &fleet)).map_or(Ok(()), Err)
    })
    .await;
}

async fn a_rolling_restart_is_not_held(etcd: Etcd) {
    let (file, daemon, _) = watching(&etcd, 60, &QUICK).await;
    for batch in 0..6 {
        for n in batch * 10..batch * 10 + 10 {
            etcd.delete(&format!("/services/web/{n}")).await;
        }
        file.follows(&etcd).await;
        register(&etcd, "web", 1_000 + batch * 10..1_010 + batch * 10).await;
        file.follows(&etcd).await;
    }
    assert_eq!(daemon.logged(HELD).len(), 0);
}

async fn a_fleet_that_is_small_or_loses_half_is_not_held(etcd: Etcd) {
    let (file, daemon, _) = watching(&etcd, 20, &QUICK).await;
    etcd.delete_prefix("/services/").await;
    file.becomes("[]\n", SOON).await;
    register(&etcd, "a", 0..50).await;
    register(&etcd, "b", 0..50).await;
    file.follows(&etcd).await;
    etcd.delete_prefix("/services/a/").await;
    file.follows(&etcd).await;
    assert_eq!(file.groups().len(), 1);
    assert_eq!(daemon.logged(HELD).len(), 0);
}

async fn with_a_ratio_of_1_nothing_is_held(etcd: Etcd) {
    let (file, daemon, _) =
        watching(&etcd, 100, &["--debounce", "10ms", "--guard-ratio", "1"]).await;
    etcd.delete_prefix("/services/").await;
    file.becomes("[]\n", SOON).await;
    assert_eq!(daemon.logged(HELD).len(), 0);
}

async fn a_stop_while_it_holds_publishes_what_is_pending_beside_it(etcd: Etcd) {
    let (file, mut daemon, fleet) =
        watching(&etcd, 100, &["--debounce", "1h", "--debounce-max", "2h", "--log-level", "debug"])
            .await;
    etcd.delete_prefix("/services/").await;
    etcd.put("/services/api/1", "10.0.9.8:80").await;
    daemon.wait_for_logs("changes", 2).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(file.differs_from(&joined(&etcd, &fleet)), None);
    assert_eq!(daemon.logged(HELD).len(), 1);
}

on_both!(
    a_deleted_prefix_is_held_and_additions_still_go_in,
    drift_is_healed_with_the_targets_that_are_held,
    the_operator_releases_it_with_a_signal,
    it_ends_when_the_removal_has_stood_and_no_event_starts_its_clock_again,
    it_ends_when_the_fleet_registers_again,
    a_fleet_whose_leases_end_one_after_the_other_is_held,
    a_fleet_whose_common_lease_runs_out_is_held,
    a_rolling_restart_is_not_held,
    a_fleet_that_is_small_or_loses_half_is_not_held,
    with_a_ratio_of_1_nothing_is_held,
    a_stop_while_it_holds_publishes_what_is_pending_beside_it,
);
