//! `EtcdWatcher`: lists, watches, and comes back after whatever ends a watch.
//!
//! The actor is the handle of one asynchronous task, which goes from connection to
//! connection for ever; what to do on each is the decision of the
//! [`Session`](crate::core::session::Session). Whoever must not be older than another daemon was
//! asks it to [`Confirm`]; when that is answered is the decision of
//! [`core::session::Confirm`](crate::core::session::Confirm).

mod heard;
mod list;
mod outage;
mod task;
mod watch;
mod wire;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, MessageResult, Recipient,
    ResponseFuture, WrapFuture,
};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};

use super::messages::{
    Confirm, GetPosition, LastFailure, Observed, Relist, Resumed, Stop, Subscribe, Unconfirmed,
};
use crate::core::key::Prefix;
use crate::core::session::Position;
use crate::etcd::{Connector, Server};
use crate::observer::SourceObserver;
use task::Task;
use wire::{Asker, Command, Wire};

/// Commands that are not taken yet: one stop, and relists that may be dropped.
const COMMANDS: usize = 4;

/// Questions that are not heard yet; whoever has one more waits.
const QUESTIONS: usize = 4;

/// The actor that talks to etcd.
pub struct EtcdWatcher {
    task: Option<Task>,
    commands: mpsc::Sender<Command>,
    asking: mpsc::Sender<Asker>,
    status: Rc<Status>,
    observer: SourceObserver,
    span: Span,
}

/// What the task shows to whoever asks the actor.
#[derive(Default)]
struct Status {
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
        let (asking, asked) = mpsc::channel(QUESTIONS);
        let wire = Wire::new(prefix, max_entries, registry, receiver, asked);
        let task = Task::new(servers, connector, wire, Rc::clone(&status));
        let (observer, span) = (SourceObserver::default(), Span::none());
        let task = Some(task.observed_by(observer.clone()));
        Self { task, commands, asking, status, observer, span }
    }

    /// Tells there how it stands with etcd.
    #[must_use]
    pub fn observed_by(self, observer: SourceObserver) -> Self {
        let task = self.task.map(|task| task.observed_by(observer.clone()));
        Self { task, observer, ..self }
    }

    /// Logs within `span`.
    #[must_use]
    pub fn within(self, span: Span) -> Self {
        Self { span, ..self }
    }
}

impl Actor for EtcdWatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(task) = self.task.take() {
            let run = task.run().instrument(self.span.clone());
            ctx.spawn(run.into_actor(self).map(|(), _, ctx| ctx.stop()));
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

impl Handler<Confirm> for EtcdWatcher {
    type Result = ResponseFuture<Result<(), Unconfirmed>>;

    fn handle(&mut self, _: Confirm, _: &mut Self::Context) -> Self::Result {
        let (asker, confirmed) = oneshot::channel();
        let asking = self.asking.clone();
        Box::pin(async move {
            asking.send(asker).await.map_err(|_| Unconfirmed)?;
            confirmed.await.map_err(|_| Unconfirmed)
        })
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
        MessageResult(self.observer.board.failure())
    }
}
