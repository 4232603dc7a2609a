//! Services that come, move and go all the time, registering with whichever member
//! takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{Client, DeleteOptions, Error, PutOptions, Txn, TxnOp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::support::cluster::Cluster;
use crate::support::random::Random;

const SERVICES: u64 = 12;
const INSTANCES: u64 = 10;

/// Between two writes.
const PACE: Duration = Duration::from_millis(8);

/// For one write; then the next member is tried.
const PATIENCE: Duration = Duration::from_millis(700);

/// The shortest that etcd grants; nobody keeps these leases alive.
const LEASE_SECONDS: i64 = 2;

/// Services that are always there: a document without them is no state of etcd.
const ANCHORS: u64 = 8;

pub(super) struct Writer {
    wanted: watch::Sender<bool>,
    working: watch::Receiver<bool>,
    done: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Writer {
    /// Registers what is always there, and then waits to be told to go on.
    pub(super) async fn start(cluster: &Cluster, seed: u64) -> Self {
        for anchor in 0..ANCHORS {
            let key = format!("/services/anchor-{anchor}/1");
            cluster.put(&key, &format!("10.255.0.{anchor}:9100")).await;
        }
        let (wanted, until) = watch::channel(false);
        let (says, working) = watch::channel(false);
        let done = Arc::<AtomicUsize>::default();
        let endpoints =
            cluster.members().iter().map(|member| member.endpoint().to_owned()).collect();
        let work = Work {
            endpoints,
            number: 0,
            client: None,
            random: Random::seeded(seed),
            changes: 0,
            done: Arc::clone(&done),
        };
        let task = tokio::spawn(work.run(until, says));
        Self { wanted, working, done, task }
    }

    pub(super) fn resume(&self) {
        self.wanted.send_replace(true);
    }

    /// Returns when no write is under way.
    pub(super) async fn pause(&mut self) {
        self.wanted.send_replace(false);
        self.working.wait_for(|working| !working).await.expect("a writer that runs");
    }

    /// How many changes were acknowledged.
    pub(super) fn writes(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work {
    endpoints: Vec<String>,
    number: usize,
    client: Option<Client>,
    random: Random,
    changes: u64,
    done: Arc<AtomicUsize>,
}

impl Work {
    async fn run(mut self, mut wanted: watch::Receiver<bool>, says: watch::Sender<bool>) {
        loop {
            if !*wanted.borrow_and_update() {
                says.send_replace(false);
                if wanted.wait_for(|&wanted| wanted).await.is_err() {
                    return;
                }
                says.send_replace(true);
            }
            if let Ok(Ok(())) = timeout(PATIENCE, self.change()).await {
                self.done.fetch_add(1, Ordering::Relaxed);
            } else {
                self.number = (self.number + 1) % self.endpoints.len();
            }
            sleep(PACE).await;
        }
    }

    async fn change(&mut self) -> Result<(), Error> {
        // After a failure there is another client, which sits out no backoff.
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect([&self.endpoints[self.number]], None).await?,
        };
        self.changes += 1;
        let key = self.key();
        match self.random.below(100) {
            0..45 => {
                let value = self.value();
                self.transact(&mut client, vec![TxnOp::put(key, value, None)]).await?;
            }
            45..70 => self.transact(&mut client, vec![TxnOp::delete(key, None)]).await?,
            70..82 => {
                let operations = self.many();
                self.transact(&mut client, operations).await?;
            }
            82..90 => {
                let lease = client.lease_grant(LEASE_SECONDS, None).await?.id();
                let options = PutOptions::new().with_lease(lease);
                let put = TxnOp::put(key, self.value(), Some(options));
                self.transact(&mut client, vec![put]).await?;
            }
            90..96 => {
                let service = format!("/services/service-{}/", self.random.below(SERVICES));
                let options = DeleteOptions::new().with_prefix();
                let delete = TxnOp::delete(service, Some(options));
                self.transact(&mut client, vec![delete]).await?;
            }
            // What is not ours moves the revision as well.
            _ => drop(client.put(format!("/services2{key}"), self.value(), None).await?),
        }
        self.client = Some(client);
        Ok(())
    }

    /// Writes in one revision, together with a clock that no two states share.
    async fn transact(
        &mut self,
        client: &mut Client,
        mut operations: Vec<TxnOp>,
    ) -> Result<(), Error> {
        let clock = format!("clock-{}:{}", self.changes / 60_000, 1 + self.changes % 60_000);
        operations.push(TxnOp::put("/services/clock/1", clock, None));
        client.txn(Txn::new().and_then(operations)).await.map(drop)
    }

    fn many(&mut self) -> Vec<TxnOp> {
        let mut keys: Vec<String> = (0..2 + self.random.below(18)).map(|_| self.key()).collect();
        keys.sort();
        keys.dedup();
        let operations = keys.into_iter().map(|key| match self.random.below(4) {
            0 => TxnOp::delete(key, None),
            _ => TxnOp::put(key, self.value(), None),
        });
        operations.collect()
    }

    fn key(&mut self) -> String {
        let (service, instance) = (self.random.below(SERVICES), self.random.below(INSTANCES));
        format!("/services/service-{service}/{instance}")
    }

    fn value(&mut self) -> String {
        let (host, port) = (self.random.below(250), 1 + self.random.below(60_000));
        match self.random.below(5) {
            0 => {
                let zone = host % 3;
                format!(r#"{{"address":"10.0.0.{host}:{port}","labels":{{"zone":"{zone}"}}}}"#)
            }
            1 => format!(r#"{{"targets":["10.0.1.{host}:{port}","10.0.2.{host}:{port}"]}}"#),
            _ => format!("10.0.0.{host}:{port}"),
        }
    }
}
