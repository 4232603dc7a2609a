//! A daemon that is behind catches up the quicker way: it lists anew where the watch would take
//! long to tell what it missed, and goes on with the watch where it would not.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::backend::{Etcd, on_embedded, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::gate::Gate;
use crate::support::http;
use crate::support::wait::{SOON, ensure, eventually};

/// The watch is told of at most 10,000 revisions a second.
const MANY: usize = 20_000;

/// A daemon that watches these entries, and what it writes.
async fn behind_a_gate(etcd: &Etcd, entries: &[(String, String)]) -> (TargetFile, Gate, Daemon) {
    let file = TargetFile::new();
    let gate = Gate::before(etcd).await;
    etcd.put_all(entries).await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &[]);
    file.follows(etcd).await;
    daemon.wait_for_log("watching").await;
    (file, gate, daemon)
}

async fn who_missed_much_lists_anew_and_who_missed_little_does_not(etcd: Etcd) {
    let Scale { fleet, puts, deadline } = Scale::given();
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    etcd.put_all(&instances(0..fleet, 0)).await;
    etcd.put_all(&[("/services/gone/1", "10.0.0.1:1"), ("/services/gone/2", "10.0.0.1:2")]).await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &[]);
    file.becomes(&etcd.document(), 3 * SOON).await;
    daemon.wait_for_log("watching").await;

    gate.cut().await;
    let rounds = puts.div_ceil(fleet);
    for round in 1..=rounds {
        etcd.put_each(instances(0..fleet.min(puts), round)).await;
    }
    etcd.delete_prefix("/services/gone/").await;
    daemon.wait_for_log("connection lost").await;
    let document = etcd.document();
    gate.open();
    daemon.wait_for_logs("connected", 2).await;
    let back = Instant::now();
    file.becomes(&document, deadline).await;
    eprintln!("right {:?} after the connection is back: {puts} puts, {fleet} keys", back.elapsed());
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("revisions behind etcd"), "{relisting:?}");
    assert_eq!(relisting.level, "INFO", "{relisting:?}");
    daemon.wait_for_logs("watching", 2).await;

    gate.cut().await;
    etcd.put_each(instances(0..100, rounds + 1)).await;
    etcd.delete("/services/service-7/7").await;
    let document = etcd.document();
    gate.open();
    file.becomes(&document, SOON).await;
    assert_eq!(daemon.logged("listed").len(), 2, "the watch is quicker");
}

async fn what_others_write_meanwhile_is_no_reason_to_list(etcd: Etcd) {
    let (file, gate, daemon) = behind_a_gate(&etcd, &instances(0..100, 0)).await;

    gate.cut().await;
    etcd.put_each((0..MANY).map(|n| (format!("/elsewhere/{n}"), "x".to_owned()))).await;
    etcd.put("/services/web/1", "10.0.9.9:80").await;
    gate.open();
    file.follows(&etcd).await;
    assert_eq!(daemon.logged("relisting").len(), 0);
    assert_eq!(daemon.logged("resumed").len(), 1);
}

async fn who_falls_behind_while_the_watch_stands_lists_anew(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put_all(&instances(0..100, 0)).await;
    let daemon = Daemon::start(&etcd, &file, &[]);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    // More than fits into the buffers on the way, so that etcd can't send it.
    let padding = "x".repeat(2_000);
    let value = |n| format!(r#"{{"address":"10.1.0.1:{}","padding":"{padding}"}}"#, 1 + n);
    daemon.signal(Signal::STOP);
    etcd.put_each((0..MANY).map(|n| (format!("/services/web/{}", n % 100), value(n)))).await;
    etcd.delete("/services/service-7/7").await;
    let document = etcd.document();
    daemon.signal(Signal::CONT);
    file.becomes(&document, SOON).await;
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("revisions behind etcd"), "{relisting:?}");
    assert_eq!(daemon.logged("connection lost").len(), 0);
}

async fn a_fleet_that_is_gone_when_a_daemon_has_caught_up_is_believed_as_from_a_watch(etcd: Etcd) {
    let (file, gate, daemon) = behind_a_gate(&etcd, &instances(0..3, 0)).await;

    gate.cut().await;
    let heartbeats = (0..MANY).map(|n| (format!("/services/web/{}", n % 3), format!("h:{n}")));
    etcd.put_each(heartbeats).await;
    etcd.delete_prefix("/services/").await;
    gate.open();
    file.becomes("[]\n", SOON).await;
    let relisting = daemon.wait_for_log("relisting").await;
    assert!(relisting.text("reason").contains("revisions behind etcd"), "{relisting:?}");
}

async fn who_catches_up_is_not_fresh_before_it_has(etcd: Etcd) {
    let file = TargetFile::new();
    let gate = Gate::before(&etcd).await;
    let entries = instances(0..100, 0);
    etcd.put_all(&entries).await;
    let daemon = Daemon::start_at(gate.endpoint(), &file, &["--listen", "127.0.0.1:0"]);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;

    gate.cut().await;
    daemon.wait_for_log("connection lost").await;
    // Several steps of the watch, and fewer than a list is worth, unless the machine is very slow;
    // others have the last word.
    etcd.put_each((0..2_500).map(|n| (entries[n % 100].0.clone(), format!("h:{}", n + 1)))).await;
    etcd.put_each((0..500).map(|n| (format!("/elsewhere/{n}"), "x".to_owned()))).await;
    let newest = etcd.put("/elsewhere/last", "x").await;
    gate.open();
    eventually(SOON, "it is fresh", async || {
        let source = source(&daemon).await;
        ensure(source["fresh"] == true, || source.to_string())?;
        let applied = source["applied_revision"].as_i64();
        assert!(applied.is_some_and(|applied| applied >= newest), "{newest}: {source}");
        ensure(source["connection"] == "watching", || source.to_string())
    })
    .await;
    file.follows(&etcd).await;

    // Nor while a list makes up for what the watch can't tell any more.
    gate.cut().await;
    daemon.wait_for_logs("connection lost", 2).await;
    etcd.put("/services/late/1", "10.0.0.1:80").await;
    let newest = etcd.put("/services/late/2", "10.0.0.1:80").await;
    etcd.compact(newest).await;
    gate.open();
    gate.delay(Duration::from_millis(50));
    eventually(SOON, "it is fresh", async || {
        let source = source(&daemon).await;
        ensure(source["fresh"] == true, || source.to_string())?;
        let applied = source["applied_revision"].as_i64();
        assert!(applied.is_some_and(|applied| applied >= newest), "{newest}: {source}");
        Ok(())
    })
    .await;
    assert!(daemon.wait_for_log("relisting").await.text("reason").contains("compacted"));
}

async fn a_proxy_is_not_asked_for_progress_and_is_believed_when_a_ping_is_answered(etcd: Etcd) {
    let (registry, file) = (etcd.faulty(), TargetFile::new());
    registry.faults().behave_as_a_proxy();
    registry.store().put("/services/web/1", "h:1");
    let daemon =
        Daemon::start(&etcd, &file, &["--listen", "127.0.0.1:0", "--keepalive-time", "3s"]);
    daemon.wait_for_log("watching").await;

    registry.faults().refuse_connections(true);
    registry.faults().kill_connections();
    daemon.wait_for_log("connection lost").await;
    registry.store().put("/elsewhere/1", "x");
    registry.faults().refuse_connections(false);
    daemon.wait_for_log("resumed").await;
    assert_eq!(source(&daemon).await["connection"], "catching_up");
    eventually(SOON, "it is fresh", async || {
        let source = source(&daemon).await;
        ensure(source["fresh"] == true, || source.to_string())
    })
    .await;
    assert_eq!(registry.requests().seen().progress, 0);
    assert_eq!(daemon.logged("connection lost").len(), 1);
}

/// How its source stands.
async fn source(daemon: &Daemon) -> Value {
    let address = daemon.wait_for_log("listening").await.text("address");
    let status = http::get(&address, "/api/v1/status").await.unwrap();
    let status: Value = serde_json::from_str(&status).expect("JSON");
    status["sources"][0].clone()
}

/// Registered instances, with the addresses of that round.
fn instances(numbers: std::ops::Range<usize>, round: usize) -> Vec<(String, String)> {
    let instance = |n: usize| {
        let address = format!("10.{round}.{}.{}:80", n / 250 % 250, n % 250);
        (format!("/services/service-{}/{n}", n % 1_000), address)
    };
    numbers.map(instance).collect()
}

/// How large the fleet is, how many single puts are made while the daemon is cut off, and how
/// soon the file must be right then. `CATCHING_UP=FLEET,PUTS` gives others, to be run with
/// `--release`.
struct Scale {
    fleet: usize,
    puts: usize,
    deadline: Duration,
}

impl Scale {
    fn given() -> Self {
        let Ok(given) = std::env::var("CATCHING_UP") else {
            return Self { fleet: 10_000, puts: MANY, deadline: SOON };
        };
        let (fleet, puts) = given.split_once(',').expect("CATCHING_UP is FLEET,PUTS");
        let number = |text: &str| text.parse().expect("a number");
        Self { fleet: number(fleet), puts: number(puts), deadline: Duration::from_secs(2) }
    }
}

on_embedded!(a_proxy_is_not_asked_for_progress_and_is_believed_when_a_ping_is_answered);

on_real!(
    who_catches_up_is_not_fresh_before_it_has,
    who_missed_much_lists_anew_and_who_missed_little_does_not,
    what_others_write_meanwhile_is_no_reason_to_list,
    who_falls_behind_while_the_watch_stands_lists_anew,
    a_fleet_that_is_gone_when_a_daemon_has_caught_up_is_believed_as_from_a_watch,
);
