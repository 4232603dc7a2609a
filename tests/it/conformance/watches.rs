//! What a watch tells, and when.

use etcd_client::{
    Client, DeleteOptions, Txn, TxnOp, WatchFilterType, WatchOptions, WatchResponse,
};

use super::{delete, next, next_events, on_both, put, revision, told, watch};

on_both![
    a_watch_tells_of_its_keys_alone,
    a_deletion_tells_the_key_and_the_revision,
    the_changes_of_a_revision_come_together,
    filters_leave_out_puts_or_deletions,
    a_watch_tells_what_was_before_if_asked,
    a_cancelled_watch_is_silent_and_the_others_go_on,
    cancelling_what_is_not_there_is_ignored,
    several_watches_share_a_stream,
    progress_is_told_when_asked_for,
    a_large_answer_is_split_where_that_was_asked_for,
    a_large_answer_comes_whole_where_it_was_not,
];

async fn a_watch_tells_of_its_keys_alone(mut client: Client) {
    let mut stream = client.watch("b", Some(WatchOptions::new().with_range("d"))).await.unwrap();
    assert!(next(&mut stream).await.created());
    for key in ["a", "b", "c", "c/1", "d", "b"] {
        put(&mut client, key, "").await;
    }
    assert_eq!(next_events(&mut stream, 4).await, "put b= @3, put c= @4, put c/1= @5, put b= @7");
}

async fn a_deletion_tells_the_key_and_the_revision(mut client: Client) {
    put(&mut client, "a", "1").await;
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    delete(&mut client, "a").await;
    let response = next(&mut stream).await;
    assert_eq!(told(&response), "delete a @3");
    let kv = response.events()[0].kv().unwrap();
    assert_eq!((kv.value(), kv.create_revision()), (&b""[..], 0));
    assert_eq!((kv.version(), kv.lease()), (0, 0));
    assert!(response.events()[0].prev_kv().is_none());
}

async fn the_changes_of_a_revision_come_together(mut client: Client) {
    put(&mut client, "z", "").await;
    let mut stream = watch(&mut client, "", WatchOptions::new()).await;
    let ops = ["c", "a", "b"].map(|key| TxnOp::put(key, "1", None));
    let ops = ops.into_iter().chain([TxnOp::delete("z", None)]);
    client.txn(Txn::new().and_then(ops.collect::<Vec<_>>())).await.unwrap();
    let response = next(&mut stream).await;
    // In the order in which they were written.
    assert_eq!(told(&response), "put c=1 @3, put a=1 @3, put b=1 @3, delete z @3");
    assert_eq!(response.header().unwrap().revision(), 3);

    let all = DeleteOptions::new().with_all_keys();
    client.delete("", Some(all)).await.unwrap();
    let response = next(&mut stream).await;
    assert_eq!(told(&response), "delete a @4, delete b @4, delete c @4");
}

async fn filters_leave_out_puts_or_deletions(mut client: Client) {
    let without = |kind| WatchOptions::new().with_filters([kind]);
    let mut puts = watch(&mut client, "a", without(WatchFilterType::NoDelete)).await;
    let mut deletions = watch(&mut client, "a", without(WatchFilterType::NoPut)).await;
    put(&mut client, "a", "1").await;
    delete(&mut client, "a").await;
    put(&mut client, "a", "2").await;
    delete(&mut client, "a").await;
    assert_eq!(next_events(&mut puts, 2).await, "put a=1 @2, put a=2 @4");
    assert_eq!(next_events(&mut deletions, 2).await, "delete a @3, delete a @5");
}

async fn a_watch_tells_what_was_before_if_asked(mut client: Client) {
    put(&mut client, "a", "1").await;
    let mut stream = watch(&mut client, "a", WatchOptions::new().with_prev_key()).await;
    put(&mut client, "a", "2").await;
    delete(&mut client, "a").await;
    put(&mut client, "a", "3").await;
    let mut before = Vec::new();
    while before.len() < 3 {
        let response = next(&mut stream).await;
        before.extend(response.events().iter().map(|event| {
            let before = event.prev_kv();
            before.map(|kv| (kv.value_str().unwrap().to_owned(), kv.mod_revision()))
        }));
    }
    assert_eq!(before, [Some(("1".into(), 2)), Some(("2".into(), 3)), None]);
}

async fn a_cancelled_watch_is_silent_and_the_others_go_on(mut client: Client) {
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    stream.watch("b", None).await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), 1);
    stream.cancel(0).await.unwrap();
    let cancelled = next(&mut stream).await;
    assert!(cancelled.canceled() && !cancelled.created());
    assert_eq!((cancelled.watch_id(), cancelled.compact_revision()), (0, 0));
    put(&mut client, "a", "1").await;
    put(&mut client, "b", "2").await;
    assert_eq!(told(&next(&mut stream).await), "put b=2 @3");
}

async fn cancelling_what_is_not_there_is_ignored(mut client: Client) {
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    stream.cancel(99).await.unwrap();
    put(&mut client, "a", "1").await;
    assert_eq!(told(&next(&mut stream).await), "put a=1 @2");
}

async fn several_watches_share_a_stream(mut client: Client) {
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    stream.watch("a", Some(WatchOptions::new().with_prefix())).await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), 1);
    put(&mut client, "a", "1").await;
    let mut ids = [next(&mut stream).await, next(&mut stream).await].map(|response| {
        assert_eq!(told(&response), "put a=1 @2");
        response.watch_id()
    });
    ids.sort_unstable();
    assert_eq!(ids, [0, 1]);
}

async fn progress_is_told_when_asked_for(mut client: Client) {
    let mut stream = watch(&mut client, "a", WatchOptions::new()).await;
    put(&mut client, "a", "1").await;
    assert_eq!(told(&next(&mut stream).await), "put a=1 @2");
    // A change of other keys moves the revision, too.
    put(&mut client, "elsewhere", "1").await;
    let present = revision(&mut client).await;
    stream.request_progress().await.unwrap();
    let progress = next(&mut stream).await;
    assert_eq!(progress.watch_id(), -1);
    assert_eq!(progress.header().unwrap().revision(), present);
    assert_eq!(told(&progress), "-");
    assert!(!progress.created() && !progress.canceled());
}

/// Six revisions of half a megabyte: more than one message should carry.
async fn put_three_megabytes(client: &mut Client) {
    for i in 0..6 {
        put(client, &format!("k/{i}"), &"x".repeat(500_000)).await;
    }
}

fn is_fragment(response: &WatchResponse) -> bool {
    response.0.fragment
}

async fn a_large_answer_is_split_where_that_was_asked_for(mut client: Client) {
    put_three_megabytes(&mut client).await;
    let options = WatchOptions::new().with_start_revision(2).with_fragment();
    let mut stream = watch(&mut client, "k/", options).await;
    let first = next(&mut stream).await;
    let second = next(&mut stream).await;
    assert!(is_fragment(&first) && !is_fragment(&second));
    assert_eq!((first.events().len(), second.events().len()), (4, 2));
    for response in [first, second] {
        assert_eq!(response.header().unwrap().revision(), 7);
    }
}

async fn a_large_answer_comes_whole_where_it_was_not(mut client: Client) {
    put_three_megabytes(&mut client).await;
    let options = WatchOptions::new().with_start_revision(2);
    let mut stream = watch(&mut client, "k/", options).await;
    let response = next(&mut stream).await;
    assert_eq!(response.events().len(), 6);
    assert!(!is_fragment(&response));
}
