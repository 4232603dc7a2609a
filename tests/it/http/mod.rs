//! What is served with `--listen`.

mod api;
mod discovery;
mod guarded;
mod hostile;
mod lifecycle;
mod shards;

use crate::support::daemon::Daemon;
use crate::support::http::{self, Answer};
use crate::support::wait::{SOON, ensure, eventually};

/// Where the daemon listens.
async fn address(daemon: &Daemon) -> String {
    daemon.wait_for_log("listening").await.text("address")
}

async fn ask(address: &str, what: &str, headers: &[(&str, &str)]) -> Answer {
    let answer = http::ask(address, what, headers).await;
    answer.unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// Waits until what is served is this.
async fn serves(address: &str, path: &str, document: &str) {
    eventually(SOON, &format!("{path} is what the registry has"), async || {
        let answer = ask(address, &format!("GET {path}"), &[]).await;
        ensure(answer.status == 200 && answer.text() == document, || format!("{answer:?}"))
    })
    .await;
}
