//! One watch, from its first response to its end.

use std::time::Instant;

use tokio::time::sleep;
use tracing::{debug, info};

use super::heard::Watch;
use super::task::Task;
use super::wire::End;
use crate::actors::messages::Resumed;
use crate::core::event::{Event, Revision};
use crate::core::liveness::{Action, Liveness};
use crate::core::session::{RelistReason, Verdict, WatchEnd};
use crate::etcd::Connection;

impl Task {
    /// Passes a watch on to its end. Returns `Ok` if a list on the same connection is next.
    pub(super) async fn watch(
        &mut self,
        connection: &Connection,
        from: Revision,
        resumes: bool,
    ) -> Result<(), End> {
        let prefix = self.wire.prefix.clone();
        let in_fragments = self.session.wants_fragments();
        let opening = connection.watch(&prefix, from, in_fragments);
        let stream = self.wire.unless_told(opening).await??;
        let patience = self.connector.patience();
        let liveness = Liveness::new(patience.idle, patience.answer, Instant::now());
        let mut watch = Watch::new(stream, liveness);
        while let Some(message) = self.hear(connection, &mut watch).await? {
            let verdict = self.session.judge(message);
            self.status.position.set(self.session.position());
            if let Some(sign) = verdict.sign() {
                if sign.is_fresh() {
                    self.outage.heard();
                }
                if watch.liveness.heard(sign, Instant::now()) == Action::RequestProgress {
                    watch.stream.request_progress().await?;
                }
            }
            match verdict {
                Verdict::Alive | Verdict::Unrelated => {}
                Verdict::Pong { ahead } => {
                    debug!(ahead, "the watch is idle, the member answers");
                    watch.stream.end_ping().await?;
                }
                Verdict::Created => {
                    watch.stands = true;
                    self.outage.over();
                    self.backoff.succeeded(Instant::now());
                    self.wire.send(Event::InTouch).await?;
                    if resumes {
                        info!(from_revision = from.0, "resumed");
                        self.hint_auditor();
                    } else {
                        info!(from_revision = from.0, "watching");
                    }
                }
                Verdict::Apply(changes, revision) => {
                    debug!(revision = revision.0, changes = changes.len(), "changes");
                    self.witness.saw_changes(&changes);
                    let entries = self.wire.apply(changes, revision).await?;
                    if let Err(lost) = self.wire.admit(entries) {
                        self.session.request_list(RelistReason::TooMany(entries));
                        return Err(lost.into());
                    }
                }
                Verdict::End(WatchEnd::Relist(reason)) if reason.is_of_history() => {
                    // Should the same be said of every list, this is no tight loop.
                    let delay = self.backoff.failed(Instant::now());
                    return self.wire.unless_told(sleep(delay)).await;
                }
                Verdict::End(end) => return Err(End::Lost(end.into())),
            }
        }
        Ok(())
    }

    /// Every outage ends with an audit: a cluster that was restored meanwhile may have
    /// overtaken the position, and look as if nothing had happened.
    fn hint_auditor(&self) {
        if let Some(auditor) = &*self.status.auditor.borrow() {
            let _ = auditor.try_send(Resumed);
        }
    }
}
