//! Behind etcd's own proxy, `etcd grpc-proxy`: for fleets of daemons.

use std::time::Duration;

use crate::support::backend::{Etcd, on_real};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::proxy::Proxy;
use crate::support::wait::{SOON, ensure, eventually};

const DAEMONS: usize = 50;

/// Fifty processes share what there is of processors.
const ALL: Duration = Duration::from_secs(60);

async fn fifty_daemons_follow_one_etcd_through_a_proxy_and_past_its_restart(etcd: Etcd) {
    let mut proxy = Proxy::before(&etcd).await;
    etcd.put("/services/web/0", "10.0.0.0:80").await;
    let mut fleet: Vec<_> = (0..DAEMONS)
        .map(|_| {
            let file = TargetFile::new();
            let daemon = Daemon::start_at(&proxy.endpoint(), &file, &["--keepalive-time", "2s"]);
            (daemon, file)
        })
        .collect();
    all_follow(&etcd, &fleet).await;

    for instance in 1..=20 {
        etcd.put(&format!("/services/web/{instance}"), format!("10.0.0.{instance}:80")).await;
    }
    etcd.delete("/services/web/0").await;
    all_follow(&etcd, &fleet).await;

    proxy.restart().await;
    etcd.put("/services/db/1", "10.0.1.1:80").await;
    all_follow(&etcd, &fleet).await;
    // It was resumed: what comes now comes by a watch.
    for (daemon, _) in &fleet {
        daemon.wait_for_log("resumed").await;
    }
    etcd.delete("/services/db/1").await;
    all_follow(&etcd, &fleet).await;
    for (daemon, _) in &mut fleet {
        daemon.still_runs();
        assert_eq!(daemon.logged("listed").len(), 1, "nobody had to list anew");
    }
}

async fn all_follow(etcd: &Etcd, fleet: &[(Daemon, TargetFile)]) {
    let document = etcd.document();
    for (_, file) in fleet {
        file.becomes(&document, ALL).await;
    }
}

async fn a_watch_through_a_proxy_stands_while_others_write(etcd: Etcd) {
    let proxy = Proxy::before(&etcd).await;
    etcd.put("/services/web/1", "10.0.0.1:80").await;
    let file = TargetFile::new();
    let more = ["--keepalive-time", "200ms", "--keepalive-timeout", "1s", "--log-level", "debug"];
    let daemon = Daemon::start_at(&proxy.endpoint(), &file, &more);
    file.follows(&etcd).await;
    daemon.wait_for_log("watching").await;
    // The proxy answers no request for progress, and has numbers of its own for pings.
    eventually(2 * SOON, "ten pings are answered", async || {
        etcd.put("/elsewhere/1", "of no concern").await;
        let pongs = daemon.logged("the watch is idle, the member answers").len();
        ensure(pongs >= 10, || format!("{pongs} so far"))
    })
    .await;
    etcd.put("/services/web/2", "10.0.0.2:80").await;
    file.follows(&etcd).await;
    assert_eq!(daemon.logged("connection lost").len(), 0);
}

on_real!(
    fifty_daemons_follow_one_etcd_through_a_proxy_and_past_its_restart,
    a_watch_through_a_proxy_stands_while_others_write,
);
