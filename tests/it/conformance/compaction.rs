//! Compaction: the past goes, the present stays.

use etcd_client::{Client, GetOptions, WatchOptions};

use super::{delete, get, next, next_events, on_both, put, refusal, told, watch};

on_both![
    the_past_below_the_compaction_is_refused,
    the_compaction_revision_itself_can_be_read,
    the_present_survives_a_compaction,
    a_compaction_backwards_or_into_the_future_is_refused,
    a_watch_from_the_compaction_revision_misses_nothing,
    a_value_before_the_compaction_is_not_told,
];

const COMPACTED: &str = "OutOfRange: etcdserver: mvcc: required revision has been compacted";

fn all_at(revision: i64) -> GetOptions {
    GetOptions::new().with_all_keys().with_revision(revision)
}

/// Revisions: 2 puts a, 3 puts b, 4 changes a, 5 deletes b, 6 puts c, 7 changes c.
async fn write_some(client: &mut Client) {
    put(client, "a", "1").await;
    put(client, "b", "1").await;
    put(client, "a", "2").await;
    delete(client, "b").await;
    put(client, "c", "1").await;
    put(client, "c", "2").await;
}

async fn the_past_below_the_compaction_is_refused(mut client: Client) {
    write_some(&mut client).await;
    client.compact(4, None).await.unwrap();
    assert_eq!(refusal(client.get("", Some(all_at(3))).await), COMPACTED);
}

async fn the_compaction_revision_itself_can_be_read(mut client: Client) {
    write_some(&mut client).await;
    for (compacted, seen) in [(3, "a=1 b=1"), (4, "a=2 b=1"), (5, "a=2"), (6, "a=2 c=1")] {
        client.compact(compacted, None).await.unwrap();
        assert_eq!(get(&mut client, "", all_at(compacted)).await, seen);
        assert_eq!(get(&mut client, "", all_at(7)).await, "a=2 c=2");
    }
}

async fn the_present_survives_a_compaction(mut client: Client) {
    write_some(&mut client).await;
    client.compact(7, None).await.unwrap();
    assert_eq!(get(&mut client, "", all_at(0)).await, "a=2 c=2");
    let response = client.get("a", None).await.unwrap();
    let kv = &response.kvs()[0];
    assert_eq!((kv.create_revision(), kv.mod_revision(), kv.version()), (2, 4, 2));
    put(&mut client, "a", "3").await;
    let response = client.get("a", None).await.unwrap();
    assert_eq!(response.kvs()[0].version(), 3);
}

async fn a_compaction_backwards_or_into_the_future_is_refused(mut client: Client) {
    write_some(&mut client).await;
    client.compact(5, None).await.unwrap();
    assert_eq!(refusal(client.compact(5, None).await), COMPACTED);
    assert_eq!(refusal(client.compact(4, None).await), COMPACTED);
    assert_eq!(
        refusal(client.compact(8, None).await),
        "OutOfRange: etcdserver: mvcc: required revision is a future revision"
    );
}

async fn a_watch_from_the_compaction_revision_misses_nothing(mut client: Client) {
    write_some(&mut client).await;
    client.compact(4, None).await.unwrap();
    let from = WatchOptions::new().with_start_revision(4);
    let mut stream = watch(&mut client, "", from.with_prefix()).await;
    assert_eq!(
        next_events(&mut stream, 4).await,
        "put a=2 @4, delete b @5, put c=1 @6, put c=2 @7"
    );
}

async fn a_value_before_the_compaction_is_not_told(mut client: Client) {
    write_some(&mut client).await;
    client.compact(6, None).await.unwrap();
    put(&mut client, "a", "3").await;
    let from = WatchOptions::new().with_start_revision(6).with_prev_key();
    let mut stream = watch(&mut client, "", from.with_prefix()).await;
    let mut before = Vec::new();
    while before.len() < 3 {
        let response = next(&mut stream).await;
        assert_ne!(told(&response), "-");
        before.extend(response.events().iter().map(|event| {
            let before = event.prev_kv().map(|kv| kv.value_str().unwrap());
            before.unwrap_or_default().to_owned()
        }));
    }
    // At 6 c was new; at 7 it was 1 before; at 8 the value of revision 4 is still there.
    assert_eq!(before, ["", "1", "2"]);
}
