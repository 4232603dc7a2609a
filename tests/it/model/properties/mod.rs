//! What must hold at every step, named after etcd's own guarantees for watches.
//!
//! - **ordered**: within an epoch no document is of an older revision than one before.
//! - **unique**: no change is let through twice.
//! - **atomic**: a document is that of exactly its revision, of whole revisions only, and
//!   none is there before the first complete list.
//! - **reliable**: what is let through is all that etcd told, and at once when it is there as
//!   a whole, so that no more than one revision is ever held back.
//! - **resumable**: a watch starts right after the position, in the same history; a list is
//!   made only for a reason.
//! - **bookmarkable**: the position never is beyond what was received.
//! - **epochs**: a list that can't be compared with what was held is said to be one, no other.
//! - **audits** find what the server did not tell, and suspect nothing else.
//!
//! One exception is known. A cluster that was restored from a backup may have overtaken the
//! position before the daemon came back; if its id is the same and its raft term not lower,
//! there is no trace of that. Then documents are of two histories, until the audit that ends
//! every outage has found it out. It is the same with events that the server lost: from the
//! next audit on, begun when the registry had passed them, all is right again.

mod document;
mod watch;

use etcd_sd::core::event::Revision;
use etcd_sd::core::render::Document;
use etcd_sd::core::session::{Header, Position, RelistReason};

use super::etcd::Etcd;
use super::tally::Tally;
use super::violation::{Violation, holds};

/// What is known of the daemon without asking it.
#[derive(Default)]
pub(super) struct Properties {
    trust: Trust,
    /// The newest document, and the newest revision of one in this epoch.
    document: Option<Document>,
    newest: Revision,
    /// The highest raft term that the daemon was told since its list.
    term: u64,
    /// Where the watch was given up for its silence the last time.
    silenced_at: Option<Position>,
    /// A list is due.
    pub(super) list_is_due: bool,
    /// A list would do as well as the watch.
    pub(super) list_is_quicker: bool,
    /// Keys that are not ours may be counted wrongly until the next list: a change of one came
    /// twice, or not at all, and audits don't look at them.
    miscounts: bool,
    /// How often the registry ceased to be exact.
    pub(super) taints: u64,
    pub(super) tally: Tally,
}

/// How far the documents must be right.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Trust {
    /// There was no list.
    #[default]
    Unlisted,
    /// From that revision on they are those of the lineage.
    Exact { lineage: usize, from: i64 },
    /// Of two lineages, the latter of which is this one, or without what the server lost, the
    /// newest at that revision.
    Tainted { lineage: usize, newest: i64 },
}

impl Properties {
    pub(super) fn trust(&self) -> Trust {
        self.trust
    }

    /// A list is asked for.
    pub(super) fn lists(&mut self, position: Option<Position>) -> Result<(), Violation> {
        let is_quicker = std::mem::take(&mut self.list_is_quicker);
        let has_reason = position.is_none() || self.list_is_due || is_quicker;
        holds!("resumable", has_reason, "a list without a reason at {position:?}");
        Ok(())
    }

    /// A list of today's lineage is complete.
    pub(super) fn listed(
        &mut self,
        etcd: &Etcd,
        position: Option<Position>,
        reason: &RelistReason,
        header: Header,
        new_epoch: bool,
    ) -> Result<(), Violation> {
        if let Some(position) = position {
            let begins = header.cluster_id != position.cluster_id
                || header.revision < position.revision
                || header.raft_term < self.term
                || matches!(reason, RelistReason::Diverged(_));
            holds!("epochs", begins == new_epoch, "{position:?}, {header:?}: said {new_epoch}");
        }
        if new_epoch {
            self.tally.count("new epochs");
            self.newest = Revision(0);
        }
        self.term = header.raft_term;
        (self.list_is_due, self.miscounts) = (false, false);
        self.trust = Trust::Exact { lineage: etcd.today(), from: 0 };
        Ok(())
    }

    /// The server has lost events up to that revision.
    pub(super) fn lost(&mut self, newest: i64) {
        self.taint(newest);
    }

    /// An audit of that lineage, as of that revision, is over. `excused` says whether it did not
    /// wait for what was on its way, `covers` whether it began when the registry had passed
    /// whatever taints it.
    pub(super) fn audited(
        &mut self,
        lineage: usize,
        revision: Revision,
        differences: usize,
        excused: bool,
        covers: bool,
    ) -> Result<(), Violation> {
        match self.trust {
            Trust::Exact { lineage: followed, .. } if followed == lineage && !excused => {
                holds!("audits", differences == 0, "{differences} differences at {revision}");
            }
            Trust::Tainted { lineage: followed, .. }
                if followed == lineage && differences == 0 && covers =>
            {
                self.trust = Trust::Exact { lineage, from: revision.0 };
                self.miscounts = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// The id of the cluster that is followed.
    fn cluster(&self, etcd: &Etcd) -> Option<u64> {
        match self.trust {
            Trust::Unlisted => None,
            Trust::Exact { lineage, .. } | Trust::Tainted { lineage, .. } => {
                Some(etcd.lineage(lineage).cluster_id)
            }
        }
    }

    fn taint(&mut self, newest: i64) {
        self.taints += 1;
        self.trust = match self.trust {
            Trust::Unlisted => Trust::Unlisted,
            Trust::Exact { lineage, .. } => Trust::Tainted { lineage, newest },
            Trust::Tainted { lineage, newest: before } => {
                Trust::Tainted { lineage, newest: newest.max(before) }
            }
        };
    }
}
