//! One audit: a list on a connection of its own, compared by the registry page by page.

use std::time::{Duration, Instant};

use actix::{Message, Recipient};
use thiserror::Error;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::Task;
use crate::actors::chunks::chunks;
use crate::actors::messages::{Audit, GetPosition, Relist};
use crate::actors::pages::Pages;
use crate::core::audit::{Difference, Report};
use crate::core::registry::{Audited, Check, Standing};
use crate::core::session::{Position, RelistReason};
use crate::etcd::{self, Connection};
use crate::metrics::AuditResult;
use crate::telemetry::{Foreign, seconds};

/// How often to look whether what is suspect has been explained.
const SETTLE: Duration = Duration::from_millis(100);

/// Why an audit came to nothing; another one will.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Request(#[from] etcd::Error),
    #[error("the registry was listed anew, or changed too much")]
    Void,
    #[error("the server belongs to another cluster")]
    Stranger,
    #[error("the program ends")]
    Abandoned,
}

impl Task {
    pub(super) async fn audit(&mut self) -> Result<(), Failure> {
        let Some(position) = ask(&self.peers.position, GetPosition).await? else {
            // The first list is still to come, and needs no audit.
            return Ok(());
        };
        let server = &self.servers[self.attempt % self.servers.len()];
        let connection = self.connector.open(server, &self.prefix).await?;
        self.check(Check::Start).await?;
        let begun = Instant::now();
        let compared = self.compare(&connection, position).await;
        // What an audit costs counts whatever it comes to.
        self.took = begun.elapsed();
        if let Some(reason) = compared? {
            self.observer.metrics.audited(AuditResult::Diverged, 0);
            return ask(&self.peers.relist, Relist(reason)).await;
        }
        drop(connection);
        self.settle().await?;
        let Audited::Report(report) = ask(&self.peers.registry, Audit(Check::Report)).await? else {
            return Err(Failure::Void);
        };
        self.conclude(&report).await
    }

    /// Has the registry compare itself with all pages of a list at one revision. Returns why the
    /// registry must be listed anew, if that is clear without a comparison.
    async fn compare(
        &self,
        connection: &Connection,
        position: Position,
    ) -> Result<Option<RelistReason>, Failure> {
        let mut pages = Pages::of(self.prefix.clone(), connection);
        let mut revision = None;
        while let Some(page) = pages.next(connection).await? {
            match position.contradiction(page.header) {
                // The watch knows whom to follow.
                Some(RelistReason::ForeignCluster { .. }) => return Err(Failure::Stranger),
                Some(what) => {
                    warn!(%what, "audit: etcd has gone back");
                    return Ok(Some(RelistReason::OtherHistory(position.revision)));
                }
                None => {}
            }
            let revision = *revision.get_or_insert(page.header.revision);
            for (entries, _) in chunks(page.entries, |kv| kv.value.len()) {
                self.check(Check::Page { revision, entries }).await?;
            }
        }
        self.check(Check::End(revision.unwrap_or_default())).await?;
        Ok(None)
    }

    /// Waits until nothing is suspect, or until the rest can't be explained any more: because
    /// the watch is past the revision of the list, or has not moved for so long that a live one
    /// would have been asked for its progress, and answered.
    async fn settle(&self) -> Result<(), Failure> {
        let patience = self.connector.patience();
        let patience = (patience.idle + patience.answer) * 2;
        let mut moved = Instant::now();
        let mut before = None;
        loop {
            let Standing { position, suspects, is_past } = self.check(Check::Settle).await?;
            if suspects == 0 || is_past {
                return Ok(());
            }
            if before.replace(position) != Some(position) {
                moved = Instant::now();
            } else if moved.elapsed() > patience {
                return Ok(());
            }
            sleep(SETTLE).await;
        }
    }

    async fn check(&self, check: Check) -> Result<Standing, Failure> {
        match ask(&self.peers.registry, Audit(check)).await? {
            Audited::Stands(standing) => Ok(standing),
            Audited::Void | Audited::Report(_) => Err(Failure::Void),
        }
    }

    async fn conclude(&mut self, report: &Report) -> Result<(), Failure> {
        let (revision, keys, differences) =
            (report.revision.0, report.compared, report.differences);
        let took_seconds = seconds(self.took);
        self.observer.board.audited(differences);
        let result = if differences == 0 { AuditResult::Equal } else { AuditResult::Diverged };
        self.observer.metrics.audited(result, differences);
        if differences == 0 {
            info!(revision, keys, took_seconds, "audited: the registry is what etcd holds");
            return Ok(());
        }
        for Difference { key, held, found } in &report.examples {
            let key = Foreign(key);
            let (held_revision, etcd_revision) =
                (held.map(|held| held.0), found.map(|found| found.0));
            error!(%key, held_revision, etcd_revision, "audit: difference");
        }
        self.differences += differences;
        error!(
            revision,
            keys,
            differences,
            differences_so_far = self.differences,
            took_seconds,
            "audited: the registry is not what etcd holds; listing anew"
        );
        ask(&self.peers.relist, Relist(RelistReason::Diverged(differences))).await
    }
}

/// Asks another actor; none of them ends before the program.
async fn ask<M>(peer: &Recipient<M>, message: M) -> Result<M::Result, Failure>
where
    M: Message<Result: Send> + Send,
{
    peer.send(message).await.map_err(|_| Failure::Abandoned)
}
