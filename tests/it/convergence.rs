//! Whatever happens to the registry, and whenever: the file ends up right.

use etcd_client::{DeleteOptions, PutOptions, Txn, TxnOp};

use crate::support::backend::{Etcd, on_both};
use crate::support::daemon::Daemon;
use crate::support::file::TargetFile;
use crate::support::random::Random;
use crate::support::reader::Reader;
use crate::support::wait::{SOON, eventually};

const CHANGES: usize = 2_000;
const SERVICES: u64 = 12;
const INSTANCES: u64 = 40;

async fn two_thousand_random_changes_while_the_daemon_starts_are_all_in_the_file(etcd: Etcd) {
    let file = TargetFile::new();
    let mut writer = Writer::new(&etcd).await;
    for _ in 0..CHANGES / 4 {
        writer.change().await;
    }
    let mut daemon = Daemon::start(&etcd, &file, &["--debounce", "50ms", "--guard-ratio", "1"]);
    let reader = Reader::start(&file);
    for _ in CHANGES / 4..CHANGES {
        writer.change().await;
    }
    writer.outlive_leases().await;
    let document = etcd.document();
    file.becomes(&document, SOON).await;

    daemon.still_runs();
    let clocks: Vec<u16> =
        reader.finish().documents.iter().filter_map(|seen| clock(seen)).collect();
    assert!(!clocks.is_empty());
    assert!(clocks.is_sorted(), "the file went back in time: {clocks:?}");
}

/// Changes a registry at random, one revision at a time.
struct Writer<'e> {
    etcd: &'e Etcd,
    random: Random,
    leases: Vec<i64>,
    changes: u16,
}

impl<'e> Writer<'e> {
    async fn new(etcd: &'e Etcd) -> Self {
        let mut leases = Vec::new();
        for _ in 0..4 {
            leases.push(etcd.grant(3600).await);
        }
        Self { etcd, random: Random::new(), leases, changes: 0 }
    }

    async fn change(&mut self) {
        self.changes += 1;
        let (etcd, key) = (self.etcd, self.key());
        match self.random.below(100) {
            0..55 => {
                etcd.put(&key, self.value()).await;
            }
            55..77 => {
                etcd.delete(&key).await;
            }
            77..85 => {
                let lease = self.leases[self.random.index(self.leases.len())];
                let options = PutOptions::new().with_lease(lease);
                // It fails if the lease has just run out.
                let _ = etcd.client().put(key, self.value(), Some(options)).await;
            }
            85..94 => self.transaction().await,
            94..97 => {
                let service = self.random.below(SERVICES);
                etcd.delete_prefix(&format!("/services/service-{service}/")).await;
            }
            97..99 => self.replace_lease().await,
            _ => {
                etcd.put(&format!("{key}/not/ours"), self.value()).await;
            }
        }
        // Counts up, so that a reader can tell an older document from a newer one.
        if self.changes.is_multiple_of(8) {
            etcd.put("/services/clock/1", format!("clock:{}", self.changes)).await;
        }
    }

    /// Ends one lease, by revoking it or by letting it run out.
    async fn replace_lease(&mut self) {
        let old = self.random.index(self.leases.len());
        let seconds = if self.random.below(2) == 0 { 1 } else { 3600 };
        let new = self.etcd.grant(seconds).await;
        let old = std::mem::replace(&mut self.leases[old], new);
        // One that has run out by itself is gone already.
        let _ = self.etcd.client().lease_revoke(old).await;
    }

    async fn transaction(&mut self) {
        let mut keys: Vec<String> = (0..8).map(|_| self.key()).collect();
        keys.sort();
        keys.dedup();
        let lease = self.leases[self.random.index(self.leases.len())];
        let operations = keys.into_iter().map(|key| match self.random.below(4) {
            0 => TxnOp::delete(key, Some(DeleteOptions::new())),
            1 => TxnOp::put(key, self.value(), Some(PutOptions::new().with_lease(lease))),
            _ => TxnOp::put(key, self.value(), None),
        });
        let txn = Txn::new().and_then(operations.collect::<Vec<_>>());
        // It fails as a whole if the lease has just run out.
        let _ = self.etcd.client().txn(txn).await;
    }

    fn key(&mut self) -> String {
        let (service, instance) = (self.random.below(SERVICES), self.random.below(INSTANCES));
        format!("/services/service-{service}/{instance}")
    }

    fn value(&mut self) -> String {
        let host = self.random.below(200);
        match self.random.below(6) {
            0 => format!(r#"{{"address":"10.0.0.{host}:80","labels":{{"zone":"{}"}}}}"#, host % 3),
            1 => format!(r#"{{"targets":["10.0.1.{host}:80","10.0.2.{host}:80"]}}"#),
            2 => format!("[2001:db8::{host}]:80"),
            _ => format!("10.0.0.{host}:80"),
        }
    }

    /// Waits until every lease that is to run out has done so.
    async fn outlive_leases(&self) {
        eventually(SOON, "the short leases run out", async || {
            let mut client = self.etcd.client();
            for lease in client.leases().await.unwrap().leases() {
                let left = client.lease_time_to_live(lease.id(), None).await.unwrap().ttl();
                if left < 60 {
                    return Err(format!("one has {left} s left"));
                }
            }
            Ok(())
        })
        .await;
    }
}

/// What the clock shows in a document.
fn clock(document: &str) -> Option<u16> {
    let (_, rest) = document.split_once(r#"["clock:"#)?;
    rest.split_once('"')?.0.parse().ok()
}

on_both!(two_thousand_random_changes_while_the_daemon_starts_are_all_in_the_file);
