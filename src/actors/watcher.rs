//! `EtcdWatcher`: lists, watches, and comes back after whatever ends a watch.
//!
//! The actor is the handle of one asynchronous task, which goes from connection to
//! connection for ever; what to do on each is the [`Session`]'s decision.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient,
    ResponseFuture, WrapFuture,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout_at};
use tracing::{debug, info, warn};

use super::list::list;
use super::messages::{LastFailure, Observed, Relist, Stop};
use super::outage::Outage;
use super::wire::{Command, End, Wire};
use crate::backoff::Backoff;
use crate::core::event::{Event, Revision};
use crate::core::key::Prefix;
use crate::core::liveness::{Action, Liveness, Sign};
use crate::core::session::{Next, RelistReason, Session, Verdict, WatchEnd};
use crate::etcd::{Connection, Patience, Server};
use crate::telemetry::Foreign;

/// Commands that are not taken yet: one stop, and relists that may be dropped.
const COMMANDS: usize = 4;

/// The actor that talks to etcd.
pub struct EtcdWatcher {
    task: Option<Task>,
    commands: mpsc::Sender<Command>,
    failure: Rc<RefCell<Option<String>>>,
}

impl EtcdWatcher {
    /// Tells `registry` what the cluster of `servers` holds under `prefix`.
    #[must_use]
    pub fn new(
        servers: Vec<Server>,
        patience: Patience,
        prefix: Prefix,
        registry: Recipient<Observed>,
    ) -> Self {
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let failure = Rc::default();
        let task = Task {
            servers,
            patience,
            attempt: 0,
            wire: Wire::new(prefix, registry, receiver),
            session: Session::new(),
            backoff: Backoff::for_etcd(),
            outage: Outage::new(Rc::clone(&failure)),
        };
        Self { task: Some(task), commands, failure }
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

    fn handle(&mut self, _: Relist, _: &mut Self::Context) {
        // With the queue full, one of those in it does the same.
        let _ = self.commands.try_send(Command::Relist);
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
        MessageResult(self.failure.borrow().clone())
    }
}

/// What runs for as long as the daemon does.
struct Task {
    servers: Vec<Server>,
    patience: Patience,
    attempt: usize,
    wire: Wire,
    session: Session,
    backoff: Backoff,
    outage: Outage,
}

impl Task {
    async fn run(mut self) {
        loop {
            let server = self.servers[self.attempt % self.servers.len()].clone();
            let mut end = self.serve(&server).await;
            if let End::Lost(reason) = end {
                let delay = self.backoff.failed(Instant::now());
                let reason = Foreign(reason.to_string().as_bytes()).to_string();
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
                End::Relist => self.session.request_list(),
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
        let opened =
            match self.wire.unless_told(Box::pin(Connection::open(server, self.patience))).await {
                Ok(opened) => opened,
                Err(told) => return told,
            };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => return End::Lost(error.into()),
        };
        self.outage.connected(server, &connection.version);
        let mut resumes = true;
        loop {
            let done = match self.session.connected() {
                Next::List(reason) => {
                    match reason {
                        RelistReason::First => info!("listing"),
                        RelistReason::Requested => info!(%reason, "relisting"),
                        _ => warn!(%reason, "relisting"),
                    }
                    resumes = false;
                    self.list(&mut connection).await
                }
                Next::Watch(from) => self.watch(&mut connection, from, resumes).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn list(&mut self, connection: &mut Connection) -> Result<(), End> {
        let header = list(connection, &mut self.wire).await?;
        if let Some(odd) = self.session.listed(header) {
            warn!(what = %odd, "the list begins a new epoch of revisions");
            self.wire.send(Event::EpochBegan).await?;
        }
        self.wire.send(Event::ListEnded(header.revision)).await?;
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
        let mut stream = self.wire.unless_told(connection.watch(&prefix, from)).await??;
        let mut liveness = Liveness::new(self.patience.idle, self.patience.answer, Instant::now());
        loop {
            let next = timeout_at(liveness.deadline().into(), stream.next());
            let Ok(message) = self.wire.unless_told(next).await? else {
                match liveness.silence(Instant::now()) {
                    Action::GiveUp => return Err(End::Lost(self.session.silent().into())),
                    _ => stream.ping(&prefix).await?,
                }
                continue;
            };
            let verdict = self.session.judge(message?);
            let sign = match verdict {
                Verdict::Unrelated => continue,
                Verdict::Pong { ahead } => {
                    stream.end_ping().await?;
                    Sign::Pong { ahead }
                }
                _ => Sign::Watch,
            };
            if liveness.heard(sign, Instant::now()) == Action::RequestProgress {
                stream.request_progress().await?;
            }
            match verdict {
                Verdict::Alive | Verdict::Pong { .. } | Verdict::Unrelated => {}
                Verdict::Created => {
                    self.outage.over();
                    self.backoff.succeeded(Instant::now());
                    self.wire.send(Event::InTouch).await?;
                    if resumes {
                        info!(from_revision = from.0, "resumed");
                    } else {
                        info!(from_revision = from.0, "watching");
                    }
                }
                Verdict::Apply(changes, revision) => {
                    debug!(revision = revision.0, changes = changes.len(), "changes");
                    self.wire.apply(changes, revision).await?;
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
}
