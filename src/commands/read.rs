//! Reading the registry once, by the daemon's own watcher: paged, at one revision, from whichever
//! server answers.

use std::time::Duration;

use actix::{Actor, Addr};
use tokio::time::timeout;
use tracing::warn;

use super::Error;
use crate::actors::messages::{LastFailure, Stop};
use crate::actors::reader::{Reader, Reading};
use crate::actors::watcher::EtcdWatcher;
use crate::config::Registries;
use crate::telemetry::source_span;

/// A watcher that is told to end does so at once, unless its thread is busy.
const STOP: Duration = Duration::from_secs(1);

/// Reads each source as of a revision of its own, all at the same time.
pub(super) async fn read(registries: &Registries) -> Result<Vec<Reading>, Error> {
    let (mut watchers, mut pending) = (Vec::new(), Vec::new());
    for schema in &registries.sources {
        let prefix = schema.pattern.prefix().clone();
        let (reader, reading) = Reader::new(schema.clone());
        let span = source_span(&registries.sources, schema);
        let (servers, connector) = (registries.servers.clone(), registries.connector.clone());
        let observed = reader.start().recipient();
        let watcher =
            EtcdWatcher::new(servers, connector, prefix, registries.max_entries, observed);
        watchers.push(watcher.within(span).start());
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
    let failure = if readings.is_none() { failures(&watchers).await } else { String::new() };
    for watcher in &watchers {
        let _ = timeout(STOP, watcher.send(Stop)).await;
    }
    let readings = readings.ok_or(Error::NoList { limit, failure })?;
    for (schema, reading) in registries.sources.iter().zip(&readings) {
        if reading.summary.keys == 0 {
            let prefix = schema.pattern.prefix();
            warn!(%prefix, "there is no key below the prefix; check --prefix and --server");
        }
    }
    Ok(readings)
}

/// What the last tries came to, each reason once.
async fn failures(watchers: &[Addr<EtcdWatcher>]) -> String {
    let mut failures = Vec::new();
    for watcher in watchers {
        if let Ok(Some(failure)) = watcher.send(LastFailure).await
            && !failures.contains(&failure)
        {
            failures.push(failure);
        }
    }
    if failures.is_empty() {
        failures.push("the list came too late; give a longer --timeout".into());
    }
    failures.join("; ")
}
