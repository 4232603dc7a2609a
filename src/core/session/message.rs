//! What the session sees of etcd's answers.

use crate::core::event::{Change, Revision};

/// The header of a response: who answered, and how far that member was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// 0 if the response had no header.
    pub cluster_id: u64,
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

/// The watch id that a ping asks for: none that servers come to by counting. etcd gives it what it
/// asks for. etcd's grpc-proxy numbers all watches by itself, and is not to be asked for progress:
/// there is no answer, each request is an error in its log, and up to 3.4.18 it ends in a panic.
pub const PING_WATCH_ID: i64 = 1 << 40;

/// The one that the watch itself asks for, so that its first response tells who gives it.
pub const WATCH_ID: i64 = PING_WATCH_ID + 1;

/// The watch id of an answer that opens no watch: a refusal.
const REFUSED: i64 = -1;

impl WatchMessage {
    /// Whether it answers a progress request.
    pub(super) fn is_requested_progress(&self) -> bool {
        self.watch_id == REQUESTED_PROGRESS && !self.created
    }

    /// Whether who has answered this ping may be asked for progress.
    pub(super) fn is_of_etcd(&self) -> bool {
        matches!(self.watch_id, PING_WATCH_ID | REFUSED)
    }
}

/// The watch id of an answer to a progress request.
pub(super) const REQUESTED_PROGRESS: i64 = -1;
