//! A member's side of one watch, and the line to the daemon.

use std::collections::VecDeque;

use etcd_sd::core::event::{Change, Revision};
use etcd_sd::core::session::{Header, PING_WATCH_ID, WATCH_ID, WatchMessage};

use super::Etcd;

/// The watch ids: that of the watch itself, that of the ping, that of requested progress.
const WATCH: i64 = WATCH_ID;
const PING: i64 = PING_WATCH_ID;
const REQUESTED: i64 = -1;

/// One watch and what is on its way.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) server: usize,
    pub(crate) lineage: usize,
    /// The next revision to send.
    next: i64,
    wire: VecDeque<Sent>,
    is_over: bool,
    /// All events up to this revision have been received.
    pub(crate) delivered: i64,
    /// A part of a revision came twice.
    pub(crate) doubled: bool,
    /// The member has lost a response.
    pub(crate) has_lost: bool,
}

/// A response, and what it is worth.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) message: WatchMessage,
    /// With it, all events up to this revision have been received; 0 if it adds nothing.
    whole: i64,
    /// The newest revision that the daemon must know of with it: the last one with events that
    /// is there as a whole, or that of progress. 0 if there is none.
    pub(crate) due: i64,
}

impl Sent {
    /// One without events, in its place among those that have some.
    fn word(message: WatchMessage, whole: i64) -> Self {
        Self { message, whole, due: whole }
    }
}

impl Stream {
    /// The member takes the request for a watch.
    pub(crate) fn open(etcd: &Etcd, server: usize, from: i64) -> Self {
        let created = WatchMessage {
            header: etcd.header(server),
            watch_id: WATCH,
            created: true,
            ..WatchMessage::default()
        };
        Self {
            server,
            lineage: etcd.today(),
            next: from,
            wire: [Sent::word(created, 0)].into(),
            is_over: false,
            delivered: from - 1,
            doubled: false,
            has_lost: false,
        }
    }

    /// Whether nothing is on its way, nor to be sent.
    pub(crate) fn is_idle(&self, etcd: &Etcd) -> bool {
        self.wire.is_empty() && self.is_synced(etcd)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.wire.is_empty()
    }

    /// The next response, if there is one.
    pub(crate) fn receive(&mut self) -> Option<Sent> {
        let sent = self.wire.pop_front()?;
        self.delivered = self.delivered.max(sent.whole);
        Some(sent)
    }

    /// The member sends so many revisions, in parts of at most `fragment` events.
    pub(crate) fn send(&mut self, etcd: &Etcd, revisions: u8, fragment: usize) {
        let member = &etcd.members[self.server];
        if self.is_over || self.is_synced(etcd) {
            return;
        }
        if self.next < member.compacted {
            // A header without a revision, as etcd sends it.
            let header = Header { revision: Revision(0), ..etcd.header(self.server) };
            self.end(WatchMessage {
                header,
                watch_id: WATCH,
                compact_revision: Revision(member.compacted),
                ..WatchMessage::default()
            });
            return;
        }
        let end = (self.next + i64::from(revisions.max(1))).min(member.applied + 1);
        let mut changes = etcd.newest().changes(self.next..end).peekable();
        self.next = end;
        let (mut newest, mut due) = (0, 0);
        while changes.peek().is_some() {
            let part: Vec<Change> = changes.by_ref().take(fragment.max(1)).collect();
            for Revision(revision) in part.iter().map(Change::revision) {
                (newest, due) = (revision, if revision > newest { newest } else { due });
            }
            let is_last = changes.peek().is_none();
            let message = WatchMessage {
                header: etcd.header(self.server),
                watch_id: WATCH,
                fragment: !is_last,
                changes: part,
                ..WatchMessage::default()
            };
            let (whole, due) = if is_last { (end - 1, newest) } else { (newest - 1, due) };
            self.wire.push_back(Sent { message, whole, due });
        }
    }

    /// The member says how far the watch is, in its place among the events; it does so only
    /// if there is none to be sent.
    pub(crate) fn tell_progress(&mut self, etcd: &Etcd) -> bool {
        let tells = self.is_synced(etcd) && !self.is_over;
        if tells {
            let message = self.word(etcd, WATCH);
            let whole = message.header.revision.0;
            self.wire.push_back(Sent::word(message, whole));
        }
        tells
    }

    /// The member is asked how far the watch is. New versions answer as above; old ones at
    /// once, and the answer overtakes what is on its way (etcd issue 15220).
    pub(crate) fn request_progress(&mut self, etcd: &Etcd) {
        let message = self.word(etcd, REQUESTED);
        if !is_ordered(etcd.version(self.server)) {
            self.overtake(Sent::word(message, 0));
        } else if self.is_synced(etcd) && !self.is_over {
            let whole = message.header.revision.0;
            self.wire.push_back(Sent::word(message, whole));
        }
    }

    /// The member is asked for a sign of life; the answer may overtake events.
    pub(crate) fn ping(&mut self, etcd: &Etcd, overtakes: bool) {
        let pong = Sent::word(WatchMessage { created: true, ..self.word(etcd, PING) }, 0);
        if overtakes { self.overtake(pong) } else { self.wire.push_back(pong) }
    }

    /// The second watch is ended.
    pub(crate) fn end_ping(&mut self, etcd: &Etcd) {
        let closed = WatchMessage { canceled: true, ..self.word(etcd, PING) };
        self.wire.push_back(Sent::word(closed, 0));
    }

    /// The member gives the watch up.
    pub(crate) fn cancel(&mut self, etcd: &Etcd) {
        let cancel_reason = "etcdserver: no leader".into();
        self.end(WatchMessage { cancel_reason, ..self.word(etcd, WATCH) });
    }

    /// Has the next response come twice.
    pub(crate) fn duplicate(&mut self) -> bool {
        if let Some(next) = self.wire.front().cloned() {
            self.doubled |= next.message.fragment;
            self.wire.push_front(next);
            return true;
        }
        false
    }

    /// The member repeats revisions that it has sent already (etcd issue 19487).
    pub(crate) fn resend(&mut self, etcd: &Etcd, revisions: u8) -> bool {
        let oldest = etcd.members[self.server].compacted.max(1);
        let from = (self.next - i64::from(revisions)).max(oldest).min(self.next);
        std::mem::replace(&mut self.next, from) != from
    }

    /// The member forgets a response with events. Returns the newest revision in it.
    pub(crate) fn lose(&mut self) -> Option<i64> {
        let place = self.wire.iter().position(|sent| !sent.message.changes.is_empty())?;
        let lost = self.wire.remove(place)?;
        self.has_lost = true;
        lost.message.changes.last().map(|change| change.revision().0)
    }

    /// Sends something ahead of all events, yet not of the first response.
    fn overtake(&mut self, sent: Sent) {
        let is_first = |sent: &&Sent| sent.message.created && sent.message.watch_id == WATCH;
        let place = self.wire.iter().take_while(is_first).count();
        self.wire.insert(place, sent);
    }

    fn is_synced(&self, etcd: &Etcd) -> bool {
        self.next > etcd.members[self.server].applied
    }

    fn end(&mut self, message: WatchMessage) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.wire.push_back(Sent::word(WatchMessage { canceled: true, ..message }, 0));
        }
    }

    fn word(&self, etcd: &Etcd, watch_id: i64) -> WatchMessage {
        WatchMessage { header: etcd.header(self.server), watch_id, ..WatchMessage::default() }
    }
}

/// Those of the model's versions whose answers to a progress request keep the order.
fn is_ordered(version: &str) -> bool {
    ["3.4.25", "3.5.30", "3.6.1"].contains(&version)
}
