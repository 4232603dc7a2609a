//! The multi-version state: every key with its versions, and the log of changes.
//!
//! One `BTreeMap` answers ranges, at the present revision and at older ones; one
//! log in order of revision answers watches. Both share the versions, so that a
//! million keys cost a million versions, not two. The lock around it all is the
//! store's ([`super::store`]): a state is always whole.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::errors::Error;
use super::history::{History, KeyVersion};
use super::keys::{Key, KeyRange, Value};
use super::leases::Leases;

/// One answer to a range request.
pub(crate) struct Page {
    pub(crate) versions: Vec<Arc<KeyVersion>>,
    /// All keys of the range, also those beyond the limit.
    pub(crate) count: usize,
    /// There are keys beyond the limit.
    pub(crate) more: bool,
}

/// A change, with what was there before if that was asked for and is still known.
pub(crate) struct Change {
    pub(crate) now: Arc<KeyVersion>,
    pub(crate) before: Option<Arc<KeyVersion>>,
}

/// What a watcher gets next.
pub(crate) enum Batch {
    /// The changes that it wants are gone.
    Compacted { compacted: i64 },
    /// The changes from where it stood, up to but without `next`.
    Changes { changes: Vec<Change>, next: i64, revision: i64 },
}

/// The state of the store at one revision, and what led there.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) revision: i64,
    /// History below it is gone; -1 before the first compaction, as in etcd.
    pub(crate) compacted: i64,
    pub(crate) leases: Leases,
    keys: BTreeMap<Key, History>,
    /// Every change since the compaction, in order of revision.
    log: VecDeque<Arc<KeyVersion>>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            revision: 1,
            compacted: -1,
            leases: Leases::default(),
            keys: BTreeMap::new(),
            log: VecDeque::new(),
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Arc<KeyVersion>> {
        self.keys.get(key)?.live.as_ref()
    }

    /// Writes `key` as part of `revision`, which is the present one or the next.
    /// Gives back the version that it replaces.
    pub(crate) fn put(
        &mut self,
        revision: i64,
        key: &[u8],
        value: Value,
        lease: i64,
    ) -> Option<Arc<KeyVersion>> {
        let next = |key: Key, before: Option<&Arc<KeyVersion>>| {
            Arc::new(KeyVersion {
                key,
                value,
                create_revision: before.map_or(revision, |v| v.create_revision),
                mod_revision: revision,
                version: before.map_or(0, |v| v.version) + 1,
                lease,
            })
        };
        let (now, before) = if let Some(history) = self.keys.get_mut(key) {
            let before = history.live.take();
            let known = before.as_ref().or(history.past.last());
            let key = known.map_or_else(|| key.into(), |v| v.key.clone());
            let now = next(key, before.as_ref());
            history.past.extend(before.clone());
            history.live = Some(now.clone());
            (now, before)
        } else {
            let now = next(key.into(), None);
            let history = History { live: Some(now.clone()), past: Vec::new() };
            self.keys.insert(now.key.clone(), history);
            (now, None)
        };
        let old_lease = before.as_ref().map_or(0, |v| v.lease);
        if old_lease != lease {
            self.leases.detach(old_lease, &now.key);
            self.leases.attach(lease, &now.key);
        }
        self.log.push_back(now);
        self.revision = revision;
        before
    }

    /// Deletes the keys of `range` as part of `revision`. Gives back what they were.
    /// Nothing there: nothing happens, and the revision stays.
    pub(crate) fn delete(&mut self, revision: i64, range: &KeyRange) -> Vec<Arc<KeyVersion>> {
        let mut deleted = Vec::new();
        for (key, history) in self.keys.range_mut::<[u8], _>(range.bounds()) {
            let Some(before) = history.live.take() else {
                continue;
            };
            let tombstone = Arc::new(KeyVersion {
                key: key.clone(),
                value: Value::new(),
                create_revision: 0,
                mod_revision: revision,
                version: 0,
                lease: 0,
            });
            self.leases.detach(before.lease, key);
            history.past.push(before.clone());
            history.past.push(tombstone.clone());
            self.log.push_back(tombstone);
            self.revision = revision;
            deleted.push(before);
        }
        deleted
    }

    /// The keys of `range` as they were at `at`; 0 means now. A `limit` of 0 is none.
    pub(crate) fn range(
        &self,
        range: &KeyRange,
        at: i64,
        limit: usize,
        count_only: bool,
    ) -> Result<Page, Error> {
        let at = self.readable(at)?;
        let count = self.count(range, at);
        if count_only {
            return Ok(Page { versions: Vec::new(), count, more: false });
        }
        let wanted = if limit == 0 { count } else { count.min(limit) };
        let versions = self
            .keys
            .range::<[u8], _>(range.bounds())
            .filter_map(|(_, history)| history.at(at))
            .take(wanted)
            .cloned()
            .collect();
        Ok(Page { versions, count, more: wanted < count })
    }

    /// The revision that a read at `at` means, if it can still be read.
    pub(crate) fn readable(&self, at: i64) -> Result<i64, Error> {
        match at {
            ..=0 => Ok(self.revision),
            at if at > self.revision => Err(Error::FutureRevision),
            at if at < self.compacted => Err(Error::Compacted),
            at => Ok(at),
        }
    }

    /// Counts without looking at versions: the keys that exist now, less those
    /// that came after `at`, plus those that went.
    fn count(&self, range: &KeyRange, at: i64) -> usize {
        let mut count = self
            .keys
            .range::<[u8], _>(range.bounds())
            .filter(|(_, history)| history.live.is_some())
            .count();
        for change in self.log_from(at + 1) {
            match change.version {
                1 if range.contains(&change.key) => count -= 1,
                0 if range.contains(&change.key) => count += 1,
                _ => {}
            }
        }
        count
    }

    /// The changes in `range` from revision `from` on: up to `max_revisions`
    /// revisions, each of them whole.
    pub(crate) fn changes(
        &self,
        range: &KeyRange,
        from: i64,
        max_revisions: usize,
        with_before: bool,
    ) -> Batch {
        /// Bounds the time under the lock when most changes are of other keys.
        const MAX_PASSED_OVER: usize = 100_000;

        if from < self.compacted {
            return Batch::Compacted { compacted: self.compacted };
        }
        let (mut changes, mut next) = (Vec::new(), self.revision + 1);
        let (mut revisions, mut last, mut passed_over) = (0, 0, 0);
        for now in self.log_from(from) {
            let begins_a_revision = now.mod_revision != last;
            if begins_a_revision && (revisions >= max_revisions || passed_over > MAX_PASSED_OVER) {
                next = now.mod_revision;
                break;
            }
            last = now.mod_revision;
            if !range.contains(&now.key) {
                passed_over += 1;
                continue;
            }
            let seen = changes.last().map(|change: &Change| change.now.mod_revision);
            if seen != Some(now.mod_revision) {
                revisions += 1;
            }
            let before = if with_before { self.before(now) } else { None };
            let now = now.clone();
            changes.push(Change { now, before });
        }
        Batch::Changes { changes, next, revision: self.revision }
    }

    fn before(&self, change: &KeyVersion) -> Option<Arc<KeyVersion>> {
        let at = change.mod_revision - 1;
        if at < self.compacted {
            return None;
        }
        self.keys.get(&change.key)?.at(at).cloned()
    }

    fn log_from(&self, revision: i64) -> impl Iterator<Item = &Arc<KeyVersion>> {
        let first = self.log.partition_point(|v| v.mod_revision < revision);
        self.log.range(first..)
    }

    /// Forgets what happened before `revision`: its own changes can still be watched.
    pub(crate) fn compact(&mut self, revision: i64) -> Result<(), Error> {
        if revision <= self.compacted {
            return Err(Error::Compacted);
        }
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        self.compacted = revision;
        let kept = self.log.partition_point(|v| v.mod_revision < revision);
        let concerned = self.log.partition_point(|v| v.mod_revision <= revision);
        if concerned < self.keys.len() {
            for change in self.log.range(..concerned) {
                if let Some(history) = self.keys.get_mut(&change.key)
                    && !history.trim(revision)
                {
                    self.keys.remove(&change.key);
                }
            }
        } else {
            self.keys.retain(|_, history| history.trim(revision));
        }
        self.log.drain(..kept);
        Ok(())
    }
}
