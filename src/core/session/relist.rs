//! Why a list is needed: one vocabulary for the session, the log and the tests.

use std::time::Duration;

use thiserror::Error;

use crate::core::event::Revision;

/// Why a list is needed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RelistReason {
    /// Nothing is known yet.
    #[error("first list")]
    First,
    /// The changes since the position are gone.
    #[error("the changes since revision {position} are compacted (up to {compacted})")]
    Compacted {
        /// Where the watch should have resumed after.
        position: Revision,
        /// The oldest revision that still is there.
        compacted: Revision,
    },
    /// The member knows less than the registry does: restored from a backup, or it lags.
    #[error("the member is at revision {member}, behind {position}, which was seen before")]
    Rewound {
        /// The registry's position.
        position: Revision,
        /// The member's revision.
        member: Revision,
    },
    /// Raft terms only grow: restored from a backup, or the member is cut off from the others.
    #[error("the member's raft term is {found}, {seen} was seen before")]
    OlderTerm {
        /// The highest term that the registry was read in.
        seen: u64,
        /// The member's term.
        found: u64,
    },
    /// Another cluster answers at the endpoint.
    #[error("the cluster id is {found:x}, it was {expected:x}")]
    ForeignCluster {
        /// The cluster that the registry was read from.
        expected: u64,
        /// The cluster that answered.
        found: u64,
    },
    /// The watch has been resumed once already, and says nothing again. A list tells what the
    /// watch does not, and puts an end to a history that is long and holds nothing for us.
    #[error("the watch is silent again")]
    Silent,
    /// At a revision that was seen stands another write: the cluster was restored from a backup,
    /// and has overtaken it.
    #[error("revision {0} is not the one that was seen before: the cluster was restored")]
    OtherHistory(Revision),
    /// An audit found that the registry is not what etcd holds.
    #[error("the audit found {0} differences")]
    Diverged(usize),
    /// There were more keys than the daemon is to hold.
    #[error("there were more than {0} keys below the prefix")]
    TooMany(usize),
    /// The watch would be told of what happened since, but a list is quicker.
    #[error(
        "{ahead} revisions behind etcd: the watch may take {:.1} s to catch up, a list of \
         {keys} keys about {:.1} s",
        .watch.as_secs_f64(),
        .list.as_secs_f64()
    )]
    Behind {
        /// How many revisions the member is ahead.
        ahead: u64,
        /// What the watch may take, by what is known of it.
        watch: Duration,
        /// How many keys the registry holds.
        keys: usize,
        /// What a list takes.
        list: Duration,
    },
    /// Another daemon wrote the target file until now, and what it knew last has not come by the
    /// watch.
    #[error("taking over from another etcd-sd, which may have known more")]
    TookOver,
    /// Somebody asked for it.
    #[error("asked for")]
    Requested,
}

impl RelistReason {
    /// What it is called where it is counted.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Compacted { .. } => "compacted",
            Self::Rewound { .. } => "rewound",
            Self::OlderTerm { .. } => "older_term",
            Self::ForeignCluster { .. } => "foreign_cluster",
            Self::Silent => "silent",
            Self::OtherHistory(_) => "other_history",
            Self::Diverged(_) => "diverged",
            Self::TooMany(_) => "too_many",
            Self::Behind { .. } => "behind",
            Self::TookOver => "took_over",
            Self::Requested => "requested",
        }
    }

    /// Whether what was known is of another history of revisions, which no list need show.
    #[must_use]
    pub fn begins_epoch(&self) -> bool {
        matches!(self, Self::Diverged(_) | Self::OtherHistory(_))
    }

    /// Whether the member itself is not to blame, and can be asked for the list right away.
    #[must_use]
    pub fn is_of_history(&self) -> bool {
        matches!(self, Self::Compacted { .. } | Self::Rewound { .. } | Self::OlderTerm { .. })
    }

    /// Whether it is nothing to worry about.
    #[must_use]
    pub fn is_ordinary(&self) -> bool {
        matches!(self, Self::First | Self::TookOver | Self::Requested | Self::Behind { .. })
    }

    /// Whether the watch would come to the same: what the list lacks was deleted, in the history
    /// that is known.
    #[must_use]
    pub fn is_shortcut(&self) -> bool {
        matches!(self, Self::Behind { .. })
    }
}
