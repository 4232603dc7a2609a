//! One history of a cluster: what each revision changed, and led to.

use std::cell::OnceCell;
use std::rc::Rc;

use etcd_sd::core::event::{Change, Revision};

use crate::model::history::Write;
use crate::model::keys::{self, Cell, KEYS, Key, State};

/// One revision.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) state: State,
    /// A bit for each key that it changed.
    changed: u16,
    document: OnceCell<String>,
}

impl Record {
    /// What the file should hold as of this revision.
    pub(crate) fn document(&self) -> &str {
        self.document.get_or_init(|| keys::render(&self.state))
    }

    fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        let changed = self.changed;
        (0..KEYS).filter(move |key| changed >> key & 1 == 1)
    }
}

/// The model forgets nothing: what is compacted is only not told any more.
#[derive(Debug)]
pub(crate) struct Lineage {
    pub(crate) cluster_id: u64,
    /// Revision 1 comes first. Lineages share what they have in common.
    log: Vec<Rc<Record>>,
    /// Revisions below this one are gone.
    pub(super) compacted: i64,
}

impl Lineage {
    /// That of a new cluster.
    pub(super) fn new(cluster_id: u64) -> Self {
        Self { cluster_id, log: vec![Rc::default()], compacted: 0 }
    }

    /// That of a cluster restored from a backup of this one, of that revision.
    pub(super) fn fork(&self, revision: i64) -> Self {
        Self {
            cluster_id: self.cluster_id,
            log: self.log[..usize::try_from(revision).unwrap()].to_vec(),
            compacted: self.compacted.min(revision),
        }
    }

    /// The newest revision.
    pub(crate) fn revision(&self) -> i64 {
        i64::try_from(self.log.len()).unwrap()
    }

    /// `None` if it was never there.
    pub(crate) fn record(&self, revision: i64) -> Option<&Rc<Record>> {
        usize::try_from(revision - 1).ok().and_then(|index| self.log.get(index))
    }

    /// What all keys hold today.
    pub(crate) fn newest(&self) -> &Record {
        self.log.last().unwrap()
    }

    /// Whether the other one is the same up to that revision.
    pub(super) fn shares(&self, other: &Self, revision: i64) -> bool {
        let records = self.record(revision).zip(other.record(revision));
        records.is_some_and(|(one, other)| Rc::ptr_eq(one, other))
    }

    /// What these revisions changed, in order.
    pub(crate) fn changes(
        &self,
        revisions: impl Iterator<Item = i64>,
    ) -> impl Iterator<Item = Change> {
        let records = revisions.filter_map(|revision| Some((revision, self.record(revision)?)));
        records.flat_map(|(revision, record)| {
            record.keys().map(move |key| match record.state[key] {
                Some(cell) => Change::Put(cell.key_value(key)),
                None => Change::Delete {
                    key: keys::name(key),
                    mod_revision: Revision(revision),
                    lease: 0,
                },
            })
        })
    }

    /// Makes all writes in one revision, of each key the last one; none if nothing changes.
    pub(super) fn transact(&mut self, writes: &[Write]) {
        let mut next = self.next();
        let (before, revision) = (next.state, self.revision() + 1);
        for write in writes {
            next.state[write.key] = write.value.map(|value| Cell {
                value,
                lease: write.lease,
                create_revision: before[write.key].map_or(revision, |cell| cell.create_revision),
                mod_revision: revision,
                version: before[write.key].map_or(0, |cell| cell.version) + 1,
            });
            let is_there = next.state[write.key].is_some() || before[write.key].is_some();
            next.changed |= u16::from(is_there) << write.key;
        }
        if next.changed != 0 {
            self.log.push(Rc::new(next));
        }
    }

    /// A lease ends: all of its keys go in one revision.
    pub(super) fn expire(&mut self, lease: u8) {
        let held = self.newest().state;
        let keys = (0..KEYS).filter(|&key| held[key].is_some_and(|cell| cell.lease == lease));
        let deletions: Vec<_> = keys.map(|key| Write { key, value: None, lease: 0 }).collect();
        self.transact(&deletions);
    }

    /// A revision that has nothing to do with the prefix.
    pub(super) fn elsewhere(&mut self) {
        let next = self.next();
        self.log.push(Rc::new(next));
    }

    fn next(&self) -> Record {
        let state = self.newest().state;
        Record { state, changed: 0, document: OnceCell::new() }
    }
}
