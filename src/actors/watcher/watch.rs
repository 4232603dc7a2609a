//! One watch, from its first response to its end.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::sleep;
use tracing::{debug, info};

use super::heard::Watch;
use super::task::Task;
use super::wire::End;
use crate::actors::chunks::CHUNK;
use crate::actors::messages::Resumed;
use crate::core::event::{Change, Event, Revision};
use crate::core::liveness::{Action, Liveness, Sign};
use crate::core::session::{RelistReason, Verdict, WatchEnd};
use crate::etcd::Connection;

/// How a watch began.
#[derive(Clone, Copy)]
struct Begun {
    from: Revision,
    /// Whether it goes on where another one has ended.
    resumes: bool,
}

/// Changes that go to the registry together. It is on another thread: the way there and back
/// costs more than a change, and while it is taken, more of them come.
#[derive(Default)]
struct Batch {
    changes: Vec<Change>,
    /// The newest.
    revision: Revision,
    /// How far the member said that it is, 0 if it did not.
    member: Revision,
}

impl Batch {
    fn push(&mut self, mut changes: Vec<Change>, revision: Revision) {
        if self.changes.is_empty() {
            self.changes = changes;
        } else {
            self.changes.append(&mut changes);
        }
        self.revision = self.revision.max(revision);
    }

    fn has_room(&self) -> bool {
        self.changes.len() < CHUNK
    }
}

impl Task {
    /// Passes a watch on to its end. Returns `Ok` if a list on the same connection is next.
    pub(super) async fn watch(
        &mut self,
        connection: &Connection,
        from: Revision,
        resumes: bool,
    ) -> Result<(), End> {
        let prefix = self.wire.prefix.clone();
        self.catch_up.asks(Instant::now());
        let in_fragments = self.session.wants_fragments();
        let opening = connection.watch(&prefix, from, in_fragments);
        let stream = self.wire.unless_told(opening).await??;
        let patience = self.connector.patience();
        let liveness = Liveness::new(patience.idle, patience.answer, Instant::now());
        let mut watch = Watch::new(stream, liveness);
        while let Some(message) = self.hear(connection, &mut watch).await? {
            let mut next = Some(message);
            let mut batch = Batch::default();
            let mut behind = None;
            while let Some(message) = next.take() {
                let member = message.header.revision;
                let is_word = message.changes.is_empty();
                watch.inquiry.hear(&message, Instant::now());
                let verdict = self.session.judge(message);
                batch.member = batch.member.max(member);
                self.status.position.set(self.session.position());
                if let Verdict::Apply(changes, revision) = verdict {
                    debug!(revision = revision.0, changes = changes.len(), "changes");
                    let now = Instant::now();
                    watch.liveness.heard(Sign::Watch, now);
                    behind = self.catch_up.told(self.session.step(), now);
                    batch.push(changes, revision);
                    if batch.has_room() && behind.is_none() {
                        next = watch.ready().await;
                    }
                } else {
                    if verdict == Verdict::Created {
                        self.catch_up.begins(self.session.ahead(member));
                    }
                    // Whatever comes of it, what was judged before is the registry's.
                    self.pass_on(&mut batch).await?;
                    // Not to resume from: of an old server the word may overtake events.
                    let has_all = is_word && !self.session.is_behind();
                    if watch.stands && verdict == Verdict::Alive && has_all {
                        self.outage.observer.board.has(member);
                    }
                    let begun = Begun { from, resumes };
                    if self.heed(verdict, begun, &mut watch).await? {
                        return Ok(());
                    }
                }
            }
            self.pass_on(&mut batch).await?;
            if let Some(reason) = behind {
                self.session.request_list(reason);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands changes to the registry, if there are any. It has all then that the watch has told.
    async fn pass_on(&mut self, batch: &mut Batch) -> Result<(), End> {
        let Batch { changes, revision, member } = std::mem::take(batch);
        let position = self.session.position().map(|position| position.revision);
        let board = Arc::clone(&self.outage.observer.board);
        board.receives(member, changes.len());
        if changes.is_empty() {
            board.has(position.unwrap_or_default());
            return Ok(());
        }
        self.witness.saw_changes(&changes);
        let puts = changes.iter().filter(|change| matches!(change, Change::Put(_))).count();
        self.outage.observer.metrics.changes(puts, changes.len() - puts);
        let entries = self.wire.apply(changes, revision).await?;
        board.has(position.unwrap_or_default());
        if !self.session.is_behind() {
            self.outage.heard();
        }
        self.catch_up.holds(entries);
        if let Err(lost) = self.wire.admit(entries) {
            self.session.request_list(RelistReason::TooMany(entries));
            return Err(lost.into());
        }
        Ok(())
    }

    /// Does what a message without changes asks for. Returns whether a list on the same
    /// connection is next.
    async fn heed(
        &mut self,
        verdict: Verdict,
        begun: Begun,
        watch: &mut Watch,
    ) -> Result<bool, End> {
        if let Some(sign) = verdict.sign() {
            if sign.is_fresh() && !self.session.is_behind() {
                self.outage.heard();
            }
            if watch.liveness.heard(sign, Instant::now()) == Action::RequestProgress {
                watch.stream.request_progress().await?;
            }
        }
        match verdict {
            Verdict::Alive | Verdict::Unrelated | Verdict::Apply(..) => {}
            Verdict::Pong { ahead } => {
                debug!(ahead, "the watch is idle, the member answers");
                watch.stream.end_ping().await?;
            }
            Verdict::Created => {
                watch.stands = true;
                // What follows a list was vouched for by it.
                self.outage.watching(!(begun.resumes && self.session.is_behind()));
                self.backoff.succeeded(Instant::now());
                self.wire.send(Event::InTouch).await?;
                let from_revision = begun.from.0;
                if begun.resumes {
                    info!(from_revision, "resumed");
                    self.hint_auditor();
                } else {
                    info!(from_revision, "watching");
                }
            }
            Verdict::End(WatchEnd::Relist(reason)) if reason.is_of_history() => {
                self.outage.observer.metrics.watch_ended("relist");
                // Should the same be said of every list, this is no tight loop.
                let delay = self.backoff.failed(Instant::now());
                self.wire.unless_told(sleep(delay)).await?;
                return Ok(true);
            }
            Verdict::End(end) => return Err(End::Lost(end.into())),
        }
        Ok(false)
    }

    /// Every outage ends with an audit: a cluster that was restored meanwhile may have
    /// overtaken the position, and look as if nothing had happened.
    fn hint_auditor(&self) {
        if let Some(auditor) = &*self.status.auditor.borrow() {
            let _ = auditor.try_send(Resumed);
        }
    }
}
