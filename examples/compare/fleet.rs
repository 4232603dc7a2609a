//! The instances, and how they are written: as fast as etcd takes them.

use std::fmt::Write;
use std::time::{Duration, Instant};

use etcd_client::{Client, DeleteOptions, KvClient, Txn, TxnOp};
use tokio::task::JoinSet;

use crate::Result;

/// What the daemon watches.
pub(crate) const PREFIX: &str = "/services/";

/// Instances of a service.
const PER_SERVICE: usize = 100;

/// What etcd takes in one transaction at most, and how many are under way.
const TRANSACTION: usize = 128;
const IN_FLIGHT: usize = 4;

/// Single puts that are under way: fewer than there are instances, so that none of them
/// overtakes another of the same instance.
const PUTTING: usize = 64;

/// Where each instance listens: in its newest round.
#[derive(Clone)]
pub(crate) struct Fleet {
    rounds: Vec<usize>,
}

impl Fleet {
    pub(crate) fn new(size: usize) -> Self {
        Self { rounds: vec![0; size] }
    }

    pub(crate) fn size(&self) -> usize {
        self.rounds.len()
    }

    /// Registers all. Returns how many bytes of keys and values they are.
    pub(crate) async fn register(&self, client: &Client) -> Result<usize> {
        let mut bytes = 0;
        let mut writing = JoinSet::new();
        let instances: Vec<_> = (0..self.rounds.len()).collect();
        for some in instances.chunks(TRANSACTION) {
            let entries: Vec<_> = some.iter().map(|&it| (key(it), self.address(it))).collect();
            bytes += entries.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
            let puts = entries.into_iter().map(|(key, value)| TxnOp::put(key, value, None));
            let transaction = Txn::new().and_then(puts.collect::<Vec<_>>());
            if writing.len() == IN_FLIGHT {
                writing.join_next().await.transpose()?.transpose()?;
            }
            let mut kv = client.kv_client();
            writing.spawn(async move { kv.txn(transaction).await });
        }
        while let Some(written) = writing.join_next().await {
            written??;
        }
        Ok(bytes)
    }

    /// Has an instance move. Returns its key, and where it is now.
    pub(crate) fn moves(&mut self, instance: usize) -> (String, String) {
        self.rounds[instance] += 1;
        (key(instance), self.address(instance))
    }

    /// What etcd holds after a burst of so many changes.
    pub(crate) fn after(&self, changes: usize) -> Self {
        let mut after = self.clone();
        for change in 0..changes {
            after.moves(change % self.rounds.len());
        }
        after
    }

    /// Has so many move, around and around, by single puts at full speed. Returns when the last
    /// of them was acknowledged, and how long they took.
    pub(crate) async fn burst(
        &mut self,
        client: &Client,
        changes: usize,
    ) -> Result<(Instant, Duration)> {
        let begun = Instant::now();
        let mut putting = JoinSet::new();
        for change in 0..changes {
            if putting.len() == PUTTING {
                putting.join_next().await.transpose()?.transpose()?;
            }
            putting.spawn(put(client.kv_client(), self.moves(change % self.rounds.len())));
        }
        while let Some(done) = putting.join_next().await {
            done??;
        }
        let ended = Instant::now();
        Ok((ended, ended - begun))
    }

    /// Deletes all but so many, a service in each request.
    pub(crate) async fn shrink(&mut self, client: &Client, keep: usize) -> Result<()> {
        let mut kv = client.kv_client();
        for from in (keep..self.rounds.len()).step_by(PER_SERVICE) {
            let options = DeleteOptions::new().with_range(key(from + PER_SERVICE));
            kv.delete(key(from), Some(options)).await?;
        }
        self.rounds.truncate(keep);
        Ok(())
    }

    /// What the target file must hold.
    pub(crate) fn document(&self) -> String {
        let instances: Vec<_> = (0..self.rounds.len()).collect();
        let groups = instances.chunks(PER_SERVICE).map(|service| {
            let addresses = service.iter().map(|&it| format!("\"{}\"", self.address(it)));
            let mut targets: Vec<_> = addresses.collect();
            targets.sort_unstable();
            let mut group = String::from(r#"{"targets":["#);
            group.push_str(&targets.join(","));
            let _ = write!(group, r#"],"labels":{{"job":"s{:05}"}}}}"#, service[0] / PER_SERVICE);
            group
        });
        format!("[\n{}\n]\n", groups.collect::<Vec<_>>().join(",\n"))
    }

    fn address(&self, instance: usize) -> String {
        let [.., a, b, c] = instance.to_be_bytes();
        format!("10.{a}.{b}.{c}:{}", 1024 + self.rounds[instance] % 50_000)
    }
}

/// The key of an instance; the keys ascend.
fn key(instance: usize) -> String {
    format!("{PREFIX}s{:05}/i{:02}", instance / PER_SERVICE, instance % PER_SERVICE)
}

async fn put(
    mut kv: KvClient,
    (key, value): (String, String),
) -> std::result::Result<(), etcd_client::Error> {
    kv.put(key, value, None).await?;
    Ok(())
}
