//! Transactions: compare, then all of one list in one revision.

use etcd_client::{Client, Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse};

use super::{on_both, put, refusal, revision, words};

on_both![
    a_transaction_is_one_revision,
    a_transaction_of_reads_changes_nothing,
    requests_see_the_writes_before_them,
    compares_look_at_versions_revisions_values_and_leases,
    a_missing_key_compares_as_zero_but_has_no_value,
    a_compare_of_a_range_holds_for_all_keys_in_it,
    all_compares_must_hold,
    nested_transactions_compare_before_anything_is_written,
    a_key_is_written_once,
    two_branches_may_write_the_same_key,
    one_request_that_is_refused_refuses_all,
    too_many_requests_are_refused,
];

const DUPLICATE: &str = "InvalidArgument: etcdserver: duplicate key given in txn request";

fn put_op(key: &str, value: &str) -> TxnOp {
    TxnOp::put(key, value, None)
}

fn get_op(key: &str) -> TxnOp {
    TxnOp::get(key, None)
}

fn delete_op(key: &str) -> TxnOp {
    TxnOp::delete(key, None)
}

async fn holds(client: &mut Client, compare: Compare) -> bool {
    let txn = Txn::new().when([compare]);
    client.txn(txn).await.unwrap().succeeded()
}

async fn a_transaction_is_one_revision(mut client: Client) {
    put(&mut client, "old", "1").await;
    let ops = [put_op("a", "1"), put_op("b", "2"), delete_op("old")];
    let response = client.txn(Txn::new().and_then(ops)).await.unwrap();
    assert!(response.succeeded());
    assert_eq!(response.header().unwrap().revision(), 3);
    for op in response.op_responses() {
        let revision = match op {
            TxnOpResponse::Put(put) => put.header().unwrap().revision(),
            TxnOpResponse::Delete(delete) => delete.header().unwrap().revision(),
            _ => panic!("not asked for"),
        };
        assert_eq!(revision, 3);
    }
    let all = GetOptions::new().with_all_keys();
    let response = client.get("", Some(all)).await.unwrap();
    assert_eq!(words(response.kvs()), "a=1 b=2");
    assert!(response.kvs().iter().all(|kv| kv.mod_revision() == 3));
}

async fn a_transaction_of_reads_changes_nothing(mut client: Client) {
    let present = put(&mut client, "a", "1").await;
    let ops = [get_op("a"), delete_op("nothing")];
    let response = client.txn(Txn::new().and_then(ops)).await.unwrap();
    assert_eq!(response.header().unwrap().revision(), present);
    assert_eq!(revision(&mut client).await, present);
}

async fn requests_see_the_writes_before_them(mut client: Client) {
    put(&mut client, "a", "old").await;
    let ops = [get_op("a"), put_op("a", "new"), get_op("a")];
    let response = client.txn(Txn::new().and_then(ops)).await.unwrap();
    let reads: Vec<_> = response
        .op_responses()
        .into_iter()
        .filter_map(|op| match op {
            TxnOpResponse::Get(get) => Some(words(get.kvs())),
            _ => None,
        })
        .collect();
    assert_eq!(reads, ["a=old", "a=new"]);
}

async fn compares_look_at_versions_revisions_values_and_leases(mut client: Client) {
    use CompareOp::{Equal, Greater, Less, NotEqual};
    let lease = client.lease_grant(600, None).await.unwrap().id();
    let leased = PutOptions::new().with_lease(lease);
    put(&mut client, "a", "l").await;
    client.put("a", "m", Some(leased)).await.unwrap();
    // It has version 2, was created at 2 and modified at 3.
    for (op, below, same, above) in [
        (Equal, false, true, false),
        (NotEqual, true, false, true),
        (Greater, true, false, false),
        (Less, false, false, true),
    ] {
        for (wanted, compare) in [
            (below, Compare::version("a", op, 1)),
            (same, Compare::version("a", op, 2)),
            (above, Compare::version("a", op, 3)),
            (below, Compare::create_revision("a", op, 1)),
            (same, Compare::create_revision("a", op, 2)),
            (above, Compare::create_revision("a", op, 3)),
            (below, Compare::mod_revision("a", op, 2)),
            (same, Compare::mod_revision("a", op, 3)),
            (above, Compare::mod_revision("a", op, 4)),
            (below, Compare::value("a", op, "l")),
            (same, Compare::value("a", op, "m")),
            (above, Compare::value("a", op, "n")),
            (below, Compare::lease("a", op, lease - 1)),
            (same, Compare::lease("a", op, lease)),
            (above, Compare::lease("a", op, lease + 1)),
        ] {
            assert_eq!(holds(&mut client, compare.clone()).await, wanted, "{compare:?}");
        }
    }
}

async fn a_missing_key_compares_as_zero_but_has_no_value(mut client: Client) {
    use CompareOp::{Equal, Less, NotEqual};
    assert!(holds(&mut client, Compare::version("x", Equal, 0)).await);
    assert!(holds(&mut client, Compare::create_revision("x", Less, 1)).await);
    assert!(holds(&mut client, Compare::mod_revision("x", Equal, 0)).await);
    assert!(holds(&mut client, Compare::lease("x", Equal, 0)).await);
    assert!(!holds(&mut client, Compare::value("x", Equal, "")).await);
    assert!(!holds(&mut client, Compare::value("x", NotEqual, "y")).await);
}

async fn a_compare_of_a_range_holds_for_all_keys_in_it(mut client: Client) {
    put(&mut client, "k/a", "1").await;
    put(&mut client, "k/b", "1").await;
    put(&mut client, "k/b", "1").await;
    let same_value = Compare::value("k/", CompareOp::Equal, "1").with_prefix();
    assert!(holds(&mut client, same_value).await);
    let new = Compare::version("k/", CompareOp::Equal, 1).with_prefix();
    assert!(!holds(&mut client, new).await);
    let none_there = Compare::create_revision("m/", CompareOp::Equal, 0).with_prefix();
    assert!(holds(&mut client, none_there).await);
}

async fn all_compares_must_hold(mut client: Client) {
    put(&mut client, "a", "1").await;
    let txn = |version| {
        let compares = [
            Compare::value("a", CompareOp::Equal, "1"),
            Compare::version("a", CompareOp::Equal, version),
        ];
        let (then, or_else) = ([put_op("then", "")], [put_op("else", "")]);
        Txn::new().when(compares).and_then(then).or_else(or_else)
    };
    assert!(client.txn(txn(1)).await.unwrap().succeeded());
    assert!(!client.txn(txn(2)).await.unwrap().succeeded());
    let all = GetOptions::new().with_all_keys();
    let response = client.get("", Some(all)).await.unwrap();
    assert_eq!(words(response.kvs()), "a=1 else= then=");
}

async fn nested_transactions_compare_before_anything_is_written(mut client: Client) {
    let missing = || [Compare::version("a", CompareOp::Equal, 0)];
    let nested = Txn::new().when(missing()).and_then([put_op("b", "2")]);
    let outer = [put_op("a", "1"), TxnOp::txn(nested)];
    let response = client.txn(Txn::new().and_then(outer)).await.unwrap();
    let Some(TxnOpResponse::Txn(nested)) = response.op_responses().pop() else {
        panic!("the last response is the nested one");
    };
    assert!(nested.succeeded());
    assert_eq!(revision(&mut client).await, 2);
    let all = GetOptions::new().with_all_keys();
    let response = client.get("", Some(all)).await.unwrap();
    assert_eq!(words(response.kvs()), "a=1 b=2");
}

async fn a_key_is_written_once(mut client: Client) {
    let nested = |op| TxnOp::txn(Txn::new().and_then([op]));
    for ops in [
        vec![put_op("a", "1"), put_op("a", "2")],
        vec![put_op("a", "1"), delete_op("a")],
        vec![delete_op("a"), put_op("a", "1")],
        vec![put_op("a", "1"), nested(put_op("a", "2"))],
        vec![delete_op("a"), nested(put_op("a", "2"))],
        vec![nested(put_op("a", "1")), nested(put_op("a", "2"))],
    ] {
        let shown = format!("{ops:?}");
        let result = client.txn(Txn::new().and_then(ops)).await;
        assert_eq!(refusal(result), DUPLICATE, "{shown}");
    }
    let both_deleted = Txn::new().and_then([delete_op("a"), delete_op("a")]);
    client.txn(both_deleted).await.unwrap();
    assert_eq!(revision(&mut client).await, 1);
}

async fn two_branches_may_write_the_same_key(mut client: Client) {
    let nested = Txn::new().and_then([put_op("a", "then")]).or_else([put_op("a", "else")]);
    let outer = Txn::new().and_then([TxnOp::txn(nested)]).or_else([put_op("a", "outer")]);
    client.txn(outer).await.unwrap();
    let response = client.get("a", None).await.unwrap();
    assert_eq!(words(response.kvs()), "a=then");
}

async fn one_request_that_is_refused_refuses_all(mut client: Client) {
    let leased = TxnOp::put("b", "2", Some(PutOptions::new().with_lease(7)));
    let txn = Txn::new().and_then([put_op("a", "1"), leased]);
    assert_eq!(refusal(client.txn(txn).await), "NotFound: etcdserver: requested lease not found");
    let future = TxnOp::get("a", Some(GetOptions::new().with_revision(99)));
    let txn = Txn::new().and_then([put_op("a", "1"), future]);
    assert_eq!(
        refusal(client.txn(txn).await),
        "OutOfRange: etcdserver: mvcc: required revision is a future revision"
    );
    assert_eq!(revision(&mut client).await, 1);
}

async fn too_many_requests_are_refused(mut client: Client) {
    let ops = |n| (0..n).map(|i| put_op(&i.to_string(), "")).collect::<Vec<_>>();
    client.txn(Txn::new().and_then(ops(128))).await.unwrap();
    assert_eq!(
        refusal(client.txn(Txn::new().and_then(ops(129))).await),
        "InvalidArgument: etcdserver: too many operations in txn request"
    );
}
