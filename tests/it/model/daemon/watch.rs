//! The watcher's part of the daemon: the responses of a watch, one by one, and their absence.

use std::collections::VecDeque;
use std::time::Duration;

use etcd_sd::core::event::{Change, Event, Revision};
use etcd_sd::core::liveness::{Action, Sign};
use etcd_sd::core::session::{Verdict, WATCH_ID, WatchEnd};

use super::{Connection, Daemon, Watching};
use crate::model::etcd::{Etcd, Sent};
use crate::model::violation::{Violation, holds};

/// Changes in one message to the registry.
const CHUNK: usize = 3;

impl Daemon {
    /// The watch says nothing until its deadline.
    pub(in crate::model) fn silence(
        &mut self,
        etcd: &Etcd,
        overtakes: bool,
    ) -> Result<(), Violation> {
        self.take_all_parts(etcd)?;
        let Connection::Watching(watching) = &mut self.connection else {
            return Ok(());
        };
        self.now = watching.liveness.deadline();
        match watching.liveness.silence(self.now) {
            Action::GiveUp => {
                self.properties.tally.count("watches given up for silence");
                let end = self.session.silent();
                if let WatchEnd::Relist(reason) = &end {
                    self.count_relist(reason);
                }
                let relists = end != WatchEnd::Silent;
                self.properties.silenced(self.session.position(), relists)?;
                self.lose();
            }
            _ => watching.stream.ping(etcd, overtakes),
        }
        Ok(())
    }

    pub(super) fn take_response(
        &mut self,
        etcd: &Etcd,
        mut watching: Watching,
    ) -> Result<(), Violation> {
        let (Some(mut sent), Some(before)) = (watching.stream.receive(), self.session.position())
        else {
            self.connection = Connection::Watching(watching);
            return Ok(());
        };
        let (header, compacted) = (sent.message.header, sent.message.compact_revision);
        if let Some(bug) = self.bug {
            bug.distort(&mut sent.message, before);
        }
        let Sent { message, due, .. } = sent;
        if message.fragment {
            self.properties.tally.count("fragments");
        }
        let is_pong = message.created && message.watch_id != WATCH_ID;
        self.now += Duration::from_millis(1);
        let verdict = self.session.judge(message);
        let after = self.session.position().unwrap_or(before);
        let sign = match verdict {
            Verdict::Unrelated => None,
            Verdict::Pong { ahead } => Some(Sign::Pong { ahead }),
            _ => Some(Sign::Watch),
        };
        let stream = &mut watching.stream;
        match verdict {
            Verdict::End(end) => {
                if let WatchEnd::Relist(reason) = &end {
                    let response = (header, compacted);
                    self.properties.relists(etcd, before, response, reason)?;
                }
                return self.end_watch(etcd, stream.server, end);
            }
            Verdict::Apply(changes, revision) => {
                let before = before.revision;
                self.properties.let_through(etcd, stream, before, &changes, revision)?;
                self.properties.tally.count("revisions let through, one or several");
                self.parts.extend(parts(changes, revision));
            }
            Verdict::Created => {
                holds!("resumable", !is_pong, "the answer to a ping is taken for the watch");
                self.properties.created(etcd, stream, after, header)?;
                self.registry.apply(Event::InTouch);
                if watching.resumes {
                    self.properties.tally.count("watches resumed");
                    self.audit_is_due();
                }
            }
            Verdict::Pong { ahead } => {
                let is_ahead = header.revision > before.revision;
                holds!("bookmarkable", ahead == is_ahead, "{header:?} at {before:?}: {ahead}");
                stream.end_ping(etcd);
            }
            Verdict::Alive | Verdict::Unrelated => {}
        }
        self.properties.judged(stream, before, after, due)?;
        let action = sign.map(|sign| watching.liveness.heard(sign, self.now));
        if action == Some(Action::RequestProgress) {
            self.properties.tally.count("progress requested");
            stream.request_progress(etcd);
        }
        self.connection = Connection::Watching(watching);
        match self.parts.pop_front() {
            Some(part) => self.tell(etcd, part).map(|_| ()),
            None => Ok(()),
        }
    }

    fn end_watch(&mut self, etcd: &Etcd, server: usize, end: WatchEnd) -> Result<(), Violation> {
        if let WatchEnd::Relist(reason) = end {
            self.count_relist(&reason);
            if reason.is_of_history() {
                return self.serve(etcd, server, false);
            }
        }
        self.lose();
        Ok(())
    }
}

/// Whole revisions in parts for the registry.
fn parts(mut changes: Vec<Change>, revision: Revision) -> VecDeque<Event> {
    let mut parts = VecDeque::new();
    loop {
        let rest = changes.split_off(changes.len().min(CHUNK));
        let complete = rest.is_empty();
        parts.push_back(Event::Changes { changes, revision, complete });
        if complete {
            return parts;
        }
        changes = rest;
    }
}
