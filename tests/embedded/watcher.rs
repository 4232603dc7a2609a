//! One watch: what it wants, and how far it got.

use etcd_client::EventType;
use etcd_client::WatchFilterType;
use etcd_client::proto::PbEvent;

use super::api::Api;
use super::keys::KeyRange;
use super::kv::key_value;
use super::requests::WatchRequest;
use super::state::{Batch, Change};

/// A position in the log, and what is wanted from there.
pub(super) struct Watcher {
    wanted: WatchRequest,
    range: KeyRange,
    /// All changes below this revision have been sent.
    next: i64,
    /// Where the last response with events began.
    last_began: i64,
    /// It is far behind: the last batch did not reach the present.
    catching_up: bool,
    /// It got nothing since the last notice of progress was due.
    idle: bool,
}

impl Watcher {
    /// A watch of `range` from revision `from` on, created at revision `present`.
    pub(super) fn new(wanted: WatchRequest, range: KeyRange, from: i64, present: i64) -> Self {
        Self {
            wanted,
            range,
            next: from,
            last_began: from,
            catching_up: from <= present,
            idle: true,
        }
    }

    /// The first revision that it has not got.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// A request for progress is answered for it, as far as etcd would.
    pub(super) fn is_synced(&self, present: i64) -> bool {
        !self.catching_up && self.wanted.start_revision <= present
    }

    pub(super) fn notifies(&self) -> bool {
        self.wanted.progress_notify
    }

    /// Takes the next changes from the log and moves on. None: it has all, or
    /// waits for a revision to come.
    pub(super) fn next_batch(&mut self, api: &Api) -> Option<Batch> {
        let mut batch = api.store.read(|state| {
            (self.next <= state.revision).then(|| {
                let limit = api.limits.batch_revisions;
                state.changes(&self.range, self.next, limit, self.wanted.prev_kv)
            })
        })?;
        if let Batch::Changes { changes, next, revision } = &mut batch {
            let settings = api.faults.settings();
            let is_lost =
                |change: &Change| settings.lost_keys.iter().any(|key| **key == *change.now.key);
            changes.retain(|change| self.wants(change) && !is_lost(change));
            if !changes.is_empty() {
                self.last_began = self.next;
                self.idle = false;
            }
            self.next = *next;
            self.catching_up = *next <= *revision;
        }
        Some(batch)
    }

    fn wants(&self, change: &Change) -> bool {
        let unwanted = if change.now.is_tombstone() {
            WatchFilterType::NoDelete
        } else {
            WatchFilterType::NoPut
        };
        !self.wanted.filters.contains(&unwanted)
    }

    /// Sends again from `revision`, or from where the last response began.
    pub(super) fn go_back(&mut self, revision: Option<i64>) {
        self.next = self.next.min(revision.unwrap_or(self.last_began));
    }

    /// It is to be told of `revision`: it wants notices, has all, and heard
    /// nothing since the last time of asking.
    pub(super) fn is_idle_at(&mut self, revision: i64) -> bool {
        let idle = std::mem::replace(&mut self.idle, true);
        idle && self.wanted.progress_notify && self.next == revision + 1
    }

    /// The responses that `changes` go into.
    pub(super) fn fragments(&self, api: &Api, changes: Vec<Change>) -> Fragments {
        let limit = if api.faults.settings().one_event_fragments {
            0
        } else if !self.wanted.fragment {
            usize::MAX
        } else {
            api.limits.fragment_bytes
        };
        Fragments { changes: changes.into_iter().peekable(), limit }
    }
}

/// Splits changes into the events of responses, one at a time: a revision may be
/// far larger than what should be in memory at once.
pub(super) struct Fragments {
    changes: std::iter::Peekable<std::vec::IntoIter<Change>>,
    limit: usize,
}

impl Iterator for Fragments {
    /// The events, and whether more of the same batch follow.
    type Item = (Vec<PbEvent>, bool);

    fn next(&mut self) -> Option<Self::Item> {
        self.changes.peek()?;
        let (mut events, mut size) = (Vec::new(), 0);
        if self.limit == usize::MAX {
            events.reserve_exact(self.changes.len());
        }
        while let Some(change) = self.changes.peek() {
            size += encoded_size(change);
            if size >= self.limit && !events.is_empty() {
                break;
            }
            events.push(event(change));
            self.changes.next();
        }
        Some((events, self.changes.peek().is_some()))
    }
}

fn event(change: &Change) -> PbEvent {
    let kind = if change.now.is_tombstone() { EventType::Delete } else { EventType::Put };
    PbEvent {
        r#type: kind as i32,
        // Of a tombstone only the key and the revision are there to tell.
        kv: Some(key_value(&change.now)),
        prev_kv: change.before.as_deref().map(key_value),
    }
}

/// About what the event takes in a message, rather more than less.
fn encoded_size(change: &Change) -> usize {
    /// Tags, lengths, three revisions, a lease.
    const REST: usize = 48;
    let now = change.now.key.len() + change.now.value.len() + REST;
    let before = change.before.as_ref();
    now + before.map_or(0, |v| v.key.len() + v.value.len() + REST)
}
