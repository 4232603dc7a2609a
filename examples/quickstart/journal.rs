//! What changes in the registry, seen by a watch of our own: so it shows what others do to
//! it too, be it `etcdctl` or the end of a lease.

use std::cell::Cell;
use std::time::Instant;

use etcd_client::{Client, Error, Event, EventType, WatchOptions, WatchStream};

use crate::console::{Console, FAINT, Who};
use crate::fleet::PREFIX;

/// More lines than this at a time are shortened.
const LINES: usize = 6;

/// What is known of the registry's changes.
#[derive(Default)]
pub(crate) struct Journal {
    pub(crate) last_change: Cell<Option<Instant>>,
    pub(crate) changes: Cell<usize>,
}

impl Journal {
    /// Follows the changes from the first one on.
    pub(crate) async fn open(&self, endpoint: &str) -> Result<WatchStream, Error> {
        let mut client = Client::connect([endpoint], None).await?;
        let all = WatchOptions::new().with_prefix().with_start_revision(1);
        client.watch(PREFIX, Some(all)).await
    }

    /// Shows the next changes. Says whether there can be more.
    pub(crate) async fn next(
        &self,
        stream: &mut WatchStream,
        console: &Console,
    ) -> Result<bool, Error> {
        while let Some(response) = stream.message().await? {
            let events = response.events();
            if !events.is_empty() {
                self.last_change.set(Some(Instant::now()));
                self.changes.set(self.changes.get() + events.len());
                console.entry(Who::Etcd, &describe_all(events));
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn describe_all(events: &[Event]) -> Vec<String> {
    let [first, second, hidden @ .., last] = events else {
        return events.iter().map(describe).collect();
    };
    if events.len() <= LINES {
        return events.iter().map(describe).collect();
    }
    let hidden = format!("{FAINT}... {} more ...{FAINT:#}", hidden.len());
    vec![describe(first), describe(second), hidden, describe(last)]
}

fn describe(event: &Event) -> String {
    let Some(kv) = event.kv() else {
        return String::new();
    };
    let key = String::from_utf8_lossy(kv.key());
    match event.event_type() {
        EventType::Put => {
            let value = String::from_utf8_lossy(kv.value());
            let lease = if kv.lease() == 0 { "" } else { "  (leased)" };
            format!("put {key} {FAINT}={FAINT:#} {value}{FAINT}{lease}{FAINT:#}")
        }
        EventType::Delete => format!("delete {key}"),
    }
}
