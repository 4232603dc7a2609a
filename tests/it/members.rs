//! A real cluster of three: whatever happens to its members, the daemon finds one
//! that is right, and says what it can't vouch for.

use std::time::{Duration, Instant};

use crate::support::backend::run;
use crate::support::cluster::{Cluster, SIZE};
use crate::support::daemon::Daemon;
use crate::support::etcd::{RealEtcd, Sync};
use crate::support::file::TargetFile;
use crate::support::reader::Reader;
use crate::support::render;
use crate::support::wait::{SOON, always, ensure, eventually};

const QUICK: [&str; 4] = ["--debounce", "10ms", "--debounce-max", "50ms"];

/// How soon a member that is of no use any more must be left for another.
const LEFT: Duration = Duration::from_secs(15);

async fn a_member_that_stands_still_is_left_for_another_within_fifteen_seconds() {
    let mut scene = Scene::start().await;
    let serving = scene.cluster.serves_somebody().await;
    scene.cluster.freeze(serving);
    let frozen = Instant::now();
    scene.cluster.put("/services/web/1", "10.0.0.99:80").await;
    scene.follows(LEFT.saturating_sub(frozen.elapsed())).await;
}

async fn a_member_that_is_killed_is_left_for_another_within_fifteen_seconds() {
    let mut scene = Scene::start().await;
    let serving = scene.cluster.serves_somebody().await;
    scene.cluster.kill(serving);
    let killed = Instant::now();
    scene.cluster.put("/services/web/1", "10.0.0.99:80").await;
    scene.follows(LEFT.saturating_sub(killed.elapsed())).await;
}

async fn a_member_that_lost_the_others_is_left_within_fifteen_seconds_though_it_answers() {
    let scene = Scene::start().await;
    let serving = scene.cluster.serves_somebody().await;
    scene.cluster.partition(serving).await;
    let isolated = Instant::now();
    scene.cluster.put("/services/web/1", "10.0.0.99:80").await;
    scene.follows(LEFT.saturating_sub(isolated.elapsed())).await;
    let now = scene.cluster.serves_somebody().await;
    assert_ne!(now, serving, "the change came from the member that can't know it");
}

async fn a_member_that_is_wiped_and_joins_again_does_no_harm() {
    let mut scene = Scene::start().await;
    let reader = Reader::start(&scene.file);
    for index in 0..SIZE {
        scene.cluster.wipe(index).await;
        scene.cluster.put("/services/web/1", &format!("10.0.1.{index}:80")).await;
        scene.follows(LEFT).await;
        scene.cluster.settle().await;
    }
    for document in reader.finish().documents {
        assert!(document.contains("10.0.0.2:80"), "not what etcd ever had: {document}");
    }
}

async fn without_a_leader_the_file_stays_and_is_right_ten_seconds_after_there_is_one() {
    let mut scene = Scene::start().await;
    let serving = scene.cluster.serves_somebody().await;
    let stamp = scene.file.stamp();
    let others = (0..SIZE).filter(|&index| index != serving);
    others.for_each(|index| scene.cluster.freeze(index));

    let line = eventually(LEFT, "the loss of the leader is said", async || {
        scene.daemon.logged("connection lost").pop().ok_or_else(|| "nothing".to_owned())
    })
    .await;
    assert_eq!(line.level, "WARN");
    let stale_since = line.text("stale_since");
    humantime::parse_rfc3339(&stale_since).unwrap_or_else(|why| panic!("{stale_since}: {why}"));
    always(Duration::from_secs(5), "the file stays as it is", async || {
        ensure(scene.file.stamp() == stamp, || format!("it is {:?} now", scene.file.read()))
    })
    .await;

    scene.cluster.heal();
    let healed = Instant::now();
    scene.cluster.put("/services/web/1", "10.0.0.99:80").await;
    scene.follows(SOON.saturating_sub(healed.elapsed())).await;
}

async fn a_cluster_that_is_restored_to_an_older_state_is_recognised_and_listed_anew() {
    let mut scene = Scene::start().await;
    let snapshot = scene.cluster.snapshot().unwrap();
    for (key, address) in [("web/1", "10.0.0.91:80"), ("web/4", "10.0.0.94:80")] {
        scene.cluster.put(&format!("/services/{key}"), address).await;
    }
    scene.follows(SOON).await;

    scene.cluster.restore(&snapshot);
    scene.cluster.settle().await;
    let back = Instant::now();
    scene.follows(LEFT).await;
    let epoch = scene.daemon.wait_for_log("the list begins a new epoch of revisions").await;
    assert_eq!(epoch.level, "WARN");
    assert!(back.elapsed() < LEFT);
    scene.cluster.put("/services/web/5", "10.0.0.95:80").await;
    scene.follows(SOON).await;
}

async fn a_restored_cluster_that_has_overtaken_the_old_one_is_recognised_too() {
    let mut scene = Scene::start().await;
    let snapshot = scene.cluster.snapshot().unwrap();
    scene.cluster.put("/services/web/1", "10.0.0.91:80").await;
    scene.cluster.put("/services/web/4", "10.0.0.94:80").await;
    let before = scene.follows(SOON).await;

    for member in scene.cluster.members() {
        member.gate().cut().await;
    }
    scene.cluster.restore(&snapshot);
    scene.cluster.settle().await;
    // The history from here on is another one, and none of it says that web/4 is gone.
    for change in 0..=(before - snapshot.revision) {
        scene.cluster.put("/services/other/1", &format!("10.0.1.{change}:80")).await;
    }
    assert!(scene.cluster.read().await.unwrap().revision > before);
    scene.cluster.heal();
    scene.follows(LEFT).await;
}

async fn a_cluster_that_is_made_anew_under_the_same_addresses_is_followed() {
    let mut scene = Scene::start().await;
    for member in scene.cluster.members() {
        member.gate().cut().await;
    }
    scene.cluster.recreate();
    scene.cluster.settle().await;
    scene.register("10.0.0").await;
    scene.cluster.put("/services/new/1", "10.0.0.77:80").await;
    scene.cluster.heal();
    scene.follows(LEFT).await;
    scene.cluster.put("/services/new/1", "10.0.0.78:80").await;
    scene.follows(SOON).await;
}

async fn a_server_of_another_cluster_is_never_believed_when_it_comes_first() {
    Box::pin(with_a_foreign_server_at(0)).await;
}

async fn a_server_of_another_cluster_is_never_believed_when_it_comes_later() {
    Box::pin(with_a_foreign_server_at(1)).await;
}

async fn with_a_foreign_server_at(position: usize) {
    let foreign = RealEtcd::start(Sync::Never).await;
    let mut client = etcd_client::Client::connect([foreign.endpoint()], None).await.unwrap();
    // Its history is the longer one.
    for port in 1..=50 {
        client.put("/services/foreign/1", format!("10.9.9.9:{port}"), None).await.unwrap();
    }
    let cluster = Cluster::start().await;
    let gates = cluster.gates();
    let mut servers: Vec<_> = gates.split(',').collect();
    servers.insert(position, foreign.endpoint());
    let scene = Scene::on(cluster, &servers.join(",")).await;
    let reader = Reader::start(&scene.file);

    // Sends the daemon through the whole list, more than once.
    for round in 1..=2 * SIZE {
        let serving = scene.cluster.serves_somebody().await;
        scene.cluster.member(serving).gate().cut().await;
        scene.cluster.put("/services/web/1", &format!("10.0.2.{round}:80")).await;
        scene.follows(LEFT).await;
        scene.cluster.member(serving).gate().open();
    }
    for document in reader.finish().documents {
        assert!(!document.contains("foreign"), "another cluster's entries: {document}");
    }
}

/// A daemon on a cluster with some services.
struct Scene {
    cluster: Cluster,
    file: TargetFile,
    daemon: Daemon,
}

impl Scene {
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let gates = cluster.gates();
        Self::on(cluster, &gates).await
    }

    /// The daemon knows these servers.
    async fn on(cluster: Cluster, servers: &str) -> Self {
        let file = TargetFile::new();
        let daemon = Daemon::start_at(servers, &file, &QUICK);
        let scene = Self { cluster, file, daemon };
        scene.register("10.0.0").await;
        scene.follows(SOON).await;
        scene.daemon.wait_for_log("watching").await;
        scene
    }

    async fn register(&self, network: &str) {
        for host in 1..=3 {
            self.cluster
                .put(&format!("/services/web/{host}"), &format!("{network}.{host}:80"))
                .await;
            self.cluster
                .put(&format!("/services/db/{host}"), &format!("{network}.{host}:90"))
                .await;
        }
    }

    /// Waits until the file holds what a quorum agrees on; returns the revision of that.
    async fn follows(&self, within: Duration) -> i64 {
        let truth = self.cluster.read().await.unwrap();
        self.file.becomes(&render::document(&truth.entries), within).await;
        truth.revision
    }
}

/// Lists the tests.
macro_rules! on_a_cluster {
    ($($test:ident),+ $(,)?) => {
        mod real {
            $(
                #[test]
                #[ignore = "needs etcd: tests/run"]
                fn $test() {
                    super::run(super::$test);
                }
            )+
        }
    };
}

on_a_cluster!(
    a_member_that_stands_still_is_left_for_another_within_fifteen_seconds,
    a_member_that_is_killed_is_left_for_another_within_fifteen_seconds,
    a_member_that_lost_the_others_is_left_within_fifteen_seconds_though_it_answers,
    a_member_that_is_wiped_and_joins_again_does_no_harm,
    without_a_leader_the_file_stays_and_is_right_ten_seconds_after_there_is_one,
    a_cluster_that_is_restored_to_an_older_state_is_recognised_and_listed_anew,
    a_restored_cluster_that_has_overtaken_the_old_one_is_recognised_too,
    a_cluster_that_is_made_anew_under_the_same_addresses_is_followed,
    a_server_of_another_cluster_is_never_believed_when_it_comes_first,
    a_server_of_another_cluster_is_never_believed_when_it_comes_later,
);
