//! Ranges: which keys, in which order, as of when, how many.

use etcd_client::{Client, GetOptions, SortOrder, SortTarget};

use super::{delete, get, on_both, put, refusal, revision, words};

on_both![
    a_new_store_is_at_revision_1,
    a_range_is_one_key_or_up_to_an_end_or_a_prefix_or_all,
    a_range_that_ends_before_it_begins_is_empty,
    a_page_says_that_there_is_more_and_counts_all,
    pages_at_one_revision_make_one_snapshot,
    a_count_at_an_older_revision_is_of_then,
    a_read_of_the_past_has_the_header_of_the_present,
    a_read_of_the_future_is_refused,
    keys_only_leaves_the_values_out,
    count_only_leaves_all_out,
    results_are_sorted_as_asked,
    a_limit_cuts_after_sorting,
    filters_by_revision_leave_the_count_alone,
    an_empty_key_is_refused,
];

const EMPTY_KEY: &str = "InvalidArgument: etcdserver: key is not provided";

fn prefix() -> GetOptions {
    GetOptions::new().with_prefix()
}

async fn put_all(client: &mut Client, entries: &[(&str, &str)]) {
    for (key, value) in entries {
        put(client, key, value).await;
    }
}

async fn a_new_store_is_at_revision_1(mut client: Client) {
    assert_eq!(revision(&mut client).await, 1);
}

async fn a_range_is_one_key_or_up_to_an_end_or_a_prefix_or_all(mut client: Client) {
    put_all(&mut client, &[("b", "2"), ("a", "1"), ("a/x", "3"), ("c", "4")]).await;
    assert_eq!(get(&mut client, "a", GetOptions::new()).await, "a=1");
    let up_to_c = GetOptions::new().with_range("c");
    assert_eq!(get(&mut client, "a", up_to_c).await, "a=1 a/x=3 b=2");
    assert_eq!(get(&mut client, "a", prefix()).await, "a=1 a/x=3");
    assert_eq!(get(&mut client, "a/", prefix()).await, "a/x=3");
    let from = GetOptions::new().with_from_key();
    assert_eq!(get(&mut client, "a/x", from).await, "a/x=3 b=2 c=4");
    let all = GetOptions::new().with_all_keys();
    assert_eq!(get(&mut client, "", all).await, "a=1 a/x=3 b=2 c=4");
}

async fn a_range_that_ends_before_it_begins_is_empty(mut client: Client) {
    put_all(&mut client, &[("a", "1"), ("b", "2")]).await;
    for end in ["a", "b"] {
        let options = GetOptions::new().with_range(end);
        let response = client.get("b", Some(options)).await.unwrap();
        assert_eq!((response.kvs().len(), response.count()), (0, 0));
    }
}

async fn a_page_says_that_there_is_more_and_counts_all(mut client: Client) {
    put_all(&mut client, &[("a", "1"), ("b", "2"), ("c", "3")]).await;
    let limit = |n| Some(GetOptions::new().with_from_key().with_limit(n));
    for (n, entries, more) in
        [(1, 1, true), (2, 2, true), (3, 3, false), (9, 3, false), (0, 3, false)]
    {
        let page = client.get("a", limit(n)).await.unwrap();
        let found = (page.kvs().len(), page.more(), page.count());
        assert_eq!(found, (entries, more, 3), "limit {n}");
    }
    let second = client.get("b", limit(1)).await.unwrap();
    assert_eq!((second.more(), second.count()), (true, 2));
}

async fn pages_at_one_revision_make_one_snapshot(mut client: Client) {
    put_all(&mut client, &[("k/1", "a"), ("k/2", "b"), ("k/3", "c"), ("k/4", "d")]).await;
    let pinned = delete(&mut client, "k/2").await;
    let page =
        |from: &'static str| (from, GetOptions::new().with_range("k0").with_revision(pinned));
    let (key, options) = page("k/");
    let first = client.get(key, Some(options.with_limit(2))).await.unwrap();
    assert_eq!(words(first.kvs()), "k/1=a k/3=c");
    assert_eq!((first.more(), first.count()), (true, 3));

    // What happens between the pages belongs to no page.
    put_all(&mut client, &[("k/2", "again"), ("k/35", "new"), ("k/4", "changed")]).await;
    delete(&mut client, "k/1").await;
    delete(&mut client, "k/4").await;

    let (key, options) = page("k/3\0");
    let second = client.get(key, Some(options.with_limit(2))).await.unwrap();
    assert_eq!(words(second.kvs()), "k/4=d");
    assert_eq!((second.more(), second.count()), (false, 1));
    let (key, options) = page("k/");
    assert_eq!(get(&mut client, key, options).await, "k/1=a k/3=c k/4=d");
}

async fn a_count_at_an_older_revision_is_of_then(mut client: Client) {
    let one = put(&mut client, "a", "1").await;
    let two = put(&mut client, "b", "1").await;
    put(&mut client, "a", "2").await;
    let still_two = delete(&mut client, "x").await;
    let one_again = delete(&mut client, "a").await;
    put(&mut client, "a", "3").await;
    put(&mut client, "c", "1").await;
    for (at, count) in [(1, 0), (one, 1), (two, 2), (still_two, 2), (one_again, 1), (0, 3)] {
        let options = GetOptions::new().with_all_keys().with_revision(at);
        let response = client.get("", Some(options.with_count_only())).await.unwrap();
        assert_eq!(response.count(), count, "at {at}");
    }
}

async fn a_read_of_the_past_has_the_header_of_the_present(mut client: Client) {
    let then = put(&mut client, "a", "1").await;
    let now = put(&mut client, "a", "2").await;
    let options = GetOptions::new().with_revision(then);
    let response = client.get("a", Some(options)).await.unwrap();
    assert_eq!(words(response.kvs()), "a=1");
    assert_eq!(response.header().unwrap().revision(), now);
}

async fn a_read_of_the_future_is_refused(mut client: Client) {
    let options = GetOptions::new().with_revision(2);
    assert_eq!(
        refusal(client.get("a", Some(options)).await),
        "OutOfRange: etcdserver: mvcc: required revision is a future revision"
    );
}

async fn keys_only_leaves_the_values_out(mut client: Client) {
    put(&mut client, "a", "1").await;
    let response = client.get("a", Some(prefix().with_keys_only())).await.unwrap();
    let kv = &response.kvs()[0];
    assert_eq!((kv.key(), kv.value()), (&b"a"[..], &b""[..]));
    assert_eq!((kv.create_revision(), kv.version()), (2, 1));
}

async fn count_only_leaves_all_out(mut client: Client) {
    put_all(&mut client, &[("a", "1"), ("b", "2")]).await;
    let options = GetOptions::new().with_all_keys().with_count_only();
    let response = client.get("", Some(options.with_limit(1))).await.unwrap();
    assert_eq!((response.kvs().len(), response.count()), (0, 2));
    assert!(!response.more());
}

async fn results_are_sorted_as_asked(mut client: Client) {
    // Versions: a 2, b 1, c 3. Modified last: b, then a, then c.
    put_all(&mut client, &[("c", "2"), ("c", "2"), ("c", "2")]).await;
    put_all(&mut client, &[("a", "3"), ("a", "3"), ("b", "1")]).await;
    for (target, ascending) in [
        (SortTarget::Key, "a=3 b=1 c=2"),
        (SortTarget::Version, "b=1 a=3 c=2"),
        (SortTarget::Create, "c=2 a=3 b=1"),
        (SortTarget::Mod, "c=2 a=3 b=1"),
        (SortTarget::Value, "b=1 c=2 a=3"),
    ] {
        let all = || GetOptions::new().with_all_keys();
        let sorted = |order| all().with_sort(target, order);
        assert_eq!(get(&mut client, "", sorted(SortOrder::Ascend)).await, ascending);
        // Of another target than the key, no order means ascending.
        assert_eq!(get(&mut client, "", sorted(SortOrder::None)).await, ascending);
        let descending: Vec<_> = ascending.rsplit(' ').collect();
        let descending = descending.join(" ");
        assert_eq!(get(&mut client, "", sorted(SortOrder::Descend)).await, descending);
    }
}

async fn a_limit_cuts_after_sorting(mut client: Client) {
    put_all(&mut client, &[("a", "1"), ("b", "2"), ("c", "3")]).await;
    let options = GetOptions::new().with_all_keys().with_limit(2);
    let options = options.with_sort(SortTarget::Key, SortOrder::Descend);
    let response = client.get("", Some(options)).await.unwrap();
    assert_eq!(words(response.kvs()), "c=3 b=2");
    assert_eq!((response.more(), response.count()), (true, 3));
}

async fn filters_by_revision_leave_the_count_alone(mut client: Client) {
    // Created and modified: a 2 and 5, b 3 and 3, c 4 and 4.
    put_all(&mut client, &[("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")]).await;
    let all = || GetOptions::new().with_all_keys();
    for (options, found) in [
        (all().with_min_mod_revision(4), "a=4 c=3"),
        (all().with_max_mod_revision(4), "b=2 c=3"),
        (all().with_min_create_revision(3), "b=2 c=3"),
        (all().with_max_create_revision(3), "a=4 b=2"),
        (all().with_min_mod_revision(4).with_limit(1), "a=4"),
    ] {
        let response = client.get("", Some(options)).await.unwrap();
        assert_eq!(words(response.kvs()), found);
        assert_eq!(response.count(), 3);
    }
}

async fn an_empty_key_is_refused(mut client: Client) {
    assert_eq!(refusal(client.get("", None).await), EMPTY_KEY);
    assert_eq!(refusal(client.put("", "1", None).await), EMPTY_KEY);
    assert_eq!(refusal(client.delete("", None).await), EMPTY_KEY);
}
