//! How far the registry is, and what speaks against going on from there.

use super::{Header, RelistReason};
use crate::core::event::Revision;

/// How far the registry is complete, and in which cluster's reckoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Names the cluster; a restore may keep it.
    pub cluster_id: u64,
    /// The newest revision that the registry holds as a whole.
    pub revision: Revision,
    /// The highest raft term that it was read in; 0 if none was told.
    pub raft_term: u64,
}

impl Position {
    /// Why an answer with this header can't be of the history that led to this position, or is
    /// of a member that lags: the one of a linearizable read does not lag.
    #[must_use]
    pub fn contradiction(self, header: Header) -> Option<RelistReason> {
        self.foreign(header).or_else(|| self.older(header))
    }

    /// Whether another cluster speaks. A header without a cluster says nothing.
    #[must_use]
    pub fn foreign(self, header: Header) -> Option<RelistReason> {
        let (expected, found) = (self.cluster_id, header.cluster_id);
        let is_foreign = found != 0 && found != expected;
        is_foreign.then_some(RelistReason::ForeignCluster { expected, found })
    }

    /// Whether the member knows less than what was known before. It may only lag: then a list,
    /// which is linearizable, shows otherwise.
    pub(super) fn older(self, header: Header) -> Option<RelistReason> {
        if header.revision < self.revision {
            let (position, member) = (self.revision, header.revision);
            return Some(RelistReason::Rewound { position, member });
        }
        let (seen, found) = (self.raft_term, header.raft_term);
        (found != 0 && found < seen).then_some(RelistReason::OlderTerm { seen, found })
    }
}
