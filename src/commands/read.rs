//! Reading the registry once, by the daemon's own watcher: paged, at one revision, from whichever
//! server answers.

use std::time::Duration;

use actix::{Actor, Addr};
use tokio::time::timeout;

use super::Error;
use crate::actors::messages::{LastFailure, Stop};
use crate::actors::reader::{Reader, Reading};
use crate::actors::watcher::EtcdWatcher;
use crate::config::Registries;

/// A watcher that is told to end does so at once, unless its thread is busy.
const STOP: Duration = Duration::from_secs(1);

/// Reads each source as of a revision of its own, all at the same time.
pub(super) async fn read(registries: &Registries) -> Result<Vec<Reading>, Error> {
    let (mut watchers, mut pending) = (Vec::new(), Vec::new());
    for schema in &registries.sources {
        let prefix = schema.pattern.prefix().clone();
        let (reader, reading) = Reader::new(schema.clone());
        let watcher = EtcdWatcher::new(
            registries.servers.clone(),
            registries.connector.clone(),
            prefix,
            registries.max_entries,
            reader.start().recipient(),
        );
        watchers.push(watcher.start());
        pending.push(reading);
    }
    let all = async {
        let mut readings = Vec::new();
        for reading in pending {
            readings.push(reading.await.ok()?);
        }
        Some(readings)
    };
    let limit = registries.limit;
    let readings = timeout(limit, all).await.ok().flatten();
    let failure = if readings.is_none() { last_failure(&watchers).await } else { String::new() };
    for watcher in &watchers {
        let _ = timeout(STOP, watcher.send(Stop)).await;
    }
    readings.ok_or(Error::NoList { limit, failure })
}

async fn last_failure(watchers: &[Addr<EtcdWatcher>]) -> String {
    for watcher in watchers {
        if let Ok(Some(failure)) = watcher.send(LastFailure).await {
            return failure;
        }
    }
    "the list came too late; give a longer --timeout".into()
}
