//! The embedded registry answers at all.
#![allow(clippy::unwrap_used)]

use crate::embedded::Embedded;
use etcd_client::{Client, WatchOptions};

#[tokio::test]
async fn a_put_reaches_a_watcher() {
    let registry = Embedded::start().await;
    let mut client = Client::connect([registry.endpoint()], None).await.unwrap();
    let everything = WatchOptions::new().with_prefix();
    let mut watch = client.watch("/services/", Some(everything)).await.unwrap();
    assert!(watch.message().await.unwrap().unwrap().created());
    let revision = registry.store().put("/services/web/1", "10.0.0.1:80");
    let response = watch.message().await.unwrap().unwrap();
    assert_eq!(response.header().unwrap().revision(), revision);
    let event = response.events()[0].kv().unwrap();
    assert_eq!(event.key(), b"/services/web/1");
}
