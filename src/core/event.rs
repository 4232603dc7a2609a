//! What the etcd watcher tells the registry, in etcd's own terms.

use std::fmt;

/// etcd's logical clock: one step for each transaction that changes the store.
///
/// Starts at 1 in a new cluster; 0 stands for "none yet". Revisions of different clusters,
/// or from before and after a restore, can't be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Revision(pub i64);

impl Revision {
    /// The revision right after this one: where a watch resumes.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The revision right before this one.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One key of etcd with its value, at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The whole key, prefix included; any bytes.
    pub key: Vec<u8>,
    /// Any bytes, by etcd's default at most 1.5 MiB.
    pub value: Vec<u8>,
    /// The revision that created the key, the last time it was created.
    pub create_revision: Revision,
    /// The revision that last changed the key.
    pub mod_revision: Revision,
    /// How often the key was put since it was created, beginning with 1.
    pub version: i64,
}

/// One change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The key was put; the lease it may have does not matter here.
    Put(KeyValue),
    /// The key was deleted, by request or because its lease ended.
    Delete {
        /// The whole key.
        key: Vec<u8>,
        /// The revision that deleted it.
        mod_revision: Revision,
        /// The lease that the key had until then; 0 if it had none, or if that was not asked for.
        lease: i64,
    },
}

impl Change {
    /// The revision that made this change.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            Self::Put(kv) => kv.mod_revision,
            Self::Delete { mod_revision, .. } => *mod_revision,
        }
    }
}

/// What the watcher saw, in the order in which the registry must take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A list begins. It is built beside the entries held so far; one that was begun
    /// before and never ended is dropped.
    ListStarted,
    /// A part of the list, ascending by key.
    Page(Vec<KeyValue>),
    /// Answers to the [`Lookup`]s that the pages of this list asked for.
    Recovered(Vec<Recovered>),
    /// The list is complete and replaces what was held.
    ListEnded {
        /// The list is as of this revision.
        revision: Revision,
        /// Whether it can't be compared with what was held: the cluster is another one, or
        /// was restored from a backup.
        new_epoch: bool,
    },
    /// The list is complete, and replaces what was held as the changes up to this revision would
    /// have done: of the same history, it was quicker than they.
    CaughtUp(Revision),
    /// The connection is gone: nobody knows whether what is held still is true.
    OutOfTouch,
    /// The watch stands again, right where it stopped. A list that is complete says as much.
    InTouch,
    /// Changes after the last list.
    Changes {
        /// In etcd's order.
        changes: Vec<Change>,
        /// The revision up to which all is known once `complete`.
        revision: Revision,
        /// Whether the last revision in `changes` is there as a whole. While it is not,
        /// the registry must not be rendered.
        complete: bool,
    },
}

/// A wish for the value that a key had before a bad one was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The key whose value is bad.
    pub key: Vec<u8>,
    /// The revision that put the bad value; the one before it is wanted.
    pub mod_revision: Revision,
}

/// The answer to a [`Lookup`]: what etcd's history still had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The wish that this answers.
    pub lookup: Lookup,
    /// The key's value right before the bad one.
    pub value: Vec<u8>,
}
