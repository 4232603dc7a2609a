//! The embedded registry does wrong exactly what it is told to.
#![allow(clippy::expect_used, clippy::unwrap_used)] // A failed request is a failed test.

use std::time::Duration;

use etcd_client::{Client, Error, GetOptions, WatchOptions, WatchResponse, WatchStream};
use tonic::{Code, Status};

use crate::embedded::{Embedded, Limits, Options};

/// Long enough for what comes to have come. Time is paused where it is used.
const LONG: Duration = Duration::from_secs(5);

async fn start() -> (Embedded, Client) {
    let registry = Embedded::start().await;
    let client = connect(&registry).await;
    (registry, client)
}

async fn connect(registry: &Embedded) -> Client {
    Client::connect([registry.endpoint()], None).await.unwrap()
}

async fn watch(client: &mut Client, options: WatchOptions) -> WatchStream {
    let options = options.with_all_keys();
    let mut stream = client.watch("", Some(options)).await.unwrap();
    assert!(next(&mut stream).await.created());
    stream
}

async fn next(stream: &mut WatchStream) -> WatchResponse {
    let response = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    response.expect("in time").unwrap().expect("a response")
}

async fn is_silent(stream: &mut WatchStream) -> bool {
    tokio::time::timeout(LONG, stream.message()).await.is_err()
}

/// The keys and revisions of the events, like `a@2 b@3`.
fn told(response: &WatchResponse) -> String {
    let events = response.events().iter().map(|event| {
        let kv = event.kv().unwrap();
        format!("{}@{}", kv.key_str().unwrap(), kv.mod_revision())
    });
    events.collect::<Vec<_>>().join(" ")
}

fn code<T>(result: Result<T, Error>) -> Code {
    match result {
        Err(Error::GRpcStatus(status)) => status.code(),
        Err(error) => panic!("not a status: {error}"),
        Ok(_) => panic!("no error"),
    }
}

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

#[tokio::test(start_paused = true)]
async fn a_silent_registry_withholds_events_and_progress() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().go_silent(true);
    registry.store().put("a", "1");
    stream.request_progress().await.unwrap();
    assert!(is_silent(&mut stream).await);
    assert_eq!(registry.requests().seen().progress, 1);
    registry.faults().heal();
    assert_eq!(told(&next(&mut stream).await), "a@2");
}

#[tokio::test(start_paused = true)]
async fn progress_waits_for_events_that_are_held() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().hold_events(true);
    registry.store().put("a", "1");
    stream.request_progress().await.unwrap();
    assert!(is_silent(&mut stream).await);
    registry.faults().hold_events(false);
    assert_eq!(told(&next(&mut stream).await), "a@2");
    let progress = next(&mut stream).await;
    assert_eq!(progress.watch_id(), -1);
    assert_eq!(progress.header().unwrap().revision(), 2);
}

#[tokio::test(start_paused = true)]
async fn progress_overtakes_events_if_told_to() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().hold_events(true);
    registry.faults().let_progress_overtake(true);
    registry.store().put("a", "1");
    stream.request_progress().await.unwrap();
    let progress = next(&mut stream).await;
    assert_eq!(progress.watch_id(), -1);
    assert_eq!(progress.header().unwrap().revision(), 2);
    assert!(is_silent(&mut stream).await);
    registry.faults().heal();
    assert_eq!(told(&next(&mut stream).await), "a@2");
}

/// As etcd does since 3.4.25 and 3.5.8: silence is no sign of death.
#[tokio::test(start_paused = true)]
async fn progress_is_not_told_before_the_start_revision_has_come() {
    let (registry, mut client) = start().await;
    let listed = registry.store().put("a", "1");
    let next_one = WatchOptions::new().with_start_revision(listed + 1);
    let mut stream = watch(&mut client, next_one).await;
    stream.request_progress().await.unwrap();
    assert!(is_silent(&mut stream).await);
    registry.store().put("b", "1");
    assert_eq!(told(&next(&mut stream).await), "b@3");
    stream.request_progress().await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), -1);
}

/// As etcd does since 3.4.25 and 3.5.8: who is refused an answer must ask again.
#[tokio::test(start_paused = true)]
async fn progress_asked_for_while_catching_up_is_never_told() {
    let (registry, mut client) = start().await;
    for _ in 0..2_000 {
        registry.store().put("a", "1");
    }
    registry.faults().hold_events(true);
    let from_the_first = WatchOptions::new().with_start_revision(2);
    let mut stream = watch(&mut client, from_the_first).await;
    stream.request_progress().await.unwrap();
    registry.requests().wait_for(|seen| seen.progress == 1).await;
    registry.faults().hold_events(false);
    assert_eq!(next(&mut stream).await.events().len(), 1_000);
    assert_eq!(next(&mut stream).await.events().len(), 1_000);
    assert!(is_silent(&mut stream).await);
    stream.request_progress().await.unwrap();
    assert_eq!(next(&mut stream).await.watch_id(), -1);
}

#[tokio::test]
async fn progress_is_answered_while_writes_go_on() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    let mut seen = 1;
    stream.request_progress().await.unwrap();
    loop {
        registry.store().put("a", "1");
        let response = next(&mut stream).await;
        if response.watch_id() == -1 {
            // All up to there has come, and nothing of it will come again.
            assert!(response.header().unwrap().revision() >= seen);
            break;
        }
        for event in response.events() {
            seen += 1;
            assert_eq!(event.kv().unwrap().mod_revision(), seen);
        }
    }
}

#[tokio::test]
async fn watch_streams_end_with_an_error_or_without() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().end_watch_streams(Status::unavailable("going away"));
    assert_eq!(code(stream.message().await), Code::Unavailable);
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().end_watch_streams(None);
    assert!(stream.message().await.unwrap().is_none());
    watch(&mut client, WatchOptions::new()).await;
}

#[tokio::test]
async fn watches_are_cancelled_with_a_reason() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.faults().cancel_watches("etcdserver: no leader");
    let cancelled = next(&mut stream).await;
    assert!(cancelled.canceled());
    assert_eq!(cancelled.cancel_reason(), "etcdserver: no leader");
    assert_eq!(cancelled.compact_revision(), 0);
}

#[tokio::test]
async fn new_watches_are_refused_as_with_an_expired_token() {
    let (registry, mut client) = start().await;
    registry.faults().refuse_watches(Some("etcdserver: invalid auth token"));
    let mut stream = client.watch("a", None).await.unwrap();
    let refused = next(&mut stream).await;
    assert!(refused.created() && refused.canceled());
    assert_eq!(refused.watch_id(), -1);
    assert_eq!(refused.cancel_reason(), "etcdserver: invalid auth token");
}

#[tokio::test]
async fn one_revision_is_split_into_fragments_of_one_event() {
    let (registry, mut client) = start().await;
    registry.faults().one_event_fragments(true);
    let mut stream = watch(&mut client, WatchOptions::new().with_fragment()).await;
    registry.store().put_many([("a", ""), ("b", ""), ("c", "")]);
    for (event, more) in [("a@2", true), ("b@2", true), ("c@2", false)] {
        let response = next(&mut stream).await;
        assert_eq!((told(&response).as_str(), response.0.fragment), (event, more));
    }
}

#[tokio::test]
async fn responses_are_said_again() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    registry.store().put("a", "");
    assert_eq!(told(&next(&mut stream).await), "a@2");
    registry.store().put("b", "");
    assert_eq!(told(&next(&mut stream).await), "b@3");
    registry.faults().repeat_last_response();
    assert_eq!(told(&next(&mut stream).await), "b@3");
    registry.faults().resend_from(2);
    assert_eq!(told(&next(&mut stream).await), "a@2 b@3");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_rolled_back_leaves_watches_waiting() {
    let (registry, mut client) = start().await;
    let store = registry.store();
    store.put("a", "kept");
    let snapshot = store.snapshot();
    store.put("a", "lost");
    store.put("b", "lost");
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    store.restore(&snapshot);
    registry.faults().set_cluster_id(0xc2);
    assert_eq!((store.revision(), store.get("a")), (2, Some("kept".into())));
    assert_eq!(store.put("c", ""), 3);
    assert!(is_silent(&mut stream).await);
    let response = client.get("a", None).await.unwrap();
    let header = response.header().unwrap();
    assert_eq!((header.revision(), header.cluster_id()), (3, 0xc2));
    store.put("d", "");
    store.put("e", "");
    assert_eq!(told(&next(&mut stream).await), "e@5");
}

#[tokio::test]
async fn a_slow_reader_holds_up_nobody_and_is_kept_nothing_for() {
    let (registry, mut client) = start().await;
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    let store = registry.store();
    for _ in 0..200 {
        store.put("a", vec![0; 1_000_000]);
        tokio::task::yield_now().await;
    }
    store.compact(store.revision()).unwrap();
    // What was on its way comes; the rest was only in the log, where it is gone.
    let mut came = 0;
    let cancelled = loop {
        let response = next(&mut stream).await;
        if response.canceled() {
            break response;
        }
        came += response.events().len();
    };
    assert_eq!(cancelled.compact_revision(), store.revision());
    assert!(came < 50, "{came} megabytes were kept for the reader");
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_hears_the_revision_if_it_wants_to() {
    let limits = Limits { progress_interval: Duration::from_secs(60), ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let registry = Embedded::start_with(options).await;
    let mut client = connect(&registry).await;
    let options = WatchOptions::new().with_progress_notify();
    let mut stream = client.watch("elsewhere", Some(options)).await.unwrap();
    assert!(next(&mut stream).await.created());
    registry.store().put("a", "1");
    let begin = tokio::time::Instant::now();
    let notice = stream.message().await.unwrap().unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(59));
    assert_eq!(notice.watch_id(), 0);
    assert_eq!(notice.header().unwrap().revision(), 2);
    assert!(notice.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn leases_follow_paused_time() {
    let (registry, mut client) = start().await;
    let store = registry.store();
    let lease = store.grant(3600).unwrap();
    store.put_leased("b", "1", lease).unwrap();
    store.put_leased("a", "1", lease).unwrap();
    let mut stream = watch(&mut client, WatchOptions::new()).await;
    tokio::time::advance(Duration::from_secs(3599)).await;
    assert_eq!(store.revision(), 3);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(told(&next(&mut stream).await), "a@4 b@4");
}

#[tokio::test]
async fn requests_are_recorded() {
    let (registry, mut client) = start().await;
    registry.store().put("a", "1");
    let options = WatchOptions::new().with_start_revision(2).with_fragment();
    let _stream = watch(&mut client, options).await;
    let requests = registry.requests();
    let seen = requests.wait_for(|seen| seen.watches.len() == 1).await;
    assert_eq!(seen.open_streams, 1);
    assert_eq!((seen.watches[0].start_revision, seen.watches[0].fragment), (2, true));
    requests.forget();
    assert!(requests.seen().watches.is_empty());
    assert_eq!(requests.seen().open_streams, 1);
}
