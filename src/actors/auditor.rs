//! `Auditor`: compares the registry with etcd now and then, and after every outage.
//!
//! It lists the prefix on a connection and a thread of its own, so that the watch is not held
//! up, and lets the registry compare page by page; what is a difference is decided in
//! [`core::audit`](crate::core::audit). If there is one, the watcher is told to list
//! anew.

use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use actix::{Message, Recipient};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use super::chunks::chunks;
use super::messages::{Audit, GetPosition, Relist, Resumed};
use crate::backoff::{Backoff, spread};
use crate::core::audit::{Difference, Report};
use crate::core::key::Prefix;
use crate::core::paging::{Paging, key_after};
use crate::core::registry::{Audited, Check, Standing};
use crate::core::session::{Position, RelistReason};
use crate::etcd::{self, Connection, Connector, Server};
use crate::telemetry::{Foreign, seconds};

/// No more than this part of the time goes into audits.
const SHARE: u32 = 100;

/// But however long an audit took, be it that the host was asleep, another one follows.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// An audit after an outage is put off by up to so many times what the last one took, within
/// these limits: many daemons share one etcd.
const SPREAD: u32 = 20;
const SHORTEST_SPREAD: Duration = Duration::from_secs(1);
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

/// How often to look whether what is suspect has been explained.
const SETTLE: Duration = Duration::from_millis(100);

/// Whom the auditor asks.
#[derive(Clone)]
pub struct Peers {
    /// Holds what is compared.
    pub registry: Recipient<Audit>,
    /// Knows how far the watch is.
    pub position: Recipient<GetPosition>,
    /// Lists anew.
    pub relist: Recipient<Relist>,
}

/// The actor that audits.
pub struct Auditor {
    task: Option<Task>,
    outages: mpsc::Sender<()>,
}

impl Auditor {
    /// Audits each `interval`, if there is one, and whenever it is told that the watch was
    /// resumed.
    #[must_use]
    pub fn new(
        servers: Vec<Server>,
        connector: Connector,
        prefix: Prefix,
        interval: Option<Duration>,
        peers: Peers,
    ) -> Self {
        // One outage that is not audited yet stands for all that follow.
        let (outages, resumed) = mpsc::channel(1);
        let task = Task {
            servers,
            attempt: 0,
            connector,
            prefix,
            interval,
            peers,
            resumed,
            took: Duration::ZERO,
            backoff: Backoff::for_etcd(),
            failures: 0,
            differences: 0,
        };
        Self { task: Some(task), outages }
    }
}

impl Actor for Auditor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(task) = self.task.take() {
            ctx.spawn(task.run().into_actor(self).map(|_, _, ctx| ctx.stop()));
        }
    }
}

impl Handler<Resumed> for Auditor {
    type Result = ();

    fn handle(&mut self, _: Resumed, _: &mut Self::Context) {
        let _ = self.outages.try_send(());
    }
}

/// What runs for as long as the daemon does.
struct Task {
    servers: Vec<Server>,
    attempt: usize,
    connector: Connector,
    prefix: Prefix,
    interval: Option<Duration>,
    peers: Peers,
    resumed: mpsc::Receiver<()>,
    /// What the last audit took.
    took: Duration,
    backoff: Backoff,
    /// In a row.
    failures: u32,
    /// Found since the start.
    differences: usize,
}

/// Why an audit came to nothing; another one will.
#[derive(Debug, Error)]
enum Failure {
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
    /// Ends only with the program.
    async fn run(mut self) -> Result<(), Failure> {
        loop {
            self.due().await?;
            while let Err(failure) = self.audit().await {
                if matches!(failure, Failure::Abandoned) {
                    return Err(failure);
                }
                let delay = self.backoff.failed(Instant::now());
                let delay = delay.max(self.took * SPREAD).min(LONGEST_SPREAD);
                self.say_failed(&failure, delay);
                self.attempt += 1;
                sleep(delay).await;
            }
            self.failures = 0;
            self.backoff.succeeded(Instant::now());
        }
    }

    /// Waits until the next audit is due.
    async fn due(&mut self) -> Result<(), Failure> {
        let stretched = (self.took * SHARE).min(LONGEST_INTERVAL);
        let interval = self.interval.map(|interval| interval.max(stretched));
        // From three to five quarters of it.
        let interval = interval.map(|interval| interval * 3 / 4 + spread(interval / 2));
        match timeout(interval.unwrap_or(Duration::MAX), self.resumed.recv()).await {
            Err(_) => Ok(()),
            Ok(None) => Err(Failure::Abandoned),
            Ok(Some(())) => {
                let longest = (self.took * SPREAD).clamp(SHORTEST_SPREAD, LONGEST_SPREAD);
                sleep(spread(longest)).await;
                Ok(())
            }
        }
    }

    /// Says it once, and not at all of an outage that the watcher says anyway.
    fn say_failed(&mut self, failure: &Failure, delay: Duration) {
        const WORTH_SAYING: u32 = 5;
        let retry_in_seconds = seconds(delay);
        self.failures += 1;
        let is_refusal = matches!(failure, Failure::Request(error) if error.is_refusal());
        if self.failures == if is_refusal { 1 } else { WORTH_SAYING } {
            let reason = Foreign(failure.to_string().as_bytes()).to_string();
            warn!(reason, retry_in_seconds, "cannot audit; trying again and again");
        } else {
            debug!(%failure, retry_in_seconds, "audit failed");
        }
    }

    async fn audit(&mut self) -> Result<(), Failure> {
        let Some(position) = ask(&self.peers.position, GetPosition).await? else {
            // The first list is still to come, and needs no audit.
            return Ok(());
        };
        let server = &self.servers[self.attempt % self.servers.len()];
        let mut connection = self.connector.open(server, &self.prefix).await?;
        self.check(Check::Start).await?;
        let begun = Instant::now();
        let compared = self.compare(&mut connection, position).await;
        // What an audit costs counts whatever it comes to.
        self.took = begun.elapsed();
        if let Some(reason) = compared? {
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
        connection: &mut Connection,
        position: Position,
    ) -> Result<Option<RelistReason>, Failure> {
        let (mut paging, mut pinned) = (Paging::default(), None);
        let mut from = self.prefix.as_str().as_bytes().to_vec();
        loop {
            let page = connection.page(&self.prefix, from.clone(), paging.limit(), pinned).await;
            let page = match page {
                Err(etcd::Error::TooLarge) if paging.too_large() => continue,
                Err(etcd::Error::Timeout(_)) if paging.too_slow() => continue,
                page => page?,
            };
            match position.contradiction(page.header) {
                // The watch knows whom to follow.
                Some(RelistReason::ForeignCluster { .. }) => return Err(Failure::Stranger),
                Some(what) => {
                    warn!(%what, "audit: etcd has gone back");
                    return Ok(Some(RelistReason::OtherHistory(position.revision)));
                }
                None => {}
            }
            let revision = *pinned.get_or_insert(page.header.revision);
            let bytes = page.entries.iter().map(|kv| kv.key.len() + kv.value.len()).sum();
            paging.received(page.entries.len(), bytes);
            let last = page.entries.last().map(|kv| kv.key.clone());
            for (entries, _) in chunks(page.entries) {
                self.check(Check::Page { revision, entries }).await?;
            }
            match last {
                Some(last) if page.more => from = key_after(last),
                _ => {
                    self.check(Check::End(revision)).await?;
                    return Ok(None);
                }
            }
        }
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
