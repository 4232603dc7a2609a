//! Faults of connections and of requests.

use etcd_client::GetOptions;
use tonic::Status;

use super::*;
use crate::embedded::Options;

#[tokio::test]
async fn a_stopped_registry_comes_back_on_its_port_with_its_entries() {
    let (mut registry, mut client) = start().await;
    registry.store().put("a", "1");
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.stop().await;
    assert!(stream.message().await.is_err());
    assert!(client.get("a", None).await.is_err());
    registry.start_again().await;
    let response = connect(&registry).await.get("a", None).await.unwrap();
    assert_eq!((response.count(), response.header().unwrap().revision()), (1, 2));
}

#[tokio::test]
async fn a_dropped_registry_is_gone() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    drop(registry);
    assert!(stream.message().await.is_err());
}

#[tokio::test]
async fn two_registries_can_follow_each_other_on_one_port() {
    let first = Embedded::start().await;
    let (address, store) = (first.address(), first.store());
    drop(first);
    tokio::task::yield_now().await;
    let options = Options { address, store, cluster_id: 7, ..Options::default() };
    let second = Embedded::start_with(options).await;
    second.store().put("a", "1");
    let response = connect(&second).await.get("a", None).await.unwrap();
    assert_eq!(response.header().unwrap().cluster_id(), 7);
}

#[tokio::test]
async fn refused_connections_are_closed_and_open_ones_stay() {
    let (registry, mut client) = start().await;
    client.get("a", None).await.unwrap();
    registry.faults().refuse_connections(true);
    client.get("a", None).await.unwrap();
    assert!(connect(&registry).await.get("a", None).await.is_err());
    registry.faults().heal();
    connect(&registry).await.get("a", None).await.unwrap();
}

#[tokio::test]
async fn killed_connections_end_watches_with_an_error() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().kill_connections();
    assert!(stream.message().await.is_err());
    registry.requests().wait_for(|seen| seen.open_streams == 0).await;
    watch(&mut client, WatchOptions::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_frozen_connection_is_open_and_dead_until_it_thaws() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().freeze_connections(true);
    registry.store().put("a", "1");
    assert!(tokio::time::timeout(LONG, client.get("a", None)).await.is_err());
    assert!(is_silent(&mut stream).await);
    registry.faults().freeze_connections(false);
    assert_eq!(told(&next(&mut stream).await), "a@2");
    client.get("a", None).await.unwrap();
}

#[tokio::test]
async fn requests_fail_with_the_chosen_status() {
    let (registry, mut client) = start().await;
    registry.faults().fail_rpcs(Status::unavailable("etcdserver: no leader"));
    assert_eq!(code(client.get("a", None).await), Code::Unavailable);
    assert_eq!(code(client.put("a", "1", None).await), Code::Unavailable);
    assert_eq!(code(client.watch("a", None).await), Code::Unavailable);
    registry.faults().heal();
    client.get("a", None).await.unwrap();
}

#[tokio::test]
async fn the_nth_range_fails() {
    let (registry, mut client) = start().await;
    registry.faults().fail_range(2, Status::deadline_exceeded("slow"));
    client.get("a", None).await.unwrap();
    assert_eq!(code(client.get("a", None).await), Code::DeadlineExceeded);
    client.get("a", None).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn ranges_are_delayed() {
    let (registry, mut client) = start().await;
    registry.faults().delay_ranges(Duration::from_secs(3));
    let begin = tokio::time::Instant::now();
    client.get("a", None).await.unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(3));
}

#[tokio::test]
async fn a_compaction_can_come_between_two_pages() {
    let (registry, mut client) = start().await;
    let store = registry.store();
    let pinned = store.put_many([("a", "1"), ("b", "2")]);
    registry.faults().after_range(1, {
        let store = store.clone();
        move || {
            let present = store.put("c", "3");
            store.compact(present).unwrap();
        }
    });
    let page = |from: &str| {
        let options = GetOptions::new().with_from_key().with_limit(1);
        (from.to_owned(), Some(options.with_revision(pinned)))
    };
    let (key, options) = page("a");
    let first = client.get(key, options).await.unwrap();
    assert!(first.more());
    let (key, options) = page("a\0");
    assert_eq!(code(client.get(key, options).await), Code::OutOfRange);

    let ranges = registry.requests().seen().ranges;
    let ranges: Vec<_> =
        ranges.iter().map(|range| (range.limit, range.revision, range.returned)).collect();
    assert_eq!(ranges, [(1, pinned, Some(1)), (1, pinned, None)]);
}
