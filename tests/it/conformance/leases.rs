//! Leases: who keeps which keys alive.

use std::time::Duration;

use etcd_client::{Client, LeaseGrantOptions, LeaseTimeToLiveOptions, PutOptions, WatchOptions};

use super::{delete, next, next_events, on_both, put, refusal, revision, told, watch};

on_both![
    a_lease_gets_a_chosen_id_or_the_one_asked_for,
    an_id_is_granted_once,
    a_lease_lasts_two_seconds_at_least_and_not_for_ever,
    revoking_deletes_all_keys_in_one_revision,
    revoking_without_keys_changes_nothing,
    a_lease_that_is_not_kept_alive_ends_with_its_keys,
    a_lease_that_is_kept_alive_stays,
    keeping_alive_what_is_gone_says_so,
    a_lease_tells_its_keys,
    a_key_leaves_its_lease_when_overwritten_or_deleted,
    a_put_with_an_unknown_lease_is_refused,
    all_leases_are_listed,
];

const NOT_FOUND: &str = "NotFound: etcdserver: requested lease not found";

async fn grant(client: &mut Client, ttl: i64) -> i64 {
    client.lease_grant(ttl, None).await.unwrap().id()
}

async fn put_leased(client: &mut Client, key: &str, lease: i64) {
    let options = PutOptions::new().with_lease(lease);
    client.put(key, "", Some(options)).await.unwrap();
}

async fn keys(client: &mut Client, lease: i64) -> Vec<String> {
    let options = LeaseTimeToLiveOptions::new().with_keys();
    let response = client.lease_time_to_live(lease, Some(options)).await.unwrap();
    let keys = response.keys().iter();
    let mut keys: Vec<_> = keys.map(|key| String::from_utf8(key.clone()).unwrap()).collect();
    keys.sort();
    keys
}

async fn a_lease_gets_a_chosen_id_or_the_one_asked_for(mut client: Client) {
    let (a, b) = (grant(&mut client, 60).await, grant(&mut client, 60).await);
    assert!(a > 0 && b > 0 && a != b);
    let options = LeaseGrantOptions::new().with_id(7);
    let response = client.lease_grant(60, Some(options)).await.unwrap();
    assert_eq!((response.id(), response.ttl()), (7, 60));
    assert_eq!(revision(&mut client).await, 1);
}

async fn an_id_is_granted_once(mut client: Client) {
    let options = || Some(LeaseGrantOptions::new().with_id(7));
    client.lease_grant(60, options()).await.unwrap();
    assert_eq!(
        refusal(client.lease_grant(60, options()).await),
        "FailedPrecondition: etcdserver: lease already exists"
    );
}

async fn a_lease_lasts_two_seconds_at_least_and_not_for_ever(mut client: Client) {
    let response = client.lease_grant(1, None).await.unwrap();
    assert_eq!(response.ttl(), 2);
    assert_eq!(
        refusal(client.lease_grant(9_000_000_001, None).await),
        "OutOfRange: etcdserver: too large lease TTL"
    );
}

async fn revoking_deletes_all_keys_in_one_revision(mut client: Client) {
    let lease = grant(&mut client, 60).await;
    for key in ["c", "a", "b"] {
        put_leased(&mut client, key, lease).await;
    }
    let mut stream = watch(&mut client, "", WatchOptions::new().with_prefix()).await;
    client.lease_revoke(lease).await.unwrap();
    let response = next(&mut stream).await;
    assert_eq!(told(&response), "delete a @5, delete b @5, delete c @5");
    assert_eq!(refusal(client.lease_revoke(lease).await), NOT_FOUND);
}

async fn revoking_without_keys_changes_nothing(mut client: Client) {
    let lease = grant(&mut client, 60).await;
    client.lease_revoke(lease).await.unwrap();
    assert_eq!(revision(&mut client).await, 1);
}

async fn a_lease_that_is_not_kept_alive_ends_with_its_keys(mut client: Client) {
    let lease = grant(&mut client, 2).await;
    put_leased(&mut client, "a", lease).await;
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    assert_eq!(next_events(&mut stream, 1).await, "delete a @3");
    let response = client.lease_time_to_live(lease, None).await.unwrap();
    assert_eq!(response.ttl(), -1);
}

async fn a_lease_that_is_kept_alive_stays(mut client: Client) {
    let (kept, left) = (grant(&mut client, 2).await, grant(&mut client, 2).await);
    put_leased(&mut client, "kept", kept).await;
    put_leased(&mut client, "left", left).await;
    let mut stream = watch(&mut client, "", WatchOptions::new().with_prefix()).await;
    let (mut keeper, mut answers) = client.lease_keep_alive(kept).await.unwrap();
    let keep_alive = async {
        loop {
            keeper.keep_alive().await.unwrap();
            assert_eq!(answers.message().await.unwrap().unwrap().ttl(), 2);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let left_ends = next_events(&mut stream, 1);
    tokio::select! {
        () = keep_alive => {}
        told = left_ends => assert_eq!(told, "delete left @4"),
    }
    assert_eq!(keys(&mut client, kept).await, ["kept"]);
}

async fn keeping_alive_what_is_gone_says_so(mut client: Client) {
    let lease = grant(&mut client, 60).await;
    let (mut keeper, mut answers) = client.lease_keep_alive(lease).await.unwrap();
    client.lease_revoke(lease).await.unwrap();
    keeper.keep_alive().await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().ttl(), 0);
}

async fn a_lease_tells_its_keys(mut client: Client) {
    let lease = grant(&mut client, 60).await;
    put_leased(&mut client, "a", lease).await;
    put_leased(&mut client, "b", lease).await;
    assert_eq!(keys(&mut client, lease).await, ["a", "b"]);
    let response = client.lease_time_to_live(lease, None).await.unwrap();
    assert_eq!((response.granted_ttl(), response.keys().len()), (60, 0));
    assert!((50..=60).contains(&response.ttl()));
    let kv = client.get("a", None).await.unwrap().kvs()[0].clone();
    assert_eq!(kv.lease(), lease);
}

async fn a_key_leaves_its_lease_when_overwritten_or_deleted(mut client: Client) {
    let (one, two) = (grant(&mut client, 60).await, grant(&mut client, 60).await);
    for key in ["a", "b", "c", "d"] {
        put_leased(&mut client, key, one).await;
    }
    put(&mut client, "a", "without a lease").await;
    put_leased(&mut client, "b", two).await;
    delete(&mut client, "c").await;
    put(&mut client, "c", "again").await;
    assert_eq!(keys(&mut client, one).await, ["d"]);
    assert_eq!(keys(&mut client, two).await, ["b"]);
    client.lease_revoke(one).await.unwrap();
    for (key, there) in [("a", 1), ("b", 1), ("c", 1), ("d", 0)] {
        assert_eq!(client.get(key, None).await.unwrap().count(), there);
    }
}

async fn a_put_with_an_unknown_lease_is_refused(mut client: Client) {
    let options = PutOptions::new().with_lease(7);
    assert_eq!(refusal(client.put("a", "", Some(options)).await), NOT_FOUND);
}

async fn all_leases_are_listed(mut client: Client) {
    let (a, b) = (grant(&mut client, 60).await, grant(&mut client, 60).await);
    let response = client.leases().await.unwrap();
    let mut ids: Vec<_> = response.leases().iter().map(etcd_client::LeaseStatus::id).collect();
    ids.sort_unstable();
    let mut granted = [a, b];
    granted.sort_unstable();
    assert_eq!(ids, granted);
}
