//! Writing to a registry, as services and operators do.

use etcd_client::{CompactionOptions, DeleteOptions, LeaseGrantResponse, PutOptions, Txn, TxnOp};

use tokio::task::JoinSet;

use super::backend::Etcd;

/// What etcd takes in one transaction at most.
const TRANSACTION: usize = 128;

/// Single puts that are on their way at the same time.
const AT_ONCE: usize = 256;

impl Etcd {
    /// Answers with the revision, as the others do.
    pub(crate) async fn put(&self, key: &str, value: impl Into<Vec<u8>>) -> i64 {
        let put = self.client().put(key, value, None).await;
        put.unwrap().header().unwrap().revision()
    }

    /// Puts many entries, as fast as it goes: a revision for each transaction's worth.
    pub(crate) async fn put_all<K, V>(&self, entries: &[(K, V)]) -> i64
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let mut revision = 0;
        for chunk in entries.chunks(TRANSACTION) {
            let puts =
                chunk.iter().map(|(key, value)| TxnOp::put(key.as_ref(), value.as_ref(), None));
            revision = self.transaction(puts.collect()).await;
        }
        revision
    }

    /// Puts many entries, each in a revision of its own, many at a time.
    pub(crate) async fn put_each(&self, entries: impl IntoIterator<Item = (String, String)>) {
        let mut entries = entries.into_iter();
        let mut putting = JoinSet::new();
        loop {
            while putting.len() < AT_ONCE
                && let Some((key, value)) = entries.next()
            {
                let mut client = self.client();
                putting.spawn(async move { client.put(key, value, None).await });
            }
            match putting.join_next().await {
                Some(put) => put.unwrap().unwrap(),
                None => break,
            };
        }
    }

    /// Applies some operations in one revision.
    pub(crate) async fn transaction(&self, operations: Vec<TxnOp>) -> i64 {
        let txn = self.client().txn(Txn::new().and_then(operations)).await;
        txn.unwrap().header().unwrap().revision()
    }

    pub(crate) async fn delete(&self, key: &str) -> i64 {
        let delete = self.client().delete(key, None).await;
        delete.unwrap().header().unwrap().revision()
    }

    /// Deletes everything below a prefix, in one revision.
    pub(crate) async fn delete_prefix(&self, prefix: &str) -> i64 {
        let options = DeleteOptions::new().with_prefix();
        let delete = self.client().delete(prefix, Some(options)).await;
        delete.unwrap().header().unwrap().revision()
    }

    /// Grants a lease that nobody keeps alive; answers with its id.
    pub(crate) async fn grant(&self, seconds: i64) -> i64 {
        let lease: LeaseGrantResponse = self.client().lease_grant(seconds, None).await.unwrap();
        lease.id()
    }

    pub(crate) async fn put_leased(&self, key: &str, value: &str, lease: i64) -> i64 {
        let options = PutOptions::new().with_lease(lease);
        let put = self.client().put(key, value, Some(options)).await;
        put.unwrap().header().unwrap().revision()
    }

    /// Ends a lease, and with it its entries.
    pub(crate) async fn revoke(&self, lease: i64) {
        self.client().lease_revoke(lease).await.unwrap();
    }

    /// Forgets the history before a revision, also on disk.
    pub(crate) async fn compact(&self, revision: i64) {
        let options = CompactionOptions::new().with_physical();
        let compact = self.client().compact(revision, Some(options)).await;
        compact.unwrap();
    }
}
