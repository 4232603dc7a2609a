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

use etcd_sd::core::event::{Change, Revision};
use etcd_sd::core::registry::Registry;
use etcd_sd::core::render::Document;
use etcd_sd::core::session::{Header, Position, RelistReason};

use super::etcd::{Etcd, Stream};
use super::keys;
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
    /// A list is due.
    pub(super) list_is_due: bool,
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
        let has_reason = position.is_none() || self.list_is_due;
        holds!("resumable", has_reason, "a list without a reason at {position:?}");
        Ok(())
    }

    /// A watch is asked for.
    pub(super) fn watches(&self, position: Position, from: Revision) -> Result<(), Violation> {
        holds!("resumable", !self.list_is_due, "a list is due, but a watch begins");
        let next = position.revision.0 + 1;
        holds!("resumable", from.0 == next, "the watch starts at {from} instead of {next}");
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

    /// A watch stands.
    pub(super) fn created(
        &mut self,
        etcd: &Etcd,
        stream: &Stream,
        position: Position,
        header: Header,
    ) -> Result<(), Violation> {
        let Revision(reached) = position.revision;
        let (lineage, mut taint) = match self.trust {
            Trust::Unlisted => (stream.lineage, None),
            Trust::Exact { lineage, from } => (lineage, (from > reached).then_some(reached)),
            Trust::Tainted { lineage, newest } => (lineage, Some(newest)),
        };
        let known = etcd.lineage(lineage).cluster_id;
        let is_known = header.cluster_id == known;
        holds!("resumable", is_known, "cluster {known} was followed, now {header:?}");
        let is_ahead = header.revision >= position.revision;
        holds!("resumable", is_ahead, "a rewind is followed: {header:?} at {position:?}");
        let is_later = header.raft_term >= self.term;
        holds!("resumable", is_later, "a rewind is followed: {header:?} after term {}", self.term);
        self.term = header.raft_term;
        if lineage == stream.lineage {
            return Ok(());
        }
        if !etcd.shares(lineage, stream.lineage, reached) {
            self.tally.count("restores that left no trace");
            taint = Some(taint.unwrap_or_default().max(reached));
        }
        self.trust = Trust::Exact { lineage: stream.lineage, from: 0 };
        if let Some(newest) = taint {
            self.taint(newest);
        }
        Ok(())
    }

    /// The server has lost events up to that revision.
    pub(super) fn lost(&mut self, newest: i64) {
        self.taint(newest);
    }

    /// Changes are let through.
    pub(super) fn let_through(
        &mut self,
        etcd: &Etcd,
        stream: &Stream,
        before: Revision,
        changes: &[Change],
        revision: Revision,
    ) -> Result<(), Violation> {
        let is_new = changes.iter().all(|change| change.revision() > before);
        holds!("unique", is_new, "{changes:?} after {before}");
        let is_ordered = changes.is_sorted_by_key(Change::revision);
        holds!("ordered", is_ordered, "{changes:?}");
        let last = changes.last().map(Change::revision);
        holds!("ordered", last == Some(revision), "{changes:?} up to {revision}");
        if !matches!(self.trust, Trust::Exact { .. }) {
            return Ok(());
        }
        let mut expected = etcd.lineage(stream.lineage).changes(before.0 + 1..=revision.0);
        for (place, change) in changes.iter().enumerate() {
            if stream.doubled && changes[..place].contains(change) {
                self.miscounts = true;
                continue;
            }
            let told = expected.next();
            holds!("reliable", told.as_ref() == Some(change), "{change:?} instead of {told:?}");
        }
        let left = expected.next();
        holds!("atomic", left.is_none(), "up to {revision}, but without {left:?}");
        Ok(())
    }

    /// A response was judged; `due` is the newest revision that is there as a whole with it.
    pub(super) fn judged(
        &mut self,
        stream: &Stream,
        before: Position,
        after: Position,
        due: i64,
    ) -> Result<(), Violation> {
        let (Revision(before), Revision(after)) = (before.revision, after.revision);
        holds!("ordered", before <= after, "the position went from {before} back to {after}");
        let delivered = stream.delivered;
        holds!("bookmarkable", after <= delivered, "at {after}, received up to {delivered}");
        if let Trust::Exact { .. } = self.trust {
            holds!("reliable", after >= due, "at {after}, though {due} is there as a whole");
        }
        Ok(())
    }

    /// The registry has taken something.
    pub(super) fn rendered(
        &mut self,
        etcd: &Etcd,
        registry: &mut Registry,
        changed: bool,
    ) -> Result<(), Violation> {
        let Some(document) = registry.render() else {
            holds!("atomic", !changed, "a change is said, but there is no document");
            return Ok(());
        };
        let revision = document.revision();
        let newest = self.newest;
        holds!("ordered", revision >= newest, "{revision} after {newest}");
        self.newest = revision;
        match self.trust {
            Trust::Unlisted => holds!("atomic", false, "a document before a complete list"),
            Trust::Exact { lineage, from } if revision.0 >= from => {
                let record = etcd.lineage(lineage).record(revision.0);
                let expected = record.map_or("no such revision", |record| record.document());
                let is_right = is_document(&document, expected);
                let text = || String::from_utf8_lossy(&document.to_vec()).into_owned();
                holds!("atomic", is_right, "at {revision}\n{}instead of\n{expected}", text());
                let counts = registry.counts().map(|(_, counts)| counts);
                let expected = record.map(|record| keys::counts(&record.state));
                let is_right = counts == expected || self.miscounts;
                holds!("unique", is_right, "{counts:?} instead of {expected:?}");
            }
            _ => self.tally.count("documents on trust"),
        }
        let is_same = self.document.as_ref().is_some_and(|before| before.same_bytes(&document));
        holds!("reliable", changed || is_same, "the document changed, and nobody was told");
        self.document = Some(document);
        Ok(())
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

    /// All is quiet and was told: the file is what etcd holds.
    pub(super) fn is_complete(&self, etcd: &Etcd, why: &str) -> Result<(), Violation> {
        let expected = etcd.newest().newest().document();
        let document = self.document.as_ref();
        let is_right = document.is_some_and(|document| is_document(document, expected));
        let text = || document.map(|found| String::from_utf8_lossy(&found.to_vec()).into_owned());
        holds!("reliable", is_right, "{why}\n{:?}\ninstead of\n{expected}", text());
        Ok(())
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

fn is_document(document: &Document, expected: &str) -> bool {
    let mut rest = expected.as_bytes();
    document.len() == expected.len()
        && document.chunks().all(|chunk| {
            let found = rest.strip_prefix(chunk);
            rest = found.unwrap_or_default();
            found.is_some()
        })
}
