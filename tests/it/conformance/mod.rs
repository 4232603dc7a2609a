//! What etcd promises, held against the embedded registry and against a real etcd.
//!
//! Every test here is one function of a client that knows nothing of the server.
//! [`on_both`] makes two tests of it: `embedded::…` and, where there is an etcd,
//! `real::…`. The real one is the judge: where the two differ, the embedded
//! registry is wrong.
#![allow(clippy::expect_used, clippy::unwrap_used)] // A failed request is a failed test.

mod compaction;
mod leases;
mod puts;
mod ranges;
mod txns;
mod watch_starts;
mod watches;

use std::time::Duration;

use etcd_client::{
    Client, Error, EventType, GetOptions, KeyValue, WatchOptions, WatchResponse, WatchStream,
};

/// Runs each of these functions on the embedded registry and on a real etcd.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $name() {
                    let server = crate::embedded::Embedded::start().await;
                    super::$name(crate::conformance::client(server.endpoint()).await).await;
                }
            )*
        }
        mod real {
            use crate::support::etcd::{RealEtcd, Sync};

            $(
                #[tokio::test]
                #[ignore = "needs etcd: tests/run"]
                async fn $name() {
                    let server = RealEtcd::start(Sync::Never).await;
                    super::$name(crate::conformance::client(server.endpoint()).await).await;
                }
            )*
        }
    };
}
use on_both;

async fn client(endpoint: impl AsRef<str>) -> Client {
    Client::connect([endpoint], None).await.unwrap()
}

/// Puts, and gives back the revision.
async fn put(client: &mut Client, key: &str, value: &str) -> i64 {
    let response = client.put(key, value, None).await.unwrap();
    response.header().unwrap().revision()
}

async fn delete(client: &mut Client, key: &str) -> i64 {
    let response = client.delete(key, None).await.unwrap();
    response.header().unwrap().revision()
}

async fn revision(client: &mut Client) -> i64 {
    let response = client.get("no such key", None).await.unwrap();
    response.header().unwrap().revision()
}

/// The entries of a range as `key=value` words, so that a test reads at a glance.
async fn get(client: &mut Client, key: &str, options: GetOptions) -> String {
    words(client.get(key, Some(options)).await.unwrap().kvs())
}

fn words(entries: &[KeyValue]) -> String {
    let entries = entries.iter().map(|kv| {
        let (key, value) = (kv.key_str().unwrap(), kv.value_str().unwrap());
        format!("{key}={value}")
    });
    entries.collect::<Vec<_>>().join(" ")
}

/// A response without events is `-`; the others are like `put a=1 @2, delete b @2`.
fn told(response: &WatchResponse) -> String {
    let events = response.events().iter().map(|event| {
        let kv = event.kv().unwrap();
        let (key, value) = (kv.key_str().unwrap(), kv.value_str().unwrap());
        match event.event_type() {
            EventType::Put => format!("put {key}={value} @{}", kv.mod_revision()),
            EventType::Delete => format!("delete {key} @{}", kv.mod_revision()),
        }
    });
    let events = events.collect::<Vec<_>>();
    if events.is_empty() { "-".into() } else { events.join(", ") }
}

/// Opens a watch on all keys under `prefix`, and takes the response that says so.
async fn watch(client: &mut Client, prefix: &str, options: WatchOptions) -> WatchStream {
    let options = options.with_prefix();
    let mut stream = client.watch(prefix, Some(options)).await.unwrap();
    let created = next(&mut stream).await;
    assert!(created.created() && !created.canceled(), "{created:?}");
    stream
}

/// The next response, which must come soon.
async fn next(stream: &mut WatchStream) -> WatchResponse {
    let response = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    let response = response.expect("a response in time").unwrap();
    response.expect("a stream that goes on")
}

/// The next events, however many responses they take: `count` of them.
async fn next_events(stream: &mut WatchStream, count: usize) -> String {
    let (mut seen, mut all) = (0, Vec::new());
    while seen < count {
        let response = next(stream).await;
        seen += response.events().len();
        all.push(told(&response));
    }
    all.join(", ")
}

/// The gRPC status of a refused request, like `OutOfRange: etcdserver: …`.
fn refusal<T>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::GRpcStatus(status)) => format!("{:?}: {}", status.code(), status.message()),
        Err(error) => panic!("not an answer of the server: {error}"),
        Ok(_) => panic!("not refused"),
    }
}
