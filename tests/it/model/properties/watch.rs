//! What must hold of a watch.

use etcd_sd::core::event::{Change, Revision};
use etcd_sd::core::session::{Header, Position, RelistReason};

use super::{Properties, Trust};
use crate::model::etcd::{Etcd, Stream};
use crate::model::keys::show;
use crate::model::violation::{Violation, holds};

impl Properties {
    /// A watch is asked for.
    pub(in crate::model) fn watches(
        &self,
        position: Position,
        from: Revision,
    ) -> Result<(), Violation> {
        holds!("resumable", !self.list_is_due, "a list is due, but a watch begins");
        let next = position.revision.0 + 1;
        holds!("resumable", from.0 == next, "the watch starts at {from} instead of {next}");
        Ok(())
    }

    /// A watch stands.
    pub(in crate::model) fn created(
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
        let known = self.cluster(etcd);
        let is_known = Some(header.cluster_id) == known;
        holds!("resumable", is_known, "cluster {known:?} was followed, now {header:?}");
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

    /// The session wants a list because of that response.
    pub(in crate::model) fn relists(
        &mut self,
        etcd: &Etcd,
        position: Position,
        response: (Header, Revision),
        reason: &RelistReason,
    ) -> Result<(), Violation> {
        let (header, compacted) = response;
        let is_so = match reason {
            RelistReason::Compacted { .. } => compacted > Revision(0),
            RelistReason::Rewound { .. } => header.revision < position.revision,
            RelistReason::OlderTerm { .. } => header.raft_term < self.term,
            RelistReason::ForeignCluster { .. } => Some(header.cluster_id) != self.cluster(etcd),
            _ => false,
        };
        holds!("resumable", is_so, "{reason:?} because of {response:?} at {position:?}");
        self.list_is_due = true;
        Ok(())
    }

    /// The watch was given up for its silence.
    pub(in crate::model) fn silenced(
        &mut self,
        position: Option<Position>,
        relists: bool,
    ) -> Result<(), Violation> {
        let is_again = std::mem::replace(&mut self.silenced_at, position) == position;
        holds!("resumable", is_again == relists, "{position:?}: silent again, {relists}: a list");
        self.list_is_due |= relists;
        Ok(())
    }

    /// Changes are let through.
    pub(in crate::model) fn let_through(
        &mut self,
        etcd: &Etcd,
        stream: &Stream,
        before: Revision,
        changes: &[Change],
        revision: Revision,
    ) -> Result<(), Violation> {
        let all = || changes.iter().map(show).collect::<Vec<_>>();
        let is_new = changes.iter().all(|change| change.revision() > before);
        holds!("unique", is_new, "{:?} after {before}", all());
        if stream.has_lost {
            // Fragments whose end is lost come together with what follows.
            return Ok(());
        }
        let is_ordered = changes.is_sorted_by_key(Change::revision);
        holds!("ordered", is_ordered, "{:?}", all());
        let last = changes.last().map(Change::revision);
        holds!("ordered", last == Some(revision), "{:?} up to {revision}", all());
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
            let is_told = told.as_ref() == Some(change);
            let told = || told.as_ref().map(show);
            holds!("reliable", is_told, "{} instead of {:?}", show(change), told());
        }
        if let Some(left) = expected.next() {
            holds!("atomic", false, "up to {revision}, but without {}", show(&left));
        }
        Ok(())
    }

    /// A response was judged; with it, all is there up to `due`.
    pub(in crate::model) fn judged(
        &mut self,
        stream: &Stream,
        before: Position,
        after: Position,
        due: i64,
    ) -> Result<(), Violation> {
        let (Revision(before), Revision(after)) = (before.revision, after.revision);
        holds!("ordered", before <= after, "the position went from {before} back to {after}");
        let delivered = stream.delivered;
        let is_told = after <= delivered || stream.has_lost;
        holds!("bookmarkable", is_told, "at {after}, received up to {delivered}");
        if matches!(self.trust, Trust::Exact { .. }) && !stream.has_lost {
            holds!("reliable", after >= due, "at {after}, though {due} is there as a whole");
        }
        Ok(())
    }
}
