//! The store: the state behind its lock, and calls that need no client.
//!
//! A write takes the lock, changes the state, and rings for the watchers. Nobody
//! holds the lock while sending, so that no reader slows a writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::errors::Error;
use super::keys::KeyRange;
use super::state::State;

/// Keys with their values.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// All keys, their history and the leases. Outlives the servers that serve it.
pub(crate) struct Store {
    state: Mutex<State>,
    /// Rings on every change of the state.
    changed: watch::Sender<()>,
    leases_changed: Notify,
}

/// The store as it was at some moment, to go back to.
#[derive(Clone)]
pub(crate) struct Snapshot(State);

/// Writes of one revision.
pub(crate) struct Write<'a> {
    state: &'a mut State,
    revision: i64,
}

impl Write<'_> {
    /// Writes a key.
    pub(crate) fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let value = value.as_ref().into();
        self.state.put(self.revision, key.as_ref(), value, 0);
    }

    /// Deletes a key.
    pub(crate) fn delete(&mut self, key: impl AsRef<[u8]>) {
        let range = KeyRange::single(key.as_ref());
        self.state.delete(self.revision, &range);
    }
}

impl Store {
    /// An empty store, at revision 1 like a new etcd.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new()),
            changed: watch::Sender::new(()),
            leases_changed: Notify::new(),
        })
    }

    /// The present revision.
    pub(crate) fn revision(&self) -> i64 {
        self.lock().revision
    }

    /// Writes a key. This and the other writes give back the revision after it.
    pub(crate) fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> i64 {
        self.write(|write| write.put(key, value))
    }

    /// Writes a key that ends with a lease.
    pub(crate) fn put_leased(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        lease: i64,
    ) -> Result<i64, Error> {
        self.change(|state, revision| {
            state.leases.get(lease).ok_or(Error::LeaseNotFound)?;
            state.put(revision, key.as_ref(), value.as_ref().into(), lease);
            Ok(revision)
        })
    }

    /// Writes many keys in one revision.
    pub(crate) fn put_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> i64 {
        self.write(|write| {
            for (key, value) in entries {
                write.put(key, value);
            }
        })
    }

    /// Deletes a key; the revision stays if there is none.
    pub(crate) fn delete(&self, key: impl AsRef<[u8]>) -> i64 {
        self.write(|write| write.delete(key))
    }

    /// Deletes all keys under `prefix` in one revision.
    pub(crate) fn delete_prefix(&self, prefix: impl AsRef<[u8]>) -> i64 {
        let range = KeyRange::prefix(prefix.as_ref());
        self.change(|state, revision| {
            state.delete(revision, &range);
            state.revision
        })
    }

    /// Does several writes in one revision; each key once, as in an etcd transaction.
    pub(crate) fn write(&self, writes: impl FnOnce(&mut Write<'_>)) -> i64 {
        self.change(|state, revision| {
            writes(&mut Write { state, revision });
            state.revision
        })
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let state = self.lock();
        state.get(key.as_ref()).map(|version| version.value.to_vec())
    }

    /// All entries under `prefix` in order of their keys, and the revision that they are of.
    pub(crate) fn list(&self, prefix: impl AsRef<[u8]>) -> (i64, Entries) {
        let state = self.lock();
        let range = KeyRange::prefix(prefix.as_ref());
        let page = state.range(&range, 0, 0, false);
        let revision = state.revision;
        drop(state);
        let entries = page.map(|page| page.versions).unwrap_or_default();
        let entries = entries.iter().map(|v| (v.key.to_vec(), v.value.to_vec()));
        (revision, entries.collect())
    }

    /// Forgets what happened before `revision`.
    pub(crate) fn compact(&self, revision: i64) -> Result<(), Error> {
        self.change(|state, _| state.compact(revision))
    }

    /// The store as it is now. Costs a copy of the index, not of the values.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.lock().clone())
    }

    /// Goes back to `snapshot`: the revision rewinds, watchers are not told.
    pub(crate) fn restore(&self, snapshot: &Snapshot) {
        let mut state = self.lock();
        let replaced = std::mem::replace(&mut *state, snapshot.0.clone());
        state.leases.renew_all(Instant::now());
        drop(state);
        drop(replaced);
        self.ring();
        self.leases_changed.notify_waiters();
    }

    /// Grants a lease of `ttl` seconds, at least 2 as in etcd, and gives back its id.
    pub(crate) fn grant(&self, ttl: i64) -> Result<i64, Error> {
        self.grant_as(0, ttl).map(|(id, _)| id)
    }

    pub(crate) fn grant_as(&self, id: i64, ttl: i64) -> Result<(i64, i64), Error> {
        let granted = self.lock().leases.grant(id, ttl, Instant::now());
        self.leases_changed.notify_waiters();
        granted
    }

    /// Ends a lease: all its keys are deleted, in one revision.
    pub(crate) fn revoke(&self, id: i64) -> Result<i64, Error> {
        self.change(|state, revision| {
            let lease = state.leases.remove(id).ok_or(Error::LeaseNotFound)?;
            for key in &lease.keys {
                state.delete(revision, &KeyRange::single(key));
            }
            Ok(state.revision)
        })
    }

    pub(crate) fn keep_alive(&self, id: i64) -> Result<i64, Error> {
        let kept = self.lock().leases.keep_alive(id, Instant::now());
        self.leases_changed.notify_waiters();
        kept
    }

    /// Ends leases when their time is over, for as long as it is polled.
    pub(crate) async fn expire_leases(self: Arc<Self>) {
        self.lock().leases.renew_all(Instant::now());
        loop {
            let changed = self.leases_changed.notified();
            let next = self.lock().leases.next_expiry();
            match next {
                None => changed.await,
                Some(next) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(next) => {}
                },
            }
            let expired = self.lock().leases.expired(Instant::now());
            for id in expired {
                // Whoever revoked it in between has done our work.
                let _ = self.revoke(id);
            }
        }
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        read(&self.lock())
    }

    /// Changes the state; `change` gets the revision that its writes belong to.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State, i64) -> R) -> R {
        let mut state = self.lock();
        let revision = state.revision + 1;
        let result = change(&mut state, revision);
        drop(state);
        self.ring();
        result
    }

    /// Follows the changes of the state.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn ring(&self) {
        self.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked has said so already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
