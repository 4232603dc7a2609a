//! The watcher's task: from connection to connection, and on each a list or a watch.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::Status;
use super::list::{Complete, list};
use super::outage::Outage;
use super::wire::{End, Lost, Wire};
use crate::backoff::{Backoff, spread};
use crate::core::census::elect;
use crate::core::event::Event;
use crate::core::session::{CatchUp, Confirm, Next, RelistReason, Session};
use crate::core::witness::Witness;
use crate::etcd::{Connection, Connector, Server};
use crate::observer::SourceObserver;

/// A relist after a common outage is put off by up to so many times what the last list took,
/// and no more than the limit: many daemons share one etcd. Whoever relists to be quicker has
/// heard of the outage's end at a time of its own, and should be quicker.
const RELIST_SPREAD: u32 = 10;
const LONGEST_RELIST_SPREAD: Duration = Duration::from_secs(1);
const LONGEST_SHORTCUT_SPREAD: Duration = Duration::from_millis(300);

/// etcd counts all keys to say that they are too many: it should not do so all the time. SIGHUP
/// asks at once.
const TOO_MANY_PAUSE: Duration = Duration::from_secs(60);

/// What runs for as long as the daemon does.
pub(super) struct Task {
    servers: Vec<Server>,
    pub(super) connector: Connector,
    attempt: usize,
    pub(super) wire: Wire,
    pub(super) session: Session,
    pub(super) confirm: Confirm,
    pub(super) catch_up: CatchUp,
    pub(super) backoff: Backoff,
    pub(super) witness: Witness,
    /// What the last list took.
    list_took: Duration,
    pub(super) outage: Outage,
    pub(super) status: Rc<Status>,
}

impl Task {
    pub(super) fn new(
        servers: Vec<Server>,
        connector: Connector,
        wire: Wire,
        status: Rc<Status>,
    ) -> Self {
        Self {
            servers,
            connector,
            attempt: 0,
            wire,
            session: Session::new(),
            confirm: Confirm::default(),
            catch_up: CatchUp::default(),
            backoff: Backoff::for_etcd(),
            witness: Witness::default(),
            list_took: Duration::ZERO,
            outage: Outage::new(),
            status,
        }
    }

    pub(super) fn observed_by(mut self, observer: SourceObserver) -> Self {
        self.outage.observer = observer;
        self
    }

    /// Ends when it is told to, or with the program.
    pub(super) async fn run(mut self) {
        loop {
            let server = self.servers[self.attempt % self.servers.len()].clone();
            let mut end = self.serve(&server).await;
            if let End::Lost(reason) = end {
                let mut delay = self.backoff.failed(Instant::now());
                if matches!(reason, Lost::TooMany { .. }) {
                    delay = delay.max(TOO_MANY_PAUSE);
                }
                self.outage.lost(&server, &reason, delay);
                // If nobody takes it, the program ends.
                let _ = self.wire.send(Event::OutOfTouch).await;
                self.attempt += 1;
                let Err(told) = self.wire.unless_told(sleep(delay)).await else {
                    continue;
                };
                end = told;
            }
            match end {
                End::Lost(_) => {}
                End::Relist(reason) => self.session.request_list(reason),
                End::Stop(stopped) => {
                    let _ = stopped.send(());
                    return;
                }
                End::Abandoned => return,
            }
        }
    }

    /// Serves one connection to its end.
    async fn serve(&mut self, server: &Server) -> End {
        self.outage.trying(server);
        let prefix = self.wire.prefix.clone();
        let opening = Box::pin(self.connector.open(server, &prefix));
        let opened = match self.wire.unless_told(opening).await {
            Ok(opened) => opened,
            Err(told) => return told,
        };
        let connection = match opened {
            Ok(connection) => connection,
            Err(error) => return End::Lost(error.into()),
        };
        if let Err(end) = self.identify(&connection).await {
            return end;
        }
        self.outage.connected(server, &connection.version, connection.header.cluster_id);
        if let Err(end) = self.recognise(&connection).await {
            return end;
        }
        let mut resumes = true;
        loop {
            self.confirm.begin_again();
            let done = match self.session.connected(&connection.version) {
                Next::List(reason) => {
                    resumes = false;
                    self.list(&connection, reason).await
                }
                Next::Watch(from) => self.watch(&connection, from, resumes).await,
            };
            self.status.position.set(self.session.position());
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// Makes sure that the member is of the cluster that is meant, by asking all servers where
    /// that is in doubt. A single server is taken as it is: what its list shows is guarded.
    async fn identify(&mut self, connection: &Connection) -> Result<(), End> {
        let found = connection.header.cluster_id;
        let known = self.session.position().map(|position| position.cluster_id);
        if self.servers.len() == 1 || found == 0 || known == Some(found) {
            return Ok(());
        }
        let prefix = self.wire.prefix.clone();
        let asking = self.connector.cluster_ids(&self.servers, &prefix);
        let answers = self.wire.unless_told(asking).await?;
        match elect(known, &answers) {
            Some(meant) if meant == found => Ok(()),
            Some(meant) => Err(Lost::Stranger { found, meant }.into()),
            None => Err(Lost::Undecided { found }.into()),
        }
    }

    /// Makes sure that the history of revisions is the one that the registry was read from, and
    /// that it is not so far ahead that nothing but a list will do.
    async fn recognise(&mut self, connection: &Connection) -> Result<(), End> {
        let position = self.session.position();
        if let Some(foreign) = position.and_then(|known| known.foreign(connection.header)) {
            self.session.request_list(foreign);
            return Ok(());
        }
        if let Some(put) = self.witness.put()
            && !self.wire.unless_told(connection.has(put)).await??
        {
            self.session.request_list(RelistReason::OtherHistory(put.mod_revision));
            return Ok(());
        }
        let ahead = self.session.ahead(connection.header.revision);
        if let Some(behind) = self.catch_up.connected(ahead, Instant::now()) {
            self.session.request_list(behind);
        }
        Ok(())
    }

    async fn list(&mut self, connection: &Connection, reason: RelistReason) -> Result<(), End> {
        let is_news = self.outage.listing(&reason);
        match reason {
            _ if !is_news => debug!(%reason, "listing again"),
            RelistReason::First => info!("listing"),
            _ if reason.is_ordinary() => info!(%reason, "relisting"),
            _ => warn!(%reason, "relisting"),
        }
        let is_shortcut = reason.is_shortcut();
        let limit = match reason {
            _ if is_shortcut => LONGEST_SHORTCUT_SPREAD,
            _ if reason.is_ordinary() => Duration::ZERO,
            _ => LONGEST_RELIST_SPREAD,
        };
        let longest = (self.list_took * RELIST_SPREAD).min(limit);
        if longest > Duration::ZERO {
            self.wire.unless_told(sleep(spread(longest))).await?;
        }
        let begun = Instant::now();
        self.confirm.begins_list(self.wire.asked());
        let (wire, witness) = (&mut self.wire, &mut self.witness);
        let listing = list(connection, wire, &self.session, witness, is_shortcut);
        let Complete { header, keys } = listing.await?;
        self.session.listed(header);
        self.wire.answer(self.confirm.listed());
        self.list_took = begun.elapsed();
        self.catch_up.listed(keys, self.list_took);
        let observer = &self.outage.observer;
        observer.metrics.listed(reason.name(), self.list_took);
        observer.board.listed(reason.to_string(), self.list_took);
        observer.board.observed(header.revision);
        self.outage.listed(begun);
        self.backoff.succeeded(Instant::now());
        Ok(())
    }
}
