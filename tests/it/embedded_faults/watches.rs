//! Faults of watches, and of time.

use tonic::Status;

use super::*;
use crate::embedded::{Limits, Options};

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
