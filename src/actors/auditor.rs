//! `Auditor`: compares the registry with etcd now and then, and after every outage.
//!
//! It lists the prefix on a connection and a thread of its own, so that the watch is not held
//! up, and lets the registry compare page by page; what is a difference is decided in
//! [`core::audit`](crate::core::audit). If there is one, the watcher is told to list
//! anew.

mod audit;

use std::time::{Duration, Instant};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Recipient, WrapFuture,
};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tracing::{Instrument, Span, debug, warn};

use super::messages::{Audit, GetPosition, Relist, Resumed};
use crate::backoff::{Backoff, spread};
use crate::core::key::Prefix;
use crate::etcd::{Connector, Server};
use crate::metrics::AuditResult;
use crate::observer::SourceObserver;
use crate::telemetry::{Foreign, seconds};
use audit::Failure;

/// No more than this part of the time goes into audits.
const SHARE: u32 = 100;

/// But however long an audit took, be it that the host was asleep, another one follows.
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// An audit after an outage is put off by up to so many times what the last one took, within
/// these limits: many daemons share one etcd.
const SPREAD: u32 = 20;
const SHORTEST_SPREAD: Duration = Duration::from_secs(1);
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

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
    span: Span,
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
            observer: SourceObserver::default(),
        };
        Self { task: Some(task), outages, span: Span::none() }
    }

    /// Tells there what audits come to.
    #[must_use]
    pub fn observed_by(mut self, observer: SourceObserver) -> Self {
        if let Some(task) = &mut self.task {
            task.observer = observer;
        }
        self
    }

    /// Logs within `span`.
    #[must_use]
    pub fn within(self, span: Span) -> Self {
        Self { span, ..self }
    }
}

impl Actor for Auditor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(task) = self.task.take() {
            let run = task.run().instrument(self.span.clone());
            ctx.spawn(run.into_actor(self).map(|_, _, ctx| ctx.stop()));
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
    observer: SourceObserver,
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
        let result = match failure {
            Failure::Void => AuditResult::Void,
            _ => AuditResult::Failed,
        };
        self.observer.metrics.audited(result, 0);
        let is_refusal = matches!(failure, Failure::Request(error) if error.is_refusal());
        if self.failures == if is_refusal { 1 } else { WORTH_SAYING } {
            let reason = Foreign(failure.to_string().as_bytes()).to_string();
            warn!(reason, retry_in_seconds, "cannot audit; trying again and again");
        } else {
            debug!(%failure, retry_in_seconds, "audit failed");
        }
    }
}
