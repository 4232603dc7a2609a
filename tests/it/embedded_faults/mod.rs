//! The embedded registry does wrong exactly what it is told to.

mod connections;
mod watches;

use std::time::Duration;

use etcd_client::{Client, Error, WatchOptions, WatchResponse, WatchStream};
use tonic::Code;

use crate::embedded::Embedded;

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
