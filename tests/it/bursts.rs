//! One burst, one write; and none without a change.

use std::time::{Duration, Instant};

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::directory::Directory;
use crate::support::file::TargetFile;
use crate::support::wait::{SOON, ensure, eventually};

async fn ten_thousand_puts_in_a_second_are_at_most_four_publishes_and_then_there_is_peace(
    etcd: Etcd,
) {
    let file = TargetFile::new();
    let mut daemon = Daemon::start(&etcd, &file, &["--debounce", "500ms"]);
    file.follows(&etcd).await;
    let before = daemon.wait_for_logs("published", 1).await.len();
    let directory = Directory::watch(file.directory());

    let entries: Vec<(String, String)> = (0..10_000)
        .map(|n| {
            (format!("/services/web-{}/{n}", n % 50), format!("10.0.{}.{}:80", n / 250, n % 250))
        })
        .collect();
    let start = Instant::now();
    for (number, chunk) in (1_u32..).zip(entries.chunks(100)) {
        etcd.put_all(chunk).await;
        tokio::time::sleep_until((start + number * Duration::from_millis(10)).into()).await;
    }
    file.follows(&etcd).await;
    assert_eq!(file.groups().iter().map(|group| group.targets.len()).sum::<usize>(), 10_000);

    let publishes = || daemon.logged("published").len() - before;
    eventually(SOON, "each publish is one event for Prometheus", async || {
        let (events, publishes) = (directory.events_of("targets.json"), publishes());
        ensure(events == publishes, || format!("{events} events, {publishes} publishes"))
    })
    .await;
    assert!((1..=4).contains(&publishes()), "{} publishes", publishes());

    let (stamp, events, cpu) = (file.stamp(), directory.events(), daemon.cpu_time());
    let idle = idle_time();
    tokio::time::sleep(idle).await;
    let used = daemon.cpu_time().saturating_sub(cpu);
    assert!(used <= idle / 100, "{used:?} of processor time in {idle:?}");
    assert_eq!(file.stamp(), stamp);
    assert_eq!(directory.events(), events);
    daemon.still_runs();
}

async fn changes_within_the_quiet_window_are_one_publish(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/0", "10.0.0.1:1").await;
    let daemon = Daemon::start(&etcd, &file, &["--debounce", "1s"]);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    for id in 1..=5 {
        etcd.put(&format!("/services/web/{id}"), format!("10.0.0.1:{id}")).await;
        etcd.delete(&format!("/services/web/{}", id - 1)).await;
    }
    let written = Instant::now();
    let stamp = file.stamp();
    file.follows(&etcd).await;
    assert!(written.elapsed() >= Duration::from_millis(800), "{:?}", written.elapsed());
    assert_ne!(file.stamp(), stamp);
    let published = daemon.wait_for_logs("published", 2).await;
    assert_eq!(published.len(), 2);
}

async fn a_steady_stream_of_changes_is_published_by_the_ceiling(etcd: Etcd) {
    let file = TargetFile::new();
    let daemon = Daemon::start(&etcd, &file, &["--debounce", "400ms", "--debounce-max", "800ms"]);
    file.follows(&etcd).await;
    let before = daemon.wait_for_logs("published", 1).await.len();
    let start = Instant::now();
    let mut port = 0;
    while start.elapsed() < Duration::from_secs(4) {
        port += 1;
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let publishes = daemon.logged("published").len() - before;
    assert!((3..=5).contains(&publishes), "{publishes} publishes in 4 s");
    file.follows(&etcd).await;
}

async fn without_a_debounce_each_change_shows_at_once(etcd: Etcd) {
    let file = TargetFile::new();
    let _daemon = Daemon::start(&etcd, &file, &["--debounce", "0"]);
    file.follows(&etcd).await;
    for port in 1..=20 {
        etcd.put("/services/web/1", format!("10.0.0.1:{port}")).await;
        let document = etcd.document();
        file.becomes(&document, Duration::from_secs(1)).await;
    }
}

async fn the_first_publish_does_not_wait_for_the_debounce(etcd: Etcd) {
    let file = TargetFile::new();
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let _daemon = Daemon::start(&etcd, &file, &["--debounce", "1h", "--debounce-max", "2h"]);
    file.follows(&etcd).await;
}

/// How long the daemon is watched doing nothing: `IDLE_SECONDS`, or five.
fn idle_time() -> Duration {
    let given = std::env::var("IDLE_SECONDS").ok();
    let seconds = given.map_or(5, |seconds| seconds.parse().expect("IDLE_SECONDS is a number"));
    Duration::from_secs(seconds)
}

on_both!(
    ten_thousand_puts_in_a_second_are_at_most_four_publishes_and_then_there_is_peace,
    changes_within_the_quiet_window_are_one_publish,
    a_steady_stream_of_changes_is_published_by_the_ceiling,
    without_a_debounce_each_change_shows_at_once,
    the_first_publish_does_not_wait_for_the_debounce,
);
