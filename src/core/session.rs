//! The watch session: where does the registry stand, and what is to be done next?
//!
//! The session knows the [`Position`] up to which all is known. After any end of a watch it
//! says whether the next one can resume there or a new list is needed. It lets changes
//! through by whole revisions only: the parts of a fragmented response are held until the
//! last one is there, and the position advances past nothing else.

mod catch_up;
mod confirm;
mod inquiry;
mod message;
mod position;
mod relist;
mod verdict;

use super::event::{Change, Revision};

pub use catch_up::{CatchUp, Step};
pub use confirm::{Confirm, Late};
pub use inquiry::Inquiry;
pub use message::{Header, PING_WATCH_ID, WATCH_ID, WatchMessage};
pub use position::Position;
pub use relist::RelistReason;
pub use verdict::{Next, Verdict, WatchEnd};

/// The state of one daemon's view on one prefix.
#[derive(Debug, Default)]
pub struct Session {
    position: Option<Position>,
    relist: Option<RelistReason>,
    watch: Option<Watch>,
    /// Whether the member's word on requested progress comes in its place among the events.
    ordered_progress: bool,
    /// Where the registry stood when a message was last beyond the limit.
    too_large_at: Option<Position>,
    /// Where the registry stood when a watch was last given up for its silence.
    silent_at: Option<Position>,
    /// What was let through last.
    step: Step,
}

#[derive(Debug, Default)]
struct Watch {
    id: Option<i64>,
    fragments: Vec<Change>,
    /// Up to here there may be events of before it stood that it has not told yet.
    backlog: Revision,
    /// Since it was last asked for its progress, no event came.
    is_quiet: bool,
}

impl Watch {
    /// How many of the fragments' changes are of revisions that are there as a whole: those
    /// before the newest, since etcd sends revisions in their order.
    fn whole(&self) -> usize {
        let newest = self.fragments.last().map(Change::revision);
        self.fragments.partition_point(|change| Some(change.revision()) < newest)
    }

    /// Whether who gives it may be asked for progress.
    fn is_of_etcd(&self) -> bool {
        self.id == Some(WATCH_ID)
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

    /// What to do now that there is a connection to a member of this version. Whatever a watch
    /// before had left in parts is forgotten: it will be sent again. A list that only is the
    /// quicker way is asked for once: if it breaks off, the watch may be the better one.
    pub fn connected(&mut self, version: &str) -> Next {
        self.ordered_progress = has_ordered_progress(version);
        self.watch = None;
        let shortcut = self.relist.take_if(|reason| reason.is_shortcut());
        match (shortcut.or_else(|| self.relist.clone()), self.position) {
            (Some(reason), _) => Next::List(reason),
            (None, None) => Next::List(RelistReason::First),
            (None, Some(position)) => {
                self.watch = Some(Watch::default());
                Next::Watch(position.revision.next())
            }
        }
    }

    /// How many revisions a member that is at this one is ahead of the registry.
    #[must_use]
    pub fn ahead(&self, member: Revision) -> u64 {
        self.position.map_or(0, |position| distance(position.revision, member))
    }

    /// Whether there may be events of before the watch stood that it has not told yet. Asked for
    /// its progress, it says so when there are none; where that word may overtake events, the
    /// second one counts between which none came. One that [can't be
    /// asked](Session::answers_progress) is not behind any more when it answers a ping in silence.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let told = self.position.map(|position| position.revision);
        let backlog = self.watch.as_ref().map(|watch| watch.backlog);
        told < backlog
    }

    /// The step that the last [`Verdict::Apply`] was.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// Whether the watch may be asked for its progress.
    #[must_use]
    pub fn answers_progress(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::is_of_etcd)
    }

    /// Whether it may be, and its answer is to resume from.
    #[must_use]
    pub fn trusts_progress(&self) -> bool {
        self.ordered_progress && self.answers_progress()
    }

    /// Whether to ask for a watch in fragments: only where a message was too large. etcd
    /// measures all of a fragment anew for each event in it, which takes it some 10 s for each
    /// 25,000 small events of one revision; in one message the same come at once.
    #[must_use]
    pub fn wants_fragments(&self) -> bool {
        self.too_large_at.is_some() && self.too_large_at == self.position
    }

    /// A message of the watch was beyond the limit. Returns whether to watch again from where
    /// it stands.
    pub fn too_large(&mut self) -> bool {
        let is_new = !self.wants_fragments();
        self.too_large_at = self.position;
        is_new
    }

    /// Has the next connection list anew, whatever else it might do.
    pub fn request_list(&mut self, reason: RelistReason) {
        let known = self.relist.as_ref();
        let is_more = |known: &RelistReason| {
            known.is_shortcut() || reason.begins_epoch() && !known.begins_epoch()
        };
        if known.is_none_or(is_more) {
            self.relist = Some(reason);
        }
    }

    /// Which reason a list at this revision gives to begin a new epoch, in which revisions
    /// can't be compared with those before. Asked when the list is complete.
    #[must_use]
    pub fn new_epoch(&self, header: Header) -> Option<RelistReason> {
        let position = self.position?;
        let known = self.relist.clone().filter(RelistReason::begins_epoch);
        position.contradiction(header).or(known)
    }

    /// A list at this revision is complete, and the registry has taken it.
    pub fn listed(&mut self, header: Header) {
        let Header { cluster_id, revision, raft_term, .. } = header;
        self.relist = None;
        self.position = Some(Position { cluster_id, revision, raft_term });
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
        let is_requested_progress = message.is_requested_progress();
        if watch.is_other(message.watch_id) && !(is_requested_progress && self.ordered_progress) {
            let is_ahead = message.header.revision > position.revision;
            let ahead = is_ahead && message.is_of_etcd();
            // It is no further, or will not say what it has passed over.
            let has_no_more = message.created && !ahead;
            if has_no_more || is_requested_progress && std::mem::replace(&mut watch.is_quiet, true)
            {
                watch.backlog = Revision::default();
            }
            return match message.created {
                _ if is_requested_progress => Verdict::Alive,
                true => Verdict::Pong { ahead },
                false => Verdict::Unrelated,
            };
        }
        if message.canceled {
            return Verdict::End(WatchEnd::Canceled(message.cancel_reason));
        }
        if message.created {
            (watch.id, watch.backlog) = (Some(message.watch_id), message.header.revision);
            let raft_term = position.raft_term.max(message.header.raft_term);
            self.position = Some(Position { raft_term, ..position });
            return Verdict::Created;
        }
        if watch.id.is_none() {
            // Nothing of a watch comes before its first response.
            return Verdict::Alive;
        }
        if message.changes.is_empty() {
            // Progress, in its place among the events: unless the watch stands in the middle
            // of a revision, no event up to here is still to come.
            if watch.fragments.is_empty() {
                let revision = position.revision.max(message.header.revision);
                self.position = Some(Position { revision, ..position });
            }
            return Verdict::Alive;
        }
        // A server may repeat events from before the start (etcd issue 19487).
        watch.is_quiet = false;
        let news = message.changes.into_iter().filter(|c| c.revision() > position.revision);
        watch.fragments.extend(news);
        let whole = if message.fragment { watch.whole() } else { watch.fragments.len() };
        let rest = watch.fragments.split_off(whole);
        let changes = std::mem::replace(&mut watch.fragments, rest);
        let Some(revision) = changes.iter().map(Change::revision).max() else {
            return Verdict::Alive;
        };
        self.step = Step {
            told: count_revisions(&changes),
            through: distance(position.revision, revision),
            ahead: distance(revision, message.header.revision),
        };
        self.position = Some(Position { revision, ..position });
        Verdict::Apply(changes, revision)
    }
}

/// How many there are in changes that come in etcd's order.
fn count_revisions(changes: &[Change]) -> u64 {
    changes.chunk_by(|one, next| one.revision() == next.revision()).count() as u64
}

/// How far `to` is ahead of `from`; 0 if it is not.
fn distance(from: Revision, to: Revision) -> u64 {
    u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0)
}

fn why_relist(position: Position, watch: &Watch, message: &WatchMessage) -> Option<RelistReason> {
    if let Some(foreign) = position.foreign(message.header) {
        return Some(foreign);
    }
    if watch.is_other(message.watch_id) {
        return None;
    }
    if message.compact_revision > Revision(0) {
        // Its header comes without a revision, which says nothing about the cluster's.
        let (position, compacted) = (position.revision, message.compact_revision);
        return Some(RelistReason::Compacted { position, compacted });
    }
    let is_standing = message.created && !message.canceled;
    position.older(message.header).filter(|_| is_standing)
}

/// Before 3.4.25 and 3.5.8 a word on requested progress may overtake events that belong before
/// it (etcd issue 15220).
fn has_ordered_progress(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
    let mut number = || numbers.next().and_then(Result::ok);
    let (Some(major), Some(minor), Some(patch)) = (number(), number(), number()) else {
        return false;
    };
    match (major, minor) {
        (3, 4) => patch >= 25,
        (3, 5) => patch >= 8,
        _ => (major, minor) > (3, 5),
    }
}

#[cfg(test)]
mod tests;
