//! Deliberate bugs, to show that the properties would find them.
//!
//! Each distorts what goes into the session or the registry, or what comes out of it, so that
//! the whole behaves as if the bug were in there.

use etcd_sd::core::event::{Change, Event, Revision};
use etcd_sd::core::session::{Position, WATCH_ID, WatchMessage};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Bug {
    /// The position advances on the first fragment of a revision.
    FirstFragment,
    /// A watch that wants what is compacted goes on.
    CompactionIgnored,
    /// A cluster that went back in revision is followed.
    RewindFollowed,
    /// Progress is trusted before the events that belong before it.
    ProgressTrusted,
    /// A list adds what is new and deletes nothing.
    ListAddsOnly,
    /// Another cluster is followed.
    ForeignFollowed,
    /// A raft term that went back is followed.
    TermIgnored,
    /// A list never says that it begins a new epoch.
    EpochUnsaid,
    /// A watch resumes one revision too late.
    StartTooLate,
    /// A watch resumes at the last revision that is known.
    StartTooEarly,
    /// Audits find nothing.
    AuditBlind,
}

impl Bug {
    pub(in crate::model) const ALL: [Self; 11] = [
        Self::FirstFragment,
        Self::CompactionIgnored,
        Self::RewindFollowed,
        Self::ProgressTrusted,
        Self::ListAddsOnly,
        Self::ForeignFollowed,
        Self::TermIgnored,
        Self::EpochUnsaid,
        Self::StartTooLate,
        Self::StartTooEarly,
        Self::AuditBlind,
    ];

    /// Where the watch starts.
    pub(super) fn start(self, from: Revision) -> Revision {
        match self {
            Self::StartTooLate => from.next(),
            Self::StartTooEarly => from.previous(),
            _ => from,
        }
    }

    /// What the session sees of a response.
    pub(super) fn distort(self, message: &mut WatchMessage, position: Position) {
        let header = &mut message.header;
        match self {
            Self::FirstFragment => message.fragment = false,
            Self::CompactionIgnored if message.compact_revision > Revision(0) => {
                (message.canceled, message.compact_revision) = (false, Revision(0));
            }
            Self::RewindFollowed => header.revision = header.revision.max(position.revision),
            Self::ProgressTrusted if message.watch_id < 0 && !message.created => {
                message.watch_id = WATCH_ID;
            }
            Self::ForeignFollowed => header.cluster_id = position.cluster_id,
            Self::TermIgnored => header.raft_term = 0,
            _ => {}
        }
    }

    /// What the registry is told instead, if anything.
    pub(super) fn retell(self, event: Event, is_relist: bool) -> Option<Event> {
        if self != Self::ListAddsOnly || !is_relist {
            return Some(event);
        }
        match event {
            Event::ListStarted | Event::Recovered(_) => None,
            Event::Page(page) => {
                let changes = page.into_iter().map(Change::Put).collect();
                Some(Event::Changes { changes, revision: Revision(0), complete: false })
            }
            Event::ListEnded { revision, .. } | Event::CaughtUp(revision) => {
                Some(Event::Changes { changes: Vec::new(), revision, complete: true })
            }
            event => Some(event),
        }
    }
}
