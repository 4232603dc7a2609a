//! The watch, under faults that only the embedded registry can be told to have:
//! it goes on where it was, and takes nothing by half, twice or from another time.

use std::time::{Duration, Instant};

use tonic::Status;

use crate::support::backend::{Etcd, on_embedded};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::reader::Reader;
use crate::support::wait::{SOON, always, ensure, eventually};

const QUICK: [&str; 2] = ["--debounce", "10ms"];
const AT_ONCE: [&str; 2] = ["--debounce", "0"];

async fn a_watch_that_ends_is_resumed_after_the_last_revision_without_a_relist(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    let (store, requests, faults) = (registry.store(), registry.requests(), registry.faults());
    store.put("/services/web/0", "10.0.0.1:80");
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    requests.wait_for(|seen| seen.watches.len() == 1 && seen.open_streams == 1).await;

    let ends: [(&str, &dyn Fn()); 4] = [
        ("end of stream", &|| faults.end_watch_streams(None)),
        ("error", &|| faults.end_watch_streams(Status::unavailable("going away"))),
        ("cancel", &|| faults.cancel_watches("because")),
        ("reset", &|| faults.kill_connections()),
    ];
    for (number, (name, end)) in (1..).zip(ends) {
        let revision = store.put(format!("/services/web/{number}"), format!("10.0.0.1:{number}"));
        let document = etcd.document();
        file.becomes(&document, SOON).await;
        end();
        let seen = requests.wait_for(|seen| seen.watches.len() > number).await;
        assert_eq!(seen.watches[number].start_revision, revision + 1, "after {name}");
        daemon.wait_for_logs("resumed", number).await;
    }
    store.put("/services/web/last", "10.0.0.9:80");
    file.follows(&etcd).await;
    assert_eq!(daemon.logged("listed").len(), 1);
    assert_eq!(daemon.logged("relisting").len(), 0);
}

async fn a_revision_in_fragments_is_never_half_applied(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    let store = registry.store();
    registry.faults().one_event_fragments(true);
    let round = |round: usize| {
        (0..200).map(move |id| (format!("/services/web/{id}"), format!("round-{round}:{}", id + 1)))
    };
    store.put_many(round(0));
    let daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    let reader = Reader::start(&file);
    for number in 1..=30 {
        store.put_many(round(number));
        if number % 3 == 0 {
            // Somewhere among the fragments.
            tokio::task::yield_now().await;
            registry.faults().end_watch_streams(Status::unavailable("in between"));
        }
        if number % 5 == 0 {
            file.follows(&etcd).await;
        }
    }
    file.follows(&etcd).await;
    let seen = reader.finish();
    assert!(seen.documents.len() > 5, "{} documents", seen.documents.len());
    for document in &seen.documents {
        let (_, rest) = document.split_once("\"round-").unwrap();
        let (number, _) = rest.split_once(':').unwrap();
        let of_this_round = document.matches(&format!("\"round-{number}:")).count();
        assert_eq!(of_this_round, 200, "a mixture of rounds:\n{document}");
    }
}

async fn a_revision_beyond_the_limit_of_one_message_comes_in_fragments(etcd: Etcd) {
    const MIB: usize = 1 << 20;
    let file = TargetFile::new();
    let registry = etcd.faulty();
    let store = registry.store();
    store.put("/services/web/0", "10.0.0.1:80");
    let daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    let revision = store.write(|write| {
        for id in 0..70 {
            write.put(format!("/services/bad/{id}"), vec![b'x'; MIB]);
        }
        write.put("/services/web/0", "10.0.0.2:80");
    });
    file.follows(&etcd).await;
    let watches = registry.requests().seen().watches;
    // On a busy machine a watch may be pinged meanwhile, by another one that starts nowhere.
    let asked = watches.iter().filter(|watch| watch.start_revision > 0);
    let asked: Vec<_> = asked.map(|watch| (watch.start_revision, watch.fragment)).collect();
    assert_eq!(asked, [(revision, false), (revision, true)]);
    assert_eq!(daemon.logged("listed").len(), 1);
}

async fn events_that_come_again_do_nothing(etcd: Etcd) {
    let file = TargetFile::new();
    let store = etcd.faulty().store();
    let daemon = Daemon::start(&etcd, &file, &AT_ONCE);
    daemon.wait_for_log("watching").await;
    let first = store.put("/services/web/1", "10.0.0.1:1");
    store.put("/services/web/1", "10.0.0.1:2");
    store.put("/services/web/2", "10.0.0.2:80");
    store.delete("/services/web/2");
    store.put("/services/web/3", "10.0.0.3:80");
    file.follows(&etcd).await;

    let stamp = file.stamp();
    for again in 0..5 {
        etcd.faulty().faults().repeat_last_response();
        etcd.faulty().faults().resend_from(first + again % 2);
    }
    always(Duration::from_secs(1), "nothing is written", async || {
        ensure(file.stamp() == stamp, || format!("{:?}", file.read()))
    })
    .await;
    store.put("/services/web/4", "10.0.0.4:80");
    file.follows(&etcd).await;
}

async fn a_registry_that_has_gone_back_in_time_is_listed_anew(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    let store = registry.store();
    store.put("/services/web/1", "10.0.0.1:80");
    store.put("/services/web/2", "10.0.0.2:80");
    let backup = store.snapshot();
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    for port in 1..=10 {
        store.put("/services/web/3", format!("10.0.0.3:{port}"));
    }
    store.delete("/services/web/1");
    file.follows(&etcd).await;

    store.restore(&backup);
    registry.faults().kill_connections();
    file.follows(&etcd).await;
    daemon.wait_for_log("relisting").await;
    // What is new since the restore has smaller revisions than what was seen before.
    store.put("/services/web/4", "10.0.0.4:80");
    file.follows(&etcd).await;
    assert_eq!(file.groups()[0].targets.len(), 3);
}

async fn another_cluster_under_the_same_address_is_listed_anew(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    let store = registry.store();
    store.put("/services/web/1", "10.0.0.1:80");
    let before = store.snapshot();
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    // The other cluster has the same revision and another entry.
    store.put("/services/web/2", "10.0.0.2:80");
    file.follows(&etcd).await;
    store.restore(&before);
    store.put("/services/web/1", "10.0.0.9:80");
    registry.faults().set_cluster_id(0xc2);
    registry.faults().kill_connections();
    file.follows(&etcd).await;
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("cluster"), "{relisting:?}");
}

async fn a_stranger_is_told_apart_also_where_nobody_may_ask_for_the_status(etcd: Etcd) {
    let file = TargetFile::new();
    let (ours, stranger) = (etcd.faulty(), Etcd::embedded().await);
    stranger.faulty().faults().set_cluster_id(0xc2);
    ours.faults().refuse_status(true);
    stranger.faulty().faults().refuse_status(true);
    stranger.faulty().store().put("/services/strange/1", "10.9.9.9:80");
    ours.store().put("/services/web/1", "10.0.0.1:80");
    let servers = format!("{},{}", etcd.endpoint(), stranger.endpoint());
    let daemon = Daemon::start_at(&servers, &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    ours.faults().refuse_connections(true);
    ours.faults().kill_connections();
    let aside = daemon.wait_for_log("server left aside").await;
    assert_eq!(aside.text("server"), stranger.endpoint());
    ours.faults().refuse_connections(false);
    ours.store().put("/services/web/2", "10.0.0.2:80");
    file.follows(&etcd).await;
    assert_eq!(daemon.logged("listed").len(), 1);
}

async fn a_watch_that_says_nothing_any_more_is_noticed(etcd: Etcd) {
    let file = TargetFile::new();
    let faults = etcd.faulty().faults();
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    file.follows(&etcd).await;

    // Pings are answered; only the watch is dead.
    faults.go_silent(true);
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    eventually(Duration::from_secs(60), "the silence is noticed", async || {
        ensure(!daemon.logged("connection lost").is_empty(), || "not yet".to_owned())
    })
    .await;
    faults.go_silent(false);
    file.follows(&etcd).await;
}

async fn a_watch_that_is_refused_is_asked_for_again(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    registry.faults().refuse_watches(Some("etcdserver: permission denied"));
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let mut daemon = Daemon::start(&etcd, &file, &QUICK);
    // The list is published all the same.
    file.follows(&etcd).await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    registry.requests().wait_for(|seen| seen.watches.len() >= 3).await;
    daemon.still_runs();
    registry.faults().refuse_watches(None);
    file.follows(&etcd).await;
}

async fn a_registry_that_is_down_is_asked_ever_more_rarely(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &QUICK);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    let (accepted, cpu) = (gate.accepted(), daemon.cpu_time());
    let down = Instant::now();
    gate.cut().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    // 100 ms that double: 7 tries or so, some with two connections.
    let tries = gate.accepted() - accepted;
    assert!((2..=20).contains(&tries), "{tries} tries in {:?}", down.elapsed());
    let used = daemon.cpu_time().saturating_sub(cpu);
    assert!(used < Duration::from_millis(300), "{used:?} of processor time");
}

async fn a_connection_that_flaps_does_not_make_it_spin(etcd: Etcd) {
    let file = TargetFile::new();
    let registry = etcd.faulty();
    let daemon = Daemon::start(&etcd, &file, &QUICK);
    daemon.wait_for_log("watching").await;
    // Each watch is created, and ends at once: no health that would reset a backoff.
    let flapping = Instant::now();
    let mut known = 1;
    while flapping.elapsed() < Duration::from_secs(5) {
        let watches = registry.requests().seen().watches.len();
        if watches > known {
            known = watches;
            registry.faults().end_watch_streams(Status::unavailable("flapping"));
        } else if known == 1 {
            registry.faults().end_watch_streams(Status::unavailable("flapping"));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!((3..=20).contains(&known), "{known} watches in five seconds");
    etcd.put("/services/web/after", "10.0.0.99:80").await;
    file.follows(&etcd).await;
}

on_embedded!(
    a_watch_that_ends_is_resumed_after_the_last_revision_without_a_relist,
    a_revision_in_fragments_is_never_half_applied,
    a_revision_beyond_the_limit_of_one_message_comes_in_fragments,
    events_that_come_again_do_nothing,
    a_registry_that_has_gone_back_in_time_is_listed_anew,
    another_cluster_under_the_same_address_is_listed_anew,
    a_stranger_is_told_apart_also_where_nobody_may_ask_for_the_status,
    a_watch_that_says_nothing_any_more_is_noticed,
    a_watch_that_is_refused_is_asked_for_again,
    a_registry_that_is_down_is_asked_ever_more_rarely,
    a_connection_that_flaps_does_not_make_it_spin,
);
