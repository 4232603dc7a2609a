//! One key's versions, as far back as the last compaction.

use std::sync::Arc;

use super::keys::{Key, Value};

/// One version of a key: what it became at `mod_revision`.
#[derive(Debug)]
pub(crate) struct KeyVersion {
    pub(crate) key: Key,
    pub(crate) value: Value,
    pub(crate) create_revision: i64,
    pub(crate) mod_revision: i64,
    /// Counts from 1 since the key was created; 0 says that it was deleted.
    pub(crate) version: i64,
    pub(crate) lease: i64,
}

impl KeyVersion {
    pub(crate) fn is_tombstone(&self) -> bool {
        self.version == 0
    }
}

/// All that was known of one key since the last compaction.
#[derive(Clone, Default)]
pub(super) struct History {
    /// The present version, if the key exists. Apart from `past`, so that
    /// counting keys need not look at versions.
    pub(super) live: Option<Arc<KeyVersion>>,
    /// Superseded versions and tombstones, oldest first.
    pub(super) past: Vec<Arc<KeyVersion>>,
}

impl History {
    pub(super) fn at(&self, revision: i64) -> Option<&Arc<KeyVersion>> {
        self.live.as_ref().filter(|live| live.mod_revision <= revision).or_else(|| {
            let past = self.past.iter().rev();
            past.into_iter()
                .find(|past| past.mod_revision <= revision)
                .filter(|past| !past.is_tombstone())
        })
    }

    /// Drops the versions that no read at `revision` or later can see. Says
    /// whether anything is left.
    pub(super) fn trim(&mut self, revision: i64) -> bool {
        let superseded = |v: &Arc<KeyVersion>| v.mod_revision <= revision;
        let older = self.past.partition_point(superseded);
        if older > 0 {
            // The newest of the older ones is what a read at `revision` sees.
            let newest_is_visible =
                !self.live.as_ref().is_some_and(superseded) && !self.past[older - 1].is_tombstone();
            self.past.drain(..older - usize::from(newest_is_visible));
            self.past.shrink_to_fit();
        }
        self.live.is_some() || !self.past.is_empty()
    }
}
