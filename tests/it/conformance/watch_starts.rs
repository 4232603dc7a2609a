//! How a watch begins: now, in the past, in the future, or not at all.

use std::time::Duration;

use etcd_client::{Client, WatchOptions};

use super::{next, next_events, on_both, put, told, watch};

on_both![
    a_watch_says_that_it_is_created_and_where_the_store_is,
    a_watch_without_a_start_sees_what_comes,
    a_watch_from_the_past_catches_up_and_goes_on,
    a_watch_from_the_next_revision_continues_a_list,
    a_watch_from_before_the_compaction_is_created_and_cancelled,
    a_watch_from_the_future_is_silent_until_then,
    catching_up_takes_a_thousand_revisions_at_a_time,
    an_empty_range_is_not_watched,
    an_empty_key_watches_from_the_first,
    ids_are_counted_from_zero_or_chosen,
    an_id_in_use_is_not_given_twice,
];

fn from(revision: i64) -> WatchOptions {
    WatchOptions::new().with_start_revision(revision)
}

async fn a_watch_says_that_it_is_created_and_where_the_store_is(mut client: Client) {
    put(&mut client, "a", "1").await;
    let mut stream = client.watch("a", None).await.unwrap();
    let created = next(&mut stream).await;
    assert!(created.created() && !created.canceled());
    assert_eq!(created.watch_id(), 0);
    assert_eq!(created.header().unwrap().revision(), 2);
    assert_eq!(told(&created), "-");
}

async fn a_watch_without_a_start_sees_what_comes(mut client: Client) {
    put(&mut client, "a", "1").await;
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    put(&mut client, "a", "2").await;
    assert_eq!(told(&next(&mut stream).await), "put a=2 @3");
}

async fn a_watch_from_the_past_catches_up_and_goes_on(mut client: Client) {
    for value in ["1", "2", "3"] {
        put(&mut client, "a", value).await;
    }
    let mut stream = watch(&mut client, "a", from(3)).await;
    assert_eq!(next_events(&mut stream, 2).await, "put a=2 @3, put a=3 @4");
    put(&mut client, "a", "4").await;
    assert_eq!(next_events(&mut stream, 1).await, "put a=4 @5");
}

async fn a_watch_from_the_next_revision_continues_a_list(mut client: Client) {
    let present = put(&mut client, "a", "1").await;
    let mut stream = watch(&mut client, "a", from(present + 1)).await;
    put(&mut client, "a", "2").await;
    assert_eq!(told(&next(&mut stream).await), "put a=2 @3");
}

async fn a_watch_from_before_the_compaction_is_created_and_cancelled(mut client: Client) {
    for value in ["1", "2", "3", "4"] {
        put(&mut client, "a", value).await;
    }
    client.compact(4, None).await.unwrap();
    let mut stream = client.watch("a", Some(from(3))).await.unwrap();
    let created = next(&mut stream).await;
    assert!(created.created() && !created.canceled());
    assert_eq!(created.header().unwrap().revision(), 5);

    let cancelled = next(&mut stream).await;
    assert!(cancelled.canceled() && !cancelled.created());
    assert_eq!(cancelled.watch_id(), created.watch_id());
    assert_eq!(cancelled.compact_revision(), 4);
    // Whoever takes a position from this header loses it.
    assert_eq!(cancelled.header().unwrap().revision(), 0);

    // The stream itself stays.
    stream.watch("a", Some(from(4))).await.unwrap();
    assert!(next(&mut stream).await.created());
    assert_eq!(next_events(&mut stream, 2).await, "put a=3 @4, put a=4 @5");
}

async fn a_watch_from_the_future_is_silent_until_then(mut client: Client) {
    put(&mut client, "a", "1").await;
    let mut stream = client.watch("a", Some(from(5))).await.unwrap();
    let created = next(&mut stream).await;
    assert!(created.created() && !created.canceled());
    assert_eq!(created.header().unwrap().revision(), 2);
    for value in ["2", "3", "4", "5"] {
        put(&mut client, "a", value).await;
    }
    assert_eq!(next_events(&mut stream, 2).await, "put a=4 @5, put a=5 @6");
}

async fn catching_up_takes_a_thousand_revisions_at_a_time(mut client: Client) {
    for i in 0..2_500 {
        put(&mut client, "a", &i.to_string()).await;
    }
    let mut stream = watch(&mut client, "a", from(2)).await;
    let mut batches = Vec::new();
    while batches.iter().sum::<usize>() < 2_500 {
        let response = next(&mut stream).await;
        batches.push(response.events().len());
        // The header tells the present, not how far this batch got.
        assert_eq!(response.header().unwrap().revision(), 2_501);
    }
    assert_eq!(batches, [1_000, 1_000, 500]);
}

async fn an_empty_range_is_not_watched(mut client: Client) {
    let options = WatchOptions::new().with_range("a");
    let mut stream = client.watch("b", Some(options)).await.unwrap();
    let refused = next(&mut stream).await;
    assert!(refused.created() && refused.canceled());
    assert_eq!(refused.watch_id(), -1);
    assert_eq!(refused.compact_revision(), 0);
    assert_ne!(refused.cancel_reason(), "");
    // The stream itself stays.
    stream.watch("a", None).await.unwrap();
    assert!(!next(&mut stream).await.canceled());
}

async fn an_empty_key_watches_from_the_first(mut client: Client) {
    let options = WatchOptions::new().with_all_keys();
    let mut stream = client.watch("", Some(options)).await.unwrap();
    assert!(!next(&mut stream).await.canceled());
    put(&mut client, "a", "1").await;
    put(&mut client, "z", "2").await;
    assert_eq!(next_events(&mut stream, 2).await, "put a=1 @2, put z=2 @3");
}

async fn ids_are_counted_from_zero_or_chosen(mut client: Client) {
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    for (wanted, given) in [(0, 1), (7, 7), (3, 3), (0, 2), (0, 4)] {
        let options = WatchOptions::new().with_watch_id(wanted);
        stream.watch("a", Some(options)).await.unwrap();
        assert_eq!(next(&mut stream).await.watch_id(), given);
    }
}

async fn an_id_in_use_is_not_given_twice(mut client: Client) {
    let options = || Some(WatchOptions::new().with_watch_id(7));
    let mut stream = client.watch("a", options()).await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), 7);
    stream.watch("b", options()).await.unwrap();
    let refused = next(&mut stream).await;
    assert!(refused.created() && refused.canceled());
    assert_eq!(refused.watch_id(), -1);
    // The first one is not harmed.
    put(&mut client, "a", "1").await;
    let response = tokio::time::timeout(Duration::from_secs(5), next(&mut stream));
    assert_eq!(told(&response.await.unwrap()), "put a=1 @2");
}
