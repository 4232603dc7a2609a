//! The instances, and how they are written: as fast as etcd takes them.

use std::time::{Duration, Instant};

use etcd_client::{Client, KvClient, Txn, TxnOp};
use tokio::task::JoinSet;

use crate::Result;

/// What the daemon watches.
pub(crate) const PREFIX: &str = "/services/";

/// Instances of a service.
const PER_SERVICE: usize = 100;

/// What etcd takes in one transaction at most, and how many are under way.
const TRANSACTION: usize = 128;
const IN_FLIGHT: usize = 4;

/// Single puts that are under way.
const PUTTING: usize = 64;

/// The key of an instance; the keys ascend.
pub(crate) fn key(instance: usize) -> String {
    format!("{PREFIX}s{:05}/i{:02}", instance / PER_SERVICE, instance % PER_SERVICE)
}

/// Where an instance listens, in this round.
pub(crate) fn address(instance: usize, round: usize) -> String {
    let [.., a, b, c] = instance.to_be_bytes();
    format!("10.{a}.{b}.{c}:{}", 1024 + round % 50_000)
}

/// Registers so many instances. Returns how many bytes of keys and values they are.
pub(crate) async fn fill(client: &Client, size: usize) -> Result<usize> {
    let mut bytes = 0;
    let mut writing = JoinSet::new();
    for from in (0..size).step_by(TRANSACTION) {
        let entries = (from..size.min(from + TRANSACTION)).map(|it| (key(it), address(it, 0)));
        let entries: Vec<_> = entries.collect();
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

/// Changes so many of `size` instances by single puts at full speed. Returns when the last of
/// them was acknowledged, how long they took, and the address that the last instance has.
pub(crate) async fn burst(
    client: &Client,
    size: usize,
    changes: usize,
    round: usize,
) -> Result<(Instant, Duration)> {
    let begun = Instant::now();
    let mut putting = JoinSet::new();
    for change in 0..changes {
        if putting.len() == PUTTING {
            putting.join_next().await.transpose()?.transpose()?;
        }
        let instance = change % size;
        putting.spawn(put(client.kv_client(), instance, round + change / size));
    }
    while let Some(done) = putting.join_next().await {
        done??;
    }
    let ended = Instant::now();
    Ok((ended, ended - begun))
}

async fn put(
    mut kv: KvClient,
    instance: usize,
    round: usize,
) -> std::result::Result<(), etcd_client::Error> {
    kv.put(key(instance), address(instance, round), None).await?;
    Ok(())
}
