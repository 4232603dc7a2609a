//! The watch session: where does the registry stand, and what is to be done next?
//!
//! The session knows the [`Position`] up to which all is known. After any end of a watch it
//! says whether the next one can resume there or a new list is needed. It lets changes
//! through by whole revisions only: the parts of a fragmented response are held until the
//! last one is there, and the position advances past nothing else.

use thiserror::Error;

use super::event::{Change, Revision};

/// How far the registry is complete, and in which cluster's reckoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Names the cluster; a restore may keep it.
    pub cluster_id: u64,
    /// The newest revision that the registry holds as a whole.
    pub revision: Revision,
}

/// The header of a response: who answered, and how far that member was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// 0 if the response had no header.
    pub cluster_id: u64,
    /// Names the member that answered; 0 if the response had no header.
    pub member_id: u64,
    /// The member's newest revision; 0 where etcd leaves it out.
    pub revision: Revision,
    /// Grows with each election of a leader, within one history of a cluster.
    pub raft_term: u64,
}

/// One response of a watch stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchMessage {
    /// Who answered.
    pub header: Header,
    /// Which watch of the stream it belongs to; -1 for an answer to a progress request, which some
    /// servers send ahead of events that belong before it (etcd issue 15220).
    pub watch_id: i64,
    /// The first response of a watch.
    pub created: bool,
    /// The last response of a watch: no event follows.
    pub canceled: bool,
    /// If not 0, the watch wanted a revision that is compacted; this one still is there.
    pub compact_revision: Revision,
    /// The server's words on a cancelation.
    pub cancel_reason: String,
    /// More parts of the same revision follow.
    pub fragment: bool,
    /// In etcd's order.
    pub changes: Vec<Change>,
}

/// The watch id of an answer to a progress request.
const REQUESTED_PROGRESS: i64 = -1;

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
    /// Somebody asked for it.
    #[error("asked for")]
    Requested,
}

impl RelistReason {
    /// Whether the member itself is not to blame, and can be asked for the list right away.
    #[must_use]
    pub fn is_of_history(&self) -> bool {
        matches!(self, Self::Compacted { .. } | Self::Rewound { .. })
    }
}

/// Why a watch ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WatchEnd {
    /// It can't be resumed.
    #[error("{0}")]
    Relist(RelistReason),
    /// It gave no sign of life.
    #[error("the watch is open and silent")]
    Silent,
    /// The server gave it up.
    #[error("the server canceled the watch: {0}")]
    Canceled(String),
}

/// What to do on a new connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// List the prefix and tell [`Session::listed`] when it is complete.
    List(RelistReason),
    /// Watch from this revision on, inclusive.
    Watch(Revision),
}

/// What a response of the watch means.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to pass on: the watch is alive.
    Alive,
    /// The answer to a ping.
    Pong {
        /// The store is ahead of the position.
        ahead: bool,
    },
    /// Anything else of another watch: no sign of this one.
    Unrelated,
    /// The watch stands; what follows is complete from its start on.
    Created,
    /// Whole revisions, up to and including this one.
    Apply(Vec<Change>, Revision),
    /// The watch is over.
    End(WatchEnd),
}

/// The state of one daemon's view on one prefix.
#[derive(Debug, Default)]
pub struct Session {
    position: Option<Position>,
    relist: Option<RelistReason>,
    watch: Option<Watch>,
    /// Where the registry stood when a watch was last given up for its silence.
    silent_at: Option<Position>,
}

#[derive(Debug, Default)]
struct Watch {
    id: Option<i64>,
    fragments: Vec<Change>,
}

impl Watch {
    /// How many of the fragments' changes are of revisions that are there as a whole: those
    /// before the newest, since etcd sends revisions in their order.
    fn whole(&self) -> usize {
        let newest = self.fragments.last().map(Change::revision);
        self.fragments.partition_point(|change| Some(change.revision()) < newest)
    }

    /// Whether a response is that of another watch on the same stream.
    fn is_other(&self, watch_id: i64) -> bool {
        self.id.is_some_and(|id| id != watch_id)
    }
}

impl Session {
    /// A session that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The position, once there was a complete list.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What to do now that there is a connection. Whatever a watch before had left in parts
    /// is forgotten: it will be sent again.
    pub fn connected(&mut self) -> Next {
        self.watch = None;
        match (&self.relist, self.position) {
            (Some(reason), _) => Next::List(reason.clone()),
            (None, None) => Next::List(RelistReason::First),
            (None, Some(position)) => {
                self.watch = Some(Watch::default());
                Next::Watch(position.revision.next())
            }
        }
    }

    /// Has the next connection list anew.
    pub fn request_list(&mut self) {
        self.relist.get_or_insert(RelistReason::Requested);
    }

    /// A list at this revision is complete, and the registry is about to take it. Returns what is
    /// odd about it compared with what was known before.
    pub fn listed(&mut self, header: Header) -> Option<RelistReason> {
        let Header { cluster_id, revision, .. } = header;
        self.relist = None;
        let before = self.position.replace(Position { cluster_id, revision })?;
        if before.cluster_id != cluster_id {
            let expected = before.cluster_id;
            return Some(RelistReason::ForeignCluster { expected, found: cluster_id });
        }
        let position = before.revision;
        (revision < position).then_some(RelistReason::Rewound { position, member: revision })
    }

    /// The watch gave no sign of life, not even when asked for one. Says how it ends.
    pub fn silent(&mut self) -> WatchEnd {
        if std::mem::replace(&mut self.silent_at, self.position) == self.position {
            self.relist = Some(RelistReason::Silent);
            return WatchEnd::Relist(RelistReason::Silent);
        }
        WatchEnd::Silent
    }

    /// Judges a response of the watch that [`Session::connected`] asked for.
    pub fn judge(&mut self, message: WatchMessage) -> Verdict {
        let (Some(position), Some(watch)) = (self.position, &mut self.watch) else {
            return Verdict::Alive;
        };
        if let Some(reason) = why_relist(position, watch, &message) {
            self.relist = Some(reason.clone());
            return Verdict::End(WatchEnd::Relist(reason));
        }
        if watch.is_other(message.watch_id) {
            let ahead = message.header.revision > position.revision;
            return match message {
                WatchMessage { watch_id: REQUESTED_PROGRESS, created: false, .. } => Verdict::Alive,
                WatchMessage { created: true, .. } => Verdict::Pong { ahead },
                _ => Verdict::Unrelated,
            };
        }
        if message.canceled {
            return Verdict::End(WatchEnd::Canceled(message.cancel_reason));
        }
        if message.created {
            watch.id = Some(message.watch_id);
            return Verdict::Created;
        }
        if watch.id.is_none() {
            // Nothing of a watch comes before its first response.
            return Verdict::Alive;
        }
        if message.changes.is_empty() {
            // Progress, in the order of this watch: unless it stands in the middle of a
            // revision, no event up to here is still to come.
            if watch.fragments.is_empty() {
                let revision = position.revision.max(message.header.revision);
                self.position = Some(Position { revision, ..position });
            }
            return Verdict::Alive;
        }
        // A server may repeat events from before the start (etcd issue 19487).
        let news = message.changes.into_iter().filter(|c| c.revision() > position.revision);
        watch.fragments.extend(news);
        let whole = if message.fragment { watch.whole() } else { watch.fragments.len() };
        let rest = watch.fragments.split_off(whole);
        let changes = std::mem::replace(&mut watch.fragments, rest);
        let Some(revision) = changes.iter().map(Change::revision).max() else {
            return Verdict::Alive;
        };
        self.position = Some(Position { revision, ..position });
        Verdict::Apply(changes, revision)
    }
}

fn why_relist(position: Position, watch: &Watch, message: &WatchMessage) -> Option<RelistReason> {
    let Header { cluster_id, revision, .. } = message.header;
    if cluster_id != 0 && cluster_id != position.cluster_id {
        let expected = position.cluster_id;
        return Some(RelistReason::ForeignCluster { expected, found: cluster_id });
    }
    if watch.is_other(message.watch_id) {
        return None;
    }
    let position = position.revision;
    if message.compact_revision > Revision(0) {
        // Its header comes without a revision, which says nothing about the cluster's.
        return Some(RelistReason::Compacted { position, compacted: message.compact_revision });
    }
    if message.created && !message.canceled && revision < position {
        return Some(RelistReason::Rewound { position, member: revision });
    }
    None
}

#[cfg(test)]
mod tests;
