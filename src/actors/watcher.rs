//! `EtcdWatcher`: lists, watches, and comes back after whatever ends a watch.
//!
//! The actor is the handle of one asynchronous task, which goes from connection to
//! connection for ever; what to do on each is the [`Session`]'s decision.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient,
    ResponseFuture, WrapFuture,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};
use tracing::{debug, info, warn};

use super::list::list;
use super::messages::{GetPosition, LastFailure, Observed, Relist, Resumed, Stop, Subscribe};
use super::outage::Outage;
use super::wire::{Command, End, Lost, Wire};
use crate::backoff::{Backoff, spread};
use crate::core::census::elect;
use crate::core::event::Revision;
use crate::core::key::Prefix;
use crate::core::liveness::{Action, Liveness, Sign};
use crate::core::session::{Next, Position, RelistReason, Session, Verdict, WatchEnd};
use crate::etcd::{Connection, Connector, Error, Server};

/// Commands that are not taken yet: one stop, and relists that may be dropped.
const COMMANDS: usize = 4;

/// A relist after a common outage is put off by up to so many times what the last list took,
/// and no more than the limit: many daemons share one etcd.
const RELIST_SPREAD: u32 = 10;
const LONGEST_RELIST_SPREAD: Duration = Duration::from_secs(3);

/// The actor that talks to etcd.
pub struct EtcdWatcher {
    task: Option<Task>,
    commands: mpsc::Sender<Command>,
    status: Rc<Status>,
}

/// What the task shows to whoever asks the actor.
#[derive(Default)]
struct Status {
    failure: Rc<RefCell<Option<String>>>,
    position: Cell<Option<Position>>,
    auditor: RefCell<Option<Recipient<Resumed>>>,
}

impl EtcdWatcher {
    /// Tells `registry` what the cluster of `servers` holds under `prefix`.
    #[must_use]
    pub fn new(
        servers: Vec<Server>,
        connector: Connector,
        prefix: Prefix,
        max_entries: usize,
        registry: Recipient<Observed>,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let status = Rc::<Status>::default();
        let task = Task {
            servers,
            connector,
            attempt: 0,
            wire: Wire::new(prefix, max_entries, registry, receiver),
            session: Session::new(),
            backoff: Backoff::for_etcd(),
            list_took: Duration::ZERO,
            outage: Outage::new(Rc::clone(&status.failure)),
            status: Rc::clone(&status),
        };
        Self { task: Some(task), commands, status }
    }
}

impl Actor for EtcdWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(task) = self.task.take() {
            ctx.spawn(task.run().into_actor(self).map(|(), _, ctx| ctx.stop()));
        }
    }
}

impl Handler<Relist> for EtcdWatcher {
    type Result = ();

    fn handle(&mut self, Relist(reason): Relist, _: &mut Self::Context) {
        // With the queue full, one of those in it does the same.
        let _ = self.commands.try_send(Command::Relist(reason));
    }
}

impl Handler<Subscribe<Resumed>> for EtcdWatcher {
    type Result = ();

    fn handle(&mut self, Subscribe(auditor): Subscribe<Resumed>, _: &mut Self::Context) {
        self.status.auditor.replace(Some(auditor));
    }
}

impl Handler<GetPosition> for EtcdWatcher {
    type Result = MessageResult<GetPosition>;

    fn handle(&mut self, _: GetPosition, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.status.position.get())
    }
}

impl Handler<Stop> for EtcdWatcher {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        let (stopped, done) = oneshot::channel();
        let commands = self.commands.clone();
        Box::pin(async move {
            if commands.send(Command::Stop(stopped)).await.is_ok() {
                let _ = done.await;
            }
        })
    }
}

impl Handler<LastFailure> for EtcdWatcher {
    type Result = MessageResult<LastFailure>;

    fn handle(&mut self, _: LastFailure, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.status.failure.borrow().clone())
    }
}

/// What runs for as long as the daemon does.
struct Task {
    servers: Vec<Server>,
    connector: Connector,
    attempt: usize,
    wire: Wire,
    session: Session,
    backoff: Backoff,
    /// What the last list took.
    list_took: Duration,
    outage: Outage,
    status: Rc<Status>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let server = self.servers[self.attempt % self.servers.len()].clone();
            let mut end = self.serve(&server).await;
            if let End::Lost(reason) = end {
                let delay = self.backoff.failed(Instant::now());
                self.outage.lost(&server, &reason, delay);
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
        let opening = Box::pin(self.connector.open(server));
        let opened = match self.wire.unless_told(opening).await {
            Ok(opened) => opened,
            Err(told) => return told,
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => return End::Lost(error.into()),
        };
        if let Err(end) = self.identify(&connection).await {
            return end;
        }
        self.outage.connected(server, &connection.version);
        let mut resumes = true;
        loop {
            let done = match self.session.connected(&connection.version) {
                Next::List(reason) => {
                    resumes = false;
                    self.list(&mut connection, reason).await
                }
                Next::Watch(from) => self.watch(&mut connection, from, resumes).await,
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
        let answers = self.wire.unless_told(census(&self.servers, &self.connector)).await?;
        match elect(known, &answers) {
            Some(meant) if meant == found => Ok(()),
            Some(meant) => Err(Lost::Stranger { found, meant }.into()),
            None => Err(Lost::Undecided { found }.into()),
        }
    }

    async fn list(&mut self, connection: &mut Connection, reason: RelistReason) -> Result<(), End> {
        let is_news = self.outage.listing();
        match reason {
            _ if !is_news => debug!(%reason, "listing again"),
            RelistReason::First => info!("listing"),
            RelistReason::Requested => info!(%reason, "relisting"),
            _ => warn!(%reason, "relisting"),
        }
        if !reason.is_ordinary() {
            let longest = (self.list_took * RELIST_SPREAD).min(LONGEST_RELIST_SPREAD);
            self.wire.unless_told(sleep(spread(longest))).await?;
        }
        let begun = Instant::now();
        let header = list(connection, &mut self.wire, &self.session).await?;
        self.session.listed(header);
        self.list_took = begun.elapsed();
        self.outage.over();
        self.backoff.succeeded(Instant::now());
        Ok(())
    }

    /// Passes a watch on to its end. Returns `Ok` if a list on the same connection is next.
    async fn watch(
        &mut self,
        connection: &mut Connection,
        from: Revision,
        resumes: bool,
    ) -> Result<(), End> {
        let prefix = self.wire.prefix.clone();
        let in_fragments = self.session.wants_fragments();
        let opening = connection.watch(&prefix, from, in_fragments);
        let mut stream = self.wire.unless_told(opening).await??;
        let patience = self.connector.patience();
        let mut liveness = Liveness::new(patience.idle, patience.answer, Instant::now());
        loop {
            let next = timeout_at(liveness.deadline().into(), stream.next());
            let Ok(message) = self.wire.unless_told(next).await? else {
                match liveness.silence(Instant::now()) {
                    Action::GiveUp => return Err(End::Lost(self.session.silent().into())),
                    _ => stream.ping(&prefix).await?,
                }
                continue;
            };
            let message = match message {
                Err(Error::TooLarge) if self.session.too_large() => {
                    info!("a message of the watch is too large; watching in fragments");
                    return Ok(());
                }
                message => message?,
            };
            let verdict = self.session.judge(message);
            self.status.position.set(self.session.position());
            let sign = match verdict {
                Verdict::Unrelated => continue,
                Verdict::Pong { ahead } => {
                    debug!(ahead, "the watch is idle, the member answers");
                    stream.end_ping().await?;
                    Sign::Pong { ahead }
                }
                _ => Sign::Watch,
            };
            if sign != (Sign::Pong { ahead: true }) {
                self.outage.heard();
            }
            if liveness.heard(sign, Instant::now()) == Action::RequestProgress {
                stream.request_progress().await?;
            }
            match verdict {
                Verdict::Alive | Verdict::Pong { .. } | Verdict::Unrelated => {}
                Verdict::Created => {
                    self.outage.over();
                    self.backoff.succeeded(Instant::now());
                    if resumes {
                        info!(from_revision = from.0, "resumed");
                        self.hint_auditor();
                    } else {
                        info!(from_revision = from.0, "watching");
                    }
                }
                Verdict::Apply(changes, revision) => {
                    debug!(revision = revision.0, changes = changes.len(), "changes");
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
    }

    /// Every outage ends with an audit: a cluster that was restored meanwhile may have
    /// overtaken the position, and look as if nothing had happened.
    fn hint_auditor(&self) {
        if let Some(auditor) = &*self.status.auditor.borrow() {
            let _ = auditor.try_send(Resumed);
        }
    }
}

/// Asks each server for the cluster that it belongs to.
async fn census(servers: &[Server], connector: &Connector) -> Vec<Option<u64>> {
    let mut asking = JoinSet::new();
    for (place, server) in servers.iter().cloned().enumerate() {
        let connector = connector.clone();
        asking.spawn(async move { (place, connector.open(&server).await) });
    }
    let mut answers = vec![None; servers.len()];
    while let Some(answer) = asking.join_next().await {
        if let Ok((place, Ok(connection))) = answer {
            answers[place] = Some(connection.header.cluster_id).filter(|&id| id != 0);
        }
    }
    answers
}
