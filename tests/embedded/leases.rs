//! The leases: who holds which keys, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::errors::Error;
use super::keys::Key;

/// etcd's shortest lease, with its usual election timeout of a second.
const MIN_TTL: i64 = 2;
/// etcd's longest lease.
const MAX_TTL: i64 = 9_000_000_000;

/// One lease.
#[derive(Clone)]
pub(crate) struct Lease {
    /// In seconds, as granted.
    pub(crate) ttl: i64,
    pub(crate) expires: Instant,
    pub(crate) keys: BTreeSet<Key>,
}

impl Lease {
    /// Whole seconds left at `now`.
    pub(crate) fn remaining(&self, now: Instant) -> i64 {
        let left = self.expires.saturating_duration_since(now).as_secs();
        i64::try_from(left).unwrap_or(i64::MAX)
    }
}

/// All leases.
#[derive(Clone, Default)]
pub(crate) struct Leases {
    by_id: BTreeMap<i64, Lease>,
    by_expiry: BTreeSet<(Instant, i64)>,
    last_chosen: i64,
}

impl Leases {
    /// Grants the lease `id`, or a chosen one for 0. Gives back its id and its TTL.
    pub(crate) fn grant(&mut self, id: i64, ttl: i64, now: Instant) -> Result<(i64, i64), Error> {
        if ttl > MAX_TTL {
            return Err(Error::LeaseTtlTooLarge);
        }
        let id = if id == 0 { self.choose_id() } else { id };
        if self.by_id.contains_key(&id) {
            return Err(Error::LeaseExists);
        }
        let lease = Lease { ttl: ttl.max(MIN_TTL), expires: now, keys: BTreeSet::new() };
        self.by_id.insert(id, lease);
        let ttl = self.keep_alive(id, now)?;
        Ok((id, ttl))
    }

    /// An id that looks like etcd's, but is the same in every run.
    fn choose_id(&mut self) -> i64 {
        loop {
            self.last_chosen += 1;
            let id = 0x694d_0000_0000_0000 + self.last_chosen;
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    pub(crate) fn get(&self, id: i64) -> Option<&Lease> {
        self.by_id.get(&id)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = i64> {
        self.by_id.keys().copied()
    }

    /// Begins the TTL anew, and gives it back.
    pub(crate) fn keep_alive(&mut self, id: i64, now: Instant) -> Result<i64, Error> {
        let lease = self.by_id.get_mut(&id).ok_or(Error::LeaseNotFound)?;
        self.by_expiry.remove(&(lease.expires, id));
        lease.expires = now + Duration::from_secs(lease.ttl.unsigned_abs());
        self.by_expiry.insert((lease.expires, id));
        Ok(lease.ttl)
    }

    /// Begins every TTL anew: what a newly elected leader does.
    pub(crate) fn renew_all(&mut self, now: Instant) {
        for id in self.ids().collect::<Vec<_>>() {
            // All of them exist.
            let _ = self.keep_alive(id, now);
        }
    }

    pub(crate) fn remove(&mut self, id: i64) -> Option<Lease> {
        let lease = self.by_id.remove(&id)?;
        self.by_expiry.remove(&(lease.expires, id));
        Some(lease)
    }

    pub(crate) fn attach(&mut self, id: i64, key: &Key) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.insert(key.clone());
        }
    }

    pub(crate) fn detach(&mut self, id: i64, key: &Key) {
        if let Some(lease) = self.by_id.get_mut(&id) {
            lease.keys.remove(key);
        }
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.by_expiry.first().map(|(expires, _)| *expires)
    }

    pub(crate) fn expired(&self, now: Instant) -> Vec<i64> {
        let expired = self.by_expiry.range(..=(now, i64::MAX));
        expired.map(|(_, id)| *id).collect()
    }
}
