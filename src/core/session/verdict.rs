//! What the session says: what is next on a connection, and what a response of the watch means.

use thiserror::Error;

use super::RelistReason;
use crate::core::event::{Change, Revision};
use crate::core::liveness::Sign;

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
    /// List the prefix and tell [`Session::listed`](super::Session::listed) when it is complete.
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
        /// The store is ahead of the position, and the watch may be asked for its progress.
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

impl Verdict {
    /// What the response says of the life of the watch, if anything.
    #[must_use]
    pub fn sign(&self) -> Option<Sign> {
        match self {
            Self::Alive | Self::Created | Self::Apply(..) => Some(Sign::Watch),
            Self::Pong { ahead } => Some(Sign::Pong { ahead: *ahead }),
            Self::Unrelated | Self::End(_) => None,
        }
    }
}
