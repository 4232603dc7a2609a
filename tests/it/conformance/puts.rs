//! Puts and deletions: versions, revisions, what was there before.

use etcd_client::{Client, DeleteOptions, KeyValue, PutOptions, Txn, TxnOp};

use super::{delete, get, on_both, put, refusal, revision, words};

on_both![
    a_key_counts_its_versions_and_keeps_its_birth,
    a_put_tells_what_it_replaced_if_asked,
    a_put_can_keep_the_value_or_the_lease,
    keeping_what_is_not_there_is_refused,
    keeping_and_giving_a_value_is_refused,
    a_deletion_tells_how_many_and_what_if_asked,
    a_deletion_of_many_is_one_revision,
    a_deletion_of_nothing_changes_nothing,
    too_large_a_request_is_refused,
];

async fn entry(client: &mut Client, key: &str) -> KeyValue {
    client.get(key, None).await.unwrap().kvs()[0].clone()
}

async fn a_key_counts_its_versions_and_keeps_its_birth(mut client: Client) {
    let born = put(&mut client, "a", "1").await;
    put(&mut client, "b", "1").await;
    let changed = put(&mut client, "a", "2").await;
    let kv = entry(&mut client, "a").await;
    assert_eq!(kv.version(), 2);
    assert_eq!((kv.create_revision(), kv.mod_revision()), (born, changed));

    delete(&mut client, "a").await;
    let reborn = put(&mut client, "a", "3").await;
    let kv = entry(&mut client, "a").await;
    assert_eq!(kv.version(), 1);
    assert_eq!((kv.create_revision(), kv.mod_revision()), (reborn, reborn));
}

async fn a_put_tells_what_it_replaced_if_asked(mut client: Client) {
    let options = || Some(PutOptions::new().with_prev_key());
    let mut first = client.put("a", "1", options()).await.unwrap();
    assert!(first.take_prev_key().is_none());
    let mut second = client.put("a", "2", options()).await.unwrap();
    assert_eq!(second.take_prev_key().unwrap().value(), b"1");
    let mut third = client.put("a", "3", None).await.unwrap();
    assert!(third.take_prev_key().is_none());
}

async fn a_put_can_keep_the_value_or_the_lease(mut client: Client) {
    let lease = client.lease_grant(600, None).await.unwrap().id();
    let leased = PutOptions::new().with_lease(lease);
    client.put("a", "1", Some(leased)).await.unwrap();

    let keep_lease = PutOptions::new().with_ignore_lease();
    client.put("a", "2", Some(keep_lease)).await.unwrap();
    let kv = entry(&mut client, "a").await;
    assert_eq!((kv.value(), kv.lease(), kv.version()), (&b"2"[..], lease, 2));

    let keep_value = PutOptions::new().with_ignore_value();
    client.put("a", "", Some(keep_value)).await.unwrap();
    let kv = entry(&mut client, "a").await;
    assert_eq!((kv.value(), kv.lease(), kv.version()), (&b"2"[..], 0, 3));
}

async fn keeping_what_is_not_there_is_refused(mut client: Client) {
    let not_found = "InvalidArgument: etcdserver: key not found";
    let options = PutOptions::new().with_ignore_value();
    assert_eq!(refusal(client.put("a", "", Some(options)).await), not_found);
    let options = PutOptions::new().with_ignore_lease();
    assert_eq!(refusal(client.put("a", "1", Some(options)).await), not_found);
    assert_eq!(revision(&mut client).await, 1);
}

async fn keeping_and_giving_a_value_is_refused(mut client: Client) {
    put(&mut client, "a", "1").await;
    let options = PutOptions::new().with_ignore_value();
    assert_eq!(
        refusal(client.put("a", "2", Some(options)).await),
        "InvalidArgument: etcdserver: value is provided"
    );
    let options = PutOptions::new().with_ignore_lease().with_lease(7);
    assert_eq!(
        refusal(client.put("a", "2", Some(options)).await),
        "InvalidArgument: etcdserver: lease is provided"
    );
}

async fn a_deletion_tells_how_many_and_what_if_asked(mut client: Client) {
    for (key, value) in [("k/a", "1"), ("k/b", "2"), ("l", "3")] {
        put(&mut client, key, value).await;
    }
    let options = DeleteOptions::new().with_prefix().with_prev_key();
    let response = client.delete("k/", Some(options)).await.unwrap();
    assert_eq!(response.deleted(), 2);
    assert_eq!(words(response.prev_kvs()), "k/a=1 k/b=2");
    let response = client.delete("l", None).await.unwrap();
    assert_eq!((response.deleted(), response.prev_kvs().len()), (1, 0));
}

async fn a_deletion_of_many_is_one_revision(mut client: Client) {
    put(&mut client, "a", "1").await;
    let last = put(&mut client, "b", "2").await;
    let options = DeleteOptions::new().with_all_keys();
    let response = client.delete("", Some(options)).await.unwrap();
    assert_eq!(response.header().unwrap().revision(), last + 1);
    assert_eq!(revision(&mut client).await, last + 1);
}

async fn a_deletion_of_nothing_changes_nothing(mut client: Client) {
    let present = put(&mut client, "a", "1").await;
    assert_eq!(delete(&mut client, "b").await, present);
    delete(&mut client, "a").await;
    assert_eq!(delete(&mut client, "a").await, present + 1);
    let all = etcd_client::GetOptions::new().with_all_keys();
    assert_eq!(get(&mut client, "", all).await, "");
}

async fn too_large_a_request_is_refused(mut client: Client) {
    let too_large = "InvalidArgument: etcdserver: request is too large";
    client.put("a", vec![0; 1_500_000], None).await.unwrap();
    let result = client.put("a", vec![0; 1_600_000], None).await;
    assert_eq!(refusal(result), too_large);
    let half = |key: &str| TxnOp::put(key, vec![0; 800_000], None);
    let txn = Txn::new().and_then([half("a"), half("b")]);
    assert_eq!(refusal(client.txn(txn).await), too_large);
    assert_eq!(revision(&mut client).await, 2);
}
