//! How a watch stream tells how far it is.
//!
//! The rule is that of etcd since 3.4.25 and 3.5.8, which is easily taken for a
//! dead stream: a request for progress is dropped, not deferred, while a watch of
//! the stream is catching up, and while the store is below a revision that a
//! watch was asked to start at. So a watch that continues a list, from the next
//! revision on, hears nothing at all until something is written.

use etcd_client::proto::PbWatchResponse;

use super::faults::Progress;
use super::watch::{Gone, Session};
use super::watcher::Watcher;

impl Session {
    /// Takes a request for progress, to be answered after the changes until now.
    pub(super) fn progress_asked_for(&mut self) {
        self.api.requests.record(|seen| seen.progress += 1);
        let present = self.api.store.revision();
        let answered = match self.api.faults.settings().progress {
            Progress::Ignored | Progress::Proxied => false,
            Progress::Overtaking => true,
            Progress::True => {
                let mut watchers = self.watchers.values();
                !self.watchers.is_empty() && watchers.all(|watcher| watcher.is_synced(present))
            }
        };
        if answered {
            self.progress_due = Some(present);
        }
    }

    /// Tells progress if it is due and true: every watch of the stream has got
    /// all up to the revision at which progress was asked for.
    pub(super) async fn answer_progress(&mut self) -> Result<(), Gone> {
        let Some(asked_at) = self.progress_due else {
            return Ok(());
        };
        let present = self.api.store.revision();
        let revision = if self.api.faults.settings().progress == Progress::Overtaking {
            present
        } else {
            let next = self.watchers.values().map(Watcher::next).min();
            let told = next.map_or(present, |next| next - 1);
            if told < asked_at {
                return Ok(());
            }
            told
        };
        self.progress_due = None;
        self.send(PbWatchResponse { watch_id: -1, ..self.about(revision) }).await
    }

    /// Tells the watches that want it how far they are, if they heard nothing of late.
    pub(super) async fn notify_progress(&mut self) -> Result<(), Gone> {
        if matches!(self.api.faults.settings().progress, Progress::Ignored | Progress::Proxied) {
            return Ok(());
        }
        let revision = self.api.store.revision();
        let mut idle = Vec::new();
        for (&id, watcher) in &mut self.watchers {
            if watcher.is_idle_at(revision) {
                idle.push(id);
            }
        }
        for watch_id in idle {
            self.send(PbWatchResponse { watch_id, ..self.about(revision) }).await?;
        }
        Ok(())
    }
}
