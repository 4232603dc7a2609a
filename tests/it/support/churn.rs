//! Services that come and go all the time, by one writer, which keeps a ledger.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use etcd_client::TxnOp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backend::Etcd;
use super::ledger::{Change, Ledger};
use super::random::Random;

const SERVICES: u64 = 8;
const INSTANCES: u64 = 40;

/// Writes until it is told to stop.
pub(crate) struct Churn {
    ledger: Arc<Mutex<Ledger>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Churn {
    /// From now on a change each `pace`, of some entries in one revision, drawn anew in each
    /// run of the tests.
    pub(crate) fn start(etcd: &Arc<Etcd>, pace: Duration) -> Self {
        Self::drawn(etcd, pace, Random::new())
    }

    /// The same, drawn by these numbers.
    pub(crate) fn drawn(etcd: &Arc<Etcd>, pace: Duration, mut random: Random) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::begin(etcd)));
        let (stop, mut stopped) = watch::channel(false);
        let (etcd, noted) = (Arc::clone(etcd), Arc::clone(&ledger));
        let task = tokio::spawn(async move {
            let mut beat = tokio::time::interval(pace);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut number = 0;
            while !*stopped.borrow_and_update() {
                number += 1;
                let changes = changes(&mut random, number);
                // Noted first: somebody may see it before the answer is here.
                noted.lock().unwrap().apply(&changes);
                etcd.apply(&changes).await;
                tokio::select! {
                    _ = beat.tick() => {}
                    _ = stopped.changed() => {}
                }
            }
        });
        Self { ledger, stop, task }
    }

    /// Ends it; what was written is in the registry then.
    pub(crate) async fn stop(&mut self) {
        self.stop.send_replace(true);
        (&mut self.task).await.expect("the writer");
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Etcd {
    /// Makes changes in one revision.
    pub(crate) async fn apply(&self, changes: &[Change]) -> i64 {
        let operations = changes.iter().map(|(key, value)| match value {
            Some(value) => TxnOp::put(key.as_str(), value.as_str(), None),
            None => TxnOp::delete(key.as_str(), None),
        });
        self.transaction(operations.collect()).await
    }
}

/// Some services change, in one revision with a clock that no two states share.
fn changes(random: &mut Random, number: u64) -> Vec<Change> {
    let clock = format!("clock-{}:{}", number / 60_000, 1 + number % 60_000);
    let mut changes = vec![("/services/clock/1".to_owned(), Some(clock))];
    let first = random.below(SERVICES * INSTANCES);
    for more in 0..=random.below(12) {
        let entry = (first + 7 * more) % (SERVICES * INSTANCES);
        let key = format!("/services/service-{}/{}", entry / INSTANCES, entry % INSTANCES);
        let value = format!("10.0.0.{}:{}", random.below(250), 1 + random.below(60_000));
        changes.push((key, (random.below(4) > 0).then_some(value)));
    }
    changes
}
